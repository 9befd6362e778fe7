//! `Watch`: what the kernel holds for peers that do not take it. The stall clock of the engine sees
//! what lies in an outbox alone; here is seen what was written and stays in the kernel, and whether
//! its peer has vanished or only does not read. Owned by the connections.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::session::SessionId;

use super::kernel_queue::{acknowledging, unacknowledged_bytes};
use super::tokens::Generation;

/// Connections that were written to and have not acknowledged all of it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Those written to since the last look: nearly all have acknowledged it by the next.
    fresh: Vec<Connection>,
    watched: Vec<Watched>,
    next_at: Option<Instant>,
}

/// Which connection: its slot may be another's by the next look, who has nothing to do with what was
/// noted of it.
pub(super) type Connection = (SessionId, Generation);

/// One of them.
#[derive(Debug)]
struct Watched {
    connection: Connection,
    /// What was written by then is to be acknowledged in time.
    since: Instant,
    written: u64,
}

/// What is wrong with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It acknowledges nothing any more: the peer, or the way to it, is gone.
    Vanished,
    /// The peer is there, and does not read.
    Stalled,
}

/// Room that is never given back, so that a quiet server does not allocate.
const WATCHED_KEPT: usize = 64;
/// How often is looked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long bytes may stay unacknowledged before the peer is gone (F22).
const VANISHED_AFTER: Duration = Duration::from_secs(14);

impl Watch {
    /// A connection was written to that is not watched yet.
    pub(super) fn add(&mut self, connection: Connection, now: Instant) {
        self.fresh.push(connection);
        self.next_at.get_or_insert(now + INTERVAL);
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_at
    }

    /// Looks at all that are watched, if it is time: which are in trouble, and which need not be
    /// watched any more. `find` gives the socket of a connection that is still there, and how much
    /// was written to it.
    pub(super) fn look<'c>(
        &mut self,
        now: Instant,
        stall_timeout: Duration,
        find: impl Fn(Connection) -> Option<(BorrowedFd<'c>, u64)>,
    ) -> (Vec<(SessionId, Trouble)>, Vec<SessionId>) {
        let (mut troubled, mut done) = (Vec::new(), Vec::new());
        let Some(at) = self.next_at.filter(|&at| at <= now) else {
            return (troubled, done);
        };
        // Time in which the loop itself did not run counts against nobody.
        let stopped = (now - at).saturating_sub(INTERVAL);
        for watched in &mut self.watched {
            watched.since += stopped;
        }
        let fresh = self.fresh.drain(..).map(|connection| Watched {
            connection,
            since: now,
            written: 0,
        });
        self.watched.extend(fresh.filter(|watched| {
            let Some((socket, _)) = find(watched.connection) else {
                return false;
            };
            let unacknowledged = unacknowledged_bytes(socket).unwrap_or(0) > 0;
            if !unacknowledged {
                done.push(watched.connection.0);
            }
            unacknowledged
        }));
        self.watched.retain_mut(|watched| {
            let Some((socket, written)) = find(watched.connection) else {
                return false;
            };
            let unacknowledged = unacknowledged_bytes(socket).unwrap_or(0);
            if unacknowledged == 0 {
                done.push(watched.connection.0);
                return false;
            }
            if let Some(trouble) =
                watched.trouble(now, stall_timeout, socket, written, unacknowledged)
            {
                troubled.push((watched.connection.0, trouble));
            }
            true
        });
        if self.watched.len() < self.watched.capacity() / 4 {
            self.watched.shrink_to(WATCHED_KEPT);
        }
        self.fresh.shrink_to(WATCHED_KEPT);
        self.next_at = (!self.watched.is_empty()).then_some(now + INTERVAL);
        (troubled, done)
    }
}

impl Watched {
    fn trouble(
        &mut self,
        now: Instant,
        stall_timeout: Duration,
        socket: BorrowedFd<'_>,
        written: u64,
        unacknowledged: u64,
    ) -> Option<Trouble> {
        let acknowledged = written.saturating_sub(unacknowledged);
        if acknowledged >= self.written {
            self.since = now;
            self.written = written;
            return None;
        }
        let age = now - self.since;
        if age < stall_timeout.min(VANISHED_AFTER) {
            return None;
        }
        let peer = acknowledging(socket).ok()?;
        // A peer that answers is asked again and again whether it has room, and says no.
        if peer.is_owed && peer.last >= stall_timeout.min(VANISHED_AFTER) {
            return (peer.last >= VANISHED_AFTER).then_some(Trouble::Vanished);
        }
        (age >= stall_timeout).then_some(Trouble::Stalled)
    }
}
