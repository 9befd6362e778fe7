//! `Intake`: bytes of a connection → its language → lines, and why lines are sometimes held back: a
//! rate, a room that has said enough in this turn, answers that are not read. What a line asks for is
//! done in `requests`, HTTP in `web`. Owned by the hub.

use crate::config::Limits;
use crate::dialect::line::LineBuffer;
use crate::dialect::sniff::{self, ForeignProtocol, Verdict};
use crate::dialect::{Dialect, Framing};
use crate::session::{
    AddressGroup, CloseReason, Door, Hold, Input, Phase, Session, SessionId, Transport,
};

use super::core::Core;
use super::later::{Holds, Postponed};
use super::requests::Requests;
use super::web::{self, Taken, Web};
use super::{ending, frames};

/// Where bytes come in.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) requests: Requests,
    /// `None` while that door is closed.
    pub(super) web: Option<Web>,
}

impl Intake {
    pub(super) fn new(limits: &Limits) -> Intake {
        Intake {
            requests: Requests::new(limits),
            web: None,
        }
    }

    /// Bytes came from a connection. Whole lines are handled until the session is held back; what
    /// lies beyond is kept, so call this only while it wants input.
    pub(super) fn receive(&mut self, core: &mut Core, id: SessionId, bytes: &mut [u8]) {
        let now = core.now();
        let Some(session) = core.session_mut(id) else {
            return;
        };
        session.bytes_in += bytes.len() as u64;
        session.active_at = now;
        if session.is_live() && self.decide_dialect(core, id, bytes, Input::Open) {
            self.take_in(core, id, bytes, Holds::Apply);
        }
    }

    /// Bytes that were sent before somebody came to take the place of this connection. They are
    /// handled now whatever its rate: what it costs is its successor's to wait for.
    pub(super) fn receive_last(&mut self, core: &mut Core, id: SessionId, bytes: &mut [u8]) {
        let Some(session) = core.session_mut(id) else {
            return;
        };
        session.bytes_in += bytes.len() as u64;
        if session.is_live() {
            self.take_in(core, id, bytes, Holds::Waived);
        }
    }

    /// The connection has closed its side: what it sent is handled, an unfinished line at the end
    /// is a line, and then it leaves. While its lines are held back, so is its end.
    pub(super) fn half_close(&mut self, core: &mut Core, id: SessionId) {
        if let Some(session) = core.session_mut(id) {
            session.input = Input::Ended;
        }
        if core.sessions().wants_input(id) && self.decide_dialect(core, id, &[], Input::Ended) {
            self.take_in(core, id, &mut [], Holds::Apply);
            let is_whole = core.session(id).is_some_and(web::is_whole);
            if core.sessions().wants_input(id) && !is_whole {
                self.finish_input(core, id);
            }
        }
    }

    /// Goes on with what was posted, asked or given as a password, now that it is to be known from
    /// where; then answers those who were put off, now that everybody else was served, until the turn
    /// has answered enough.
    pub(super) fn answer(
        &mut self,
        core: &mut Core,
        mut group_of: impl FnMut(SessionId) -> AddressGroup,
    ) {
        while let Some(id) = self.web.as_mut().and_then(Web::next_to_locate) {
            if let Some(session) = core.session_mut(id) {
                web::locate(session, group_of(id));
            }
            self.continue_request(core, id);
        }
        while let Some(id) = core.gate.next_to_locate() {
            core.gate.locate(id, group_of(id));
            self.resume(core, id);
        }
        for _ in 0..self.requests.answers.waiting() {
            if let Some(id) = self.requests.answers.next_waiting() {
                self.resume(core, id);
            }
        }
    }

    /// Goes on with those that were held back in the turn before, and with those who waited for
    /// readers of their rooms and need not wait any more.
    pub(super) fn resume_held(&mut self, core: &mut Core) {
        self.requests.answers.start_turn();
        let sessions = &mut core.listeners.delivery.sessions;
        for id in self.requests.pace.update(sessions, &core.limits) {
            self.resume(core, id);
        }
        for id in std::mem::take(&mut core.sessions_mut().queues.held) {
            self.resume(core, id);
        }
    }

    /// Goes on with a session that was held back.
    pub(super) fn resume(&mut self, core: &mut Core, id: SessionId) {
        let Some(session) = core.session_mut(id) else {
            return;
        };
        let waits_for_another = matches!(session.hold, Hold::Takeover | Hold::Archive);
        if !session.is_live() || session.hold == Hold::No || waits_for_another {
            return;
        }
        session.hold = Hold::No;
        self.go_on(core, id);
    }

    /// Handles what was kept of a session whose hold is over, and lets it be read from again.
    pub(super) fn go_on(&mut self, core: &mut Core, id: SessionId) {
        match core.session(id).and_then(|session| session.door.as_deref()) {
            Some(Door::Posting(_) | Door::Reading(_)) => self.continue_request(core, id),
            Some(Door::Head(_) | Door::Frames(_)) | None => {
                self.handle_lines(core, id, &[], Holds::Apply);
            }
        }
        if !core.sessions().wants_input(id) {
            return;
        }
        match core.session(id).map(|session| session.input) {
            Some(Input::Open) => read_on(core, id),
            // What a WebSocket sent behind its end lies there unread, and must be.
            Some(Input::Closed) => {
                core.sessions_mut().queues.released.push(id);
                self.finish_input(core, id);
            }
            Some(Input::Ended) => self.finish_input(core, id),
            Some(Input::Gone(reason)) => {
                if reason == CloseReason::HungUp {
                    self.finish_input(core, id);
                }
                if core.sessions().wants_input(id) {
                    ending::end_gone(core, id);
                }
            }
            None => {}
        }
    }

    /// Takes in bytes of a connection whose language is known.
    fn take_in(&mut self, core: &mut Core, id: SessionId, bytes: &mut [u8], holds: Holds) {
        match core.session(id).and_then(|session| session.door.as_deref()) {
            None => self.handle_lines(core, id, bytes, holds),
            Some(Door::Frames(_)) => self.take_frames(core, id, bytes, holds),
            Some(Door::Head(_) | Door::Posting(_) | Door::Reading(_)) => {
                self.take_request(core, id, bytes);
            }
        }
    }

    /// Decides the language by the first bytes, of which `bytes` are the newest. Whether its lines
    /// can be handled: else the bytes were kept, or it speaks something else and was told so.
    fn decide_dialect(
        &mut self,
        core: &mut Core,
        id: SessionId,
        bytes: &[u8],
        input: Input,
    ) -> bool {
        let Some(session) = core.session_mut(id) else {
            return false;
        };
        if session.dialect != Dialect::Undecided {
            return true;
        }
        let is_unwanted = session.transport == Transport::PlainUnwanted;
        let first = session.lines.kept().iter().chain(bytes);
        let verdict = match session.transport {
            Transport::TlsForHttp => Verdict::Http,
            _ => sniff::verdict_on(first, input == Input::Ended),
        };
        match verdict {
            Verdict::More => core.keep(id, bytes),
            Verdict::Text => session.dialect = Dialect::Text,
            Verdict::Json => session.dialect = Dialect::JsonUngreeted(Framing::Lines),
            Verdict::Http if self.web.is_some() && is_unwanted => web::refuse_plain(core, id),
            Verdict::Http if self.web.is_some() => {
                let mut first = web::begin(core, id);
                self.take_request(core, id, &mut first);
            }
            Verdict::Http => ending::end_foreign(core, id, ForeignProtocol::Http),
            Verdict::Tls => ending::end_foreign(core, id, ForeignProtocol::Tls),
            Verdict::Foreign(protocol) => ending::end_foreign(core, id, protocol),
        }
        let Some(session) = core.session(id) else {
            return false;
        };
        let is_decided = session.dialect != Dialect::Undecided;
        if is_decided && is_unwanted {
            ending::end(core, id, CloseReason::TlsRequired, None);
        }
        is_decided && !is_unwanted
    }

    /// Takes in bytes of a request over HTTP, or of frames that follow it.
    fn take_request(&mut self, core: &mut Core, id: SessionId, bytes: &mut [u8]) {
        let Some(web) = &mut self.web else {
            return;
        };
        match web.read(core, id, bytes) {
            Taken::Whole => {}
            Taken::Frames { behind } => {
                let first = bytes.len() - behind;
                self.take_frames(core, id, &mut bytes[first..], Holds::Apply);
            }
        }
    }

    /// Goes on with a request that had to wait.
    fn continue_request(&mut self, core: &mut Core, id: SessionId) {
        if let Some(web) = &mut self.web
            && let Err(later) = web.go_on(core, &mut self.requests, id)
        {
            self.requests.hold(core, id, later.hold());
        }
    }

    /// Takes the lines out of frames and handles them, then what else the frames were.
    fn take_frames(&mut self, core: &mut Core, id: SessionId, bytes: &mut [u8], holds: Holds) {
        let (now, rates) = (core.now(), core.rates);
        let mut lines = std::mem::take(&mut core.memory.unframed);
        lines.clear();
        let Some(session) = core.session_mut(id) else {
            return;
        };
        let pings_to_pay = frames::unframe(session, bytes, &mut lines, now, &rates);
        if session.hold != Hold::No && holds == Holds::Apply {
            core.keep(id, &lines);
        } else {
            self.handle_lines(core, id, &lines, holds);
        }
        core.memory.unframed = lines;
        core.arm(id);
        frames::answer_ping(core.delivery(), id);
        if pings_to_pay > 0 && holds == Holds::Apply {
            self.hold_for_pings(core, id);
        }
        if core.session_mut(id).is_some_and(frames::close_input) && core.sessions().wants_input(id)
        {
            self.finish_input(core, id);
        }
    }

    /// Who pings more than its rate allows is not read from until that allows more.
    fn hold_for_pings(&mut self, core: &mut Core, id: SessionId) {
        let (now, rates) = (core.now(), core.rates);
        if let Some(session) = core.session(id)
            && session.is_live()
            && session.hold == Hold::No
            && let Err(until) = session.throttle.check(now, &rates)
        {
            self.requests.hold(core, id, Hold::Rate(until));
        }
    }

    /// Handles whole lines of what is kept and of `bytes`, until the session is held back.
    fn handle_lines(&mut self, core: &mut Core, id: SessionId, mut bytes: &[u8], holds: Holds) {
        let line_bytes_max = core.limits.line_bytes_max;
        let Some((session, memory)) = core.session_and_memory(id) else {
            return;
        };
        let own_bytes_max = session.dialect.line_bytes_max(line_bytes_max);
        let mut lines = memory.take_lines(session);
        if lines.wants_spare() && !bytes.ends_with(b"\n") {
            lines.give_spare(memory.take_spare());
        }
        loop {
            let Some(session) = core.session(id) else {
                return;
            };
            if !session.is_live() {
                lines = LineBuffer::default();
                break;
            }
            let hold = match holds {
                Holds::Apply => hold_of(core, session),
                // What does not fit any more is not handled at all: its sender will see that it
                // was not said.
                Holds::Waived if is_behind(core, session) => {
                    lines = LineBuffer::default();
                    break;
                }
                Holds::Waived => Hold::No,
            };
            if hold != Hold::No && lines.has_line(bytes, own_bytes_max) {
                lines.keep(bytes);
                self.requests.hold(core, id, hold);
                break;
            }
            let Some(piece) = lines.next(&mut bytes, own_bytes_max) else {
                break;
            };
            if let Err(Postponed { line, later }) = self.requests.handle(core, id, &piece, holds) {
                lines.put_back(&line);
                lines.keep(bytes);
                self.requests.hold(core, id, later.hold());
                break;
            }
        }
        if let Some(spare) = lines.take_spare() {
            core.memory.keep_spare(spare, line_bytes_max);
        }
        if let Some((session, memory)) = core.session_and_memory(id) {
            memory.give_lines(session, lines);
        }
    }

    /// The last of what an ended connection has sent, and its leave.
    fn finish_input(&mut self, core: &mut Core, id: SessionId) {
        let line_bytes_max = core.limits.line_bytes_max;
        let Some((session, memory)) = core.session_and_memory(id) else {
            return;
        };
        // A message of a WebSocket that has no end was never sent.
        if session.frames().is_some() {
            memory.forget_lines(session);
            return end_of_input(core, id);
        }
        let own_bytes_max = session.dialect.line_bytes_max(line_bytes_max);
        let is_live = session.is_live();
        let mut lines = memory.take_lines(session);
        if is_live
            && let Some(piece) = lines.finish(own_bytes_max)
            && let Err(Postponed { line, later }) =
                self.requests.handle(core, id, &piece, Holds::Apply)
        {
            lines.put_back(&line);
            if let Some((session, memory)) = core.session_and_memory(id) {
                memory.give_lines(session, lines);
            }
            self.requests.hold(core, id, later.hold());
        }
        // Its last line may have made it wait, for the connection whose place it takes.
        if core.sessions().wants_input(id) {
            end_of_input(core, id);
        }
    }
}

/// Bytes that came before the connection broke: they are kept, to be handled in their time.
pub(super) fn keep_last(core: &mut Core, id: SessionId, bytes: &mut [u8]) {
    let Some((session, memory)) = core.session_and_memory(id) else {
        return;
    };
    session.bytes_in += bytes.len() as u64;
    if session.frames().is_some() {
        let mut lines = memory.take_lines(session);
        frames::keep(session, bytes, &mut lines);
        memory.give_lines(session, lines);
    } else if session.is_live() && !matches!(session.dialect, Dialect::Undecided | Dialect::Http) {
        memory.keep(session, bytes);
    }
}

/// A session that was held back is read from again. Time in which it was not counts against no frame.
fn read_on(core: &mut Core, id: SessionId) {
    let now = core.now();
    if let Some(frames) = core.session_mut(id).and_then(Session::frames_mut) {
        frames.wait_anew(now);
        core.arm(id);
    }
    core.sessions_mut().queues.released.push(id);
}

/// The other side sends no more.
fn end_of_input(core: &mut Core, id: SessionId) {
    let Some(session) = core.session(id) else {
        return;
    };
    if let Phase::Lingering { .. } = session.phase() {
        core.sessions_mut().doom(id);
    } else {
        let reason = frames::reason_of_end(session);
        ending::end(core, id, reason, None);
    }
}

/// Why the next line of this session may not be handled now.
fn hold_of(core: &Core, session: &Session) -> Hold {
    if matches!(session.hold, Hold::Takeover | Hold::Archive) {
        return session.hold;
    }
    if let Err(until) = session.throttle.check(core.now(), &core.rates) {
        return Hold::Rate(until);
    }
    if is_behind(core, session) {
        return Hold::Outbox;
    }
    if core.listeners.delivery.has_said_enough(session) {
        return Hold::Turn;
    }
    Hold::No
}

fn is_behind(core: &Core, session: &Session) -> bool {
    session.outbox.bytes() > core.limits.outbox_bytes_max / 2
}
