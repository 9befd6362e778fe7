//! `Flushing`: who is to be written to, and in which order, where that is more than one turn has time
//! for. Nothing is written here. Owned by the turn.

use std::collections::VecDeque;

use crate::session::SessionId;
use crate::time::Time;

/// Places that are kept: a crowd that has come in at once leaves no more behind.
const FRESH_KEPT: usize = 4096;
const WAITING_KEPT: usize = 512;

/// Those who have something to write.
#[derive(Debug, Default)]
pub(super) struct Flushing {
    /// Since this turn.
    pub(super) fresh: VecDeque<SessionId>,
    /// For whom there was no time in the turn that is told with each; the longest waiting first.
    waiting: VecDeque<(Time, SessionId)>,
}

impl Flushing {
    /// The next: first those who have something to write only since this turn, so that few of them
    /// never wait for thousands; but no more once the turn is `half_spent`, while others wait.
    pub(super) fn next(&mut self, half_spent: bool) -> Option<SessionId> {
        let fresh = if half_spent && !self.waiting.is_empty() {
            None
        } else {
            self.fresh.pop_front()
        };
        let next = fresh.or_else(|| self.waiting.pop_front().map(|(_, id)| id));
        if next.is_none() {
            self.fresh.shrink_to(FRESH_KEPT);
            self.waiting.shrink_to(WAITING_KEPT);
        }
        next
    }

    /// The turn, at `now`, has no more time. Since when the first waits for whom it had none: whatever
    /// was laid before that, everybody was offered.
    pub(super) fn put_off(&mut self, now: Time) -> Option<Time> {
        let fresh = self.fresh.drain(..).map(|id| (now, id));
        self.waiting.extend(fresh);
        self.waiting_since()
    }

    /// The same, asked again.
    pub(super) fn waiting_since(&self) -> Option<Time> {
        self.waiting.front().map(|&(since, _)| since)
    }

    /// Whether the next turn is to begin at once.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}
