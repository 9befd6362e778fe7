//! `Outgoing`: finished lines on their way to the session. Typed ones go as soon as it takes
//! them; those of a long paste are asked about once and go one after the other, no faster than a
//! server lets anybody talk. Pure; owned by the seat.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A paste of more lines is asked about.
const UNASKED_LINES_MAX: usize = 5;
/// Typed lines that the session has not taken: more than a person types in a while without a link.
const TYPED_LINES_MAX: usize = 1000;
/// Between two lines of a long paste: the rate that servers usually grant for long, so that
/// nothing of what they grant at once is used up.
const PACE: Duration = Duration::from_millis(100);

/// A line for the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// It may be a command.
    Typed(String),
    /// It is a text, whatever it looks like.
    Pasted(String),
}

/// What the session takes now.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// A line of any kind.
    pub takes_line: bool,
    /// Everything said so far has come back.
    pub all_returned: bool,
}

/// Pasted lines; the last one has no line break behind it.
#[derive(Debug, PartialEq, Eq)]
pub struct Paste {
    /// Those with a line break, save empty ones.
    pub lines: Vec<String>,
    /// What is left for the line being edited.
    pub rest: String,
}

/// See the file.
#[derive(Debug, Default)]
pub struct Outgoing {
    typed: VecDeque<Line>,
    question: Option<Paste>,
    paced: VecDeque<String>,
    /// How many of the paste have gone, for the user to see.
    gone: usize,
    next_at: Option<Instant>,
}

impl Paste {
    /// What was pasted behind the text that is already in the line: the first line ends that one.
    pub fn of(text: &str, before: &str) -> Self {
        let text = format!("{before}{}", text.replace("\r\n", "\n").replace('\r', "\n"));
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        let rest = lines.pop().unwrap_or_default();
        lines.retain(|line| !line.trim().is_empty());
        Paste { lines, rest }
    }

    /// Whether the user is asked before it is said.
    pub fn is_long(&self) -> bool {
        self.count() > UNASKED_LINES_MAX
    }

    /// How many lines there are, the last one included.
    pub fn count(&self) -> usize {
        self.lines.len() + usize::from(!self.rest.trim().is_empty())
    }

    /// All of them, the last one included.
    pub fn into_lines(mut self) -> Vec<String> {
        if !self.rest.trim().is_empty() {
            self.lines.push(self.rest);
        }
        self.lines
    }
}

impl Outgoing {
    /// A line that was typed.
    pub fn typed(&mut self, line: String) {
        self.typed.push_back(Line::Typed(line));
    }

    /// Whether so many typed lines wait that no more are to be taken.
    pub fn is_full(&self) -> bool {
        self.typed.len() >= TYPED_LINES_MAX
    }

    /// The lines of a short paste.
    pub fn pasted(&mut self, lines: Vec<String>) {
        self.typed.extend(lines.into_iter().map(Line::Pasted));
    }

    /// A long paste, about which the user is to be asked.
    pub fn ask(&mut self, paste: Paste) {
        self.question = Some(paste);
    }

    /// The paste that waits for an answer.
    pub fn question(&self) -> Option<&Paste> {
        self.question.as_ref()
    }

    /// The answer: takes the paste that it was about.
    pub fn answered(&mut self) -> Option<Paste> {
        self.question.take()
    }

    /// Lines that are to go one after the other.
    pub fn pace(&mut self, lines: Vec<String>) {
        self.paced.extend(lines);
    }

    /// How many lines of a long paste have gone, and how many are to go in all; `None` if there
    /// is none.
    pub fn progress(&self) -> Option<(usize, usize)> {
        let left = self.paced.len();
        (left > 0).then_some((self.gone, self.gone + left))
    }

    /// Ends a long paste; how many of its lines are left unsaid.
    pub fn stop(&mut self) -> usize {
        let left = self.paced.len();
        self.paced.clear();
        self.gone = 0;
        left
    }

    /// The next line that may go.
    pub fn next(&mut self, allowance: Allowance, now: Instant) -> Option<Line> {
        if !allowance.takes_line {
            return None;
        }
        if let Some(line) = self.typed.pop_front() {
            return Some(line);
        }
        if !allowance.all_returned || self.next_at.is_some_and(|at| now < at) {
            return None;
        }
        let line = self.paced.pop_front()?;
        self.gone += 1;
        if self.paced.is_empty() {
            self.gone = 0;
        }
        self.next_at = Some(now + PACE);
        Some(Line::Pasted(line))
    }

    /// When [`Outgoing::next`] may have something, if everything has come back by then.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let at = self.next_at.filter(|at| now < *at)?;
        (!self.paced.is_empty()).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Allowance = Allowance {
        takes_line: true,
        all_returned: true,
    };

    #[test]
    fn a_paste_is_split_as_it_was_meant() {
        let paste = Paste::of("one\r\n\r\ntwo\rthree", "say ");
        assert_eq!(paste.lines, ["say one", "two"]);
        assert_eq!(paste.rest, "three");
        assert!(!Paste::of("1\n2\n3\n4\n5\n", "").is_long());
        assert!(Paste::of("1\n2\n3\n4\n5\n6", "").is_long());
        assert_eq!(Paste::of("1\n2", "").into_lines(), ["1", "2"]);
    }

    #[test]
    fn a_long_paste_goes_line_by_line_and_typing_overtakes_it() {
        let mut outgoing = Outgoing::default();
        let start = Instant::now();
        outgoing.pace(vec!["one".into(), "two".into(), "three".into()]);
        assert_eq!(outgoing.next(ALL, start), Some(Line::Pasted("one".into())));
        assert_eq!(outgoing.progress(), Some((1, 3)));
        assert_eq!(outgoing.next(ALL, start), None);
        outgoing.typed("/who".into());
        assert_eq!(outgoing.next(ALL, start), Some(Line::Typed("/who".into())));
        let later = outgoing.next_deadline(start).unwrap();
        assert_eq!(later, start + PACE);
        let unreturned = Allowance {
            all_returned: false,
            ..ALL
        };
        assert_eq!(outgoing.next(unreturned, later), None);
        assert_eq!(outgoing.next_deadline(later), None);
        assert_eq!(outgoing.next(ALL, later), Some(Line::Pasted("two".into())));
        assert_eq!(outgoing.stop(), 1);
        assert_eq!(outgoing.next(ALL, later + PACE), None);
        assert_eq!(outgoing.progress(), None);
    }

    #[test]
    fn nothing_goes_that_is_not_taken() {
        let mut outgoing = Outgoing::default();
        outgoing.pasted(vec!["end".into()]);
        let none = Allowance {
            takes_line: false,
            ..ALL
        };
        let now = Instant::now();
        assert_eq!(outgoing.next(none, now), None);
        assert_eq!(outgoing.next(ALL, now), Some(Line::Pasted("end".into())));
    }
}
