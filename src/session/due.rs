//! When something is due: the one list of a session's deadlines, and the order in which all
//! sessions are looked at. An entry there is a promise to look, not a fact: what is really due is
//! asked of the session then, so nothing is ever taken out of the middle. Owned by the hub.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::config::Limits;
use crate::dialect::Dialect;
use crate::fanout::block::BlockStore;
use crate::time::Time;

use super::phase::Phase;
use super::{Frames, Hold, Session, SessionId};

/// Something that only time brings about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It has drained or lingered long enough.
    Close,
    /// Its connection is gone, and what it had sent took too long to say.
    Forget,
    /// It has no name in time.
    NameTimeout,
    /// It has said nothing and is to be told what to do.
    Prompt,
    /// A WebSocket has been silent for so long that it is to be asked whether it is there.
    Ping,
    /// A WebSocket has not finished a frame in time.
    HalfFrame,
    /// What it is owed has lain too long.
    Stall,
    /// Its rate allows another line, or its budget another answer.
    Resume,
}

impl Due {
    /// Every deadline that a session has now: which, and when. `gone_until` is that of one whose connection
    /// is gone; `waiting_since` as in [`Session::waits_for_flush`].
    fn all(
        session: &Session,
        store: &BlockStore,
        limits: &Limits,
        gone_until: Option<Time>,
        waiting_since: Option<Time>,
    ) -> impl Iterator<Item = (Due, Time)> {
        let close = match session.phase() {
            Phase::Draining { until, .. } | Phase::Lingering { until, .. } => Some(until),
            Phase::Naming { .. } | Phase::Posting | Phase::Chatting | Phase::Doomed { .. } => None,
        };
        let name_timeout = match session.dialect {
            Dialect::Http => limits.name_timeout.min(limits.http_head_timeout),
            _ => limits.name_timeout,
        };
        let name = match session.phase() {
            Phase::Naming { .. } => Some(session.connected_at + name_timeout),
            Phase::Posting => Some(session.active_at + name_timeout),
            _ => None,
        };
        let is_silent =
            session.phase() == Phase::Naming { prompted: false } && !session.has_spoken();
        let prompt_timeout = limits.prompt_timeout.filter(|_| is_silent);
        let prompt = prompt_timeout.map(|timeout| session.connected_at + timeout);
        // That no flush had time for it is not its doing.
        let is_asked = session.is_live() && !session.waits_for_flush(waiting_since);
        let oldest = session.outbox.oldest(store).filter(|_| is_asked);
        let stall = oldest.map(|oldest| oldest + limits.stall_timeout);
        let resume = match session.hold {
            Hold::Rate(until) | Hold::Answers(until) if session.is_live() => Some(until),
            _ => None,
        };
        let frames = session.frames().filter(|_| session.is_live());
        let ping = frames.map(|frames| {
            let heard_or_asked = frames.pinged_at.max(session.active_at);
            heard_or_asked + limits.websocket_ping_interval
        });
        // While nothing is read, a frame cannot go on.
        let waited_for = frames.filter(|_| session.hold == Hold::No);
        let half_frame = waited_for.and_then(Frames::unfinished_since);
        let half_frame = half_frame.map(|since| since + limits.websocket_frame_timeout);
        [
            (Due::Close, close),
            (Due::Forget, gone_until.filter(|_| session.is_live())),
            (Due::NameTimeout, name),
            (Due::Prompt, prompt),
            (Due::Stall, stall),
            (Due::HalfFrame, half_frame),
            (Due::Resume, resume),
            (Due::Ping, ping),
        ]
        .into_iter()
        .filter_map(|(due, at)| Some((due, at?)))
    }

    /// When the first of a session's deadlines falls due.
    pub fn next_timeout(
        session: &Session,
        store: &BlockStore,
        limits: &Limits,
        gone_until: Option<Time>,
        waiting_since: Option<Time>,
    ) -> Time {
        let deadlines =
            Due::all(session, store, limits, gone_until, waiting_since).map(|(_, at)| at);
        deadlines.min().unwrap_or(Time::NEVER)
    }

    /// The first in the list of what is due for a session now.
    pub fn poll(
        session: &Session,
        now: Time,
        store: &BlockStore,
        limits: &Limits,
        gone_until: Option<Time>,
        waiting_since: Option<Time>,
    ) -> Option<Due> {
        let mut deadlines = Due::all(session, store, limits, gone_until, waiting_since);
        deadlines.find(|&(_, at)| at <= now).map(|(due, _)| due)
    }
}

/// Room that is never given back, so that a quiet server does not allocate.
const DEADLINES_KEPT: usize = 1024;

/// All points at which sessions are to be looked at.
#[derive(Debug, Default)]
pub struct Deadlines {
    sessions: BinaryHeap<Reverse<(Time, SessionId)>>,
}

impl Deadlines {
    /// Looks at a session at this point.
    pub fn add(&mut self, at: Time, session: SessionId) {
        self.sessions.push(Reverse((at, session)));
    }

    /// A session to look at, and the point for which that was promised.
    pub fn next(&mut self, now: Time) -> Option<(Time, SessionId)> {
        let &Reverse((at, session)) = self.sessions.peek()?;
        if at > now {
            return None;
        }
        self.sessions.pop();
        self.give_back_room();
        Some((at, session))
    }

    /// The earliest point.
    pub fn earliest(&self) -> Option<Time> {
        self.sessions.peek().map(|&Reverse((at, _))| at)
    }

    /// A storm of connections that end at once leaves a promise for each, all kept a moment later:
    /// what these needed is not kept. Rarely enough that each costs next to nothing.
    fn give_back_room(&mut self) {
        let (length, capacity) = (self.sessions.len(), self.sessions.capacity());
        if capacity > DEADLINES_KEPT && length < capacity / 4 {
            self.sessions.shrink_to(DEADLINES_KEPT.max(capacity / 2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn f12_what_a_storm_needed_is_given_back_when_its_deadlines_have_passed() {
        let mut deadlines = Deadlines::default();
        let after = |number: u64| Time::START + Duration::from_micros(number);
        for number in 0..100_000 {
            deadlines.add(after(number), SessionId(7));
        }
        let mut looked_at = 0;
        while let Some((at, session)) = deadlines.next(after(99_989)) {
            assert_eq!((at, session), (after(looked_at), SessionId(7)));
            looked_at += 1;
        }
        assert_eq!(looked_at, 99_990);
        assert_eq!(deadlines.sessions.len(), 10);
        assert!(deadlines.sessions.capacity() <= DEADLINES_KEPT);
    }
}
