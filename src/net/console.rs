//! `Console`: the operator's seat. Standard input is one more source of the loop; each line of it
//! is said to all rooms or is a command, and answers go to standard output. What members may do
//! is none of this. Owned by the server, of which this file holds the console phase.

use std::io::{self, stdin};
use std::time::{Duration, Instant};

use log::info;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

use crate::dialect::cleaning;
use crate::dialect::line::{LineBuffer, Piece};
use crate::dialect::operator::{self, NoOrder, Order};
use crate::hub::{ConnectionRow, Hub};

use super::conn::Conns;
use super::keeping::Keeping;
use super::moderating;
use super::printer::Printer;
use super::recalling;
use super::tokens::Source;

/// Standard input of an operator.
#[derive(Debug)]
pub(super) struct Console {
    lines: LineBuffer,
    input: Input,
    /// It is not read before then.
    next_read_at: Instant,
    line_bytes_max: usize,
}

/// What the kernel said of standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// It may have something.
    Ready,
    /// An event will come.
    Waiting,
    /// A terminal at which somebody types to another job of the shell.
    Background,
    /// A file: it always has something, and epoll does not know it.
    File,
    Ended,
}

/// What an order leaves to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing.
    Done,
    /// To print the numbers.
    Statistics,
    /// To stop.
    Quit,
}

const READ_BYTES_MAX: usize = 4096;
/// From one read to the next: who types does not notice, and an input without end takes neither
/// the processor nor the members' patience.
const READ_INTERVAL: Duration = Duration::from_millis(10);
/// How often a console in the background looks whether it is in the foreground again.
const FOREGROUND_INTERVAL: Duration = Duration::from_millis(500);

impl Console {
    /// Takes over standard input.
    ///
    /// # Errors
    /// Those of registering it.
    pub(super) fn register(
        registry: &Registry,
        line_bytes_max: usize,
        now: Instant,
    ) -> io::Result<Console> {
        let token = Source::Console.token();
        let input = match registry.register(&mut SourceFd(&0), token, Interest::READABLE) {
            Ok(()) => Input::Ready,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Input::File,
            Err(error) => return Err(error),
        };
        Ok(Console {
            lines: LineBuffer::default(),
            input,
            next_read_at: now,
            line_bytes_max,
        })
    }

    /// The event of standard input.
    pub(super) fn note(&mut self) {
        if self.input == Input::Waiting {
            self.input = Input::Ready;
        }
    }

    /// When [`Console::serve`] has something to do though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.input {
            Input::Ready | Input::File | Input::Background => Some(self.next_read_at),
            Input::Waiting | Input::Ended => None,
        }
    }

    /// Does what the operator has typed since the last call: what the server is to do beside it.
    pub(super) fn serve(
        &mut self,
        registry: &Registry,
        hub: &mut Hub,
        conns: &Conns,
        printer: &mut Printer,
        keeping: &mut Option<Keeping>,
        now: Instant,
    ) -> Vec<Outcome> {
        let mut buffer = [0; READ_BYTES_MAX];
        let was_open = self.input != Input::Ended;
        self.look_for_foreground(now);
        let count = self.read(&mut buffer, now);
        let mut input = &buffer[..count];
        let mut outcomes = Vec::new();
        while let Some(piece) = self.lines.next(&mut input, self.line_bytes_max) {
            outcomes.push(obey(&piece, hub, conns, printer, keeping));
        }
        if was_open && self.input == Input::Ended {
            if let Some(piece) = self.lines.finish(self.line_bytes_max) {
                outcomes.push(obey(&piece, hub, conns, printer, keeping));
            }
            info!("the console is closed; the server goes on");
            // A terminal that is gone would be reported for ever. Files were never registered.
            let _ = registry.deregister(&mut SourceFd(&0));
        }
        outcomes
    }

    /// In the background the terminal is the shell's: what is typed there is not for us.
    fn look_for_foreground(&mut self, now: Instant) {
        let is_due = self.deadline().is_some_and(|at| at <= now);
        if !is_due || self.input == Input::File {
            return;
        }
        match (self.input, is_in_background()) {
            (Input::Background, false) => {
                info!("the console is in the foreground again");
                self.input = Input::Ready;
            }
            (Input::Background, true) => self.next_read_at = now + FOREGROUND_INTERVAL,
            (Input::Ready, true) => self.leave_to_the_shell(now),
            _ => {}
        }
    }

    fn leave_to_the_shell(&mut self, now: Instant) {
        info!("the console is closed while chatd runs in the background; the server goes on");
        self.input = Input::Background;
        self.next_read_at = now + FOREGROUND_INTERVAL;
    }

    /// One read, if it does not make the loop wait. Standard input is not made non-blocking: that
    /// would hold for every process that shares it, and for the shell afterwards.
    fn read(&mut self, buffer: &mut [u8], now: Instant) -> usize {
        let may_read = matches!(self.input, Input::Ready | Input::File);
        if !may_read || self.next_read_at > now {
            return 0;
        }
        if self.input == Input::Ready && !is_readable() {
            self.input = Input::Waiting;
            return 0;
        }
        self.next_read_at = now + READ_INTERVAL;
        match rustix::io::read(stdin(), buffer) {
            Ok(0) => {
                self.input = Input::Ended;
                0
            }
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(Errno::AGAIN) => {
                self.input = Input::Waiting;
                0
            }
            // It was sent to the background a moment ago.
            Err(Errno::IO) if is_in_background() => {
                self.leave_to_the_shell(now);
                0
            }
            Err(error) => {
                info!("the console is closed: {error}");
                self.input = Input::Ended;
                0
            }
        }
    }
}

/// Does what a line asks for.
fn obey(
    piece: &Piece<'_>,
    hub: &mut Hub,
    conns: &Conns,
    printer: &mut Printer,
    keeping: &mut Option<Keeping>,
) -> Outcome {
    let Piece::Line(line) = piece else {
        printer.line("! line-too-long that line is too long");
        return Outcome::Done;
    };
    let mut scratch = String::new();
    match operator::read(cleaning::clean(line, &mut scratch)) {
        Ok(Order::Nothing) => {}
        Ok(Order::Announce(text)) => hub.operator().announce(text),
        Ok(Order::Help) => {
            for (usage, does) in operator::COMMANDS {
                printer.line(&format!("= {usage:<21} {does}"));
            }
        }
        Ok(Order::Who(room)) => print_clients(room, hub, conns, printer),
        Ok(Order::Rooms) => {
            for (room, here) in hub.overview().rooms() {
                printer.line(&format!("= {room} {here}"));
            }
            printer.line("= end");
        }
        Ok(Order::Kick { name, reason }) => {
            printer.line(&match hub.operator().kick(name, reason) {
                Some(kicked) => format!("= kicked {kicked}"),
                None => format!("! no-such-name nobody is called {name}"),
            })
        }
        Ok(Order::Moderate(order)) => {
            let answer = moderating::obey(order, "console", hub, conns, keeping);
            answer.iter().for_each(|line| printer.line(line));
        }
        Ok(Order::Forget(what)) => recalling::forget(what, hub, keeping, printer),
        Ok(Order::History { room, limit }) => {
            recalling::print_history(room, limit, hub, keeping, printer);
        }
        Ok(Order::Statistics) => return Outcome::Statistics,
        Ok(Order::Quit) => return Outcome::Quit,
        Err(NoOrder::UnknownCommand(word)) => printer.line(&format!(
            "! unknown-command there is no /{word}; /help shows the commands, //text says /text"
        )),
        Err(NoOrder::BadUsage(usage)) => {
            printer.line(&format!("! bad-usage write it so: {usage}"));
        }
    }
    Outcome::Done
}

fn print_clients(room: Option<&str>, hub: &Hub, conns: &Conns, printer: &mut Printer) {
    let is_meant = |client: &ConnectionRow<'_>| {
        room.is_none_or(|asked| {
            client
                .rooms
                .iter()
                .any(|room| hub.overview().is_same_room(room, asked))
        })
    };
    let clients = hub.overview().clients().filter(is_meant);
    let mut lines: Vec<String> = clients
        .map(|client| {
            let rooms = if client.rooms.is_empty() {
                "-".to_owned()
            } else {
                client.rooms.join(",")
            };
            let peer = conns
                .get(client.session)
                .map_or(String::new(), |conn| conn.peer.to_string());
            format!(
                "= {rooms} {} {peer} idle {} s, queued {} bytes",
                client.name.unwrap_or("(no name yet)"),
                client.idle.as_secs(),
                client.queued_bytes
            )
        })
        .collect();
    lines.sort();
    lines.push(format!("= {} connected", lines.len()));
    lines.iter().for_each(|line| printer.line(line));
}

/// Whether standard input is a terminal that gives what is typed to another job. What is no
/// terminal of ours has no jobs.
fn is_in_background() -> bool {
    tcgetpgrp(stdin()).is_ok_and(|foreground| foreground != getpgrp())
}

fn is_readable() -> bool {
    let stdin = stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    // An error of poll is left for read to find.
    poll(&mut fds, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
}
