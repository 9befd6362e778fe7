//! `Deadlines`: which session is to be looked at when. An entry is a promise to look, not a fact:
//! what is really due is asked of the session then, so nothing of theirs is ever taken out of the
//! middle.
//! Owned by the hub.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use crate::chat::RoomId;
use crate::time::Time;

/// Room that is never given back, so that a quiet server does not allocate.
const SESSIONS_KEPT: usize = 1024;

/// All points at which the hub wants to be woken.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    sessions: BinaryHeap<Reverse<(Time, u32)>>,
    /// Rooms that have joins and leaves to tell; the interval is one for all, so they stay in order.
    rooms: VecDeque<(Time, RoomId)>,
}

impl Deadlines {
    /// Looks at a session at this point.
    pub(super) fn add_session(&mut self, at: Time, slot: u32) {
        self.sessions.push(Reverse((at, slot)));
    }

    /// Looks at a room after its interval.
    pub(super) fn add_room(&mut self, now: Time, interval: Duration, room: RoomId) {
        self.rooms.push_back((now + interval, room));
    }

    /// A room is gone; the next one under its number has an interval of its own.
    pub(super) fn forget_room(&mut self, gone: RoomId) {
        self.rooms.retain(|&(_, room)| room != gone);
    }

    /// A session to look at, and the point for which that was promised.
    pub(super) fn next_session(&mut self, now: Time) -> Option<(Time, u32)> {
        let &Reverse((at, slot)) = self.sessions.peek()?;
        if at > now {
            return None;
        }
        self.sessions.pop();
        self.give_back_room();
        Some((at, slot))
    }

    /// A storm of connections that end at once leaves a promise for each, all kept a moment later:
    /// what these needed is not kept. Rarely enough that each costs next to nothing.
    fn give_back_room(&mut self) {
        let (length, capacity) = (self.sessions.len(), self.sessions.capacity());
        if capacity > SESSIONS_KEPT && length < capacity / 4 {
            self.sessions.shrink_to(SESSIONS_KEPT.max(capacity / 2));
        }
    }

    /// A room to look at.
    pub(super) fn next_room(&mut self, now: Time) -> Option<RoomId> {
        let &(at, room) = self.rooms.front()?;
        if at > now {
            return None;
        }
        self.rooms.pop_front();
        Some(room)
    }

    /// The earliest point.
    pub(super) fn earliest(&self) -> Option<Time> {
        let session = self.sessions.peek().map(|&Reverse((at, _))| at);
        let room = self.rooms.front().map(|&(at, _)| at);
        session.into_iter().chain(room).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f12_what_a_storm_needed_is_given_back_when_its_deadlines_have_passed() {
        let mut deadlines = Deadlines::default();
        let after = |number: u64| Time::START + Duration::from_micros(number);
        for number in 0..100_000 {
            deadlines.add_session(after(number), 7);
        }
        let mut looked_at = 0;
        while let Some((at, slot)) = deadlines.next_session(after(99_989)) {
            assert_eq!((at, slot), (after(looked_at), 7));
            looked_at += 1;
        }
        assert_eq!(looked_at, 99_990);
        assert_eq!(deadlines.sessions.len(), 10);
        assert!(deadlines.sessions.capacity() <= SESSIONS_KEPT);
    }
}
