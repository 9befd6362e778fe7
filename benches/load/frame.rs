//! The lines of the workload, as each server takes and gives them. Pure: bytes in, bytes out, no
//! socket, no clock. Whether they came is `parser`'s.
//!
//! Every text is `SSSSS NNNNNNNNNN abc…`: the number of the sending connection, the
//! number of the line from that sender, and filling up to the text's length. All lines
//! of a run have one length, so bytes are lines, exactly.

use super::door::Door;
use super::program;

/// Bytes of a text that carry the numbers; no text is shorter.
pub(crate) const TEXT_BYTES_MIN: usize = 18;
/// Digits of the sender's number, with which a text begins.
pub(crate) const SENDER_DIGITS: usize = 5;
const SEQUENCE_DIGITS: usize = 10;
/// Between the room and the time of what is said to programs.
pub(crate) const BETWEEN_ID_AND_TIME: &[u8] = b"\",\"at\":\"";
/// A time: `2026-11-21T12:00:00.123Z`.
pub(crate) const TIME_BYTES: usize = 24;
const LONGEST_ID: &[u8] = b"9999999999999-1048575";
/// Beside start, id and end: what leads to the time, the time, and the head of a frame.
const PROGRAM_EXTRA_BYTES: usize = BETWEEN_ID_AND_TIME.len() + TIME_BYTES + 4;

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
    /// The ceiling of TLS: 64 KiB sealed and sent to each socket in turn.
    RawSealed,
    /// The same with rustls's own records.
    RawRustls,
    /// No server: the handshakes of rustls, in memory.
    RustlsAlone,
}

impl Contender {
    /// The word in tables.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Contender::Chatd => "chatd",
            Contender::Redis => "redis",
            Contender::RawBlast | Contender::RawRelay => "raw",
            Contender::RawSealed => "raw sealed",
            Contender::RawRustls => "raw rustls",
            Contender::RustlsAlone => "rustls alone",
        }
    }

    /// Whether it sends the same 64 KiB again and again, and listens to nobody.
    pub(crate) fn is_blast(self) -> bool {
        use Contender::{RawBlast, RawRustls, RawSealed};
        matches!(self, RawBlast | RawSealed | RawRustls)
    }
}

/// How lines look in one run.
#[derive(Debug, Clone)]
pub(crate) struct Frames {
    /// Who is spoken to.
    pub(crate) contender: Contender,
    /// Through which door.
    pub(crate) door: Door,
    /// Bytes of a text.
    pub(crate) text_bytes: usize,
    /// How many rooms the connections are spread over.
    pub(crate) rooms: u32,
    name_digits: usize,
    room_digits: usize,
}

impl Frames {
    /// Frames for texts of this length, from connections numbered below `connections`.
    pub(crate) fn new(
        (contender, door): (Contender, Door),
        text_bytes: usize,
        connections: usize,
        rooms: usize,
    ) -> Self {
        Frames {
            contender,
            door,
            text_bytes,
            rooms: rooms as u32,
            name_digits: digits_of(connections.saturating_sub(1)),
            room_digits: digits_of(rooms.saturating_sub(1)),
        }
    }

    /// Length of one received line in bytes, everything included; of a program's lines, whose ids
    /// grow, the most that it can be.
    pub(crate) fn received_bytes(&self) -> usize {
        let mut line = Vec::new();
        if self.door.is_program() {
            self.put_said_start(0, &mut line);
            line.extend_from_slice(LONGEST_ID);
            self.put_said_end(0, 0, &mut line);
            return line.len() + PROGRAM_EXTRA_BYTES;
        }
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
        if self.has_one_room() && self.contender == Contender::Chatd {
            return "lobby".to_owned();
        }
        let width = self.room_digits;
        format!("room{:0width$}", connection % self.rooms)
    }

    /// Appends line `sequence` of `sender` as the server takes it.
    pub(crate) fn put_sent(&self, sender: u32, sequence: u64, out: &mut Vec<u8>) {
        match self.contender {
            Contender::Chatd if self.door.is_program() => {
                let room = self.room(sender);
                let mut text = Vec::with_capacity(self.text_bytes);
                self.put_text(sender, sequence, &mut text);
                let start = b"{\"do\":\"say\",\"room\":\"";
                let between = b"\",\"text\":\"";
                let sentence: [&[u8]; 5] = [start, room.as_bytes(), between, &text, b"\"}"];
                // No line has the same key as the one before, and none has none.
                let key = (sequence as u32 | 1).wrapping_mul(0x9e37_79b9);
                program::put(&sentence, self.door.is_framed(), key, out);
            }
            Contender::Chatd => {
                self.put_text(sender, sequence, out);
                out.push(b'\n');
            }
            Contender::Redis => {
                out.extend_from_slice(b"*3\r\n$7\r\nPUBLISH\r\n");
                self.put_channel_and_text(sender, sequence, out);
            }
            _ => self.put_received(sender, sequence, out),
        }
    }

    /// Appends what every program is told of a line before its id, which is the server's to choose.
    pub(crate) fn put_said_start(&self, sender: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"is\":\"said\",\"room\":\"");
        out.extend_from_slice(self.room(sender).as_bytes());
        out.extend_from_slice(b"\",\"id\":\"");
    }

    /// Appends what it is told behind the time.
    pub(crate) fn put_said_end(&self, sender: u32, sequence: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\",\"from\":\"c");
        put_number(u64::from(sender), self.name_digits, out);
        out.extend_from_slice(b"\",\"text\":\"");
        self.put_text(sender, sequence, out);
        out.extend_from_slice(b"\"}");
    }

    /// Appends line `sequence` of `sender` as every receiver must get it; not those of programs.
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
    pub(crate) fn sender_at(&self) -> usize {
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
