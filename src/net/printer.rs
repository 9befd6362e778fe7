//! `Printer`: lines on standard output that never make the loop wait. What nobody takes is kept up
//! to a bound, then lost and counted. What is printed is the board's and the console's business.
//! Owned by the server.

use std::time::{Duration, Instant};

use log::{info, warn};
use rustix::io::Errno;

use super::standard_stream::{StandardStream, is_passing};

/// Standard output as a queue.
#[derive(Debug)]
pub(super) struct Printer {
    stream: StandardStream,
    pending: Vec<u8>,
    /// Lines lost since the last that was printed, and since the start.
    lost: u64,
    lost_in_all: u64,
    state: State,
    /// That it fails is said once, until it is better.
    failing: bool,
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
/// The same where an error stands in the way, such as a full disk.
const ERROR_RETRY_INTERVAL: Duration = Duration::from_secs(1);

impl Printer {
    pub(super) fn new() -> Printer {
        Printer {
            stream: StandardStream::output(),
            pending: Vec::new(),
            lost: 0,
            lost_in_all: 0,
            state: State::Idle,
            failing: false,
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
            let note = format!("… {} lines were lost here: nobody took them\n", self.lost);
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
                Ok(count) => {
                    written += count;
                    if std::mem::take(&mut self.failing) {
                        info!("standard output takes lines again");
                    }
                }
                Err(Errno::AGAIN) => self.state = State::Blocked(now + RETRY_INTERVAL),
                Err(error) if is_passing(error) => {
                    self.state = State::Blocked(now + ERROR_RETRY_INTERVAL);
                    if !std::mem::replace(&mut self.failing, true) {
                        warn!("standard output takes nothing ({error}): lines wait, then are lost");
                    }
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Seek};

    fn full_disk() -> StandardStream {
        let full = File::options().append(true).open("/dev/full");
        StandardStream::Own(full.expect("a disk that is full"))
    }

    #[test]
    fn what_a_full_disk_does_not_take_waits_until_there_is_room() {
        let mut printer = Printer::new();
        printer.stream = full_disk();
        let start = Instant::now();
        printer.line("one");
        printer.flush(start);
        let again = printer.deadline().expect("another try");
        assert_eq!(again, start + ERROR_RETRY_INTERVAL);
        let mut more = 0;
        while printer.lines_lost() < 2 {
            printer.line(&"x".repeat(10_000));
            more += 1;
        }
        // Not before its time: it costs a call, and the other end is no better yet.
        let file = rustix::fs::memfd_create("board", rustix::fs::MemfdFlags::CLOEXEC);
        let mut file = File::from(file.expect("a file"));
        printer.stream = StandardStream::Own(file.try_clone().expect("the same file"));
        printer.flush(start);
        assert_eq!(file.metadata().expect("a file").len(), 0);
        printer.flush(again);
        printer.line("last");
        printer.flush(again);
        assert_eq!(printer.deadline(), None);
        let mut printed = String::new();
        file.rewind().expect("a file");
        file.read_to_string(&mut printed).expect("text");
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines.first(), Some(&"one"));
        assert_eq!(lines.len(), more - 2 + 3);
        let ending = ["… 2 lines were lost here: nobody took them", "last"];
        assert_eq!(lines[lines.len() - 2..], ending);
    }
}
