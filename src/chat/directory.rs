//! `Directory`: who is called what, who is in which room, which rooms exist; and what each request
//! does. Everything that happens is told to a listener as a fact with its audience, in order; what
//! is answered is returned. Not how it is written or delivered. Owned by the hub.

use std::time::Duration;

use slab::Slab;
use smallvec::SmallVec;

use crate::bucket::Rate;
use crate::time::{Time, WallTime};

use super::claims::Claims;
use super::command::Act;
use super::fact::{Answer, Cause, Fact, Listen, Manner, Refusal, RoomRow, To, What};
use super::id::{MemberId, MessageId, MessageIds, RoomId};
use super::member::{Hears, Member};
use super::name::Name;
use super::rooms::Rooms;

/// The numbers that the rules of chat depend on.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Members of a room up to which joins and leaves are announced individually.
    pub announce_members_max: usize,
    /// How many of them a room hears of individually; beyond, they are gathered.
    pub announce_rate: Option<Rate>,
    /// How long joins and leaves are gathered before they are told.
    pub churn_interval: Duration,
    /// Rooms, the lobby included.
    pub rooms_max: usize,
    /// Rooms that one member is in.
    pub rooms_per_member_max: usize,
    /// Bytes of a topic.
    pub topic_bytes_max: usize,
    /// Names in the answer to who is here.
    pub who_names_max: usize,
    /// Rooms in the list of rooms.
    pub rooms_listed_max: usize,
}

/// Everybody who has a name, and every room. It has a method for each rule, since each needs names,
/// rooms and members at once; those of coming and going are in `presence`, those of what is said in
/// `talking`.
#[derive(Debug)]
pub struct Directory {
    pub(super) rules: Rules,
    pub(super) members: Slab<Member>,
    names: Claims<MemberId>,
    pub(super) rooms: Rooms,
    ids: MessageIds,
    pub(super) now: Time,
    wall: WallTime,
}

impl Directory {
    /// A directory with nobody in it, and the lobby.
    pub fn new(rules: Rules) -> Directory {
        Directory {
            rules,
            members: Slab::new(),
            names: Claims::new(),
            rooms: Rooms::new(),
            ids: MessageIds::default(),
            now: Time::START,
            wall: WallTime::default(),
        }
    }

    /// Nobody is here any more, and nobody is told so. Time and ids go on.
    pub fn clear(&mut self) {
        *self = Directory {
            ids: std::mem::take(&mut self.ids),
            now: self.now,
            wall: self.wall,
            ..Directory::new(self.rules)
        };
    }

    /// What happens from now on happens at this time.
    pub fn set_time(&mut self, now: Time, wall: WallTime) {
        self.now = now;
        self.wall = wall;
    }

    /// When [`Directory::handle_timeout`] is to be called.
    pub fn next_timeout(&self) -> Option<Time> {
        self.rooms.next_churn_at()
    }

    /// Gives somebody the name it asks for. It is in no room yet.
    ///
    /// # Errors
    /// The name is none, or taken.
    pub fn admit<'a>(&mut self, asked: &'a str, hears: Hears) -> Result<MemberId, Refusal<'a>> {
        let member = MemberId(
            u32::try_from(self.members.vacant_key()).expect("fewer members than u32 holds"),
        );
        let name = self.free_name(Some(member), asked)?;
        self.names.claim(&name, member);
        self.members.insert(Member::new(name, hears));
        Ok(member)
    }

    /// Does what a member asks for, in this room; without one, in the only room that it is in.
    ///
    /// # Errors
    /// What the rules refuse; then nothing has happened.
    pub fn apply<'a>(
        &'a mut self,
        member: MemberId,
        room: Option<&'a str>,
        act: Act<'a>,
        listen: &mut dyn Listen,
    ) -> Result<Answer<'a>, Refusal<'a>> {
        let done = Ok(Answer::Done(None));
        match act {
            Act::Say { text, action } => {
                let room = self.room_of(member, room)?;
                let manner = if action {
                    Manner::Action
                } else {
                    Manner::Plain
                };
                Ok(Answer::Done(Some(
                    self.say(member, room, text, manner, listen),
                )))
            }
            Act::Join { .. } => {
                let asked = room.ok_or(Refusal::WhichRoom)?;
                self.join(member, asked, listen).and(done)
            }
            Act::Move => {
                let asked = room.ok_or(Refusal::WhichRoom)?;
                self.change_room(member, asked, listen).and(done)
            }
            Act::Part => {
                let room = self.room_of(member, room)?;
                self.part(member, room, listen);
                done
            }
            Act::Nick(name) => self.rename(member, name, listen),
            Act::Msg { to, text } => self.message(member, to, text, listen),
            Act::SetTopic(text) => {
                let room = self.room_of(member, room)?;
                self.set_topic(member, room, text, listen).and(done)
            }
            Act::ShowTopic => {
                let room = self.room_of(member, room)?;
                let room = self.rooms.get(room);
                Ok(Answer::Topic {
                    room: room.name.as_str(),
                    topic: &room.topic,
                })
            }
            Act::Who if room.is_none() => Ok(self.who_in(self.only_room(member)?)),
            Act::Who => self.who(room.unwrap_or_default()),
            Act::Rooms => Ok(self.list_rooms()),
            Act::Echo(echo) => {
                self.member_mut(member).hears.echo = echo;
                Ok(Answer::Echo(echo))
            }
        }
    }

    /// Takes a member out of all its rooms and frees its name.
    pub fn leave(
        &mut self,
        member: MemberId,
        cause: Cause,
        reason: Option<&str>,
        listen: &mut dyn Listen,
    ) {
        let id = self.next_id();
        let rooms: SmallVec<[RoomId; 1]> = self.rooms_of(member).collect();
        for &room in &rooms {
            self.depart(member, room, id, cause, reason, listen);
        }
        // Only then, since that is told under ids of its own.
        for room in rooms {
            self.close_if_empty(room, listen);
        }
        let gone = self.members.remove(member.slot());
        self.names.release(&gone.name);
    }

    /// Who is in the room of this name.
    ///
    /// # Errors
    /// There is no such room.
    pub fn who<'a>(&'a self, room: &'a str) -> Result<Answer<'a>, Refusal<'a>> {
        let found = self.rooms.find(room).ok_or(Refusal::NoSuchRoom(room))?;
        Ok(self.who_in(found))
    }

    /// The rooms that have members.
    pub fn list_rooms(&self) -> Answer<'_> {
        let mut occupied = self.rooms.occupied().map(|room| RoomRow {
            room: room.name.as_str(),
            here: room.roster.len(),
            topic: &room.topic,
        });
        let listed = occupied.by_ref().take(self.rules.rooms_listed_max);
        Answer::Rooms {
            rooms: listed.collect(),
            more: occupied.count(),
        }
    }

    /// The rooms that have members, and how many, in alphabetical order.
    pub fn occupied_rooms(&self) -> impl Iterator<Item = (&str, usize)> {
        let rooms = self.rooms.occupied();
        rooms.map(|room| (room.name.as_str(), room.roster.len()))
    }

    /// The room that a member means: the one that is called so, or its only one.
    ///
    /// # Errors
    /// It is not in a room of that name; or it did not say which it means, and is in none or several.
    pub fn room_of<'a>(
        &self,
        member: MemberId,
        asked: Option<&'a str>,
    ) -> Result<RoomId, Refusal<'a>> {
        let Some(asked) = asked else {
            return self.only_room(member);
        };
        let rooms = &self.member(member).rooms;
        // As it is spelled, nearly always: then nothing needs to be folded.
        let mut own = rooms.iter().map(|membership| membership.room);
        own.find(|&room| self.rooms.get(room).name.as_str() == asked)
            .or_else(|| {
                let found = self.rooms.find(asked)?;
                self.member(member).is_in(found).then_some(found)
            })
            .ok_or(Refusal::NotInRoom(asked))
    }

    /// The rooms that a member is in.
    pub fn rooms_of(&self, member: MemberId) -> impl Iterator<Item = RoomId> {
        let rooms = &self.member(member).rooms;
        rooms.iter().map(|membership| membership.room)
    }

    /// What a room is called.
    pub fn room_name(&self, room: RoomId) -> &str {
        self.rooms.get(room).name.as_str()
    }

    /// Whether two names are those of one room that is there.
    pub fn is_room(&self, name: &str, other: &str) -> bool {
        let found = self.rooms.find(name);
        found.is_some() && found == self.rooms.find(other)
    }

    /// The room of this name, whoever asks.
    ///
    /// # Errors
    /// There is none.
    pub fn find_room<'a>(&self, asked: &'a str) -> Result<RoomId, Refusal<'a>> {
        self.rooms.find(asked).ok_or(Refusal::NoSuchRoom(asked))
    }

    /// What a member is called.
    pub fn name_of(&self, member: MemberId) -> &str {
        self.member(member).name.as_str()
    }

    /// The member that is called so. Not one whose name only looks so.
    pub fn member_named(&self, name: &str) -> Option<MemberId> {
        let name = Name::parse(name).ok()?;
        let name_of = |member: MemberId| Some(&self.member(member).name);
        self.names.owner_named(&name, name_of)
    }

    /// How many have a name.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    fn rename<'a>(
        &'a mut self,
        member: MemberId,
        asked: &'a str,
        listen: &mut dyn Listen,
    ) -> Result<Answer<'a>, Refusal<'a>> {
        let name = self.free_name(Some(member), asked)?;
        if self.member(member).name.as_str() == name.as_str() {
            return Ok(Answer::SameName(self.name_of(member)));
        }
        let rooms: Vec<RoomId> = self.rooms_of(member).collect();
        rooms.iter().for_each(|&room| self.strike(member, room));
        let old = std::mem::replace(&mut self.member_mut(member).name, name);
        self.names.release(&old);
        let new = &self.members[member.slot()].name;
        self.names.claim(new, member);
        let id = self.next_id();
        if rooms.is_empty() {
            // Nobody sees it, but whoever keeps a record is to know.
            let what = What::Renamed {
                from: old.as_str(),
                to: self.name_of(member),
            };
            let room = None;
            listen.hear(To::Member(member), &Fact { room, id, what });
        }
        for &room in &rooms {
            self.enroll(member, room);
            let what = What::Renamed {
                from: old.as_str(),
                to: self.name_of(member),
            };
            self.tell_room(room, id, what, listen);
        }
        Ok(Answer::Done(None))
    }

    fn who_in(&self, room: RoomId) -> Answer<'_> {
        Answer::Who {
            room: self.room_name(room),
            here: self.rooms.get(room).roster.len(),
            names: self.names_in(room, self.rules.who_names_max),
        }
    }

    /// The first names of those in a room, in alphabetical order.
    pub(super) fn names_in(&self, room: RoomId, names_max: usize) -> Vec<&str> {
        let members = self.rooms.get(room).roster.members().iter();
        members
            .take(names_max)
            .map(|&member| self.name_of(member))
            .collect()
    }

    pub(super) fn tell_room(
        &self,
        room: RoomId,
        id: MessageId,
        what: What<'_>,
        listen: &mut dyn Listen,
    ) {
        let place = self.rooms.place(room);
        let fact = Fact {
            room: Some(place),
            id,
            what,
        };
        listen.hear(To::Room(room), &fact);
    }

    /// The name that is asked for, if nobody but `member` has it, or one that is like it.
    pub(super) fn free_name<'a>(
        &self,
        member: Option<MemberId>,
        asked: &'a str,
    ) -> Result<Name, Refusal<'a>> {
        let name = Name::parse(asked).map_err(Refusal::BadName)?;
        let is_free = match member {
            Some(member) => self.names.is_free_for(member, &name),
            None => !self.names.is_claimed_alike(&name),
        };
        if is_free {
            Ok(name)
        } else {
            Err(Refusal::NameInUse(asked))
        }
    }

    pub(super) fn only_room(&self, member: MemberId) -> Result<RoomId, Refusal<'static>> {
        match self.member(member).rooms.as_slice() {
            [membership] => Ok(membership.room),
            _ => Err(Refusal::WhichRoom),
        }
    }

    pub(super) fn next_id(&mut self) -> MessageId {
        self.ids.next(self.wall)
    }

    pub(super) fn member(&self, member: MemberId) -> &Member {
        &self.members[member.slot()]
    }

    pub(super) fn member_mut(&mut self, member: MemberId) -> &mut Member {
        &mut self.members[member.slot()]
    }
}

#[cfg(test)]
mod tests;
