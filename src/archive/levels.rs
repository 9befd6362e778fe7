//! `Levels`: what follows from how far the disk is behind. Chat never waits for the disk; but while
//! the disk moves, senders can be made to wait for it a little, so that nothing is lost. A state
//! machine that is told the time and the backlog, and owned by who hands records to the disk.

use std::time::Duration;

use crate::time::Time;

/// How far the disk is behind, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// What was ever handed over, in bytes of encoded records.
    pub handed_bytes: u64,
    /// How much of it is committed.
    pub committed_bytes: u64,
    /// How much of it is known to outlive a power cut; what is not is kept in memory.
    pub synced_bytes: u64,
    /// Whether the last try has failed.
    pub is_failing: bool,
}

impl Backlog {
    /// What is kept in memory.
    pub fn pending_bytes(&self) -> u64 {
        self.handed_bytes.saturating_sub(self.synced_bytes)
    }
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Nothing.
    #[default]
    Even,
    /// The disk is well behind and moves: senders are held, as by their rate.
    Behind,
    /// The disk does not move: holding anybody would only stop the chat with it.
    Stuck,
}

/// The level, over time.
#[derive(Debug)]
pub struct Levels {
    pending_bytes_max: u64,
    level: Level,
    committed_bytes: u64,
    progress_at: Time,
    /// It was full and is not yet well below: until then nothing more is taken, so that there is
    /// one gap and not hundreds.
    is_full: bool,
}

/// How long it takes until what is handed over is committed.
#[derive(Debug, Default)]
pub struct Lag {
    /// Up to where, and since when, it is being measured.
    mark: Option<(u64, Time)>,
    last: Duration,
}

impl Lag {
    /// How far the disk is behind now, in time. `now` never goes back.
    pub fn look(&mut self, now: Time, backlog: &Backlog) -> Duration {
        if let Some((end, since)) = self.mark
            && backlog.committed_bytes >= end
        {
            self.last = now.since(since);
            self.mark = None;
        }
        if backlog.committed_bytes >= backlog.handed_bytes {
            self.last = Duration::ZERO;
            return self.last;
        }
        let (_, since) = *self.mark.get_or_insert((backlog.handed_bytes, now));
        self.last.max(now.since(since))
    }
}

/// How long nothing may be committed while there is something to commit.
const STUCK_AFTER: Duration = Duration::from_secs(1);

impl Levels {
    /// Even, with so many bytes that may be kept in memory.
    pub fn new(pending_bytes_max: u64) -> Levels {
        Levels {
            pending_bytes_max,
            level: Level::Even,
            committed_bytes: 0,
            progress_at: Time::START,
            is_full: false,
        }
    }

    /// The level now. `now` never goes back.
    pub fn look(&mut self, now: Time, backlog: &Backlog) -> Level {
        let is_idle = backlog.committed_bytes >= backlog.handed_bytes;
        if is_idle || backlog.committed_bytes > self.committed_bytes {
            self.progress_at = now;
        }
        self.committed_bytes = backlog.committed_bytes;
        let is_stuck = backlog.is_failing || now.since(self.progress_at) >= STUCK_AFTER;
        let pending = backlog.pending_bytes();
        // Once behind, a little more than half is made up for: else it would flutter.
        let half = match self.level {
            Level::Behind => self.pending_bytes_max * 3 / 8,
            Level::Even | Level::Stuck => self.pending_bytes_max / 2,
        };
        self.level = if pending <= half {
            Level::Even
        } else if is_stuck {
            Level::Stuck
        } else {
            Level::Behind
        };
        self.level
    }

    /// Whether so many bytes more may be kept. What may not is lost, and to be counted.
    pub fn admits(&mut self, bytes: u64, backlog: &Backlog) -> bool {
        let pending = backlog.pending_bytes();
        if pending + bytes > self.pending_bytes_max {
            self.is_full = true;
        } else if pending + bytes <= self.pending_bytes_max / 8 * 7 {
            self.is_full = false;
        }
        !self.is_full
    }

    /// The level at the last look.
    pub fn level(&self) -> Level {
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::after_start(Duration::from_millis(millis))
    }

    fn backlog(handed: u64, committed: u64) -> Backlog {
        Backlog {
            handed_bytes: handed,
            committed_bytes: committed,
            synced_bytes: committed,
            is_failing: false,
        }
    }

    #[test]
    fn senders_are_held_while_the_disk_is_behind_and_moves() {
        let mut levels = Levels::new(1000);
        assert_eq!(levels.look(at(0), &backlog(500, 0)), Level::Even);
        assert_eq!(levels.look(at(100), &backlog(501, 0)), Level::Behind);
        assert_eq!(levels.look(at(900), &backlog(900, 300)), Level::Behind);
        assert_eq!(levels.look(at(1800), &backlog(900, 500)), Level::Behind);
        assert_eq!(levels.look(at(1900), &backlog(900, 525)), Level::Even);
        assert_eq!(levels.level(), Level::Even);
    }

    #[test]
    fn nobody_is_held_by_a_disk_that_does_not_move() {
        let mut levels = Levels::new(1000);
        levels.look(at(0), &backlog(800, 100));
        assert_eq!(levels.look(at(999), &backlog(800, 100)), Level::Behind);
        assert_eq!(levels.look(at(1000), &backlog(800, 100)), Level::Stuck);
        assert_eq!(levels.look(at(1001), &backlog(800, 101)), Level::Behind);
        let failing = Backlog {
            is_failing: true,
            ..backlog(800, 101)
        };
        assert_eq!(levels.look(at(1002), &failing), Level::Stuck);
        // Time in which there was nothing to do is no standstill.
        levels.look(at(5000), &backlog(800, 800));
        assert_eq!(levels.look(at(9000), &backlog(800, 800)), Level::Even);
        assert_eq!(levels.look(at(9001), &backlog(1600, 800)), Level::Behind);
    }

    #[test]
    fn the_lag_is_how_long_a_commit_takes() {
        let mut lag = Lag::default();
        let mut look = |millis, handed, committed| {
            lag.look(at(millis), &backlog(handed, committed))
                .as_millis()
        };
        assert_eq!(look(0, 0, 0), 0);
        assert_eq!(look(100, 10, 0), 0);
        assert_eq!(look(2100, 20, 0), 2000);
        assert_eq!(look(2200, 20, 10), 2100);
        assert_eq!(look(2300, 20, 20), 0);
    }

    #[test]
    fn what_was_full_takes_again_when_there_is_some_room() {
        let mut levels = Levels::new(800);
        assert!(levels.admits(800, &backlog(0, 0)));
        assert!(!levels.admits(1, &backlog(800, 0)));
        assert!(!levels.admits(1, &backlog(800, 99)));
        assert!(levels.admits(1, &backlog(800, 101)));
    }
}
