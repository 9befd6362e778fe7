//! `Calls`: the bell, and the title of the terminal's window, which says where the user is and how
//! often it was called while it did not look. Pure; owned by the seat.

use chatd::clean::Clean;

use crate::session::Rooms;

const BELL: &str = "\x07";

/// See the file.
#[derive(Debug)]
pub struct Calls {
    is_audible: bool,
    /// Since the last key.
    count: usize,
    is_ringing: bool,
    /// As it was written last.
    title: String,
}

impl Calls {
    /// A bell that may be heard or not.
    pub fn new(is_audible: bool) -> Self {
        Calls {
            is_audible,
            count: 0,
            is_ringing: false,
            title: String::new(),
        }
    }

    /// The user is called.
    pub fn note(&mut self) {
        self.count += 1;
        self.is_ringing = self.is_audible;
    }

    /// The user is there.
    pub fn answer(&mut self) {
        self.count = 0;
    }

    /// What the terminal has to be told, once however many calls there were.
    pub fn write(&mut self, rooms: &Rooms, out: &mut String) {
        if std::mem::take(&mut self.is_ringing) {
            out.push_str(BELL);
        }
        let room = rooms.current().map_or("chat", |room| room.name.as_str());
        let title = match self.count {
            0 => format!("{room} - chat"),
            count => format!("({count}) {room} - chat"),
        };
        if title != self.title {
            // A room's name comes from the server.
            out.push_str(&format!("\x1b]2;{}\x07", Clean::of(&title)));
            self.title = title;
        }
    }
}
