//! `Sessions`: all connections, what they are owed, and when something is due for one of them: what
//! can be done to a connection without knowing the chat. Not who is who, and not why a session ends.
//! Owned by delivery; the turn sees it through the hub.

use crate::config::Limits;
use crate::fanout::block::{BlockStore, Slice};
use crate::session::{CloseReason, Due, Hold, Session, SessionId, Step, Transport};
use crate::time::Time;

use super::queues::{Doomed, Queues};
use super::timers::Timers;

/// Places kept for those who have something to write.
const DIRTY_KEPT: usize = 4096;
/// What a connection that is closed may still be owed at most, for it to be written later. Who was cut
/// as too slow is owed what a transport has sealed at once, the end of one line, and why.
const LAST_BYTES_MAX: usize = 256 << 10;

/// All connections, by slot. More than 20 methods, each a step for one session or a question about
/// it: they stand together since each needs the slot and, beside it, the blocks, a queue or the
/// deadlines, which are the same for all.
#[derive(Debug)]
pub struct Sessions {
    pub(super) slots: Vec<Option<Session>>,
    pub(super) store: BlockStore,
    pub(super) queues: Queues,
    pub(super) timers: Timers,
    live: usize,
    /// Bytes that all of them took since the beginning.
    pub(super) sent_bytes: u64,
    /// When this turn began.
    pub(super) now: Time,
}

impl Sessions {
    pub(super) fn new(outbox_bytes_max: usize) -> Sessions {
        Sessions {
            slots: Vec::new(),
            store: BlockStore::default(),
            queues: Queues::new(outbox_bytes_max),
            timers: Timers::default(),
            live: 0,
            sent_bytes: 0,
            now: Time::START,
        }
    }

    /// Sessions that have not ended.
    pub fn live(&self) -> usize {
        self.live
    }

    /// Bytes a connection is owed.
    pub fn queued_bytes(&self, id: SessionId) -> usize {
        self.get(id).map_or(0, |session| session.outbox.bytes())
    }

    /// Whether this connection is to be read from. One that has ended is: what it sends is dropped.
    pub fn wants_input(&self, id: SessionId) -> bool {
        let session = self.get(id);
        session.is_some_and(|session| !session.is_live() || session.hold == Hold::No)
    }

    /// Whether its next line waits until the archive has caught up.
    pub fn waits_for_archive(&self, id: SessionId) -> bool {
        self.get(id)
            .is_some_and(|session| session.hold == Hold::Behind)
    }

    /// What the connection is carried by, as its first bytes have shown; asked while nothing has come
    /// from it yet.
    pub fn learn_transport(&mut self, id: SessionId, transport: impl FnOnce() -> Transport) {
        if let Some(session) = self.get_mut(id).filter(|session| !session.has_spoken()) {
            session.transport = transport();
        }
    }

    /// What a connection is owed, in order, as contiguous chunks.
    pub fn chunks(&self, id: SessionId) -> impl Iterator<Item = &[u8]> {
        let session = self.get(id).into_iter();
        session.flat_map(|session| session.outbox.chunks(&self.store))
    }

    /// The first `count` of these bytes were written.
    pub fn consume(&mut self, id: SessionId, count: usize) {
        if let Some(session) = self.slots[id.slot()].as_mut() {
            session.outbox.consume(&mut self.store, count);
            self.sent_bytes += count as u64;
        }
    }

    /// So many of these bytes are sealed and must be written, also if the connection is cut.
    pub fn promise(&mut self, id: SessionId, count: usize) {
        if let Some(session) = self.get_mut(id) {
            session.outbox.promise(count);
        }
    }

    /// A connection takes bytes again, or has more to write: it comes with the next
    /// [`Sessions::take_dirty`] if it is owed something.
    pub fn mark_writable(&mut self, id: SessionId) {
        if self.queued_bytes(id) > 0 {
            self.mark_dirty(id);
        }
    }

    /// Those that have something to write since the last call, for which [`Sessions::clear_dirty`] is
    /// to be called when they are written to.
    pub fn take_dirty(&mut self, list: &mut impl Extend<SessionId>) {
        list.extend(self.queues.dirty.drain(..));
        self.queues.dirty.shrink_to(DIRTY_KEPT);
    }

    /// A connection is written to now.
    pub fn clear_dirty(&mut self, id: SessionId) {
        if let Some(session) = self.get_mut(id) {
            session.dirty = false;
        }
    }

    /// Not everybody was written to: of those who wait for that, the first does since then.
    pub fn set_waiting_since(&mut self, since: Option<Time>) {
        self.queues.waiting_since = since;
    }

    /// The next of those that may be read from again.
    pub fn poll_released(&mut self) -> Option<SessionId> {
        self.queues.released.pop()
    }

    /// The next of those that the turn is to close.
    pub fn poll_doomed(&mut self) -> Option<Doomed> {
        self.queues.doomed.pop()
    }

    /// What there is to know of one connection.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.slots.get(id.slot())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slots.get_mut(id.slot())?.as_mut()
    }

    /// All of them, in the order of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        let slots = (0u32..).zip(&self.slots);
        slots.filter_map(|(slot, session)| Some((SessionId(slot), session.as_ref()?)))
    }

    /// A connection was accepted; its slot is free.
    pub(super) fn insert(&mut self, id: SessionId) {
        if self.slots.len() <= id.slot() {
            self.slots.resize_with(id.slot() + 1, || None);
        }
        let slot = &mut self.slots[id.slot()];
        debug_assert!(slot.is_none(), "one live session, one slot");
        *slot = Some(Session::new(self.now));
        self.live += 1;
    }

    /// The connection is closed and its slot is free.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        self.timers.forget(id);
        let mut session = self.slots.get_mut(id.slot())?.take()?;
        session.outbox.clear(&mut self.store);
        Some(session)
    }

    pub(super) fn lay(&mut self, id: SessionId, slice: Slice) {
        if let Some(session) = self.slots[id.slot()].as_mut() {
            self.queues.lay(session, id, &mut self.store, slice);
        }
    }

    /// The turn is to look at this session even if it is owed nothing.
    pub(super) fn mark_dirty(&mut self, id: SessionId) {
        if let Some(session) = self.slots[id.slot()].as_mut() {
            self.queues.mark_dirty(session, id);
        }
    }

    /// It is owed nothing any more.
    pub(super) fn clear_outbox(&mut self, id: SessionId) {
        if let Some(session) = self.slots[id.slot()].as_mut() {
            session.outbox.clear(&mut self.store);
        }
    }

    /// It is owed nothing more than the end of the line it is in the middle of, which is given back,
    /// and what is promised.
    pub(super) fn cut_to_line(&mut self, id: SessionId) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Some(session) = self.slots[id.slot()].as_mut() {
            let encoding = session.encoding();
            let outbox = &mut session.outbox;
            outbox.cut_to_line(&mut self.store, encoding, &mut rest);
        }
        rest
    }

    /// A session has left, and may take what it is owed until then. No-op unless it is live; whether
    /// it was.
    pub(super) fn start_draining(
        &mut self,
        id: SessionId,
        reason: CloseReason,
        until: Time,
    ) -> bool {
        let Some(session) = self.slots.get_mut(id.slot()).and_then(Option::as_mut) else {
            return false;
        };
        if !session.advance(Step::End(reason, until)) {
            return false;
        }
        // What lies unread where it was held back must be read and dropped: closing over it would
        // become a reset.
        if std::mem::replace(&mut session.hold, Hold::No) != Hold::No {
            self.queues.released.push(id);
        }
        session.armed = Time::NEVER;
        self.live -= 1;
        self.queues.just_ended.push(id);
        self.queues.mark_dirty(session, id);
        true
    }

    /// The turn closes it. Its place and its blocks are wanted; but why it was ended may be written
    /// when its peer reads again.
    pub(super) fn doom(&mut self, id: SessionId) {
        if let Some(session) = self.slots[id.slot()].as_mut()
            && session.advance(Step::Doom)
        {
            let reason = session.phase().reason();
            let is_told = reason.is_some_and(|reason| reason.refusal().is_some());
            let outbox = &mut session.outbox;
            let is_little = outbox.bytes() <= LAST_BYTES_MAX;
            let last_bytes = (is_told && is_little).then(|| outbox.copy(&self.store));
            outbox.clear(&mut self.store);
            self.queues.doomed.push(Doomed { id, last_bytes });
        }
    }

    /// Makes sure that the session is looked at when something is due.
    pub(super) fn arm(&mut self, id: SessionId, limits: &Limits) {
        if let Some(session) = self.slots[id.slot()].as_mut() {
            let since = self.queues.waiting_since;
            self.timers.arm(session, id, &self.store, limits, since);
        }
    }

    /// The next session for which a deadline has passed, if the promise to look at it was made for
    /// that point.
    pub(super) fn next_due(&mut self) -> Option<SessionId> {
        while let Some((promised, id)) = self.timers.next(self.now) {
            if let Some(session) = self.get_mut(id)
                && session.armed == promised
            {
                session.armed = Time::NEVER;
                return Some(id);
            }
        }
        None
    }

    /// What is due for a session now. Doing that takes its deadline away.
    pub(super) fn poll_due(&self, id: SessionId, limits: &Limits) -> Option<Due> {
        let gone_until = self.timers.gone_until(id);
        let session = self.get(id)?;
        let since = self.queues.waiting_since;
        Due::poll(session, self.now, &self.store, limits, gone_until, since)
    }
}
