//! Follows the stream of one receiver and knows which line is due. Pure: bytes in, lines out, no
//! socket, no clock. How lines look is `frame`'s.

use super::fault::Fault;
use super::frame::{Contender, Frames, SENDER_DIGITS};

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
}

impl Parser {
    /// A parser at the start of the stream of `connection`, in a room with `senders` senders.
    pub(crate) fn new(frames: &Frames, connection: u32, senders: usize) -> Self {
        Parser {
            frame_bytes: frames.received_bytes(),
            sender_at: frames.sender_at(),
            frames: frames.clone(),
            connection,
            next: vec![0; senders],
            unparsed: Vec::new(),
            due: Vec::new(),
            position: 0,
            departed: 0,
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
        let digits = &line[self.sender_at..self.sender_at + SENDER_DIGITS];
        let number = digits.iter().fold(0u32, |number, digit| {
            number * 10 + u32::from(digit.wrapping_sub(b'0') % 10)
        });
        let sender = (number / self.frames.rooms) as usize;
        let Some(&sequence) = self.next.get(sender) else {
            return Err(self.refusal(line));
        };
        self.due.clear();
        self.frames.put_received(number, sequence, &mut self.due);
        if self.due != line {
            return Err(Fault::Mangled {
                connection: self.connection,
                due: String::from_utf8_lossy(&self.due).into_owned(),
                found: String::from_utf8_lossy(line).into_owned(),
            });
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
        Fault::Refused {
            connection: self.connection,
            words: String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned(),
        }
    }
}
