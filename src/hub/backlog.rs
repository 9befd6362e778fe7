//! What was sent and is not handled: unfinished lines, heads and posts, and lines that are held
//! back. What one connection keeps is bounded where it is kept; here all of it together is, so that
//! thousands who never finish take no more memory than there is for them. Functions over the core.

use std::cmp::Reverse;

use crate::dialect::http::{Response, Status};
use crate::session::{CloseReason, Door, SessionId};

use super::core::Core;
use super::{ending, web};

/// Where more is kept than may be, those go that keep most: a quarter of it at once, since to find
/// them is to look at every connection.
pub(super) fn cut(core: &mut Core) {
    let bytes_max = core.limits.unhandled_bytes_max;
    if core.memory.kept_bytes <= bytes_max {
        return;
    }
    for id in keepers(core) {
        let is_enough = core.memory.kept_bytes <= bytes_max - bytes_max / 4;
        if is_enough || core.delivery().measure.has_ended_enough() {
            break;
        }
        end_unfinished(core, id);
    }
}

/// No name came in time, or no request: that is answered, since it has begun.
pub(super) fn end_unnamed(core: &mut Core, id: SessionId) {
    let session = core.session(id);
    let is_whole = session.is_some_and(web::is_whole);
    match session.and_then(|session| session.door.as_deref()) {
        Some(Door::Posting(_)) if is_whole => web::answer(core, id, &too_busy()),
        Some(Door::Reading(_)) => web::answer(core, id, &too_busy()),
        Some(Door::Head(_) | Door::Posting(_)) => {
            web::answer(core, id, &Response::refused(Status::RequestTimeout));
        }
        Some(Door::Frames(_)) | None => {
            ending::end(core, id, CloseReason::NameTimeout, None);
        }
    }
}

fn keepers(core: &Core) -> Vec<SessionId> {
    let sessions = core.sessions().iter();
    let mut keepers: Vec<_> = sessions
        .filter_map(|(id, session)| {
            let kept = session.kept_bytes();
            (kept > 0).then_some((Reverse(kept), id))
        })
        .collect();
    keepers.sort_unstable();
    keepers.into_iter().map(|(_, id)| id).collect()
}

fn end_unfinished(core: &mut Core, id: SessionId) {
    match core.session(id).and_then(|session| session.door.as_deref()) {
        Some(Door::Head(_) | Door::Posting(_)) => web::answer(core, id, &too_busy()),
        Some(Door::Reading(_) | Door::Frames(_)) | None => {
            ending::end(core, id, CloseReason::Unfinished, None);
        }
    }
}

fn too_busy() -> Response {
    let words = "too much is to be done here just now; try again later";
    Response::text(Status::Unavailable, words).retry_after(1)
}
