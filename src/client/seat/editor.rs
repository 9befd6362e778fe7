//! `Editor`: the line being typed, the history of this sitting, and what keys do to them. The
//! line itself is rustyline's, which knows characters and words. How it looks and what becomes of
//! a finished line is not known here. Pure; owned by the seat.

use rustyline::line_buffer::{ChangeListener, DeleteListener, Direction, LineBuffer};
use rustyline::{At, Word};

use super::completion::Completion;
use super::keys::Key;

/// Bytes of a line; four times what servers usually take, so that it is they who say no.
const LINE_BYTES_MAX: usize = 16 << 10;
/// Lines remembered.
const HISTORY_LINES_MAX: usize = 500;

/// What a key has led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressed {
    /// At most the line has changed.
    Edited,
    /// Nothing could be done: the line is full, or there is nothing to delete.
    Refused,
    /// A line is finished, and not empty.
    Submitted(String),
    /// Tab: see [`Editor::complete`].
    Complete,
    /// The user wants to go.
    Leave,
    /// The user wants to be in the shell for a while.
    Suspend,
    /// The screen is to be cleared.
    ClearScreen,
}

/// See the file.
#[derive(Debug)]
pub struct Editor {
    line: LineBuffer,
    killed: Killed,
    history: History,
}

impl Default for Editor {
    fn default() -> Self {
        Editor {
            line: LineBuffer::with_capacity(LINE_BYTES_MAX),
            killed: Killed::default(),
            history: History::default(),
        }
    }
}

impl Editor {
    /// The line as it stands.
    pub fn line(&self) -> &str {
        self.line.as_str()
    }

    /// The cursor's place in it, in bytes.
    pub fn cursor(&self) -> usize {
        self.line.pos()
    }

    /// Inserts a text without line breaks at the cursor. Whether there was room for it.
    pub fn insert(&mut self, text: &str) -> bool {
        text.is_empty() || self.line.yank(text, 1, &mut Unheard).is_some()
    }

    /// Puts another line in the place of this one, with the cursor between its two parts.
    pub fn start_anew(&mut self, before: &str, behind: &str) {
        self.replace(&format!("{before}{behind}"));
        self.line.set_pos(before.len().min(self.line.len()));
        self.history.leave();
    }

    /// Takes the line away, as if Enter had been pressed.
    pub fn take(&mut self) -> String {
        let line = self.line.as_str().to_owned();
        self.replace("");
        self.history.remember(&line);
        line
    }

    /// A key that edits or ends the line. Pastes are not for here.
    pub fn press(&mut self, key: &Key) -> Pressed {
        let line = &mut self.line;
        let done = match key {
            Key::Character(character) => line.insert(*character, 1, &mut Unheard).is_some(),
            Key::Enter if line.as_str().trim().is_empty() => line.discard_buffer(&mut Unheard),
            Key::Enter => return Pressed::Submitted(self.take()),
            Key::Interrupt | Key::EndOrDelete if line.is_empty() => return Pressed::Leave,
            Key::Interrupt => {
                self.replace("");
                self.history.leave();
                true
            }
            Key::EndOrDelete | Key::Delete => line.delete(1, &mut Unheard).is_some(),
            Key::Backspace => line.backspace(1, &mut Unheard),
            Key::Left => line.move_backward(1),
            Key::Right => line.move_forward(1),
            // Words are what stands between blanks. Letters and digits alone would end a word at each
            // accent of its own, and pass over an emoji together with the word before it.
            Key::WordLeft => line.move_to_prev_word(Word::Big, 1),
            Key::WordRight => line.move_to_next_word(At::AfterEnd, Word::Big, 1),
            Key::Home => line.move_home(),
            Key::End => line.move_end(),
            Key::Transpose => line.transpose_chars(&mut Unheard),
            Key::KillToEnd => line.kill_line(&mut self.killed),
            Key::KillToStart => line.discard_line(&mut self.killed),
            Key::KillWordLeft => line.delete_prev_word(Word::Big, 1, &mut self.killed),
            Key::KillWordRight => line.delete_word(At::AfterEnd, Word::Big, 1, &mut self.killed),
            Key::Yank => line.yank(&self.killed.0, 1, &mut Unheard).is_some(),
            Key::Up | Key::Down => self.recall(key),
            Key::Tab => return Pressed::Complete,
            Key::Suspend => return Pressed::Suspend,
            Key::ClearScreen => return Pressed::ClearScreen,
            Key::Paste(_) | Key::EndlessPaste => false,
        };
        if done {
            Pressed::Edited
        } else {
            Pressed::Refused
        }
    }

    /// Puts a completion in the place of what it completes.
    pub fn complete(&mut self, completion: &Completion) {
        let range = completion.start..self.line.pos();
        let end = range.start + completion.text.len();
        if self.line.len() - range.len() + completion.text.len() <= LINE_BYTES_MAX {
            self.line.replace(range, &completion.text, &mut Unheard);
            self.line.set_pos(end);
        }
    }

    fn recall(&mut self, key: &Key) -> bool {
        let recalled = match key {
            Key::Up => self.history.before(self.line.as_str()),
            _ => self.history.after(),
        };
        let Some(recalled) = recalled else {
            return false;
        };
        self.replace(&recalled);
        true
    }

    fn replace(&mut self, text: &str) {
        self.line.update(text, text.len(), &mut Unheard);
    }
}

/// The lines of this sitting, and the one that was being typed when the user went up.
#[derive(Debug, Default)]
struct History {
    lines: Vec<String>,
    /// Where the user is, if not at the draft.
    at: Option<usize>,
    draft: String,
}

impl History {
    fn remember(&mut self, line: &str) {
        self.leave();
        if self.lines.last().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == HISTORY_LINES_MAX {
            self.lines.remove(0);
        }
        self.lines.push(line.to_owned());
    }

    fn leave(&mut self) {
        self.at = None;
        self.draft.clear();
    }

    fn before(&mut self, current: &str) -> Option<String> {
        let at = self.at.unwrap_or(self.lines.len()).checked_sub(1)?;
        if self.at.is_none() {
            current.clone_into(&mut self.draft);
        }
        self.at = Some(at);
        Some(self.lines[at].clone())
    }

    fn after(&mut self) -> Option<String> {
        let at = self.at? + 1;
        if at == self.lines.len() {
            self.at = None;
            return Some(std::mem::take(&mut self.draft));
        }
        self.at = Some(at);
        Some(self.lines[at].clone())
    }
}

/// What a key has deleted as a whole, to be inserted again.
#[derive(Debug, Default)]
struct Killed(String);

impl DeleteListener for Killed {
    fn delete(&mut self, _index: usize, text: &str, _direction: Direction) {
        text.clone_into(&mut self.0);
    }
}

/// Nobody wants to know of this change.
struct Unheard;

impl DeleteListener for Unheard {
    fn delete(&mut self, _index: usize, _text: &str, _direction: Direction) {}
}

impl ChangeListener for Unheard {
    fn insert_char(&mut self, _index: usize, _character: char) {}
    fn insert_str(&mut self, _index: usize, _text: &str) {}
    fn replace(&mut self, _index: usize, _old: &str, _new: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types `text` and presses `keys`: the line with `|` at the cursor.
    fn after(text: &str, keys: &[Key]) -> String {
        let mut editor = Editor::default();
        assert!(editor.insert(text));
        for key in keys {
            editor.press(key);
        }
        shown(&editor)
    }

    fn shown(editor: &Editor) -> String {
        let (before, behind) = editor.line().split_at(editor.cursor());
        format!("{before}|{behind}")
    }

    fn submit(editor: &mut Editor, line: &str) {
        assert!(editor.insert(line));
        let submitted = Pressed::Submitted(line.to_owned());
        assert_eq!(editor.press(&Key::Enter), submitted);
    }

    #[test]
    fn keys_edit_by_characters_and_words() {
        use Key::*;
        for (text, keys, wanted) in [
            ("ab", &[Left, Character('x')][..], "ax|b"),
            ("ae\u{301}", &[Backspace], "a|"),
            ("a👩\u{200d}🚀", &[Left], "a|👩\u{200d}🚀"),
            ("one two", &[WordLeft], "one |two"),
            ("one two", &[Home, WordRight], "one| two"),
            ("one two", &[KillWordLeft], "one |"),
            ("one two", &[KillWordLeft, Home, Yank], "two|one "),
            // Neither an accent of its own nor a sign that is no letter splits a word.
            (
                "so \u{1f44d} e\u{301}gal",
                &[KillWordLeft],
                "so \u{1f44d} |",
            ),
            (
                "so \u{1f44d} e\u{301}gal",
                &[WordLeft, KillWordLeft],
                "so |e\u{301}gal",
            ),
            ("one two", &[Home, KillWordRight], "| two"),
            ("one two", &[WordLeft, KillToEnd], "one |"),
            ("one two", &[WordLeft, KillToStart, End, Yank], "twoone |"),
            ("ab", &[Transpose], "ba|"),
            ("ab", &[Home, Delete], "|b"),
            ("ab", &[Home, EndOrDelete], "|b"),
            ("ab", &[Interrupt], "|"),
            ("  ", &[Enter], "|"),
        ] {
            assert_eq!(after(text, keys), wanted, "{text:?} {keys:?}");
        }
    }

    #[test]
    fn an_empty_line_is_left_and_a_started_one_is_cleared() {
        for key in [Key::Interrupt, Key::EndOrDelete] {
            assert_eq!(Editor::default().press(&key), Pressed::Leave);
        }
        let mut editor = Editor::default();
        editor.insert("x");
        assert_eq!(editor.press(&Key::Interrupt), Pressed::Edited);
        assert_eq!(editor.press(&Key::Interrupt), Pressed::Leave);
    }

    #[test]
    fn the_draft_survives_going_up_in_history() {
        let mut editor = Editor::default();
        submit(&mut editor, "one");
        submit(&mut editor, "two");
        submit(&mut editor, "two");
        editor.insert("draft");
        let mut seen = Vec::new();
        for key in [Key::Up, Key::Up, Key::Up, Key::Down, Key::Down, Key::Down] {
            editor.press(&key);
            seen.push(editor.line().to_owned());
        }
        assert_eq!(seen, ["two", "one", "one", "two", "draft", "draft"]);
    }

    #[test]
    fn a_line_and_the_history_have_bounds() {
        let mut editor = Editor::default();
        assert!(!editor.insert(&"x".repeat(LINE_BYTES_MAX + 1)));
        assert!(editor.insert(&"x".repeat(LINE_BYTES_MAX)));
        assert_eq!(editor.press(&Key::Character('y')), Pressed::Refused);
        editor.take();
        for number in 0..2 * HISTORY_LINES_MAX {
            submit(&mut editor, &number.to_string());
        }
        assert_eq!(editor.history.lines.len(), HISTORY_LINES_MAX);
    }
}
