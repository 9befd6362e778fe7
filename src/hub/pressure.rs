//! The second half of a turn, as far as memory is concerned: what was said is sealed and laid into
//! outboxes, what was written is taken out of them, whoever is too far behind is cut. Functions over
//! the core.

use std::cmp::Reverse;

use crate::session::{CloseReason, Hold, SessionId};

use super::core::Core;
use super::{backlog, ending, frames};

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

/// Seals what was said in this turn and lays it into the outboxes. Whoever overflows is cut, which
/// others are told, which may make them overflow: so it goes on in rounds, each told as a whole,
/// until nobody does, or so many have ended that the others wait for the next turn.
pub(super) fn seal(core: &mut Core) {
    backlog::cut(core);
    cut_slow_consumers(core);
    core.delivery().seal_rooms();
    while !core.sessions().queues.overflowed.is_empty()
        && !core.delivery().measure.has_ended_enough()
    {
        cut_overflowed(core);
        core.delivery().seal_rooms();
    }
    core.delivery().start_new_replies();
}

/// Cuts those whose outbox has passed its bound, as far as this turn has time.
fn cut_overflowed(core: &mut Core) {
    let mut overflowed = std::mem::take(&mut core.sessions_mut().queues.overflowed).into_iter();
    while !core.delivery().measure.has_ended_enough()
        && let Some(id) = overflowed.next()
    {
        // The slot may have a new owner since.
        if core.session(id).is_some_and(|session| session.overflowed) {
            ending::end(core, id, CloseReason::TooSlow, None);
        }
    }
    // Those who overflow by what the others are told of these come behind them.
    let told = std::mem::take(&mut core.sessions_mut().queues.overflowed);
    core.sessions_mut().queues.overflowed = overflowed.chain(told).collect();
}

/// As much was written as the socket takes.
pub(super) fn after_write(core: &mut Core, id: SessionId) -> AfterWrite {
    let Some(session) = core.session(id) else {
        return AfterWrite::KeepOpen;
    };
    let pings = session.frames().and_then(|frames| frames.pings.as_ref());
    if pings.is_some_and(|pings| pings.newest.is_some()) {
        frames::answer_ping(core.delivery(), id);
    }
    let Some(session) = core.session(id) else {
        return AfterWrite::KeepOpen;
    };
    let owed = session.outbox.bytes();
    let has_ended = !session.is_live();
    if session.hold == Hold::Outbox && owed <= core.limits.outbox_bytes_max / 4 {
        core.sessions_mut().queues.held.push(id);
    }
    if owed > 0 {
        core.arm(id);
        return if has_ended {
            AfterWrite::Widen
        } else {
            AfterWrite::KeepOpen
        };
    }
    if ending::start_lingering(core, id) {
        AfterWrite::Shut
    } else {
        AfterWrite::KeepOpen
    }
}

/// The end of the turn, after everything was written that it had time for: memory is settled.
pub(super) fn settle(core: &mut Core) {
    let sessions = core.sessions_mut();
    sessions.queues.just_ended.clear();
    sessions.store.settle();
    let somebody_waits = sessions.queues.waiting_since.is_some();
    let somebody_waits = somebody_waits || core.delivery().measure.has_ended_enough();
    core.delivery().measure.is_pressed = somebody_waits && is_short_of_memory(core);
}

/// All that can grow, histories included.
pub(super) fn memory_bytes(core: &Core) -> usize {
    pressing_bytes(core) + core.listeners.histories.bytes()
}

/// Whether what slow readers and held talkers make grow is more than it may be.
pub(super) fn is_short_of_memory(core: &Core) -> bool {
    pressing_bytes(core) > core.limits.outbox_total_bytes_max
}

/// All that slow readers and held talkers make grow: blocks, what refers to them, and lines that
/// wait. What one turn adds to that is bounded by itself, and histories are by theirs.
fn pressing_bytes(core: &Core) -> usize {
    let memory = &core.memory;
    core.sessions().store.memory_bytes() + memory.kept_bytes + memory.transport_bytes
}

/// While all outboxes together hold too much memory, whoever is furthest behind goes: it is
/// the oldest blocks that are to become free, and one that only drains must not keep them. What
/// was laid in this turn does not count yet, since most of it will be taken at once. What is
/// sealed for a connection becomes free only with the connection, which goes at once.
/// Then those go whose connection is gone, with what they have not said yet, who keeps most first. As
/// far as this turn has time: meanwhile nobody says more.
fn cut_slow_consumers(core: &mut Core) {
    if !is_short_of_memory(core) {
        return;
    }
    core.sessions_mut().store.drop_spare();
    for id in slow_consumers(core) {
        if !is_short_of_memory(core) || core.delivery().measure.has_ended_enough() {
            return;
        }
        let Some(session) = core.session(id) else {
            continue;
        };
        let (is_live, sealed) = (session.is_live(), session.outbox.promised());
        if is_live {
            ending::end(core, id, CloseReason::TooSlow, None);
        }
        if !is_live || sealed > 0 {
            core.sessions_mut().doom(id);
            let left = core.memory.transport_bytes.saturating_sub(sealed);
            core.memory.transport_bytes = left;
        }
    }
    for id in gone_sessions(core) {
        if !is_short_of_memory(core) || core.delivery().measure.has_ended_enough() {
            return;
        }
        ending::end_gone(core, id);
    }
}

/// Those whose connection is gone, who keeps most first.
fn gone_sessions(core: &Core) -> Vec<SessionId> {
    let kept_bytes = |id| {
        core.session(id)
            .map_or(0, |session| session.lines.memory_bytes())
    };
    let mut gone: Vec<_> = core.sessions().timers.gone().collect();
    gone.sort_unstable_by_key(|&id| (Reverse(kept_bytes(id)), id));
    gone
}

/// Who has not taken what was said before this turn, the furthest behind first. Who ended in
/// this turn is not among them: a flush must have had the chance to write its last line.
fn slow_consumers(core: &Core) -> Vec<SessionId> {
    let sessions = core.sessions();
    let mut just_ended = sessions.queues.just_ended.clone();
    just_ended.sort_unstable();
    let waiting_since = sessions.queues.waiting_since;
    let mut behind: Vec<_> = sessions
        .iter()
        .filter_map(|(id, session)| {
            let oldest = session.outbox.oldest(&sessions.store);
            let oldest = oldest.filter(|&oldest| oldest < sessions.now)?;
            if session.waits_for_flush(waiting_since) {
                return None;
            }
            let had_a_flush = just_ended.binary_search(&id).is_err();
            had_a_flush.then_some((oldest, Reverse(session.outbox.bytes()), id))
        })
        .collect();
    behind.sort_unstable();
    behind.into_iter().map(|(_, _, id)| id).collect()
}
