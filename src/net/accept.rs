//! `Acceptor`: the listening sockets, how many come from where, and what to do when there are no
//! descriptors left. Opening the sockets is `listener`'s business. Owned by the server, of which
//! this file holds the accept phase.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use log::warn;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustix::io::Errno;

use crate::chat::{CloseReason, Event};
use crate::dialect::text;

use super::conn::Conn;
use super::server::Server;

/// Listeners have the tokens below that of the signals: `LISTENERS_MAX` of them, which `main` sees to.
const FIRST_LISTENER: usize = usize::MAX - 1;
/// How long accepting rests when there are no descriptors left, unless one becomes free.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How often that is said in the log.
const WARN_INTERVAL: Duration = Duration::from_secs(10);
/// Refused connections that may linger beside those that have a place. Together with the
/// listeners and the rest they must fit into the descriptors kept in reserve.
const REFUSED_MAX: usize = 16;

/// The listening side.
#[derive(Debug)]
pub(super) struct Acceptor {
    listeners: Vec<Listener>,
    rest: Rest,
    warned_at: Option<Instant>,
    generation: u32,
    census: Census,
    /// Errors of accept, other than that nobody is waiting.
    pub(super) errors: u64,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    readable: bool,
}

/// Whether accepting rests for want of descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    No,
    Until(Instant),
}

impl Acceptor {
    pub(super) fn register(
        registry: &Registry,
        sockets: Vec<TcpListener>,
        clients_per_address_max: usize,
    ) -> io::Result<Acceptor> {
        let mut listeners = Vec::new();
        for (index, mut socket) in sockets.into_iter().enumerate() {
            registry.register(
                &mut socket,
                Token(FIRST_LISTENER - index),
                Interest::READABLE,
            )?;
            // One that was handed in may have had connections waiting for long.
            listeners.push(Listener {
                socket,
                readable: true,
            });
        }
        Ok(Acceptor {
            listeners,
            rest: Rest::No,
            warned_at: None,
            generation: 0,
            census: Census::new(clients_per_address_max),
            errors: 0,
        })
    }

    /// Whether the token is one of a listener, which then is readable.
    pub(super) fn note(&mut self, token: Token) -> bool {
        match self.listeners.get_mut(FIRST_LISTENER.wrapping_sub(token.0)) {
            Some(listener) => {
                listener.readable = true;
                true
            }
            None => false,
        }
    }

    /// Whether somebody may be waiting and accepting does not rest.
    pub(super) fn has_more(&self) -> bool {
        self.rest == Rest::No && self.listeners.iter().any(|listener| listener.readable)
    }

    /// When to try again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        match self.rest {
            Rest::No => None,
            Rest::Until(at) => Some(at),
        }
    }

    /// A connection has ended: there is a place for another from its address, even while it drains.
    pub(super) fn forget_address(&mut self, conn: &mut Conn) {
        if std::mem::take(&mut conn.counted) {
            self.census.remove(conn.peer);
        }
    }

    /// A connection was closed.
    pub(super) fn descriptor_is_free(&mut self) {
        self.rest = Rest::No;
    }

    /// Nobody is accepted any more.
    pub(super) fn close(&mut self, registry: &Registry) {
        for mut listener in self.listeners.drain(..) {
            // It is closed in any case.
            let _ = registry.deregister(&mut listener.socket);
        }
    }

    /// The next connection that waits, if there is one and it can be had.
    fn next(&mut self) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        let listener = self
            .listeners
            .iter_mut()
            .find(|listener| listener.readable)?;
        match listener.socket.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                listener.readable = false;
                self.next()
            }
            other => Some(other),
        }
    }

    /// Whether accepting is to go on after this error.
    fn goes_on_after(&mut self, error: &io::Error, now: Instant) -> bool {
        self.errors += 1;
        let no_room = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        if !no_room
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
        {
            return true;
        }
        self.rest = Rest::Until(now + RETRY_INTERVAL);
        if self.warned_at.is_none_or(|at| now - at >= WARN_INTERVAL) {
            self.warned_at = Some(now);
            warn!("cannot accept for want of descriptors or memory ({error}); connections wait");
        }
        false
    }
}

impl Server {
    /// Accepts who waits, up to a bound a turn. Every error but that nobody waits goes on to the
    /// next; only the want of descriptors makes accepting rest.
    pub(super) fn accept(&mut self) {
        let now = self.now;
        match self.acceptor.rest {
            Rest::Until(at) if at > now => return,
            _ => self.acceptor.rest = Rest::No,
        }
        let mut accepted = 0;
        for _ in 0..self.limits.accepts_per_turn_max {
            match self.acceptor.next() {
                None => return,
                Some(Ok((stream, peer))) => {
                    accepted += 1;
                    self.admit(stream, peer);
                }
                Some(Err(error)) => {
                    if !self.acceptor.goes_on_after(&error, now) {
                        return;
                    }
                }
            }
        }
        if accepted == 0 {
            // Nothing but errors: they will not be others a moment later.
            self.acceptor.rest = Rest::Until(now + RETRY_INTERVAL);
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let refusal = if self.hub.live() >= self.limits.clients_max {
            Some(CloseReason::ServerFull)
        } else if !self.acceptor.census.has_place(peer) {
            Some(CloseReason::TooManyFromAddress)
        } else {
            None
        };
        if let Some(reason) = refusal
            && self.conns.len() >= self.limits.clients_max + REFUSED_MAX
        {
            self.hub.count_refused(reason);
            return turn_away(stream, reason);
        }
        self.acceptor.generation = self.acceptor.generation.wrapping_add(1) & (u32::MAX >> 1);
        let mut conn = Conn::new(stream, peer, self.acceptor.generation);
        conn.counted = refusal.is_none();
        match (self.add_conn(conn), refusal) {
            (Err(error), _) => self.log.warn(
                self.now,
                format_args!("cannot register a connection: {error}"),
            ),
            (Ok(slot), None) => {
                self.acceptor.census.add(peer);
                self.hub.connect(slot);
            }
            (Ok(slot), Some(reason)) => self.hub.refuse_connection(slot, reason),
        }
    }
}

/// Says why, as far as the socket takes it at once, and closes.
fn turn_away(mut stream: TcpStream, reason: CloseReason) {
    if let Some(refusal) = reason.refusal() {
        let mut line = Vec::new();
        text::encode(&Event::Refused(refusal), &mut line);
        // There is nobody to tell when even this cannot be said.
        let _ = stream.write(&line);
    }
}

/// How many connections there are from each address. Off, it counts nothing. It holds one entry
/// for each address that has a connection, so connections bound it.
#[derive(Debug)]
struct Census {
    per_address_max: usize,
    counts: HashMap<IpAddr, usize>,
}

impl Census {
    fn new(per_address_max: usize) -> Census {
        Census {
            per_address_max,
            counts: HashMap::new(),
        }
    }

    fn has_place(&self, peer: SocketAddr) -> bool {
        self.per_address_max == 0
            || self
                .counts
                .get(&counted_as(peer.ip()))
                .is_none_or(|&count| count < self.per_address_max)
    }

    fn add(&mut self, peer: SocketAddr) {
        if self.per_address_max > 0 {
            *self.counts.entry(counted_as(peer.ip())).or_default() += 1;
        }
    }

    fn remove(&mut self, peer: SocketAddr) {
        let address = counted_as(peer.ip());
        if let Some(count) = self.counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&address);
            }
        }
    }
}

/// An IPv4 address is counted by itself, also when it comes through a dual-stack socket; of an
/// IPv6 address the first 64 bits, since one subscriber has all the rest.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_by_who_has_them() {
        let mut census = Census::new(2);
        let at = |address: &str| -> SocketAddr { format!("{address}:1").parse().unwrap() };
        for (there, same, other) in [
            ("127.0.0.1", "[::ffff:127.0.0.1]", "127.0.0.3"),
            (
                "[2001:db8:0:1::1]",
                "[2001:db8:0:1:ffff::2]",
                "[2001:db8:0:2::1]",
            ),
        ] {
            census.add(at(there));
            census.add(at(same));
            assert!(!census.has_place(at(there)));
            assert!(census.has_place(at(other)));
            census.remove(at(same));
            assert!(census.has_place(at(there)));
            census.remove(at(there));
        }
        assert!(census.counts.is_empty());
    }
}
