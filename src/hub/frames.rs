//! WebSockets, as far as the hub is concerned: the lines are taken out of frames; pings both ways;
//! and what is said last. What a frame is, is `dialect::websocket`'s; what becomes of the lines, and
//! when such a session ends, is `intake`'s. Functions over delivery and sessions.

use crate::bucket::Rate;
use crate::dialect::line::LineBuffer;
use crate::dialect::websocket::{self, Input as Framed};
use crate::session::{CloseReason, Frames, FramesEnding, Hold, Input, Rates, Session, SessionId};
use crate::time::Time;

use super::delivery::Delivery;

/// So many pings a second cost nothing.
const FREE_PINGS_PER_SECOND: u32 = 1;
const FREE_PINGS_AT_ONCE: u32 = 2;

/// The close codes of ends that need no words (RFC 6455, 7.4.1).
const NORMAL: u16 = 1000;
const AGAINST_POLICY: u16 = 1008;

/// Appends to `lines` what comes in frames; what else the frames were is noted in the session. How
/// many pings came for which its rate does not allow.
pub(super) fn unframe(
    session: &mut Session,
    mut bytes: &mut [u8],
    lines: &mut Vec<u8>,
    now: Time,
    rates: &Rates,
) -> u32 {
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
                    let pings = frames.pings.get_or_insert_default();
                    pings.newest = Some(Box::new(payload));
                    let rate = Rate::new(FREE_PINGS_PER_SECOND, FREE_PINGS_AT_ONCE);
                    match pings.bucket.check(now, rate) {
                        Ok(()) => pings.bucket.take(now, rate, 1),
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
    while pings_to_pay > 0 && session.throttle.check(now, rates).is_ok() {
        session.take_line(now, rates);
        pings_to_pay -= 1;
    }
    pings_to_pay
}

/// Keeps the lines out of the last frames of a connection that broke; they are not handled yet.
pub(super) fn keep(session: &mut Session, mut bytes: &mut [u8], lines: &mut LineBuffer) {
    if let Some(frames) = session.frames_mut() {
        while let Some(input) = frames.reader.next(&mut bytes) {
            match input {
                Framed::Text(text) => lines.keep(text),
                Framed::End => lines.keep(b"\n"),
                _ => {}
            }
        }
    }
}

/// The newest ping is answered, unless the answer to another was not taken yet.
pub(super) fn answer_ping(delivery: &mut Delivery, id: SessionId) {
    let sessions = &mut delivery.sessions;
    let Some(session) = sessions.get_mut(id).filter(|session| session.is_live()) else {
        return;
    };
    let taken = session.outbox.bytes_taken();
    let ping = session
        .pings_mut()
        .filter(|pings| pings.pong_ends_at <= taken)
        .and_then(|pings| pings.newest.take());
    let Some(ping) = ping else {
        return;
    };
    delivery.tell_one(id, |out| {
        websocket::write_pong(&ping, out);
        0
    });
    if let Some(session) = delivery.sessions.get_mut(id) {
        let ends_at = taken + session.outbox.bytes() as u64;
        if let Some(pings) = session.pings_mut() {
            pings.pong_ends_at = ends_at;
        }
    }
}

/// Asks a WebSocket that was silent for long whether it is there. Not counted while we do not read
/// from it. Whether that was asked too often: then it is gone.
pub(super) fn ping(delivery: &mut Delivery, id: SessionId, unanswered_max: u8) -> bool {
    let now = delivery.sessions.now;
    let Some(session) = delivery.sessions.get_mut(id) else {
        return false;
    };
    let is_read_from = session.hold == Hold::No;
    let Some(frames) = session.frames_mut() else {
        return false;
    };
    frames.pinged_at = now;
    if !is_read_from {
        frames.pings_unanswered = 0;
    } else if frames.pings_unanswered >= unanswered_max {
        return true;
    } else {
        frames.pings_unanswered += 1;
    }
    delivery.tell_one(id, |out| {
        websocket::write_ping(out);
        0
    });
    false
}

/// Notes that a WebSocket which has said or shown that it is over sends no more. Whether it has, just
/// now.
pub(super) fn close_input(session: &mut Session) -> bool {
    let frames = session.frames();
    let is_over = frames.is_some_and(|frames| frames.ending.is_some());
    let closes = is_over && session.is_live() && session.input == Input::Open;
    if closes {
        session.input = Input::Closed;
    }
    closes
}

/// A WebSocket has not finished a frame in time: notes that this is how it ends.
pub(super) fn fail_half_frame(session: &mut Session) {
    if let Some(frames) = session.frames_mut() {
        frames.ending = Some(FramesEnding::Failed(AGAINST_POLICY));
    }
}

/// The last frame, where the last word did not bring one.
pub(super) fn close(delivery: &mut Delivery, id: SessionId) {
    let session = delivery.sessions.get(id);
    let Some(frames) = session.and_then(Session::frames) else {
        return;
    };
    let code = match frames.ending {
        Some(FramesEnding::Closed(code)) => code,
        Some(FramesEnding::Failed(code)) => Some(code),
        None => Some(NORMAL),
    };
    delivery.tell_one(id, |out| {
        websocket::write_close(code, out);
        0
    });
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
