//! One receiving connection, and one that sends. Not the loop that serves them (that is `driver`).
//! Owned by the driver of one thread.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::frame::Frames;
use super::intake::Intake;
use super::parser::Seen;
use super::progress::{Ledger, RoomProgress, Shared};
use super::stream::{Heard, Stream};

/// A receiving connection.
#[derive(Debug)]
pub(crate) struct Member {
    /// Where it reads, and speaks if it does.
    pub(crate) stream: Stream,
    /// What it has read.
    pub(crate) intake: Intake,
}

impl Member {
    /// Reads once, as much as there is and fits the buffer, and checks it. Whether there was
    /// anything.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        room: &RoomProgress,
        mut on_line: impl FnMut(Seen),
    ) -> Result<bool, Fault> {
        let intake = &mut self.intake;
        let heard = self
            .stream
            .read(buffer, |bytes| intake.take(bytes, room, &mut on_line))?;
        match heard {
            Heard::Bytes => Ok(true),
            Heard::Nothing => Ok(false),
            Heard::End => Err(Fault::Refused {
                connection: self.intake.number(),
                words: format!("end of stream after {} bytes", self.intake.position()),
            }),
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

/// Through which connection a sender speaks.
#[derive(Debug)]
pub(crate) enum Voice {
    /// That of a receiver, by its place in the group.
    Member(usize),
    /// One of its own, which receives only answers: Redis lets no subscriber publish.
    Own(Box<Stream>),
}

/// Who sends.
#[derive(Debug)]
pub(crate) struct Sender {
    voice: Voice,
    number: u32,
    index: usize,
    of: usize,
    sent: u64,
    unsent: Vec<u8>,
    closed: bool,
}

impl Sender {
    /// Sender `index` of `of` in its room.
    pub(crate) fn new(voice: Voice, number: u32, index: usize, of: usize) -> Self {
        Sender {
            voice,
            number,
            index,
            of,
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
        members: &mut [Member],
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
        let wrote = !self.unsent.is_empty();
        let is_all_sent = self.flush(members)?;
        if stopping && is_all_sent {
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

    /// Sends what waits; whether all of it is sent.
    fn flush(&mut self, members: &mut [Member]) -> Result<bool, Fault> {
        let stream = match &mut self.voice {
            Voice::Member(place) => &mut members[*place].stream,
            Voice::Own(stream) => stream,
        };
        let written = match self.unsent.is_empty() {
            true => Ok(0),
            false => stream.write(&self.unsent),
        };
        let flushed = written.and_then(|count| {
            self.unsent.drain(..count);
            stream.flush()
        });
        match flushed {
            Ok(is_flushed) => Ok(is_flushed && self.unsent.is_empty()),
            Err(error) if is_transient(&error) => Ok(false),
            Err(source) => Err(Fault::Io {
                doing: format!("sending as connection {}", self.number),
                source,
            }),
        }
    }

    /// Reads away what Redis answers to each PUBLISH.
    pub(crate) fn drain_answers(&mut self, buffer: &mut [u8]) -> Result<(), Fault> {
        let Voice::Own(stream) = &mut self.voice else {
            return Ok(());
        };
        let number = self.number;
        let refused = |words: &[u8]| Fault::Refused {
            connection: number,
            words: String::from_utf8_lossy(&words[..words.len().min(200)]).into_owned(),
        };
        let heard = stream.read(buffer, |bytes| match memchr::memchr(b'-', bytes) {
            Some(_) => Err(refused(bytes)),
            None => Ok(()),
        })?;
        match heard {
            Heard::End => Err(refused(b"end of stream")),
            Heard::Bytes | Heard::Nothing => Ok(()),
        }
    }

    /// Whether every line was answered, where the receiver through which it speaks is told so.
    pub(crate) fn is_answered(&self, members: &[Member]) -> bool {
        let answers = match &self.voice {
            Voice::Member(place) => members[*place].intake.answers(),
            Voice::Own(_) => None,
        };
        answers.is_none_or(|answers| answers == self.sent)
    }
}

/// Whether a socket only has nothing to give or no place.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
