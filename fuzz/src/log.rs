//! `Log`: everything that happened in every room, in both languages, as its members are to hear it;
//! and who was in which room from where to where. It is a witness of the rules of chat, so that
//! what a connection has read can be held against what was the case: each line, once, in order, in
//! its own language, from the member's entry to its leave. Owned by the sockets.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};

use chatd::chat::{Fact, Listen, MemberId, MessageId, RoomId, To, What};
use chatd::dialect::{Encoding, encode};

/// What is spoken here, by `Encoding::index`: there is no web door, and so nobody who reads frames.
const LANGUAGES: [Encoding; 2] = [Encoding::Text, Encoding::Json];

/// A fact as whole lines without their LF, by language.
#[derive(Debug, Clone)]
struct Lines([Vec<String>; LANGUAGES.len()]);

impl Lines {
    fn of(fact: &Fact<'_>) -> Lines {
        Lines(LANGUAGES.map(|encoding| {
            let mut out = Vec::new();
            let count = encode(encoding, fact, &mut out);
            let text = String::from_utf8(out).expect("lines are UTF-8");
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            assert_eq!(lines.len(), count as usize, "{fact:?}");
            lines
        }))
    }

    fn of_language(&self, language: Encoding) -> &[String] {
        &self.0[language.index()]
    }
}

/// What a room was told.
#[derive(Debug)]
struct Entry {
    lines: Lines,
    hidden_from: Vec<MemberId>,
    /// If it was for one member alone.
    only: Option<MemberId>,
    is_said: bool,
}

impl Entry {
    fn is_for(&self, member: MemberId) -> bool {
        self.only.is_none_or(|only| only == member) && !self.hidden_from.contains(&member)
    }
}

/// A member's time in a room.
#[derive(Debug)]
struct Stay {
    member: MemberId,
    room: usize,
    welcome: Lines,
    from: usize,
    until: Option<usize>,
}

/// Where somebody may be who follows a room: how far in which stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    stay: usize,
    at: usize,
}

enum Noted {
    Entry(RoomId, Entry),
    Said(String),
    Entered(RoomId, MemberId, Lines),
    Parted(RoomId, MemberId),
    Closed(RoomId),
    Announced(Lines),
    Told(Lines),
    Id(MessageId),
}

/// Hands on what the rules of chat tell.
#[derive(Debug)]
struct Witness {
    noted: Sender<Noted>,
}

impl Witness {
    fn note(&self, noted: Noted) {
        self.noted.send(noted).expect("the log lives as long");
    }
}

impl Listen for Witness {
    fn hear(&mut self, to: To<'_>, fact: &Fact<'_>) {
        self.note(Noted::Id(fact.id));
        let entry = |only, hidden_from: &[MemberId]| Entry {
            lines: Lines::of(fact),
            hidden_from: hidden_from.to_vec(),
            only,
            is_said: matches!(fact.what, What::Said { .. }),
        };
        if let (What::Said { .. }, Some(room)) = (fact.what, fact.room) {
            let line = &Lines::of(fact).0[Encoding::Text.index()][0];
            self.note(Noted::Said(format!("{} {line}", room.name)));
        }
        self.note(match (to, fact.what, fact.room) {
            (To::Member(member), What::Entered { .. }, Some(room)) => {
                Noted::Entered(room.id, member, Lines::of(fact))
            }
            (To::Member(member), What::Parted { .. }, Some(room)) => Noted::Parted(room.id, member),
            (To::Member(member), _, Some(room)) => Noted::Entry(room.id, entry(Some(member), &[])),
            (To::Member(_), _, None) => Noted::Told(Lines::of(fact)),
            (To::Room(room), What::Closed, _) => Noted::Closed(room),
            (To::Room(room), ..) => Noted::Entry(room, entry(None, &[])),
            (To::RoomBut(room, members), ..) => Noted::Entry(room, entry(None, members)),
            (To::Everybody, ..) => Noted::Announced(Lines::of(fact)),
        });
    }
}

/// See the file.
#[derive(Debug)]
pub struct Log {
    noted: Receiver<Noted>,
    last_id: MessageId,
    /// Every room that ever was; one of the same name that came later is another.
    rooms: Vec<Vec<Entry>>,
    open: HashMap<RoomId, usize>,
    stays: Vec<Stay>,
    announced: Vec<Lines>,
    told: Vec<Lines>,
    said: VecDeque<String>,
}

impl Log {
    /// A log, and who is to witness what goes into it.
    pub fn new() -> (Log, Box<dyn Listen>) {
        let (sender, receiver) = channel();
        let log = Log {
            noted: receiver,
            last_id: MessageId::ZERO,
            rooms: Vec::new(),
            open: HashMap::new(),
            stays: Vec::new(),
            announced: Vec::new(),
            told: Vec::new(),
            said: VecDeque::new(),
        };
        (log, Box::new(Witness { noted: sender }))
    }

    /// Takes in what has happened by now.
    pub fn catch_up(&mut self) {
        while let Ok(noted) = self.noted.try_recv() {
            match noted {
                Noted::Id(id) => {
                    assert!(id >= self.last_id, "ids grow: {id} after {}", self.last_id);
                    self.last_id = id;
                }
                Noted::Said(line) => self.said.push_back(line),
                Noted::Entry(room, entry) => {
                    let room = self.room(room);
                    self.rooms[room].push(entry);
                }
                Noted::Entered(room, member, welcome) => {
                    self.end_stay(room, member);
                    let room = self.room(room);
                    self.stays.push(Stay {
                        member,
                        room,
                        welcome,
                        from: self.rooms[room].len(),
                        until: None,
                    });
                }
                Noted::Parted(room, member) => self.end_stay(room, member),
                Noted::Closed(room) => {
                    self.open.remove(&room);
                }
                Noted::Announced(lines) => self.announced.push(lines),
                Noted::Told(lines) => self.told.push(lines),
            }
        }
    }

    fn room(&mut self, id: RoomId) -> usize {
        let rooms = &mut self.rooms;
        *self.open.entry(id).or_insert_with(|| {
            rooms.push(Vec::new());
            rooms.len() - 1
        })
    }

    fn end_stay(&mut self, room: RoomId, member: MemberId) {
        let room = self.room(room);
        let end = self.rooms[room].len();
        let stays = self.stays.iter_mut();
        stays
            .filter(|stay| (stay.room, stay.member, stay.until) == (room, member, None))
            .for_each(|stay| stay.until = Some(end));
    }

    /// The next line for the board: everything that was said, whoever heard it.
    pub fn next_said(&mut self) -> Option<String> {
        self.said.pop_front()
    }

    /// All who may be where somebody is who was just welcomed with this line.
    pub fn welcomed_with(&self, language: Encoding, line: &str) -> Vec<Place> {
        let stays = self.stays.iter().enumerate();
        stays
            .filter(|(_, stay)| stay.welcome.of_language(language)[0] == line)
            .map(|(number, stay)| Place {
                stay: number,
                at: stay.from,
            })
            .collect()
    }

    /// What else belongs to the welcome of this place.
    pub fn rest_of_welcome(&self, place: Place, language: Encoding) -> &[String] {
        &self.stays[place.stay].welcome.of_language(language)[1..]
    }

    /// The place behind this line, if that is what comes next.
    pub fn hear(&self, place: Place, language: Encoding, line: &str) -> Option<Place> {
        let place = self.skip(place, language);
        let (entry, _) = self.entry(place)?;
        let is_next = entry.lines.of_language(language)[0] == line;
        is_next.then_some(Place {
            at: place.at + 1,
            ..place
        })
    }

    /// Whether nothing more is to be heard there, as things stand.
    pub fn is_at_end(&self, place: Place, language: Encoding) -> bool {
        self.entry(self.skip(place, language)).is_none()
    }

    /// The last `count` of what was said before somebody came to this place, oldest first.
    pub fn past(&self, place: Place, language: Encoding, count: usize) -> Vec<&str> {
        let stay = &self.stays[place.stay];
        let before = self.rooms[stay.room][..stay.from].iter().rev();
        let said = before.filter(|entry| entry.is_said);
        let lines = said.map(|entry| entry.lines.of_language(language)[0].as_str());
        let mut last: Vec<&str> = lines.take(count).collect();
        last.reverse();
        last
    }

    /// Where among the private messages, from `from` on, one is that looks so.
    pub fn find_told(&self, from: usize, language: Encoding, line: &str) -> Option<usize> {
        find(&self.told, from, language, line)
    }

    /// Where among the announcements, from `from` on, one is that looks so.
    pub fn find_announced(&self, from: usize, language: Encoding, line: &str) -> Option<usize> {
        find(&self.announced, from, language, line)
    }

    /// The first place from here on with something to be heard.
    fn skip(&self, mut place: Place, language: Encoding) -> Place {
        while let Some((entry, member)) = self.entry(place) {
            let lines = entry.lines.of_language(language).len();
            assert!(lines <= 1, "{entry:?} is more than a line");
            if lines == 1 && entry.is_for(member) {
                break;
            }
            place.at += 1;
        }
        place
    }

    fn entry(&self, place: Place) -> Option<(&Entry, MemberId)> {
        let stay = &self.stays[place.stay];
        let is_there = stay.until.is_none_or(|until| place.at < until);
        let entry = self.rooms[stay.room].get(place.at);
        entry.filter(|_| is_there).map(|entry| (entry, stay.member))
    }
}

fn find(lines: &[Lines], from: usize, language: Encoding, line: &str) -> Option<usize> {
    let mut rest = (from..).zip(lines.get(from..)?);
    rest.find(|(_, lines)| lines.of_language(language) == [line])
        .map(|(index, _)| index)
}
