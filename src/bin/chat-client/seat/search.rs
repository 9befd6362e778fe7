//! `Search`: Ctrl-R, a word that is looked for in the lines that were typed before, newest first. What
//! the keys do that end it is the editor's. Pure; owned by the editor.

use rustyline::history::{FileHistory, History, SearchDirection};

/// See the file.
#[derive(Debug)]
pub struct Search {
    /// What is looked for.
    pub term: String,
    /// Where it was found last.
    at: Option<usize>,
    /// Whether it is nowhere.
    pub has_failed: bool,
    /// The line that was being typed, and the cursor's place in it.
    pub draft: (String, usize),
}

impl Search {
    /// A search for nothing yet.
    pub fn new(draft: &str, cursor: usize) -> Self {
        Search {
            term: String::new(),
            at: None,
            has_failed: false,
            draft: (draft.to_owned(), cursor),
        }
    }

    /// Looks for one character more: the line that has it, if there is one.
    pub fn add(&mut self, character: char, history: &FileHistory) -> Option<String> {
        self.term.push(character);
        let newest = history.len().checked_sub(1)?;
        self.find_from(self.at.unwrap_or(newest), history)
    }

    /// Looks for one character less, from the newest line on.
    pub fn shorten(&mut self, history: &FileHistory) -> Option<String> {
        self.term.pop();
        self.at = None;
        self.find_from(history.len().checked_sub(1)?, history)
    }

    /// The next line that has it.
    pub fn find_older(&mut self, history: &FileHistory) -> Option<String> {
        let from = self.at.unwrap_or(history.len()).checked_sub(1)?;
        self.find_from(from, history)
    }

    fn find_from(&mut self, from: usize, history: &FileHistory) -> Option<String> {
        let found = history.search(&self.term, from, SearchDirection::Reverse);
        let found = found.ok().flatten().filter(|_| !self.term.is_empty())?;
        self.at = Some(found.idx);
        Some(found.entry.into_owned())
    }
}
