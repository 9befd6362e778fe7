//! `Timers`: when sessions are to be looked at, and until when what was sent by those whose connection
//! is gone may still be said. What is due then is asked of the session. Owned by `sessions`.

use std::collections::HashMap;

use crate::config::Limits;
use crate::fanout::block::BlockStore;
use crate::session::{Deadlines, Due, Session, SessionId};
use crate::time::Time;

/// The deadlines of all sessions.
#[derive(Debug, Default)]
pub(super) struct Timers {
    deadlines: Deadlines,
    /// Until when what was sent by those whose connection is gone may still be said.
    gone: HashMap<SessionId, Time>,
}

impl Timers {
    /// Makes sure that a session is looked at when something is due.
    pub(super) fn arm(
        &mut self,
        session: &mut Session,
        id: SessionId,
        store: &BlockStore,
        limits: &Limits,
        waiting_since: Option<Time>,
    ) {
        let gone_until = self.gone.get(&id).copied();
        let deadline = Due::next_timeout(session, store, limits, gone_until, waiting_since);
        if deadline < session.armed {
            session.armed = deadline;
            self.deadlines.add(deadline, id);
        }
    }

    /// A session to look at, and the point for which that was promised.
    pub(super) fn next(&mut self, now: Time) -> Option<(Time, SessionId)> {
        self.deadlines.next(now)
    }

    /// The earliest point at which a session is to be looked at.
    pub(super) fn earliest(&self) -> Option<Time> {
        self.deadlines.earliest()
    }

    /// The connection of a session is gone; what it has sent may be said until then.
    pub(super) fn outlive(&mut self, id: SessionId, until: Time) {
        self.gone.insert(id, until);
    }

    /// Nothing more is said of what a session had sent before its connection was gone.
    pub(super) fn forget(&mut self, id: SessionId) {
        self.gone.remove(&id);
    }

    /// Until when what a session had sent may be said, if its connection is gone.
    pub(super) fn gone_until(&self, id: SessionId) -> Option<Time> {
        self.gone.get(&id).copied()
    }

    /// Those whose connection is gone, in no order.
    pub(super) fn gone(&self) -> impl Iterator<Item = SessionId> {
        self.gone.keys().copied()
    }
}
