//! `Room`: a room in which the user is or wants to be, and how far it has been heard. Pure.

use std::collections::HashSet;

use super::crowd::Crowd;
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
    /// Those who come and go without having said anything.
    pub crowd: Crowd,
    /// Whether it has been entered on the link that is up.
    pub is_entered: bool,
    /// Whether something was said in it since the user last was there.
    pub has_news: bool,
    /// Whether the user was called in it since then.
    pub is_called: bool,
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
    /// How many messages it has, if that is known.
    pub count: Option<u64>,
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
            count: None,
            stage,
            held: Vec::new(),
            held_bytes: 0,
        }
    }
}

impl Room {
    /// A room that is to be entered.
    pub fn wanted(name: &str) -> Self {
        Room {
            name: name.to_owned(),
            ..Room::default()
        }
    }

    /// Whether this is the room; names are compared by the server, of which this is a part.
    pub fn is(&self, name: &str) -> bool {
        name.to_lowercase() == self.name.to_lowercase()
    }

    /// Whether it has ever been entered.
    pub fn is_known(&self) -> bool {
        self.is_entered || self.last.is_some()
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

    /// What of it is missing, if pages of that are asked for.
    pub fn gap(&self) -> Option<Gap> {
        match self.replay.as_ref()?.stage {
            Stage::Paged(gap) => Some(gap),
            Stage::Shown | Stage::Kept => None,
        }
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
