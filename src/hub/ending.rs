//! How sessions end: every way out leads through [`Hub::end`], once. The chat is told, the session
//! gets its last line and drains, net is told what is doomed. Part of the hub.

use std::time::Duration;

use crate::chat::{CloseReason, Directory, Refusal};
use crate::dialect::text::{self, ForeignProtocol};
use crate::time::Time;

use super::delivery::{into, member};
use super::session::{Hold, Input, Phase};
use super::{Hub, Session};

/// What there is to say about a connection that is gone.
#[derive(Debug)]
pub struct Farewell {
    /// What it was called, if it ever had a name.
    pub name: Option<Box<str>>,
    /// Why it ended.
    pub reason: CloseReason,
    /// Lines that came from it.
    pub lines_in: u64,
    /// Bytes that came from it.
    pub bytes_in: u64,
    /// Lines it took.
    pub lines_out: u64,
    /// Bytes it took.
    pub bytes_out: u64,
    /// How long it was there.
    pub duration: Duration,
}

impl Hub {
    /// A connection was accepted for which there is no place: it is told why, and ends.
    pub fn refuse_connection(&mut self, slot: u32, reason: CloseReason) {
        self.connect(slot);
        self.end(slot, reason, None);
    }

    /// A connection was turned away before it became one.
    pub fn count_refused(&mut self, reason: CloseReason) {
        if let Some(refusal) = reason.refusal() {
            self.delivery.statistics.count_refusal(&refusal);
        }
    }

    /// The server stops: everybody is told, and drains until `drain_timeout`.
    pub fn shut_down(&mut self) {
        let sessions = self.delivery.sessions.iter().enumerate();
        let live: Vec<u32> = sessions
            .filter(|(_, session)| session.as_ref().is_some_and(Session::is_live))
            .filter_map(|(slot, _)| u32::try_from(slot).ok())
            .collect();
        self.delivery.tell_each(&live, Refusal::ShuttingDown);
        for &slot in &live {
            self.remember_name(slot);
            self.start_draining(slot, CloseReason::ShuttingDown, self.limits.drain_timeout);
        }
        self.delivery.close_rooms();
        self.directory = Directory::new(super::rules(&self.limits));
    }

    /// The next of those that have ended, though what they are owed may still be written.
    pub fn take_ended(&mut self) -> Option<u32> {
        self.ended.pop()
    }

    /// The next of those that net is to close, as far as the hub is concerned.
    pub fn take_doomed(&mut self) -> Option<u32> {
        self.doomed.pop()
    }

    /// The connection is closed and its slot is free.
    pub fn remove(&mut self, slot: u32) -> Option<Farewell> {
        let mut session = self.delivery.sessions.get_mut(slot as usize)?.take()?;
        session.outbox.clear(&mut self.delivery.store);
        let Phase::Doomed { reason } = session.phase else {
            return None;
        };
        Some(Farewell {
            name: session.left_as,
            reason,
            lines_in: session.lines_in,
            bytes_in: session.bytes_in,
            lines_out: session.outbox.lines_taken(),
            bytes_out: session.outbox.bytes_taken(),
            duration: self.delivery.now.since(session.connected_at),
        })
    }

    /// Ends a session. `why` is the last word on it: its own with `/quit`, the operator's with
    /// `/kick`. One that has ended already keeps its reason; when its connection is lost, nothing
    /// more can be written to it.
    pub(super) fn end(&mut self, slot: u32, reason: CloseReason, why: Option<&str>) {
        let lost = reason == CloseReason::ConnectionLost;
        match self.delivery.session_mut(slot) {
            None => return,
            Some(session) if session.is_live() => {}
            Some(_) if lost => return self.doom(slot),
            Some(_) => return,
        }
        self.remember_name(slot);
        let kicked = why
            .filter(|_| reason == CloseReason::Kicked)
            .map(|why| format!("kicked: {why}"));
        let told = kicked.as_deref().or(why).or(reason.told());
        self.directory
            .leave(member(slot), told, &mut into(&mut self.delivery));
        self.follow_room(slot);
        if reason == CloseReason::TooSlow {
            self.forget_what_is_owed(slot);
        }
        match reason.refusal() {
            Some(Refusal::Kicked(_)) => self.refuse(slot, Refusal::Kicked(why)),
            Some(refusal) => self.refuse(slot, refusal),
            None => {}
        }
        self.start_draining(slot, reason, self.limits.flush_timeout);
        if lost {
            self.doom(slot);
        }
    }

    /// The last of what an ended connection has sent, and its leave.
    pub(super) fn finish_input(&mut self, slot: u32) {
        let line_bytes_max = self.limits.line_bytes_max;
        let Some(session) = self.delivery.session_mut(slot) else {
            return;
        };
        let mut lines = std::mem::take(&mut session.lines);
        if session.is_live()
            && let Some(piece) = lines.finish(line_bytes_max)
        {
            self.handle(slot, &piece);
        }
        self.end_of_input(slot);
    }

    /// The other side sends no more.
    pub(super) fn end_of_input(&mut self, slot: u32) {
        let Some(session) = self.delivery.session_mut(slot) else {
            return;
        };
        if matches!(session.phase, Phase::Lingering { .. }) {
            self.doom(slot);
        } else {
            self.end(slot, CloseReason::HungUp, None);
        }
    }

    /// Somebody spoke another protocol: they are told so in a way their program can show.
    pub(super) fn end_foreign(&mut self, slot: u32, protocol: ForeignProtocol) {
        self.delivery.tell_one(slot, |out| {
            text::encode_foreign_head(protocol, out);
            0
        });
        self.end(slot, CloseReason::WrongProtocol, None);
    }

    /// A session that is drained shuts its side and lingers, unless the other side is shut already.
    /// Whether net is to shut it.
    pub(super) fn start_lingering(&mut self, slot: u32) -> bool {
        let until = self.delivery.now + self.limits.linger_timeout;
        let Some(session) = self.delivery.session_mut(slot) else {
            return false;
        };
        let Phase::Draining { reason, .. } = session.phase else {
            return false;
        };
        session.phase = Phase::Lingering { reason, until };
        if session.input == Input::Ended {
            self.doom(slot);
        } else {
            self.arm(slot);
        }
        true
    }

    /// Nothing more is written or read; net closes it in this turn.
    pub(super) fn doom(&mut self, slot: u32) {
        let store = &mut self.delivery.store;
        let Some(session) = self.delivery.sessions[slot as usize].as_mut() else {
            return;
        };
        let (Phase::Draining { reason, .. } | Phase::Lingering { reason, .. }) = session.phase
        else {
            return;
        };
        session.outbox.clear(store);
        session.phase = Phase::Doomed { reason };
        self.doomed.push(slot);
    }

    fn start_draining(&mut self, slot: u32, reason: CloseReason, timeout: Duration) {
        let until = self.delivery.now + timeout;
        let Some(session) = self.delivery.session_mut(slot) else {
            return;
        };
        session.phase = Phase::Draining { reason, until };
        // What lies unread where it was held back must be read and dropped: closing over it would
        // become a reset.
        if std::mem::replace(&mut session.hold, Hold::No) != Hold::No {
            self.released.push(slot);
        }
        session.room = None;
        session.lines = Default::default();
        session.armed = Time::NEVER;
        session.outbox.seal();
        self.live -= 1;
        self.ended.push(slot);
        self.delivery.mark_dirty(slot);
        self.arm(slot);
    }

    /// A slow consumer is owed nothing more than the end of the line it is in the middle of.
    fn forget_what_is_owed(&mut self, slot: u32) {
        self.delivery.statistics.slow_consumers_cut += 1;
        let mut rest = Vec::new();
        let store = &mut self.delivery.store;
        if let Some(session) = self.delivery.sessions[slot as usize].as_mut() {
            session.outbox.cut_to_line(store, &mut rest);
        }
        // Its last lines may stay for long: they shall not hold what others were told.
        self.delivery.start_new_answers();
        if !rest.is_empty() {
            self.delivery.tell_one(slot, |out| {
                out.extend_from_slice(&rest);
                1
            });
        }
    }

    fn remember_name(&mut self, slot: u32) {
        let name = self
            .directory
            .name_of(member(slot))
            .map(|name| name.as_str().into());
        if let Some(session) = self.delivery.session_mut(slot) {
            session.left_as = name;
        }
    }
}
