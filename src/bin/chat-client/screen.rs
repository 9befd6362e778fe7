//! Where things are shown and lines come from: [`Screen`], and the plain one for programs and
//! terminals without sequences (the other is the `seat`). What is shown, and when, is the session's.

use std::collections::VecDeque;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write, stderr, stdout};
use std::time::Instant;

use chatd::clean::Clean;
use jiff::tz::TimeZone;

use crate::lines::{Kind, Lines, Shown};
use crate::seat::terminal;
use crate::session::{Manner, Phase, Session, Step};
use crate::style::Colors;
use crate::wire::{LineBuffer, Piece};

/// Bytes of a line of input. Far more than servers take: it is theirs to refuse a line.
const INPUT_LINE_BYTES_MAX: usize = 64 << 10;

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// A line; what it means is the session's.
    Line(String),
    /// A text, whatever it looks like.
    Text(String),
    /// A text for this room, whatever it looks like.
    Pasted { room: String, text: String },
    /// A line that is too long to be worth keeping.
    TooLong,
    /// To be in another room.
    Go(Step),
    /// Nothing more will come.
    End,
}

/// What the system says of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// It has another size.
    Resized,
    /// Somebody asks us to stop for a while.
    SuspendAsked,
    /// We were stopped, and go on.
    Resumed,
}

/// Where things are shown and lines come from. What only a seat has to do has a default here.
pub trait Screen {
    /// Shows one thing. An error means that the user's output is gone.
    fn show(&mut self, shown: &Shown) -> io::Result<()>;

    /// Shows a line of JSON to a program.
    fn line(&mut self, _line: &str) -> io::Result<()> {
        Ok(())
    }

    /// Before the user is asked for something: whether what is typed now is to be seen.
    fn prepare_typing(&mut self, _session: &Session) {}

    /// Nothing more is to be shown for the moment: how the session stands is to be seen.
    fn refresh(&mut self, session: &Session, now: Instant) -> io::Result<()>;

    /// Bytes of the input; none at its end.
    fn input(&mut self, bytes: &[u8], now: Instant);

    /// The next thing that the user wants, as far as the session allows it.
    fn next_wish(&mut self, session: &Session, now: Instant) -> Option<Wish>;

    /// Lines of the input that nobody has taken, as far as they were read.
    fn untaken(&self) -> usize {
        0
    }

    /// Something happened to the terminal.
    fn notice(&mut self, _notice: Notice) -> io::Result<()> {
        Ok(())
    }

    /// The user is called by somebody.
    fn call(&mut self) {}

    /// All that was shown is to go out of sight.
    fn clear(&mut self) {}

    /// When [`Screen::next_wish`] or [`Screen::refresh`] has something to do though nothing happens.
    fn next_deadline(&self, _session: &Session, _now: Instant) -> Option<Instant> {
        None
    }

    /// The session is over.
    fn close(&mut self, _session: &Session) -> io::Result<()> {
        Ok(())
    }
}

/// Lines, as they come.
#[derive(Debug)]
pub struct Plain {
    output: BufWriter<Stdout>,
    manner: Manner,
    shows_round_trips: bool,
    lines: Lines,
    input: LineBuffer,
    wishes: VecDeque<Wish>,
}

impl Plain {
    /// Lines of the room go to standard output; for a program, all others go to standard error.
    /// Behind a text that is given nothing comes.
    pub fn new(
        manner: Manner,
        shows_round_trips: bool,
        colors: Colors,
        given: Option<String>,
    ) -> Self {
        let given = given.into_iter();
        let wishes = given.flat_map(|text| [Wish::Text(text), Wish::End]);
        Plain {
            output: BufWriter::new(stdout()),
            manner,
            shows_round_trips,
            lines: Lines::new(colors, manner.is_person().then(TimeZone::system)),
            input: LineBuffer::default(),
            wishes: wishes.collect(),
        }
    }
}

impl Screen for Plain {
    fn show(&mut self, shown: &Shown) -> io::Result<()> {
        let (is_person, is_poster) = (self.manner.is_person(), self.manner == Manner::Poster);
        let is_output = match shown.kind {
            // Whoever typed it sees it.
            Kind::Asked => return Ok(()),
            Kind::Delivered if !is_poster && !self.shows_round_trips => return Ok(()),
            Kind::Delivered => is_person || is_poster,
            Kind::Refusal => is_person,
            Kind::Status => false,
            _ if is_poster => return Ok(()),
            _ => true,
        };
        let mut line = String::new();
        match shown.kind {
            Kind::Status => line = format!("chat-client: {}\n", Clean::of(&shown.text)),
            _ => self.lines.write(shown, &mut line),
        }
        if is_output {
            return self.output.write_all(line.as_bytes());
        }
        self.output.flush()?;
        // That standard error may be gone harms nobody.
        let _ = stderr().write_all(line.as_bytes());
        Ok(())
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        if stdout().is_terminal() {
            writeln!(self.output, "{}", Clean::of(line))
        } else {
            writeln!(self.output, "{line}")
        }
    }

    fn prepare_typing(&mut self, session: &Session) {
        if self.manner == Manner::Terminal {
            terminal::hide_typing(matches!(session.standing().phase, Phase::Unlocking));
        }
    }

    fn refresh(&mut self, session: &Session, _now: Instant) -> io::Result<()> {
        self.prepare_typing(session);
        self.output.flush()
    }

    fn close(&mut self, _session: &Session) -> io::Result<()> {
        terminal::restore();
        Ok(())
    }

    fn input(&mut self, bytes: &[u8], _now: Instant) {
        let wish = |piece: Piece<'_>| match piece {
            Piece::Line(line) => Wish::Line(text_of(line)),
            Piece::TooLong => Wish::TooLong,
        };
        let mut rest = bytes;
        while let Some(piece) = self.input.next(&mut rest, INPUT_LINE_BYTES_MAX) {
            self.wishes.push_back(wish(piece));
        }
        if bytes.is_empty() {
            let last = self.input.finish(INPUT_LINE_BYTES_MAX).map(wish);
            self.wishes.extend(last.into_iter().chain([Wish::End]));
        }
    }

    fn next_wish(&mut self, session: &Session, _now: Instant) -> Option<Wish> {
        if session.wants_line() {
            self.wishes.pop_front()
        } else {
            None
        }
    }

    fn untaken(&self) -> usize {
        let is_line = |wish: &&Wish| **wish != Wish::End;
        self.wishes.iter().filter(is_line).count()
    }
}

/// A line as text. Invalid bytes in a row become one U+FFFD: one for each would be three times as
/// long, and too long for servers that would have taken the line itself.
fn text_of(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut is_in_a_row = false;
    for chunk in line.utf8_chunks() {
        text.push_str(chunk.valid());
        is_in_a_row &= chunk.valid().is_empty();
        if !chunk.invalid().is_empty() && !is_in_a_row {
            text.push(char::REPLACEMENT_CHARACTER);
            is_in_a_row = true;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_taken_in_lines_with_a_bound() {
        let mut screen = Plain::new(Manner::Pipe, false, Colors::Unused, None);
        let long = "x".repeat(2 * INPUT_LINE_BYTES_MAX);
        for bytes in [b"one\r\nt\xe9\xffw\xffo\n", long.as_bytes(), b"\nlast", b""] {
            screen.input(bytes, Instant::now());
        }
        let line = |text: &str| Wish::Line(text.to_owned());
        let wanted = [
            line("one"),
            line("t\u{fffd}w\u{fffd}o"),
            Wish::TooLong,
            line("last"),
            Wish::End,
        ];
        assert_eq!(screen.wishes, wanted);
    }
}
