//! `Heard`: everything one connection has read, followed line by line, in whichever language it is.
//! It holds each line to its language and to its place: a greeting first, histories whole, nothing
//! after a last word; and what rooms tell, to the log of what happened: all of it, once, in order.
//! What each language looks like is in `heard/text.rs` and `heard/json.rs`. Owned by a socket.

mod json;
mod text;

use std::collections::HashSet;

use chatd::dialect::Encoding;

use crate::log::{Log, Place};

/// Codes of the refusals that are the last word to a connection.
const LAST_WORDS: [&str; 8] = [
    "server-full",
    "too-many-from-your-address",
    "name-timeout",
    "too-slow",
    "kicked",
    "replaced",
    "shutting-down",
    "wrong-protocol",
];

/// Who says nothing for a while is told this in text, whatever it then speaks.
const PROMPT: &[u8] = b"* chatd: type your name and press Enter";

/// What the line that comes next may be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Expected {
    #[default]
    Anything,
    /// The topic, if the room has one.
    Topic,
    /// So many messages of a history beside these, then its end.
    History(usize, Vec<String>),
    /// The rest of an HTTP answer.
    HttpHead,
    /// The last word to a browser.
    WrongProtocol,
    /// The last word was said.
    Nothing,
}

/// A room that tells the connection what happens in it.
#[derive(Debug)]
struct Following {
    room: String,
    /// Where in the log it may be: more than one place only where all is alike.
    places: Vec<Place>,
    /// What was said before, while that is told.
    past: Option<Vec<String>>,
}

/// See the file.
#[derive(Debug, Default)]
pub struct Heard {
    unfinished: Vec<u8>,
    expected: Expected,
    /// The language of the last line.
    language: Option<Encoding>,
    rooms: Vec<Following>,
    /// Private messages and announcements before these were told before.
    told: usize,
    announced: usize,
    /// Whether it was let in.
    pub welcomed: bool,
    /// It was told something beside what to do.
    is_greeted: bool,
    /// It was told something in JSON.
    is_programs: bool,
    /// Lines of the protocol, of all kinds.
    pub lines: u64,
    /// The code of the last word, if there was one.
    pub last_word: Option<Box<str>>,
    /// What it is called, in plain text.
    name: Box<str>,
    /// Own lines come back, in plain text.
    echo: bool,
    /// The number of the last numbered request that was answered.
    barrier: u64,
    /// Ids of what it heard said.
    ids: HashSet<String>,
}

impl Heard {
    /// Takes bytes as they were read. The log knows all that has happened by now.
    ///
    /// # Panics
    /// When they cannot come from a good server.
    pub fn hear(&mut self, bytes: &[u8], log: &Log) {
        let mut rest = bytes;
        while let Some(length) = rest.iter().position(|&byte| byte == b'\n') {
            let mut line = std::mem::take(&mut self.unfinished);
            line.extend_from_slice(&rest[..length]);
            self.hear_line(&line, log);
            rest = &rest[length + 1..];
        }
        self.unfinished.extend_from_slice(rest);
    }

    /// Whether the last line that was begun is there as a whole.
    pub fn is_whole(&self) -> bool {
        self.unfinished.is_empty()
    }

    /// Holds it to have heard all that its rooms told it.
    ///
    /// # Panics
    /// When something is missing.
    pub fn check_complete(&self, log: &Log) {
        let Some(language) = self.language else {
            return;
        };
        for room in &self.rooms {
            room.check_complete(language, log);
        }
    }

    fn hear_line(&mut self, line: &[u8], log: &Log) {
        self.lines += 1;
        assert_ne!(
            self.expected,
            Expected::Nothing,
            "after the last word: {}",
            line.escape_ascii()
        );
        let language = if line.starts_with(b"{") {
            Encoding::Json
        } else {
            Encoding::Text
        };
        assert!(
            !self.is_greeted || self.language == Some(language),
            "another language: {}",
            line.escape_ascii()
        );
        self.language = Some(language);
        self.is_greeted |= line != PROMPT;
        match language {
            Encoding::Text => self.hear_text(line, log),
            Encoding::Json | Encoding::JsonFrames => self.hear_json(line, log),
        }
    }

    /// Something that happened in a room that it follows.
    fn hear_room(&mut self, name: Option<&str>, language: Encoding, line: &str, log: &Log) {
        let mut rooms = self.rooms.iter_mut();
        let room = rooms.find(|room| name.is_none_or(|name| room.room == name));
        let room = room.unwrap_or_else(|| panic!("it is not in the room of {line}"));
        assert!(
            room.past.is_none(),
            "{line} comes in the middle of the past"
        );
        let hear = |&place: &Place| log.hear(place, language, line);
        let next: Vec<Place> = room.places.iter().filter_map(hear).collect();
        assert!(!next.is_empty(), "not what happened next: {line} {room:?}");
        room.places = next;
    }

    /// It is in a room from now on.
    fn enter(&mut self, name: &str, language: Encoding, line: &str, log: &Log) {
        let places = log.welcomed_with(language, line);
        assert!(!places.is_empty(), "nobody was welcomed so: {line}");
        if let Some(index) = self.rooms.iter().position(|room| room.room == name) {
            self.rooms.swap_remove(index).check_complete(language, log);
        }
        self.rooms.push(Following {
            room: name.to_owned(),
            places,
            past: None,
        });
    }

    fn hear_told(&mut self, language: Encoding, line: &str, log: &Log) {
        assert!(self.welcomed, "a private message to nobody");
        let found = log.find_told(self.told, language, line);
        self.told = 1 + found.unwrap_or_else(|| panic!("nobody said {line}"));
    }

    fn hear_announced(&mut self, language: Encoding, line: &str, log: &Log) {
        assert!(self.welcomed, "an announcement to nobody");
        let found = log.find_announced(self.announced, language, line);
        self.announced = 1 + found.unwrap_or_else(|| panic!("nobody announced {line}"));
    }

    fn hear_refusal(&mut self, code: &str) {
        if LAST_WORDS.contains(&code) {
            self.last_word = Some(code.into());
            self.expected = Expected::Nothing;
        }
    }

    /// A numbered request was answered.
    fn pass_barrier(&mut self, number: u64) {
        assert!(number >= self.barrier, "answers come in the order asked");
        self.barrier = number;
    }
}

impl Following {
    fn check_complete(&self, language: Encoding, log: &Log) {
        assert!(self.past.is_none(), "the past has no end: {self:?}");
        let mut places = self.places.iter();
        let is_at_end = places.any(|&place| log.is_at_end(place, language));
        assert!(is_at_end, "the room has told more: {self:?}");
    }

    /// What was said before is told as a whole; where it cannot have been so, it is not.
    fn check_past(&mut self, past: &[String], language: Encoding, log: &Log) {
        self.places
            .retain(|&place| log.past(place, language, past.len()) == past);
        assert!(!self.places.is_empty(), "nobody said before: {past:?}");
    }
}

/// The number of a line or a request that is like no other.
fn number(text: &str) -> Option<u64> {
    text.strip_prefix('#')?.parse().ok()
}
