//! `Supervisor`: when the service manager is told that the loop turns, and how it goes. How it is
//! told is `systemd`'s. Owned by the server.

use std::time::{Duration, Instant};

use super::systemd::Notify;

/// The service manager, and when it is told next that the loop turns.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) notify: Notify,
    next_at: Instant,
}

/// How often the service manager hears of the numbers when no watchdog asks for more.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

impl Supervisor {
    pub(super) fn new(notify: Notify, now: Instant) -> Supervisor {
        Supervisor {
            notify,
            next_at: now,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.notify.is_active().then_some(self.next_at)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|at| at <= now)
    }

    pub(super) fn tell(&mut self, status: &str, now: Instant) {
        self.next_at = now + self.notify.watchdog_interval().unwrap_or(STATUS_INTERVAL);
        self.notify.watchdog();
        self.notify.status(status);
    }
}
