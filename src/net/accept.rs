//! `Acceptor`: the listening sockets, how many come from where, and what to do when there are no
//! descriptors left. Opening the sockets is `listener`'s business. Owned by the server.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use log::warn;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry};
use rustix::io::Errno;

use crate::config::Config;
use crate::dialect::{self, Encoding, Refusal, Reply};
use crate::session::{CloseReason, SessionId};
use crate::turn::Turn;

use super::conn::Conns;
use super::culprits::Cause;
use super::log::EventLog;
use super::proxied::{Outcome, Proxied};
use super::shut_out::ShutOut;
use super::tokens::Source;

/// How long accepting rests when there are no descriptors left, unless one becomes free.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How often that is said in the log.
const WARN_INTERVAL: Duration = Duration::from_secs(10);
/// Refused connections that may linger beside those that have a place. Together with the
/// listeners and the rest they must fit into the descriptors kept in reserve.
const REFUSED_MAX: usize = 16;
/// Connections that have ended and are still there, up to which one that is banned becomes one of them:
/// beyond, it is turned away at once, and costs less.
const BANNED_MAX: usize = 64;

/// The listening side.
#[derive(Debug)]
pub(super) struct Acceptor {
    listeners: Vec<Listener>,
    /// The listener whose turn it is.
    next: usize,
    pause: Pause,
    warned_at: Option<Instant>,
    census: Census,
    proxied: Proxied,
    pub(super) shut_out: ShutOut,
    pub(super) clients_max: usize,
    accepts_per_turn_max: usize,
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
enum Pause {
    No,
    Until(Instant),
}

impl Acceptor {
    /// Registers the sockets, of which there are no more than tokens.
    ///
    /// # Errors
    /// Those of registering.
    pub(super) fn register(
        registry: &Registry,
        sockets: Vec<TcpListener>,
        config: &Config,
    ) -> io::Result<Acceptor> {
        let limits = &config.limits;
        let mut listeners = Vec::new();
        for (index, mut socket) in sockets.into_iter().enumerate() {
            let token = Source::Listener(index).token();
            registry.register(&mut socket, token, Interest::READABLE)?;
            // One that was handed in may have had connections waiting for long.
            listeners.push(Listener {
                socket,
                readable: true,
            });
        }
        Ok(Acceptor {
            listeners,
            next: 0,
            pause: Pause::No,
            warned_at: None,
            census: Census::new(limits.clients_per_address_max),
            proxied: Proxied::new(config.proxy_from.clone(), limits.proxy_timeout),
            shut_out: ShutOut::default(),
            clients_max: limits.clients_max,
            accepts_per_turn_max: limits.accepts_per_turn_max,
            errors: 0,
        })
    }

    /// The event of a listener.
    pub(super) fn note(&mut self, index: usize) {
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.readable = true;
        }
    }

    /// The event of a connection of a proxy.
    pub(super) fn note_proxied(&mut self, index: usize) {
        self.proxied.note(index);
    }

    /// When a connection of a proxy is given up, or something is to be said of who was shut out.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let proxied = self.proxied.deadline().into_iter();
        proxied.chain(self.shut_out.deadline()).min()
    }

    /// Whether somebody may be waiting and accepting does not rest.
    pub(super) fn has_more(&self) -> bool {
        self.pause == Pause::No && self.listeners.iter().any(|listener| listener.readable)
    }

    /// When to try again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        match self.pause {
            Pause::No => None,
            Pause::Until(at) => Some(at),
        }
    }

    /// A connection has ended: there is a place for another from its address, even while it drains.
    pub(super) fn forget_address(&mut self, conns: &mut Conns, id: SessionId) {
        if let Some(conn) = conns.get_mut(id)
            && std::mem::take(&mut conn.counted)
        {
            self.census.remove(conn.peer);
        }
    }

    /// A connection was closed, which still had a place from this address or not.
    pub(super) fn descriptor_is_free(&mut self, peer: SocketAddr, counted: bool) {
        self.pause = Pause::No;
        if counted {
            self.census.remove(peer);
        }
    }

    /// Nobody is accepted any more.
    pub(super) fn close(&mut self, registry: &Registry) {
        for mut listener in self.listeners.drain(..) {
            // It is closed in any case.
            let _ = registry.deregister(&mut listener.socket);
        }
    }

    /// Accepts pending connections, up to a bound a turn; listeners take turns. Every error but
    /// that nobody waits goes on to the next; only the want of descriptors makes accepting rest.
    pub(super) fn accept(
        &mut self,
        registry: &Registry,
        conns: &mut Conns,
        turn: &mut Turn,
        log: &mut EventLog,
        now: Instant,
    ) {
        self.admit_proxied(registry, conns, turn, log, now);
        match self.pause {
            Pause::Until(at) if at > now => return,
            _ => self.pause = Pause::No,
        }
        let mut accepted = 0;
        for _ in 0..self.accepts_per_turn_max {
            match self.next_pending() {
                None => return,
                Some(Ok((stream, peer))) => {
                    accepted += 1;
                    let admitted = if self.proxied.is_proxy(peer.ip()) {
                        self.take_in_proxied(registry, stream, peer, conns, turn, now)
                    } else {
                        self.admit(registry, stream, peer, conns, turn, now)
                    };
                    note_failed(admitted, log, now);
                }
                Some(Err(error)) => {
                    let is_free = is_want(&error) && conns.last_lines.let_go_of_one();
                    if !self.goes_on_after(&error, is_free, now) {
                        return;
                    }
                }
            }
        }
        if accepted == 0 {
            // Nothing but errors: they will not be others a moment later.
            self.pause = Pause::Until(now + RETRY_INTERVAL);
        }
    }

    /// The next connection that waits, if there is one and it can be had.
    fn next_pending(&mut self) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        for _ in 0..self.listeners.len() {
            self.next = (self.next + 1) % self.listeners.len();
            let listener = &mut self.listeners[self.next];
            if !listener.readable {
                continue;
            }
            match listener.socket.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => listener.readable = false,
                other => return Some(other),
            }
        }
        None
    }

    /// A connection of a proxy is heard before it is counted.
    fn take_in_proxied(
        &mut self,
        registry: &Registry,
        stream: TcpStream,
        proxy: SocketAddr,
        conns: &mut Conns,
        turn: &mut Turn,
        now: Instant,
    ) -> io::Result<()> {
        if conns.len() + self.proxied.len() >= self.clients_max {
            return self.admit(registry, stream, proxy, conns, turn, now);
        }
        self.proxied.add(registry, stream, proxy, now)
    }

    /// Those of whom a proxy has said where they come from are admitted as if they came from there.
    fn admit_proxied(
        &mut self,
        registry: &Registry,
        conns: &mut Conns,
        turn: &mut Turn,
        log: &mut EventLog,
        now: Instant,
    ) {
        for outcome in self.proxied.outcomes(registry, now) {
            match outcome {
                Outcome::From(stream, peer) => {
                    let admitted = self.admit(registry, stream, peer, conns, turn, now);
                    note_failed(admitted, log, now);
                }
                Outcome::Refused(proxy) => {
                    self.pause = Pause::No;
                    let said = format_args!("no PROXY header from the proxy at {proxy}");
                    log.warn(now, Cause::From(proxy), said);
                }
            }
        }
    }

    fn admit(
        &mut self,
        registry: &Registry,
        stream: TcpStream,
        peer: SocketAddr,
        conns: &mut Conns,
        turn: &mut Turn,
        now: Instant,
    ) -> io::Result<()> {
        let live = turn.hub().sessions().live();
        let is_full = live >= self.clients_max;
        let ban = turn.hub().overview().ban_on(peer.ip());
        let words = ban.and_then(|ban| ban.why.clone());
        let refusal = if ban.is_some() {
            self.shut_out.note(peer);
            Some(CloseReason::Banned)
        } else if !self.census.has_place(peer) {
            Some(CloseReason::TooManyFromAddress)
        } else if is_full && !turn.hub_mut().make_place(self.clients_max) {
            Some(CloseReason::ServerFull)
        } else {
            None
        };
        match refusal {
            None => {
                let id = conns.add(registry, stream, peer, true, now)?;
                self.census.add(peer);
                turn.admit(id);
                turn.hub_mut().moderator().learn_address(id, peer.ip());
            }
            Some(reason)
                if conns.len() >= self.clients_max + REFUSED_MAX
                    || reason == CloseReason::Banned && conns.len() >= live + BANNED_MAX =>
            {
                turn.hub_mut().count_refused(reason);
                turn_away(stream, reason, words.as_deref());
            }
            Some(reason) => {
                let id = conns.add(registry, stream, peer, false, now)?;
                turn.refuse(id, reason, words.as_deref());
            }
        }
        Ok(())
    }

    /// Whether accepting is to go on after this error. `is_free`: what it wanted was found.
    fn goes_on_after(&mut self, error: &io::Error, is_free: bool, now: Instant) -> bool {
        self.errors += 1;
        if is_free || !is_want(error) {
            return true;
        }
        self.pause = Pause::Until(now + RETRY_INTERVAL);
        if self.warned_at.is_none_or(|at| now - at >= WARN_INTERVAL) {
            self.warned_at = Some(now);
            warn!("cannot accept for want of descriptors or memory ({error}); connections wait");
        }
        false
    }
}

/// Whether it failed for want of descriptors or memory.
fn is_want(error: &io::Error) -> bool {
    let wants = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    wants
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn note_failed(admitted: io::Result<()>, log: &mut EventLog, now: Instant) {
    if let Err(error) = admitted {
        let said = format_args!("cannot register a connection: {error}");
        log.warn(now, Cause::Nobody, said);
    }
}

/// Says why, as far as the socket takes it at once, and closes. It is text, whatever the language
/// would have been.
fn turn_away(mut stream: TcpStream, reason: CloseReason, words: Option<&str>) {
    let refusal = match reason {
        CloseReason::Banned => Some(Refusal::Banned(words)),
        _ => reason.refusal(),
    };
    if let Some(refusal) = refusal {
        let mut line = Vec::new();
        dialect::encode_reply(Encoding::Text, &Reply::Ended(refusal), None, &mut line);
        // There is nobody to tell when even this cannot be said.
        let _ = stream.write(&line);
        let _ = stream.shutdown(Shutdown::Write);
        // Over what it has said already, closing would become a reset that destroys the line.
        let _ = stream.read(&mut [0; 4096]);
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

/// The same as a number.
pub(super) fn number_of(address: IpAddr) -> u128 {
    match counted_as(address) {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
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
