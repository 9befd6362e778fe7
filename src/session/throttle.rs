//! `Throttle`: what the rates of a server allow one connection, in lines and in bytes. A plain
//! value; a session owns one.

use std::time::Duration;

use crate::bucket::{Bucket, Rate};
use crate::config::Limits;
use crate::time::Time;

/// What one connection may say; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    lines: Option<Rate>,
    bytes: Option<Rate>,
    /// By which it is measured who says much, also where nothing is bounded.
    measure: Option<Rate>,
}

/// Bytes a second that count as much, where no rate of bytes is set.
const MUCH_BYTES_PER_SECOND: u32 = 16 << 10;

impl Rates {
    /// Those of a server. Without a rate of lines there is none of bytes.
    pub fn of(limits: &Limits) -> Rates {
        let lines = Rate::new(limits.rate_lines_per_second, limits.burst_lines_max);
        let count = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let bytes = Rate::new(
            count(limits.byte_rate_bytes_per_second),
            count(limits.byte_burst_bytes_max),
        );
        Rates {
            lines,
            bytes: lines.and(bytes),
            measure: lines.and(bytes).or(Rate::new(MUCH_BYTES_PER_SECOND, 1)),
        }
    }
}

/// How much of its rates one connection has left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Throttle {
    lines: Bucket,
    bytes: Bucket,
}

impl Throttle {
    /// Whether a line may be handled now; else the time from which it may be.
    pub fn check(&self, now: Time, rates: &Rates) -> Result<(), Time> {
        let lines = self.lines.check(now, rates.lines);
        let bytes = self.bytes.check(now, rates.bytes);
        match (lines, bytes) {
            (Err(lines), Err(bytes)) => Err(lines.max(bytes)),
            (lines, bytes) => lines.and(bytes),
        }
    }

    /// Whether nothing was taken that has not come back: who is held back after that is told so
    /// anew.
    pub fn is_rested(&self, now: Time, rates: &Rates) -> bool {
        self.lines.is_full(now) && (rates.bytes.is_none() || self.bytes.is_full(now))
    }

    /// A line was handled.
    pub fn take_line(&mut self, now: Time, rates: &Rates) {
        self.lines.take(now, rates.lines, 1);
    }

    /// So many bytes were said, as they leave the server.
    pub fn take_bytes(&mut self, now: Time, rates: &Rates, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.bytes.take(now, rates.measure, count);
    }

    /// How much was said lately, as the time in which that is forgotten.
    pub fn debt(&self, now: Time) -> Duration {
        self.bytes.debt(now)
    }

    /// About when something was said last: when that will be forgotten, soon after. The start, if nothing
    /// was.
    pub fn said_at(&self) -> Time {
        self.bytes.full_at()
    }

    /// When all that was taken will have come back.
    pub fn rested_at(&self) -> Time {
        self.lines.full_at().max(self.bytes.full_at())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_held_back_before_many_are() {
        let rates = Rates::of(&Limits {
            rate_lines_per_second: 10,
            burst_lines_max: 100,
            byte_rate_bytes_per_second: 1000,
            byte_burst_bytes_max: 4000,
            ..Limits::default()
        });
        let mut throttle = Throttle::default();
        let now = Time::after_start(Duration::from_secs(100));
        let mut said = 0;
        while throttle.check(now, &rates).is_ok() {
            throttle.take_line(now, &rates);
            throttle.take_bytes(now, &rates, 1500);
            said += 1;
        }
        assert_eq!(said, 3, "the third goes beyond what is left");
        assert!(!throttle.is_rested(now, &rates));
        let later = now + Duration::from_millis(500);
        assert!(throttle.check(later, &rates).is_err());
        assert!(
            throttle
                .check(now + Duration::from_millis(501), &rates)
                .is_ok()
        );
    }

    #[test]
    fn of_both_rates_the_longer_wait_counts() {
        let rates = Rates::of(&Limits {
            rate_lines_per_second: 1,
            burst_lines_max: 1,
            byte_rate_bytes_per_second: 1000,
            byte_burst_bytes_max: 1000,
            ..Limits::default()
        });
        let mut throttle = Throttle::default();
        let now = Time::after_start(Duration::from_secs(100));
        throttle.take_line(now, &rates);
        throttle.take_bytes(now, &rates, 2999);
        assert_eq!(
            throttle.check(now, &rates),
            Err(now + Duration::from_secs(2))
        );
        (0..4).for_each(|_| throttle.take_line(now, &rates));
        assert_eq!(
            throttle.check(now, &rates),
            Err(now + Duration::from_secs(5))
        );
    }

    #[test]
    fn without_a_rate_of_lines_there_is_none_of_bytes() {
        let rates = Rates::of(&Limits {
            rate_lines_per_second: 0,
            ..Limits::default()
        });
        let mut throttle = Throttle::default();
        throttle.take_bytes(Time::START, &rates, 1 << 30);
        assert_eq!(throttle.check(Time::START, &rates), Ok(()));
    }
}
