//! The pacing rule: while a reader of a room that makes progress has more than half its outbox queued,
//! those who have said much lately are not heard there. Seen from outside, and only where there is no
//! doubt: of readers that are behind for long enough that somebody has looked, and not for so long
//! that it must be known how they get on. Part of the world.

use std::rc::Rc;
use std::time::Duration;

use chatd::time::Time;

use super::asked::Asked;
use super::world::{Outcome, World};

/// Within this the engine looks at those who are behind.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// So long somebody who has fallen behind is taken to make progress.
const GRACE: Duration = Duration::from_millis(300);
/// What takes longer to be forgotten was too much, whoever is behind.
const DEBT_MAX: Duration = Duration::from_millis(500);

/// How far a reader is behind.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    /// Since when more than half its outbox is queued, or was with short pauses.
    half_since: Option<Time>,
    /// Since when it is not, if that is the pause.
    pause_since: Option<Time>,
    /// Since when it is without a pause, in these rooms.
    steadily_since: Option<Time>,
    rooms: Vec<Rc<str>>,
}

impl Lag {
    /// A turn is over, and so much is queued.
    pub(crate) fn note(&mut self, now: Time, queued: usize, bytes_max: usize, rooms: &[Rc<str>]) {
        if queued > bytes_max / 2 {
            let pause = self.pause_since.take();
            if pause.is_some_and(|since| since + LOOK_INTERVAL <= now) {
                self.half_since = None;
            }
            self.half_since.get_or_insert(now);
            self.steadily_since.get_or_insert(now);
        } else {
            self.pause_since.get_or_insert(now);
            self.steadily_since = None;
        }
        if self.rooms != rooms {
            self.steadily_since = None;
            self.rooms = rooms.to_vec();
        }
    }

    /// Whether its rooms must go slower, beyond doubt.
    pub(crate) fn slows(&self, now: Time) -> bool {
        let was_seen = |since: Time| since + LOOK_INTERVAL <= now;
        let is_in_grace = |since: Time| now < since + GRACE;
        self.steadily_since.is_some_and(was_seen) && self.half_since.is_some_and(is_in_grace)
    }
}

impl World {
    /// A line is handled: if it is said in a room, that must not be one that goes slower for others
    /// than who says it.
    pub(crate) fn check_pace(&mut self, slot: usize, asked: &Asked) -> Outcome {
        let now = self.now;
        let Asked::Say { room, .. } = asked else {
            return Ok(());
        };
        let debt = self.peer(slot).throttle.debt(now);
        let Ok(key) = self.room_of(slot, room.as_deref()) else {
            return Ok(());
        };
        let readers = self.rooms[&key].seats.iter().map(|seat| seat.slot);
        let mut slow = readers.filter(|&reader| self.peer_ref(reader).lag.slows(now));
        match slow.next() {
            Some(reader) if debt > DEBT_MAX => Err(format!(
                "slot {slot} is heard in {key}, though slot {reader} is behind and it has said much"
            )),
            _ => Ok(()),
        }
    }
}
