//! One room of the shadow: who is there, what was said, who came and went. Owned by the world.

use std::rc::Rc;

use chatd::chat::{MessageId, RoomId};
use chatd::config::Limits;
use chatd::time::Time;

use super::past::Said;
use super::peer::Bucket;

#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: Rc<str>,
    /// Its number, once a fact has shown it.
    pub(crate) id: Option<RoomId>,
    pub(crate) topic: String,
    pub(crate) seats: Vec<Seat>,
    /// Joins and leaves that are to be told together.
    pub(crate) churn: Option<Churn>,
    /// What may still be told of them one by one.
    pub(crate) news: Bucket,
    /// All that was ever said here.
    pub(crate) said: Vec<Said>,
    pub(crate) last: MessageId,
}

/// Somebody in the room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) slot: usize,
    /// Joins and leaves that the room had not been told of when it came.
    pub(crate) known: (usize, usize),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Churn {
    pub(crate) joined: usize,
    pub(crate) left: usize,
    pub(crate) since: Time,
}

impl Room {
    pub(crate) fn new(name: &str, limits: &Limits) -> Room {
        Room {
            name: name.into(),
            id: None,
            topic: String::new(),
            seats: Vec::new(),
            churn: None,
            news: Bucket::new(limits.announce_per_second, limits.announce_burst),
            said: Vec::new(),
            last: MessageId::ZERO,
        }
    }

    /// Whether a join or a leave among so many is told by itself.
    pub(crate) fn announces(&mut self, members: usize, now: Time, limits: &Limits) -> bool {
        let may =
            members <= limits.announce_members_max && self.churn.is_none() && self.news.allows(now);
        if may {
            self.news.take(now, 1);
        }
        may
    }

    pub(crate) fn churn(&mut self, now: Time) -> &mut Churn {
        self.churn.get_or_insert(Churn {
            joined: 0,
            left: 0,
            since: now,
        })
    }

    /// How many messages are in memory: at least, and at most. What a message takes beside its
    /// words is not known, only that it is little.
    pub(crate) fn kept(&self, limits: &Limits) -> (usize, usize) {
        const OVERHEAD: usize = 32;
        if limits.history_lines_max == 0 {
            return (0, 0);
        }
        let count = |overhead: usize| {
            let mut kept = 0;
            let mut bytes = 0;
            for said in self.said.iter().rev().take(limits.history_lines_max) {
                bytes += said.from.len() + said.text.len() + overhead;
                if bytes > limits.history_bytes_max {
                    break;
                }
                kept += 1;
            }
            kept
        };
        // Where all rooms together have a narrow bound, a silent one may have forgotten all.
        let least = if total_is_narrow(limits) {
            0
        } else {
            count(OVERHEAD)
        };
        (least, count(0))
    }
}

/// Whether what all rooms keep may be more than they may.
pub(crate) fn total_is_narrow(limits: &Limits) -> bool {
    limits.history_total_bytes_max < 1 << 20
}
