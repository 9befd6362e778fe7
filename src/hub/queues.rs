//! `Queues`: what a step of the turn leaves for another. Only lists; the hub and its turn go through
//! them. Owned by `sessions`.

use crate::fanout::block::{BlockStore, Slice};
use crate::session::{Input, Session, SessionId};
use crate::time::Time;

/// A connection that is to be closed.
#[derive(Debug)]
pub struct Doomed {
    /// Which.
    pub id: SessionId,
    /// All that it is still owed, if that ends with why the server ended it and is little. `None`
    /// if nothing of it is to be written any more.
    pub last_bytes: Option<Vec<u8>>,
}

/// What a step of the turn leaves for another.
#[derive(Debug)]
pub(super) struct Queues {
    /// Sessions that have something to write and were not yet handed to the turn.
    pub(super) dirty: Vec<SessionId>,
    /// Of those handed to the turn that no flush had time for yet, the first waits since then.
    pub(super) waiting_since: Option<Time>,
    /// Sessions whose outbox passed its bound.
    pub(super) overflowed: Vec<SessionId>,
    /// Sessions whose outbox has become more than half full.
    pub(super) lagging: Vec<SessionId>,
    /// Sessions that were held back for the sake of a turn or of their outbox, and go on in the next.
    pub(super) held: Vec<SessionId>,
    /// Sessions that are read from again.
    pub(super) released: Vec<SessionId>,
    /// Sessions that have ended and were not yet looked at by a flush.
    pub(super) just_ended: Vec<SessionId>,
    /// Sessions that the turn is to close.
    pub(super) doomed: Vec<Doomed>,
    outbox_bytes_max: usize,
}

impl Queues {
    /// Empty ones; an outbox overflows beyond so many bytes.
    pub(super) fn new(outbox_bytes_max: usize) -> Queues {
        Queues {
            dirty: Vec::new(),
            waiting_since: None,
            overflowed: Vec::new(),
            lagging: Vec::new(),
            held: Vec::new(),
            released: Vec::new(),
            just_ended: Vec::new(),
            doomed: Vec::new(),
            outbox_bytes_max,
        }
    }

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
