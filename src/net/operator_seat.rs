//! `OperatorSeat`: somebody at the operator's socket: what is typed there, and what waits to be read.
//! It is never waited for: what passes a bound ends it. What the words do is `orders`'. Owned by the
//! seats.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use super::seats::SeatId;
use super::typed_lines::{READ_BYTES_MAX, Typed, TypedLines};

/// While more waits to be read by it, nothing more is done for it.
const UNREAD_BYTES_MAX: usize = 64 << 10;

/// See the file.
#[derive(Debug)]
pub(super) struct OperatorSeat {
    pub(super) id: SeatId,
    stream: UnixStream,
    lines: TypedLines,
    readable: bool,
    writable: bool,
    out: Vec<u8>,
    out_bytes_max: usize,
    /// Messages of rooms are shown here.
    pub(super) is_watching: bool,
    state: State,
}

/// Whether it is to be closed, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// More than may wait for it does.
    Overflowed,
    /// The other side is gone.
    Gone,
}

/// Why a seat is empty again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    OfItself,
    /// It did not read.
    Cut,
}

impl OperatorSeat {
    /// Somebody sits down.
    ///
    /// # Errors
    /// Those of registering.
    pub(super) fn new(
        id: SeatId,
        mut stream: UnixStream,
        (registry, token): (&Registry, Token),
        lines: TypedLines,
        out_bytes_max: usize,
    ) -> io::Result<OperatorSeat> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(OperatorSeat {
            id,
            stream,
            lines,
            readable: true,
            writable: true,
            out: Vec::new(),
            out_bytes_max,
            is_watching: false,
            state: State::Open,
        })
    }

    /// What the kernel says of it.
    pub(super) fn note(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.writable |= writable;
    }

    /// When there is something to do though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let is_heard = self.state == State::Open && self.out.len() <= UNREAD_BYTES_MAX;
        self.lines.deadline(self.readable).filter(|_| is_heard)
    }

    /// Reads once, if it is time to.
    pub(super) fn read(&mut self, now: Instant) {
        let has_room = self.out.len() <= UNREAD_BYTES_MAX;
        if !self.readable || !has_room || !self.lines.wants_bytes(now) {
            return;
        }
        let mut buffer = [0; READ_BYTES_MAX];
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                self.readable = false;
                self.lines.end();
            }
            Ok(count) => self.lines.take(&buffer[..count], now),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(_) => self.state = State::Gone,
        }
    }

    /// The next line, unless what was answered before waits to be read.
    pub(super) fn next_line(&mut self) -> Option<Typed> {
        let is_heard = self.state == State::Open && self.out.len() <= UNREAD_BYTES_MAX;
        is_heard.then(|| self.lines.next()).flatten()
    }

    /// Adds a line, which has no LF.
    pub(super) fn line(&mut self, line: &str) {
        if self.state != State::Open {
            return;
        }
        if self.out.len() + line.len() >= self.out_bytes_max {
            self.state = State::Overflowed;
            return;
        }
        self.out.extend_from_slice(line.as_bytes());
        self.out.push(b'\n');
    }

    /// Writes as much as is taken without waiting.
    pub(super) fn flush(&mut self) {
        let mut written = 0;
        while written < self.out.len() && self.writable {
            match self.stream.write(&self.out[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(_) => {
                    self.state = State::Gone;
                    break;
                }
            }
        }
        self.out.drain(..written);
        if self.out.is_empty() {
            self.out.shrink_to(UNREAD_BYTES_MAX);
        }
    }

    /// Whether the seat is empty, and why. `waits`: something that it asked for is still to come.
    pub(super) fn left(&self, waits: bool) -> Option<Left> {
        let has_all = self.lines.is_over() && self.out.is_empty() && !waits;
        match self.state {
            State::Overflowed => Some(Left::Cut),
            State::Gone => Some(Left::OfItself),
            State::Open => has_all.then_some(Left::OfItself),
        }
    }
}
