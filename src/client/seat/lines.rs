//! `Lines`: what is shown at the seat → lines of the conversation, ready for the terminal: time,
//! mark, colours. It follows who the user is and what was said before the user came. Where the
//! lines go is not known here. Pure, but for the time of day, which is asked for.

use std::collections::VecDeque;

use crate::clean::Clean;
use crate::client::screen::{RoundTrips, delivered};
use crate::client::shown::Shown;
use crate::client::style::{Colors, Style};
use crate::dialect::reply::News;

/// Messages remembered, to know again what a history repeats after a lost link.
const REMEMBERED_MESSAGES_MAX: usize = 200;

/// Columns that a time takes.
const NO_TIME: &str = "     ";

/// See the file.
#[derive(Debug)]
pub struct Lines {
    colors: Colors,
    round_trips: RoundTrips,
    /// The local time of day, as `HH:MM`.
    time: fn() -> String,
    /// The user's name, once the server has said it.
    own_name: Option<String>,
    room: Option<String>,
    past: Past,
    /// The last messages of the room that were shown.
    shown: VecDeque<Message>,
}

/// Whether what comes was said before we came.
#[derive(Debug)]
enum Past {
    No,
    /// It was: kept until its end, when it is known what of it is new.
    Collecting {
        headline: Clean,
        messages: Vec<Message>,
    },
    /// It was, and it is too long to be kept.
    Passing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    from: Clean,
    text: Clean,
}

impl Lines {
    /// Lines of somebody who is not yet anywhere.
    pub fn new(colors: Colors, round_trips: RoundTrips, time: fn() -> String) -> Self {
        Lines {
            colors,
            round_trips,
            time,
            own_name: None,
            room: None,
            past: Past::No,
            shown: VecDeque::new(),
        }
    }

    /// Appends what there is to be seen of this, each line with its LF.
    pub fn write(&mut self, shown: &Shown, out: &mut String) {
        match shown {
            Shown::Message { from, text } => {
                let (from, text) = (from.clone(), text.clone());
                self.message(Message { from, text }, out);
            }
            Shown::Private { from, text } => {
                let name = Style::of_name(from.as_str());
                let name = self.colors.paint(name, &format!("-{from}-"));
                let text = self.colors.paint(Style::PRIVATE, text.as_str());
                self.line(&format!("{name} {text}"), out);
            }
            Shown::News(text) => self.news(text, out),
            Shown::Answer(text) => self.line(&format!("= {text}"), out),
            Shown::Asked(line) => self.styled_line(Style::QUIET, line.as_str(), out),
            Shown::Refusal { code, words } => {
                self.styled_line(Style::WARNING, &format!("! {code} {words}"), out);
            }
            Shown::Delivered { .. } if self.round_trips == RoundTrips::Hidden => {}
            Shown::Delivered { round_trip } => {
                let text = format!("{NO_TIME} {}", delivered(*round_trip));
                out.push_str(&self.colors.paint(Style::QUIET, &text));
                out.push('\n');
            }
            Shown::Status(words) => self.styled_line(Style::QUIET, &format!("~ {words}"), out),
        }
    }

    fn message(&mut self, message: Message, out: &mut String) {
        match &mut self.past {
            Past::No => {
                let time = (self.time)();
                self.spoken(&time, &message, out);
                self.remember(message);
            }
            Past::Collecting { messages, .. } if messages.len() < REMEMBERED_MESSAGES_MAX => {
                messages.push(message);
            }
            Past::Collecting { .. } => {
                self.past_ends(out);
                self.past = Past::Passing;
                self.spoken(NO_TIME, &message, out);
            }
            Past::Passing => self.spoken(NO_TIME, &message, out),
        }
    }

    fn news(&mut self, text: &Clean, out: &mut String) {
        match News::of(text.as_str()) {
            News::Welcome { room, name } => {
                self.own_name = Some(name.to_owned());
                if self.room.as_deref() != Some(room) {
                    self.room = Some(room.to_owned());
                    self.shown.clear();
                }
                self.past = Past::No;
            }
            News::Renamed { from, to } if self.own_name.as_deref() == Some(from) => {
                self.own_name = Some(to.to_owned());
            }
            News::HistoryBegins => {
                let (headline, messages) = (text.clone(), Vec::new());
                self.past = Past::Collecting { headline, messages };
                return;
            }
            News::HistoryEnds => {
                if self.past_ends(out) {
                    self.styled_line(Style::QUIET, &format!("* {text}"), out);
                }
                return;
            }
            News::Renamed { .. } | News::Other => {}
        }
        self.styled_line(Style::QUIET, &format!("* {text}"), out);
    }

    /// Writes what of the past has not been shown already. Whether there was anything.
    fn past_ends(&mut self, out: &mut String) -> bool {
        let past = std::mem::replace(&mut self.past, Past::No);
        let Past::Collecting { headline, messages } = past else {
            return true;
        };
        let known = self.known_of(&messages);
        if known == messages.len() && known > 0 {
            return false;
        }
        let headline = match known {
            0 => format!("* {headline}"),
            _ => "* said meanwhile:".to_owned(),
        };
        self.styled_line(Style::QUIET, &headline, out);
        for message in messages.into_iter().skip(known) {
            self.spoken(NO_TIME, &message, out);
            self.remember(message);
        }
        true
    }

    /// How many of these messages, from the first one on, are the last ones that were shown.
    fn known_of(&self, messages: &[Message]) -> usize {
        let most = messages.len().min(self.shown.len());
        let is_end = |count: &usize| {
            let last = self.shown.iter().skip(self.shown.len() - count);
            last.eq(&messages[..*count])
        };
        (1..=most).rev().find(is_end).unwrap_or(0)
    }

    fn remember(&mut self, message: Message) {
        if self.shown.len() == REMEMBERED_MESSAGES_MAX {
            self.shown.pop_front();
        }
        self.shown.push_back(message);
    }

    fn spoken(&self, time: &str, Message { from, text }: &Message, out: &mut String) {
        let colors = self.colors;
        let is_own = self.own_name.as_deref() == Some(from.as_str());
        let is_mention = !is_own && self.names_us(text.as_str());
        let name_style = match is_own {
            true => Style::OWN,
            false => Style::of_name(from.as_str()),
        };
        let name = colors.paint(name_style, &format!("<{from}>"));
        let (mark, text) = match is_mention {
            true => (
                colors.paint(Style::MENTION_MARK, "@"),
                colors.paint(Style::MENTION, text.as_str()),
            ),
            false => (" ".to_owned(), text.to_string()),
        };
        let time = colors.paint(Style::QUIET, time);
        out.push_str(&format!("{time}{mark}{name} {text}\n"));
    }

    /// Whether the user's name stands in the text as a word.
    fn names_us(&self, text: &str) -> bool {
        let Some(name) = &self.own_name else {
            return false;
        };
        let (text, name) = (text.to_lowercase(), name.to_lowercase());
        let is_edge = |character: Option<char>| !character.is_some_and(char::is_alphanumeric);
        text.match_indices(&name).any(|(at, _)| {
            is_edge(text[..at].chars().next_back())
                && is_edge(text[at + name.len()..].chars().next())
        })
    }

    fn styled_line(&self, style: Style, text: &str, out: &mut String) {
        self.line(&self.colors.paint(style, text), out);
    }

    fn line(&self, text: &str, out: &mut String) {
        let time = self.colors.paint(Style::QUIET, &(self.time)());
        out.push_str(&format!("{time} {text}\n"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lines(colors: Colors) -> Lines {
        Lines::new(colors, RoundTrips::Shown, || "10:31".to_owned())
    }

    fn written(lines: &mut Lines, shown: &[Shown]) -> String {
        let mut out = String::new();
        shown.iter().for_each(|one| lines.write(one, &mut out));
        out
    }

    fn news(text: &str) -> Shown {
        Shown::News(Clean::of(text))
    }

    fn message(from: &str, text: &str) -> Shown {
        let (from, text) = (Clean::of(from), Clean::of(text));
        Shown::Message { from, text }
    }

    fn welcome() -> Shown {
        news("welcome to lobby, ann (2 here: ann, ben)")
    }

    #[test]
    fn every_kind_can_be_told_without_colours() {
        let (from, text) = (Clean::of("ben"), Clean::of("psst"));
        let (code, words) = (Clean::of("no-such-name"), Clean::of("who?"));
        let round_trip = Duration::from_micros(312);
        let shown = [
            welcome(),
            message("ben", "hi"),
            message("ben", "hi Ann!"),
            message("ben", "annual, joann"),
            message("ann", "ann speaking"),
            Shown::Delivered { round_trip },
            Shown::Private { from, text },
            Shown::Answer(Clean::of("end")),
            Shown::Asked(Clean::of("/rooms")),
            Shown::Refusal { code, words },
            Shown::Status(Clean::of("link lost")),
            news("ann is now anna"),
            message("ben", "anna?"),
        ];
        let wanted = "\
10:31 * welcome to lobby, ann (2 here: ann, ben)
10:31 <ben> hi
10:31@<ben> hi Ann!
10:31 <ben> annual, joann
10:31 <ann> ann speaking
      delivered in 0.31 ms
10:31 -ben- psst
10:31 = end
10:31 /rooms
10:31 ! no-such-name who?
10:31 ~ link lost
10:31 * ann is now anna
10:31@<ben> anna?
";
        assert_eq!(written(&mut lines(Colors::Unused), &shown), wanted);
    }

    #[test]
    fn kinds_have_styles_of_their_own() {
        let (from, text) = (Clean::of("ben"), Clean::of("hi"));
        let mut lines = lines(Colors::Used);
        let mut style = |shown: Shown| {
            let line = written(&mut lines, &[shown]);
            let (_, behind_time) = line.split_once("10:31\x1b[0m").unwrap();
            behind_time
                .replace("ben", "")
                .replace("ann", "")
                .replace("hi", "")
        };
        style(welcome());
        let styles = [
            style(message("ben", "hi")),
            style(message("ann", "hi")),
            style(message("ben", "ann hi")),
            style(Shown::Private { from, text }),
            style(news("hi")),
            style(Shown::Refusal {
                code: Clean::of("hi"),
                words: Clean::default(),
            }),
        ];
        assert_eq!(
            styles[1], " \x1b[1m<>\x1b[0m \n",
            "one's own name has no colour"
        );
        for (index, one) in styles.iter().enumerate() {
            assert!(one.contains("\x1b["), "{one:?}");
            assert!(!styles[..index].contains(one), "{styles:?}");
        }
    }

    #[test]
    fn the_past_has_no_time() {
        let shown = [
            welcome(),
            news("last 1 message:"),
            message("ben", "hi"),
            news("end of history"),
        ];
        let wanted = "* last 1 message:\n      <ben> hi\n10:31 * end of history\n";
        assert!(written(&mut lines(Colors::Unused), &shown).ends_with(wanted));
    }

    #[test]
    fn after_a_return_only_what_is_new_is_shown_of_the_past() {
        let mut lines = lines(Colors::Unused);
        written(
            &mut lines,
            &[welcome(), message("ben", "one"), message("ben", "two")],
        );
        let all_known = [
            welcome(),
            news("last 1 message:"),
            message("ben", "two"),
            news("end of history"),
        ];
        let wanted = "10:31 * welcome to lobby, ann (2 here: ann, ben)\n";
        assert_eq!(written(&mut lines, &all_known), wanted);
        let one_new = [
            welcome(),
            news("last 3 messages:"),
            message("ben", "one"),
            message("ben", "two"),
            message("ben", "three"),
            news("end of history"),
        ];
        let seen = written(&mut lines, &one_new);
        let wanted = "* said meanwhile:\n      <ben> three\n10:31 * end of history\n";
        assert!(seen.ends_with(wanted), "{seen}");
        assert!(!seen.contains("two"), "{seen}");
    }

    #[test]
    fn a_past_without_end_is_not_kept() {
        let mut lines = lines(Colors::Unused);
        written(&mut lines, &[welcome(), news("last 9 messages:")]);
        let many: Vec<_> = (0..300).map(|n| message("ben", &n.to_string())).collect();
        let seen = written(&mut lines, &many);
        assert_eq!(seen.lines().count(), 301);
        assert!(matches!(lines.past, Past::Passing));
        assert!(written(&mut lines, &[news("end of history")]).contains("end of history"));
    }
}
