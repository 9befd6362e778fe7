//! The shadow of a hub: who is where, what each line of a client means, and what everybody must
//! be told because of it. It is given what everybody *was* told, and says at the first line that
//! is not what the protocol promises. Written from the protocol alone; it shares no code with
//! `chat` or `hub`, and knows nothing of blocks, outboxes or turns. Owned by a simulation.

use std::collections::BTreeMap;
use std::rc::Rc;

use chatd::config::Limits;
use chatd::hub::CloseReason;
use chatd::time::Time;

use super::peer::{Item, Peer, Seat, State};
use super::room::Room;
use super::rules::{self, Asked};
use super::told::{Expected, Observed};

/// What went wrong, for a person.
pub(crate) type Outcome = Result<(), String>;

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

pub(crate) const LOBBY: &str = "lobby";

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

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let key = rules::key(name);
        self.peers.iter().position(|peer| {
            peer.as_ref()
                .and_then(Peer::seat)
                .is_some_and(|seat| rules::key(&seat.name) == key)
        })
    }
}
