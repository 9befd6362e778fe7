//! The shadow of a hub: who is where, what each line of a client means, and what everybody must
//! be told because of it. It is given what everybody *was* told, and says at the first line that
//! is not what the protocol promises. Written from the protocol alone; it shares no code with
//! `chat` or `hub`, and knows nothing of blocks, outboxes or turns. Owned by a simulation.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use chatd::config::Limits;
use chatd::hub::CloseReason;
use chatd::time::Time;

use super::peer::{Item, Peer, Seat, State};
use super::rules::{self, Asked};

/// What went wrong, for a person.
pub(crate) type Outcome = Result<(), String>;

/// What was laid into each outbox in one turn, by slot.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Whole lines without their ending.
    pub(crate) lines: Vec<Vec<String>>,
}

impl Observed {
    pub(crate) fn of(&self, slot: usize) -> &[String] {
        self.lines.get(slot).map_or(&[], Vec::as_slice)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) name: Rc<str>,
    pub(crate) members: Vec<usize>,
    history: VecDeque<Said>,
    history_bytes: usize,
    pub(crate) churn: Option<Churn>,
}

/// Joins and leaves that are to be told together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Churn {
    joined: usize,
    left: usize,
    pub(crate) since: Time,
}

#[derive(Clone, Debug)]
struct Said {
    line: Rc<str>,
    bytes: usize,
    /// Messages of one group may have been handled in any order: nobody could tell.
    group: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) limits: Rc<Limits>,
    pub(crate) now: Time,
    pub(crate) peers: Vec<Option<Peer>>,
    pub(crate) rooms: BTreeMap<Rc<str>, Room>,
    pub(crate) observed: Rc<Observed>,
    /// Bytes that were said in this turn, whoever heard them.
    pub(crate) said_bytes: usize,
    pub(crate) group: u64,
}

/// One line that somebody must be told.
#[derive(Clone, Copy)]
pub(crate) enum Expected<'a> {
    Exact(&'a str),
    /// `! code` and any words.
    Refusal(&'a str),
    /// `= /command` and any words.
    Help,
    /// Spoken for another program.
    Foreign(&'a str),
}

const LOBBY: &str = "lobby";

impl World {
    pub(crate) fn new(limits: Limits) -> World {
        let mut world = World {
            limits: Rc::new(limits),
            now: Time::START,
            peers: Vec::new(),
            rooms: BTreeMap::new(),
            observed: Rc::default(),
            said_bytes: 0,
            group: 0,
        };
        world.make_room(LOBBY);
        world
    }

    pub(crate) fn peer(&mut self, slot: usize) -> &mut Peer {
        self.peers[slot].as_mut().expect("a peer is in this slot")
    }

    pub(crate) fn connect(&mut self, slot: usize) -> Outcome {
        if self.peers.len() <= slot {
            self.peers.resize_with(slot + 1, || None);
        }
        if self.peers[slot].is_some() {
            return Err(format!("slot {slot} was given out twice"));
        }
        self.peers[slot] = Some(Peer::new(self.now, &self.limits));
        Ok(())
    }

    /// Handles the next `count` lines of a client. What is done at their end is done: the end of
    /// its input, the word that it is held back.
    pub(crate) fn run(&mut self, slot: usize, count: u64) -> Outcome {
        for _ in 0..count {
            let now = self.now;
            let peer = self.peer(slot);
            let Some(item) = peer.pending.pop_front() else {
                return Err(format!("slot {slot}: more lines were handled than it sent"));
            };
            let last = matches!(item, Item::LastLine(_) | Item::LastTooLong);
            if !last && !peer.bucket.allows(now) {
                return Err(format!("slot {slot}: a line was handled beyond its rate"));
            }
            peer.bucket.take(now);
            peer.lines_in += 1;
            match item {
                Item::TooLong | Item::LastTooLong => {
                    self.tell(slot, Expected::Refusal("line-too-long"))?
                }
                Item::Line(line) | Item::LastLine(line) => self.handle(slot, &line)?,
            }
        }
        let now = self.now;
        let peer = self.peer(slot);
        if !peer.is_live() {
            return Ok(());
        }
        let waiting = match peer.pending.front() {
            None if peer.input_ended => return self.end(slot, CloseReason::HungUp, None),
            None | Some(Item::LastLine(_) | Item::LastTooLong) => false,
            Some(_) => true,
        };
        if waiting && !peer.bucket.allows(now) && peer.bucket.warn() {
            self.tell(slot, Expected::Refusal("slow-down"))?;
        }
        Ok(())
    }

    fn handle(&mut self, slot: usize, line: &str) -> Outcome {
        if line.is_empty() {
            return Ok(());
        }
        let is_naming = matches!(self.peer(slot).state, State::Naming { .. });
        if is_naming && let Some(head) = rules::foreign_head(line.as_bytes()) {
            return self.end_foreign(slot, head);
        }
        let asked = rules::parse(line);
        let Some(seat) = self.peer(slot).seat().cloned() else {
            return match asked {
                Asked::Help => self.help(slot),
                Asked::Quit(_) => self.end(slot, CloseReason::Quit, None),
                _ => self.enter(slot, line.trim()),
            };
        };
        match asked {
            Asked::Say(text) => self.say(slot, &seat, text),
            Asked::Help => self.help(slot),
            Asked::Who(room) => self.who(slot, &seat, room),
            Asked::Rooms => self.list_rooms(slot),
            Asked::Join(room) => self.join(slot, &seat, room),
            Asked::Nick(name) => self.rename(slot, &seat, name),
            Asked::Msg(to, text) => self.message(slot, &seat, to, text),
            Asked::Echo(on) => {
                if let Some(seat) = self.peer(slot).seat_mut() {
                    seat.echo = on;
                }
                self.answer(slot, if on { "= echo on" } else { "= echo off" })
            }
            Asked::Ping("") => self.answer(slot, "= pong"),
            Asked::Ping(token) => self.answer(slot, &format!("= pong {token}")),
            Asked::Quit(why) => self.end(
                slot,
                CloseReason::Quit,
                Some(why).filter(|why| !why.is_empty()),
            ),
            Asked::BadUsage => self.tell(slot, Expected::Refusal("bad-usage")),
            Asked::Unknown => self.tell(slot, Expected::Refusal("unknown-command")),
        }
    }

    /// It speaks another protocol, and is told so for its own eyes.
    pub(crate) fn end_foreign(&mut self, slot: usize, head: &[&str]) -> Outcome {
        for line in head {
            self.tell(slot, Expected::Foreign(line))?;
        }
        self.end(slot, CloseReason::WrongProtocol, None)
    }

    fn help(&mut self, slot: usize) -> Outcome {
        for _ in 0..rules::COMMANDS {
            self.tell(slot, Expected::Help)?;
        }
        Ok(())
    }

    fn enter(&mut self, slot: usize, asked: &str) -> Outcome {
        if !rules::is_name(asked) {
            return self.tell(slot, Expected::Refusal("bad-name"));
        }
        if self.find(asked).is_some() {
            return self.tell(slot, Expected::Refusal("name-in-use"));
        }
        self.peer(slot).state = State::Chatting(Seat {
            name: asked.into(),
            room: LOBBY.into(),
            echo: false,
            known_churn: (0, 0),
        });
        self.arrive(slot)
    }

    fn say(&mut self, slot: usize, seat: &Seat, text: &str) -> Outcome {
        let line = format!("<{}> {text}", seat.name);
        let (group, limits) = (self.group, Rc::clone(&self.limits));
        let room = self.rooms.get_mut(&seat.room).expect("its room is there");
        room.remember(&line, seat.name.len() + text.len(), group, &limits);
        self.tell_room(&seat.room, (!seat.echo).then_some(slot), &line)
    }

    fn who(&mut self, slot: usize, seat: &Seat, asked: &str) -> Outcome {
        let room = if asked.is_empty() {
            Some(&seat.room)
        } else {
            self.rooms
                .get_key_value(&*rules::key(asked))
                .map(|(key, _)| key)
        };
        match room {
            None => self.tell(slot, Expected::Refusal("no-such-room")),
            Some(room) => {
                let names = self.names(room, self.limits.who_names_max);
                self.answer(slot, &format!("= {names}"))
            }
        }
    }

    fn list_rooms(&mut self, slot: usize) -> Outcome {
        let mut rooms: Vec<(String, usize)> = self
            .rooms
            .values()
            .filter(|room| !room.members.is_empty())
            .map(|room| (room.name.to_string(), room.members.len()))
            .collect();
        rooms.sort_by_key(|(name, _)| name.to_lowercase());
        let shown = self.limits.rooms_listed_max;
        for (name, here) in rooms.iter().take(shown) {
            self.answer(slot, &format!("= {name} {here}"))?;
        }
        if rooms.len() > shown {
            self.answer(slot, &format!("= … and {} more", rooms.len() - shown))?;
        }
        self.answer(slot, "= end")
    }

    fn join(&mut self, slot: usize, seat: &Seat, asked: &str) -> Outcome {
        if !rules::is_name(asked) {
            return self.tell(slot, Expected::Refusal("bad-name"));
        }
        let key: Rc<str> = rules::key(asked).into();
        if key == seat.room {
            return self.tell(slot, Expected::Refusal("already-here"));
        }
        self.depart(slot, seat, None)?;
        self.forget_empty(&seat.room);
        if !self.rooms.contains_key(&key) {
            self.make_room(asked);
        }
        if let Some(seat) = self.peer(slot).seat_mut() {
            seat.room = key;
        }
        self.arrive(slot)
    }

    fn rename(&mut self, slot: usize, seat: &Seat, asked: &str) -> Outcome {
        if !rules::is_name(asked) {
            return self.tell(slot, Expected::Refusal("bad-name"));
        }
        if self.find(asked).is_some_and(|owner| owner != slot) {
            return self.tell(slot, Expected::Refusal("name-in-use"));
        }
        if *seat.name == *asked {
            return self.answer(slot, &format!("= you are {asked} already"));
        }
        if let Some(seat) = self.peer(slot).seat_mut() {
            seat.name = asked.into();
        }
        self.tell_room(&seat.room, None, &format!("* {} is now {asked}", seat.name))
    }

    fn message(&mut self, slot: usize, seat: &Seat, to: &str, text: &str) -> Outcome {
        let Some(other) = self.find(to) else {
            return self.tell(slot, Expected::Refusal("no-such-name"));
        };
        let to = self
            .peer(other)
            .seat()
            .expect("who was found has a name")
            .name
            .clone();
        self.answer(other, &format!("-{}- {text}", seat.name))?;
        self.answer(slot, &format!("= sent to {to}"))
    }

    /// Ends a connection; `why` is what it said itself. What it is told last comes last.
    pub(crate) fn end(&mut self, slot: usize, reason: CloseReason, why: Option<&str>) -> Outcome {
        if !self.peer(slot).is_live() {
            return Ok(());
        }
        if let Some(seat) = self.peer(slot).seat().cloned() {
            let why = match (reason, why) {
                (CloseReason::Kicked, Some(why)) => Some(format!("kicked: {why}")),
                (CloseReason::Kicked, None) => Some("kicked".into()),
                (CloseReason::TooSlow, _) => Some("too slow".into()),
                (CloseReason::ConnectionLost, _) => Some("connection lost".into()),
                (_, why) => why.map(str::to_owned),
            };
            self.depart(slot, &seat, why.as_deref())?;
            self.forget_empty(&seat.room);
            self.peer(slot).left_as = Some(seat.name);
        }
        if let Some(code) = rules::code(reason)
            && reason != CloseReason::TooSlow
        {
            self.tell(slot, Expected::Refusal(code))?;
        }
        let (at, observed) = (self.now, Rc::clone(&self.observed));
        let peer = self.peer(slot);
        peer.state = State::Ended { reason, at };
        peer.forget_input();
        match observed.of(slot).get(peer.explained) {
            Some(line) if !peer.blind => {
                Err(format!("slot {slot} had ended and was told {line:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Everybody is told; nobody is told of the others' leaves.
    pub(crate) fn shut_down(&mut self) -> Outcome {
        for slot in 0..self.peers.len() {
            if !self.peers[slot].as_ref().is_some_and(Peer::is_live) {
                continue;
            }
            let name = self.peer(slot).seat().map(|seat| seat.name.clone());
            self.peer(slot).left_as = name;
            self.peer(slot).state = State::Naming { prompted: true };
            self.end(slot, CloseReason::ShuttingDown, None)?;
        }
        self.rooms.clear();
        self.make_room(LOBBY);
        Ok(())
    }

    /// The operator says something to all rooms.
    pub(crate) fn announce(&mut self, text: &str) -> Outcome {
        let rooms: Vec<Rc<str>> = self.rooms.keys().cloned().collect();
        let line = format!("* operator: {text}");
        for room in rooms {
            if !self.rooms[&room].members.is_empty() {
                self.tell_room(&room, None, &line)?;
            }
        }
        Ok(())
    }

    pub(crate) fn tell_churn(&mut self, room: &str) -> Outcome {
        let Some(found) = self.rooms.get_mut(room) else {
            return Ok(());
        };
        let Some(Churn { joined, left, .. }) = found.churn.take() else {
            return Ok(());
        };
        let members = found.members.clone();
        for &slot in &members {
            let seat = self.peer(slot).seat_mut().expect("a member has a seat");
            // What came before it did, itself included, was in its welcome.
            let known = std::mem::take(&mut seat.known_churn);
            let (joined, left) = (joined - known.0, left - known.1);
            if joined + left > 0 {
                let here = members.len();
                self.answer(
                    slot,
                    &format!("* {joined} joined, {left} left ({here} here)"),
                )?;
            }
        }
        Ok(())
    }

    fn arrive(&mut self, slot: usize) -> Outcome {
        let Some(seat) = self.peer(slot).seat().cloned() else {
            return Err(format!("slot {slot} has no seat"));
        };
        let (now, told_singly_max) = (self.now, self.limits.roster_members_max);
        let room = self.rooms.get_mut(&seat.room).expect("its room is there");
        room.members.push(slot);
        let here = room.members.len();
        if here <= told_singly_max && room.churn.is_none() {
            let line = format!("* {} joined ({here} here)", seat.name);
            self.tell_room(&seat.room, Some(slot), &line)?;
        } else {
            room.churn(now).joined += 1;
        }
        let known = self.rooms[&seat.room].churn;
        if let Some(seat) = self.peer(slot).seat_mut() {
            seat.known_churn = known.map_or((0, 0), |churn| (churn.joined, churn.left));
        }
        let names = self.names(&seat.room, self.limits.welcome_names_max);
        let room = &self.rooms[&seat.room];
        let welcome = format!("* welcome to {}, {} ({names})", room.name, seat.name);
        self.answer(slot, &welcome)?;
        self.tell_history(slot, &seat.room)
    }

    fn depart(&mut self, slot: usize, seat: &Seat, why: Option<&str>) -> Outcome {
        let (now, told_singly_max) = (self.now, self.limits.roster_members_max);
        let room = self.rooms.get_mut(&seat.room).expect("its room is there");
        let before = room.members.len();
        room.members.retain(|&member| member != slot);
        if before <= told_singly_max && room.churn.is_none() {
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            let line = format!("* {} left ({} here){why}", seat.name, before - 1);
            self.tell_room(&seat.room, None, &line)
        } else {
            room.churn(now).left += 1;
            Ok(())
        }
    }

    fn tell_history(&mut self, slot: usize, room: &str) -> Outcome {
        let mut lines: Vec<Rc<str>> = self.rooms[room].lines();
        if lines.is_empty() {
            return Ok(());
        }
        let blind = self.peer(slot).blind;
        let from = self.peer(slot).explained + 1;
        let to = from + lines.len();
        if !blind && let Some(seen) = self.observed.of(slot).get(from..to) {
            let (seen, room) = (seen.to_vec(), room.to_owned());
            self.rooms
                .get_mut(&*room)
                .expect("it was there")
                .adopt(&seen);
            lines = self.rooms[&*room].lines();
        }
        self.answer(slot, &format!("* last {} messages:", lines.len()))?;
        for line in lines {
            self.answer(slot, &line)?;
        }
        self.answer(slot, "* end of history")
    }

    fn names(&self, room: &str, shown_max: usize) -> String {
        let members = &self.rooms[room].members;
        let mut names: Vec<&str> = members
            .iter()
            .filter_map(|&slot| Some(&*self.peers[slot].as_ref()?.seat()?.name))
            .collect();
        names.sort_by_key(|name| name.to_lowercase());
        let more = names.len().saturating_sub(shown_max);
        names.truncate(shown_max);
        let more = if more > 0 {
            format!(", … and {more} more")
        } else {
            String::new()
        };
        let colon = if names.is_empty() { "" } else { ": " };
        let names = names.join(", ");
        format!("{} here{colon}{names}{more}", members.len())
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let key = rules::key(name);
        self.peers.iter().position(|peer| {
            peer.as_ref()
                .and_then(Peer::seat)
                .is_some_and(|seat| rules::key(&seat.name) == key)
        })
    }

    fn make_room(&mut self, name: &str) {
        let room = Room {
            name: name.into(),
            members: Vec::new(),
            history: VecDeque::new(),
            history_bytes: 0,
            churn: None,
        };
        self.rooms.insert(rules::key(name).into(), room);
    }

    fn forget_empty(&mut self, room: &str) {
        if room != LOBBY
            && self
                .rooms
                .get(room)
                .is_some_and(|room| room.members.is_empty())
        {
            self.rooms.remove(room);
        }
    }

    fn tell_room(&mut self, room: &str, except: Option<usize>, line: &str) -> Outcome {
        self.said_bytes += line.len() + 1;
        let members = self.rooms[room].members.clone();
        for slot in members {
            if Some(slot) != except {
                self.hear(slot, Expected::Exact(line))?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, slot: usize, line: &str) -> Outcome {
        self.tell(slot, Expected::Exact(line))
    }

    pub(crate) fn tell(&mut self, slot: usize, expected: Expected<'_>) -> Outcome {
        self.said_bytes += expected.bytes_max();
        self.hear(slot, expected)
    }

    /// One more line that this one must have been told, behind those before.
    fn hear(&mut self, slot: usize, expected: Expected<'_>) -> Outcome {
        let observed = Rc::clone(&self.observed);
        let peer = self.peer(slot);
        peer.told_bytes += expected.bytes_max();
        if peer.blind {
            return Ok(());
        }
        let line = observed.of(slot).get(peer.explained);
        peer.explained += 1;
        match line {
            Some(line) if expected.fits(line) => Ok(()),
            Some(line) => Err(format!(
                "slot {slot} was told {line:?} instead of {expected}"
            )),
            None => Err(format!("slot {slot} was not told {expected}")),
        }
    }
}

impl Room {
    fn churn(&mut self, now: Time) -> &mut Churn {
        self.churn.get_or_insert(Churn {
            joined: 0,
            left: 0,
            since: now,
        })
    }

    fn lines(&self) -> Vec<Rc<str>> {
        self.history.iter().map(|said| said.line.clone()).collect()
    }

    fn remember(&mut self, line: &str, bytes: usize, group: u64, limits: &Limits) {
        if limits.history_lines_max == 0 || bytes > limits.history_bytes_max {
            return;
        }
        self.history_bytes += bytes;
        self.history.push_back(Said {
            line: line.into(),
            bytes,
            group,
        });
        while self.history.len() > limits.history_lines_max
            || self.history_bytes > limits.history_bytes_max
        {
            let oldest = self.history.pop_front().expect("it is over its bound");
            self.history_bytes -= oldest.bytes;
        }
    }

    /// Takes over the order that somebody saw, as far as nobody could have told it before.
    fn adopt(&mut self, seen: &[String]) {
        for (place, line) in seen.iter().enumerate() {
            let found = self.history.iter().position(|said| *said.line == **line);
            if let Some(at) = found
                && at > place
                && self.history[at].group == self.history[place].group
            {
                let said = self.history.remove(at).expect("it was found");
                self.history.insert(place, said);
            }
        }
    }
}

impl Expected<'_> {
    fn fits(self, line: &str) -> bool {
        match self {
            Expected::Exact(text) | Expected::Foreign(text) => line == text,
            Expected::Help => line.starts_with("= /"),
            Expected::Refusal(code) => line
                .strip_prefix("! ")
                .and_then(|rest| rest.strip_prefix(code))
                .is_some_and(|rest| rest.starts_with(' ')),
        }
    }

    /// With its ending; where the words are free, more than they are.
    fn bytes_max(self) -> usize {
        match self {
            Expected::Exact(text) | Expected::Foreign(text) => text.len() + 1,
            Expected::Help | Expected::Refusal(_) => 300,
        }
    }
}

impl std::fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expected::Exact(text) | Expected::Foreign(text) => write!(f, "{text:?}"),
            Expected::Help => write!(f, "a line of help"),
            Expected::Refusal(code) => write!(f, "\"! {code} …\""),
        }
    }
}
