//! `Backoff`: how long to wait before the next try to come back. Pure; the chance comes from a
//! generator that is handed in, so a test can replay it.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// 1, 2, 4 … 30 s, each shortened at random by up to half, so that all the clients of a server
/// that was restarted do not come back in the same moment.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    /// Starts at the shortest wait.
    pub fn new(random: fastrand::Rng) -> Self {
        Backoff {
            next: FIRST,
            random,
        }
    }

    /// The wait before the next try.
    pub fn wait(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        whole.mul_f64(1.0 - self.random.f64() / 2.0)
    }

    /// The link has held: the next wait is the shortest again.
    pub fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_differ() {
        let seed = fastrand::u64(..);
        let mut backoff = Backoff::new(fastrand::Rng::with_seed(seed));
        for whole in [1, 2, 4, 8, 16, 30, 30] {
            let whole = Duration::from_secs(whole);
            let wait = backoff.wait();
            assert!(
                wait <= whole && wait >= whole / 2,
                "seed {seed} (pass it to with_seed): {wait:?} of {whole:?}"
            );
        }
        backoff.reset();
        assert!(backoff.wait() <= FIRST);
        let first_wait = |seed| Backoff::new(fastrand::Rng::with_seed(seed)).wait();
        let waits: Vec<_> = (0..8)
            .map(|more| first_wait(seed.wrapping_add(more)))
            .collect();
        assert!(
            waits.iter().any(|wait| *wait != waits[0]),
            "seed {seed}: all come back at once"
        );
    }
}
