//! Where things are shown: [`Screen`], and the plain one that writes lines to standard output and
//! standard error. What is shown and when is the session's; here is only what it looks like.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::clean::Clean;
use super::flags::ColorWhen;
use super::session::Manner;
use super::shown::Shown;

/// Where things are shown. A line editor, which has to keep a half-typed line whole, is one of these.
pub trait Screen {
    /// Shows one thing. An error means that the user's output is gone.
    fn show(&mut self, shown: &Shown) -> io::Result<()>;

    /// Nothing more is to be shown for the moment: whatever was held back comes out.
    fn flush(&mut self) -> io::Result<()>;
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
    colors: bool,
}

impl<Out: Write, Status: Write> PlainScreen<Out, Status> {
    /// Lines of the room go to `output`; for a program, all others go to `status`.
    pub fn new(
        output: Out,
        status: Status,
        manner: Manner,
        round_trips: RoundTrips,
        colors: bool,
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
        let text = self.styled(style, text);
        writeln!(self.output, "{text}")
    }

    fn spoken(&mut self, marks: (char, char), from: &Clean, text: &Clean) -> io::Result<()> {
        let from = self.styled(Style::of_name(from.as_str()), from.as_str());
        let (before, after) = marks;
        writeln!(self.output, "{before}{from}{after} {text}")
    }

    fn styled(&self, Style(code): Style, text: &str) -> String {
        if self.colors && !code.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
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
            (Manner::Terminal, RoundTrips::Shown) => self.line(Style::FAINT, &text),
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
            Shown::News(text) => self.line(Style::FAINT, &format!("* {text}")),
            Shown::Answer(text) => self.line(Style::PLAIN, &format!("= {text}")),
            Shown::Refusal { code, words } => {
                let text = format!("! {code} {words}");
                match self.manner {
                    Manner::Terminal => self.line(Style::WARNING, &text),
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
fn delivered(round_trip: Duration) -> String {
    format!("delivered in {:.2} ms", round_trip.as_secs_f64() * 1000.0)
}

/// The parameters of a terminal's style sequence.
#[derive(Debug, Clone, Copy)]
struct Style(&'static str);

impl Style {
    const PLAIN: Style = Style("");
    const FAINT: Style = Style("2");
    const WARNING: Style = Style("31");
    /// Those that can be read on a light and on a dark background.
    const NAMES: [Style; 10] = [
        Style("32"),
        Style("33"),
        Style("34"),
        Style("35"),
        Style("36"),
        Style("92"),
        Style("94"),
        Style("95"),
        Style("96"),
        Style("1"),
    ];

    /// The same name has the same colour for everybody and at any time.
    fn of_name(name: &str) -> Style {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let index = hasher.finish() % Style::NAMES.len() as u64;
        Style::NAMES[index as usize]
    }
}

/// Whether standard output gets colours.
pub fn wants_colors(when: ColorWhen) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
            io::stdout().is_terminal() && !is_dumb && !is_set("NO_COLOR")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands on standard output and on standard error.
    fn shown(manner: Manner, round_trips: RoundTrips, colors: bool) -> (String, String) {
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
            shown(Manner::Pipe, RoundTrips::Hidden, false),
            (
                "* ben joined (2 here)\n<ann> hi\n-ann- hi\n= end\n".to_owned(),
                "! no-such-name who?\nchat-client: link lost\n".to_owned()
            )
        );
        let (_, status) = shown(Manner::Pipe, RoundTrips::Shown, false);
        assert!(status.contains("delivered in 0.31 ms\n"));
    }

    #[test]
    fn a_poster_gets_its_round_trips() {
        let (output, _) = shown(Manner::Poster, RoundTrips::Hidden, false);
        assert_eq!(output, "= end\ndelivered in 0.31 ms\n");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let (plain, _) = shown(Manner::Terminal, RoundTrips::Shown, false);
        let (colored, _) = shown(Manner::Terminal, RoundTrips::Shown, true);
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
