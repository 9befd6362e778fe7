//! Bytes of a connection → its language → lines, and why lines are sometimes held back: a rate, a
//! room that has said enough in this turn, answers that are not read. What a line asks for is done
//! in `requests`. Part of the hub.

use crate::dialect::line::LineBuffer;
use crate::dialect::sniff::{self, ForeignProtocol, Verdict};
use crate::dialect::{Dialect, Framing};
use crate::session::{CloseReason, Door, Hold, Input, Phase, Session, SessionId, Transport};
use crate::time::Time;

use super::Hub;
use super::frames::reason_of_end;

impl Hub {
    /// Bytes came from a connection. Whole lines are handled until the session is held back; what
    /// lies beyond is kept, so call this only while [`Hub::wants_input`].
    pub fn receive(&mut self, id: SessionId, bytes: &mut [u8]) {
        let now = self.now();
        let Some(session) = self.session_mut(id) else {
            return;
        };
        session.bytes_in += bytes.len() as u64;
        session.active_at = now;
        if session.is_live() && self.decide_dialect(id, bytes, Input::Open) {
            self.take_in(id, bytes, Holds::Apply);
        }
    }

    /// Takes in bytes of a connection whose language is known.
    pub(super) fn take_in(&mut self, id: SessionId, bytes: &mut [u8], holds: Holds) {
        let session = self.session(id);
        match session.and_then(|session| session.door.as_deref()) {
            None => self.handle_lines(id, bytes, holds),
            Some(Door::Frames(_)) => self.read_frames(id, bytes, holds),
            Some(Door::Head(_) | Door::Posting(_) | Door::Reading(_)) => {
                self.read_request(id, bytes);
            }
        }
    }

    /// Bytes that came before the connection broke: they are kept, to be handled in their time.
    pub fn keep_last(&mut self, id: SessionId, bytes: &mut [u8]) {
        let Some(session) = self.session_mut(id) else {
            return;
        };
        session.bytes_in += bytes.len() as u64;
        if session.frames().is_some() {
            self.keep_frames(id, bytes);
        } else if session.is_live()
            && !matches!(session.dialect, Dialect::Undecided | Dialect::Http)
        {
            self.keep(id, bytes);
        }
    }

    /// The connection has closed its side: what it sent is handled, an unfinished line at the end
    /// is a line, and then it leaves. While its lines are held back, so is its end.
    pub fn half_close(&mut self, id: SessionId) {
        if let Some(session) = self.session_mut(id) {
            session.input = Input::Ended;
        }
        if self.wants_input(id) && self.decide_dialect(id, &[], Input::Ended) {
            self.take_in(id, &mut [], Holds::Apply);
            if self.wants_input(id) && !self.is_posting(id) {
                self.finish_input(id);
            }
        }
    }

    /// The connection is gone, and has not said that this is its end: as [`Hub::half_close`], but an
    /// unfinished line at the end is none. Somebody between the two may have cut it short.
    pub fn truncate(&mut self, id: SessionId) {
        if let Some(session) = self.listeners.delivery.session_mut(id) {
            session.lines.drop_unfinished();
        }
        self.half_close(id);
    }

    /// Whether nothing has come from this connection yet.
    pub fn is_silent(&self, id: SessionId) -> bool {
        self.session(id)
            .is_some_and(|session| !session.has_spoken())
    }

    /// What the connection is carried by, as its first bytes have shown.
    pub fn set_transport(&mut self, id: SessionId, transport: Transport) {
        if let Some(session) = self.session_mut(id) {
            session.transport = transport;
        }
    }

    /// Whether reading from this connection is better left for the next turn: its rooms have said
    /// enough in this one, so that what is read would only have to be kept.
    pub fn wants_input_later(&self, id: SessionId) -> bool {
        let session = self.session(id);
        let delivery = &self.listeners.delivery;
        session.is_some_and(|session| session.is_live() && delivery.has_said_enough(session))
    }

    /// Whether this connection is to be read from. One that has ended is: what it sends is dropped.
    pub fn wants_input(&self, id: SessionId) -> bool {
        let session = self.session(id);
        session.is_some_and(|session| !session.is_live() || session.hold == Hold::No)
    }

    /// The next of those that may be read from again.
    pub fn poll_released(&mut self) -> Option<SessionId> {
        self.released.pop()
    }

    /// Decides the language by the first bytes, of which `bytes` are the newest. Whether its lines
    /// can be handled: else the bytes were kept, or it speaks something else and was told so.
    fn decide_dialect(&mut self, id: SessionId, bytes: &[u8], input: Input) -> bool {
        let Some(session) = self.session_mut(id) else {
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
            Verdict::More => self.keep(id, bytes),
            Verdict::Text => session.dialect = Dialect::Text,
            Verdict::Json => session.dialect = Dialect::JsonUngreeted(Framing::Lines),
            Verdict::Http if self.web.is_some() && is_unwanted => self.refuse_plain_request(id),
            Verdict::Http if self.web.is_some() => self.begin_request(id),
            Verdict::Http => self.end_foreign(id, ForeignProtocol::Http),
            Verdict::Tls => self.end_foreign(id, ForeignProtocol::Tls),
            Verdict::Foreign(protocol) => self.end_foreign(id, protocol),
        }
        let Some(session) = self.session(id) else {
            return false;
        };
        let is_decided = session.dialect != Dialect::Undecided;
        if is_decided && is_unwanted {
            self.end(id, CloseReason::TlsRequired, None);
        }
        is_decided && !is_unwanted
    }

    /// Handles whole lines of what is kept and of `bytes`, until the session is held back.
    pub(super) fn handle_lines(&mut self, id: SessionId, mut bytes: &[u8], holds: Holds) {
        let Some(session) = self.listeners.delivery.session_mut(id) else {
            return;
        };
        let line_bytes_max = session.dialect.line_bytes_max(self.limits.line_bytes_max);
        let mut lines = std::mem::take(&mut session.lines);
        self.memory.kept_bytes -= lines.memory_bytes();
        if lines.wants_spare() && !bytes.ends_with(b"\n") {
            lines.give_spare(self.memory.take_spare());
        }
        loop {
            let Some(session) = self.session(id) else {
                return;
            };
            if !session.is_live() {
                lines = LineBuffer::default();
                break;
            }
            let hold = match holds {
                Holds::Apply => self.hold_of(id),
                // What does not fit any more is not handled at all: its sender will see that it
                // was not said.
                Holds::Waived if self.is_behind(session) => {
                    lines = LineBuffer::default();
                    break;
                }
                Holds::Waived => Hold::No,
            };
            if hold != Hold::No && lines.has_line(bytes, line_bytes_max) {
                lines.keep(bytes);
                self.hold(id, hold);
                break;
            }
            let Some(piece) = lines.next(&mut bytes, line_bytes_max) else {
                break;
            };
            if let Err(Postponed { line, later }) = self.handle(id, &piece, holds) {
                lines.put_back(&line);
                lines.keep(bytes);
                self.hold(id, later.hold());
                break;
            }
        }
        if let Some(spare) = lines.take_spare() {
            let line_bytes_max = self.limits.line_bytes_max;
            self.memory.keep_spare(spare, line_bytes_max);
        }
        self.give_lines(id, lines);
    }

    /// Keeps bytes to be handled later.
    pub(super) fn keep(&mut self, id: SessionId, bytes: &[u8]) {
        if let Some(session) = self.listeners.delivery.session_mut(id) {
            self.memory.kept_bytes -= session.lines.memory_bytes();
            session.lines.keep(bytes);
            self.memory.kept_bytes += session.lines.memory_bytes();
        }
    }

    pub(super) fn give_lines(&mut self, id: SessionId, mut lines: LineBuffer) {
        if let Some(session) = self.listeners.delivery.session_mut(id) {
            lines.give_back();
            self.memory.kept_bytes += lines.memory_bytes();
            session.lines = lines;
        }
    }

    /// What a session has said that is not handled yet is forgotten.
    pub(super) fn forget_lines(&mut self, id: SessionId) {
        if let Some(session) = self.listeners.delivery.session_mut(id) {
            self.memory.kept_bytes -= session.lines.memory_bytes();
            session.lines = LineBuffer::default();
        }
    }

    /// Why the next line of this session may not be handled now.
    fn hold_of(&self, id: SessionId) -> Hold {
        let Some(session) = self.session(id) else {
            return Hold::No;
        };
        if session.hold == Hold::Takeover {
            return Hold::Takeover;
        }
        if let Err(until) = session.throttle.check(self.now(), &self.rates) {
            return Hold::Rate(until);
        }
        if self.is_behind(session) {
            return Hold::Outbox;
        }
        if self.listeners.delivery.has_said_enough(session) {
            return Hold::Turn;
        }
        Hold::No
    }

    fn is_behind(&self, session: &Session) -> bool {
        session.outbox.bytes() > self.limits.outbox_bytes_max / 2
    }

    pub(super) fn hold(&mut self, id: SessionId, hold: Hold) {
        let Some(session) = self.session_mut(id) else {
            return;
        };
        session.hold = hold;
        match hold {
            Hold::Turn => self.held.push(id),
            Hold::AnswersOfTurn => self.answers.wait(id),
            Hold::Answers(_) => self.arm(id),
            Hold::Pace => self.pace.hold(id),
            Hold::Rate(_) => {
                if !std::mem::replace(&mut session.is_warned, true) {
                    self.refuse(id, crate::dialect::Refusal::SlowDown);
                }
                self.arm(id);
            }
            Hold::No | Hold::Outbox | Hold::Takeover => {}
        }
    }

    /// Goes on with a session that was held back.
    pub(super) fn resume(&mut self, id: SessionId) {
        let Some(session) = self.session_mut(id) else {
            return;
        };
        if !session.is_live() || session.hold == Hold::No || session.hold == Hold::Takeover {
            return;
        }
        session.hold = Hold::No;
        self.go_on(id);
    }

    /// Handles what was kept of a session whose hold is over, and lets it be read from again.
    pub(super) fn go_on(&mut self, id: SessionId) {
        match self.session(id).and_then(|session| session.door.as_deref()) {
            Some(Door::Posting(_) | Door::Reading(_)) => self.continue_request(id),
            Some(Door::Head(_) | Door::Frames(_)) | None => {
                self.handle_lines(id, &[], Holds::Apply);
            }
        }
        if self.wants_input(id) {
            match self.session(id).map(|session| session.input) {
                Some(Input::Open) => self.read_on(id),
                Some(Input::Closed) => self.finish_closed(id),
                Some(Input::Ended) => self.finish_input(id),
                Some(Input::Gone(reason)) => {
                    if reason == CloseReason::HungUp {
                        self.finish_input(id);
                    }
                    if self.wants_input(id) {
                        self.end_gone(id);
                    }
                }
                None => {}
            }
        }
    }

    /// The last of what an ended connection has sent, and its leave.
    pub(super) fn finish_input(&mut self, id: SessionId) {
        let Some(session) = self.listeners.delivery.session_mut(id) else {
            return;
        };
        // A message of a WebSocket that has no end was never sent.
        if session.frames().is_some() {
            self.forget_lines(id);
            return self.end_of_input(id);
        }
        let line_bytes_max = session.dialect.line_bytes_max(self.limits.line_bytes_max);
        let mut lines = std::mem::take(&mut session.lines);
        self.memory.kept_bytes -= lines.memory_bytes();
        if session.is_live()
            && let Some(piece) = lines.finish(line_bytes_max)
            && let Err(Postponed { line, later }) = self.handle(id, &piece, Holds::Apply)
        {
            lines.put_back(&line);
            self.give_lines(id, lines);
            self.hold(id, later.hold());
        }
        // Its last line may have made it wait, for the connection whose place it takes.
        if self.wants_input(id) {
            self.end_of_input(id);
        }
    }

    /// The other side sends no more.
    fn end_of_input(&mut self, id: SessionId) {
        let Some(session) = self.session(id) else {
            return;
        };
        if let Phase::Lingering { .. } = session.phase() {
            self.doom(id);
        } else {
            self.end(id, reason_of_end(session), None);
        }
    }
}

/// A line that is to be handled later.
pub(super) struct Postponed {
    pub(super) line: Vec<u8>,
    pub(super) later: Later,
}

/// What a line waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Later {
    /// That its session may have another large answer: not before that.
    Answers(Time),
    /// That a turn has not given as many large answers yet.
    AnswersOfTurn,
    /// That the readers of its room get on.
    Pace,
    /// That a turn has not said as much yet.
    Turn,
}

impl Later {
    pub(super) fn hold(self) -> Hold {
        match self {
            Later::Answers(until) => Hold::Answers(until),
            Later::AnswersOfTurn => Hold::AnswersOfTurn,
            Later::Pace => Hold::Pace,
            Later::Turn => Hold::Turn,
        }
    }
}

/// Whether what may hold lines back does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// It does.
    Apply,
    /// It does not: these lines were sent before something that must come behind them.
    Waived,
}
