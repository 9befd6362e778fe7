//! Lines and control frames → frames of a server (RFC 6455, 5.2), which have no mask, so that many
//! connections can share them; and where such frames end. Part of `websocket`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::ControlPayload;

/// The first byte of frames that are whole messages, or control the connection.
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// A length of two bytes, or of eight, comes behind the first two.
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;

/// The longest head of a frame without a mask.
const HEAD_BYTES_MAX: usize = 10;

/// The head of a text message of one frame with a payload of so many bytes, and how long the head is.
pub fn text_head(payload_bytes: usize) -> ([u8; HEAD_BYTES_MAX], usize) {
    let mut head = [0; HEAD_BYTES_MAX];
    head[0] = TEXT;
    match (u8::try_from(payload_bytes), u16::try_from(payload_bytes)) {
        (Ok(length), _) if length < TWO_BYTES => {
            head[1] = length;
            (head, 2)
        }
        (_, Ok(length)) => {
            head[1] = TWO_BYTES;
            head[2..4].copy_from_slice(&length.to_be_bytes());
            (head, 4)
        }
        _ => {
            head[1] = EIGHT_BYTES;
            head[2..].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
            (head, HEAD_BYTES_MAX)
        }
    }
}

/// Appends a text message of one frame.
pub fn write_text(line: &[u8], out: &mut Vec<u8>) {
    let (head, head_bytes) = text_head(line.len());
    out.extend_from_slice(&head[..head_bytes]);
    out.extend_from_slice(line);
}

/// Appends the last frame: the code why, or none.
pub fn write_close(code: Option<u16>, out: &mut Vec<u8>) {
    match code {
        Some(code) => {
            let [high, low] = code.to_be_bytes();
            out.extend_from_slice(&[CLOSE, 2, high, low]);
        }
        None => out.extend_from_slice(&[CLOSE, 0]),
    }
}

/// Appends a ping without payload.
pub fn write_ping(out: &mut Vec<u8>) {
    out.extend_from_slice(&[PING, 0]);
}

/// Appends the answer to a ping.
pub fn write_pong(payload: &ControlPayload, out: &mut Vec<u8>) {
    out.extend_from_slice(&[PONG, payload.length]);
    out.extend_from_slice(payload.bytes());
}

/// The first end of a frame at `offset` or behind it, in bytes that are whole frames of this
/// module: what was begun before `offset` is finished by what stands up to there.
pub fn frame_end(bytes: &[u8], offset: usize) -> usize {
    let mut end = 0;
    while end < offset
        && let Some(length) = frame_bytes(&bytes[end..])
    {
        end += length;
    }
    end.min(bytes.len())
}

/// How long the first frame is; `None` if these bytes do not begin with a whole head.
fn frame_bytes(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.get(2..)?;
    match bytes[1] {
        TWO_BYTES => Some(4 + usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        EIGHT_BYTES => usize::try_from(u64::from_be_bytes(*rest.first_chunk()?))
            .ok()?
            .checked_add(10),
        length => Some(2 + usize::from(length)),
    }
}

/// What proves that a WebSocket was understood (RFC 6455, 4.2.2): `Sec-WebSocket-Accept` for this
/// `Sec-WebSocket-Key`.
pub fn accept_key(key: &str) -> String {
    let hash = Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}
