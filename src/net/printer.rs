//! `Printer`: lines on standard output that never make the loop wait. What nobody takes is kept up
//! to a bound, then lost and counted. What is printed is the board's and the console's business.
//! Owned by the server.

use std::io::{IsTerminal, stdout};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use log::warn;
use memchr::memchr_iter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Standard output as a queue.
#[derive(Debug)]
pub(super) struct Printer {
    pending: Vec<u8>,
    /// At most this much is written after asking whether something can be written at all: a pipe
    /// then takes a page, a terminal a little, without making the writer wait. Making standard
    /// output non-blocking would do it to every process that shares it, such as the shell.
    chunk_bytes_max: usize,
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
            pending: Vec::new(),
            chunk_bytes_max: if stdout().is_terminal() { 512 } else { 4096 },
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

    /// Writes as much as is taken without waiting, up to whole lines where it can be.
    pub(super) fn flush(&mut self, now: Instant) {
        if matches!(self.state, State::Blocked(until) if until > now) || self.state == State::Closed
        {
            return;
        }
        self.state = State::Idle;
        let mut written = 0;
        while written < self.pending.len() {
            if !is_writable(&stdout()) {
                self.state = State::Blocked(now + RETRY_INTERVAL);
                break;
            }
            let rest = &self.pending[written..];
            match rustix::io::write(stdout(), &rest[..self.chunk_of(rest)]) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.state = State::Blocked(now + RETRY_INTERVAL),
                Err(error) => {
                    warn!("standard output is closed ({error}): nothing is printed any more");
                    self.state = State::Closed;
                    written = self.pending.len();
                }
            }
            if self.state != State::Idle {
                break;
            }
        }
        self.pending.drain(..written);
        if self.pending.is_empty() {
            self.pending.shrink_to(PENDING_BYTES_MAX / 16);
        }
    }

    /// The longest run of whole lines that may be written at once, or a part of one long line.
    fn chunk_of(&self, rest: &[u8]) -> usize {
        let most = rest.len().min(self.chunk_bytes_max);
        memchr_iter(b'\n', &rest[..most])
            .next_back()
            .map_or(most, |end| end + 1)
    }
}

/// Whether a write of a little would not make the writer wait.
pub(super) fn is_writable(stream: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::OUT)];
    // An error of poll is left for write to find.
    poll(&mut fds, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
}
