//! WebSocket (RFC 6455), sans I/O: the bytes of a client → what they say, and lines → frames for it.
//! No extensions, no subprotocols. Not the handshake (only the answer to its key), not what a line
//! means, and no buffer: a message passes through in the pieces that it comes in, unmasked where
//! they lie. A session owns one [`Reader`]; everything else here is functions.

mod head;
#[cfg(test)]
mod tests;
mod utf8;
mod write;

use std::fmt;
use std::mem;
use std::str;

use head::{Control, Head, HeadReader, Kind, Opcode};
use utf8::Utf8;

pub use write::{
    accept_key, frame_end, text_head, write_close, write_ping, write_pong, write_text,
};

/// Why a connection is ended (RFC 6455, 7.4.1), as far as a [`Reader`] finds it out.
const PROTOCOL_ERROR: u16 = 1002;
const UNSUPPORTED_DATA: u16 = 1003;
const INVALID_TEXT: u16 = 1007;

/// The longest payload of a ping, a pong or a close (RFC 6455, 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// What the bytes of a client were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// Bytes of a message, never none. They are text together with those before them, so a piece
    /// may begin and end within a character.
    Text(&'a [u8]),
    /// The end of a message.
    End,
    /// To be answered with the same payload. It may come between two pieces of a message.
    Ping(ControlPayload),
    /// The answer to a ping, or to none.
    Pong,
    /// The other side has said its last, with a code that may be sent back, or with none. Nothing
    /// comes behind it: what is still sent is dropped.
    Close(Option<u16>),
    /// The rules are broken, and this is the code to end with. Nothing comes behind it.
    Failed(u16),
}

/// The payload of a ping: at most [`CONTROL_BYTES_MAX`] bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ControlPayload {
    bytes: [u8; CONTROL_BYTES_MAX],
    length: u8,
}

impl ControlPayload {
    const EMPTY: ControlPayload = ControlPayload {
        bytes: [0; CONTROL_BYTES_MAX],
        length: 0,
    };

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Takes in a piece that a head has announced, which is why there is room for it.
    fn append(&mut self, piece: &[u8]) {
        for (place, &byte) in self.bytes[usize::from(self.length)..].iter_mut().zip(piece) {
            *place = byte;
            self.length += 1;
        }
    }
}

impl fmt::Debug for ControlPayload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().fmt(formatter)
    }
}

/// Reads what a client sends, in any pieces: the same stream gives the same inputs, but for where
/// [`Input::Text`] is divided. It keeps an unfinished head, or the payload of an unfinished ping;
/// of messages it only counts what is left.
#[derive(Debug, Default)]
pub struct Reader {
    state: State,
    /// The message that has begun and not ended.
    message: Option<Kind>,
    /// The kind of the message of which there was something last.
    kind: Kind,
    binary: Binary,
    utf8: Utf8,
    /// A frame came whole since that was asked last.
    has_whole: bool,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum State {
    Head(HeadReader),
    /// A piece of a message.
    Data {
        mask: [u8; 4],
        bytes_left: u64,
        is_last: bool,
    },
    /// In a box, since hardly any connection is in the middle of one, and each has a reader.
    Control(Box<ControlFrame>),
    /// The bytes before were given out, and then comes one that no text can have there.
    InvalidText,
    Ended,
}

/// A ping, a pong or a close on its way in.
#[derive(Debug)]
struct ControlFrame {
    control: Control,
    mask: [u8; 4],
    bytes_left: usize,
    payload: ControlPayload,
}

impl Default for State {
    fn default() -> State {
        State::Head(HeadReader::default())
    }
}

/// What becomes of binary messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Binary {
    #[default]
    Refused,
    Accepted,
}

impl Reader {
    /// One that gives out binary messages, too, unchecked, as if they were text: what a suite of
    /// tests for WebSockets wants echoed. [`Reader::is_binary`] tells them apart.
    pub fn with_binary() -> Reader {
        Reader {
            binary: Binary::Accepted,
            ..Reader::default()
        }
    }

    /// Takes from the front of `bytes` up to the end of the next input, and unmasks that in place.
    /// To be called until it gives `None`: all bytes are then taken in.
    pub fn next<'a>(&mut self, bytes: &mut &'a mut [u8]) -> Option<Input<'a>> {
        self.advance(bytes).unwrap_or_else(|code| {
            self.state = State::Ended;
            Some(Input::Failed(code))
        })
    }

    /// Whether a frame is unfinished.
    pub fn is_within_frame(&self) -> bool {
        match &self.state {
            State::Head(head) => head.is_begun(),
            State::Data { .. } | State::Control(_) => true,
            State::InvalidText | State::Ended => false,
        }
    }

    /// Whether a frame came whole since the last call: then what is unfinished is another.
    pub fn take_whole(&mut self) -> bool {
        mem::take(&mut self.has_whole)
    }

    /// Whether the last [`Input::Text`] or [`Input::End`] was of a binary message.
    pub fn is_binary(&self) -> bool {
        self.kind == Kind::Binary
    }

    /// As [`Reader::next`]; an error is a code to end with.
    fn advance<'a>(&mut self, bytes: &mut &'a mut [u8]) -> Result<Option<Input<'a>>, u16> {
        loop {
            match &mut self.state {
                State::Head(head) => match head.next(bytes)? {
                    Some(head) => self.begin(&head)?,
                    None => return Ok(None),
                },
                State::Data {
                    bytes_left: 0,
                    is_last,
                    ..
                } => {
                    let is_last = *is_last;
                    self.end_frame();
                    if is_last {
                        return self.end_message().map(Some);
                    }
                }
                State::Data {
                    mask, bytes_left, ..
                } => {
                    let piece = take(bytes, usize::try_from(*bytes_left).unwrap_or(usize::MAX));
                    if piece.is_empty() {
                        return Ok(None);
                    }
                    unmask(piece, mask);
                    *bytes_left -= piece.len() as u64;
                    return self.read_piece(piece).map(Some);
                }
                State::Control(frame) => {
                    let piece = take(bytes, frame.bytes_left);
                    unmask(piece, &mut frame.mask);
                    frame.bytes_left -= piece.len();
                    frame.payload.append(piece);
                    if frame.bytes_left > 0 {
                        return Ok(None);
                    }
                    let (control, payload) = (frame.control, frame.payload);
                    return self.read_control(control, payload).map(Some);
                }
                State::InvalidText => return Err(INVALID_TEXT),
                State::Ended => {
                    *bytes = &mut [];
                    return Ok(None);
                }
            }
        }
    }

    /// A head was read: what comes behind it.
    fn begin(&mut self, head: &Head) -> Result<(), u16> {
        let mask = head.mask;
        match (head.opcode, self.message) {
            (Opcode::Control(control), _) => {
                self.state = State::Control(Box::new(ControlFrame {
                    control,
                    mask,
                    bytes_left: usize::try_from(head.payload_bytes).map_err(|_| PROTOCOL_ERROR)?,
                    payload: ControlPayload::EMPTY,
                }));
                return Ok(());
            }
            (Opcode::Continuation, Some(_)) => {}
            (Opcode::Message(Kind::Binary), None) if self.binary == Binary::Refused => {
                return Err(UNSUPPORTED_DATA);
            }
            (Opcode::Message(kind), None) => {
                self.message = Some(kind);
                self.kind = kind;
            }
            (Opcode::Continuation, None) | (Opcode::Message(_), Some(_)) => {
                return Err(PROTOCOL_ERROR);
            }
        }
        self.state = State::Data {
            mask,
            bytes_left: head.payload_bytes,
            is_last: head.is_last,
        };
        Ok(())
    }

    fn end_frame(&mut self) {
        self.state = State::default();
        self.has_whole = true;
    }

    fn read_piece<'a>(&mut self, piece: &'a [u8]) -> Result<Input<'a>, u16> {
        if self.kind == Kind::Binary {
            return Ok(Input::Text(piece));
        }
        match self.utf8.possible_bytes(piece) {
            all if all == piece.len() => Ok(Input::Text(piece)),
            0 => Err(INVALID_TEXT),
            some => {
                self.state = State::InvalidText;
                Ok(Input::Text(&piece[..some]))
            }
        }
    }

    fn end_message(&mut self) -> Result<Input<'static>, u16> {
        self.message = None;
        if self.utf8.is_complete() {
            Ok(Input::End)
        } else {
            Err(INVALID_TEXT)
        }
    }

    fn read_control(
        &mut self,
        control: Control,
        payload: ControlPayload,
    ) -> Result<Input<'static>, u16> {
        self.end_frame();
        match control {
            Control::Ping => Ok(Input::Ping(payload)),
            Control::Pong => Ok(Input::Pong),
            Control::Close => {
                let code = close_code(payload.bytes())?;
                self.state = State::Ended;
                Ok(Input::Close(code))
            }
        }
    }
}

/// The code in the payload of a close (RFC 6455, 5.5.1 and 7.4; 1012 to 1014 are registered by
/// IANA since).
fn close_code(payload: &[u8]) -> Result<Option<u16>, u16> {
    if payload.is_empty() {
        return Ok(None);
    }
    let (code, reason) = payload.split_first_chunk().ok_or(PROTOCOL_ERROR)?;
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(PROTOCOL_ERROR);
    }
    str::from_utf8(reason).map_err(|_| INVALID_TEXT)?;
    Ok(Some(code))
}

/// The first `count` bytes, or as many as there are, are taken away from the rest.
fn take<'a>(bytes: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let all = mem::take(bytes);
    let (taken, rest) = all.split_at_mut(count.min(all.len()));
    *bytes = rest;
    taken
}

/// Takes the mask off (RFC 6455, 5.3), and turns it so that it begins with the byte that is next.
fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let mask_of_word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ mask_of_word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask_of_word.to_ne_bytes()) {
        *byte ^= mask;
    }
    mask.rotate_left(rest.len() % 4);
}
