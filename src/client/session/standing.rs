//! What a user may want to see of a session besides what is said: where it is, how its link is,
//! and what of its own lines has not come back. Read only.

use std::time::{Duration, Instant};

use super::{Phase, Session};

/// How a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The room it is in, or comes back to.
    pub room: Option<&'a str>,
    /// Its link.
    pub link: Link,
    /// How long the last line of ours that came back was out; before there is one, how long the
    /// greeting took.
    pub round_trip: Option<Duration>,
}

/// The link of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// On its way, for the first time.
    Coming,
    /// There.
    Up,
    /// Lost; the next try is then.
    Lost {
        /// When it is tried again.
        until: Instant,
    },
    /// Lost, and being tried again.
    Returning,
    /// Given up: the session is over, or nearly so.
    Over,
}

impl Session {
    /// How it stands.
    pub fn standing(&self) -> Standing<'_> {
        let link = match self.phase {
            Phase::Talking { .. } => Link::Up,
            Phase::Away { until } => Link::Lost { until },
            Phase::Leaving { .. } | Phase::Ended(_) => Link::Over,
            Phase::New | Phase::Connecting | Phase::Greeting { .. } => match self.identity {
                Some(_) if self.lost_at.is_some() => Link::Returning,
                _ => Link::Coming,
            },
        };
        Standing {
            room: self.identity.as_ref().map(|known| known.room.as_str()),
            link,
            round_trip: self.round_trip,
        }
    }

    /// What the user said and has not seen returned, oldest first: messages on their way, and
    /// lines of any kind that wait for the link.
    pub fn unreturned(&self) -> impl Iterator<Item = &str> {
        let waiting = self.waiting.iter().map(String::as_str);
        self.ledger.unreturned().chain(waiting)
    }

    /// How many those are.
    pub fn unreturned_count(&self) -> usize {
        self.ledger.messages() + self.waiting.len()
    }
}
