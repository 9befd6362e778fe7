//! What was sent and is not handled: unfinished lines, heads and posts, and lines that are held
//! back. What one connection keeps is bounded where it is kept; here all of it together is, so that
//! thousands who never finish take no more memory than there is for them. Part of the hub.

use std::cmp::Reverse;

use crate::dialect::http::{Response, Status};
use crate::session::{CloseReason, Door, Session, SessionId};

use super::Hub;

impl Hub {
    /// Where more is kept than may be, those go that keep most: a quarter of it at once, since to
    /// find them is to look at every connection.
    pub(super) fn cut_backlog(&mut self) {
        let bytes_max = self.limits.unhandled_bytes_max;
        if self.memory.kept_bytes <= bytes_max {
            return;
        }
        for id in self.keepers() {
            if self.memory.kept_bytes <= bytes_max - bytes_max / 4 {
                break;
            }
            self.end_unfinished(id);
        }
    }

    fn keepers(&self) -> Vec<SessionId> {
        let sessions = (0u32..).zip(&self.listeners.delivery.sessions);
        let mut keepers: Vec<_> = sessions
            .filter_map(|(slot, session)| {
                let kept = session.as_ref().map_or(0, Session::kept_bytes);
                (kept > 0).then_some((Reverse(kept), slot))
            })
            .collect();
        keepers.sort_unstable();
        let slots = keepers.into_iter().map(|(_, slot)| SessionId(slot));
        slots.collect()
    }

    fn end_unfinished(&mut self, id: SessionId) {
        match self.session(id).and_then(|session| session.door.as_deref()) {
            Some(Door::Head(_) | Door::Posting(_)) => self.answer(id, &too_busy()),
            Some(Door::Reading(_) | Door::Frames(_)) | None => {
                self.end(id, CloseReason::Unfinished, None);
            }
        }
    }

    /// No name came in time, or no request: that is answered, since it has begun.
    pub(super) fn end_unnamed(&mut self, id: SessionId) {
        match self.session(id).and_then(|session| session.door.as_deref()) {
            Some(Door::Posting(_)) if self.is_posting(id) => self.answer(id, &too_busy()),
            Some(Door::Reading(_)) => self.answer(id, &too_busy()),
            Some(Door::Head(_) | Door::Posting(_)) => {
                self.answer(id, &Response::refused(Status::RequestTimeout));
            }
            Some(Door::Frames(_)) | None => self.end(id, CloseReason::NameTimeout, None),
        }
    }
}

fn too_busy() -> Response {
    let words = "too much is to be done here just now; try again later";
    Response::text(Status::Unavailable, words).retry_after(1)
}
