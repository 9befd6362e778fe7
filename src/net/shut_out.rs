//! `ShutOut`: how often somebody came from an address that is banned. It is said in the log once in a while
//! and with a count, so that who comes a thousand times a second hides nobody else's lines. Owned by the
//! acceptor.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use log::info;

/// How often it is said.
const INTERVAL: Duration = Duration::from_secs(10);

/// See the file.
#[derive(Debug, Default)]
pub(super) struct ShutOut {
    count: u64,
    last: Option<SocketAddr>,
    said_at: Option<Instant>,
}

impl ShutOut {
    /// One more.
    pub(super) fn note(&mut self, peer: SocketAddr) {
        self.count += 1;
        self.last = Some(peer);
    }

    /// When there is something to say.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.last
            .and(self.said_at)
            .map(|said_at| said_at + INTERVAL)
    }

    /// Says it, if it is time to: the first at once.
    pub(super) fn report(&mut self, now: Instant) {
        let is_due = self.said_at.is_none_or(|said_at| now >= said_at + INTERVAL);
        let Some(last) = self.last.filter(|_| is_due) else {
            return;
        };
        let (count, s) = match self.count {
            1 => (1, ""),
            count => (count, "s"),
        };
        info!("{count} connection{s} refused as banned, the last from {last}");
        *self = ShutOut {
            said_at: Some(now),
            ..ShutOut::default()
        };
    }
}
