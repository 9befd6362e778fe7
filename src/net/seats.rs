//! `Seats`: everywhere an operator may sit (standard input and output, the operator's socket), and
//! the board, as one: lines come from there, answers and messages go there. What a line means is
//! `orders`'. Owned by the server.

use std::io::ErrorKind;
use std::time::{Duration, Instant};
use std::{fmt, io};

use log::{info, warn};
use mio::Registry;
use mio::net::UnixStream;
use slab::Slab;

use crate::config::{Config, Limits};

use super::console::Console;
use super::operator_seat::{Left, OperatorSeat};
use super::operator_socket::OperatorSocket;
use super::printer::Printer;
use super::tokens::{OPERATORS_MAX, Source};
use super::typed_lines::{Typed, TypedLines};

/// Who types. The number of a seat at the socket is never given twice, so that what comes late
/// reaches nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SeatId {
    Console,
    Socket(u64),
}

impl fmt::Display for SeatId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SeatId::Console => to.write_str("the console"),
            SeatId::Socket(number) => write!(to, "operator {number}"),
        }
    }
}

/// See the file.
#[derive(Debug)]
pub(super) struct Seats {
    console: Option<Console>,
    printer: Option<Printer>,
    door: Option<Door>,
    seats: Slab<OperatorSeat>,
    /// Seats at the socket so far.
    count: u64,
    limits: SeatLimits,
    /// Lines obeyed lately, and until when that counts.
    obeyed: usize,
    counts_until: Instant,
}

/// The socket, while operators may come.
#[derive(Debug)]
struct Door {
    socket: OperatorSocket,
    readable: bool,
    /// There was no descriptor; the next try is then.
    retry_at: Option<Instant>,
}

#[derive(Debug)]
struct SeatLimits {
    seats_max: usize,
    line_bytes_max: usize,
    outbox_bytes_max: usize,
}

/// Lines that are obeyed in one interval, all seats together: each may concern every connection there
/// is, and an input without end is to leave the processor to members.
const LINES_MAX: usize = 16;
const LINES_INTERVAL: Duration = Duration::from_millis(10);
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

impl Seats {
    /// The seats that the settings ask for, at this socket too.
    ///
    /// # Errors
    /// Those of registering.
    pub(super) fn register(
        registry: &Registry,
        config: &Config,
        socket: Option<OperatorSocket>,
        now: Instant,
    ) -> io::Result<Seats> {
        let Limits {
            line_bytes_max,
            operator_seats_max,
            operator_outbox_bytes_max,
            ..
        } = config.limits;
        let lines = TypedLines::new(line_bytes_max, now);
        let console = config.console.then(|| Console::register(registry, lines));
        let door = socket.map(|socket| Door::register(registry, socket));
        Ok(Seats {
            console: console.transpose()?,
            printer: (config.board || config.console).then(Printer::new),
            door: door.transpose()?,
            seats: Slab::new(),
            count: 0,
            limits: SeatLimits {
                seats_max: operator_seats_max.min(OPERATORS_MAX),
                line_bytes_max,
                outbox_bytes_max: operator_outbox_bytes_max,
            },
            obeyed: 0,
            counts_until: now,
        })
    }

    /// The event of standard input.
    pub(super) fn note_console(&mut self) {
        self.console.iter_mut().for_each(Console::note);
    }

    /// Somebody comes by the socket.
    pub(super) fn note_socket(&mut self) {
        self.door.iter_mut().for_each(|door| door.readable = true);
    }

    /// What the kernel says of a seat at the socket. Of one that was left it is of no consequence to who
    /// has its place now: it only looks once more than needed.
    pub(super) fn note_operator(&mut self, index: usize, readable: bool, writable: bool) {
        if let Some(seat) = self.seats.get_mut(index) {
            seat.note(readable, writable);
        }
    }

    /// When there is something to do though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let console = self.console.as_ref().and_then(Console::deadline);
        let printer = self.printer.as_ref().and_then(Printer::deadline);
        let door = self.door.as_ref().and_then(|door| door.retry_at);
        let seats = self.seats.iter();
        let seats = seats.filter_map(|(_, seat)| seat.deadline());
        let lines = seats.chain(console).min();
        let lines = lines.map(|at| match self.obeyed == LINES_MAX {
            true => at.max(self.counts_until),
            false => at,
        });
        lines.into_iter().chain(printer).chain(door).min()
    }

    /// Lets in who has come, and takes what was typed: it is to be had from [`Seats::next_line`].
    pub(super) fn read(&mut self, registry: &Registry, now: Instant) {
        self.accept(registry, now);
        if self.counts_until <= now {
            (self.obeyed, self.counts_until) = (0, now + LINES_INTERVAL);
        }
        if let Some(console) = &mut self.console {
            console.read(registry, now);
        }
        self.seats.iter_mut().for_each(|(_, seat)| seat.read(now));
    }

    /// The next line, and who has typed it. `None` too when that is enough for the moment.
    pub(super) fn next_line(&mut self) -> Option<(SeatId, Typed)> {
        if self.obeyed == LINES_MAX {
            return None;
        }
        let console = self.console.as_mut().and_then(Console::next_line);
        let typed = console.map(|line| (SeatId::Console, line)).or_else(|| {
            let mut seats = self.seats.iter_mut();
            seats.find_map(|(_, seat)| Some((seat.id, seat.next_line()?)))
        });
        self.obeyed += usize::from(typed.is_some());
        typed
    }

    /// Answers who has typed, if it is still there, with a line that has no LF.
    pub(super) fn answer(&mut self, to: SeatId, line: &str) {
        match to {
            SeatId::Console => self.printer.iter_mut().for_each(|to| to.line(line)),
            SeatId::Socket(_) => {
                let seat = self.seats.iter_mut().find(|(_, seat)| seat.id == to);
                seat.into_iter().for_each(|(_, seat)| seat.line(line));
            }
        }
    }

    /// Shows a message of a room to all who watch.
    pub(super) fn show(&mut self, line: &str) {
        self.printer.iter_mut().for_each(|to| to.line(line));
        let seats = self.seats.iter_mut().map(|(_, seat)| seat);
        let watching = seats.filter(|seat| seat.is_watching);
        watching.for_each(|seat| seat.line(line));
    }

    /// Whether anybody sees messages of rooms.
    pub(super) fn has_watchers(&self) -> bool {
        self.printer.is_some() || self.seats.iter().any(|(_, seat)| seat.is_watching)
    }

    /// From now on a seat at the socket sees messages of rooms, or does not.
    pub(super) fn watch(&mut self, who: SeatId, is_watching: bool) {
        for (_, seat) in self.seats.iter_mut().filter(|(_, seat)| seat.id == who) {
            seat.is_watching = is_watching;
        }
    }

    /// Lines for standard output that nobody took in time.
    pub(super) fn lines_lost(&self) -> u64 {
        self.printer.as_ref().map_or(0, Printer::lines_lost)
    }

    /// Writes what is taken without waiting; who has left, or does not read, has no seat any more.
    /// `waits`: something that this one asked for is still to come.
    pub(super) fn flush(&mut self, now: Instant, waits: impl Fn(SeatId) -> bool) {
        self.printer.iter_mut().for_each(|to| to.flush(now));
        self.seats.retain(|_, seat| {
            seat.flush();
            match seat.left(waits(seat.id)) {
                Some(Left::Cut) => warn!("{} is cut: it did not read", seat.id),
                Some(Left::OfItself) => info!("{} has left", seat.id),
                None => return true,
            }
            false
        });
    }

    /// Nobody comes by the socket any more; who is there stays.
    pub(super) fn close_door(&mut self) {
        self.door = None;
    }

    fn accept(&mut self, registry: &Registry, now: Instant) {
        while let Some(door) = &mut self.door {
            if door.retry_at.is_some_and(|at| at > now) {
                return;
            }
            let Some(stream) = door.next(now) else {
                return;
            };
            if let Err(error) = self.take_in(stream, registry, now) {
                warn!("cannot register an operator: {error}");
            }
        }
    }

    fn take_in(
        &mut self,
        mut stream: UnixStream,
        registry: &Registry,
        now: Instant,
    ) -> io::Result<()> {
        let SeatLimits {
            seats_max,
            line_bytes_max,
            outbox_bytes_max,
        } = self.limits;
        if self.seats.len() >= seats_max {
            let words = format!("! server-full {seats_max} operators sit here already\n");
            return io::Write::write(&mut stream, words.as_bytes()).map(|_| ());
        }
        self.count += 1;
        let id = SeatId::Socket(self.count);
        let place = self.seats.vacant_entry();
        let token = Source::Operator(place.key()).token();
        let lines = TypedLines::new(line_bytes_max, now);
        let registered = (registry, token);
        place.insert(OperatorSeat::new(
            id,
            stream,
            registered,
            lines,
            outbox_bytes_max,
        )?);
        info!("{id} has come by the operator's socket");
        Ok(())
    }
}

impl Door {
    fn register(registry: &Registry, mut socket: OperatorSocket) -> io::Result<Door> {
        let token = Source::OperatorSocket.token();
        registry.register(&mut socket.listener, token, mio::Interest::READABLE)?;
        Ok(Door {
            socket,
            readable: true,
            retry_at: None,
        })
    }

    /// The next who has come.
    fn next(&mut self, now: Instant) -> Option<UnixStream> {
        self.retry_at = None;
        while self.readable {
            match self.socket.listener.accept() {
                Ok((stream, _)) => return Some(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                // For want of descriptors or memory; clients are told of in the log, and are many.
                Err(_) => {
                    self.retry_at = Some(now + RETRY_INTERVAL);
                    return None;
                }
            }
        }
        None
    }
}
