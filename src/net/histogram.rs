//! `Histogram`: how often something took how long, in buckets that are fixed. Measuring takes no memory
//! and a search among a dozen numbers. Owned by whoever measures.

use std::time::Duration;

/// The bounds of the buckets, in microseconds: from a turn in which one line is said to one that everybody
/// notices.
pub(super) const BOUNDS_MICROS: [u64; 13] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
];

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// The last is what took longer than every bound.
    counts: [u64; BOUNDS_MICROS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// So many took so long.
    pub(super) fn add(&mut self, duration: Duration, count: u64) {
        let micros = duration.as_nanos().div_ceil(1000);
        let bucket = BOUNDS_MICROS.partition_point(|&bound| u128::from(bound) < micros);
        self.counts[bucket] += count;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.sum = self.sum.saturating_add(duration.saturating_mul(count));
    }

    /// How many took at most as long as each of the bounds, and then how many there are in all.
    pub(super) fn cumulative(&self) -> [u64; BOUNDS_MICROS.len() + 1] {
        let mut sum = 0;
        self.counts.map(|count| {
            sum += count;
            sum
        })
    }

    /// How long all of them took together.
    pub(super) fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::default();
        let micros = Duration::from_micros;
        histogram.add(Duration::ZERO, 1);
        histogram.add(micros(50), 1);
        histogram.add(micros(50) + Duration::from_nanos(1), 1);
        histogram.add(micros(1_000_000), 2);
        histogram.add(micros(1_000_001), 3);
        let cumulative = histogram.cumulative();
        assert_eq!(cumulative[..3], [2, 3, 3]);
        assert_eq!(cumulative[12..], [5, 8]);
        let nanos = 50_000 + 50_001 + 2_000_000_000 + 3_000_003_000;
        assert_eq!(histogram.sum(), Duration::from_nanos(nanos));
    }
}
