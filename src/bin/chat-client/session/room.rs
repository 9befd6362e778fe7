//! `Room`: the room in which the user is, and how far it has been heard. Pure.

use std::collections::HashSet;

use super::gap::Gap;
use crate::wire::Event;

/// Names remembered; of a crowd, those that were met last.
const NAMES_MAX: usize = 2000;

/// See the file.
#[derive(Debug, Default)]
pub struct Room {
    pub name: String,
    /// Who is there, as far as it is known; who was met last stands last.
    pub names: Vec<String>,
    pub topic: Option<String>,
    /// The id up to which everything has been heard.
    pub last: Option<String>,
    /// What was said before we came, while it comes.
    pub replay: Option<Replay>,
    /// The ids of the last page of the past that was shown.
    pub paged: HashSet<String>,
}

/// See [`Room::replay`].
#[derive(Debug)]
pub struct Replay {
    /// At its end everything up to this id has been heard.
    pub newest: Option<String>,
    /// Whether it continues what had been heard before.
    pub is_continued: bool,
    pub is_headed: bool,
    pub stage: Stage,
    /// Lines of the room that are kept back, in order, and what they take.
    pub held: Vec<Event>,
    pub held_bytes: usize,
}

/// What becomes of the lines of a room.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// They are shown as they come.
    Shown,
    /// They are kept back: only the end of the replay tells whether something is missing before it.
    Kept,
    /// They still are: something is missing, and pages of it are asked for.
    Paged(Gap),
}

impl Replay {
    /// One of which nothing has come.
    pub fn new(newest: Option<String>, is_continued: bool) -> Self {
        let stage = if is_continued {
            Stage::Kept
        } else {
            Stage::Shown
        };
        Replay {
            newest,
            is_continued,
            is_headed: false,
            stage,
            held: Vec::new(),
            held_bytes: 0,
        }
    }
}

impl Room {
    /// Whether this is the room; names are compared by the server, of which this is a part.
    pub fn is(&self, name: &Option<String>) -> bool {
        let name = name.as_ref().map(|name| name.to_lowercase());
        name.is_some_and(|name| name == self.name.to_lowercase())
    }

    /// Whether this message has been shown already, as far as that is remembered.
    pub fn has_shown(&self, id: &str) -> bool {
        !id.is_empty() && (self.last.as_deref() == Some(id) || self.paged.contains(id))
    }

    /// These are all that are here, or the first of them.
    pub fn set_names(&mut self, names: Vec<String>) {
        self.names = names;
        self.names.truncate(NAMES_MAX);
    }

    /// Somebody is here.
    pub fn met(&mut self, name: &str) {
        self.gone(name);
        let surplus = (self.names.len() + 1).saturating_sub(NAMES_MAX);
        self.names.drain(..surplus);
        self.names.push(name.to_owned());
    }

    /// Somebody has gone.
    pub fn gone(&mut self, name: &str) {
        self.names.retain(|known| known != name);
    }
}
