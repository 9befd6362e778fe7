//! `Printer`: lines on standard output that never make the loop wait. What nobody takes is kept up
//! to a bound, then lost and counted. What is printed is the board's and the console's business.
//! Owned by the server.

use std::time::{Duration, Instant};

use log::warn;
use rustix::io::Errno;

use super::standard_stream::StandardStream;

/// Standard output as a queue.
#[derive(Debug)]
pub(super) struct Printer {
    stream: StandardStream,
    pending: Vec<u8>,
    /// Lines lost since the last that was printed, and since the start.
    lost: u64,
    lost_in_all: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// It takes nothing; the next try is then.
    Blocked(Instant),
    /// It is gone for good.
    Closed,
}

/// What may wait to be printed.
const PENDING_BYTES_MAX: usize = 1 << 20;
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

impl Printer {
    pub(super) fn new() -> Printer {
        Printer {
            stream: StandardStream::output(),
            pending: Vec::new(),
            lost: 0,
            lost_in_all: 0,
            state: State::Idle,
        }
    }

    /// Adds a line, which has no LF, or counts it as lost.
    pub(super) fn line(&mut self, line: &str) {
        if self.state == State::Closed || self.pending.len() + line.len() > PENDING_BYTES_MAX {
            self.lost += 1;
            self.lost_in_all += 1;
            return;
        }
        if self.lost > 0 {
            let note = format!("… {} lines were lost here: nobody read them\n", self.lost);
            self.pending.extend_from_slice(note.as_bytes());
            self.lost = 0;
        }
        self.pending.extend_from_slice(line.as_bytes());
        self.pending.push(b'\n');
    }

    /// Lines lost since the start.
    pub(super) fn lines_lost(&self) -> u64 {
        self.lost_in_all
    }

    /// When to call [`Printer::flush`] again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Blocked(until) => Some(until),
            State::Idle | State::Closed => None,
        }
    }

    /// Writes as much as is taken without waiting.
    pub(super) fn flush(&mut self, now: Instant) {
        if matches!(self.state, State::Blocked(until) if until > now) || self.state == State::Closed
        {
            return;
        }
        self.state = State::Idle;
        let mut written = 0;
        while written < self.pending.len() && self.state == State::Idle {
            match self.stream.write(&self.pending[written..]) {
                Ok(count) => written += count,
                Err(Errno::AGAIN) => self.state = State::Blocked(now + RETRY_INTERVAL),
                Err(error) => {
                    warn!("standard output is closed ({error}): nothing is printed any more");
                    self.state = State::Closed;
                    written = self.pending.len();
                }
            }
        }
        self.pending.drain(..written);
        if self.pending.is_empty() {
            self.pending.shrink_to(PENDING_BYTES_MAX / 16);
        }
    }
}
