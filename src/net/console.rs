//! `Console`: the operator's seat. Standard input is one more source of the loop; each line of it
//! is said to all rooms or is a command, and answers go to standard output. What members may do
//! is none of this. Owned by the server, of which this file holds the console phase.

use std::io::{self, stdin};
use std::time::Instant;

use log::info;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::clean::Clean;
use crate::dialect::line::{LineBuffer, Piece};

use super::server::Server;

/// Standard input of an operator.
#[derive(Debug)]
pub(super) struct Console {
    lines: LineBuffer,
    input: Input,
}

/// What the kernel said of standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// It may have something.
    Ready,
    /// An event will come.
    Waiting,
    /// A file: it always has something, and epoll does not know it.
    File,
    Ended,
}

/// What the operator asks for.
#[derive(Debug, PartialEq, Eq)]
enum Order<'a> {
    Say(&'a str),
    Help,
    Who,
    Rooms,
    Kick { name: &'a str, why: Option<&'a str> },
    Statistics,
    Quit,
    Wrong(String),
}

pub(super) const CONSOLE: Token = Token(usize::MAX - 2048);
const READ_BYTES_MAX: usize = 4096;
const LINE_BYTES_MAX: usize = 64 << 10;
const HELP: [&str; 6] = [
    "= TEXT                 says it to all rooms; //TEXT says /TEXT",
    "= /who                 who is connected: room, name, address, idle time, queued bytes",
    "= /rooms               the rooms and how many are in each",
    "= /kick NAME [REASON]  ends somebody's connection",
    "= /stats               the numbers, as in the log",
    "= /quit                stops the server",
];

impl Console {
    pub(super) fn register(registry: &Registry) -> io::Result<Console> {
        let input = match registry.register(&mut SourceFd(&0), CONSOLE, Interest::READABLE) {
            Ok(()) => Input::Ready,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Input::File,
            Err(error) => return Err(error),
        };
        Ok(Console {
            lines: LineBuffer::default(),
            input,
        })
    }

    /// The event of standard input.
    pub(super) fn note(&mut self) {
        if self.input == Input::Waiting {
            self.input = Input::Ready;
        }
    }

    /// Whether the next turn must not wait.
    pub(super) fn has_more(&self) -> bool {
        matches!(self.input, Input::Ready | Input::File)
    }

    /// One read, if it does not make the loop wait. Standard input is not made non-blocking: that
    /// would hold for every process that shares it, and for the shell afterwards.
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        if self.input == Input::Ready && !is_readable() {
            self.input = Input::Waiting;
        }
        if !self.has_more() {
            return 0;
        }
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
            Err(error) => {
                info!("the console is closed: {error}");
                self.input = Input::Ended;
                0
            }
        }
    }
}

impl Server {
    /// Does what the operator has typed.
    pub(super) fn serve_console(&mut self) {
        let Some(mut console) = self.console.take() else {
            return;
        };
        let mut buffer = [0; READ_BYTES_MAX];
        let count = if console.has_more() {
            console.read(&mut buffer)
        } else {
            0
        };
        let mut input = &buffer[..count];
        while let Some(piece) = console.lines.next(&mut input, LINE_BYTES_MAX) {
            self.obey(&piece);
        }
        if console.input == Input::Ended {
            if let Some(piece) = console.lines.finish(LINE_BYTES_MAX) {
                self.obey(&piece);
            }
            info!("the console is closed; the server goes on");
            // A terminal that is gone would be reported for ever. Files were never registered.
            let _ = self.poll.registry().deregister(&mut SourceFd(&0));
        } else {
            self.console = Some(console);
        }
    }

    fn obey(&mut self, piece: &Piece<'_>) {
        let Piece::Line(line) = piece else {
            return self.print("! line-too-long that line is too long");
        };
        let line = String::from_utf8_lossy(line);
        match parse(&line) {
            Order::Say("") => {}
            Order::Say(text) => self.hub.announce(text.as_bytes()),
            Order::Help => HELP.iter().for_each(|line| self.print(line)),
            Order::Who => self.print_clients(),
            Order::Rooms => self.print_rooms(),
            Order::Kick { name, why } => {
                let answer = match self.hub.kick(name, why) {
                    Some(kicked) => format!("= kicked {kicked}"),
                    None => format!("! no-such-name nobody is called {name}"),
                };
                self.print(&answer);
            }
            Order::Statistics => {
                let statistics = self.statistics_line();
                self.print(&format!("= {statistics}"));
            }
            Order::Quit => self.stop(),
            Order::Wrong(answer) => self.print(&answer),
        }
    }

    fn print_clients(&mut self) {
        let mut lines = Vec::new();
        for client in self.hub.clients() {
            let (room, name) = client.seat.unwrap_or(("-", "(no name yet)"));
            let peer = self
                .conns
                .get(client.slot as usize)
                .map_or(String::new(), |conn| conn.peer.to_string());
            let idle = client.idle.as_secs();
            lines.push(format!(
                "= {room} {name} {peer} idle {idle} s, queued {} bytes",
                client.queued_bytes
            ));
        }
        lines.sort();
        lines.push(format!("= {} connected", lines.len()));
        lines.iter().for_each(|line| self.print(line));
    }

    fn print_rooms(&mut self) {
        let rooms = self.hub.rooms();
        let mut lines: Vec<_> = rooms
            .map(|(room, here)| format!("= {room} {here}"))
            .collect();
        lines.push("= end".into());
        lines.iter().for_each(|line| self.print(line));
    }

    fn print(&mut self, line: &str) {
        if let Some(printer) = &mut self.printer {
            printer.line(line);
        }
    }

    /// Prints the messages of this turn on the board, and what could not be printed before.
    pub(super) fn serve_board(&mut self, now: Instant) {
        let Some(printer) = &mut self.printer else {
            return;
        };
        self.board.clear();
        self.hub.take_board(&mut self.board);
        if !self.board.is_empty() {
            let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
            for line in String::from_utf8_lossy(&self.board).lines() {
                printer.line(&format!("{time} {}", Clean::of(line)));
            }
        }
        printer.flush(now);
    }
}

fn parse(line: &str) -> Order<'_> {
    let Some(command) = line.strip_prefix('/') else {
        return Order::Say(line);
    };
    if command.starts_with('/') {
        return Order::Say(command);
    }
    let (word, rest) = command
        .trim()
        .split_once(char::is_whitespace)
        .unwrap_or((command.trim(), ""));
    let rest = rest.trim();
    match word {
        "help" => Order::Help,
        "who" => Order::Who,
        "rooms" => Order::Rooms,
        "kick" if rest.is_empty() => {
            Order::Wrong("! bad-usage write it so: /kick NAME [REASON]".into())
        }
        "kick" => {
            let (name, why) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            Order::Kick {
                name,
                why: Some(why.trim()).filter(|why| !why.is_empty()),
            }
        }
        "stats" => Order::Statistics,
        "quit" => Order::Quit,
        _ => Order::Wrong(format!(
            "! unknown-command there is no /{word}; /help shows the commands, //text says /text"
        )),
    }
}

fn is_readable() -> bool {
    let stdin = stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    // An error of poll is left for read to find.
    poll(&mut fds, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
}
