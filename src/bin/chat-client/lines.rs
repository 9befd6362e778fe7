//! `Lines`: what is shown → lines of text: time, mark, colours. Here all that comes from others is
//! cleaned, so that none of it can drive a terminal. Where the lines go is not known here.

use std::fmt::Write;

use chatd::clean::Clean;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::style::{self, Colors, Style};
use crate::wire::{Event, PastMessage};

/// One line for the user to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub kind: Kind,
    /// When it happened, by the server (RFC 3339); now, if it does not say.
    pub at: Option<String>,
    /// The room, if it is not the one in which the user is.
    pub room: Option<String>,
    pub from: String,
    /// What `from` does, not what it says.
    pub is_action: bool,
    pub text: String,
}

impl Shown {
    /// A line that nobody said, about now and here.
    pub fn of(kind: Kind, text: &str) -> Self {
        Shown {
            kind,
            at: None,
            room: None,
            from: String::new(),
            is_action: false,
            text: text.to_owned(),
        }
    }

    /// What somebody said; in another room than ours, if it names one.
    pub fn spoken(kind: Kind, event: Event) -> Self {
        Shown {
            kind,
            at: event.at,
            room: event.room,
            from: event.from,
            is_action: event.action,
            text: event.text,
        }
    }

    /// A message of a page of the past.
    pub fn past(past: PastMessage) -> Self {
        Shown {
            kind: Kind::Answer,
            at: Some(past.at),
            room: None,
            from: past.from,
            is_action: past.action,
            text: past.text,
        }
    }
}

/// What kind of line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message in the room.
    Said,
    /// One that names the user.
    Mention,
    /// The user's own, where it stands in the room.
    Own,
    /// A private message.
    Private,
    /// News of the room or of the server.
    News,
    /// A line across the conversation.
    Rule,
    /// A line of an answer to a command.
    Answer,
    /// A command of the user goes out: nothing else at a seat shows what was typed.
    Asked,
    /// A refusal after which the conversation goes on.
    Refusal,
    /// An own message is placed; the text is its round trip.
    Delivered,
    /// The client's own words.
    Status,
}

/// See the file.
#[derive(Debug)]
pub struct Lines {
    colors: Colors,
    /// For the times before the lines, if they have any.
    zone: Option<TimeZone>,
    /// Each line has its date and seconds, and no day has a line of its own.
    is_dated: bool,
    /// Of the last message.
    day: Option<Date>,
}

impl Lines {
    /// Lines with their times in this zone, if in any.
    pub fn new(colors: Colors, zone: Option<TimeZone>) -> Self {
        let today = |zone: &TimeZone| Timestamp::now().to_zoned(zone.clone()).date();
        let day = zone.as_ref().map(today);
        Lines {
            colors,
            zone,
            is_dated: false,
            day,
        }
    }

    /// Lines without colours, each with its date in this zone.
    pub fn dated(zone: TimeZone) -> Self {
        Lines {
            is_dated: true,
            ..Lines::new(Colors::Unused, Some(zone))
        }
    }

    /// Appends what there is to be seen of this, each line with its LF.
    pub fn write(&mut self, shown: &Shown, out: &mut String) {
        self.write_time(shown, out);
        // People see who does it, with a mark that nobody's name can be; programs what was typed.
        let is_seen = shown.is_action && self.zone.is_some();
        let typed = if shown.is_action && !is_seen {
            "/me "
        } else {
            ""
        };
        let text = Clean::of(&format!("{typed}{}", shown.text));
        let from = Clean::of(&shown.from);
        if let Some(room) = &shown.room {
            let _ = write!(out, "[{}] ", Clean::of(room));
        }
        let of_name = style::of_name(from.as_str());
        let (name_style, [before, behind], style) = match shown.kind {
            Kind::Said => (of_name, ["<", ">"], style::PLAIN),
            Kind::Mention => (of_name, ["<", ">"], style::MENTION),
            Kind::Own => (style::OWN, ["<", ">"], style::PLAIN),
            Kind::Private => (of_name, ["-", "-"], style::PRIVATE),
            Kind::Answer if shown.from.is_empty() => (style::PLAIN, ["=", ""], style::PLAIN),
            Kind::Answer if is_seen => (style::PLAIN, ["= <*> ", ""], style::PLAIN),
            Kind::Answer => (style::PLAIN, ["= <", ">"], style::PLAIN),
            Kind::News => (style::QUIET, ["*", ""], style::QUIET),
            Kind::Rule if self.zone.is_some() => {
                return self.paint_line(style::QUIET, &format!("── {text} ──"), out);
            }
            Kind::Rule => (style::QUIET, ["*", ""], style::QUIET),
            Kind::Asked => return self.paint_line(style::QUIET, text.as_str(), out),
            Kind::Refusal => (style::WARNING, ["!", ""], style::WARNING),
            Kind::Delivered => (style::QUIET, ["delivered", ""], style::QUIET),
            Kind::Status => (style::QUIET, ["~", ""], style::QUIET),
        };
        let (before, behind) = match (before, is_seen) {
            ("<", true) => ("<*> ", ""),
            _ => (before, behind),
        };
        if name_style == style {
            return self.paint_line(style, &format!("{before}{from}{behind} {text}"), out);
        }
        self.colors
            .paint(name_style, &format!("{before}{from}{behind}"), out);
        out.push(' ');
        self.paint_line(style, text.as_str(), out);
    }

    fn paint_line(&self, style: Style, text: &str, out: &mut String) {
        self.colors.paint(style, text, out);
        out.push('\n');
    }

    /// A message of another day than the one before has that day in a line of its own.
    fn write_time(&mut self, shown: &Shown, out: &mut String) {
        let Some(zone) = &self.zone else {
            return;
        };
        let told: Option<Timestamp> = shown.at.as_ref().and_then(|at| at.parse().ok());
        let at = told.unwrap_or_else(Timestamp::now).to_zoned(zone.clone());
        if self.is_dated {
            out.push_str(&at.strftime("%F %T ").to_string());
            return;
        }
        if told.is_some() && self.day.replace(at.date()) != Some(at.date()) {
            let day = at.strftime("%A %F\n").to_string();
            self.colors.paint(style::QUIET, &day, out);
        }
        match shown.kind {
            Kind::Delivered => out.push_str("      "),
            _ => self
                .colors
                .paint(style::QUIET, &at.strftime("%H:%M").to_string(), out),
        }
        match shown.kind {
            Kind::Mention => self.colors.paint(style::MENTION_MARK, "@", out),
            Kind::Delivered => {}
            _ => out.push(' '),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(zone: Option<TimeZone>, colors: Colors, shown: &[Shown]) -> String {
        let mut lines = Lines::new(colors, zone);
        lines.day = Some(Date::constant(2026, 11, 21));
        let mut out = String::new();
        shown.iter().for_each(|one| lines.write(one, &mut out));
        out
    }

    fn shown(text: &str) -> [Shown; 11] {
        use Kind::*;
        let kinds = [
            Said, Mention, Own, Private, News, Rule, Answer, Asked, Refusal, Delivered, Status,
        ];
        let at = Some("2026-11-21T10:31:00.123Z".to_owned());
        kinds.map(|kind| Shown {
            at: at.clone(),
            ..Shown::of(kind, text)
        })
    }

    #[test]
    fn every_kind_can_be_told_without_colours() {
        let seen = written(Some(TimeZone::UTC), Colors::Unused, &shown("hi"));
        let wanted = "10:31 <> hi\n10:31@<> hi\n10:31 <> hi\n10:31 -- hi\n10:31 * hi\n\
            10:31 ── hi ──\n10:31 = hi\n10:31 hi\n10:31 ! hi\n      delivered hi\n10:31 ~ hi\n";
        assert_eq!(seen, wanted);
        let mut colored = written(Some(TimeZone::UTC), Colors::Used, &shown("hi"));
        while let Some(start) = colored.find('\x1b') {
            let end = start + colored[start..].find('m').unwrap();
            colored.replace_range(start..=end, "");
        }
        assert_eq!(colored, wanted);
        let pipe = written(None, Colors::Unused, &shown("hi"));
        assert!(
            pipe.starts_with("<> hi\n<> hi\n<> hi\n-- hi\n* hi\n* hi\n"),
            "{pipe}"
        );
    }

    #[test]
    fn what_somebody_does_is_told_from_news() {
        let waves = Shown {
            from: "ben".to_owned(),
            is_action: true,
            ..Shown::of(Kind::Said, "joined (2 here)")
        };
        let page = Shown {
            kind: Kind::Answer,
            ..waves.clone()
        };
        let seen = written(Some(TimeZone::UTC), Colors::Unused, &[waves.clone(), page]);
        let seen: Vec<&str> = seen.lines().map(|line| &line[6..]).collect();
        let wanted = ["<*> ben joined (2 here)", "= <*> ben joined (2 here)"];
        assert_eq!(seen, wanted);
        let pipe = written(None, Colors::Unused, &[waves]);
        assert_eq!(pipe, "<ben> /me joined (2 here)\n");
    }

    #[test]
    fn the_past_has_its_own_times() {
        let past = PastMessage {
            id: "1".to_owned(),
            at: "2026-11-21T09:59:00Z".to_owned(),
            from: "ben".to_owned(),
            text: "hi".to_owned(),
            action: false,
        };
        let seen = written(Some(TimeZone::UTC), Colors::Unused, &[Shown::past(past)]);
        assert_eq!(seen, "09:59 = <ben> hi\n");
    }

    #[test]
    fn a_log_has_dates() {
        let mut lines = Lines::dated(TimeZone::UTC);
        let mut out = String::new();
        shown("hi")[..2]
            .iter()
            .for_each(|one| lines.write(one, &mut out));
        assert_eq!(
            out,
            "2026-11-21 10:31:00 <> hi\n2026-11-21 10:31:00 <> hi\n"
        );
    }

    #[test]
    fn another_day_has_a_line_of_its_own() {
        let mut shown = shown("x");
        shown[0].at = Some("2026-11-20T23:59:00Z".to_owned());
        let seen = written(Some(TimeZone::UTC), Colors::Unused, &shown[..2]);
        let wanted = "Friday 2026-11-20\n23:59 <> x\nSaturday 2026-11-21\n10:31@<> x\n";
        assert_eq!(seen, wanted);
    }

    #[test]
    fn nothing_that_is_shown_can_drive_a_terminal() {
        let dirt = "\u{1b}[2J\u{9b}1m\r\n\u{2028}\u{202e}";
        for mut shown in shown(dirt) {
            shown.room = Some(dirt.to_owned());
            dirt.clone_into(&mut shown.from);
            let line = written(None, Colors::Unused, &[shown]);
            let is_bad = |c: char| c.is_control() || "\u{2028}\u{202e}".contains(c);
            assert!(!line.trim_end_matches('\n').contains(is_bad), "{line:?}");
        }
    }
}
