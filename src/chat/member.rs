//! `Member`: somebody who has a name, and the rooms it is in. Which names are free, and who is
//! told what, is the business of `members`, which owns them, and of `presence`.

use smallvec::SmallVec;

use super::id::RoomId;
use super::name::Name;
use super::room::Churn;

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Name,
    /// The rooms it is in, in the order in which it came. Most members are in one, which then
    /// takes no memory of its own.
    pub(super) rooms: SmallVec<[Membership; 1]>,
    pub(super) hears: Hears,
}

/// How somebody likes to be told things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hears {
    /// What it says comes back to it.
    pub echo: bool,
    /// How many names it is told when it enters a room; the rest is counted.
    pub names_max: u16,
}

/// That a member is in a room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    pub(super) room: RoomId,
    /// What the room had not been told when the member came: the number of members that it was
    /// told then has counted that.
    pub(super) known_churn: Churn,
}

impl Member {
    pub(super) fn new(name: Name, hears: Hears) -> Member {
        Member {
            name,
            rooms: SmallVec::new(),
            hears,
        }
    }

    pub(super) fn is_in(&self, room: RoomId) -> bool {
        self.membership(room).is_some()
    }

    pub(super) fn membership(&self, room: RoomId) -> Option<&Membership> {
        self.rooms.iter().find(|membership| membership.room == room)
    }
}
