//! The head of a client's frame (RFC 6455, 5.2) in any pieces, and the rules that a head alone can
//! break. Part of the WebSocket reader.

use super::{CONTROL_BYTES_MAX, PROTOCOL_ERROR, take};

const HEAD_BYTES_MAX: usize = 14;

/// A head, read.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    /// Whether this is the last frame of a message. Of what is no message it always is.
    pub(super) is_last: bool,
    /// Below 2⁶³; of what controls the connection at most [`CONTROL_BYTES_MAX`].
    pub(super) payload_bytes: u64,
    pub(super) mask: [u8; 4],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Message(Kind),
    Control(Control),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Text,
    Binary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Close,
    Ping,
    Pong,
}

/// Reads one head, and keeps what there is of one that is unfinished.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    kept: [u8; HEAD_BYTES_MAX],
    length: u8,
}

impl HeadReader {
    /// Takes a head from the front of `bytes`. `None`: all of them are kept, and more are needed.
    pub(super) fn next(&mut self, bytes: &mut &mut [u8]) -> Result<Option<Head>, u16> {
        // In one piece, as nearly always.
        if self.length == 0
            && let Some((head, head_bytes)) = read(bytes)?
        {
            take(bytes, head_bytes);
            return Ok(Some(head));
        }
        while let [byte] = *take(bytes, 1) {
            self.kept[usize::from(self.length)] = byte;
            self.length += 1;
            if let Some((head, _)) = read(&self.kept[..usize::from(self.length)])? {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    pub(super) fn is_begun(&self) -> bool {
        self.length > 0
    }
}

/// The head that these bytes begin with, and its length; `None` if it is not all there. A rule is
/// broken as soon as the byte is there that does.
fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, u16> {
    let [first, rest @ ..] = bytes else {
        return Ok(None);
    };
    let is_last = first & 0x80 != 0;
    let opcode = opcode(first & 0x7F).ok_or(PROTOCOL_ERROR)?;
    let is_control = matches!(opcode, Opcode::Control(_));
    if is_control && !is_last {
        return Err(PROTOCOL_ERROR);
    }
    let [second, rest @ ..] = rest else {
        return Ok(None);
    };
    let short = second & 0x7F;
    let is_masked = second & 0x80 != 0;
    if !is_masked || is_control && usize::from(short) > CONTROL_BYTES_MAX {
        return Err(PROTOCOL_ERROR);
    }
    // The shortest of the three forms is to be used.
    let (payload_bytes, least, rest) = match short {
        126 => {
            let Some((length, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes(*length)), 126, rest)
        }
        127 => {
            let Some((length, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from_be_bytes(*length), 1 << 16, rest)
        }
        short => (u64::from(short), 0, rest),
    };
    if payload_bytes < least || payload_bytes > i64::MAX as u64 {
        return Err(PROTOCOL_ERROR);
    }
    let Some((&mask, rest)) = rest.split_first_chunk() else {
        return Ok(None);
    };
    let head = Head {
        opcode,
        is_last,
        payload_bytes,
        mask,
    };
    Ok(Some((head, bytes.len() - rest.len())))
}

/// What the lower bits of the first byte say. The three above the opcode are for extensions, of
/// which there are none.
fn opcode(bits: u8) -> Option<Opcode> {
    Some(match bits {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Message(Kind::Text),
        0x2 => Opcode::Message(Kind::Binary),
        0x8 => Opcode::Control(Control::Close),
        0x9 => Opcode::Control(Control::Ping),
        0xA => Opcode::Control(Control::Pong),
        _ => return None,
    })
}
