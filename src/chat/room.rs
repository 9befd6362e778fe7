//! `Room`: its roster, its topic, and the joins and leaves that it has not been told of yet. Which
//! rooms exist, and who is called what, is the business of `rooms`, which owns them, and of `members`.

use std::cmp::Ordering;

use crate::bucket::Bucket;
use crate::time::Time;

use super::id::{MemberId, MessageId};
use super::name::Name;
use super::rules::Rules;

/// One room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: Name,
    /// Empty if there is none.
    pub(super) topic: Box<str>,
    pub(super) roster: Roster,
    /// The newest message that was ever said here.
    pub(super) last: MessageId,
    pub(super) churn: Churn,
    /// Nobody is in it, and it is only remembered.
    pub(super) is_resting: bool,
    /// How many joins and leaves may still be announced individually.
    pub(super) news: Bucket,
}

impl Room {
    pub(super) fn new(name: Name) -> Room {
        Room {
            name,
            topic: Box::default(),
            roster: Roster::default(),
            last: MessageId::ZERO,
            churn: Churn::default(),
            is_resting: false,
            news: Bucket::default(),
        }
    }

    /// Whether a join or leave that involves this many members is announced by itself, which then
    /// is counted. Not while others wait to be told together: they came first.
    pub(super) fn may_announce(&mut self, members: usize, now: Time, rules: &Rules) -> bool {
        let rate = rules.announce_rate;
        let may = members <= rules.announce_members_max
            && self.churn.is_empty()
            && self.news.check(now, rate).is_ok();
        if may {
            self.news.take(now, rate, 1);
        }
        may
    }
}

/// Joins and leaves of a room that its members have not heard of yet.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Churn {
    pub(super) joined: u32,
    pub(super) left: u32,
    /// How often the room was told before.
    pub(super) told: u32,
}

impl Churn {
    pub(super) fn is_empty(self) -> bool {
        self.joined == 0 && self.left == 0
    }

    /// What of it came after `earlier`; all of it if the room was told in between.
    pub(super) fn since(self, earlier: Churn) -> Churn {
        if self.told != earlier.told {
            return self;
        }
        Churn {
            joined: self.joined - earlier.joined,
            left: self.left - earlier.left,
            ..self
        }
    }
}

/// Who is in a room, in alphabetical order.
#[derive(Debug, Default)]
pub(super) struct Roster(Vec<MemberId>);

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn members(&self) -> &[MemberId] {
        &self.0
    }

    /// Adds a member, whose name `name_of` must know.
    pub(super) fn insert<'a>(&mut self, member: MemberId, name_of: impl Fn(MemberId) -> &'a Name) {
        if let Err(place) = self.place(member, name_of) {
            self.0.insert(place, member);
        }
    }

    /// Removes a member, whose name `name_of` must still know.
    pub(super) fn remove<'a>(&mut self, member: MemberId, name_of: impl Fn(MemberId) -> &'a Name) {
        if let Ok(place) = self.place(member, name_of) {
            self.0.remove(place);
        }
    }

    fn place<'a>(
        &self,
        member: MemberId,
        name_of: impl Fn(MemberId) -> &'a Name,
    ) -> Result<usize, usize> {
        let name = name_of(member);
        self.0.binary_search_by(|&other| {
            alphabetical(name_of(other), name).then_with(|| other.cmp(&member))
        })
    }
}

/// The order of names in a list: without regard to case.
pub(super) fn alphabetical(a: &Name, b: &Name) -> Ordering {
    let (a, b) = (a.as_str(), b.as_str());
    if a.is_ascii() && b.is_ascii() {
        let small = |byte: u8| byte.to_ascii_lowercase();
        return a.bytes().map(small).cmp(b.bytes().map(small));
    }
    let small = char::to_lowercase;
    a.chars().flat_map(small).cmp(b.chars().flat_map(small))
}
