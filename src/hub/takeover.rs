//! Coming back while the old connection is still there: somebody who proves by a token that it is
//! the same member takes the name and the rooms over, without a leave. What the old connection had
//! sent is said first, so that who sends again what it does not find said sends nothing twice. Who
//! waits for that is in `comebacks`. Functions over the core and the intake.

use crate::chat::{Entry, MemberId};
use crate::dialect::Reply;

use super::comebacks::Takeover;
use super::core::Core;
use super::intake::Intake;
use super::listeners::Replay;
use super::records::Recorded;
use super::{arrival, ending};

/// The first of those who wait takes the place it waits for; or comes in as anybody does, if that
/// place was left meanwhile.
pub(super) fn finish(core: &mut Core, intake: &mut Intake) {
    let Some(takeover) = core.comebacks.pop() else {
        return;
    };
    intake.receive_last(core, takeover.old, &mut []);
    let Some(session) = core.session_mut(takeover.new) else {
        return;
    };
    session.hold = crate::session::Hold::No;
    if !session.is_live() {
        return;
    }
    let member = core.session(takeover.old).and_then(|old| old.member);
    let is_its_name = member.is_some() && core.directory.member_named(&takeover.name) == member;
    core.allow_replay();
    match member.filter(|_| is_its_name) {
        Some(member) => take_over(core, member, &takeover),
        None => enter_after_all(core, &takeover),
    }
    intake.go_on(core, takeover.new);
}

fn take_over(core: &mut Core, member: MemberId, takeover: &Takeover) {
    let (old, new) = (takeover.old, takeover.new);
    core.delivery().leave_rooms(old);
    let old_session = core.session(old);
    let rate = old_session.map(|session| (session.throttle, session.is_warned));
    ending::end_replaced(core, old);
    if let (Some(session), Some(rate)) = (core.session_mut(new), rate) {
        (session.throttle, session.is_warned) = rate;
    }
    let now = core.now();
    core.comebacks.came_back(member, takeover.proof, now);
    let reference = takeover.reference.as_deref();
    arrival::welcome(core, new, member, reference);
    arrival::record(core, new, member, Recorded::CameBack);
    for room in core.directory.rooms_of(member).collect::<Vec<_>>() {
        let name = core.directory.room_name(room);
        let is_meant =
            |asked: &str| asked == name || core.directory.room_of(member, Some(asked)) == Ok(room);
        let known = takeover.known.iter().find(|(asked, _)| is_meant(asked));
        let since = known.map(|&(_, since)| since);
        let replay = since.map_or(Replay::Nothing, Replay::Since);
        core.listeners.set_replay(replay);
        core.directory
            .enter_again(member, room, &mut core.listeners);
    }
    for (room, since) in &takeover.rooms {
        arrival::enter_room(core, new, member, room, *since, reference);
    }
}

fn enter_after_all(core: &mut Core, takeover: &Takeover) {
    let entry = Entry {
        name: &takeover.name,
        rooms: &takeover.rooms,
        password: None,
        resume: None,
        known: &takeover.known,
    };
    let reference = takeover.reference.as_deref();
    if let Err(refusal) = arrival::enter(core, takeover.new, &entry, reference) {
        core.reply(takeover.new, &Reply::Refused(refusal), reference);
    }
}
