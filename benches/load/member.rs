//! One receiving connection, and one sending. Not the loop that serves them (that is `driver`).
//! Owned by the driver of one thread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::frame::{Contender, Frames};
use super::options::Check;
use super::parser::{Parser, Seen};
use super::progress::{BLOCK_BYTES, Ledger, RoomProgress, Shared};

/// A receiving connection.
#[derive(Debug)]
pub(crate) struct Member {
    stream: TcpStream,
    number: u32,
    check: Check,
    parser: Option<Parser>,
    digest: crc32fast::Hasher,
    lines: u64,
    position: u64,
}

impl Member {
    /// A receiver at the start of its stream; with a parser it is followed line by line.
    pub(crate) fn new(
        stream: TcpStream,
        number: u32,
        check: Check,
        parser: Option<Parser>,
    ) -> Self {
        Member {
            stream,
            number,
            check,
            parser,
            digest: crc32fast::Hasher::new(),
            lines: 0,
            position: 0,
        }
    }

    /// Reads once, as much as there is and fits the buffer, and checks it.
    /// Returns the number of bytes, 0 when there are none.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        room: &RoomProgress,
        on_line: impl FnMut(Seen),
    ) -> Result<usize, Fault> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Err(self.refused("end of stream")),
            Ok(count) => count,
            Err(error) if is_transient(&error) => return Ok(0),
            Err(error) => return Err(self.refused(&error.to_string())),
        };
        self.examine(&buffer[..count], room, on_line)?;
        Ok(count)
    }

    fn examine(
        &mut self,
        bytes: &[u8],
        room: &RoomProgress,
        on_line: impl FnMut(Seen),
    ) -> Result<(), Fault> {
        match self.check {
            Check::Hash => self.digest(bytes, room)?,
            Check::Count => self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64,
            Check::Full => {}
        }
        if let Some(parser) = &mut self.parser {
            parser.feed(bytes, on_line)?;
        }
        if self.check != Check::Hash {
            self.position += bytes.len() as u64;
        }
        Ok(())
    }

    fn digest(&mut self, mut bytes: &[u8], room: &RoomProgress) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let left = (BLOCK_BYTES - self.position % BLOCK_BYTES) as usize;
            let (now, later) = bytes.split_at(left.min(bytes.len()));
            self.digest.update(now);
            self.position += now.len() as u64;
            if self.position.is_multiple_of(BLOCK_BYTES) {
                self.compare(self.position / BLOCK_BYTES - 1, room)?;
                self.digest.reset();
            }
            bytes = later;
        }
        Ok(())
    }

    fn compare(&self, block: u64, room: &RoomProgress) -> Result<(), Fault> {
        if room.agrees(block, self.digest.clone().finalize()) {
            return Ok(());
        }
        Err(Fault::Differs {
            connection: self.number,
            block,
        })
    }

    /// Compares the unfinished last block, once everything has arrived.
    pub(crate) fn compare_tail(&self, room: &RoomProgress) -> Result<(), Fault> {
        if self.check == Check::Hash && !self.position.is_multiple_of(BLOCK_BYTES) {
            self.compare(self.position / BLOCK_BYTES, room)?;
        }
        Ok(())
    }

    /// Bytes received since the start.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Departures it was told of, if it is followed line by line.
    pub(crate) fn departed(&self) -> u64 {
        self.parser.as_ref().map_or(0, Parser::departed)
    }

    /// Its number among all connections of the run.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Line endings received, if they are counted.
    pub(crate) fn counted_lines(&self) -> Option<u64> {
        (self.check == Check::Count).then_some(self.lines)
    }

    /// The socket.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn refused(&self, why: &str) -> Fault {
        Fault::Refused {
            connection: self.number,
            words: format!("{why} after {} bytes", self.position),
        }
    }
}

/// What a sender needs to know to decide whether a line is due.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As many as fit the window of lines under way.
    Window {
        /// Lines under way, at most.
        lines: u64,
    },
    /// All senders in turn, at fixed times, and never before the line before is everywhere.
    Schedule {
        /// Between two lines of the run.
        interval: Duration,
    },
    /// The first sender sends this many, one at a time, then nobody anything.
    Few {
        /// How many.
        lines: u64,
    },
}

impl Pace {
    /// When line number `line` of the run is due.
    pub(crate) fn due(interval: Duration, start: Instant, line: u64) -> Instant {
        start + Duration::from_nanos(interval.as_nanos() as u64 * line)
    }
}

/// A sending connection.
#[derive(Debug)]
pub(crate) struct Sender {
    stream: TcpStream,
    number: u32,
    index: usize,
    of: usize,
    answers: bool,
    sent: u64,
    unsent: Vec<u8>,
    closed: bool,
}

impl Sender {
    /// Sender `index` of `of` in its room.
    pub(crate) fn new(
        stream: TcpStream,
        number: u32,
        index: usize,
        of: usize,
        contender: Contender,
    ) -> Self {
        Sender {
            stream,
            number,
            index,
            of,
            answers: contender == Contender::Redis,
            sent: 0,
            unsent: Vec::new(),
            closed: false,
        }
    }

    /// Sends what is due. Returns whether anything was sent.
    pub(crate) fn step(
        &mut self,
        pace: Pace,
        frames: &Frames,
        ledger: &Ledger,
        room: &RoomProgress,
        shared: &Shared,
    ) -> Result<bool, Fault> {
        if self.closed {
            return Ok(false);
        }
        let stopping = shared.stopping.load(Ordering::Relaxed);
        let due = if stopping {
            0
        } else {
            self.lines_due(pace, ledger, shared)
        };
        for _ in 0..due {
            frames.put_sent(self.number, self.sent, &mut self.unsent);
            self.sent += 1;
        }
        let wrote = self.flush()?;
        if stopping && self.unsent.is_empty() {
            self.closed = true;
            room.sent_lines.fetch_add(self.sent, Ordering::Relaxed);
            shared.senders_open.fetch_sub(1, Ordering::Release);
        }
        Ok(wrote)
    }

    fn lines_due(&self, pace: Pace, ledger: &Ledger, shared: &Shared) -> u64 {
        match pace {
            Pace::Window { lines } => lines - (self.sent - ledger.released(self.index)),
            Pace::Few { lines } => {
                let free = self.sent == ledger.released_in_all();
                u64::from(self.index == 0 && free && self.sent < lines)
            }
            Pace::Schedule { interval } => {
                let due = self.next_due(interval, ledger, shared);
                u64::from(due.is_some_and(|due| due <= Instant::now()))
            }
        }
    }

    /// When this sender's next line is due, if nobody else's comes before it.
    pub(crate) fn next_due(
        &self,
        interval: Duration,
        ledger: &Ledger,
        shared: &Shared,
    ) -> Option<Instant> {
        let line = self.sent * self.of as u64 + self.index as u64;
        let start = *shared.start.get()?;
        (ledger.released_in_all() == line).then(|| Pace::due(interval, start, line))
    }

    fn flush(&mut self) -> Result<bool, Fault> {
        if self.unsent.is_empty() {
            return Ok(false);
        }
        match self.stream.write(&self.unsent) {
            Ok(count) => {
                self.unsent.drain(..count);
                Ok(true)
            }
            Err(error) if is_transient(&error) => Ok(false),
            Err(source) => Err(Fault::Io {
                doing: format!("sending as connection {}", self.number),
                source,
            }),
        }
    }

    /// Reads away what Redis answers to each PUBLISH.
    pub(crate) fn drain_answers(&mut self, buffer: &mut [u8]) -> Result<(), Fault> {
        if !self.answers {
            return Ok(());
        }
        match self.stream.read(buffer) {
            Ok(count) if count > 0 && memchr::memchr(b'-', &buffer[..count]).is_none() => Ok(()),
            Err(error) if is_transient(&error) => Ok(()),
            Err(source) => Err(Fault::Io {
                doing: "reading answers".into(),
                source,
            }),
            Ok(count) => Err(Fault::Refused {
                connection: self.number,
                words: String::from_utf8_lossy(&buffer[..count.min(200)]).into_owned(),
            }),
        }
    }
}

/// Whether a socket only has nothing to give or no place.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
