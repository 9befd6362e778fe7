//! `Queues`: what a turn leaves for its next step. Only lists; the hub goes through them. Owned by
//! delivery.

use crate::fanout::block::{BlockStore, Slice};
use crate::session::{Input, Session, SessionId};
use crate::time::Time;

/// What a turn leaves for its next step: who has something to write, and who was laid too much.
#[derive(Debug)]
pub(super) struct Queues {
    /// Sessions that have something to write and were not yet handed to the turn.
    pub(super) dirty: Vec<SessionId>,
    /// Of those handed to the turn that no flush had time for yet, the first waits since then.
    pub(super) waiting_since: Option<Time>,
    /// Memory is short, and those who wait to be written to may be why: nobody says more until they
    /// were.
    pub(super) is_pressed: bool,
    /// Sessions whose outbox passed its bound.
    pub(super) overflowed: Vec<SessionId>,
    /// Sessions whose outbox has become more than half full.
    pub(super) lagging: Vec<SessionId>,
    pub(super) outbox_bytes_max: usize,
}

impl Queues {
    /// Lays a slice into an outbox.
    pub(super) fn lay(
        &mut self,
        session: &mut Session,
        id: SessionId,
        store: &mut BlockStore,
        slice: Slice,
    ) {
        if matches!(session.input, Input::Gone(_)) {
            return;
        }
        debug_assert!(session.is_live(), "nothing follows the last word");
        session.outbox.push(store, slice);
        self.mark_dirty(session, id);
        if session.outbox.bytes() > self.outbox_bytes_max / 2 {
            self.note_lagging(session, id);
        }
    }

    fn note_lagging(&mut self, session: &mut Session, id: SessionId) {
        if !std::mem::replace(&mut session.lagging, true) {
            self.lagging.push(id);
        }
        if session.outbox.bytes() > self.outbox_bytes_max && !session.overflowed {
            session.overflowed = true;
            self.overflowed.push(id);
        }
    }

    /// The session has something to write.
    pub(super) fn mark_dirty(&mut self, session: &mut Session, id: SessionId) {
        if !session.dirty {
            session.dirty = true;
            self.dirty.push(id);
        }
    }
}
