//! `Room`: the room in which the user is, and how far it has been heard. Pure.

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
}

/// See [`Room::replay`].
#[derive(Debug)]
pub struct Replay {
    /// At its end everything up to this id has been heard.
    pub newest: Option<String>,
    /// Whether it continues what had been heard before.
    pub is_continued: bool,
    pub is_headed: bool,
}

impl Room {
    /// Whether this is the room; names are compared by the server, of which this is a part.
    pub fn is(&self, name: &Option<String>) -> bool {
        let name = name.as_ref().map(|name| name.to_lowercase());
        name.is_some_and(|name| name == self.name.to_lowercase())
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
