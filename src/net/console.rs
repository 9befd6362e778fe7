//! `Console`: the operator's seat on standard input, which is one more source of the loop: read only
//! when that waits for nobody, and left alone while it is the shell's. Not what a line means (that is
//! `orders`), and not its answers. Owned by the seats.

use std::io::{self, stdin};
use std::time::{Duration, Instant};

use log::info;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

use super::tokens::Source;
use super::typed_lines::{READ_BYTES_MAX, Typed, TypedLines};

/// Standard input of an operator.
#[derive(Debug)]
pub(super) struct Console {
    lines: TypedLines,
    input: Input,
    /// When it is looked whether it is in the foreground again.
    next_look_at: Instant,
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

/// How often a console in the background looks whether it is in the foreground again.
const FOREGROUND_INTERVAL: Duration = Duration::from_millis(500);

impl Console {
    /// Takes over standard input.
    ///
    /// # Errors
    /// Those of registering it.
    pub(super) fn register(registry: &Registry, lines: TypedLines) -> io::Result<Console> {
        let token = Source::Console.token();
        let input = match registry.register(&mut SourceFd(&0), token, Interest::READABLE) {
            Ok(()) => Input::Ready,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Input::File,
            Err(error) => return Err(error),
        };
        Ok(Console {
            lines,
            input,
            next_look_at: Instant::now(),
        })
    }

    /// The event of standard input.
    pub(super) fn note(&mut self) {
        if self.input == Input::Waiting {
            self.input = Input::Ready;
        }
    }

    /// When there is something to do though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let has_bytes = matches!(self.input, Input::Ready | Input::File);
        let look = (self.input == Input::Background).then_some(self.next_look_at);
        self.lines.deadline(has_bytes).into_iter().chain(look).min()
    }

    /// Reads once, if it is time to.
    pub(super) fn read(&mut self, registry: &Registry, now: Instant) {
        let was_open = self.input != Input::Ended;
        self.look_for_foreground(now);
        self.read_input(now);
        if was_open && self.input == Input::Ended {
            self.lines.end();
            info!("the console is closed; the server goes on");
            // A terminal that is gone would be reported for ever. Files were never registered.
            let _ = registry.deregister(&mut SourceFd(&0));
        }
    }

    /// The next line that was typed.
    pub(super) fn next_line(&mut self) -> Option<Typed> {
        self.lines.next()
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
            (Input::Background, true) => self.next_look_at = now + FOREGROUND_INTERVAL,
            (Input::Ready, true) => self.leave_to_the_shell(now),
            _ => {}
        }
    }

    fn leave_to_the_shell(&mut self, now: Instant) {
        info!("the console is closed while chatd runs in the background; the server goes on");
        self.input = Input::Background;
        self.next_look_at = now + FOREGROUND_INTERVAL;
    }

    /// One read, if it does not make the loop wait. Standard input is not made non-blocking: that
    /// would hold for every process that shares it, and for the shell afterwards.
    fn read_input(&mut self, now: Instant) {
        let may_read = matches!(self.input, Input::Ready | Input::File);
        if !may_read || !self.lines.wants_bytes(now) {
            return;
        }
        if self.input == Input::Ready && !is_readable() {
            self.input = Input::Waiting;
            return;
        }
        let mut buffer = [0; READ_BYTES_MAX];
        match rustix::io::read(stdin(), &mut buffer) {
            Ok(0) => self.input = Input::Ended,
            Ok(count) => self.lines.take(&buffer[..count], now),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => self.input = Input::Waiting,
            // It was sent to the background a moment ago.
            Err(Errno::IO) if is_in_background() => self.leave_to_the_shell(now),
            Err(error) => {
                info!("the console is closed: {error}");
                self.input = Input::Ended;
            }
        }
    }
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
