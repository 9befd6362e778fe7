//! `Typing`: from bytes of the keyboard to what the user wants. It has the line being edited, the
//! finished lines that the session has not taken, and pastes: one of several lines is asked about,
//! and goes line by line, no faster than servers let anybody talk for long. It draws nothing. Pure;
//! owned by the seat.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chatd::dialect::text::Line;

use super::completion::{Known, complete};
use super::editor::{Editor, Pressed};
use super::keys::{Key, Keys};
use crate::screen::Wish;

/// Lines that the session has not taken: more than a person types in a while without a link.
const FINISHED_LINES_MAX: usize = 1000;
/// Between two lines of a paste: the rate that servers usually grant for long.
const PACE: Duration = Duration::from_millis(100);
/// What is said to whom one has spoken with alone last begins so.
const REPLY: &str = "/r ";
/// Names listed when Tab finds several.
const CHOICES_MAX: usize = 30;

/// What is to be done at the seat, besides drawing the line.
#[derive(Debug, PartialEq, Eq)]
pub enum Task {
    /// The user is to be told this.
    Tell(String),
    /// The shell is to be shown for a while.
    Suspend,
    /// The screen is to be cleared.
    ClearScreen,
}

/// What the session takes now.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// A line of any kind.
    pub takes_line: bool,
    /// Everything said so far has been heard.
    pub all_heard: bool,
}

/// Lines that were pasted and are asked about, and what stood in the line before.
#[derive(Debug)]
struct Question {
    lines: Vec<String>,
    before: String,
    behind: String,
}

/// See the file.
#[derive(Default)]
pub struct Typing {
    keys: Keys,
    pub editor: Editor,
    /// Lines and wishes on their way to the session.
    finished: VecDeque<Wish>,
    question: Option<Question>,
    /// Lines of a paste that are to go one after the other.
    paced: VecDeque<Wish>,
    paced_count: usize,
    next_at: Option<Instant>,
    /// What Tab may become here has been told.
    has_listed: bool,
}

impl Typing {
    /// Bytes of the keyboard; none when it has gone. `known` is what Tab knows.
    pub fn read(&mut self, bytes: &[u8], known: &Known, now: Instant) -> Vec<Task> {
        if bytes.is_empty() {
            self.finished.push_back(Wish::End);
        }
        let keys = self.keys.read(bytes, now);
        keys.into_iter()
            .filter_map(|key| {
                // Who came to be the one meanwhile has not been seen there.
                if self.address(known) && matches!(key, Key::Char('\r' | '\n')) {
                    return None;
                }
                let task = self.press(&key, known);
                self.address(known);
                task
            })
            .collect()
    }

    /// `/r ` becomes `/msg NAME ` as soon as it is typed: whoever else says something by the time the
    /// line is finished does not get it. Whether it did.
    fn address(&mut self, known: &Known) -> bool {
        let is_reply = self.editor.line().get(..REPLY.len());
        let is_reply = is_reply.is_some_and(|start| start.eq_ignore_ascii_case(REPLY));
        let is_asking = self.question.is_some() || self.editor.search().is_some();
        let partner = known.partner.as_ref();
        match partner.filter(|_| is_reply && !is_asking && !self.editor.is_secret) {
            Some(name) => {
                let start = format!("/msg {name} ");
                self.editor.replace_start(REPLY.len(), &start)
            }
            None => false,
        }
    }

    fn press(&mut self, key: &Key, known: &Known) -> Option<Task> {
        let tell = |words: &str| Some(Task::Tell(words.to_owned()));
        let is_blank = self.editor.line().trim().is_empty();
        self.has_listed &= *key == Key::Char('\t');
        match (key, self.editor.press(key)) {
            (Key::Char('\r' | '\n'), _) if is_blank && self.question.is_some() => {
                self.answer("", known)
            }
            // Where the user is asked something, that is an answer.
            (Key::Char('\r' | '\n'), Pressed::Edited) => {
                self.finished.push_back(Wish::Line(String::new()));
                None
            }
            (Key::Paste(text), _) => self.paste(text),
            (Key::EndlessPaste, _) => tell("that paste is too long; nothing of it is said"),
            (_, Pressed::Edited) => None,
            (_, Pressed::Full) => tell("the line is too long; it is not said before it is shorter"),
            (_, Pressed::Submitted(line)) if self.question.is_some() => self.answer(&line, known),
            (_, Pressed::Submitted(line)) if self.finished.len() >= FINISHED_LINES_MAX => {
                self.editor.start_anew(&line, "");
                tell("so many lines wait already that this one is not taken")
            }
            (_, Pressed::Submitted(line)) => {
                self.finished.push_back(Wish::Line(line));
                None
            }
            (_, Pressed::Complete) => self.complete(known),
            (_, Pressed::Go(step)) => {
                self.finished.push_back(Wish::Go(step));
                None
            }
            (_, Pressed::Suspend) => Some(Task::Suspend),
            (_, Pressed::ClearScreen) => Some(Task::ClearScreen),
            (_, Pressed::Leave) if self.question.is_some() => self.answer("", known),
            (Key::Char('\x03'), Pressed::Leave) if !self.paced.is_empty() => {
                let left = std::mem::take(&mut self.paced).len();
                Some(Task::Tell(format!(
                    "the paste is stopped; {left} lines of it are not said"
                )))
            }
            (_, Pressed::Leave) => {
                self.finished.push_back(Wish::End);
                None
            }
        }
    }

    fn paste(&mut self, text: &str) -> Option<Task> {
        let (before, behind) = self.editor.line().split_at(self.editor.cursor());
        let (before, behind) = (before.to_owned(), behind.to_owned());
        let whole = format!("{before}{text}");
        let (is_command, said) = match Line::of(&whole) {
            Line::Command { .. } if before.starts_with('/') => (true, whole.as_str()),
            Line::Text(said) if before.starts_with('/') => (false, said),
            _ => (false, whole.as_str()),
        };
        let pasted = text.split(['\r', '\n']);
        let pasted: Vec<&str> = pasted.filter(|line| !line.trim().is_empty()).collect();
        if pasted.len() < 2 || is_command || self.question.is_some() {
            // What follows a `/msg` is for one person, and never for the room: it stays one line.
            let is_inserted = self.editor.insert(&pasted.join(" "));
            let words = "there is no room for that paste in one line";
            return (!is_inserted).then(|| Task::Tell(words.to_owned()));
        }
        let lines = said.split(['\r', '\n']);
        let lines = lines.filter(|line| !line.trim().is_empty());
        self.question = Some(Question {
            lines: lines.map(str::to_owned).collect(),
            before,
            behind,
        });
        self.editor.start_anew("", "");
        None
    }

    /// The answer to whether a paste is to be said: a line, so that somebody who is typing
    /// says neither yes nor half a sentence by accident.
    fn answer(&mut self, line: &str, known: &Known) -> Option<Task> {
        let Question {
            lines,
            before,
            behind,
        } = self.question.take()?;
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => {
                self.editor.start_anew("", &behind);
                self.paced_count = self.paced.len() + lines.len();
                let pasted = |text| Wish::Pasted {
                    room: known.target.clone(),
                    text,
                };
                self.paced.extend(lines.into_iter().map(pasted));
                return None;
            }
            "" | "n" | "no" => self.editor.start_anew(&before, &behind),
            _ => self.editor.start_anew(line, ""),
        }
        Some(Task::Tell("nothing of the paste is said".to_owned()))
    }

    fn complete(&mut self, known: &Known) -> Option<Task> {
        let (line, cursor) = (self.editor.line(), self.editor.cursor());
        let completion = complete(line, cursor, known)?;
        let is_open = completion.text == line[completion.start..cursor];
        self.editor.complete(&completion);
        if !is_open || std::mem::replace(&mut self.has_listed, is_open) {
            return None;
        }
        let mut choices = completion.choices;
        let more = choices.len().saturating_sub(CHOICES_MAX);
        choices.truncate(CHOICES_MAX);
        choices.extend((more > 0).then(|| format!("and {more} more")));
        (!choices.is_empty()).then(|| Task::Tell(choices.join(" ")))
    }

    /// How many lines the user is asked about.
    pub fn question(&self) -> Option<usize> {
        self.question.as_ref().map(|question| question.lines.len())
    }

    /// How many lines of a paste have gone, and how many it has; `None` if there is none.
    pub fn progress(&self) -> Option<(usize, usize)> {
        let all = self.paced_count;
        (!self.paced.is_empty()).then(|| (all - self.paced.len(), all))
    }

    /// The next thing that the user wants, if the session takes it.
    pub fn next_wish(&mut self, allowance: Allowance, now: Instant) -> Option<Wish> {
        let is_line = !matches!(self.finished.front(), Some(Wish::End | Wish::Go(_)));
        if (!is_line || allowance.takes_line)
            && let Some(wish) = self.finished.pop_front()
        {
            return Some(wish);
        }
        if !allowance.takes_line || !allowance.all_heard || self.next_at.is_some_and(|at| now < at)
        {
            return None;
        }
        let wish = self.paced.pop_front()?;
        self.next_at = Some(now + PACE);
        Some(wish)
    }

    /// When [`Typing::next_wish`] may have something, if everything has been heard by then.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let at = self.next_at.filter(|at| now < *at)?;
        (!self.paced.is_empty()).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Step;

    const ALL: Allowance = Allowance {
        takes_line: true,
        all_heard: true,
    };

    fn wishes(typing: &mut Typing, now: Instant) -> Vec<Wish> {
        std::iter::from_fn(|| typing.next_wish(ALL, now)).collect()
    }

    fn text(text: &str) -> Wish {
        let (room, text) = (String::new(), text.to_owned());
        Wish::Pasted { room, text }
    }

    /// All that becomes of a paste that the user wants.
    fn pasted(typing: &mut Typing, bytes: &[u8]) -> Vec<Wish> {
        let mut now = Instant::now();
        typing.read(bytes, &Known::default(), now);
        assert_eq!(wishes(typing, now), [], "unasked");
        typing.read(b"y\r", &Known::default(), now);
        let mut said = wishes(typing, now);
        while let Some(later) = typing.next_deadline(now) {
            now = later;
            said.extend(wishes(typing, now));
        }
        said
    }

    #[test]
    fn a_paste_is_said_as_it_was_meant() {
        let mut typing = Typing::default();
        let said = pasted(&mut typing, b"say \x1b[200~one\r\n\r\n/two\rthree\x1b[201~");
        assert_eq!(said, [text("say one"), text("/two"), text("three")]);
        assert_eq!(typing.editor.line(), "");
        // What is typed before it, is read as such.
        let mut typing = Typing::default();
        let said = pasted(&mut typing, b"//one\x1b[200~, \r//two\r\x1b[201~");
        assert_eq!(said, [text("/one, "), text("//two")]);
    }

    #[test]
    fn a_paste_of_one_line_goes_into_the_line() {
        for pasted in ["one", "one\r\n", "\r\none\r\n\r\n"] {
            let (mut typing, now) = (Typing::default(), Instant::now());
            typing.read(
                format!("say \x1b[200~{pasted}\x1b[201~").as_bytes(),
                &Known::default(),
                now,
            );
            assert_eq!(typing.editor.line(), "say one", "{pasted:?}");
            assert_eq!(
                (typing.question(), wishes(&mut typing, now)),
                (None, vec![])
            );
        }
    }

    #[test]
    fn a_paste_stays_in_its_room() {
        let (mut typing, now) = (Typing::default(), Instant::now());
        let mut known = Known {
            target: "dev".to_owned(),
            ..Known::default()
        };
        typing.read(b"\x1b[200~one\rtwo\x1b[201~y\r", &known, now);
        known.target = "ops".to_owned();
        typing.read(b"\x1b3", &known, now);
        let mut said = wishes(&mut typing, now);
        said.extend(wishes(&mut typing, now + PACE));
        let pasted = |text: &str| Wish::Pasted {
            room: "dev".to_owned(),
            text: text.to_owned(),
        };
        let go = Wish::Go(Step::Number(3));
        assert_eq!(said, [go, pasted("one"), pasted("two")]);
    }

    #[test]
    fn a_list_of_choices_is_told_once() {
        let known = Known {
            names: ["ben", "bert"].map(str::to_owned).to_vec(),
            ..Known::default()
        };
        let (mut typing, now) = (Typing::default(), Instant::now());
        assert_eq!(typing.read(b"be", &known, now), []);
        let told = [Task::Tell("ben bert".to_owned())];
        assert_eq!(typing.read(b"\t\t\t", &known, now), told);
        assert_eq!(typing.read(b" \x7f\t\t", &known, now), told);
    }

    #[test]
    fn what_is_pasted_behind_the_start_of_a_command_is_no_text() {
        for start in ["/", "/msg ben ", "/m"] {
            let (mut typing, now) = (Typing::default(), Instant::now());
            typing.read(start.as_bytes(), &Known::default(), now);
            typing.read(b"\x1b[200~msg a\rsecret\r\x1b[201~", &Known::default(), now);
            assert_eq!(wishes(&mut typing, now), [], "{start:?}");
            assert_eq!(typing.editor.line(), format!("{start}msg a secret"));
        }
    }

    #[test]
    fn a_long_paste_is_asked_about_and_goes_line_by_line() {
        let (mut typing, start) = (Typing::default(), Instant::now());
        typing.read(
            b"\x1b[200~1\r2\r3\r4\r5\r6\x1b[201~",
            &Known::default(),
            start,
        );
        assert_eq!(typing.question(), Some(6));
        assert_eq!(typing.next_wish(ALL, start), None);
        typing.read(b"y\r", &Known::default(), start);
        assert_eq!(wishes(&mut typing, start), [text("1")]);
        assert_eq!(typing.progress(), Some((1, 6)));
        // Typing overtakes it.
        typing.read(b"/who\r", &Known::default(), start);
        assert_eq!(wishes(&mut typing, start), [Wish::Line("/who".to_owned())]);
        let later = typing.next_deadline(start).unwrap();
        assert_eq!(later, start + PACE);
        let unheard = Allowance {
            all_heard: false,
            ..ALL
        };
        assert_eq!(typing.next_wish(unheard, later), None);
        assert_eq!(wishes(&mut typing, later), [text("2")]);
        assert!(matches!(
            typing.read(b"\x03", &Known::default(), later)[..],
            [Task::Tell(_)]
        ));
        assert_eq!(
            (typing.progress(), wishes(&mut typing, later + PACE)),
            (None, vec![])
        );
    }

    #[test]
    fn who_types_on_over_the_question_says_nothing_by_accident() {
        for (answer, draft) in [
            ("n\r", "draft"),
            ("\x03", "draft"),
            ("yes, ben\r", "yes, ben"),
        ] {
            let (mut typing, now) = (Typing::default(), Instant::now());
            typing.read(
                b"draft\x1b[200~1\r2\r3\r4\r5\r6\x1b[201~",
                &Known::default(),
                now,
            );
            let tasks = typing.read(answer.as_bytes(), &Known::default(), now);
            assert!(matches!(tasks[..], [Task::Tell(_)]), "{answer:?}");
            assert_eq!(wishes(&mut typing, now), [], "{answer:?}");
            assert_eq!((typing.editor.line(), typing.question()), (draft, None));
        }
    }

    /// Bytes of a keyboard: any, and more often than by chance those that mean something.
    fn noise(random: &mut fastrand::Rng) -> Vec<u8> {
        const PIECES: [&str; 16] = [
            "\u{1b}",
            "\u{1b}[",
            "\u{1b}O",
            "\u{1b}]",
            "\u{1b}P",
            "\u{1b}[200~",
            "\u{1b}[201~",
            "\u{1b}[1;",
            "\r",
            "\t",
            "\u{1b}[A",
            "\u{1b}[D",
            "y",
            "/",
            "1\r2\r3",
            "ä",
        ];
        let mut bytes = Vec::new();
        for _ in 0..random.usize(..6) {
            match random.bool() {
                true => bytes.extend(PIECES[random.usize(..PIECES.len())].bytes()),
                false => bytes.push(random.u8(..)),
            }
        }
        bytes
    }

    #[test]
    fn behind_a_pause_a_text_is_said_as_typed_or_not_at_all() {
        // Some begin as what is behind an Escape in a key's sequence.
        const STARTS: [&str; 12] = [
            "/msg ben ",
            "bring ",
            "fine, ",
            "do ",
            "[A ",
            "[1;5D ",
            "Of ",
            "OA ",
            "]0;",
            "P ",
            "42 ",
            "\\ ",
        ];
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut said, mut unsaid) = (0, 0);
        let known = Known {
            names: vec!["ben".to_owned()],
            rooms: vec!["lobby".to_owned()],
            ..Known::default()
        };
        for _ in 0..20_000 {
            let (mut typing, mut now) = (Typing::default(), Instant::now());
            let mut log = Vec::new();
            for _ in 0..random.usize(..5) {
                let bytes = noise(&mut random);
                if !bytes.is_empty() {
                    typing.read(&bytes, &known, now);
                }
                log.push(bytes);
                now += Duration::from_millis(random.u64(..120));
            }
            now += Duration::from_millis(100);
            wishes(&mut typing, now);
            let typed = format!("{}secret", STARTS[random.usize(..STARTS.len())]);
            typing.read(typed.as_bytes(), &Known::default(), now);
            typing.read(b"\r", &Known::default(), now);
            let after = wishes(&mut typing, now);
            for wish in &after {
                let (Wish::Line(line) | Wish::Pasted { text: line, .. }) = wish else {
                    continue;
                };
                assert!(
                    line.contains(&typed) || !line.contains("secret"),
                    "seed {seed}: {log:?}: {typed:?}: {line:?}"
                );
            }
            match after.is_empty() {
                false => said += 1,
                true => unsaid += 1,
            }
        }
        assert!(said > 3 * unsaid, "seed {seed}: {said} said, {unsaid} not");
    }
}
