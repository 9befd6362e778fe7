//! `Conns`: the sockets of all connections, by the slots of their sessions. They move bytes for the
//! turn and know nothing of what these mean, nor when to read or write. Owned by the server.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry};
use slab::Slab;
use socket2::SockRef;

use crate::session::{AddressGroup, ConnectionSummary, SessionId};
use crate::turn::{Fill, Flush, Io};

use super::accept::number_of;
use super::listener::{LAST_LINES_TIMEOUT, SEND_BUFFER_BYTES};
use super::tokens::{Generation, Source};
use super::watch::{Trouble, Watch};

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Conns {
    conns: Slab<Conn>,
    generation: Generation,
    /// Those that were closed and not yet reported.
    closed: Vec<Closed>,
    /// Those that have not acknowledged all that was written to them.
    watch: Watch,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    stream: TcpStream,
    pub(super) peer: SocketAddr,
    generation: Generation,
    /// It has a place among those of its address; one that was refused has none.
    pub(super) counted: bool,
    watched: bool,
}

/// A connection that is gone.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) peer: SocketAddr,
    /// It still had a place among those of its address.
    pub(super) counted: bool,
    pub(super) summary: ConnectionSummary,
}

impl Conns {
    /// Takes a connection in.
    ///
    /// # Errors
    /// Those of registering it.
    pub(super) fn add(
        &mut self,
        registry: &Registry,
        mut stream: TcpStream,
        peer: SocketAddr,
        counted: bool,
    ) -> io::Result<SessionId> {
        self.generation = self.generation.next();
        let entry = self.conns.vacant_entry();
        let slot = u32::try_from(entry.key()).expect("fewer descriptors than u32 holds");
        let id = SessionId(slot);
        let token = Source::Conn(id, self.generation).token();
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        entry.insert(Conn {
            stream,
            peer,
            generation: self.generation,
            counted,
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

    /// When to look at those that have something unacknowledged.
    pub(super) fn watch_deadline(&self) -> Option<Instant> {
        self.watch.deadline()
    }

    /// Looks at those that have something unacknowledged, if it is time: who is in trouble.
    /// `written` says how much was written to a connection in all.
    pub(super) fn look(
        &mut self,
        now: Instant,
        stall_timeout: Duration,
        written: impl Fn(SessionId) -> u64,
    ) -> Vec<(SessionId, Trouble)> {
        let Conns { conns, watch, .. } = self;
        let (troubled, done) = watch.look(now, stall_timeout, |id| {
            let conn = conns.get(id.slot()).filter(|conn| conn.watched)?;
            Some((conn.stream.as_fd(), written(id)))
        });
        for id in done {
            if let Some(conn) = self.get_mut(id) {
                conn.watched = false;
            }
        }
        troubled
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
        let mut length = 0;
        while length < buffer.len() {
            match conn.stream.read(&mut buffer[length..]) {
                Ok(0) => return (length, Fill::Ended),
                Ok(count) => length += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return (length, Fill::Exhausted);
                }
                Err(_) => return (length, Fill::Lost),
            }
        }
        (length, Fill::Full)
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        let Some(conn) = self.conns.get_mut(id.slot()) else {
            return Flush::Lost;
        };
        loop {
            let written = match chunks {
                [chunk] => conn.stream.write(chunk),
                _ => conn.stream.write_vectored(chunks),
            };
            return match written {
                Ok(count) => {
                    if !std::mem::replace(&mut conn.watched, true) {
                        self.watch.add(id, Instant::now());
                    }
                    Flush::Took(count)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Flush::Blocked,
                Err(_) => Flush::Lost,
            };
        }
    }

    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(self.get(id).map_or(0, |conn| number_of(conn.peer.ip())))
    }

    fn shut(&mut self, id: SessionId) {
        if let Some(conn) = self.get(id) {
            // A connection that cannot be shut is broken; the reading side will say so.
            let _ = conn.stream.shutdown(Shutdown::Write);
        }
    }

    /// The kernel is given as much room again, and keeps it for a peer that does not read now but
    /// may later: why it was cut is to be the last it reads (F88). In vain where the system allows
    /// no bigger buffers.
    fn widen(&mut self, id: SessionId) -> bool {
        let Some(conn) = self.get(id) else {
            return false;
        };
        let socket = SockRef::from(&conn.stream);
        socket
            .set_tcp_user_timeout(Some(LAST_LINES_TIMEOUT))
            .and_then(|()| socket.set_send_buffer_size(2 * SEND_BUFFER_BYTES))
            .is_ok()
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary) {
        if let Some(conn) = self.conns.try_remove(id.slot()) {
            self.closed.push(Closed {
                peer: conn.peer,
                counted: conn.counted,
                summary,
            });
        }
    }
}
