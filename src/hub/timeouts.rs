//! What time brings about: what is done with each deadline of a session that has passed. When one
//! does is `session`'s and `sessions`'s. A function over the core and the intake.

use crate::dialect::Reply;
use crate::session::{CloseReason, Due, SessionId, Step};

use super::core::Core;
use super::intake::Intake;
use super::{backlog, ending, frames};

/// Does what is due now, for so many as this turn has time.
pub(super) fn handle(core: &mut Core, intake: &mut Intake) {
    for _ in 0..core.limits.ends_per_turn_max {
        if core.delivery().measure.has_ended_enough() {
            break;
        }
        let Some(id) = core.sessions_mut().next_due() else {
            break;
        };
        // Each thing done takes its deadline away, so that this ends.
        while let Some(due) = core.sessions().poll_due(id, &core.limits) {
            handle_one(core, intake, id, due);
        }
        core.arm(id);
    }
}

fn handle_one(core: &mut Core, intake: &mut Intake, id: SessionId, due: Due) {
    match due {
        Due::Close => core.sessions_mut().doom(id),
        Due::NameTimeout => backlog::end_unnamed(core, id),
        Due::Stall => ending::end(core, id, CloseReason::TooSlow, None),
        Due::Resume => intake.resume(core, id),
        Due::Forget => ending::end_gone(core, id),
        Due::Ping => {
            let unanswered_max = core.limits.websocket_pings_unanswered_max;
            if frames::ping(core.delivery(), id, unanswered_max) {
                ending::hang_up(core, id);
            }
        }
        Due::HalfFrame => {
            if let Some(session) = core.session_mut(id) {
                frames::fail_half_frame(session);
            }
            ending::end(core, id, CloseReason::HalfFrame, None);
        }
        Due::Prompt => {
            if let Some(session) = core.session_mut(id) {
                session.advance(Step::Prompt);
            }
            core.reply(id, &Reply::Prompt, None);
        }
    }
}
