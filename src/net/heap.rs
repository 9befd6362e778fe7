//! Giving memory back to the system: glibc keeps what lies between pieces that are in use, until it
//! is told otherwise. The second of the two modules with `unsafe`, since no crate that is kept has
//! this call. Owned by the server, which asks now and then.
#![allow(
    unsafe_code,
    reason = "one call without pointers into our memory; see there"
)]

use std::time::{Duration, Instant};

/// When memory was given back, and how much the process had then.
#[derive(Debug)]
pub(super) struct Heap {
    /// The most that was in use since.
    peak_bytes: usize,
    resident_bytes: usize,
    next_at: Instant,
}

/// What may be resident beside what is in use before the call is worth it.
const LOOSE_BYTES_MAX: usize = 12 << 20;
/// What may stay when what was in use is gone.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// How often at most is looked: under attack the heap loosens by a hundred MiB in a second.
const INTERVAL: Duration = Duration::from_millis(100);

impl Heap {
    pub(super) fn new(now: Instant) -> Heap {
        Heap {
            peak_bytes: 0,
            resident_bytes: 0,
            next_at: now,
        }
    }

    /// So much is in use now. What is free goes back to the system where that is much, and not what
    /// could not be given back the last time.
    pub(super) fn note(&mut self, bytes: usize, now: Instant) {
        self.peak_bytes = self.peak_bytes.max(bytes);
        if self.next_at > now || self.peak_bytes < KEPT_BYTES_MAX {
            return;
        }
        self.next_at = now + INTERVAL;
        let resident = resident_bytes();
        let has_fallen = bytes <= self.peak_bytes / 2;
        let is_loose = resident > bytes + LOOSE_BYTES_MAX
            && resident > self.resident_bytes + LOOSE_BYTES_MAX / 2;
        if has_fallen || is_loose {
            give_back();
            self.resident_bytes = resident_bytes();
            self.peak_bytes = bytes;
        }
    }
}

/// What the process has of the machine's memory: the second number of `/proc/self/statm` (proc(5)).
pub(super) fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * rustix::param::page_size()
}

/// Gives back to the system what is free.
#[cfg(target_env = "gnu")]
fn give_back() {
    // SAFETY: malloc_trim(3) takes no pointer and changes no memory that is in use; it is safe in
    // every thread (MT-Safe).
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries give it back by themselves, or have no such call.
#[cfg(not(target_env = "gnu"))]
fn give_back() {}
