//! `Conns`: the sockets of all connections, by the slots of their sessions. They move bytes for the
//! turn and know nothing of what these mean, nor when to read or write. Owned by the server.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Interest, Registry};
use slab::Slab;
use socket2::SockRef;

use crate::config::Limits;
use crate::session::{AddressGroup, CloseReason, ConnectionSummary, SessionId, Transport};
use crate::time::Time;
use crate::turn::{Event, Fill, Flush, Io};

use super::accept::number_of;
use super::last_lines::LastLines;
use super::listener::{LAST_LINES_TIMEOUT, SEND_BUFFER_BYTES};
use super::stream::{self, AcceptedAt, Beginning, Stream};
use super::tls::{Expired, TlsKey, TlsStreams};
use super::tokens::{Generation, Source};
use super::watch::{Found, Trouble, Watch};

/// All connections.
#[derive(Debug)]
pub(super) struct Conns {
    conns: Slab<Conn>,
    /// Those over TLS; `None` where it is off.
    tls: Option<TlsStreams>,
    /// Who comes without TLS from another machine is not welcome.
    is_tls_required: bool,
    started_at: Instant,
    generation: Generation,
    /// Those that were closed and not yet reported.
    closed: Vec<Closed>,
    /// Those that have not acknowledged all that was written to them.
    watch: Watch,
    /// Those that are over and have not taken their last lines.
    pub(super) last_lines: LastLines,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    socket: TcpStream,
    stream: Stream,
    pub(super) peer: SocketAddr,
    generation: Generation,
    /// It has a place among those of its address; one that was refused has none.
    pub(super) counted: bool,
    /// It had one when it came.
    had_place: bool,
    watched: bool,
}

/// A connection that is gone.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) peer: SocketAddr,
    /// It still had a place among those of its address.
    pub(super) counted: bool,
    /// It had one when it came.
    pub(super) had_place: bool,
    /// What was wrong with what it sent as TLS.
    pub(super) tls_fault: Option<Box<str>>,
    pub(super) summary: ConnectionSummary,
}

impl Conns {
    /// No connections yet. `tls` for those that will be over TLS, where it is not off.
    pub(super) fn new(
        tls: Option<TlsStreams>,
        is_tls_required: bool,
        limits: &Limits,
        now: Instant,
    ) -> Conns {
        Conns {
            conns: Slab::new(),
            tls,
            is_tls_required,
            started_at: now,
            generation: Generation::default(),
            closed: Vec::new(),
            watch: Watch::new(limits),
            last_lines: LastLines::new(limits.outbox_total_bytes_max),
        }
    }

    /// Takes a connection in.
    ///
    /// # Errors
    /// Those of registering it.
    pub(super) fn add(
        &mut self,
        registry: &Registry,
        mut socket: TcpStream,
        peer: SocketAddr,
        counted: bool,
        now: Instant,
    ) -> io::Result<SessionId> {
        self.generation = self.generation.next();
        let stream = match self.tls {
            Some(_) => Stream::New(AcceptedAt::new(self.started_at, now)),
            None => Stream::Plain,
        };
        let entry = self.conns.vacant_entry();
        let slot = u32::try_from(entry.key()).expect("fewer descriptors than u32 holds");
        let id = SessionId(slot);
        let token = Source::Conn(id, self.generation).token();
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        entry.insert(Conn {
            socket,
            stream,
            peer,
            generation: self.generation,
            counted,
            had_place: counted,
            watched: false,
        });
        Ok(id)
    }

    pub(super) fn len(&self) -> usize {
        self.conns.len()
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Conn> {
        self.conns.get(id.slot())
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Conn> {
        self.conns.get_mut(id.slot())
    }

    /// Whether an event is for the connection that has the slot now.
    pub(super) fn is_current(&self, id: SessionId, generation: Generation) -> bool {
        self.get(id)
            .is_some_and(|conn| conn.generation == generation)
    }

    /// When to look at those that have something unacknowledged, or are over and have not taken
    /// all of it.
    pub(super) fn watch_deadline(&self) -> Option<Instant> {
        let deadlines = [self.watch.deadline(), self.last_lines.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Looks at those that have something unacknowledged, if it is time, as far as a turn has time:
    /// who is in trouble; those that are over and have taken it are closed.
    /// `written` says how much was written to a connection in all.
    pub(super) fn look(
        &mut self,
        now: Instant,
        written: impl Fn(SessionId) -> u64,
    ) -> Vec<(SessionId, Trouble)> {
        self.last_lines.look(now);
        let Conns { conns, watch, .. } = self;
        let Found { troubled, done } = watch.look(now, |(id, generation)| {
            let conn = conns.get(id.slot())?;
            if conn.generation != generation || !conn.watched {
                return None;
            }
            Some((conn.socket.as_fd(), written(id)))
        });
        for id in done {
            if let Some(conn) = self.get_mut(id) {
                conn.watched = false;
            }
        }
        troubled
    }

    /// A turn begins: what the turn is to note beside what the kernel says.
    pub(super) fn start_turn(&mut self) -> impl Iterator<Item = (SessionId, Event)> {
        self.tls.iter_mut().flat_map(TlsStreams::start_turn)
    }

    /// Whether the next turn has something to note, so that it is to begin at once.
    pub(super) fn is_ready(&self) -> bool {
        self.tls.as_ref().is_some_and(TlsStreams::is_ready)
    }

    /// The kernel says that a socket takes bytes. What its TLS has to say by itself, nobody else
    /// will write.
    pub(super) fn note_writable(&mut self, id: SessionId) {
        self.with_tls(id, |tls, key, socket| tls.write_pending(key, socket));
    }

    /// The kernel says something of a socket whose session is over.
    pub(super) fn note_over(&mut self, id: SessionId, generation: Generation) {
        self.last_lines.write((id, generation));
    }

    /// Bytes that connections hold beside what sessions are owed.
    pub(super) fn held_bytes(&self) -> usize {
        self.tls.as_ref().map_or(0, TlsStreams::held_bytes) + self.last_lines.owed_bytes()
    }

    /// When to look for TLS that did not come in time.
    pub(super) fn tls_deadline(&self) -> Option<Instant> {
        self.tls.as_ref()?.deadline()
    }

    /// Looks for TLS that did not come in time, if it is time to, of those that are read from.
    pub(super) fn look_for_expired(
        &mut self,
        now: Instant,
        is_read_from: impl Fn(SessionId) -> bool,
    ) -> Vec<(SessionId, Expired)> {
        let tls = self.tls.as_mut();
        tls.map_or(Vec::new(), |tls| tls.look(now, is_read_from))
    }

    /// The connections over TLS; `None` where it is off.
    pub(super) fn tls_mut(&mut self) -> Option<&mut TlsStreams> {
        self.tls.as_mut()
    }

    /// Which TLS a connection is over, if it is.
    pub(super) fn tls_version(&self, id: SessionId) -> Option<&'static str> {
        match self.get(id)?.stream {
            Stream::Tls(key) => Some(self.tls.as_ref()?.version(key)),
            Stream::New(_) | Stream::FirstByte(_) | Stream::Plain => None,
        }
    }

    /// One step of a connection over TLS, and what follows from it. `None` if it is none.
    fn with_tls<T>(
        &mut self,
        id: SessionId,
        step: impl FnOnce(&mut TlsStreams, TlsKey, &mut TcpStream) -> T,
    ) -> Option<T> {
        let conn = self.conns.get_mut(id.slot())?;
        let Stream::Tls(key) = conn.stream else {
            return None;
        };
        let tls = self.tls.as_mut()?;
        let result = step(tls, key, &mut conn.socket);
        if tls.settle(key, Instant::now) && !std::mem::replace(&mut conn.watched, true) {
            self.watch.add((id, conn.generation), Instant::now());
        }
        Some(result)
    }

    /// Reads the first bytes of a connection, by which is known what carries it.
    fn fill_first(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        let (Some(conn), Some(tls)) = (self.conns.get_mut(id.slot()), self.tls.as_mut()) else {
            return (0, Fill::Lost);
        };
        let (accepted_at, kept) = match conn.stream {
            Stream::FirstByte(accepted_at) => (accepted_at, 1),
            Stream::New(accepted_at) => (accepted_at, 0),
            Stream::Plain | Stream::Tls(_) => return (0, Fill::Lost),
        };
        buffer[..kept].fill(stream::HANDSHAKE);
        let (length, fill) = stream::read(&mut conn.socket, buffer, kept);
        conn.stream = match (stream::beginning(&buffer[..length]), fill) {
            (Beginning::Unknown, Fill::Exhausted) => {
                if length == 1 {
                    conn.stream = Stream::FirstByte(accepted_at);
                }
                return (0, fill);
            }
            (Beginning::Unknown | Beginning::Plain, _) => Stream::Plain,
            (Beginning::Tls, _) => {
                let accepted_at = accepted_at.instant(self.started_at, Instant::now());
                let Some(key) = tls.open(id, accepted_at, &buffer[..length], fill) else {
                    return (0, Fill::Lost);
                };
                conn.stream = Stream::Tls(key);
                return self.fill(id, buffer);
            }
        };
        (length, fill)
    }

    /// Those that were closed since the last call.
    pub(super) fn take_closed(&mut self) -> Vec<Closed> {
        std::mem::take(&mut self.closed)
    }
}

impl Io for Conns {
    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        let Some(conn) = self.conns.get_mut(id.slot()) else {
            return (0, Fill::Lost);
        };
        match conn.stream {
            Stream::Plain => stream::read(&mut conn.socket, buffer, 0),
            Stream::New(_) | Stream::FirstByte(_) => self.fill_first(id, buffer),
            Stream::Tls(_) => {
                let filled = self.with_tls(id, |tls, key, socket| tls.fill(key, socket, buffer));
                filled.unwrap_or((0, Fill::Lost))
            }
        }
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        let Some(conn) = self.conns.get_mut(id.slot()) else {
            return Flush::Lost;
        };
        if let Stream::Tls(_) = conn.stream {
            let flushed = self.with_tls(id, |tls, key, socket| tls.flush(key, socket, chunks));
            return flushed.unwrap_or(Flush::Lost);
        }
        // Who is told something before it has spoken is told it plainly.
        conn.stream = Stream::Plain;
        loop {
            let written = match chunks {
                [chunk] => conn.socket.write(chunk),
                _ => conn.socket.write_vectored(chunks),
            };
            return match written {
                Ok(count) => {
                    if !std::mem::replace(&mut conn.watched, true) {
                        self.watch.add((id, conn.generation), Instant::now());
                    }
                    Flush::Took(count)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Flush::Blocked,
                Err(_) => Flush::Lost,
            };
        }
    }

    fn time(&self) -> Time {
        Time::after_start(self.started_at.elapsed())
    }

    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(self.get(id).map_or(0, |conn| number_of(conn.peer.ip())))
    }

    fn shut(&mut self, id: SessionId) {
        if self
            .with_tls(id, |tls, key, socket| tls.shut(key, socket))
            .is_none()
            && let Some(conn) = self.get(id)
        {
            // A connection that cannot be shut is broken; the reading side will say so.
            let _ = conn.socket.shutdown(Shutdown::Write);
        }
    }

    fn must_linger(&self, id: SessionId) -> bool {
        match (self.get(id).map(|conn| conn.stream), &self.tls) {
            (Some(Stream::Tls(key)), Some(tls)) => tls.must_linger(key),
            _ => false,
        }
    }

    fn transport(&self, id: SessionId) -> Transport {
        let Some(conn) = self.get(id) else {
            return Transport::Plain;
        };
        if let (Stream::Tls(key), Some(tls)) = (conn.stream, &self.tls) {
            return tls.transport(key);
        }
        if self.is_tls_required && !conn.peer.ip().to_canonical().is_loopback() {
            return Transport::PlainUnwanted;
        }
        Transport::Plain
    }

    /// The kernel is given as much room again, and keeps it for a peer that does not read now but
    /// may later: why it was cut is to be the last it reads (F88). In vain where the system allows
    /// no bigger buffers.
    fn widen(&mut self, id: SessionId) -> bool {
        let Some(conn) = self.get(id) else {
            return false;
        };
        let socket = SockRef::from(&conn.socket);
        socket
            .set_tcp_user_timeout(Some(LAST_LINES_TIMEOUT))
            .and_then(|()| socket.set_send_buffer_size(2 * SEND_BUFFER_BYTES))
            .is_ok()
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary, last_bytes: Option<Vec<u8>>) {
        if let Some(conn) = self.conns.try_remove(id.slot()) {
            let (last_bytes, tls_fault) = match (conn.stream, &mut self.tls) {
                (Stream::Tls(key), Some(tls)) => tls.close(key, last_bytes.as_deref()),
                _ => (last_bytes.unwrap_or_default(), None),
            };
            // Nobody is there to read the lines of one that is lost.
            if summary.reason != CloseReason::ConnectionLost {
                let connection = (id, conn.generation);
                let now = Instant::now();
                self.last_lines
                    .close(connection, conn.socket, last_bytes, now);
            }
            self.closed.push(Closed {
                peer: conn.peer,
                counted: conn.counted,
                had_place: conn.had_place,
                tls_fault,
                summary,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SUMMARY: ConnectionSummary = ConnectionSummary {
        name: None,
        reason: CloseReason::ConnectionLost,
        lines_in: 0,
        bytes_in: 0,
        lines_out: 0,
        bytes_out: 0,
        duration: Duration::ZERO,
    };

    /// A connection whose peer reads nothing, with as much written to it as the kernel takes.
    fn add_stalled(conns: &mut Conns, registry: &Registry) -> (SessionId, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let peer = std::net::TcpStream::connect(address).expect("a connection");
        let (socket, from) = listener.accept().expect("its other end");
        socket.set_nonblocking(true).expect("it does not block");
        let socket = TcpStream::from_std(socket);
        let now = Instant::now();
        let id = conns.add(registry, socket, from, false, now).expect("room");
        while let Flush::Took(_) = conns.flush(id, &[IoSlice::new(&[b'x'; 1 << 16])]) {}
        (id, peer)
    }

    #[test]
    fn who_takes_the_slot_of_a_stalled_connection_is_not_cut_for_it() {
        let poll = mio::Poll::new().expect("a poll");
        let start = Instant::now();
        let limits = Limits {
            stall_timeout: Duration::from_secs(10),
            ..Limits::default()
        };
        let mut conns = Conns::new(None, false, &limits, start);
        // Neither has acknowledged all of it.
        let look = |conns: &mut Conns, second| {
            let now = start + Duration::from_secs(second);
            conns.look(now, |_| 1 << 30)
        };

        let (old, _peer) = add_stalled(&mut conns, poll.registry());
        for second in 2..10 {
            assert_eq!(look(&mut conns, second), []);
        }
        conns.close(old, SUMMARY, None);
        let (new, _peer) = add_stalled(&mut conns, poll.registry());
        assert_eq!(new, old, "the slot is taken again");
        for second in 10..20 {
            assert_eq!(look(&mut conns, second), [], "second {second}");
        }
        assert_eq!(look(&mut conns, 20), [(new, Trouble::Stalled)]);
    }
}
