//! Places for those who talk: where all are taken, and many of them by connections that have no
//! name, the one that has been silent for longest makes room for who comes now. Owned by the hub.

use std::time::Duration;

use crate::session::{CloseReason, Session, SessionId};
use crate::time::Time;

use super::core::Core;
use super::ending;
use super::sessions::Sessions;

/// Who has been silent since it connected, as far as that was looked for.
#[derive(Debug, Default)]
pub(super) struct Silent {
    /// The longest silent last, each with when it connected.
    found: Vec<(Time, SessionId)>,
    look_again_at: Time,
}

/// How often is looked for them at most, since that looks at every connection.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

impl Silent {
    /// Ends a connection that never spoke, if so many have no name. Whether there is a place now.
    pub(super) fn make_place(&mut self, core: &mut Core, clients_max: usize) -> bool {
        let unnamed = core.sessions().live() - core.directory.members();
        if unnamed * 100 <= clients_max * core.limits.unnamed_share_max_percent {
            return false;
        }
        let Some(id) = self.next(core.sessions()) else {
            return false;
        };
        ending::end(core, id, CloseReason::MadeRoom, None);
        // It is owed nothing, and its descriptor is wanted.
        core.sessions_mut().doom(id);
        true
    }

    fn next(&mut self, sessions: &Sessions) -> Option<SessionId> {
        let now = sessions.now;
        if self.found.is_empty() && self.look_again_at <= now {
            self.look_again_at = now + LOOK_INTERVAL;
            // Who came in this turn may have spoken; it was not read from yet.
            let silent = sessions
                .iter()
                .filter(|(_, session)| is_silent(session) && session.connected_at < now);
            let found = silent.map(|(id, session)| (session.connected_at, id));
            self.found = found.collect();
            self.found.sort_unstable_by(|one, other| other.cmp(one));
        }
        while let Some((connected_at, id)) = self.found.pop() {
            // The slot may have a new owner since.
            let session = sessions.get(id);
            if session.is_some_and(|other| other.connected_at == connected_at && is_silent(other)) {
                return Some(id);
            }
        }
        None
    }
}

fn is_silent(session: &Session) -> bool {
    session.is_live() && !session.has_spoken()
}
