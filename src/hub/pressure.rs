//! The second half of a turn, as far as memory is concerned: what was said is sealed and laid into
//! outboxes, what was written is taken out of them, whoever is too far behind is cut. Part of the
//! hub.

use std::cmp::Reverse;

use crate::session::{CloseReason, Hold, SessionId};
use crate::time::Time;

use super::Hub;

/// What the turn is to do with a connection after it wrote to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterWrite {
    /// Nothing.
    KeepOpen,
    /// It has ended and could not be written all it is owed: nothing will follow that, so the
    /// kernel may take it whatever it holds already.
    Widen,
    /// Everything is written, and nothing will follow: shut our side.
    Shut,
}

impl Hub {
    /// Seals what was said in this turn and lays it into the outboxes. Whoever overflows is cut,
    /// which others are told, which may make them overflow: so it goes on in rounds, each told
    /// as a whole, until nobody does.
    pub fn seal(&mut self) {
        self.cut_backlog();
        self.cut_slow_consumers();
        loop {
            self.listeners.delivery.seal_rooms();
            let overflowed = std::mem::take(&mut self.listeners.delivery.queues.overflowed);
            if overflowed.is_empty() {
                break;
            }
            for id in overflowed {
                // The slot may have a new owner since.
                if self.session(id).is_some_and(|session| session.overflowed) {
                    self.end(id, CloseReason::TooSlow, None);
                }
            }
        }
        self.listeners.delivery.seal_answers();
    }

    /// Those that have something to write since the last call, for which [`Hub::clear_dirty`] is to
    /// be called when they are written to.
    pub fn take_dirty(&mut self, list: &mut impl Extend<SessionId>) {
        list.extend(self.listeners.delivery.queues.dirty.drain(..));
    }

    /// A connection is written to.
    pub fn clear_dirty(&mut self, id: SessionId) {
        if let Some(session) = self.session_mut(id) {
            session.dirty = false;
        }
    }

    /// Not everybody was written to: of those who wait for it, the first does since that turn.
    pub fn set_waiting_since(&mut self, since: Option<Time>) {
        self.listeners.delivery.queues.waiting_since = since;
    }

    /// A connection takes bytes again, or has more to write: it comes with the next
    /// [`Hub::take_dirty`] if it is owed something.
    pub fn mark_dirty(&mut self, id: SessionId) {
        if self.queued_bytes(id) > 0 {
            self.listeners.delivery.mark_dirty(id);
        }
    }

    /// Bytes a connection is owed.
    pub fn queued_bytes(&self, id: SessionId) -> usize {
        self.session(id).map_or(0, |session| session.outbox.bytes())
    }

    /// What a connection is owed, in order, as contiguous chunks.
    pub fn chunks(&self, id: SessionId) -> impl Iterator<Item = &[u8]> {
        let store = &self.listeners.delivery.store;
        let session = self.session(id).into_iter();
        session.flat_map(|session| session.outbox.chunks(store))
    }

    /// The first `count` of these bytes were written.
    pub fn consume(&mut self, id: SessionId, count: usize) {
        let delivery = &mut self.listeners.delivery;
        if let Some(session) = delivery.sessions[id.slot()].as_mut() {
            session.outbox.consume(&mut delivery.store, count);
        }
    }

    /// So many of these bytes are sealed and must be written, also if the connection is cut.
    pub fn promise(&mut self, id: SessionId, count: usize) {
        if let Some(session) = self.session_mut(id) {
            session.outbox.promise(count);
        }
    }

    /// What the transport of all connections holds: sealed and not written, or read and not whole.
    /// It counts as what outboxes hold does.
    pub fn set_transport_bytes(&mut self, bytes: usize) {
        self.memory.transport_bytes = bytes;
    }

    /// Bytes that a connection has taken in all.
    pub fn bytes_taken(&self, id: SessionId) -> u64 {
        self.session(id)
            .map_or(0, |session| session.outbox.bytes_taken())
    }

    /// What a connection has taken lies in the kernel for too long.
    pub fn cut_stalled(&mut self, id: SessionId) {
        self.end(id, CloseReason::TooSlow, None);
    }

    /// As much was written as the socket takes.
    pub fn after_write(&mut self, id: SessionId) -> AfterWrite {
        let Some(session) = self.session(id) else {
            return AfterWrite::KeepOpen;
        };
        if session.frames().is_some_and(|frames| frames.ping.is_some()) {
            self.answer_ping(id);
        }
        let Some(session) = self.session(id) else {
            return AfterWrite::KeepOpen;
        };
        let owed = session.outbox.bytes();
        let has_ended = !session.is_live();
        if session.hold == Hold::Outbox && owed <= self.limits.outbox_bytes_max / 4 {
            self.held.push(id);
        }
        if owed > 0 {
            self.arm(id);
            return if has_ended {
                AfterWrite::Widen
            } else {
                AfterWrite::KeepOpen
            };
        }
        if self.start_lingering(id) {
            AfterWrite::Shut
        } else {
            AfterWrite::KeepOpen
        }
    }

    /// The end of the turn, after everything was written that it had time for: memory is settled.
    pub fn settle(&mut self) {
        self.just_ended.clear();
        self.listeners.delivery.store.settle();
        let somebody_waits = self.listeners.delivery.queues.waiting_since.is_some();
        let is_pressed = somebody_waits && self.is_short_of_memory();
        self.listeners.delivery.queues.is_pressed = is_pressed;
    }

    /// All that slow readers and held talkers make grow: blocks, what refers to them, and lines that
    /// wait. What one turn adds to that is bounded by itself, and histories are by theirs.
    fn pressing_bytes(&self) -> usize {
        let delivery = &self.listeners.delivery;
        delivery.store.memory_bytes() + self.memory.kept_bytes + self.memory.transport_bytes
    }

    /// All that can grow, histories included.
    pub fn memory_bytes(&self) -> usize {
        self.pressing_bytes() + self.listeners.histories.bytes()
    }

    /// Whether that is more than it may be.
    pub fn is_short_of_memory(&self) -> bool {
        self.pressing_bytes() > self.limits.outbox_total_bytes_max
    }

    /// While all outboxes together hold too much memory, whoever is furthest behind goes: it is
    /// the oldest blocks that are to become free, and one that only drains must not keep them. What
    /// was laid in this turn does not count yet, since most of it will be taken at once. What is
    /// sealed for a connection becomes free only with the connection: that one is not told why.
    /// Then those go whose connection is gone, with what they have not said yet.
    fn cut_slow_consumers(&mut self) {
        if !self.is_short_of_memory() {
            return;
        }
        self.listeners.delivery.store.drop_spare();
        for id in self.slow_consumers() {
            if !self.is_short_of_memory() {
                return;
            }
            let Some(session) = self.session(id) else {
                continue;
            };
            let (is_live, sealed) = (session.is_live(), session.outbox.promised());
            if is_live {
                self.end(id, CloseReason::TooSlow, None);
            }
            if !is_live || sealed > 0 {
                self.doom(id);
                let left = self.memory.transport_bytes.saturating_sub(sealed);
                self.memory.transport_bytes = left;
            }
        }
        let mut gone: Vec<_> = self.gone.iter().map(|(&id, &until)| (until, id)).collect();
        gone.sort_unstable();
        for (_, id) in gone {
            if !self.is_short_of_memory() {
                return;
            }
            self.end_gone(id);
        }
    }

    /// Who has not taken what was said before this turn, the furthest behind first. Who ended in
    /// this turn is not among them: a flush must have had the chance to write its last line.
    fn slow_consumers(&self) -> Vec<SessionId> {
        let delivery = &self.listeners.delivery;
        let (store, now) = (&delivery.store, self.now());
        let waiting_since = delivery.queues.waiting_since;
        let mut just_ended = self.just_ended.clone();
        just_ended.sort_unstable();
        let sessions = (0u32..).zip(&delivery.sessions);
        let mut behind: Vec<_> = sessions
            .filter_map(|(slot, session)| {
                let session = session.as_ref()?;
                let outbox = &session.outbox;
                let oldest = outbox.oldest(store).filter(|&oldest| oldest < now)?;
                if session.waits_for_flush(waiting_since) {
                    return None;
                }
                let had_a_flush = just_ended.binary_search(&SessionId(slot)).is_err();
                had_a_flush.then_some((oldest, Reverse(outbox.bytes()), slot))
            })
            .collect();
        behind.sort_unstable();
        let ids = behind.into_iter().map(|(_, _, slot)| SessionId(slot));
        ids.collect()
    }
}
