//! `Presence`: who is there and in which room: coming and going, other names, and how rooms hear of
//! all that, individually or gathered. Not what a request asks for (`directory`), nor what is said
//! (`talking`). Owned by the directory.

use smallvec::SmallVec;

use crate::time::{Time, WallTime};

use super::fact::{Cause, Fact, Listen, Parting, Refusal, To, What};
use super::id::{MemberId, MessageId, MessageIds, RoomId};
use super::member::Membership;
use super::members::Members;
use super::room::Churn;
use super::rooms::{Found, Rooms};
use super::rules::Rules;

/// Who is there, in which room, and when it is.
#[derive(Debug)]
pub(super) struct Presence {
    pub(super) rules: Rules,
    pub(super) members: Members,
    pub(super) rooms: Rooms,
    pub(super) ids: MessageIds,
    now: Time,
}

/// How somebody goes out of a room.
#[derive(Debug, Clone, Copy)]
struct Departure<'a> {
    cause: Cause,
    /// The words of who caused it.
    reason: Option<&'a str>,
    parting: Parting,
}

impl Departure<'_> {
    /// It wanted to go, and stays on the server.
    const WISHED: Departure<'static> = Departure {
        cause: Cause::Quit,
        reason: None,
        parting: Parting::Wished,
    };
}

impl Presence {
    /// Nobody, and the lobby.
    pub(super) fn new(rules: Rules) -> Presence {
        Presence {
            rules,
            members: Members::new(),
            rooms: Rooms::new(rules.resting_rooms_max),
            ids: MessageIds::default(),
            now: Time::START,
        }
    }

    /// Nobody is here any more, and nobody is told so. Time and ids go on.
    pub(super) fn clear(&mut self) {
        self.members = Members::new();
        self.rooms = Rooms::new(self.rules.resting_rooms_max);
    }

    /// What happens from now on happens at this time.
    pub(super) fn set_time(&mut self, now: Time, wall: WallTime) {
        self.now = now;
        self.ids.set_time(wall);
    }

    /// Tells all of a room what has happened in it.
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

    /// The room that a member means: the one that is called so, or its only one.
    pub(super) fn room_of<'a>(
        &self,
        member: MemberId,
        asked: Option<&'a str>,
    ) -> Result<RoomId, Refusal<'a>> {
        let member = self.members.get(member);
        let Some(asked) = asked else {
            return match member.rooms.as_slice() {
                [membership] => Ok(membership.room),
                _ => Err(Refusal::WhichRoom),
            };
        };
        // As it is spelled, nearly always: then nothing needs to be folded.
        let mut own = member.rooms.iter().map(|membership| membership.room);
        own.find(|&room| self.rooms.get(room).name.as_str() == asked)
            .or_else(|| {
                let found = self.rooms.find(asked)?;
                member.is_in(found).then_some(found)
            })
            .ok_or(Refusal::NotInRoom(asked))
    }

    /// Takes a member out of all its rooms and frees its name.
    pub(super) fn leave(
        &mut self,
        member: MemberId,
        cause: Cause,
        reason: Option<&str>,
        listen: &mut dyn Listen,
    ) {
        let id = self.ids.next();
        let memberships = self.members.get(member).rooms.iter();
        let rooms: SmallVec<[RoomId; 1]> = memberships.map(|membership| membership.room).collect();
        let parting = Parting::Gone;
        let departure = Departure {
            cause,
            reason,
            parting,
        };
        for &room in &rooms {
            self.depart(member, room, id, &departure, listen);
        }
        // Only then, since that is told under ids of its own.
        for room in rooms {
            self.close_if_empty(room, listen);
        }
        self.members.remove(member);
    }

    /// Gives a member the name it asks for, and tells its rooms. Whether that is another than before.
    pub(super) fn rename<'a>(
        &mut self,
        member: MemberId,
        asked: &'a str,
        listen: &mut dyn Listen,
    ) -> Result<bool, Refusal<'a>> {
        let name = self.members.free_name(Some(member), asked)?;
        if self.members.name_of(member) == name.as_str() {
            return Ok(false);
        }
        let memberships = self.members.get(member).rooms.iter();
        let rooms: Vec<RoomId> = memberships.map(|membership| membership.room).collect();
        for &room in &rooms {
            self.rooms.strike(room, member, &self.members);
        }
        let old = self.members.rename(member, name);
        let id = self.ids.next();
        for &room in &rooms {
            self.rooms.enroll(room, member, &self.members);
        }
        let what = What::Renamed {
            from: old.as_str(),
            to: self.members.name_of(member),
        };
        if rooms.is_empty() {
            // Nobody sees it, but whoever keeps a record is to know.
            let room = None;
            listen.hear(To::Member(member), &Fact { room, id, what });
        }
        for &room in &rooms {
            self.tell_room(room, id, what, listen);
        }
        Ok(true)
    }

    /// Puts a member into the room of this name, which is made at need.
    pub(super) fn join<'a>(
        &mut self,
        member: MemberId,
        asked: &'a str,
        listen: &mut dyn Listen,
    ) -> Result<RoomId, Refusal<'a>> {
        let found = self
            .rooms
            .find_or_check(asked, None, self.rules.rooms_max)?;
        let rooms = &self.members.get(member).rooms;
        if matches!(found, Found::Room(room) if self.members.get(member).is_in(room)) {
            return Err(Refusal::AlreadyHere(asked));
        }
        if rooms.len() >= self.rules.rooms_per_member_max {
            return Err(Refusal::TooManyRooms(rooms.len()));
        }
        let room = self.open(found, listen);
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
        let from = self.room_of(member, None)?;
        let found = self
            .rooms
            .find_or_check(asked, Some(from), self.rules.rooms_max)?;
        if matches!(found, Found::Room(room) if room == from) {
            return Err(Refusal::AlreadyHere(asked));
        }
        let id = self.ids.next();
        self.depart(member, from, id, &Departure::WISHED, listen);
        let to = self.open(found, listen);
        self.arrive(member, to, listen);
        self.close_if_empty(from, listen);
        Ok(())
    }

    /// Takes a member out of this room.
    pub(super) fn part(&mut self, member: MemberId, room: RoomId, listen: &mut dyn Listen) {
        let id = self.ids.next();
        self.depart(member, room, id, &Departure::WISHED, listen);
        self.close_if_empty(room, listen);
    }

    /// Tells the rooms whose time has come the joins and leaves they have not heard of yet: until so
    /// many members are told, and one room at least.
    pub(super) fn handle_timeout(&mut self, listen: &mut dyn Listen) {
        let mut hearers = 0;
        while hearers < self.rules.churn_hearers_per_turn_max
            && let Some(room) = self.rooms.take_churning(self.now)
        {
            hearers += self.rooms.get(room).roster.len();
            self.tell_churn(room, listen);
        }
    }

    fn tell_churn(&mut self, room: RoomId, listen: &mut dyn Listen) {
        let id = self.ids.next();
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
            let membership = self.members.get(member).membership(room)?;
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
    fn arrive(&mut self, member: MemberId, room: RoomId, listen: &mut dyn Listen) {
        let id = self.ids.next();
        self.rooms.enroll(room, member, &self.members);
        let here = self.rooms.get(room).roster.len();
        if self
            .rooms
            .get_mut(room)
            .may_announce(here, self.now, &self.rules)
        {
            let who = self.members.get(member).name.as_str();
            let what = What::Joined { who, here };
            self.tell_room(room, id, what, listen);
        } else {
            self.rooms
                .count_churn(room, self.now + self.rules.churn_interval, |churn| {
                    churn.joined += 1
                });
        }
        let known_churn = self.rooms.get(room).churn;
        self.members
            .get_mut(member)
            .rooms
            .push(Membership { room, known_churn });
        self.tell_entered(member, room, id, listen);
    }

    /// The member is in the room already, but whoever hears for it now does not know that.
    pub(super) fn enter_again(&mut self, member: MemberId, room: RoomId, listen: &mut dyn Listen) {
        let id = self.ids.next();
        let known_churn = self.rooms.get(room).churn;
        let mut rooms = self.members.get_mut(member).rooms.iter_mut();
        if let Some(membership) = rooms.find(|membership| membership.room == room) {
            membership.known_churn = known_churn;
        }
        self.tell_entered(member, room, id, listen);
    }

    fn tell_entered(&self, member: MemberId, room: RoomId, id: MessageId, listen: &mut dyn Listen) {
        let (state, arrived) = (self.rooms.get(room), self.members.get(member));
        let names = self
            .members
            .names_of(&state.roster, arrived.hears.names_max.into());
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
    fn depart(
        &mut self,
        member: MemberId,
        room: RoomId,
        id: MessageId,
        departure: &Departure<'_>,
        listen: &mut dyn Listen,
    ) {
        let &Departure {
            cause,
            reason,
            parting,
        } = departure;
        self.take_out(member, room, id, parting, listen);
        let here = self.rooms.get(room).roster.len();
        if self
            .rooms
            .get_mut(room)
            .may_announce(here + 1, self.now, &self.rules)
        {
            let what = What::Left {
                who: self.members.get(member).name.as_str(),
                here,
                cause,
                reason,
            };
            self.tell_room(room, id, what, listen);
        } else {
            self.rooms
                .count_churn(room, self.now + self.rules.churn_interval, |churn| {
                    churn.left += 1
                });
        }
    }

    /// The member goes out of the room, and nobody else is told.
    pub(super) fn take_out(
        &mut self,
        member: MemberId,
        room: RoomId,
        id: MessageId,
        parting: Parting,
        listen: &mut dyn Listen,
    ) {
        let parted = Fact {
            room: Some(self.rooms.place(room)),
            id,
            what: What::Parted {
                who: self.members.name_of(member),
                parting,
            },
        };
        listen.hear(To::Member(member), &parted);
        self.rooms.strike(room, member, &self.members);
        let rooms = &mut self.members.get_mut(member).rooms;
        rooms.retain(|membership| membership.room != room);
    }

    /// The room that was found, made at need. One that rests and could be taken for it is forgotten.
    pub(super) fn open(&mut self, found: Found, listen: &mut dyn Listen) -> RoomId {
        if let Found::Place(name) = &found {
            while let Some(alike) = self.rooms.resting_alike(name) {
                self.close(alike, listen);
            }
        }
        self.rooms.open(found)
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

    /// The room is gone, and its number free.
    fn close(&mut self, room: RoomId, listen: &mut dyn Listen) {
        let id = self.ids.next();
        self.tell_room(room, id, What::Closed, listen);
        self.rooms.remove(room);
    }
}
