//! `Conn`: one socket and what the kernel has said of it that is not exhausted yet. It moves bytes
//! and knows nothing of what they mean. Owned by the server, in the slot of its session.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::net::TcpStream;
use socket2::SockRef;

use crate::hub::Hub;

use super::listener::{LAST_LINES_TIMEOUT, SEND_BUFFER_BYTES};

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    /// Tells this connection from the one that had its slot before, in late events.
    pub(super) generation: u32,
    /// Reading may bring something. Cleared only by WouldBlock, or by the end.
    pub(super) readable: bool,
    /// Writing may take something. Cleared only by WouldBlock, or by an error.
    pub(super) writable: bool,
    /// The kernel has reported an error.
    pub(super) failed: bool,
    /// It has a place among those of its address; one that was refused has none.
    pub(super) counted: bool,
    /// In the list of those to be read from.
    pub(super) listed: bool,
    /// The kernel was given more room for its last lines.
    widened: bool,
}

/// What became of an attempt to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Nothing more is there, or the buffer is full: the readable bit tells which.
    Open,
    /// The other side sends no more.
    Ended,
    /// The connection is broken.
    Lost,
}

/// What became of an attempt to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// All is written, or the socket takes no more for now.
    Rest,
    /// The budget is used up, and the socket would take more.
    Again,
    /// The connection is broken.
    Lost,
}

/// Chunks of one gather-write.
const CHUNKS_MAX: usize = 64;

impl Conn {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, generation: u32) -> Conn {
        Conn {
            stream,
            peer,
            generation,
            readable: false,
            // A new socket takes something; if not, it will say so.
            writable: true,
            failed: false,
            counted: false,
            listed: false,
            widened: false,
        }
    }

    /// Reads until the buffer is full or the socket is exhausted. Returns how much was read, and
    /// what became of the socket.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> (usize, Fill) {
        let mut length = 0;
        while length < buffer.len() {
            match self.stream.read(&mut buffer[length..]) {
                Ok(0) => {
                    self.readable = false;
                    return (length, Fill::Ended);
                }
                Ok(count) => length += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    break;
                }
                Err(_) => {
                    self.readable = false;
                    return (length, Fill::Lost);
                }
            }
        }
        (length, Fill::Open)
    }

    /// Writes what the hub owes this connection, until that is nothing, the socket takes no more,
    /// or `bytes_max` are written.
    pub(super) fn flush(&mut self, hub: &mut Hub, slot: u32, bytes_max: usize) -> Flush {
        let mut written = 0;
        while self.writable {
            if hub.queued_bytes(slot) == 0 {
                return Flush::Rest;
            }
            if written >= bytes_max {
                return Flush::Again;
            }
            match self.write_chunks(hub, slot) {
                Ok(count) => {
                    hub.consume(slot, count);
                    written += count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.writable = false;
                    if error.kind() != ErrorKind::WouldBlock {
                        return Flush::Lost;
                    }
                }
            }
        }
        Flush::Rest
    }

    /// Lets a socket that is full take as much again, and keep it for a peer that does not read now
    /// but may later: why it was cut is to be the last it reads (F88). Only once, and in vain where
    /// the system allows no bigger buffers; whether it is worth another try.
    pub(super) fn make_room(&mut self) -> bool {
        if self.writable || self.failed || std::mem::replace(&mut self.widened, true) {
            return false;
        }
        let socket = SockRef::from(&self.stream);
        let widened = socket
            .set_tcp_user_timeout(Some(LAST_LINES_TIMEOUT))
            .and_then(|()| socket.set_send_buffer_size(2 * SEND_BUFFER_BYTES));
        self.writable = widened.is_ok();
        self.writable
    }

    /// Says that nothing more will be written.
    pub(super) fn shut(&mut self) {
        // A connection that cannot be shut is broken; the reading side will say so.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn write_chunks(&mut self, hub: &Hub, slot: u32) -> io::Result<usize> {
        let mut chunks = hub.chunks(slot);
        let first = chunks.next().unwrap_or_default();
        let Some(second) = chunks.next() else {
            return self.stream.write(first);
        };
        let mut gathered = [IoSlice::new(&[]); CHUNKS_MAX];
        gathered[0] = IoSlice::new(first);
        gathered[1] = IoSlice::new(second);
        let mut count = 2;
        for (place, chunk) in gathered[2..].iter_mut().zip(chunks) {
            *place = IoSlice::new(chunk);
            count += 1;
        }
        self.stream.write_vectored(&gathered[..count])
    }
}
