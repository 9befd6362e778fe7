//! Places for those who talk: where all are taken, and many of them by connections that have no
//! name, the one that has been silent for longest makes room for who comes now. Part of the hub.

use std::time::Duration;

use crate::session::{CloseReason, Session, SessionId};
use crate::time::Time;

use super::Hub;

/// Who has been silent since it connected, as far as that was looked for.
#[derive(Debug, Default)]
pub(super) struct Silent {
    /// The longest silent last, each with when it connected.
    found: Vec<(Time, SessionId)>,
    look_again_at: Time,
}

/// How often is looked for them at most, since that looks at every connection.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

impl Hub {
    /// Ends a connection that never spoke, if so many have no name. Whether there is a place now.
    pub fn make_place(&mut self, clients_max: usize) -> bool {
        let unnamed = self.live - self.directory.members();
        if unnamed * 100 <= clients_max * self.limits.unnamed_share_max_percent {
            return false;
        }
        let Some(id) = self.next_silent() else {
            return false;
        };
        self.end(id, CloseReason::MadeRoom, None);
        // It is owed nothing, and its descriptor is wanted.
        self.doom(id);
        true
    }

    fn next_silent(&mut self) -> Option<SessionId> {
        let now = self.now();
        if self.silent.found.is_empty() && self.silent.look_again_at <= now {
            self.silent.look_again_at = now + LOOK_INTERVAL;
            let sessions = (0u32..).zip(&self.listeners.delivery.sessions);
            let silent = sessions.filter_map(|(slot, session)| {
                let session = session.as_ref().filter(|session| is_silent(session))?;
                // Who came in this turn may have spoken; it was not read from yet.
                let had_its_turn = session.connected_at < now;
                had_its_turn.then_some(())?;
                Some((session.connected_at, SessionId(slot)))
            });
            self.silent.found = silent.collect();
            self.silent
                .found
                .sort_unstable_by(|one, other| other.cmp(one));
        }
        while let Some((connected_at, id)) = self.silent.found.pop() {
            // The slot may have a new owner since.
            let session = self.session(id);
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
