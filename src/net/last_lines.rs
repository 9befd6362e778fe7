//! `LastLines`: the sockets of sessions that are over, held while the kernel has something left that
//! it may not send yet, since the peer does not read. Nothing is written to them any more, and the
//! sessions are long reported and forgotten. Owned by the connections.
//!
//! A closed socket would be sent to its end by the kernel alone, were it not that Linux resets those
//! that no process holds when memory for TCP runs short on the machine, whoever used it up
//! (`tcp_check_oom`): then the peer wakes up to a reset in place of its lines and why it was cut.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::kernel_queue::{unacknowledged_bytes, unsent_bytes};
use super::listener::LAST_LINES_TIMEOUT;

/// How often is looked.
const INTERVAL: Duration = Duration::from_secs(1);
/// Of how many at once: the others follow at the next looks, so that none takes long.
const LOOKED_AT_MAX: usize = 256;
/// Sockets held at once. Past either bound those go first that were held for longest: they are what
/// the kernel may give up in need, and what silent peers can make us hold must stay far below what
/// it needs for those that are served.
const HELD_MAX: usize = 1024;
const HELD_BYTES_MAX: u64 = 64 << 20;
/// What still comes is read and dropped, so much of it at one look; unread, it would make the close
/// a reset.
const DROPPED_BYTES_MAX: usize = 64 << 10;

/// All that are held.
#[derive(Debug, Default)]
pub(super) struct LastLines {
    /// Those looked at least lately come first.
    held: VecDeque<Held>,
    /// Of all of them.
    bytes: u64,
    next_at: Option<Instant>,
}

#[derive(Debug)]
struct Held {
    socket: TcpStream,
    until: Instant,
    /// What the peer had not acknowledged when it was looked at.
    bytes: u64,
}

impl LastLines {
    /// Closes a socket: now if everything was sent, else when its peer has all of it, or its time is
    /// over.
    pub(super) fn close(&mut self, socket: TcpStream, now: Instant) {
        if unsent_bytes(socket.as_fd()).unwrap_or(0) == 0 {
            return;
        }
        // It is shut already, unless it did not take its last lines in time. One that cannot be shut
        // is broken, as the next look will see.
        let _ = socket.shutdown(Shutdown::Write);
        let bytes = unacknowledged_bytes(socket.as_fd()).unwrap_or(0);
        self.hold(Held {
            socket,
            until: now + LAST_LINES_TIMEOUT,
            bytes,
        });
        while self.held.len() > HELD_MAX || self.bytes > HELD_BYTES_MAX {
            self.let_go_of_one();
        }
        self.next_at.get_or_insert(now + INTERVAL);
    }

    /// Lets go of the one that was to be held for the shortest time; whether there was one. What it
    /// has left is the kernel's business.
    pub(super) fn let_go_of_one(&mut self) -> bool {
        let shortest = (0..self.held.len()).min_by_key(|&index| self.held[index].until);
        let gone = shortest.and_then(|index| self.held.remove(index));
        self.bytes -= gone.as_ref().map_or(0, |held| held.bytes);
        gone.is_some()
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_at
    }

    /// Looks at some of them, if it is time: those that have taken everything, that are broken, or
    /// whose time is over, are closed.
    pub(super) fn look(&mut self, now: Instant) {
        if self.next_at.is_none_or(|at| at > now) {
            return;
        }
        for _ in 0..self.held.len().min(LOOKED_AT_MAX) {
            let Some(mut held) = self.held.pop_front() else {
                break;
            };
            self.bytes -= held.bytes;
            let is_broken = drop_input(&mut held.socket).is_err();
            held.bytes = unacknowledged_bytes(held.socket.as_fd()).unwrap_or(0);
            if !is_broken && held.bytes > 0 && now < held.until {
                self.hold(held);
            }
        }
        if self.held.is_empty() {
            self.held = VecDeque::new();
        }
        self.next_at = (!self.held.is_empty()).then_some(now + INTERVAL);
    }

    fn hold(&mut self, held: Held) {
        self.bytes += held.bytes;
        self.held.push_back(held);
    }
}

/// # Errors
/// When the connection is broken.
fn drop_input(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut dropped = [0; 4096];
    for _ in 0..DROPPED_BYTES_MAX / dropped.len() {
        match socket.read(&mut dropped) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
