//! `TcpStream`: a socket that is memory, in place of the one of `mio` for modules of chatd that a
//! target takes as they are. It gives and takes as little at once as it is told to. Owned by the
//! target.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::Shutdown;

/// See the file.
#[derive(Debug, Default)]
pub struct TcpStream {
    /// Sent by the peer and not read yet.
    pub inbox: VecDeque<u8>,
    /// The peer has shut its side.
    pub has_ended: bool,
    /// The connection is broken.
    pub is_broken: bool,
    /// Written and not taken by the peer yet.
    pub outbox: VecDeque<u8>,
    /// How many more bytes can be written.
    pub window: usize,
    /// A write found the window shut: when it opens, that is to be told.
    pub is_blocked: bool,
    /// Our side is shut.
    pub is_shut: bool,
    /// What a read gives at most.
    pub read_bytes_max: usize,
}

impl TcpStream {
    /// Shuts our side.
    ///
    /// # Errors
    /// Where the connection is broken.
    pub fn shutdown(&mut self, how: Shutdown) -> Result<()> {
        assert_eq!(how, Shutdown::Write, "a side is shut, never both");
        assert!(!self.is_shut, "a side is shut once");
        self.is_shut = true;
        if self.is_broken {
            return Err(ErrorKind::NotConnected.into());
        }
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.is_broken {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.inbox.is_empty() && !self.has_ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(self.read_bytes_max);
        self.inbox.read(&mut buffer[..count])
    }
}

impl Write for TcpStream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        assert!(!self.is_shut, "something is written behind the end");
        if self.is_broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.window == 0 {
            self.is_blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(self.window);
        self.outbox.extend(&bytes[..count]);
        self.window -= count;
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
