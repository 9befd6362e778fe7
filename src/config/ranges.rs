//! Between what a limit may lie, and what follows from how long things are. Which limits there are is
//! `limits`'s. Part of the configuration.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A timeout that may be 0. The longest is a bound at all so that an instant plus a timeout
/// always is an instant.
pub(super) const TIMEOUT: RangeInclusive<Duration> =
    Duration::ZERO..=Duration::from_secs(24 * 60 * 60);
/// A timeout that would cut everybody if it were 0.
pub(super) const TIMEOUT_NOT_0: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
/// A name has up to 24 characters of up to 4 bytes, with a command before it; and an unfinished
/// line is memory that one connection makes the server keep.
pub(super) const LINE_BYTES: RangeInclusive<usize> = 128..=64 << 10;
/// More would give each line less than the microsecond that it takes anyway.
pub(super) const RATE_MAX: u32 = 1_000_000;
/// Most systems give a process no more descriptors than this.
pub(super) const CLIENTS_MAX: usize = 1_000_000;
/// History is for reading, not an archive.
pub(super) const HISTORY_LINES_MAX: usize = 10_000;
/// Each room of a member is memory, and one more that every leave and rename has to be told to.
pub(super) const ROOMS_PER_MEMBER_MAX: usize = 1000;
/// A name, at its longest, and what separates it from the next in a list.
pub(super) const NAME_IN_LIST_BYTES: usize = 100;
/// A welcome, or any other single answer of the server that no limit of its own bounds.
pub(super) const ANSWER_BYTES: usize = 4 << 10;
