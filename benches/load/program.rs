//! The words of programs: JSON lines, or the same in frames of a WebSocket (RFC 6455), as far as
//! the generator says and reads them. Pure: bytes in, bytes out, no socket, no clock. An own
//! codec, so that chatd's is not judged by itself.

/// A text frame that is whole.
const WHOLE_TEXT: u8 = 0x81;
/// A ping that is whole.
pub(crate) const WHOLE_PING: u8 = 0x89;
/// A close frame that is whole.
const WHOLE_CLOSE: u8 = 0x88;
const IS_MASKED: u8 = 0x80;
/// In place of a length: two bytes of it follow.
const TWO_BYTES_FOLLOW: u8 = 126;
/// The key and its answer that RFC 6455 (1.3) has as an example.
const ACCEPTED: &[u8] = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
/// Asks for a WebSocket.
pub(crate) const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A line, or a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    /// What it says.
    pub(crate) content: &'a [u8],
    /// Its length with everything.
    pub(crate) bytes: usize,
}

/// What a piece is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Said in the room.
    Said,
    /// The answer to who said something.
    Done,
    /// So many left.
    Left(u64),
    /// Other news.
    News,
    /// A refusal, the end, or nothing that a program may be told here.
    Refused,
}

/// The first piece of these bytes, if all of it is there.
pub(crate) fn piece(bytes: &[u8], is_framed: bool) -> Option<Piece<'_>> {
    if !is_framed {
        let end = memchr::memchr(b'\n', bytes)?;
        return Some(Piece {
            content: &bytes[..end],
            bytes: end + 1,
        });
    }
    let head = match *bytes.get(1)? {
        TWO_BYTES_FOLLOW => 4,
        _ => 2,
    };
    let length = match head {
        4 => usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
        _ => usize::from(bytes[1]),
    };
    let content = bytes.get(head..head + length)?;
    Some(Piece {
        // A frame of another kind than text is shown with its head, and so is nothing known.
        content: match bytes[0] {
            WHOLE_TEXT => content,
            _ => &bytes[..head + length],
        },
        bytes: head + length,
    })
}

impl Piece<'_> {
    /// What it is about, by its first field.
    pub(crate) fn kind(&self) -> Kind {
        let Some(rest) = self.content.strip_prefix(b"{\"is\":\"") else {
            return Kind::Refused;
        };
        let word = memchr::memchr(b'"', rest).map_or(rest, |end| &rest[..end]);
        match word {
            b"said" => Kind::Said,
            b"done" => Kind::Done,
            b"left" => Kind::Left(1),
            b"churn" => Kind::Left(number_behind(rest, b"\"left\":").unwrap_or(0)),
            b"refused" => Kind::Refused,
            _ => Kind::News,
        }
    }
}

/// A WebSocket was asked for: whether the answer has come and grants it. `None` if not all of it
/// is there.
pub(crate) fn is_upgraded(heard: &[u8]) -> Option<bool> {
    let end = memchr::memmem::find(heard, b"\r\n\r\n")?;
    let head = &heard[..end + 2];
    let is_granted = memchr::memmem::find(head, ACCEPTED).is_some();
    Some(head.starts_with(b"HTTP/1.1 101 ") && is_granted)
}

/// Whether these last bytes of a connection are those of one that was cut as too slow.
pub(crate) fn is_told_too_slow(end: &[u8], is_framed: bool) -> bool {
    // Behind the refusal a close frame with the code 1008 (policy), and nothing else.
    let lines = match is_framed {
        true => end.strip_suffix(&[WHOLE_CLOSE, 2, 0x03, 0xf0]),
        false => end.strip_suffix(b"\n"),
    };
    let Some(lines) = lines else { return false };
    memchr::memmem::rfind(lines, b"{\"is\":\"").is_some_and(|at| {
        let last = &lines[at..];
        last.starts_with(b"{\"is\":\"refused\",\"code\":\"too-slow\"") && last.ends_with(b"}")
    })
}

/// Appends a sentence as a program's line, or as a frame masked with this key.
pub(crate) fn put(sentence: &[&[u8]], is_framed: bool, key: u32, out: &mut Vec<u8>) {
    let length: usize = sentence.iter().map(|part| part.len()).sum();
    if is_framed {
        put_head(length, key, out);
    }
    let start = out.len();
    for part in sentence {
        out.extend_from_slice(part);
    }
    if is_framed {
        let key = key.to_be_bytes();
        for (place, byte) in out[start..].iter_mut().enumerate() {
            *byte ^= key[place % key.len()];
        }
    } else {
        out.push(b'\n');
    }
}

/// The answer to a ping, of so many bytes.
pub(crate) fn pong(token: &str, is_framed: bool) -> Vec<u8> {
    let sentence = format!("{{\"is\":\"pong\",\"ref\":\"{token}\"}}");
    match is_framed {
        true => [&[WHOLE_TEXT, sentence.len() as u8], sentence.as_bytes()].concat(),
        false => format!("{sentence}\n").into_bytes(),
    }
}

fn put_head(length: usize, key: u32, out: &mut Vec<u8>) {
    out.push(WHOLE_TEXT);
    match u8::try_from(length) {
        Ok(short) if short < TWO_BYTES_FOLLOW => out.push(IS_MASKED | short),
        _ => {
            let length = u16::try_from(length).expect("texts are checked to be shorter");
            out.push(IS_MASKED | TWO_BYTES_FOLLOW);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(&key.to_be_bytes());
}

fn number_behind(bytes: &[u8], label: &[u8]) -> Option<u64> {
    let start = memchr::memmem::find(bytes, label)? + label.len();
    let digits = bytes[start..].iter().take_while(|b| b.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
