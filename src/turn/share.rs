//! `Share`: what a part of a turn (reading, writing, closing) has taken of it so far. Bytes are counted
//! as a model of the time that they take; where the kernel takes longer than that, as with receivers
//! that are full, the time itself ends the part. It reads no clock. Owned by the turn.

use std::time::Duration;

use crate::time::Time;

/// What a read or a write counts as at least: the kernel moves about as many bytes in the time that
/// the call takes by itself.
const READ_COST_BYTES: usize = 2 << 10;
const WRITE_COST_BYTES: usize = 4 << 10;

/// See the file.
#[derive(Debug)]
pub(super) struct Share {
    time_max: Duration,
    began: Time,
    moved_bytes: usize,
}

impl Share {
    /// Of a turn in which no part takes much longer than this.
    pub(super) fn new(time_max: Duration) -> Share {
        Share {
            time_max,
            began: Time::START,
            moved_bytes: 0,
        }
    }

    /// The next part begins.
    pub(super) fn begin(&mut self, now: Time) {
        self.began = now;
        self.moved_bytes = 0;
    }

    pub(super) fn read(&mut self, bytes: usize) {
        self.moved_bytes += bytes.max(READ_COST_BYTES);
    }

    pub(super) fn written(&mut self, bytes: usize) {
        self.moved_bytes += bytes.max(WRITE_COST_BYTES);
    }

    /// Bytes so far, each call at its least.
    pub(super) fn moved_bytes(&self) -> usize {
        self.moved_bytes
    }

    /// Whether what is left is for the next turn: as many bytes were moved, or the time is over.
    pub(super) fn is_spent(&self, bytes_max: usize, now: Time) -> bool {
        self.moved_bytes >= bytes_max || now.since(self.began) >= self.time_max
    }

    /// Whether half of it is spent.
    pub(super) fn is_half_spent(&self, bytes_max: usize, now: Time) -> bool {
        self.moved_bytes >= bytes_max / 2 || now.since(self.began) >= self.time_max / 2
    }
}
