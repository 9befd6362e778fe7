//! What must be true of the engine at the end of every turn, looked at from scratch. Changes
//! nothing; the turn asserts it in debug builds. Functions
//! over the core.

use crate::dialect::Dialect;
use crate::session::{Hold, Phase, Session, SessionId};

use super::core::Core;

/// The first thing found that must not be.
pub(super) fn unsound(core: &Core) -> Option<String> {
    let sessions = core.sessions();
    let (mut references, mut live, mut named, mut kept) = (0, 0, 0, 0);
    for (id, session) in sessions.iter() {
        references += session.outbox.references();
        kept += session.kept_bytes();
        live += usize::from(session.is_live());
        named += usize::from(session.member.is_some());
        if let Some(fault) = unsound_session(core, id, session) {
            return Some(format!("slot {}: {fault}", id.0));
        }
    }
    let counted = sessions.store.references();
    if references != counted {
        return Some(format!(
            "outboxes hold {references} slices, blocks count {counted}"
        ));
    }
    if !sessions.store.is_sound() {
        return Some("the memory of blocks is counted wrong".into());
    }
    if live != sessions.live() || named != core.directory.members() {
        return Some(format!(
            "{live} sessions are live and {named} named, {} and {} are counted",
            sessions.live(),
            core.directory.members()
        ));
    }
    if kept != core.memory.kept_bytes {
        let counted = core.memory.kept_bytes;
        return Some(format!(
            "lines take {kept} bytes of memory, {counted} are counted"
        ));
    }
    let histories = &core.listeners.histories;
    if histories.bytes() != histories.bytes_counted() {
        return Some("the bytes of the histories are counted wrong".into());
    }
    None
}

fn unsound_session(core: &Core, id: SessionId, session: &Session) -> Option<String> {
    if !session.outbox.is_sound() {
        return Some("the byte count of its outbox is wrong".into());
    }
    if session.member.is_some() != (session.phase() == Phase::Chatting) {
        return Some(format!(
            "it is {:?} and {:?}",
            session.phase(),
            session.member
        ));
    }
    let decided = session.dialect != Dialect::Undecided;
    let has_line = session.lines.has_line(&[], usize::MAX);
    if session.is_live() && session.hold == Hold::No && decided && has_line {
        return Some("it has lines and is not held back".into());
    }
    let delivery = &core.listeners.delivery;
    let heard = || session.rooms.iter().map(|hearing| hearing.room);
    let member = session.member.into_iter();
    let is_in = || {
        member
            .clone()
            .flat_map(|member| core.directory.rooms_of(member))
    };
    // Looked at in every turn of the tests that count allocations: so without a set.
    let hears_its_rooms = is_in().all(|room| heard().any(|other| other == room));
    if heard().count() != is_in().count() || !hears_its_rooms {
        let (heard, is_in): (Vec<_>, Vec<_>) = (heard().collect(), is_in().collect());
        return Some(format!("it hears {heard:?} and its member is in {is_in:?}"));
    }
    if session
        .member
        .is_some_and(|member| delivery.speakers.of(member) != Some(id))
    {
        return Some("its member is told through another session".into());
    }
    let encoding = session.encoding();
    let knows = |room| {
        let audience = delivery.audiences.get(room);
        audience.is_some_and(|audience| audience.has(id, encoding))
    };
    if !heard().all(knows) {
        return Some("a room does not know that it is heard by it".into());
    }
    None
}
