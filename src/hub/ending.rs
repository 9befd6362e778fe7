//! How sessions end: every way out leads through [`Hub::end`], once (but the takeover's, which has
//! no leave). The chat is told, the session gets its last word and drains, the turn is told what is
//! doomed. Part of the hub.

use std::time::Duration;

use crate::chat::MemberId;
use crate::dialect::sniff::ForeignProtocol;
use crate::dialect::{self, Dialect, Refusal, Reply, text};
use crate::session::{CloseReason, ConnectionSummary, Hold, Input, Session, SessionId, Step};
use crate::time::Time;

use super::{Hub, Recorded};

impl Hub {
    /// A connection was accepted for which there is no place: it is told why, and ends.
    pub fn refuse_connection(&mut self, id: SessionId, reason: CloseReason) {
        self.connect(id);
        self.end(id, reason, None);
    }

    /// A connection was turned away before it became one.
    pub fn count_refused(&mut self, reason: CloseReason) {
        if let Some(refusal) = reason.refusal() {
            self.listeners.delivery.statistics.count_refusal(&refusal);
        }
    }

    /// The connection is gone; nothing can be written to it any more. What its member had sent
    /// before and was held back for is still said, at the pace of its rate, for `drain_timeout`.
    pub fn hang_up(&mut self, id: SessionId) {
        let until = self.now() + self.limits.drain_timeout;
        let delivery = &mut self.listeners.delivery;
        let Some(session) = delivery.sessions[id.slot()].as_mut() else {
            return;
        };
        let reason = match session.input {
            Input::Open => CloseReason::ConnectionLost,
            Input::Closed | Input::Ended => CloseReason::HungUp,
            Input::Gone(_) => return,
        };
        let has_more = session.lines.has_line(b"", usize::MAX);
        if session.member.is_none() || !session.is_live() || !has_more {
            return self.end(id, CloseReason::ConnectionLost, None);
        }
        session.input = Input::Gone(reason);
        session.outbox.clear(&mut delivery.store);
        self.gone.insert(id, until);
        let hold = std::mem::replace(&mut session.hold, Hold::No);
        if let Hold::Rate(_) | Hold::Answers(_) = hold {
            session.hold = hold;
        } else {
            self.held.push(id);
            session.hold = Hold::Turn;
        }
        self.arm(id);
    }

    /// What came over the connection cannot be understood by what carries it, or did not come whole
    /// in time. Nothing that was queued can be written.
    pub fn break_off(&mut self, id: SessionId) {
        self.end(id, CloseReason::TlsFault, None);
        self.clear_outbox(id);
        // One that was draining already has nothing left to drain.
        self.listeners.delivery.mark_dirty(id);
    }

    /// What is to carry the connection did not come about in time.
    pub fn expire_handshake(&mut self, id: SessionId) {
        self.end(id, CloseReason::NameTimeout, None);
        self.clear_outbox(id);
    }

    /// Its side is shut and need not linger: if the other side has ended too, it is over.
    pub fn close_if_ended(&mut self, id: SessionId) {
        let input = self.session(id).map(|session| session.input);
        // Over what was not read, closing would become a reset that destroys the last word.
        if matches!(input, Some(Input::Ended | Input::Gone(_))) {
            self.doom(id);
        }
    }

    /// A connection that is gone has said what it had sent, or had the time for it.
    pub(super) fn end_gone(&mut self, id: SessionId) {
        let Some(Input::Gone(reason)) = self.session(id).map(|session| session.input) else {
            return;
        };
        self.gone.remove(&id);
        self.end(id, reason, None);
        self.doom(id);
    }

    /// The server stops: everybody is told, and drains until `drain_timeout`.
    pub fn shut_down(&mut self) {
        let reason = CloseReason::ShuttingDown;
        let live: Vec<SessionId> = self.live_sessions().collect();
        let is_told = |id: &SessionId| self.is_told(*id, reason);
        let (told, silent): (Vec<_>, Vec<_>) = live.iter().copied().partition(is_told);
        let delivery = &mut self.listeners.delivery;
        delivery.tell_each(&told, |encoding, out| {
            let last_word = Reply::Ended(Refusal::ShuttingDown);
            dialect::encode_reply(encoding, &last_word, None, out)
        });
        for &id in &silent {
            self.close_frames(id);
        }
        for &id in &live {
            self.listeners.delivery.leave_rooms(id);
            self.forget_member(id);
            self.start_draining(id, reason, self.limits.drain_timeout);
        }
        self.listeners.forget_rooms(&self.limits);
        self.directory.clear();
    }

    /// The next of those that the turn is to close.
    pub fn poll_doomed(&mut self) -> Option<SessionId> {
        self.doomed.pop()
    }

    /// The connection is closed and its slot is free.
    pub fn remove(&mut self, id: SessionId) -> Option<ConnectionSummary> {
        self.answers.forget(id);
        self.pace.forget(id);
        self.gone.remove(&id);
        let name = self.left_names.remove(&id);
        let delivery = &mut self.listeners.delivery;
        let mut session = delivery.sessions.get_mut(id.slot())?.take()?;
        session.outbox.clear(&mut delivery.store);
        Some(ConnectionSummary {
            reason: session.phase().reason()?,
            name,
            lines_in: session.lines_in,
            bytes_in: session.bytes_in,
            lines_out: session.outbox.lines_taken(),
            bytes_out: session.outbox.bytes_taken(),
            duration: delivery.now.since(session.connected_at),
        })
    }

    /// Ends a session. `words` are the last on it: its own with `/quit`, the operator's with
    /// `/kick`. One that has ended already keeps its reason; when its connection is lost, nothing
    /// more can be written to it.
    pub(super) fn end(&mut self, id: SessionId, reason: CloseReason, words: Option<&str>) {
        let is_lost = reason == CloseReason::ConnectionLost;
        match self.session(id) {
            Some(session) if session.is_live() => {}
            Some(_) if is_lost => return self.doom(id),
            Some(_) | None => return,
        }
        if let Some(member) = self.forget_member(id) {
            let listeners = &mut self.listeners;
            self.directory
                .leave(member, reason.cause(), words, listeners);
            self.listeners.delivery.unbind(member);
        }
        match reason {
            CloseReason::TooSlow => self.forget_what_is_owed(id),
            CloseReason::TlsFault => self.clear_outbox(id),
            _ => {}
        }
        self.start_ending(id, reason, words);
        if is_lost {
            self.doom(id);
        }
    }

    /// The last word, if there is one, and the drain.
    pub(super) fn start_ending(&mut self, id: SessionId, reason: CloseReason, words: Option<&str>) {
        let last_word = match reason.refusal() {
            Some(Refusal::Kicked(_)) => Some(Refusal::Kicked(words)),
            other => other,
        };
        match last_word.filter(|_| self.is_told(id, reason)) {
            Some(refusal) => self.reply(id, &Reply::Ended(refusal), None),
            None => self.close_frames(id),
        }
        let timeout = match reason {
            CloseReason::Answered => self.limits.http_answer_timeout,
            _ => self.limits.flush_timeout,
        };
        self.start_draining(id, reason, timeout);
    }

    /// Somebody spoke another protocol: they are told so in a way their program can show.
    pub(super) fn end_foreign(&mut self, id: SessionId, protocol: ForeignProtocol) {
        self.listeners.delivery.tell_one(id, |out| {
            text::encode_foreign_head(protocol, out);
            0
        });
        self.end(id, CloseReason::WrongProtocol, None);
    }

    /// A session that is drained shuts its side and lingers. Whether the turn is to shut it.
    pub(super) fn start_lingering(&mut self, id: SessionId) -> bool {
        let until = self.now() + self.limits.linger_timeout;
        let Some(session) = self.session_mut(id) else {
            return false;
        };
        if !session.advance(Step::Linger(until)) {
            return false;
        }
        self.arm(id);
        true
    }

    /// Nothing more is written or read; the turn closes it.
    pub(super) fn doom(&mut self, id: SessionId) {
        let delivery = &mut self.listeners.delivery;
        if let Some(session) = delivery.sessions[id.slot()].as_mut()
            && session.advance(Step::Doom)
        {
            session.outbox.clear(&mut delivery.store);
            self.doomed.push(id);
        }
    }

    pub(super) fn live_sessions(&self) -> impl Iterator<Item = SessionId> {
        let sessions = (0u32..).zip(&self.listeners.delivery.sessions);
        sessions
            .filter(|(_, session)| session.as_ref().is_some_and(Session::is_live))
            .map(|(slot, _)| SessionId(slot))
    }

    /// Nothing is written to a connection before it has spoken, unless it finds no place; so who
    /// never spoke goes without a word.
    fn is_told(&self, id: SessionId, reason: CloseReason) -> bool {
        let understands_words = |session: &Session| {
            let frames_failed = session
                .frames()
                .is_some_and(|frames| frames.ending.is_some());
            session.has_spoken() && session.dialect != Dialect::Http && !frames_failed
        };
        reason.is_told_unasked() || self.session(id).is_some_and(understands_words)
    }

    fn start_draining(&mut self, id: SessionId, reason: CloseReason, timeout: Duration) {
        let until = self.now() + timeout;
        let Some(session) = self.listeners.delivery.session_mut(id) else {
            return;
        };
        if !session.advance(Step::End(reason, until)) {
            return;
        }
        // What lies unread where it was held back must be read and dropped: closing over it would
        // become a reset.
        if std::mem::replace(&mut session.hold, Hold::No) != Hold::No {
            self.released.push(id);
        }
        session.armed = Time::NEVER;
        self.forget_lines(id);
        self.take_door(id);
        self.live -= 1;
        self.just_ended.push(id);
        self.listeners.records.push(Some(id), Recorded::Ended);
        self.listeners.delivery.mark_dirty(id);
        self.arm(id);
    }

    /// A slow consumer is owed nothing more than the end of the line it is in the middle of.
    fn forget_what_is_owed(&mut self, id: SessionId) {
        let delivery = &mut self.listeners.delivery;
        delivery.statistics.slow_consumers_cut += 1;
        let mut rest = Vec::new();
        if let Some(session) = delivery.sessions[id.slot()].as_mut() {
            let encoding = session.encoding();
            let outbox = &mut session.outbox;
            outbox.cut_to_line(&mut delivery.store, encoding, &mut rest);
        }
        // Its last lines may stay for long: they shall not hold what others were told.
        delivery.start_new_answers();
        if !rest.is_empty() {
            let lines = memchr::memchr_iter(b'\n', &rest).count();
            delivery.tell_one(id, |out| {
                out.extend_from_slice(&rest);
                u32::try_from(lines).expect("fewer lines than bytes are sealed at once")
            });
        }
    }

    fn clear_outbox(&mut self, id: SessionId) {
        let delivery = &mut self.listeners.delivery;
        if let Some(session) = delivery.sessions[id.slot()].as_mut() {
            session.outbox.clear(&mut delivery.store);
        }
    }

    /// The session is no member any more, and remembered by its name. Who it was.
    fn forget_member(&mut self, id: SessionId) -> Option<MemberId> {
        let member = self.member_of(id)?;
        let name = self.directory.name_of(member).into();
        self.left_names.insert(id, name);
        self.arrivals.forget(member);
        if let Some(session) = self.session_mut(id) {
            session.member = None;
        }
        Some(member)
    }
}
