//! `Bucket`: a token bucket kept as one number. A plain value that reads no clock; whoever is
//! held to a rate owns one: a connection for its lines and bytes, a room for its news.

use std::time::Duration;

use crate::time::Time;

/// What a bucket allows: so many at once, so many a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// What one of them takes out of the bucket.
    interval: Duration,
    /// What the bucket holds, less one of them.
    burst: Duration,
}

impl Rate {
    /// `None` when `per_second` is 0, which stands for no limit.
    pub fn new(per_second: u32, burst: u32) -> Option<Rate> {
        let interval = Duration::from_secs(1).checked_div(per_second)?;
        let burst = interval.saturating_mul(burst.saturating_sub(1));
        Some(Rate { interval, burst })
    }
}

/// How much is left, as the time at which it will be full again (the generic cell rate algorithm
/// of ATM Forum TM 4.0, virtual scheduling form).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Time,
}

impl Bucket {
    /// Whether something may be taken now; else the time from which it may be.
    pub fn check(&self, now: Time, rate: Option<Rate>) -> Result<(), Time> {
        match rate.map(|rate| self.full_at - rate.burst) {
            Some(free_at) if free_at > now => Err(free_at),
            _ => Ok(()),
        }
    }

    /// Takes out `count`, which may be more than is there: what comes next waits for it.
    pub fn take(&mut self, now: Time, rate: Option<Rate>, count: u32) {
        let Some(rate) = rate else { return };
        self.full_at = self.full_at.max(now) + rate.interval.saturating_mul(count);
    }

    /// In what time all that was taken will have come back.
    pub fn debt(&self, now: Time) -> Duration {
        self.full_at.since(now)
    }

    /// When all that was taken will have come back.
    pub fn full_at(&self) -> Time {
        self.full_at
    }

    /// Whether all that was taken has come back.
    pub fn is_full(&self, now: Time) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_allows_the_burst_then_the_rate() {
        let rate = Rate::new(10, 5);
        let mut bucket = Bucket::default();
        let start = Time::after_start(Duration::from_secs(1));
        let mut handled = Vec::new();
        for tick in 0..1000u64 {
            let now = start + Duration::from_millis(tick);
            while bucket.check(now, rate).is_ok() {
                bucket.take(now, rate, 1);
                handled.push(tick);
            }
        }
        assert_eq!(handled[..6], [0, 0, 0, 0, 0, 100]);
        assert_eq!(handled.len(), 5 + 9);
        assert_eq!(
            bucket.check(start + Duration::from_millis(999), rate),
            Err(start + Duration::from_secs(1))
        );
    }

    #[test]
    fn what_is_taken_beyond_the_bucket_is_waited_for() {
        let rate = Rate::new(1000, 100);
        let (mut bucket, now) = (Bucket::default(), Time::START);
        bucket.take(now, rate, 1099);
        assert_eq!(bucket.check(now, rate), Err(now + Duration::from_secs(1)));
        assert!(!bucket.is_full(now + Duration::from_secs(1)));
        assert!(bucket.is_full(now + Duration::from_millis(1099)));
        assert_eq!(bucket.check(now, None), Ok(()), "no rate, no limit");
    }
}
