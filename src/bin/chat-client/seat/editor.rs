//! `Editor`: the line being typed, the lines before it, and what keys do to them. The line itself is
//! rustyline's, which knows characters and words, and so are the lines before it. How it looks and what becomes of
//! a finished line is not known here. Pure; owned by the seat.

use std::path::{Path, PathBuf};

use rustyline::history::{FileHistory, History, SearchDirection};
use rustyline::line_buffer::{ChangeListener, DeleteListener, Direction, LineBuffer};
use rustyline::{At, Config, Movement, Word};

use super::completion::Completion;
use super::keys::Key;
use super::search::Search;
use crate::session::Step;
use crate::state;

/// Bytes of a line; four times what servers usually take.
const LINE_BYTES_MAX: usize = 16 << 10;
/// Lines remembered.
const HISTORY_LINES_MAX: usize = 500;
/// Steps that can be taken back.
const UNDO_STEPS_MAX: usize = 100;

/// What a key has led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressed {
    /// At most the line has changed.
    Edited,
    /// The line was meant to hold more than it can: it is not finished before it is shorter.
    Full,
    /// A line is finished, and not empty.
    Submitted(String),
    /// Tab: see [`Editor::complete`].
    Complete,
    /// The user wants to go.
    Leave,
    /// The user wants to be in another room.
    Go(Step),
    /// The user wants to be in the shell for a while.
    Suspend,
    /// The screen is to be cleared.
    ClearScreen,
}

/// See the file.
pub struct Editor {
    line: LineBuffer,
    killed: Killed,
    is_full: bool,
    history: FileHistory,
    /// Where the history is kept over sittings, if it is.
    history_file: Option<PathBuf>,
    /// What is typed is for nobody to see, and not remembered.
    pub is_secret: bool,
    /// Where in the history the user is, and the line that was being typed before.
    recalled: Option<(usize, String)>,
    search: Option<Search>,
    /// The line as it was, with the cursor's place in it; the last change at the end.
    undo: Vec<(String, usize)>,
    /// The last key was a letter: all those of a word are one step.
    is_in_word: bool,
}

impl Default for Editor {
    fn default() -> Self {
        Editor {
            line: LineBuffer::with_capacity(LINE_BYTES_MAX),
            killed: Killed::default(),
            is_full: false,
            history: FileHistory::with_config(&history_config()),
            history_file: None,
            is_secret: false,
            recalled: None,
            search: None,
            undo: Vec::new(),
            is_in_word: false,
        }
    }
}

fn history_config() -> Config {
    let builder = Config::builder().history_ignore_dups(true);
    let builder = builder.and_then(|builder| builder.max_history_size(HISTORY_LINES_MAX));
    builder.map_or_else(|_| Config::default(), |builder| builder.build())
}

impl Editor {
    /// Takes up the lines of earlier sittings, and keeps those of this one with them. An error is
    /// for the user to read.
    pub fn keep_history(&mut self, path: &Path) -> Result<(), String> {
        let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        state::make_folder_of(path).map_err(|error| fault(&error))?;
        if path.exists() {
            self.history.load(path).map_err(|error| fault(&error))?;
        }
        self.history_file = Some(path.to_owned());
        Ok(())
    }

    /// What is looked for in the history, if something is.
    pub fn search(&self) -> Option<&Search> {
        self.search.as_ref()
    }

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
        self.note_step();
        text.is_empty() || self.line.yank(text, 1, &mut self.killed).is_some()
    }

    /// Puts another line in the place of this one, with the cursor between its two parts.
    pub fn start_anew(&mut self, before: &str, behind: &str) {
        self.replace(&format!("{before}{behind}"));
        self.line.set_pos(before.len().min(self.line.len()));
        self.recalled = None;
    }

    /// A key that edits or ends the line. Pastes are not for here.
    pub fn press(&mut self, key: &Key) -> Pressed {
        if let Some(pressed) = self.press_in_search(key) {
            return pressed;
        }
        if *key == Key::Char('\x1f') {
            if let Some((line, cursor)) = self.undo.pop() {
                self.put_back(&line, cursor);
            }
            return Pressed::Edited;
        }
        let is_letter = matches!(key, Key::Char(letter) if letter.is_alphanumeric());
        let before = (self.line().to_owned(), self.cursor());
        let pressed = self.edit(key);
        let is_new_step = !(is_letter && self.is_in_word);
        self.is_in_word = is_letter;
        let is_changed = self.line() != before.0 && !matches!(pressed, Pressed::Submitted(_));
        if is_changed && is_new_step {
            self.note(before);
        }
        pressed
    }

    /// Looks for lines of the history while that is what the user does. `None` if the key has
    /// nothing to do with that; it ends the search then.
    fn press_in_search(&mut self, key: &Key) -> Option<Pressed> {
        let Some(mut search) = self.search.take() else {
            if *key != Key::Char('\x12') {
                return None;
            }
            self.search = Some(Search::new(self.line(), self.cursor()));
            return Some(Pressed::Edited);
        };
        let history = &self.history;
        let found = match key {
            Key::Char('\x12') => search.find_older(history),
            Key::Char('\x08' | '\x7f') => search.shorten(history),
            Key::Char(character) if !character.is_control() => search.add(*character, history),
            // What was not found is not said, nor is what was found before it.
            Key::Char('\r' | '\n') if search.has_failed => {
                self.put_back(&search.draft.0, search.draft.1);
                return Some(Pressed::Edited);
            }
            Key::Char('\x03' | '\x07') => {
                self.put_back(&search.draft.0, search.draft.1);
                return Some(Pressed::Edited);
            }
            _ => {
                self.note(search.draft);
                return None;
            }
        };
        search.has_failed = found.is_none();
        if let Some(line) = found {
            self.replace(&line);
        }
        self.search = Some(search);
        Some(Pressed::Edited)
    }

    /// The line is about to be changed by more than a key.
    fn note_step(&mut self) {
        self.is_in_word = false;
        self.note((self.line().to_owned(), self.cursor()));
    }

    fn note(&mut self, step: (String, usize)) {
        let surplus = (self.undo.len() + 1).saturating_sub(UNDO_STEPS_MAX);
        self.undo.drain(..surplus);
        self.undo.push(step);
    }

    fn put_back(&mut self, line: &str, cursor: usize) {
        self.replace(line);
        self.line.set_pos(cursor.min(self.line.len()));
        self.is_in_word = false;
    }

    fn edit(&mut self, key: &Key) -> Pressed {
        let (line, killed) = (&mut self.line, &mut self.killed);
        let was = line.len();
        if let Some(movement) = killed_by(key, line.is_empty()) {
            line.kill(&movement, killed);
            self.is_full &= line.len() == was;
            return Pressed::Edited;
        }
        let Key::Char(character) = key else {
            match key {
                Key::Up => self.recall(true),
                Key::Down => self.recall(false),
                Key::Alt(digit @ '1'..='9') => {
                    let number = digit.to_digit(10).unwrap_or_default();
                    return Pressed::Go(Step::Number(number as usize));
                }
                Key::Alt('b') => _ = line.move_to_prev_word(Word::Big, 1),
                Key::Alt(_) => _ = line.move_to_next_word(At::AfterEnd, Word::Big, 1),
                _ => {}
            }
            return Pressed::Edited;
        };
        match character {
            '\r' | '\n' if self.is_full => return Pressed::Full,
            '\r' | '\n' if line.as_str().trim().is_empty() => self.start_anew("", ""),
            '\r' | '\n' => return Pressed::Submitted(self.take()),
            '\x03' | '\x04' if line.is_empty() => return Pressed::Leave,
            '\x03' => self.start_anew("", ""),
            '\t' => return Pressed::Complete,
            '\x1a' => return Pressed::Suspend,
            '\x0c' => return Pressed::ClearScreen,
            '\x01' => _ = line.move_home(),
            '\x05' => _ = line.move_end(),
            '\x02' => _ = line.move_backward(1),
            '\x06' => _ = line.move_forward(1),
            '\x14' => _ = line.transpose_chars(killed),
            '\x19' => {
                let killed = self.killed.text.clone();
                self.insert(&killed);
            }
            '\x10' => return Pressed::Go(Step::Previous),
            '\x0e' => return Pressed::Go(Step::Next),
            _ if character.is_control() => {}
            _ => {
                self.is_full |= line.insert(*character, 1, killed).is_none();
                return if self.is_full {
                    Pressed::Full
                } else {
                    Pressed::Edited
                };
            }
        }
        Pressed::Edited
    }

    /// Puts a completion in the place of what it completes.
    pub fn complete(&mut self, completion: &Completion) {
        let range = completion.start..self.line.pos();
        if self.line.len() - range.len() + completion.text.len() <= LINE_BYTES_MAX {
            self.note_step();
            let end = range.start + completion.text.len();
            self.line.replace(range, &completion.text, &mut self.killed);
            self.line.set_pos(end);
        }
    }

    /// Puts something else in the place of the first bytes of the line. It is part of the step before:
    /// what is taken back with that is not put there again at once. Whether there was room for it.
    pub fn replace_start(&mut self, bytes: usize, text: &str) -> bool {
        let behind = self.cursor().saturating_sub(bytes);
        let has_room = self.line.len() - bytes + text.len() <= LINE_BYTES_MAX;
        if has_room {
            self.line.replace(0..bytes, text, &mut self.killed);
            self.line.set_pos(text.len() + behind);
        }
        has_room
    }

    /// Takes the line away, and remembers it.
    fn take(&mut self) -> String {
        let line = self.line().to_owned();
        self.start_anew("", "");
        self.undo.clear();
        if self.is_secret {
            return line;
        }
        // A history that is in memory takes whatever comes, and nobody misses one line of a file.
        let _ = self.history.add(&line);
        if let Some(path) = &self.history_file {
            let _ = self.history.append(path);
        }
        line
    }

    /// Goes up or down in the history; below it is the line that was being typed.
    fn recall(&mut self, is_up: bool) {
        let count = self.history.len();
        let (at, draft) = self
            .recalled
            .take()
            .unwrap_or_else(|| (count, self.line().to_owned()));
        let at = if is_up {
            at.saturating_sub(1)
        } else {
            (at + 1).min(count)
        };
        let line = self
            .history
            .get(at, SearchDirection::Forward)
            .ok()
            .flatten();
        let line = line.map_or_else(|| draft.clone(), |found| found.entry.into_owned());
        self.recalled = (at < count).then_some((at, draft));
        if line != self.line() {
            self.replace(&line);
        }
    }

    fn replace(&mut self, text: &str) {
        self.line.update(text, text.len(), &mut self.killed);
        self.is_full = false;
    }
}

/// What a key takes away. Words are what stands between blanks: letters and digits alone would end a
/// word at each accent of its own, and pass over an emoji together with the word before it.
fn killed_by(key: &Key, is_line_empty: bool) -> Option<Movement> {
    match key {
        Key::Char('\x08' | '\x7f') => Some(Movement::BackwardChar(1)),
        Key::Char('\x04') if !is_line_empty => Some(Movement::ForwardChar(1)),
        Key::Delete => Some(Movement::ForwardChar(1)),
        Key::Char('\x0b') => Some(Movement::EndOfLine),
        Key::Char('\x15') => Some(Movement::BeginningOfLine),
        Key::Char('\x17') => Some(Movement::BackwardWord(1, Word::Big)),
        Key::Alt('d') => Some(Movement::ForwardWord(1, At::AfterEnd, Word::Big)),
        _ => None,
    }
}

/// What was deleted last as a whole, to be inserted again.
#[derive(Debug, Default)]
struct Killed {
    text: String,
    is_killing: bool,
}

impl DeleteListener for Killed {
    fn start_killing(&mut self) {
        self.is_killing = true;
    }

    fn delete(&mut self, _index: usize, text: &str, _direction: Direction) {
        if self.is_killing {
            text.clone_into(&mut self.text);
        }
    }

    fn stop_killing(&mut self) {
        self.is_killing = false;
    }
}

impl ChangeListener for Killed {
    fn insert_char(&mut self, _index: usize, _character: char) {}
    fn insert_str(&mut self, _index: usize, _text: &str) {}
    fn replace(&mut self, _index: usize, _old: &str, _new: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Presses Alt with what stands behind `^`, the arrows, and all else alone.
    fn press(editor: &mut Editor, keys: &str) -> Pressed {
        let mut pressed = Pressed::Edited;
        let mut keys = keys.chars();
        while let Some(key) = keys.next() {
            pressed = match key {
                '^' => editor.press(&Key::Alt(keys.next().unwrap())),
                '↑' => editor.press(&Key::Up),
                '↓' => editor.press(&Key::Down),
                _ => editor.press(&Key::Char(key)),
            };
        }
        pressed
    }

    #[test]
    fn keys_edit_by_characters_and_words() {
        for (keys, wanted) in [
            ("ab\x02x", "ax|b"),
            ("ae\u{301}\x7f", "a|"),
            ("a👩\u{200d}🚀\x02", "a|👩\u{200d}🚀"),
            ("one two^b", "one |two"),
            ("one two\x01^f", "one| two"),
            ("one two\x17", "one |"),
            ("one two\x17\x01\x19", "two|one "),
            // Neither an accent of its own nor a sign that is no letter splits a word.
            ("so \u{1f44d} e\u{301}gal\x17", "so \u{1f44d} |"),
            ("so \u{1f44d} e\u{301}gal^b\x17", "so |e\u{301}gal"),
            ("one two\x01^d", "| two"),
            ("one two^b\x0b", "one |"),
            ("one two^b\x15\x05\x19", "twoone |"),
            ("ab\x14", "ba|"),
            ("ab\x01\x04", "|b"),
            ("ab\x03", "|"),
            ("  \r", "|"),
            ("one\rtwo\rtwo\rdraft↑↑↑", "one|"),
            ("one\rtwo\rtwo\rdraft↑↑↓↓↓", "draft|"),
        ] {
            let mut editor = Editor::default();
            press(&mut editor, keys);
            let (before, behind) = editor.line().split_at(editor.cursor());
            assert_eq!(format!("{before}|{behind}"), wanted, "{keys:?}");
        }
    }

    #[test]
    fn changes_are_taken_back_step_by_step() {
        for (keys, wanted) in [
            ("one two\x1f", "one |"),
            ("one two\x1f\x1f\x1f\x1f", "|"),
            ("one two\x17\x1f", "one two|"),
            ("one two\x03\x1f", "one two|"),
            ("said\rnew\x1f\x1f\x1f", "|"),
            ("said\rx\x1f↑\x1f", "|"),
        ] {
            let mut editor = Editor::default();
            press(&mut editor, keys);
            let (before, behind) = editor.line().split_at(editor.cursor());
            assert_eq!(format!("{before}|{behind}"), wanted, "{keys:?}");
        }
    }

    #[test]
    fn lines_before_are_searched() {
        for (keys, wanted) in [
            ("\x12t", "third two|"),
            ("\x12two", "third two|"),
            ("\x12two\x12", "two first|"),
            ("\x12two\x12\x12\x12", "two first|"),
            ("\x12one\x01x", "x|one"),
            ("draft\x12on\x03", "draft|"),
            ("draft\x12nothing\r", "draft|"),
            (
                "draft\x12nothing\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7fone",
                "one|",
            ),
            ("draft\x12one\x01\x1f", "draft|"),
        ] {
            let mut editor = Editor::default();
            press(&mut editor, "two first\rone\rthird two\r");
            press(&mut editor, keys);
            let (before, behind) = editor.line().split_at(editor.cursor());
            assert_eq!(format!("{before}|{behind}"), wanted, "{keys:?}");
        }
        let mut editor = Editor::default();
        press(&mut editor, "one\r");
        let said = Pressed::Submitted("one".to_owned());
        assert_eq!(press(&mut editor, "\x12o\r"), said);
    }

    #[test]
    fn an_empty_line_is_left_and_a_started_one_is_cleared() {
        for key in ["\x03", "\x04"] {
            assert_eq!(press(&mut Editor::default(), key), Pressed::Leave);
        }
        let mut editor = Editor::default();
        assert_eq!(press(&mut editor, "x\x03"), Pressed::Edited);
        assert_eq!(press(&mut editor, "\x03"), Pressed::Leave);
    }

    #[test]
    fn a_line_and_the_history_have_bounds() {
        let mut editor = Editor::default();
        assert!(!editor.insert(&"x".repeat(LINE_BYTES_MAX + 1)));
        assert!(editor.insert(&"x".repeat(LINE_BYTES_MAX)));
        assert_eq!(press(&mut editor, "y"), Pressed::Full);
        assert_eq!(press(&mut editor, "\r"), Pressed::Full);
        assert!(matches!(
            press(&mut editor, "\x7f\r"),
            Pressed::Submitted(_)
        ));
        for number in 0..2 * HISTORY_LINES_MAX {
            press(&mut editor, &format!("{number}\r"));
        }
        assert_eq!(editor.history.len(), HISTORY_LINES_MAX);
    }
}
