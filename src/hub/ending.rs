//! How sessions end: every way out leads through [`end`], once (but the takeover's, which has no
//! leave). The chat is told, the session gets its last word and drains, the turn is told what is
//! doomed. Not why: whoever finds a reason calls this, and this calls none of them back. Functions
//! over the core.

use std::time::Duration;

use crate::chat::MemberId;
use crate::dialect::sniff::ForeignProtocol;
use crate::dialect::{self, Dialect, Refusal, Reply, text};
use crate::session::{CloseReason, ConnectionSummary, Hold, Input, Session, SessionId, Step};

use super::core::Core;
use super::frames;
use super::muting;
use super::records::Recorded;

/// Ends a session. `words` are the last on it: its own with `/quit`, the operator's with `/kick` and `/ban`.
/// One that has ended already keeps its reason; when its connection is lost, nothing more can be
/// written to it.
pub(super) fn end(core: &mut Core, id: SessionId, reason: CloseReason, words: Option<&str>) {
    let is_lost = reason == CloseReason::ConnectionLost;
    // Nor with its last words do the others hear of who is muted.
    let is_hidden = reason == CloseReason::Quit && muting::is_muted(core, id);
    let words = words.filter(|_| !is_hidden);
    let rooms = match core.session(id) {
        Some(session) if session.is_live() => session.rooms.len(),
        Some(_) if is_lost => return core.sessions_mut().doom(id),
        Some(_) | None => return,
    };
    core.delivery().measure.count_end(rooms);
    if let Some(member) = forget_member(core, id) {
        let listeners = &mut core.listeners;
        core.directory
            .leave(member, reason.cause(), words, listeners);
        listeners.delivery.speakers.unbind(member);
    }
    match reason {
        CloseReason::TooSlow => forget_what_is_owed(core, id),
        CloseReason::TlsFault => core.sessions_mut().clear_outbox(id),
        _ => {}
    }
    start_ending(core, id, reason, words);
    if is_lost {
        core.sessions_mut().doom(id);
    }
}

/// The old connection of a member that goes on elsewhere: nobody is told of a leave.
pub(super) fn end_replaced(core: &mut Core, id: SessionId) {
    if let Some(member) = core.member_of(id) {
        let name = core.directory.name_of(member).into();
        core.left_names.insert(id, name);
    }
    if let Some(session) = core.session_mut(id) {
        session.member = None;
    }
    start_ending(core, id, CloseReason::Replaced, None);
}

/// Somebody spoke another protocol: they are told so in a way their program can show.
pub(super) fn end_foreign(core: &mut Core, id: SessionId, protocol: ForeignProtocol) {
    core.delivery().tell_one(id, |out| {
        text::encode_foreign_head(protocol, out);
        0
    });
    end(core, id, CloseReason::WrongProtocol, None);
}

/// The connection is gone; nothing can be written to it any more. What its member had sent before
/// and was held back for is still said, at the pace of its rate, for `drain_timeout`.
pub(super) fn hang_up(core: &mut Core, id: SessionId) {
    let until = core.now() + core.limits.drain_timeout;
    let sessions = core.sessions_mut();
    let Some(session) = sessions.get_mut(id) else {
        return;
    };
    let reason = match session.input {
        Input::Open => CloseReason::ConnectionLost,
        Input::Closed | Input::Ended => CloseReason::HungUp,
        Input::Gone(_) => return,
    };
    let has_more = session.lines.has_line(b"", usize::MAX);
    if session.member.is_none() || !session.is_live() || !has_more {
        return end(core, id, CloseReason::ConnectionLost, None);
    }
    session.input = Input::Gone(reason);
    let hold = std::mem::replace(&mut session.hold, Hold::No);
    if let Hold::Rate(_) | Hold::Answers(_) = hold {
        session.hold = hold;
    } else {
        session.hold = Hold::Turn;
        sessions.queues.held.push(id);
    }
    sessions.clear_outbox(id);
    sessions.timers.outlive(id, until);
    core.arm(id);
}

/// A connection that is gone has said what it had sent, or had the time for it.
pub(super) fn end_gone(core: &mut Core, id: SessionId) {
    let Some(Input::Gone(reason)) = core.session(id).map(|session| session.input) else {
        return;
    };
    core.sessions_mut().timers.forget(id);
    end(core, id, reason, None);
    core.sessions_mut().doom(id);
}

/// What came over the connection cannot be understood by what carries it, or did not come whole in
/// time. Nothing that was queued can be written.
pub(super) fn break_off(core: &mut Core, id: SessionId) {
    end(core, id, CloseReason::TlsFault, None);
    let sessions = core.sessions_mut();
    sessions.clear_outbox(id);
    // One that was draining already has nothing left to drain.
    sessions.mark_dirty(id);
}

/// What is to carry the connection did not come about in time.
pub(super) fn expire_handshake(core: &mut Core, id: SessionId) {
    end(core, id, CloseReason::NameTimeout, None);
    core.sessions_mut().clear_outbox(id);
}

/// Its side is shut and need not linger: if the other side has ended too, it is over.
pub(super) fn close_if_ended(core: &mut Core, id: SessionId) {
    let input = core.session(id).map(|session| session.input);
    // Over what was not read, closing would become a reset that destroys the last word.
    if matches!(input, Some(Input::Ended | Input::Gone(_))) {
        core.sessions_mut().doom(id);
    }
}

/// The server stops: everybody is told, and drains until `drain_timeout`.
pub(super) fn shut_down(core: &mut Core) {
    let reason = CloseReason::ShuttingDown;
    let sessions = core.sessions().iter();
    let live = sessions.filter(|(_, session)| session.is_live());
    let live: Vec<SessionId> = live.map(|(id, _)| id).collect();
    core.listeners.forget_rooms(&core.limits);
    let is_told = |id: &SessionId| is_told(core, *id, reason);
    let (told, silent): (Vec<_>, Vec<_>) = live.iter().copied().partition(is_told);
    core.delivery().tell_each(&told, |encoding, out| {
        let last_word = Reply::Ended(Refusal::ShuttingDown);
        dialect::encode_reply(encoding, &last_word, None, out)
    });
    for &id in &silent {
        frames::close(core.delivery(), id);
    }
    for &id in &live {
        forget_member(core, id);
        start_draining(core, id, reason, core.limits.drain_timeout);
    }
    core.directory.clear();
}

/// A session that is drained shuts its side and lingers. Whether the turn is to shut it.
pub(super) fn start_lingering(core: &mut Core, id: SessionId) -> bool {
    let until = core.now() + core.limits.linger_timeout;
    let Some(session) = core.session_mut(id) else {
        return false;
    };
    let lingers = session.advance(Step::Linger(until));
    if lingers {
        core.arm(id);
    }
    lingers
}

/// The connection is closed and its slot is free: what there is to say of it.
pub(super) fn remove(core: &mut Core, id: SessionId) -> Option<ConnectionSummary> {
    let name = core.left_names.remove(&id);
    let session = core.sessions_mut().remove(id)?;
    Some(ConnectionSummary {
        reason: session.phase().reason()?,
        name,
        lines_in: session.lines_in,
        bytes_in: session.bytes_in,
        lines_out: session.outbox.lines_taken(),
        bytes_out: session.outbox.bytes_taken(),
        duration: core.now().since(session.connected_at),
    })
}

/// The last word, if there is one, and the drain.
fn start_ending(core: &mut Core, id: SessionId, reason: CloseReason, words: Option<&str>) {
    let last_word = match reason.refusal() {
        Some(Refusal::Kicked(_)) => Some(Refusal::Kicked(words)),
        Some(Refusal::Banned(_)) => Some(Refusal::Banned(words)),
        other => other,
    };
    match last_word.filter(|_| is_told(core, id, reason)) {
        Some(refusal) => core.reply(id, &Reply::Ended(refusal), None),
        None => frames::close(core.delivery(), id),
    }
    let timeout = match reason {
        CloseReason::Answered => core.limits.http_answer_timeout,
        _ => core.limits.flush_timeout,
    };
    start_draining(core, id, reason, timeout);
}

fn start_draining(core: &mut Core, id: SessionId, reason: CloseReason, timeout: Duration) {
    let until = core.now() + timeout;
    if !core.sessions_mut().start_draining(id, reason, until) {
        return;
    }
    if let Some((session, memory)) = core.session_and_memory(id) {
        memory.forget_lines(session);
        memory.take_door(session);
    }
    core.listeners.records.push(Some(id), Recorded::Ended);
    core.arm(id);
}

/// Nothing is written to a connection before it has spoken, unless it finds no place; so who never
/// spoke goes without a word.
fn is_told(core: &Core, id: SessionId, reason: CloseReason) -> bool {
    let understands_words = |session: &Session| {
        let frames_failed = session
            .frames()
            .is_some_and(|frames| frames.ending.is_some());
        session.dialect != Dialect::Http && !frames_failed
    };
    core.session(id).is_some_and(|session| {
        let is_heard = session.has_spoken() && understands_words(session);
        is_heard || !session.has_spoken() && reason.is_told_unasked()
    })
}

/// A slow consumer is owed nothing more than the end of the line it is in the middle of.
fn forget_what_is_owed(core: &mut Core, id: SessionId) {
    let delivery = core.delivery();
    delivery.statistics.slow_consumers_cut += 1;
    let rest = delivery.sessions.cut_to_line(id);
    // Its last lines may stay for long: they shall not hold what others were told.
    delivery.start_new_replies();
    if !rest.is_empty() {
        let lines = memchr::memchr_iter(b'\n', &rest).count();
        delivery.tell_one(id, |out| {
            out.extend_from_slice(&rest);
            u32::try_from(lines).expect("fewer lines than bytes are sealed at once")
        });
    }
}

/// The session is no member any more, and remembered by its name. Who it was.
fn forget_member(core: &mut Core, id: SessionId) -> Option<MemberId> {
    let member = core.member_of(id)?;
    let name = core.directory.name_of(member).into();
    core.left_names.insert(id, name);
    core.comebacks.forget(member);
    if let Some(session) = core.session_mut(id) {
        session.member = None;
    }
    Some(member)
}
