//! The operator's seat of a running chatd, by its socket: the same place at a terminal as a member has,
//! or a pipe; but there is no conversation, only lines that go out and lines that come. What they mean
//! is the server's. Called by [`run`](crate::run), in place of a client of its own kind.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write, stderr, stdin, stdout};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use chatd::clean::Clean;
use chatd::dialect::text::Line;
use clap::ColorChoice;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::flags::Flags;
use crate::lines::{Kind, Shown};
use crate::screen::{Plain, Screen, Wish};
use crate::seat::terminal::Tty;
use crate::seat::{Habits, Seat};
use crate::session::{Code, End, Manner, Session, Settings};
use crate::signals::{self, Asked};
use crate::style::Colors;
use crate::wire::{LineBuffer, Piece};

/// What the prompt says in place of a room.
const PLACE: &str = "operator";
/// Bytes that the socket has not taken; above it no more input is taken.
const UNWRITTEN_BYTES_MAX: usize = 64 << 10;
/// Bytes of one line of the server: its longest is that of who is in very many rooms.
const LINE_BYTES_MAX: usize = 1 << 20;
const CHUNK_BYTES: usize = 16 << 10;
/// At the end of input, without a sign of the server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Sits at this socket until it comes to an end.
pub fn run(path: &Path, flags: &Flags, manner: Manner) -> End {
    let stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(error) => return End::because(Code::CannotConnect, &explain(path, &error)),
    };
    Operator::new(path, flags, manner, stream).map_or_else(
        |error| End::because(Code::Lost, &format!("cannot set up: {error}")),
        Operator::run,
    )
}

fn explain(path: &Path, error: &io::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::NotFound => "nothing is there; chatd makes it with --operator-socket".to_owned(),
        ErrorKind::ConnectionRefused => "nobody listens there; is chatd running?".to_owned(),
        ErrorKind::PermissionDenied => "it is for root and the user of the server alone".to_owned(),
        _ => error.to_string(),
    };
    let path = path.display();
    format!("cannot sit at the operator's socket {path}: {advice}")
}

/// Somebody at the seat. It has more than twelve fields since it is all of this loop, for which a member's
/// client has a session and a link besides.
struct Operator {
    path: String,
    manner: Manner,
    screen: Box<dyn Screen>,
    /// How the screen sees it: up, and in no room.
    face: Session,
    stream: UnixStream,
    heard: LineBuffer,
    unwritten: Vec<u8>,
    /// What is to be shown at a seat.
    shown: VecDeque<Shown>,
    is_input_open: bool,
    /// Since when nothing came though all was said.
    waits_since: Option<Instant>,
    /// The server was asked to stop, or is about to be: who types that once may mean to leave.
    quitting: Quitting,
    /// How it ends if it ends well.
    verdict: Code,
    end: Option<End>,
    asked: UnixStream,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quitting {
    No,
    /// It was typed, and what it does was told.
    Told,
    /// The server is to stop.
    Asked,
}

impl Operator {
    fn new(path: &Path, flags: &Flags, manner: Manner, stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (asked, wake) = UnixStream::pair()?;
        // A stream that is full says enough: a second signal must get through.
        wake.set_nonblocking(true)?;
        signals::watch(manner, wake)?;
        let colors = Colors::wanted(flags.color.unwrap_or(ColorChoice::Auto));
        let screen: Box<dyn Screen> = if manner == Manner::Seat {
            let habits = Habits {
                colors,
                shows_round_trips: false,
                is_audible: !flags.no_bell,
                history: None,
            };
            Box::new(Seat::new(Tty::enter()?, &habits))
        } else {
            Box::new(Plain::new(manner, false, colors, None))
        };
        let settings = Settings {
            server: path.display().to_string(),
            password: None,
            name: None,
            rooms: Vec::new(),
            manner,
            comes_back: false,
            is_without_history: false,
            ignored: Vec::new(),
            is_quiet: false,
        };
        Ok(Operator {
            path: path.display().to_string(),
            manner,
            screen,
            face: Session::without_link(settings, PLACE, Instant::now()),
            stream,
            heard: LineBuffer::default(),
            unwritten: Vec::new(),
            shown: VecDeque::new(),
            is_input_open: true,
            waits_since: None,
            quitting: Quitting::No,
            verdict: Code::Left,
            end: None,
            asked,
        })
    }

    fn run(mut self) -> End {
        if self.manner.is_person() {
            self.tell("you sit at the operator's seat; /help lists the words, Ctrl-D leaves");
        }
        loop {
            self.settle();
            if self.end.is_some() {
                break;
            }
            self.serve();
        }
        let outcome = self.screen.close(&self.face);
        self.note_output(outcome);
        let left = End {
            code: self.verdict,
            words: None,
        };
        self.end.unwrap_or(left)
    }

    /// Does what the user wishes until nothing is left; then it is drawn.
    fn settle(&mut self) {
        while self.end.is_none() && self.unwritten.len() <= UNWRITTEN_BYTES_MAX {
            match self.screen.next_wish(&self.face, Instant::now()) {
                Some(Wish::Line(line)) => self.take_line(&line),
                // Of a paste: it is said, whatever it looks like.
                Some(Wish::Text(text) | Wish::Pasted { text, .. }) if text.starts_with('/') => {
                    self.send(&format!("/{text}"));
                }
                Some(Wish::Text(text) | Wish::Pasted { text, .. }) => self.send(&text),
                // There is one place only.
                Some(Wish::Go(_)) => {}
                Some(Wish::TooLong) => self.hear("! line-too-long it was not sent"),
                Some(Wish::End) => self.leave(),
                None => break,
            }
        }
        self.write();
        while let Some(shown) = self.shown.pop_front() {
            let outcome = self.screen.show(&shown);
            self.note_output(outcome);
        }
        let outcome = self.screen.refresh(&self.face, Instant::now());
        self.note_output(outcome);
    }

    fn take_line(&mut self, line: &str) {
        let is_person = self.manner.is_person();
        if is_person && matches!(line.trim_end(), "exit" | "end") {
            return self.leave();
        }
        let is_quit = matches!(
            Line::of(line),
            Line::Command { word, .. } if word.eq_ignore_ascii_case("quit")
        );
        if is_quit && is_person && self.quitting == Quitting::No {
            self.quitting = Quitting::Told;
            return self.tell(
                "/quit stops the server for everybody: type it again if that is meant; \
                 exit, end or Ctrl-D leave this seat",
            );
        }
        self.quitting = match is_quit {
            true => Quitting::Asked,
            false => Quitting::No,
        };
        if self.manner == Manner::Seat && !line.trim().is_empty() {
            self.shown.push_back(Shown::of(Kind::Asked, line));
        }
        self.send(line);
    }

    fn send(&mut self, line: &str) {
        self.unwritten.extend_from_slice(line.as_bytes());
        self.unwritten.push(b'\n');
    }

    /// The user has no more to say: a person is gone at once, a program when all is answered.
    fn leave(&mut self) {
        if self.manner.is_person() {
            self.finish(Code::Left, None);
        } else {
            self.waits_since.get_or_insert_with(Instant::now);
        }
    }

    fn finish(&mut self, code: Code, words: Option<&str>) {
        let words = words.map(Clean::of);
        self.end.get_or_insert(End { code, words });
    }

    /// Writes what the socket takes. That it is gone is found out by reading.
    fn write(&mut self) {
        let mut written = 0;
        while written < self.unwritten.len() {
            match self.stream.write(&self.unwritten[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => written = self.unwritten.len(),
            }
        }
        self.unwritten.drain(..written);
        if self.waits_since.is_some() && self.unwritten.is_empty() {
            // Said more than once it does no harm.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    /// Waits until there is something to do, or until a deadline, and takes it.
    fn serve(&mut self) {
        let now = Instant::now();
        let screen = self.screen.next_deadline(&self.face, now);
        let patience = self.waits_since.map(|since| since + ANSWER_TIMEOUT);
        if patience.is_some_and(|at| at <= now) {
            let why = format!("{} has not answered for 30 s", self.path);
            return self.finish(Code::Lost, Some(&why));
        }
        let deadline = screen.into_iter().chain(patience).min();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let takes_input = self.is_input_open && self.unwritten.len() <= UNWRITTEN_BYTES_MAX;
        let stdin = stdin();
        let mut stream = PollFlags::IN;
        stream.set(PollFlags::OUT, !self.unwritten.is_empty());
        let mut wanted = vec![
            PollFd::new(&self.asked, PollFlags::IN),
            PollFd::new(&self.stream, stream),
        ];
        wanted.extend(takes_input.then(|| PollFd::new(&stdin, PollFlags::IN)));
        if poll(&mut wanted, timeout.as_ref()).is_err() {
            return;
        }
        let ready: Vec<bool> = wanted.iter().map(|one| !one.revents().is_empty()).collect();
        if ready[0] {
            self.take_asked();
        }
        if ready[1] {
            self.read();
        }
        if ready.get(2) == Some(&true) {
            self.take_input();
        }
    }

    fn take_asked(&mut self) {
        let mut bytes = [0; 64];
        let count = self.asked.read(&mut bytes).unwrap_or(0);
        for &byte in &bytes[..count] {
            match Asked::of(byte) {
                Asked::Look => {}
                Asked::Leave => {
                    let is_heard = self.unwritten.is_empty() && self.screen.untaken() == 0;
                    let code = if is_heard { self.verdict } else { Code::Lost };
                    self.finish(code, None);
                }
                Asked::Notice(notice) => {
                    let outcome = self.screen.notice(notice);
                    self.note_output(outcome);
                }
            }
        }
    }

    fn take_input(&mut self) {
        let mut chunk = [0; CHUNK_BYTES];
        let count = match stdin().lock().read(&mut chunk) {
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) =>
            {
                return;
            }
            // There is nobody to tell of an error: it is the end.
            outcome => outcome.unwrap_or(0),
        };
        self.is_input_open = count > 0;
        self.screen.input(&chunk[..count], Instant::now());
    }

    fn read(&mut self) {
        let mut chunk = [0; CHUNK_BYTES];
        let outcome = self.stream.read(&mut chunk);
        let count = match outcome {
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) =>
            {
                return;
            }
            outcome => outcome.unwrap_or(0),
        };
        if count == 0 {
            return self.lose();
        }
        if let Some(since) = &mut self.waits_since {
            *since = Instant::now();
        }
        let mut heard = std::mem::take(&mut self.heard);
        let mut rest = &chunk[..count];
        while let Some(piece) = heard.next(&mut rest, LINE_BYTES_MAX) {
            match piece {
                Piece::Line(line) => self.hear(&String::from_utf8_lossy(line)),
                Piece::TooLong => self.hear("! line-too-long of the server; it is left out"),
            }
        }
        self.heard = heard;
    }

    /// A line of the server: at a seat above what is typed; in a pipe as it came, refusals apart.
    fn hear(&mut self, line: &str) {
        let is_refusal = line.starts_with('!');
        if is_refusal && !self.manner.is_person() {
            self.verdict = Code::Refused;
        }
        if self.manner == Manner::Seat {
            return self.shown.push_back(shown(line));
        }
        let line = format!("{}\n", Clean::of(line));
        let outcome = if is_refusal && !self.manner.is_person() {
            // That standard error may be gone harms nobody.
            let _ = stderr().write_all(line.as_bytes());
            Ok(())
        } else {
            let mut output = stdout().lock();
            output
                .write_all(line.as_bytes())
                .and_then(|()| output.flush())
        };
        self.note_output(outcome);
    }

    /// The client's own words.
    fn tell(&mut self, words: &str) {
        self.shown.push_back(Shown::of(Kind::Status, words));
    }

    /// The server has ended it.
    fn lose(&mut self) {
        if self.waits_since.is_some() || self.quitting == Quitting::Asked {
            return self.finish(self.verdict, None);
        }
        let why = format!("{}: the server has closed the seat", self.path);
        self.finish(Code::Lost, Some(&why));
    }

    fn note_output(&mut self, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            // That its reader has gone is nothing to complain about.
            let is_gone = error.kind() == ErrorKind::BrokenPipe;
            let why = format!("cannot write standard output: {error}");
            self.finish(Code::Lost, (!is_gone).then_some(why.as_str()));
        }
    }
}

/// How a line of the server looks at a seat.
fn shown(line: &str) -> Shown {
    let strip = |start| line.strip_prefix(start);
    if let Some(answer) = strip("= ") {
        return Shown::of(Kind::Answer, answer);
    }
    if let Some(refusal) = strip("! ") {
        return Shown::of(Kind::Refusal, refusal);
    }
    said(line).unwrap_or_else(|| Shown::of(Kind::News, line))
}

/// `12:20:11 lobby <ann> hello`, a message that was said in a room just now.
fn said(line: &str) -> Option<Shown> {
    let (_, rest) = line.split_once(' ')?;
    let (room, rest) = rest.split_once(" <")?;
    let (from, text) = rest.split_once("> ")?;
    Some(Shown {
        room: Some(room.to_owned()),
        from: from.to_owned(),
        ..Shown::of(Kind::Said, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_server_are_told_apart() {
        let answer = shown("= lobby 3");
        assert_eq!(
            (answer.kind, answer.text.as_str()),
            (Kind::Answer, "lobby 3")
        );
        let refusal = shown("! no-such-name nobody");
        assert_eq!(refusal.kind, Kind::Refusal);
        let message = shown("12:20:11 lobby <ann> see <b> there");
        assert_eq!(message.kind, Kind::Said);
        assert_eq!(message.room.as_deref(), Some("lobby"));
        assert_eq!((&*message.from, &*message.text), ("ann", "see <b> there"));
        assert_eq!(shown("… 3 lines were lost").kind, Kind::News);
    }
}
