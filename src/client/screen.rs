//! Where things are shown: [`Screen`], and the plain one that writes lines to standard output and
//! standard error (the other is the [`seat`](super::seat)). What is shown and when is the session's; here is only what it looks like.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::seat::{SeatEvent, Wish};
use super::session::{Manner, Session, Standing};
use super::shown::Shown;
use super::style::{Colors, Style};
use crate::clean::Clean;

/// Where things are shown. The member's seat is one of these; what only a seat has to do has a
/// default here.
pub trait Screen {
    /// Shows one thing. An error means that the user's output is gone.
    fn show(&mut self, shown: &Shown) -> io::Result<()>;

    /// Nothing more is to be shown for the moment: whatever was held back comes out.
    fn flush(&mut self) -> io::Result<()>;

    /// Something happened at the seat.
    fn take(&mut self, _event: SeatEvent) -> io::Result<()> {
        Ok(())
    }

    /// The next thing that the user wants, as far as the session allows it.
    fn next_wish(&mut self, _session: &Session, _now: Instant) -> Option<Wish> {
        None
    }

    /// Nothing more happens for the moment: how the session stands is to be seen.
    fn refresh(&mut self, _session: &Session, _now: Instant) -> io::Result<()> {
        Ok(())
    }

    /// When [`Screen::next_wish`] and [`Screen::refresh`] have something to do though nothing happens.
    fn next_deadline(&self, _standing: &Standing<'_>, _now: Instant) -> Option<Instant> {
        None
    }

    /// The session is over.
    fn close(&mut self, _session: &Session) -> io::Result<()> {
        Ok(())
    }
}

/// Which round trips are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundTrips {
    /// That of each own message.
    Shown,
    /// None.
    Hidden,
}

/// Lines, as they come.
#[derive(Debug)]
pub struct PlainScreen<Out, Status> {
    output: Out,
    status: Status,
    manner: Manner,
    round_trips: RoundTrips,
    colors: Colors,
}

impl<Out: Write, Status: Write> PlainScreen<Out, Status> {
    /// Lines of the room go to `output`; for a program, all others go to `status`.
    pub fn new(
        output: Out,
        status: Status,
        manner: Manner,
        round_trips: RoundTrips,
        colors: Colors,
    ) -> Self {
        PlainScreen {
            output,
            status,
            manner,
            round_trips,
            colors,
        }
    }

    fn line(&mut self, style: Style, text: &str) -> io::Result<()> {
        let text = self.colors.paint(style, text);
        writeln!(self.output, "{text}")
    }

    fn spoken(&mut self, marks: (char, char), from: &Clean, text: &Clean) -> io::Result<()> {
        let from = self
            .colors
            .paint(Style::of_name(from.as_str()), from.as_str());
        let (before, after) = marks;
        writeln!(self.output, "{before}{from}{after} {text}")
    }

    /// Something that is not the room's. That standard error may be gone harms nobody.
    fn aside(&mut self, text: &str) -> io::Result<()> {
        self.output.flush()?;
        let _ = writeln!(self.status, "{text}");
        Ok(())
    }

    fn delivered(&mut self, round_trip: Duration) -> io::Result<()> {
        let text = delivered(round_trip);
        match (self.manner, self.round_trips) {
            (Manner::Poster, _) => self.line(Style::PLAIN, &text),
            (_, RoundTrips::Hidden) => Ok(()),
            (Manner::Terminal | Manner::Seat, RoundTrips::Shown) => self.line(Style::QUIET, &text),
            (Manner::Pipe, RoundTrips::Shown) => self.aside(&text),
        }
    }
}

impl<Out: Write, Status: Write> Screen for PlainScreen<Out, Status> {
    fn show(&mut self, shown: &Shown) -> io::Result<()> {
        let is_poster = self.manner == Manner::Poster;
        match shown {
            Shown::Message { .. } | Shown::Private { .. } | Shown::News(_) if is_poster => Ok(()),
            Shown::Message { from, text } => self.spoken(('<', '>'), from, text),
            Shown::Private { from, text } => self.spoken(('-', '-'), from, text),
            // Whoever typed it sees it.
            Shown::Asked(_) => Ok(()),
            Shown::News(text) => self.line(Style::QUIET, &format!("* {text}")),
            Shown::Answer(text) => self.line(Style::PLAIN, &format!("= {text}")),
            Shown::Refusal { code, words } => {
                let text = format!("! {code} {words}");
                match self.manner {
                    Manner::Terminal | Manner::Seat => self.line(Style::WARNING, &text),
                    Manner::Pipe | Manner::Poster => self.aside(&text),
                }
            }
            Shown::Delivered { round_trip } => self.delivered(*round_trip),
            Shown::Status(words) => self.aside(&format!("chat-client: {words}")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// `delivered in 0.31 ms`.
pub fn delivered(round_trip: Duration) -> String {
    format!("delivered in {:.2} ms", round_trip.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands on standard output and on standard error.
    fn shown(manner: Manner, round_trips: RoundTrips, colors: Colors) -> (String, String) {
        let (mut output, mut status) = (Vec::new(), Vec::new());
        let mut screen = PlainScreen::new(&mut output, &mut status, manner, round_trips, colors);
        let (from, text) = (Clean::of("ann"), Clean::of("hi"));
        for one in [
            Shown::News(Clean::of("ben joined (2 here)")),
            Shown::Message {
                from: from.clone(),
                text: text.clone(),
            },
            Shown::Private { from, text },
            Shown::Answer(Clean::of("end")),
            Shown::Refusal {
                code: Clean::of("no-such-name"),
                words: Clean::of("who?"),
            },
            Shown::Delivered {
                round_trip: Duration::from_micros(312),
            },
            Shown::Status(Clean::of("link lost")),
        ] {
            screen.show(&one).unwrap();
        }
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output), text(status))
    }

    #[test]
    fn a_program_gets_the_room_and_nothing_else() {
        assert_eq!(
            shown(Manner::Pipe, RoundTrips::Hidden, Colors::Unused),
            (
                "* ben joined (2 here)\n<ann> hi\n-ann- hi\n= end\n".to_owned(),
                "! no-such-name who?\nchat-client: link lost\n".to_owned()
            )
        );
        let (_, status) = shown(Manner::Pipe, RoundTrips::Shown, Colors::Unused);
        assert!(status.contains("delivered in 0.31 ms\n"));
    }

    #[test]
    fn a_poster_gets_its_round_trips() {
        let (output, _) = shown(Manner::Poster, RoundTrips::Hidden, Colors::Unused);
        assert_eq!(output, "= end\ndelivered in 0.31 ms\n");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let (plain, _) = shown(Manner::Terminal, RoundTrips::Shown, Colors::Unused);
        let (colored, _) = shown(Manner::Terminal, RoundTrips::Shown, Colors::Used);
        assert_ne!(plain, colored);
        let mut stripped = colored;
        while let Some(start) = stripped.find('\x1b') {
            let end = start + stripped[start..].find('m').unwrap();
            stripped.replace_range(start..=end, "");
        }
        assert_eq!(plain, stripped);
        assert!(plain.contains("! no-such-name who?\ndelivered in 0.31 ms\n"));
    }
}
