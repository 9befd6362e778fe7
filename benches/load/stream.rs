//! The generator's end of one connection, over TLS or not: never blocks, and gives what it reads
//! where it lies. The handshake is rustls's; what comes behind it is read and sealed by `record`.
//! Owned by a member or a sender.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustls::ClientConnection;

use super::fault::Fault;
use super::member::is_transient;
use super::record::{Content, Direction, RECORD_BYTES_MAX, whole_record};
use super::tls;

/// A buffer that is read into must be at least so large.
pub(crate) const BUFFER_BYTES_MIN: usize = 2 * RECORD_BYTES_MAX;

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Something.
    Bytes,
    /// Nothing yet.
    Nothing,
    /// The end.
    End,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: TcpStream,
    number: u32,
    tls: Option<Box<Tls>>,
}

/// TLS on a connection.
#[derive(Debug)]
struct Tls {
    phase: Phase,
    /// Came and is not opened: at most the beginning of a record, once it is read from.
    unread: Vec<u8>,
    /// Is to be said once the handshake is over.
    early: Vec<u8>,
    /// Sealed, and not taken by the socket.
    unsent: Vec<u8>,
    tickets: usize,
}

#[derive(Debug)]
enum Phase {
    Handshake(Box<ClientConnection>),
    Open { read: Direction, write: Direction },
    Failed,
}

impl Stream {
    /// Connection `number` on this socket, which does not block; over TLS it begins the handshake.
    pub(crate) fn new(socket: TcpStream, number: u32, is_sealed: bool) -> Result<Self, Fault> {
        let mut tls = None;
        if is_sealed {
            let mut client = tls::client()?;
            let mut hello = Vec::new();
            client
                .write_tls(&mut hello)
                .map_err(Fault::io("writing a hello"))?;
            tls = Some(Box::new(Tls {
                phase: Phase::Handshake(Box::new(client)),
                unread: Vec::new(),
                early: Vec::new(),
                unsent: hello,
                tickets: 0,
            }));
        }
        let mut stream = Stream {
            socket,
            number,
            tls,
        };
        stream.flush().map_err(Fault::io("saying hello"))?;
        Ok(stream)
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Tickets that the server gave: one only after it has seen the end of the handshake.
    pub(crate) fn tickets(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.tickets)
    }

    /// Goes on with the handshake; whether it is over. What comes behind it stays unread.
    pub(crate) fn handshake(&mut self, buffer: &mut [u8]) -> Result<bool, Fault> {
        let Some(tls) = &mut self.tls else {
            return Ok(true);
        };
        if let Phase::Handshake(_) = tls.phase {
            match self.socket.read(buffer) {
                Ok(count) if count > 0 => tls.unread.extend_from_slice(&buffer[..count]),
                Err(error) if is_transient(&error) => {}
                other => return Err(refused(self.number, &format!("handshake: {other:?}"))),
            }
            tls.advance(self.number)?;
            let flushed = tls.flush(&self.socket);
            flushed.map_err(Fault::io("going on with a handshake"))?;
        }
        Ok(matches!(tls.phase, Phase::Open { .. }))
    }

    /// Reads once, as much as there is and fits the buffer, and hands it to `take`, in pieces.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<Heard, Fault> {
        let kept = self.take_unread(buffer);
        let (count, heard) = match self.socket.read(&mut buffer[kept..]) {
            Ok(0) => (0, Heard::End),
            Ok(count) => (count, Heard::Bytes),
            Err(error) if is_transient(&error) => (0, Heard::Nothing),
            Err(error) => return Err(refused(self.number, &error.to_string())),
        };
        let bytes = &mut buffer[..kept + count];
        let Some(tls) = &mut self.tls else {
            if count > 0 {
                take(bytes)?;
            }
            return Ok(heard);
        };
        match tls.open(bytes, self.number, take)? {
            Heard::Nothing => Ok(heard),
            other => Ok(other),
        }
    }

    /// Sends these bytes; how many of them need not be sent again.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return (&self.socket).write(bytes);
        };
        if !tls.flush(&self.socket)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        tls.seal(bytes);
        tls.flush(&self.socket)?;
        Ok(bytes.len())
    }

    /// Sends what was taken and is not sent; whether that was all.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        match &mut self.tls {
            Some(tls) => tls.flush(&self.socket),
            None => Ok(true),
        }
    }

    /// Puts what came before and was not opened into the buffer; how much that is.
    fn take_unread(&mut self, buffer: &mut [u8]) -> usize {
        let Some(tls) = &mut self.tls else { return 0 };
        // Room for more must stay, or nothing would ever become whole.
        let kept = tls.unread.len().min(buffer.len() - RECORD_BYTES_MAX);
        buffer[..kept].copy_from_slice(&tls.unread[..kept]);
        tls.unread.drain(..kept);
        kept
    }
}

impl Tls {
    /// Hands rustls record after record, until the handshake is over.
    fn advance(&mut self, number: u32) -> Result<(), Fault> {
        while let Phase::Handshake(client) = &mut self.phase
            && let Some(length) = whole_record(&self.unread)
        {
            let mut record = &self.unread[..length];
            while !record.is_empty() {
                let read = client.read_tls(&mut record);
                read.map_err(Fault::io("reading a handshake"))?;
                let processed = client.process_new_packets();
                processed.map_err(|error| refused(number, &format!("handshake: {error}")))?;
            }
            while client.wants_write() {
                let written = client.write_tls(&mut self.unsent);
                written.map_err(Fault::io("writing a handshake"))?;
            }
            self.unread.drain(..length);
            if !client.is_handshaking() {
                self.open_up()?;
            }
        }
        Ok(())
    }

    fn open_up(&mut self) -> Result<(), Fault> {
        let Phase::Handshake(client) = std::mem::replace(&mut self.phase, Phase::Failed) else {
            return Ok(());
        };
        let secrets = client.dangerous_extract_secrets();
        let secrets = secrets.map_err(Fault::tls("taking the keys of a connection"))?;
        let directions = Direction::new(secrets.rx).zip(Direction::new(secrets.tx));
        let (read, write) = directions.expect("the client offers one cipher");
        self.phase = Phase::Open { read, write };
        let early = std::mem::take(&mut self.early);
        self.seal(&early);
        Ok(())
    }

    fn open(
        &mut self,
        bytes: &mut [u8],
        number: u32,
        mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<Heard, Fault> {
        let mut used = 0;
        let mut heard = Heard::Nothing;
        while let Some(length) = whole_record(&bytes[used..]) {
            let Phase::Open { read, .. } = &mut self.phase else {
                return Err(refused(number, "read before the handshake was over"));
            };
            match read.open(&mut bytes[used..used + length]) {
                Content::Data(plain) => {
                    take(plain)?;
                    heard = Heard::Bytes;
                }
                Content::Ticket => self.tickets += 1,
                Content::End => return Ok(Heard::End),
                Content::Unexpected(what) => return Err(refused(number, &what)),
            }
            used += length;
        }
        // What had no place in the buffer comes behind the rest of it.
        self.unread.splice(..0, bytes[used..].iter().copied());
        Ok(heard)
    }

    fn seal(&mut self, plain: &[u8]) {
        match &mut self.phase {
            Phase::Open { write, .. } => {
                let start = self.unsent.len();
                let end = start + Direction::sealed_bytes(plain.len());
                self.unsent.resize(end, 0);
                write.seal(plain, &mut self.unsent[start..]);
            }
            _ => self.early.extend_from_slice(plain),
        }
    }

    fn flush(&mut self, mut socket: &TcpStream) -> io::Result<bool> {
        while !self.unsent.is_empty() {
            match socket.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if is_transient(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.unsent.is_empty())
    }
}

fn refused(number: u32, words: &str) -> Fault {
    Fault::Refused {
        connection: number,
        words: words.to_owned(),
    }
}
