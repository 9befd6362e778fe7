//! `Rooms`: which rooms exist. They are made at need and gone when empty, all but the lobby, whose
//! topic and past are what the next to come will find; where history is kept, so are those of other
//! rooms: then a room in which something was said rests, until somebody comes again. What one room
//! is stands in `room`. Owned by presence.

use std::collections::VecDeque;

use slab::Slab;

use crate::time::Time;

use super::claims::Claims;
use super::fact::{Place, Refusal};
use super::fixed_rooms::{FixedRooms, LOBBY};
use super::id::{MemberId, MessageId, RoomId};
use super::members::Members;
use super::name::Name;
use super::room::{Churn, Room, alphabetical};

/// Where a name of a room leads.
pub(super) enum Found {
    /// To a room that is there.
    Room(RoomId),
    /// To one that may be made.
    Place(Name),
}

/// All rooms, by number and by name. More than 20 methods, since a room can be looked for in several
/// ways; those below are of one line or two.
#[derive(Debug)]
pub(super) struct Rooms {
    rooms: Slab<Room>,
    names: Claims<RoomId>,
    /// Those that do not rest, in alphabetical order.
    by_name: Vec<RoomId>,
    lobby: RoomId,
    /// No other is made, and none goes.
    is_fixed: bool,
    /// Rooms that nobody is in and that are remembered, the one that rests for longest first.
    resting: VecDeque<RoomId>,
    resting_max: usize,
    /// Rooms that have gathered joins and leaves, and when they are to be told; the interval is one
    /// for all, so they stay in order.
    churning: VecDeque<(Time, RoomId)>,
}

impl Rooms {
    /// Only the lobby. At most `resting_max` rooms that nobody is in are remembered.
    pub(super) fn new(resting_max: usize) -> Rooms {
        let mut rooms = Rooms {
            rooms: Slab::new(),
            names: Claims::new(),
            by_name: Vec::new(),
            lobby: RoomId(0),
            is_fixed: false,
            resting: VecDeque::new(),
            resting_max,
            churning: VecDeque::new(),
        };
        let lobby = Name::parse(LOBBY).expect("the word lobby is a good name");
        rooms.lobby = rooms.make(lobby);
        rooms
    }

    /// There are these from now on, beside the lobby, and no others, whoever comes or goes.
    pub(super) fn fix(&mut self, rooms: FixedRooms) {
        for name in rooms.into_names() {
            if self.named(&name).is_none() {
                self.make(name);
            }
        }
        self.is_fixed = true;
    }

    /// How many there are, without those that rest.
    pub(super) fn len(&self) -> usize {
        self.rooms.len() - self.resting.len()
    }

    pub(super) fn get(&self, room: RoomId) -> &Room {
        &self.rooms[room.slot()]
    }

    pub(super) fn get_mut(&mut self, room: RoomId) -> &mut Room {
        &mut self.rooms[room.slot()]
    }

    pub(super) fn place(&self, room: RoomId) -> Place<'_> {
        Place::new(room, &self.get(room).name)
    }

    /// The room that is called so, whether it rests or not.
    fn named(&self, name: &Name) -> Option<RoomId> {
        self.names.owner_named(name, |room| &self.get(room).name)
    }

    /// Rooms whose names could not be told from this one, whether they rest or not.
    fn alike(&self, name: &Name) -> impl Iterator<Item = RoomId> {
        self.names.owners_alike(name, |room| &self.get(room).name)
    }

    /// The room that is called so, if that is a name at all, whether it rests or not.
    pub(super) fn find(&self, asked: &str) -> Option<RoomId> {
        self.named(&Name::parse(asked).ok()?)
    }

    /// A room that rests and whose name could not be told from this one.
    pub(super) fn resting_alike(&self, name: &Name) -> Option<RoomId> {
        let mut alike = self.alike(name);
        alike.find(|&room| self.is_resting(room))
    }

    /// Whether nobody is in it, and it is only remembered.
    pub(super) fn is_resting(&self, room: RoomId) -> bool {
        self.get(room).is_resting
    }

    /// Nobody is in the room any more: remembers it, if there is something to remember. Whether it
    /// does.
    pub(super) fn rest(&mut self, room: RoomId) -> bool {
        let state = self.get(room);
        let is_blank = state.last == MessageId::ZERO && state.topic.is_empty();
        if is_blank || self.resting_max == 0 {
            return false;
        }
        self.get_mut(room).is_resting = true;
        self.by_name.retain(|&other| other != room);
        self.resting.push_back(room);
        true
    }

    /// The room that rests for longest, if too many do.
    pub(super) fn surplus(&self) -> Option<RoomId> {
        let oldest = self.resting.front().copied();
        oldest.filter(|_| self.resting.len() > self.resting_max)
    }

    /// A room as it was left in an earlier run; those that spoke last come first. `None` if there is nothing to remember of it, no place
    /// for one more, or its name is none, or could be taken for another's.
    pub(super) fn recall(&mut self, name: &str, topic: &str, last: MessageId) -> Option<RoomId> {
        let name = Name::parse(name).ok()?;
        let there = self.named(&name);
        let is_full = self.is_fixed || self.resting.len() >= self.resting_max;
        if there.is_none() && (is_full || self.alike(&name).next().is_some()) {
            return None;
        }
        let room = there.unwrap_or_else(|| self.make(name));
        let state = self.get_mut(room);
        state.topic = topic.into();
        state.last = last;
        if there.is_none() {
            if !self.rest(room) {
                self.remove(room);
                return None;
            }
            // It rests for longer than those that were recalled before.
            self.resting.rotate_right(1);
        }
        Some(room)
    }

    /// The room of this name, or its name if there may be one more room, of at most `rooms_max`, once
    /// `leaving` is left.
    pub(super) fn find_or_check<'a>(
        &self,
        asked: &'a str,
        leaving: Option<RoomId>,
        rooms_max: usize,
    ) -> Result<Found, Refusal<'a>> {
        let name = Name::parse(asked).map_err(Refusal::BadName)?;
        let there = self.named(&name);
        if let Some(room) = there.filter(|&room| !self.is_resting(room)) {
            return Ok(Found::Room(room));
        }
        if self.is_fixed {
            return Err(Refusal::NoSuchRoom(asked));
        }
        // One that rests keeps nobody from a name.
        let is_taken = self.alike(&name).any(|room| !self.is_resting(room));
        if is_taken {
            return Err(Refusal::RoomAlike(asked));
        }
        let closes = leaving
            .is_some_and(|room| self.get(room).roster.len() == 1 && !self.is_kept_when_empty(room));
        if self.len() - usize::from(closes) >= rooms_max {
            return Err(Refusal::TooManyRoomsHere(rooms_max));
        }
        Ok(there.map_or(Found::Place(name), Found::Room))
    }

    /// The room that was found, which is made at need. It does not rest any more.
    pub(super) fn open(&mut self, found: Found) -> RoomId {
        match found {
            Found::Room(room) => {
                self.wake(room);
                room
            }
            Found::Place(name) => self.make(name),
        }
    }

    fn wake(&mut self, room: RoomId) {
        if std::mem::take(&mut self.get_mut(room).is_resting) {
            self.resting.retain(|&other| other != room);
            self.list(room);
        }
    }

    fn make(&mut self, name: Name) -> RoomId {
        let id =
            RoomId(u32::try_from(self.rooms.vacant_key()).expect("fewer rooms than u32 holds"));
        self.names.claim(&name, id);
        self.rooms.insert(Room::new(name));
        self.list(id);
        id
    }

    /// Puts a room where it belongs in the order of names.
    fn list(&mut self, room: RoomId) {
        let name = &self.get(room).name;
        let place = self
            .by_name
            .partition_point(|&other| alphabetical(&self.get(other).name, name).is_lt());
        self.by_name.insert(place, room);
    }

    /// Whether it is gone as soon as nobody is in it.
    pub(super) fn is_kept_when_empty(&self, room: RoomId) -> bool {
        self.is_fixed || room == self.lobby
    }

    pub(super) fn remove(&mut self, room: RoomId) -> Room {
        self.wake(room);
        self.by_name.retain(|&other| other != room);
        self.churning.retain(|&(_, other)| other != room);
        let gone = self.rooms.remove(room.slot());
        self.names.release(&gone.name, room);
        gone
    }

    /// The rooms that have members or are fixed, in alphabetical order.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Room> {
        let rooms = self.by_name.iter().map(|&room| self.get(room));
        rooms.filter(|room| self.is_fixed || room.roster.len() > 0)
    }

    /// The rooms that have members, in alphabetical order.
    pub(super) fn occupied(&self) -> impl Iterator<Item = &Room> {
        let rooms = self.by_name.iter().map(|&room| self.get(room));
        rooms.filter(|room| room.roster.len() > 0)
    }

    /// Puts a member, whose name is set, on the roster of a room.
    pub(super) fn enroll(&mut self, room: RoomId, member: MemberId, members: &Members) {
        let name_of = |id: MemberId| &members.get(id).name;
        self.get_mut(room).roster.insert(member, name_of);
    }

    /// Takes a member, whose name is still that which it came with, from the roster of a room.
    pub(super) fn strike(&mut self, room: RoomId, member: MemberId, members: &Members) {
        let name_of = |id: MemberId| &members.get(id).name;
        self.get_mut(room).roster.remove(member, name_of);
    }

    /// Counts a join or leave that the room is to be told of at `at`, if it is the first of those
    /// that are told together.
    pub(super) fn count_churn(&mut self, room: RoomId, at: Time, count: impl FnOnce(&mut Churn)) {
        let churn = &mut self.get_mut(room).churn;
        let begins = churn.is_empty();
        count(churn);
        if begins {
            self.churning.push_back((at, room));
        }
    }

    /// When the next room is to be told.
    pub(super) fn next_churn_at(&self) -> Option<Time> {
        self.churning.front().map(|&(at, _)| at)
    }

    /// A room that is to be told now.
    pub(super) fn take_churning(&mut self, now: Time) -> Option<RoomId> {
        self.next_churn_at().filter(|&at| at <= now)?;
        self.churning.pop_front().map(|(_, room)| room)
    }

    /// How many keys of names have an owner.
    #[cfg(test)]
    pub(super) fn keys_len(&self) -> usize {
        self.names.keys_len()
    }
}
