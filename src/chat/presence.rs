//! Coming and going: who is in which room, and how the room hears of it, individually or gathered.
//! Part of the directory.

use super::directory::Directory;
use super::fact::{Cause, Fact, Listen, Refusal, To, What};
use super::id::{MemberId, MessageId, RoomId};
use super::member::Membership;
use super::name::Name;
use super::room::Churn;

/// Where a name of a room leads.
pub(super) enum Found {
    /// To a room that is there.
    Room(RoomId),
    /// To one that may be made.
    Place(Name),
}

impl Directory {
    /// A room as it was left in an earlier run. It rests, until somebody comes. No-op for what is no
    /// name, or the name of a room that is there already: then that room, if there is one.
    pub fn recall_room(&mut self, name: &str, topic: &str, last: MessageId) -> Option<RoomId> {
        let name = Name::parse(name).ok()?;
        let is_there = self.rooms.named(&name);
        if is_there.is_none() && self.rooms.is_alike_to_any(&name) {
            return None;
        }
        let room = is_there.unwrap_or_else(|| self.rooms.make(name));
        let state = self.rooms.get_mut(room);
        state.topic = topic.into();
        state.last = last;
        if is_there.is_none() && !self.rooms.rest(room) {
            self.rooms.remove(room);
            return None;
        }
        self.ids.skip(last);
        Some(room)
    }

    /// No id up to this one is given any more.
    pub fn skip_ids(&mut self, last: MessageId) {
        self.ids.skip(last);
    }

    /// Puts a member into the room of this name, which is made at need.
    ///
    /// # Errors
    /// Not a name, in it already, or one room too many.
    pub fn join<'a>(
        &mut self,
        member: MemberId,
        asked: &'a str,
        listen: &mut dyn Listen,
    ) -> Result<RoomId, Refusal<'a>> {
        let found = self.find_or_check(asked, None)?;
        let rooms = &self.member(member).rooms;
        if matches!(found, Found::Room(room) if self.member(member).is_in(room)) {
            return Err(Refusal::AlreadyHere(asked));
        }
        if rooms.len() >= self.rules.rooms_per_member_max {
            return Err(Refusal::TooManyRooms(rooms.len()));
        }
        let room = match found {
            Found::Room(room) => room,
            Found::Place(name) => self.open(name, listen),
        };
        self.arrive(member, room, listen);
        Ok(room)
    }

    /// Takes a member out of the only room it is in, and puts it into the room of this name.
    pub(super) fn change_room<'a>(
        &mut self,
        member: MemberId,
        asked: &'a str,
        listen: &mut dyn Listen,
    ) -> Result<(), Refusal<'a>> {
        let from = self.only_room(member)?;
        let found = self.find_or_check(asked, Some(from))?;
        if matches!(found, Found::Room(room) if room == from) {
            return Err(Refusal::AlreadyHere(asked));
        }
        let id = self.next_id();
        self.depart(member, from, id, Cause::Quit, None, listen);
        let to = match found {
            Found::Room(room) => room,
            Found::Place(name) => self.open(name, listen),
        };
        self.arrive(member, to, listen);
        self.close_if_empty(from, listen);
        Ok(())
    }

    /// Takes a member out of this room.
    pub fn part(&mut self, member: MemberId, room: RoomId, listen: &mut dyn Listen) {
        let id = self.next_id();
        self.depart(member, room, id, Cause::Quit, None, listen);
        self.close_if_empty(room, listen);
    }

    /// Tells the rooms whose time has come the joins and leaves they have not heard of yet.
    pub fn handle_timeout(&mut self, listen: &mut dyn Listen) {
        while let Some(room) = self.rooms.take_churning(self.now) {
            self.tell_churn(room, listen);
        }
    }

    fn tell_churn(&mut self, room: RoomId, listen: &mut dyn Listen) {
        let id = self.next_id();
        let state = self.rooms.get_mut(room);
        let churn = state.churn;
        state.churn = Churn {
            told: churn.told.wrapping_add(1),
            ..Churn::default()
        };
        let here = state.roster.len();
        let place = Some(self.rooms.place(room));
        let fact = |churn: Churn| Fact {
            room: place,
            id,
            what: What::Churn {
                joined: churn.joined as usize,
                left: churn.left as usize,
                here,
            },
        };
        // Who came meanwhile was told of some of it when it came.
        let known_by = |member: MemberId| {
            let membership = self.member(member).membership(room)?;
            let known = membership.known_churn;
            (known.told == churn.told && !known.is_empty()).then_some(known)
        };
        let members = self.rooms.get(room).roster.members().iter().copied();
        let newcomers: Vec<MemberId> = members
            .filter(|&member| known_by(member).is_some())
            .collect();
        listen.hear(To::RoomBut(room, &newcomers), &fact(churn));
        for member in newcomers {
            let rest = known_by(member).map_or(churn, |known| churn.since(known));
            if !rest.is_empty() {
                listen.hear(To::Member(member), &fact(rest));
            }
        }
    }

    /// The member, whose name is set, comes into the room; everybody is told.
    pub(super) fn arrive(&mut self, member: MemberId, room: RoomId, listen: &mut dyn Listen) {
        let id = self.next_id();
        self.rooms.wake(room);
        self.enroll(member, room);
        let here = self.rooms.get(room).roster.len();
        if self.is_announced(room, here) {
            let who = self.member(member).name.as_str();
            let what = What::Joined { who, here };
            self.tell_room(room, id, what, listen);
        } else {
            self.count_churn(room, |churn| churn.joined += 1);
        }
        let known_churn = self.rooms.get(room).churn;
        self.member_mut(member)
            .rooms
            .push(Membership { room, known_churn });
        self.tell_entered(member, room, id, listen);
    }

    /// The member is in the room already, but whoever hears for it now does not know that.
    pub fn enter_again(&mut self, member: MemberId, room: RoomId, listen: &mut dyn Listen) {
        let id = self.next_id();
        let known_churn = self.rooms.get(room).churn;
        let mut rooms = self.member_mut(member).rooms.iter_mut();
        if let Some(membership) = rooms.find(|membership| membership.room == room) {
            membership.known_churn = known_churn;
        }
        self.tell_entered(member, room, id, listen);
    }

    fn tell_entered(&self, member: MemberId, room: RoomId, id: MessageId, listen: &mut dyn Listen) {
        let (state, arrived) = (self.rooms.get(room), self.member(member));
        let names = self.names_in(room, arrived.hears.names_max.into());
        let fact = Fact {
            room: Some(self.rooms.place(room)),
            id,
            what: What::Entered {
                who: arrived.name.as_str(),
                here: state.roster.len(),
                names: &names,
                topic: &state.topic,
                last: state.last,
            },
        };
        listen.hear(To::Member(member), &fact);
    }

    /// The member goes out of the room; those who stay are told.
    pub(super) fn depart(
        &mut self,
        member: MemberId,
        room: RoomId,
        id: MessageId,
        cause: Cause,
        reason: Option<&str>,
        listen: &mut dyn Listen,
    ) {
        let parted = Fact {
            room: Some(self.rooms.place(room)),
            id,
            what: What::Parted,
        };
        listen.hear(To::Member(member), &parted);
        self.strike(member, room);
        let rooms = &mut self.member_mut(member).rooms;
        rooms.retain(|membership| membership.room != room);
        let here = self.rooms.get(room).roster.len();
        if self.is_announced(room, here + 1) {
            let what = What::Left {
                who: self.member(member).name.as_str(),
                here,
                cause,
                reason,
            };
            self.tell_room(room, id, what, listen);
        } else {
            self.count_churn(room, |churn| churn.left += 1);
        }
    }

    /// A room that nobody is in rests, or is gone.
    pub(super) fn close_if_empty(&mut self, room: RoomId, listen: &mut dyn Listen) {
        if self.rooms.get(room).roster.len() > 0 || self.rooms.is_kept_when_empty(room) {
            return;
        }
        if !self.rooms.rest(room) {
            self.close(room, listen);
        } else if let Some(oldest) = self.rooms.surplus() {
            self.close(oldest, listen);
        }
    }

    /// Makes a room. One that rests and could be taken for it is forgotten.
    pub(super) fn open(&mut self, name: Name, listen: &mut dyn Listen) -> RoomId {
        while let Some(alike) = self.rooms.resting_alike(&name) {
            self.close(alike, listen);
        }
        self.rooms.make(name)
    }

    /// The room is gone, and its number free.
    fn close(&mut self, room: RoomId, listen: &mut dyn Listen) {
        let id = self.next_id();
        self.tell_room(room, id, What::Closed, listen);
        self.rooms.remove(room);
    }

    /// Whether a join or leave that involves this many members is announced by itself, which then
    /// is counted. Not while others wait to be told together: they came first.
    fn is_announced(&mut self, room: RoomId, members: usize) -> bool {
        let (now, rate) = (self.now, self.rules.announce_rate);
        let state = self.rooms.get_mut(room);
        let may = members <= self.rules.announce_members_max
            && state.churn.is_empty()
            && state.news.check(now, rate).is_ok();
        if may {
            state.news.take(now, rate, 1);
        }
        may
    }

    fn count_churn(&mut self, room: RoomId, count: impl FnOnce(&mut Churn)) {
        let churn = &mut self.rooms.get_mut(room).churn;
        let begins = churn.is_empty();
        count(churn);
        if begins {
            let at = self.now + self.rules.churn_interval;
            self.rooms.tell_churn_at(at, room);
        }
    }

    /// The room of this name, or its name if there may be one more room once `leaving` is left.
    pub(super) fn find_or_check<'a>(
        &self,
        asked: &'a str,
        leaving: Option<RoomId>,
    ) -> Result<Found, Refusal<'a>> {
        let name = Name::parse(asked).map_err(Refusal::BadName)?;
        let there = self.rooms.named(&name);
        if let Some(room) = there
            && !self.rooms.is_resting(room)
        {
            return Ok(Found::Room(room));
        }
        if there.is_none() && self.rooms.has_alike(&name) {
            return Err(Refusal::RoomAlike(asked));
        }
        let closes = leaving.is_some_and(|room| {
            self.rooms.get(room).roster.len() == 1 && !self.rooms.is_kept_when_empty(room)
        });
        let rooms = self.rooms.len() - usize::from(closes);
        if rooms >= self.rules.rooms_max {
            return Err(Refusal::TooManyRoomsHere(self.rules.rooms_max));
        }
        Ok(there.map_or(Found::Place(name), Found::Room))
    }

    pub(super) fn enroll(&mut self, member: MemberId, room: RoomId) {
        let members = &self.members;
        let name_of = |id: MemberId| &members[id.slot()].name;
        self.rooms.get_mut(room).roster.insert(member, name_of);
    }

    pub(super) fn strike(&mut self, member: MemberId, room: RoomId) {
        let members = &self.members;
        let name_of = |id: MemberId| &members[id.slot()].name;
        self.rooms.get_mut(room).roster.remove(member, name_of);
    }
}
