//! WebSockets, as far as the hub is concerned: what comes in frames becomes lines, which are
//! handled as any; pings both ways; and how they end. What a frame is, is `dialect::websocket`'s.
//! Part of the hub.

use crate::bucket::Rate;
use crate::dialect::websocket::{self, Input as Framed};
use crate::session::{CloseReason, Frames, FramesEnding, Hold, Input, Session, SessionId};

use super::Hub;
use super::input::Holds;

/// So many pings a second cost nothing.
const FREE_PINGS_PER_SECOND: u32 = 1;
const FREE_PINGS_AT_ONCE: u32 = 2;

/// The close codes of ends that need no words (RFC 6455, 7.4.1).
const NORMAL: u16 = 1000;
const AGAINST_POLICY: u16 = 1008;

impl Hub {
    /// Takes the lines out of frames and handles them, then what else the frames were.
    pub(super) fn read_frames(&mut self, id: SessionId, mut bytes: &mut [u8], holds: Holds) {
        let mut lines = std::mem::take(&mut self.memory.unframed);
        lines.clear();
        let (now, rates) = (self.now(), self.rates);
        let Some(session) = self.session_mut(id) else {
            return;
        };
        let mut pings_to_pay = 0_u32;
        if let Some(frames) = session.frames_mut() {
            if !bytes.is_empty() {
                frames.pings_unanswered = 0;
            }
            while let Some(input) = frames.reader.next(&mut bytes) {
                match input {
                    Framed::Text(text) => lines.extend_from_slice(text),
                    Framed::End => lines.push(b'\n'),
                    Framed::Ping(payload) => {
                        frames.ping = Some(Box::new(payload));
                        let rate = Rate::new(FREE_PINGS_PER_SECOND, FREE_PINGS_AT_ONCE);
                        match frames.ping_bucket.check(now, rate) {
                            Ok(()) => frames.ping_bucket.take(now, rate, 1),
                            Err(_) => pings_to_pay += 1,
                        }
                    }
                    Framed::Pong => {}
                    Framed::Close(code) => frames.ending = Some(FramesEnding::Closed(code)),
                    Framed::Failed(code) => frames.ending = Some(FramesEnding::Failed(code)),
                }
            }
            frames.note_unfinished(now);
        }
        // What was read at once is not held against it for longer than a line too many would be.
        while pings_to_pay > 0 && session.throttle.check(now, &rates).is_ok() {
            session.take_line(now, &rates);
            pings_to_pay -= 1;
        }
        if session.hold != Hold::No && holds == Holds::Apply {
            self.keep(id, &lines);
        } else {
            self.handle_lines(id, &lines, holds);
        }
        self.memory.unframed = lines;
        self.arm(id);
        self.answer_ping(id);
        if pings_to_pay > 0 && holds == Holds::Apply {
            self.hold_for_pings(id);
        }
        self.end_with_frames(id);
    }

    /// Who pings more than its rate allows is not read from until that allows more.
    fn hold_for_pings(&mut self, id: SessionId) {
        let (now, rates) = (self.now(), self.rates);
        let Some(session) = self.session(id) else {
            return;
        };
        if session.is_live()
            && session.hold == Hold::No
            && let Err(until) = session.throttle.check(now, &rates)
        {
            self.hold(id, Hold::Rate(until));
        }
    }

    /// Takes the lines out of the last frames of a connection that broke; they are not handled yet.
    pub(super) fn keep_frames(&mut self, id: SessionId, mut bytes: &mut [u8]) {
        let Some(session) = self.listeners.delivery.session_mut(id) else {
            return;
        };
        let mut lines = std::mem::take(&mut session.lines);
        self.memory.kept_bytes -= lines.memory_bytes();
        if let Some(frames) = session.frames_mut() {
            while let Some(input) = frames.reader.next(&mut bytes) {
                match input {
                    Framed::Text(text) => lines.keep(text),
                    Framed::End => lines.keep(b"\n"),
                    _ => {}
                }
            }
        }
        self.give_lines(id, lines);
    }

    /// The newest ping is answered, unless the answer to another was not taken yet.
    pub(super) fn answer_ping(&mut self, id: SessionId) {
        let delivery = &mut self.listeners.delivery;
        let Some(session) = delivery.session_mut(id).filter(|session| session.is_live()) else {
            return;
        };
        let taken = session.outbox.bytes_taken();
        let Some(frames) = session
            .frames_mut()
            .filter(|frames| frames.pong_ends_at <= taken)
        else {
            return;
        };
        let Some(ping) = frames.ping.take() else {
            return;
        };
        delivery.tell_one(id, |out| {
            websocket::write_pong(&ping, out);
            0
        });
        if let Some(session) = delivery.session_mut(id) {
            let ends_at = taken + session.outbox.bytes() as u64;
            if let Some(frames) = session.frames_mut() {
                frames.pong_ends_at = ends_at;
            }
        }
    }

    /// Asks a WebSocket that was silent for long whether it is there. Not counted while we do not
    /// read from it.
    pub(super) fn ping(&mut self, id: SessionId) {
        let now = self.now();
        let unanswered_max = self.limits.websocket_pings_unanswered_max;
        let Some(session) = self.session_mut(id) else {
            return;
        };
        let is_read_from = session.hold == Hold::No;
        let Some(frames) = session.frames_mut() else {
            return;
        };
        frames.pinged_at = now;
        if !is_read_from {
            frames.pings_unanswered = 0;
        } else if frames.pings_unanswered >= unanswered_max {
            return self.hang_up(id);
        } else {
            frames.pings_unanswered += 1;
        }
        self.listeners.delivery.tell_one(id, |out| {
            websocket::write_ping(out);
            0
        });
    }

    /// A session that was held back is read from again.
    pub(super) fn read_on(&mut self, id: SessionId) {
        let now = self.now();
        if let Some(frames) = self.session_mut(id).and_then(Session::frames_mut) {
            frames.wait_anew(now);
            self.arm(id);
        }
        self.released.push(id);
    }

    /// A WebSocket has not finished a frame in time.
    pub(super) fn end_half_frame(&mut self, id: SessionId) {
        if let Some(frames) = self.session_mut(id).and_then(Session::frames_mut) {
            frames.ending = Some(FramesEnding::Failed(AGAINST_POLICY));
        }
        self.end(id, CloseReason::HalfFrame, None);
    }

    /// A WebSocket that has said or shown that it is over ends, once its lines were handled.
    fn end_with_frames(&mut self, id: SessionId) {
        let Some(session) = self.session_mut(id) else {
            return;
        };
        let is_over = session
            .frames()
            .is_some_and(|frames| frames.ending.is_some());
        if is_over && session.is_live() && session.input == Input::Open {
            session.input = Input::Closed;
            if self.wants_input(id) {
                self.finish_input(id);
            }
        }
    }

    /// The end of a WebSocket that was held back when it said that it is over. What it sent behind
    /// that lies there unread, and must be.
    pub(super) fn finish_closed(&mut self, id: SessionId) {
        self.released.push(id);
        self.finish_input(id);
    }

    /// The last frame, where the last word did not bring one.
    pub(super) fn close_frames(&mut self, id: SessionId) {
        let Some(frames) = self.session(id).and_then(Session::frames) else {
            return;
        };
        let code = match frames.ending {
            Some(FramesEnding::Closed(code)) => code,
            Some(FramesEnding::Failed(code)) => Some(code),
            None => Some(NORMAL),
        };
        self.listeners.delivery.tell_one(id, |out| {
            websocket::write_close(code, out);
            0
        });
    }
}

/// Why a session ends whose other side sends no more.
pub(super) fn reason_of_end(session: &Session) -> CloseReason {
    match session.frames() {
        Some(Frames {
            ending: Some(FramesEnding::Failed(_)),
            ..
        }) => CloseReason::WrongProtocol,
        _ => CloseReason::HungUp,
    }
}
