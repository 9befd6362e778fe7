//! `Rooms`: which rooms exist. They are made at need and gone when empty, all but the lobby, whose
//! topic and past are what the next to come will find; where history is kept, so are those of other
//! rooms: then a room in which something was said rests, until somebody comes again. What one room
//! is stands in `room`. Owned by the directory.

use std::collections::VecDeque;

use slab::Slab;

use crate::time::Time;

use super::claims::Claims;
use super::fact::Place;
use super::id::{MessageId, RoomId};
use super::name::Name;
use super::room::{Room, alphabetical};

/// The room that is always there, which everybody enters who names none.
pub const LOBBY: &str = "lobby";

/// All rooms, by number and by name.
#[derive(Debug)]
pub(super) struct Rooms {
    rooms: Slab<Room>,
    names: Claims<RoomId>,
    /// In alphabetical order.
    by_name: Vec<RoomId>,
    lobby: RoomId,
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
            resting: VecDeque::new(),
            resting_max,
            churning: VecDeque::new(),
        };
        let lobby = Name::parse(LOBBY).expect("the word lobby is a good name");
        rooms.lobby = rooms.make(lobby);
        rooms
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
    pub(super) fn named(&self, name: &Name) -> Option<RoomId> {
        let name_of = |room: RoomId| Some(&self.get(room).name);
        self.names.owner_named(name, name_of)
    }

    /// Whether a room of this name could not be told from one that is there. One that rests keeps
    /// nobody from a name.
    pub(super) fn has_alike(&self, name: &Name) -> bool {
        let mut alike = self.names.owners_alike(name);
        alike.any(|room| !self.is_resting(room))
    }

    /// Whether a room of this name could not be told from one that is there or rests.
    pub(super) fn is_alike_to_any(&self, name: &Name) -> bool {
        self.names.is_claimed_alike(name)
    }

    /// A room that rests and whose name could not be told from this one.
    pub(super) fn resting_alike(&self, name: &Name) -> Option<RoomId> {
        let mut alike = self.names.owners_alike(name);
        alike.find(|&room| self.is_resting(room))
    }

    /// The room that is called so, if that is a name at all, whether it rests or not.
    pub(super) fn find(&self, asked: &str) -> Option<RoomId> {
        self.named(&Name::parse(asked).ok()?)
    }

    /// The room that is called so, if it does not rest.
    pub(super) fn find_awake(&self, asked: &str) -> Option<RoomId> {
        self.find(asked).filter(|&room| !self.is_resting(room))
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
        self.resting.push_back(room);
        true
    }

    /// Somebody comes into the room, or something is said in it.
    pub(super) fn wake(&mut self, room: RoomId) {
        if std::mem::take(&mut self.get_mut(room).is_resting) {
            self.resting.retain(|&other| other != room);
        }
    }

    /// The room that rests for longest, if too many do.
    pub(super) fn surplus(&self) -> Option<RoomId> {
        let oldest = self.resting.front().copied();
        oldest.filter(|_| self.resting.len() > self.resting_max)
    }

    pub(super) fn make(&mut self, name: Name) -> RoomId {
        let id =
            RoomId(u32::try_from(self.rooms.vacant_key()).expect("fewer rooms than u32 holds"));
        self.names.claim(&name, id);
        let place = self
            .by_name
            .partition_point(|&room| alphabetical(&self.get(room).name, &name).is_lt());
        self.by_name.insert(place, id);
        self.rooms.insert(Room::new(name));
        id
    }

    /// Whether it is gone as soon as nobody is in it.
    pub(super) fn is_kept_when_empty(&self, room: RoomId) -> bool {
        room == self.lobby
    }

    pub(super) fn remove(&mut self, room: RoomId) -> Room {
        self.by_name.retain(|&other| other != room);
        self.churning.retain(|&(_, other)| other != room);
        self.wake(room);
        let gone = self.rooms.remove(room.slot());
        self.names.release(&gone.name);
        gone
    }

    /// The rooms that have members, in alphabetical order.
    pub(super) fn occupied(&self) -> impl Iterator<Item = &Room> {
        let rooms = self.by_name.iter().map(|&room| self.get(room));
        rooms.filter(|room| room.roster.len() > 0)
    }

    /// The room has begun to gather joins and leaves, and is to be told then.
    pub(super) fn tell_churn_at(&mut self, at: Time, room: RoomId) {
        self.churning.push_back((at, room));
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
