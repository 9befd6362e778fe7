//! `Time`: a point on the monotonic clock of one server, as a plain number. It reads no clock:
//! net does, once a turn, and hands the result in; a test may hand in what it likes.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds since the server began: enough for 584 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Time(u64);

impl Time {
    /// When the server began.
    pub const START: Time = Time(0);
    /// Later than everything.
    pub const NEVER: Time = Time(u64::MAX);

    /// The point this long after the start.
    pub fn after_start(elapsed: Duration) -> Time {
        Time::START + elapsed
    }

    /// How long after `earlier`; zero when it was not.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        Time(
            self.0
                .saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, duration: Duration) -> Time {
        Time(
            self.0
                .saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// What a clock on the wall says, for people and for ids: milliseconds since 1970, UTC. It may go
/// back; nothing is measured by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct WallTime(u64);

impl WallTime {
    /// So many milliseconds after the beginning of 1970; no later than the year 2248, so that an id
    /// of a message has room for it.
    pub const fn from_millis(millis: u64) -> WallTime {
        const LAST: u64 = (1 << 43) - 1;
        WallTime(if millis < LAST { millis } else { LAST })
    }

    /// Milliseconds since the beginning of 1970.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}
