//! Follows the stream of one receiver and knows which line is due. Pure: bytes in, lines out, no
//! socket, no clock. How lines look is `frame`'s.

use super::fault::Fault;
use super::frame::{BETWEEN_ID_AND_TIME, Contender, Frames, SENDER_DIGITS, TIME_BYTES};
use super::program::{self, Kind, Piece};

/// A line that was seen and was right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Which sender of the room, from 0.
    pub(crate) sender: usize,
    /// Which line of this sender, from 0.
    pub(crate) sequence: u64,
    /// Position in the stream just behind the line, in bytes.
    pub(crate) end: u64,
}

/// Follows the stream of one receiver and accepts only the line that is due from each sender:
/// a lost, repeated, reordered or changed line is a fault.
#[derive(Debug)]
pub(crate) struct Parser {
    frames: Frames,
    frame_bytes: usize,
    sender_at: usize,
    connection: u32,
    next: Vec<u64>,
    unparsed: Vec<u8>,
    due: Vec<u8>,
    position: u64,
    departed: u64,
    /// The id of the last line, where lines have ids.
    last_id: (u64, u64),
}

impl Parser {
    /// A parser at the start of the stream of `connection`, in a room with `senders` senders.
    pub(crate) fn new(frames: &Frames, connection: u32, senders: usize) -> Self {
        Parser {
            frame_bytes: frames.received_bytes(),
            sender_at: if frames.door.is_program() {
                0
            } else {
                frames.sender_at()
            },
            frames: frames.clone(),
            connection,
            next: vec![0; senders],
            unparsed: Vec::new(),
            due: Vec::new(),
            position: 0,
            departed: 0,
            last_id: (0, 0),
        }
    }

    /// Takes the next bytes and calls `on_line` for each line they complete.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut on_line: impl FnMut(Seen),
    ) -> Result<(), Fault> {
        if self.unparsed.is_empty() {
            let used = self.parse(bytes, &mut on_line)?;
            self.unparsed.extend_from_slice(&bytes[used..]);
        } else {
            let mut whole = std::mem::take(&mut self.unparsed);
            whole.extend_from_slice(bytes);
            let used = self.parse(&whole, &mut on_line)?;
            whole.drain(..used);
            self.unparsed = whole;
        }
        Ok(())
    }

    /// How many departures the news of the room told of.
    pub(crate) fn departed(&self) -> u64 {
        self.departed
    }

    fn parse(&mut self, bytes: &[u8], on_line: &mut impl FnMut(Seen)) -> Result<usize, Fault> {
        if self.frames.door.is_program() {
            return self.parse_pieces(bytes, on_line);
        }
        let mut used = 0;
        while let Some(&first) = bytes.get(used) {
            let rest = &bytes[used..];
            let is_news =
                self.frames.contender != Contender::Redis && first != b'<' && first != b'!';
            let taken = if is_news {
                match memchr::memchr(b'\n', rest) {
                    Some(end) => self.take_news(&rest[..=end]),
                    None => break,
                }
            } else if rest.len() >= self.frame_bytes {
                self.take_line(&rest[..self.frame_bytes], on_line)?
            } else if first == b'!' {
                return Err(self.refusal(rest));
            } else {
                break;
            };
            used += taken;
        }
        Ok(used)
    }

    fn take_line(&mut self, line: &[u8], on_line: &mut impl FnMut(Seen)) -> Result<usize, Fault> {
        let number = sender_of(&line[self.sender_at..]);
        let sender = (number / self.frames.rooms) as usize;
        let Some(&sequence) = self.next.get(sender) else {
            return Err(self.refusal(line));
        };
        self.due.clear();
        self.frames.put_received(number, sequence, &mut self.due);
        if self.due != line {
            return Err(self.mangled(line));
        }
        self.next[sender] += 1;
        self.position += line.len() as u64;
        on_line(Seen {
            sender,
            sequence,
            end: self.position,
        });
        Ok(line.len())
    }

    fn parse_pieces(
        &mut self,
        bytes: &[u8],
        on_line: &mut impl FnMut(Seen),
    ) -> Result<usize, Fault> {
        let mut used = 0;
        while let Some(piece) = program::piece(&bytes[used..], self.frames.door.is_framed()) {
            self.position += piece.bytes as u64;
            match piece.kind() {
                Kind::Said => self.take_said(&piece, on_line)?,
                Kind::Left(members) => self.departed += members,
                Kind::News => {}
                Kind::Done | Kind::Refused => return Err(self.refusal(piece.content)),
            }
            used += piece.bytes;
        }
        Ok(used)
    }

    /// `{"is":"said","room":"lobby","id":"MS-SEQ","at":"…","from":"c1","text":"…"}`: all of it is
    /// known but the id, which must be above the one before, and the time.
    fn take_said(
        &mut self,
        piece: &Piece<'_>,
        on_line: &mut impl FnMut(Seen),
    ) -> Result<(), Fault> {
        let line = piece.content;
        let text_at = line.len().saturating_sub(self.frames.text_bytes + 2);
        let number = sender_of(&line[text_at..]);
        let sender = (number / self.frames.rooms) as usize;
        let Some(&sequence) = self.next.get(sender) else {
            return Err(self.refusal(line));
        };
        self.due.clear();
        self.frames.put_said_start(number, &mut self.due);
        let id = line.strip_prefix(self.due.as_slice()).and_then(read_id);
        let Some((id, rest)) = id.filter(|(id, _)| *id > self.last_id) else {
            return Err(self.mangled(line));
        };
        self.due.clear();
        self.frames.put_said_end(number, sequence, &mut self.due);
        let rest = rest.strip_prefix(BETWEEN_ID_AND_TIME);
        if rest.and_then(|rest| rest.get(TIME_BYTES..)) != Some(self.due.as_slice()) {
            return Err(self.mangled(line));
        }
        self.last_id = id;
        self.next[sender] += 1;
        on_line(Seen {
            sender,
            sequence,
            end: self.position,
        });
        Ok(())
    }

    fn mangled(&self, line: &[u8]) -> Fault {
        Fault::Mangled {
            connection: self.connection,
            due: String::from_utf8_lossy(&self.due).into_owned(),
            found: String::from_utf8_lossy(line).into_owned(),
        }
    }

    /// `* ann left (2 here): too slow`, or `* 3 left (97 here)` in a large room.
    fn take_news(&mut self, line: &[u8]) -> usize {
        let words = String::from_utf8_lossy(line);
        let words: Vec<&str> = words.split([' ', ',']).collect();
        if let Some(at) = words.iter().position(|word| *word == "left") {
            let told = words.get(at.wrapping_sub(1)).copied().unwrap_or_default();
            self.departed += told.parse().unwrap_or(1);
        }
        self.position += line.len() as u64;
        line.len()
    }

    fn refusal(&self, bytes: &[u8]) -> Fault {
        let words = match bytes.first() {
            Some(&program::WHOLE_PING) => "a ping came, long before which all was due".into(),
            _ => String::from_utf8_lossy(&bytes[..bytes.len().min(200)]),
        };
        Fault::Refused {
            connection: self.connection,
            words: words.into_owned(),
        }
    }
}

/// The number of the sender, with which a text begins.
fn sender_of(text: &[u8]) -> u32 {
    let digits = text.iter().take(SENDER_DIGITS);
    digits.fold(0, |number, digit| {
        number * 10 + u32::from(digit.wrapping_sub(b'0') % 10)
    })
}

/// An id as its two numbers, and what stands behind it.
fn read_id(bytes: &[u8]) -> Option<((u64, u64), &[u8])> {
    let number = |digits: &[u8]| {
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let value = digits
            .iter()
            .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        (is_number && digits.len() <= 18).then_some(value)
    };
    let end = memchr::memchr(b'"', bytes)?;
    let dash = memchr::memchr(b'-', &bytes[..end])?;
    let id = (number(&bytes[..dash])?, number(&bytes[dash + 1..end])?);
    Some((id, &bytes[end..]))
}
