//! `Share`: how much of a turn handshakes may take: a storm of them must not keep the loop from those
//! who talk. Owned by the table of TLS connections.

use std::time::Duration;

/// The time for handshakes in this turn.
#[derive(Debug)]
pub(super) struct Share {
    time_max: Duration,
    spent: Duration,
}

impl Share {
    pub(super) fn new(time_max: Duration) -> Share {
        Share {
            time_max,
            spent: Duration::ZERO,
        }
    }

    pub(super) fn start_turn(&mut self) {
        self.spent = Duration::ZERO;
    }

    /// Whether another step of a handshake may be done. The first of a turn always may.
    pub(super) fn is_left(&self) -> bool {
        self.spent.is_zero() || self.spent < self.time_max
    }

    pub(super) fn spend(&mut self, time: Duration) {
        self.spent += time;
    }
}
