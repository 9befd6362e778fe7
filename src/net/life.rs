//! `Life` and `Clock`: how far the server has come, and the one reading of the clock of a turn. Plain
//! values; what is done at each step is the server's, which owns them.

use std::time::{Duration, Instant};

use crate::time::{Time, WallTime};

/// A second wish to stop that comes sooner is part of the first: service managers, terminals and
/// impatient scripts send several signals in one instant.
pub(super) const STOP_AGAIN_MIN: Duration = Duration::from_millis(100);

/// How far the server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// It was asked to stop, and accepts what waits for the last time.
    Stopping,
    /// It accepts no more. In one more turn it hears of what those have sent who came last.
    Closed,
    /// Everybody is being told, in this turn.
    Telling,
    /// Everybody was told at `since`; it waits for them to take what they are owed.
    Draining {
        since: Instant,
        until: Instant,
    },
    Over,
}

/// The one reading of the clock that holds for a turn.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) started_at: Instant,
    /// The same by the clock on the wall.
    pub(super) started_on: WallTime,
    pub(super) now: Instant,
}

impl Clock {
    pub(super) fn new(now: Instant, wall: WallTime) -> Clock {
        Clock {
            started_at: now,
            started_on: wall,
            now,
        }
    }

    /// The same as the engine counts it.
    pub(super) fn since_start(&self) -> Time {
        Time::after_start(self.now - self.started_at)
    }
}

impl Life {
    /// When the next step is due, whatever happens.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Life::Draining { until, .. } => Some(until),
            Life::Running | Life::Stopping | Life::Closed | Life::Telling | Life::Over => None,
        }
    }
}
