//! `Clock`: the time as the engine has it, which is that outside less the time in which the loop stood
//! still. It reads no clock. Owned by the turn.

use std::time::Duration;

use crate::time::Time;

/// The time as the engine has it. Time in which the loop did not run although something was due (a
/// stopped process, a paused machine) counts against nobody: it is left out.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// What was left out so far.
    stopped: Duration,
    /// When the turn before began.
    pub(super) last: Time,
}

/// A turn that begins later than this behind its time was kept from running.
const LATE_MIN: Duration = Duration::from_secs(1);

impl Clock {
    /// The time of a turn that begins at `now` and of which the first deadline was `due`. Whoever
    /// the gap concerns has a second left, so that what is ready is served before.
    pub(super) fn start_turn(&mut self, now: Time, due: Option<Time>) -> Time {
        let engine = now - self.stopped;
        let expected = due.map_or(engine, |due| due.max(self.last));
        let gap = engine.since(expected);
        self.last = if gap > LATE_MIN {
            let resumed = self.last.max(expected - LATE_MIN);
            self.stopped += engine.since(resumed);
            resumed
        } else {
            engine.max(self.last)
        };
        self.last
    }

    /// When that is outside.
    pub(super) fn real(&self, engine: Time) -> Time {
        if engine == Time::START {
            return Time::START;
        }
        engine + self.stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Time {
        Time::after_start(Duration::from_secs(count))
    }

    #[test]
    fn time_in_which_the_loop_did_not_run_is_left_out() {
        let mut clock = Clock::default();
        assert_eq!(clock.start_turn(seconds(5), Some(seconds(9))), seconds(5));
        assert_eq!(clock.start_turn(seconds(9), Some(seconds(9))), seconds(9));
        // Stopped from about 9 to 40, with something due at 20.
        assert_eq!(
            clock.start_turn(seconds(40), Some(seconds(20))),
            seconds(19)
        );
        assert_eq!(clock.real(seconds(20)), seconds(41));
        assert_eq!(
            clock.start_turn(seconds(41), Some(seconds(20))),
            seconds(20)
        );
        // Nothing was due: it slept, as it should.
        assert_eq!(clock.start_turn(seconds(100), None), seconds(79));
    }
}
