//! The lines of the workload, as each server takes and gives them, and the parser
//! that knows which line is due. Pure: bytes in, bytes out, no socket, no clock.
//!
//! Every text is `SSSSS NNNNNNNNNN abc…`: the number of the sending connection, the
//! number of the line from that sender, and filling up to the text's length. All lines
//! of a run have one length, so bytes are lines, exactly.

use super::fault::Fault;

/// Bytes of a text that carry the numbers; no text is shorter.
pub(crate) const TEXT_BYTES_MIN: usize = 18;
const SENDER_DIGITS: usize = 5;
const SEQUENCE_DIGITS: usize = 10;

/// Who is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// The server of this package, or any that speaks its protocol.
    Chatd,
    /// redis-server: SUBSCRIBE for receivers, PUBLISH for senders.
    Redis,
    /// The raw ceiling: 64 KiB to each socket in turn.
    RawBlast,
    /// The raw ceiling for single lines: each line received goes to each socket.
    RawRelay,
}

impl Contender {
    /// The word in tables.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Contender::Chatd => "chatd",
            Contender::Redis => "redis",
            Contender::RawBlast | Contender::RawRelay => "raw",
        }
    }
}

/// How lines look in one run.
#[derive(Debug, Clone)]
pub(crate) struct Frames {
    contender: Contender,
    text_bytes: usize,
    rooms: u32,
    name_digits: usize,
    room_digits: usize,
}

impl Frames {
    /// Frames for texts of this length, from connections numbered below `connections`.
    pub(crate) fn new(
        contender: Contender,
        text_bytes: usize,
        connections: usize,
        rooms: usize,
    ) -> Self {
        Frames {
            contender,
            text_bytes,
            rooms: rooms as u32,
            name_digits: digits_of(connections.saturating_sub(1)),
            room_digits: digits_of(rooms.saturating_sub(1)),
        }
    }

    /// Length of one received line in bytes, everything included.
    pub(crate) fn received_bytes(&self) -> usize {
        let mut line = Vec::new();
        self.put_received(0, 0, &mut line);
        line.len()
    }

    /// Whether everybody is in one room.
    pub(crate) fn has_one_room(&self) -> bool {
        self.rooms == 1
    }

    /// The name of a connection.
    pub(crate) fn name(&self, connection: u32) -> String {
        format!("c{connection:0width$}", width = self.name_digits)
    }

    /// The room of a connection.
    pub(crate) fn room(&self, connection: u32) -> String {
        let width = self.room_digits;
        format!("room{:0width$}", connection % self.rooms)
    }

    /// Appends line `sequence` of `sender` as the server takes it.
    pub(crate) fn put_sent(&self, sender: u32, sequence: u64, out: &mut Vec<u8>) {
        match self.contender {
            Contender::Chatd => {
                self.put_text(sender, sequence, out);
                out.push(b'\n');
            }
            Contender::Redis => {
                out.extend_from_slice(b"*3\r\n$7\r\nPUBLISH\r\n");
                self.put_channel_and_text(sender, sequence, out);
            }
            Contender::RawBlast | Contender::RawRelay => self.put_received(sender, sequence, out),
        }
    }

    /// Appends line `sequence` of `sender` as every receiver must get it.
    pub(crate) fn put_received(&self, sender: u32, sequence: u64, out: &mut Vec<u8>) {
        if self.contender == Contender::Redis {
            out.extend_from_slice(b"*3\r\n$7\r\nmessage\r\n");
            self.put_channel_and_text(sender, sequence, out);
        } else {
            out.extend_from_slice(b"<c");
            put_number(u64::from(sender), self.name_digits, out);
            out.extend_from_slice(b"> ");
            self.put_text(sender, sequence, out);
            out.push(b'\n');
        }
    }

    fn put_channel_and_text(&self, sender: u32, sequence: u64, out: &mut Vec<u8>) {
        put_bulk_head(4 + self.room_digits, out);
        out.extend_from_slice(b"room");
        put_number(u64::from(sender % self.rooms), self.room_digits, out);
        out.extend_from_slice(b"\r\n");
        put_bulk_head(self.text_bytes, out);
        self.put_text(sender, sequence, out);
        out.extend_from_slice(b"\r\n");
    }

    fn put_text(&self, sender: u32, sequence: u64, out: &mut Vec<u8>) {
        const FILLING: &[u8; 64] =
            b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-";
        let end = out.len() + self.text_bytes;
        put_number(u64::from(sender), SENDER_DIGITS, out);
        out.push(b' ');
        put_number(sequence, SEQUENCE_DIGITS, out);
        out.push(b' ');
        while out.len() < end {
            let more = FILLING.len().min(end - out.len());
            out.extend_from_slice(&FILLING[..more]);
        }
    }

    /// Where the sender's number stands in a received line.
    fn sender_at(&self) -> usize {
        let ending = if self.contender == Contender::Redis {
            2
        } else {
            1
        };
        self.received_bytes() - ending - self.text_bytes
    }
}

/// Smallest number of decimal digits that holds `number`.
fn digits_of(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Appends `number` in exactly `digits` digits.
fn put_number(mut number: u64, digits: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + digits, b'0');
    for place in out[start..].iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn put_bulk_head(bytes: usize, out: &mut Vec<u8>) {
    out.push(b'$');
    put_number(bytes as u64, digits_of(bytes), out);
    out.extend_from_slice(b"\r\n");
}

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
