//! TLS: the table of the connections that speak it. rustls lives here and below alone. For the rest
//! of `net` they are connections that are filled, flushed and shut like others; what they need
//! beside that is here: time for handshakes, deadlines, what is to be noted without the kernel's
//! saying so, and how many bytes they hold. Owned by `Conns`.

mod connection;
mod identity;
mod records;
mod setup;
mod share;
mod state;
#[cfg(test)]
mod tests;
mod validity;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustls::ServerConfig;
use slab::Slab;

use crate::config::Limits;
use crate::session::{SessionId, Transport};
use crate::turn::{Event, Fill, Flush};

use super::kernel_queue::unacknowledged_bytes;
use super::listener::SEND_BUFFER_BYTES;
use connection::TlsConnection;
pub use identity::BadIdentity;
pub use setup::TlsSetup;
use share::Share;
use state::Effects;

/// Which TLS connection: its place in the table. Used again once it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TlsKey(u32);

/// All connections over TLS.
#[derive(Debug)]
pub(super) struct TlsStreams {
    config: Arc<ServerConfig>,
    limits: Limits,
    streams: Slab<TlsStream>,
    /// Counts streams, so that a place that is used again is not taken for the one before.
    opened: u64,
    share: Share,
    /// Those that wait for their share of the time for handshakes, first come, first served.
    waiting: VecDeque<(TlsKey, u64)>,
    /// What is to be noted in the next turn.
    ready: Vec<(SessionId, Event)>,
    /// Those that have something to finish in time.
    timed: Vec<(TlsKey, u64)>,
    next_look: Option<Instant>,
    held_bytes: usize,
}

/// One of them.
#[derive(Debug)]
struct TlsStream {
    owner: SessionId,
    number: u64,
    /// What of `held_bytes` is its.
    held_bytes: usize,
    /// It is in the list of those that have something to finish in time.
    is_timed: bool,
    /// It is in the queue of those that wait for their share.
    is_waiting: bool,
    connection: Box<TlsConnection>,
}

/// What did not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    Handshake,
    Record,
}

/// How often is looked for what did not come in time.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Of those that wait for a handshake so many are tried in a turn: more than it has time for.
const TRIED_PER_TURN: usize = 128;
/// Room that is never given back, so that a quiet server does not allocate.
const KEPT: usize = 64;

/// How much of so many bytes is sealed at once for a socket that takes bytes: no more than it has room
/// for, but always as much as for one that was full. What it does not take is memory, and to be copied
/// when the connection is cut; a reader that has stopped fills the socket first.
fn seal_bytes_max(socket: &TcpStream, offered_bytes: usize, limits: &Limits) -> usize {
    let least = limits.tls_seal_blocked_bytes_max;
    if offered_bytes <= least {
        return limits.tls_seal_bytes_max;
    }
    let queued = unacknowledged_bytes(socket.as_fd());
    if offered_bytes > limits.tls_seal_bytes_max && queued.as_ref().is_ok_and(|&bytes| bytes == 0) {
        return limits.tls_seal_drained_bytes_max;
    }
    let queued = usize::try_from(queued.unwrap_or(0)).unwrap_or(usize::MAX);
    // The kernel takes twice what it was asked for (socket(7)). It counts more than bytes, for which
    // the last portion is left out.
    let room = (2 * SEND_BUFFER_BYTES).saturating_sub(queued);
    let portions = (room / least).saturating_sub(1).max(1);
    (portions * least).min(limits.tls_seal_bytes_max)
}

impl TlsStreams {
    pub(super) fn new(config: Arc<ServerConfig>, limits: &Limits) -> TlsStreams {
        TlsStreams {
            config,
            streams: Slab::new(),
            opened: 0,
            share: Share::new(limits.tls_handshake_time_per_turn_max),
            waiting: VecDeque::new(),
            ready: Vec::new(),
            timed: Vec::new(),
            next_look: None,
            held_bytes: 0,
            limits: limits.clone(),
        }
    }

    /// From now on, whoever comes is shown another certificate.
    pub(super) fn set_config(&mut self, config: Arc<ServerConfig>) {
        self.config = config;
    }

    /// Begins TLS on a connection whose first bytes are these, after which `fill` became of its
    /// socket. `None` if that cannot be.
    pub(super) fn open(
        &mut self,
        owner: SessionId,
        accepted_at: Instant,
        first: &[u8],
        fill: Fill,
    ) -> Option<TlsKey> {
        let connection =
            TlsConnection::new(&self.config, accepted_at, first, fill, &self.limits).ok()?;
        self.opened += 1;
        let key = self.streams.insert(TlsStream {
            owner,
            number: self.opened,
            held_bytes: 0,
            is_timed: false,
            is_waiting: false,
            connection: Box::new(connection),
        });
        Some(TlsKey(u32::try_from(key).expect("fewer than descriptors")))
    }

    pub(super) fn fill(
        &mut self,
        key: TlsKey,
        socket: &mut TcpStream,
        buffer: &mut [u8],
    ) -> (usize, Fill) {
        let connection = &mut self.streams[key.0 as usize].connection;
        let filled = connection.fill(socket, buffer, &mut self.share, &self.limits);
        connection.write_pending(socket);
        filled
    }

    pub(super) fn flush(
        &mut self,
        key: TlsKey,
        socket: &mut TcpStream,
        chunks: &[IoSlice<'_>],
    ) -> Flush {
        let connection = &mut self.streams[key.0 as usize].connection;
        let limits = &self.limits;
        connection.flush(socket, chunks, limits, |socket, offered_bytes| {
            seal_bytes_max(socket, offered_bytes, limits)
        })
    }

    /// The socket takes bytes: what lies there and is nothing that was said is written.
    pub(super) fn write_pending(&mut self, key: TlsKey, socket: &mut TcpStream) {
        self.streams[key.0 as usize]
            .connection
            .write_pending(socket);
    }

    pub(super) fn shut(&mut self, key: TlsKey, socket: &mut TcpStream) {
        self.streams[key.0 as usize].connection.shut(socket);
    }

    pub(super) fn must_linger(&self, key: TlsKey) -> bool {
        self.streams[key.0 as usize].connection.must_linger()
    }

    /// Which TLS it is, for the log.
    pub(super) fn version(&self, key: TlsKey) -> &'static str {
        self.streams[key.0 as usize].connection.version()
    }

    /// What it is, for the session.
    pub(super) fn transport(&self, key: TlsKey) -> Transport {
        if self.streams[key.0 as usize].connection.is_for_http() {
            Transport::TlsForHttp
        } else {
            Transport::Tls
        }
    }

    /// Forgets it. What is to be written to its socket before its end, of which `last_bytes` is the
    /// plaintext; and what was wrong with what it sent, if anything was.
    pub(super) fn close(
        &mut self,
        key: TlsKey,
        last_bytes: Option<&[u8]>,
    ) -> (Vec<u8>, Option<Box<str>>) {
        let mut stream = self.streams.remove(key.0 as usize);
        self.held_bytes -= stream.held_bytes;
        let sealed = stream.connection.seal_last(last_bytes);
        (sealed, stream.connection.fault().map(Into::into))
    }

    /// After every step of a connection: takes note of what it has brought about. Whether bytes went
    /// to the kernel.
    pub(super) fn settle(&mut self, key: TlsKey, now: impl FnOnce() -> Instant) -> bool {
        let stream = &mut self.streams[key.0 as usize];
        let Effects {
            has_written,
            ready,
            waits,
        } = stream.connection.take_effects();
        let held_bytes = stream.connection.held_bytes();
        self.held_bytes = self.held_bytes - stream.held_bytes + held_bytes;
        stream.held_bytes = held_bytes;
        if waits && !std::mem::replace(&mut stream.is_waiting, true) {
            self.waiting.push_back((key, stream.number));
        }
        if ready != Event::default() {
            self.ready.push((stream.owner, ready));
        }
        if !stream.is_timed && stream.connection.unfinished(&self.limits).is_some() {
            stream.is_timed = true;
            self.timed.push((key, stream.number));
            self.next_look.get_or_insert_with(|| now() + LOOK_INTERVAL);
        }
        has_written
    }

    /// A turn begins: what is to be noted in it, beside what the kernel says.
    pub(super) fn start_turn(&mut self) -> impl Iterator<Item = (SessionId, Event)> {
        self.share.start_turn();
        let tried = self.waiting.len().min(TRIED_PER_TURN);
        for (key, number) in self.waiting.drain(..tried) {
            let stream = self.streams.get_mut(key.0 as usize);
            if let Some(stream) = stream.filter(|stream| stream.number == number) {
                stream.is_waiting = false;
                let readable = Event {
                    readable: true,
                    ..Event::default()
                };
                self.ready.push((stream.owner, readable));
            }
        }
        self.ready.drain(..)
    }

    /// Whether there is something to note at once.
    pub(super) fn is_ready(&self) -> bool {
        !self.waiting.is_empty() || !self.ready.is_empty()
    }

    /// Bytes that all of them hold.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// When to look for what did not come in time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_look
    }

    /// Looks for what did not come in time, if it is time to. Time in which a session is not read
    /// from counts against nobody.
    pub(super) fn look(
        &mut self,
        now: Instant,
        is_read_from: impl Fn(SessionId) -> bool,
    ) -> Vec<(SessionId, Expired)> {
        let mut expired = Vec::new();
        let Some(at) = self.next_look.filter(|&at| at <= now) else {
            return expired;
        };
        let stopped = (now - at).saturating_sub(LOOK_INTERVAL);
        let TlsStreams {
            streams,
            timed,
            limits,
            ..
        } = self;
        timed.retain(|&(key, number)| {
            let stream = streams.get_mut(key.0 as usize);
            let Some(stream) = stream.filter(|stream| stream.number == number) else {
                return false;
            };
            let left_out = if is_read_from(stream.owner) {
                stopped
            } else {
                stopped + LOOK_INTERVAL
            };
            stream.connection.leave_out(left_out);
            let Some((since, time_max)) = stream.connection.unfinished(limits) else {
                stream.is_timed = false;
                return false;
            };
            if now.saturating_duration_since(since) >= time_max {
                let what = match stream.connection.is_handshaking() {
                    true => Expired::Handshake,
                    false => Expired::Record,
                };
                expired.push((stream.owner, what));
            }
            true
        });
        if timed.len() < timed.capacity() / 4 {
            timed.shrink_to(KEPT);
        }
        self.next_look = (!timed.is_empty()).then_some(now + LOOK_INTERVAL);
        expired
    }
}
