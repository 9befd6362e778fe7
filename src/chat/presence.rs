//! Coming and going: who is in which roster, and how a room hears of it, singly or together. Part of
//! the directory.

use super::directory::{Directory, Member, Tell};
use super::name::Name;
use super::room::Churn;
use super::vocabulary::{Audience, Event, MemberId, RoomId};

impl Directory {
    /// Tells a room the joins and leaves it has not heard of yet, if there are any.
    pub fn tell_churn(&mut self, room: RoomId, tell: &mut Tell<'_>) {
        let Some(room_now) = self.rooms.get_mut(room.slot()) else {
            return;
        };
        let told = room_now.churn.told.wrapping_add(1);
        let churn = std::mem::replace(
            &mut room_now.churn,
            Churn {
                told,
                ..Churn::default()
            },
        );
        if churn.is_empty() {
            return;
        }
        // Who came meanwhile has some of it in its welcome already.
        let came_later = |id: &MemberId| {
            self.member(*id)
                .is_some_and(|member| member.churn.told == churn.told && !member.churn.is_empty())
        };
        let newcomers: Vec<_> = self
            .roster(room)
            .iter()
            .copied()
            .filter(came_later)
            .collect();
        let here = self.roster(room).len();
        tell(Audience::Others(room, &newcomers), churn_event(churn, here));
        for id in newcomers {
            let rest = self
                .member(id)
                .map_or(churn, |member| churn.since(member.churn));
            if !rest.is_empty() {
                tell(Audience::One(id), churn_event(rest, here));
            }
        }
    }

    /// A room that has begun to have joins and leaves to tell, each room once.
    pub fn take_churning(&mut self) -> Option<RoomId> {
        self.churning.pop()
    }

    /// The member, whose name and room are set, is added to the roster; everybody is told.
    pub(super) fn arrive(&mut self, member: MemberId, room: RoomId, tell: &mut Tell<'_>) {
        self.enroll(member, room);
        let here = self.rooms[room.slot()].roster.len();
        if self.is_told_singly(room, here) {
            let who = &self.members[member.slot()]
                .as_ref()
                .expect("who arrives has a name")
                .name;
            tell(
                Audience::Others(room, &[member]),
                Event::Joined { who, here },
            );
        } else {
            self.count_churn(room, |churn| churn.joined += 1);
        }
        self.member_mut(member).churn = self.rooms[room.slot()].churn;
        let (here, who) = (&self.rooms[room.slot()], self.name_of(member));
        let names = self.names(room, self.rules.welcome_names_max);
        if let Some(who) = who {
            tell(
                Audience::One(member),
                Event::Welcome {
                    room: &here.name,
                    who,
                    names,
                },
            );
        }
        if !here.history.is_empty() {
            tell(Audience::One(member), Event::History(&here.history));
        }
    }

    /// The member is taken out of its room's roster; those who stay are told.
    pub(super) fn depart(&mut self, member: MemberId, why: Option<&str>, tell: &mut Tell<'_>) {
        let room = self.member_mut(member).room;
        let before = self.rooms[room.slot()].roster.len();
        self.strike(member, room);
        if self.is_told_singly(room, before) {
            let who = &self.members[member.slot()]
                .as_ref()
                .expect("who departs has a name")
                .name;
            tell(
                Audience::Others(room, &[member]),
                Event::Left {
                    who,
                    here: before - 1,
                    why,
                },
            );
        } else {
            self.count_churn(room, |churn| churn.left += 1);
        }
    }

    /// Whether a join or leave that involves this many members is told by itself. Not while others
    /// wait to be told together: they came first.
    fn is_told_singly(&self, room: RoomId, members: usize) -> bool {
        members <= self.rules.announce_members_max && self.rooms[room.slot()].churn.is_empty()
    }

    fn count_churn(&mut self, room: RoomId, count: impl FnOnce(&mut Churn)) {
        let churn = &mut self.rooms[room.slot()].churn;
        if churn.is_empty() {
            self.churning.push(room);
        }
        count(churn);
    }

    pub(super) fn enroll(&mut self, member: MemberId, room: RoomId) {
        let members = &self.members;
        self.rooms[room.slot()]
            .roster
            .insert(member, |id| name_in(members, id));
    }

    pub(super) fn strike(&mut self, member: MemberId, room: RoomId) {
        let members = &self.members;
        self.rooms[room.slot()]
            .roster
            .remove(member, |id| name_in(members, id));
    }
}

fn churn_event(churn: Churn, here: usize) -> Event<'static> {
    let (joined, left) = (churn.joined as usize, churn.left as usize);
    Event::Churn { joined, left, here }
}

fn name_in(members: &[Option<Member>], member: MemberId) -> &Name {
    &members[member.slot()]
        .as_ref()
        .expect("who is in a roster has a name")
        .name
}
