//! Pacing: talkers are held while a reader of their room that makes progress is far behind, so that
//! a burst cuts nobody who reads. Who makes no progress holds nobody and is cut in time. It knows
//! sessions and rooms, not what is asked for. Owned by the requests.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::chat::RoomId;
use crate::config::Limits;
use crate::session::SessionId;
use crate::time::Time;

use super::sessions::Sessions;

/// Who is behind, which rooms go slower for that, and who waits.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Readers with more than half an outbox queued.
    readers: HashMap<SessionId, Reader>,
    /// Rooms with such a reader that makes progress.
    rooms: HashMap<RoomId, Slowed>,
    /// Talkers that are held for the sake of such a reader.
    held: HashSet<SessionId>,
    check_at: Time,
}

/// A room that goes slower.
#[derive(Debug)]
struct Slowed {
    /// How full the fullest outbox is: from 0 at one half to 1.
    fullness: f64,
    /// What may be said until the readers are looked at again, by whomever.
    left_bytes: usize,
}

/// How a reader that is behind gets on.
#[derive(Debug)]
struct Reader {
    /// When it was looked at, and how much it had taken in all by then; the newest last, one for
    /// about each tenth of the last second.
    taken: Vec<(Time, u64)>,
}

/// How often is looked at how the readers get on.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// What is counted as its pace.
const PACE_SPAN: Duration = Duration::from_secs(1);
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// So long a reader that has only now fallen behind is taken to make progress.
const GRACE: Duration = Duration::from_millis(300);
/// What may have been said lately by somebody who is not held in a room that goes slower, as the
/// time in which its bucket of bytes would be full again: less, the fuller the reader.
const QUIET_DEBT_MAX: Duration = Duration::from_millis(500);
/// Room, name, id and time around a text.
const AROUND_TEXT_BYTES: usize = 200;

impl Reader {
    /// Notes how much was taken; whether at this pace an outbox would be empty in time.
    fn makes_progress(
        &mut self,
        now: Time,
        taken: u64,
        outbox_bytes: usize,
        timeout: Duration,
    ) -> bool {
        let is_old = |&(at, _): &(Time, u64)| at + PACE_SPAN < now;
        // The one at the edge of the span stays.
        let old = self.taken.iter().filter(|sample| is_old(sample)).count();
        self.taken.drain(..old.saturating_sub(1));
        if self
            .taken
            .last()
            .is_none_or(|&(at, _)| at + SAMPLE_INTERVAL <= now)
        {
            self.taken.push((now, taken));
        }
        let &(since, before) = self.taken.first().unwrap_or(&(now, taken));
        let span = now.since(since);
        if span < GRACE {
            return true;
        }
        let needed = outbox_bytes as f64 / timeout.as_secs_f64();
        (taken - before) as f64 / span.as_secs_f64() >= needed
    }
}

impl Pace {
    /// Looks at the readers that are behind. Who is to talk on, since it need not wait any more; or is
    /// looked at again: who said least lately first.
    pub(super) fn update(&mut self, sessions: &mut Sessions, limits: &Limits) -> Vec<SessionId> {
        let now = sessions.now;
        let fallen_behind = std::mem::take(&mut sessions.queues.lagging);
        let is_new = !fallen_behind.is_empty();
        for id in fallen_behind {
            let taken = Vec::new();
            self.readers.entry(id).or_insert(Reader { taken });
        }
        if self.next_timeout().is_none() || (now < self.check_at && !is_new) {
            return Vec::new();
        }
        self.check_at = now + CHECK_INTERVAL;
        self.rooms.clear();
        let outbox_bytes_max = limits.outbox_bytes_max;
        let rooms = &mut self.rooms;
        let waiting_since = sessions.queues.waiting_since;
        self.readers.retain(|&id, reader| {
            let Some(session) = sessions.slots[id.slot()].as_mut() else {
                return false;
            };
            let bytes = session.outbox.bytes();
            if bytes <= outbox_bytes_max / 2 || !session.is_live() {
                session.lagging = false;
                return false;
            }
            let taken = session.outbox.bytes_taken();
            let gets_on = reader.makes_progress(now, taken, outbox_bytes_max, limits.stall_timeout);
            // Who was offered nothing of what it is owed, since no flush had time, does not stand still.
            let oldest = session.outbox.oldest(&sessions.store);
            let waits = session.waits_for_flush(waiting_since) && oldest >= waiting_since;
            if gets_on || waits {
                let fullness = (2.0 * bytes as f64 / outbox_bytes_max as f64 - 1.0).min(1.0);
                // Its rooms share what is free. A text may grow to twice its size, if it is all
                // quotes in JSON.
                let left = outbox_bytes_max.saturating_sub(bytes) / 2 / session.rooms.len().max(1);
                for hearing in &session.rooms {
                    let room = rooms.entry(hearing.room).or_insert(Slowed {
                        fullness,
                        left_bytes: left,
                    });
                    room.fullness = room.fullness.max(fullness);
                    room.left_bytes = room.left_bytes.min(left);
                }
            }
            true
        });
        let mut held: Vec<SessionId> = std::mem::take(&mut self.held).into_iter().collect();
        held.sort_unstable_by_key(|&id| {
            let session = sessions.get(id);
            (session.map(|session| session.throttle.debt(now)), id)
        });
        held
    }

    /// When the readers are to be looked at again.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        (!self.readers.is_empty() || !self.held.is_empty()).then_some(self.check_at)
    }

    pub(super) fn hold(&mut self, id: SessionId) {
        self.held.insert(id);
    }

    /// Lets somebody who has said so much lately say texts of so many bytes, if that need not wait
    /// for readers of this room. Who is quiet waits only where many are, who together would overflow
    /// an outbox.
    pub(super) fn admit(
        &mut self,
        room: RoomId,
        debt: Duration,
        texts_bytes: impl Iterator<Item = usize>,
    ) -> bool {
        let Some(slowed) = self.rooms.get_mut(&room) else {
            return true;
        };
        let needed: usize = texts_bytes.map(|bytes| bytes + AROUND_TEXT_BYTES).sum();
        match slowed.left_bytes.checked_sub(needed) {
            Some(left) if debt <= QUIET_DEBT_MAX.mul_f64(1.0 - slowed.fullness) => {
                slowed.left_bytes = left;
                true
            }
            _ => false,
        }
    }

    /// Whether any room goes slower.
    pub(super) fn is_needed(&self) -> bool {
        !self.rooms.is_empty()
    }

    /// Whether one of a session's rooms goes slower, so that what is read from it may have to be kept.
    pub(super) fn concerns(&self, sessions: &Sessions, id: SessionId) -> bool {
        self.is_needed()
            && sessions.get(id).is_some_and(|session| {
                let mut rooms = session.rooms.iter();
                rooms.any(|hearing| self.rooms.contains_key(&hearing.room))
            })
    }

    /// The connection is gone; its slot may be another's at once.
    pub(super) fn forget(&mut self, id: SessionId) {
        self.readers.remove(&id);
        self.held.remove(&id);
    }
}
