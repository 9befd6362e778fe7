//! The user's side of the session: its lines, what of them is sent when, and how it leaves.

use std::time::{Duration, Instant};

use super::{BARRIER_TOKEN, Effect, Input, Manner, OwnLines, Phase, Session, counted};
use crate::clean::Clean;
use crate::client::ledger::Kind;
use crate::client::shown::Shown;

/// Lines of the user that wait to be sent or to come back; then no more are taken from it.
const UNSETTLED_LINES_MAX: usize = 128;
/// From our `/quit` to the end of the link.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(1);

impl Session {
    /// Whether a line of the user would be taken now.
    pub fn wants_line(&self) -> bool {
        matches!(self.input, Input::Open)
            && self.waiting.len() + self.ledger.messages() < UNSETTLED_LINES_MAX
    }

    /// A line of the user, without its ending.
    pub fn say(&mut self, line: &str, now: Instant) {
        if line.trim().is_empty() {
            return;
        }
        if let Some(farewell) = farewell(line, self.settings.manner) {
            return self.end_of_input_with(farewell, now);
        }
        if let Some(own_lines) = echo(line) {
            return self.show_own_lines(own_lines);
        }
        self.waiting.push_back(line.to_owned());
        self.advance(now);
    }

    /// A text of the user to say as it is, though it may look like a command or a farewell.
    pub fn say_text(&mut self, text: &str, now: Instant) {
        if text.trim().is_empty() {
            return;
        }
        let escape = if text.starts_with('/') { "/" } else { "" };
        self.waiting.push_back(format!("{escape}{text}"));
        self.advance(now);
    }

    /// The user typed a line of which only this can be said: that it is too long.
    pub fn say_endless_line(&mut self) {
        self.status("that line is too long; it was not sent");
    }

    /// There are no more lines of the user.
    pub fn end_of_input(&mut self, now: Instant) {
        self.end_of_input_with("/quit".to_owned(), now);
    }

    /// The user wants to be gone, whatever is still unsaid.
    pub fn interrupt(&mut self, now: Instant) {
        self.leave("/quit", now);
    }

    /// Sends what waits, and leaves when the input is at its end and all of it is settled.
    pub(super) fn advance(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Talking { .. }) {
            return;
        }
        while let Some(line) = self.waiting.pop_front() {
            let kind = Kind::of(&line);
            self.send(line, kind, now);
        }
        let Input::Ended { farewell } = &self.input else {
            return;
        };
        if self.ledger.is_empty() {
            let farewell = farewell.clone();
            self.leave(&farewell, now);
        } else if self.ledger.messages() == 0 && !self.ledger.awaits_barrier() {
            self.send(format!("/ping {BARRIER_TOKEN}"), Kind::Barrier, now);
        }
    }

    fn send(&mut self, line: String, kind: Kind, now: Instant) {
        let bytes = format!("{line}\n").into_bytes();
        self.effects.push_back(Effect::Send(bytes));
        if kind == Kind::Command && self.settings.manner == Manner::Seat {
            self.show(Shown::Asked(Clean::of(&line)));
        }
        self.ledger.sent(line, kind, now);
    }

    fn end_of_input_with(&mut self, farewell: String, now: Instant) {
        if self.settings.manner.is_person() {
            return self.leave(&farewell, now);
        }
        self.input = Input::Ended { farewell };
        self.advance(now);
    }

    fn leave(&mut self, farewell: &str, now: Instant) {
        match self.phase {
            Phase::Talking { .. } | Phase::Greeting { .. } => {
                let bytes = format!("{farewell}\n").into_bytes();
                self.effects.push_back(Effect::Send(bytes));
                let until = now + LEAVING_TIMEOUT;
                self.phase = Phase::Leaving { until };
            }
            Phase::New | Phase::Connecting | Phase::Away { .. } => self.finish_as_left(),
            Phase::Leaving { .. } | Phase::Ended(_) => return,
        }
        if !self.waiting.is_empty() {
            let count = counted(self.waiting.len(), "line");
            self.status(&format!("{count} not sent"));
        }
    }

    fn show_own_lines(&mut self, own_lines: OwnLines) {
        self.status(match own_lines {
            OwnLines::Hidden => "your own lines are not shown again",
            OwnLines::Shown => "your own lines are shown where they stand in the room",
        });
        self.own_lines = own_lines;
    }
}

/// The `/quit` that a line asks for: `/quit` with or without a reason, or `exit` or `end` alone,
/// which are texts like any other to the poster.
fn farewell(line: &str, manner: Manner) -> Option<String> {
    let line = line.trim_end();
    if manner != Manner::Poster && (line == "exit" || line == "end") {
        return Some("/quit".to_owned());
    }
    let (word, _) = command(line)?;
    (word == "quit").then(|| line.to_owned())
}

/// `/echo` is the client's own means of acknowledgement, so it is never passed on: to the user it
/// decides only whether own lines are shown.
fn echo(line: &str) -> Option<OwnLines> {
    match command(line)? {
        ("echo", "on") => Some(OwnLines::Shown),
        ("echo", "off") => Some(OwnLines::Hidden),
        _ => None,
    }
}

/// The word and the rest of a command, split as the server splits it: a `/ quit` that we took for
/// something else would look like a lost link.
fn command(line: &str) -> Option<(&str, &str)> {
    let command = line
        .strip_prefix('/')
        .filter(|rest| !rest.starts_with('/'))?;
    let command = command.trim();
    Some(match command.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (command, ""),
    })
}
