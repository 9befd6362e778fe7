//! How somebody comes in: the name, the rooms, and what was said in them before. Coming back while
//! the old connection is still there is in `takeover`. Functions over the core.

use crate::chat::{Entry, Hears, MemberId, MessageId, Name, Refusal as RulesRefusal};
use crate::dialect::{Encoding, Refusal, Reply};
use crate::session::{CloseReason, Hold, Session, SessionId, Step};

use super::admission::{self, Admitted};
use super::comebacks::Token;
use super::core::Core;
use super::ending;
use super::listeners::Replay;
use super::records::{Arrival, Recorded};

/// Gives a session the name it asks for and lets it into the rooms; or lets it wait for the place
/// of a connection whose member it proves to be.
pub(super) fn enter<'a>(
    core: &mut Core,
    id: SessionId,
    entry: &Entry<'a>,
    reference: Option<&str>,
) -> Result<(), Refusal<'a>> {
    if core.member_of(id).is_some() {
        return Err(Refusal::EnteredAlready);
    }
    if admission::check_entry(core, id, entry)? == Admitted::NotNow {
        return Ok(());
    }
    check_rooms(core, entry)?;
    if let Some(old) = find_for_takeover(core, entry) {
        core.comebacks.wait(old, id, entry, reference);
        if let Some(session) = core.session_mut(id) {
            session.hold = Hold::Takeover;
        }
        return Ok(());
    }
    if end_if_banned(core, id, entry.name) {
        return Ok(());
    }
    let hears = hears(core, id);
    let member = core.directory.admit(entry.name, hears)?;
    welcome(core, id, member, reference);
    record(core, id, member, Recorded::Joined);
    core.listeners.tell_motd(true);
    for (room, since) in entry.rooms {
        enter_room(core, id, member, room, *since, reference);
    }
    core.listeners.tell_motd(false);
    Ok(())
}

/// Whoever asks for a banned name is told so, and ends: whether that was so.
pub(super) fn end_if_banned(core: &mut Core, id: SessionId, name: &str) -> bool {
    let Some(ban) = core.standing.ban_on_name(name) else {
        return false;
    };
    let why = ban.why.clone();
    ending::end(core, id, CloseReason::Banned, why.as_deref());
    true
}

/// The session is this member from now on, and is told so.
pub(super) fn welcome(core: &mut Core, id: SessionId, member: MemberId, reference: Option<&str>) {
    core.gate.let_in(id);
    core.delivery().speakers.bind(member, id);
    let Some(session) = core.session_mut(id) else {
        return;
    };
    session.member = Some(member);
    session.advance(Step::Name);
    // Only programs are told a token, and only they can come back with it.
    if session.encoding() != Encoding::Text {
        let token = core.comebacks.new_token(member);
        let welcome = Reply::Welcome {
            name: core.directory.name_of(member),
            resume: &token,
            motd: core.listeners.motd.as_deref(),
        };
        core.listeners.delivery.reply(id, &welcome, reference);
    }
}

/// Puts down for the log who came by this connection.
pub(super) fn record(
    core: &mut Core,
    id: SessionId,
    member: MemberId,
    how: fn(Arrival) -> Recorded,
) {
    let dialect = core.session(id).map(|session| session.dialect);
    let arrival = Arrival {
        name: core.directory.name_of(member).into(),
        language: dialect.unwrap_or_default().name(),
        rooms: Vec::new(),
    };
    core.listeners.records.push(Some(id), how(arrival));
}

/// Lets a member into a room, with what it missed there; or tells it why not.
pub(super) fn enter_room(
    core: &mut Core,
    id: SessionId,
    member: MemberId,
    room: &str,
    since: Option<MessageId>,
    reference: Option<&str>,
) {
    core.listeners.set_replay(Replay::since(since));
    match core.directory.join(member, room, &mut core.listeners) {
        // Somebody may name a room twice.
        Ok(_) | Err(RulesRefusal::AlreadyHere(_)) => {}
        Err(refusal) => core.reply(id, &Reply::Refused(refusal.into()), reference),
    }
}

/// The connection of the member whom this entry proves to be, and by which token.
fn find_for_takeover(core: &Core, entry: &Entry<'_>) -> Option<(SessionId, Token)> {
    let member = core.directory.member_named(entry.name)?;
    let proof = core.comebacks.proof(member, entry.resume?)?;
    let session = core.listeners.delivery.speakers.of(member)?;
    Some((session, proof))
}

fn hears(core: &Core, id: SessionId) -> Hears {
    let (echo, names_max) = match core.session(id).map(Session::encoding) {
        Some(Encoding::Json | Encoding::JsonFrames) => (true, core.limits.entered_names_max),
        Some(Encoding::Text) | None => (false, core.limits.welcome_names_max),
    };
    Hears {
        echo,
        names_max: u16::try_from(names_max).unwrap_or(u16::MAX),
    }
}

/// Nobody comes in by half: what can be known to be wrong is refused before.
fn check_rooms<'a>(core: &Core, entry: &Entry<'a>) -> Result<(), Refusal<'a>> {
    let rooms_max = core.limits.rooms_per_member_max;
    if entry.rooms.len() > rooms_max {
        return Err(RulesRefusal::TooManyRooms(rooms_max).into());
    }
    for (room, _) in entry.rooms {
        Name::parse(room).map_err(RulesRefusal::BadName)?;
    }
    Ok(())
}
