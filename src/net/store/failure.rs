//! `Failure`: that the disk does not take what it is given: when it is tried again, and how often that
//! is said. Owned by the writer.

use std::time::{Duration, Instant};

/// A disk that fails, or not.
#[derive(Debug, Default)]
pub(super) struct Failure {
    waits: Option<Wait>,
    warned_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    until: Instant,
    length: Duration,
}

const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);
const WARNING_INTERVAL: Duration = Duration::from_secs(30);

impl Failure {
    /// It failed (again): whether that is to be said.
    pub(super) fn note(&mut self, now: Instant) -> bool {
        let length = match self.waits {
            Some(wait) => (wait.length * 2).min(WAIT_MAX),
            None => WAIT_MIN,
        };
        let until = now + length;
        self.waits = Some(Wait { until, length });
        let is_due = |warned: Instant| now >= warned + WARNING_INTERVAL;
        let is_said = self.warned_at.is_none_or(is_due);
        if is_said {
            self.warned_at = Some(now);
        }
        is_said
    }

    /// It works: whether it failed before.
    pub(super) fn end(&mut self) -> bool {
        self.waits.take().is_some()
    }

    /// When to try again, if it fails.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.waits.map(|wait| wait.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute_and_begin_anew() {
        let start = Instant::now();
        let mut failure = Failure::default();
        let mut now = start;
        let mut waits = Vec::new();
        let mut said = 0;
        for _ in 0..8 {
            said += u32::from(failure.note(now));
            let until = failure.retry_at().expect("it fails");
            waits.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        // At 0, 31, 61 and 91 seconds.
        assert_eq!(said, 4);
        assert!(failure.end());
        assert!(!failure.end());
        failure.note(now);
        assert_eq!(failure.retry_at(), Some(now + WAIT_MIN));
    }
}
