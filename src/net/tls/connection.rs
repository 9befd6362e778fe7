//! `TlsConnection`: one connection over TLS: bytes of its socket into what was said, and back. It
//! holds rustls's state and what has become of each direction; it knows no session, and not when to
//! read or write. Owned by the table of them.

// Said in full, since a fuzz target takes this file as it is, from elsewhere.
#[path = "connection/ending.rs"]
mod ending;

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};

use crate::config::Limits;
use crate::turn::{Fill, Flush};

use super::records::{Observed, RECORD_BYTES_MAX, Records};
use super::share::Share;
use super::state::{Effects, Held, Input, Output, Pushed, Sealing};

/// What is agreed on by those who speak HTTP inside (RFC 7301, 6).
pub(super) const HTTP: &[u8] = b"http/1.1";

/// One connection over TLS. More than 20 methods: a step each of shaking hands, reading, writing and the
/// end, over one state that all of them share.
#[derive(Debug)]
pub(super) struct TlsConnection {
    rustls: ServerConnection,
    input: Input,
    output: Output,
    records: Records,
    accepted_at: Instant,
    /// Bytes lie in rustls that it has not looked at.
    is_unprocessed: bool,
    /// The socket had nothing more a moment ago.
    is_exhausted: bool,
    held: Held,
    sealing: Sealing,
    /// A flush came before the handshake was done.
    is_awaited: bool,
    /// What a step has brought about beside what it returns.
    effects: Effects,
    fault: Option<Box<str>>,
}

impl TlsConnection {
    /// A connection whose first bytes are these, after which `fill` became of the socket.
    pub(super) fn new(
        config: &Arc<ServerConfig>,
        accepted_at: Instant,
        first: &[u8],
        fill: Fill,
        limits: &Limits,
    ) -> Result<TlsConnection, rustls::Error> {
        let mut connection = TlsConnection {
            rustls: ServerConnection::new(Arc::clone(config))?,
            input: match fill {
                Fill::Ended => Input::Ending(Fill::Truncated),
                Fill::Lost => Input::Ending(Fill::Lost),
                _ => Input::Open,
            },
            output: Output::Open,
            records: Records::default(),
            accepted_at,
            is_unprocessed: true,
            is_exhausted: fill == Fill::Exhausted,
            held: Held::default(),
            sealing: Sealing::Done,
            is_awaited: false,
            effects: Effects::default(),
            fault: None,
        };
        let mut rest = &first[..first.len().min(limits.tls_hello_bytes_max + 1)];
        while !rest.is_empty() {
            if connection.read_tls(&mut rest).is_err() {
                break;
            }
        }
        Ok(connection)
    }

    /// Hands out what was said, and reads as many bytes as `buffer` holds at most: each turn its
    /// part, as of a plain connection. It goes on only as long as bytes come.
    pub(super) fn fill(
        &mut self,
        socket: &mut TcpStream,
        buffer: &mut [u8],
        share: &mut Share,
        limits: &Limits,
    ) -> (usize, Fill) {
        let filled = self.take_in(socket, buffer, share, limits);
        if filled.0 == 0 {
            // There is nothing to answer.
            self.end_reticence();
        }
        filled
    }

    fn take_in(
        &mut self,
        socket: &mut TcpStream,
        buffer: &mut [u8],
        share: &mut Share,
        limits: &Limits,
    ) -> (usize, Fill) {
        let mut length = 0;
        let mut read_bytes = 0;
        loop {
            length += self.hand_out(&mut buffer[length..]);
            if length == buffer.len() {
                return (length, Fill::Full);
            }
            if self.is_unprocessed {
                if self.is_handshaking() && !share.is_left() {
                    self.effects.waits = true;
                    self.is_exhausted = false;
                    return (length, Fill::Exhausted);
                }
                self.process(share, limits);
                continue;
            }
            match self.input {
                Input::Open => {}
                Input::Ending(end) => return (length, self.end(end)),
                Input::Deaf => return (length, self.drop_rest(socket, &mut buffer[length..])),
                Input::Over(end) => return (length, end),
            }
            if std::mem::take(&mut self.is_exhausted) {
                return (length, Fill::Exhausted);
            }
            if read_bytes >= buffer.len() {
                return (length, Fill::Full);
            }
            match self.read_tls(socket) {
                Ok(count) => read_bytes += count,
                Err(ErrorKind::WouldBlock) => return (length, Fill::Exhausted),
                Err(_) => {}
            }
        }
    }

    /// Seals and writes. Nothing counts as taken before it is wholly in the kernel. `seal_bytes_max`
    /// says how much of so many bytes is sealed at once for a socket that took all of the last.
    pub(super) fn flush(
        &mut self,
        socket: &mut TcpStream,
        chunks: &[IoSlice<'_>],
        limits: &Limits,
        seal_bytes_max: impl FnOnce(&TcpStream, usize) -> usize,
    ) -> Flush {
        if self.is_handshaking() {
            self.is_awaited = true;
            return Flush::Blocked;
        }
        // A ticket goes with what follows.
        let pushed = match self.output {
            Output::Reticent => Pushed::All,
            _ => self.push(socket),
        };
        self.end_reticence();
        match (pushed, self.sealing) {
            (Pushed::Lost, _) => return Flush::Lost,
            (Pushed::Blocked, Sealing::Pending(count)) => return Flush::Promised(count),
            (Pushed::Blocked, _) => return Flush::Blocked,
            (Pushed::All, Sealing::Pending(count)) => {
                self.sealing = Sealing::DoneLate;
                return Flush::Took(count);
            }
            (Pushed::All, Sealing::Done | Sealing::DoneLate) => {}
        }
        debug_assert_eq!(self.output, Output::Open, "nothing follows a close_notify");
        let offered_bytes: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        let bytes_max = match self.sealing {
            Sealing::Done => seal_bytes_max(socket, offered_bytes),
            _ => limits.tls_seal_blocked_bytes_max,
        };
        self.rustls.set_buffer_limit(Some(bytes_max));
        let count = match self.rustls.writer().write_vectored(chunks) {
            Ok(count) if count > 0 => count,
            // It has failed, or has no numbers left for further records.
            Ok(_) | Err(_) => return Flush::Lost,
        };
        match self.push(socket) {
            Pushed::All => {
                self.sealing = Sealing::Done;
                Flush::Took(count)
            }
            Pushed::Blocked => {
                self.sealing = Sealing::Pending(count);
                Flush::Promised(count)
            }
            Pushed::Lost => Flush::Lost,
        }
    }

    /// The socket takes bytes again, or rustls may have something to say: writes what there is.
    pub(super) fn write_pending(&mut self, socket: &mut TcpStream) {
        if self.output == Output::Open && !self.is_handshaking() && self.fault.is_none() {
            // What answers a key update lies apart until something else is written. (A failure is
            // that of reading, and was seen there.)
            let _ = self.rustls.writer().write(&[]);
        }
        let is_reticent = self.output == Output::Reticent && self.fault.is_none();
        if is_reticent || !self.rustls.wants_write() && self.output != Output::Closing {
            return;
        }
        let pushed = self.push(socket);
        if pushed == Pushed::All && matches!(self.sealing, Sealing::Pending(_)) {
            self.effects.ready.writable = true;
        }
        if pushed == Pushed::All && self.output == Output::Closing {
            // A connection that cannot be shut is broken; the reading side will say so.
            let _ = socket.shutdown(Shutdown::Write);
            self.output = Output::Shut;
        }
    }

    /// Whether there is something that it had no time for.
    #[cfg(test)]
    pub(super) fn is_waiting(&self) -> bool {
        self.is_unprocessed
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.rustls.is_handshaking()
    }

    /// Since when something is unfinished that must be whole in time, and in what time.
    pub(super) fn unfinished(&self, limits: &Limits) -> Option<(Instant, Duration)> {
        if !matches!(self.input, Input::Open) {
            return None;
        }
        if self.is_handshaking() {
            return Some((self.accepted_at, limits.tls_handshake_timeout));
        }
        let since = self.records.unfinished_since()?;
        Some((since, limits.tls_record_timeout))
    }

    /// Time in which the loop did not run counts against nobody.
    pub(super) fn leave_out(&mut self, stopped: Duration) {
        self.accepted_at += stopped;
        self.records.leave_out(stopped);
    }

    /// What it holds beside itself: read and not whole or not handed out, sealed and not written.
    pub(super) fn held_bytes(&self) -> usize {
        let input = self.records.held_bytes().max(self.held.fruitless_bytes);
        let output = match self.sealing {
            Sealing::Pending(count) => count.max(self.held.unwritten_bytes),
            Sealing::Done | Sealing::DoneLate => self.held.unwritten_bytes,
        };
        self.held.unread_bytes + input + output
    }

    /// What the last step has brought about beside what it returned.
    pub(super) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// Which TLS it is, for the log.
    pub(super) fn version(&self) -> &'static str {
        match self.rustls.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS 1.3",
        }
    }

    /// Whether HTTP was agreed on, so that it need not be told by what is said.
    pub(super) fn is_for_http(&self) -> bool {
        self.rustls.alpn_protocol() == Some(HTTP)
    }

    /// What was wrong with what the other side sent, for the log.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// What waited for an answer is written with it, or without one.
    fn end_reticence(&mut self) {
        if self.output == Output::Reticent {
            self.output = Output::Open;
        }
    }

    fn hand_out(&mut self, buffer: &mut [u8]) -> usize {
        let mut length = 0;
        while length < buffer.len() {
            // It says that there is nothing, or that there never will be.
            let Ok(count @ 1..) = self.rustls.reader().read(&mut buffer[length..]) else {
                self.held.unread_bytes = 0;
                return length;
            };
            length += count;
            self.held.unread_bytes = self.held.unread_bytes.saturating_sub(count);
        }
        length
    }

    /// Reads once. What is wrong shows in `input`.
    fn read_tls(&mut self, from: &mut impl Read) -> Result<usize, ErrorKind> {
        let mut observed = Observed {
            from,
            records: &mut self.records,
        };
        let error = match self.rustls.read_tls(&mut observed) {
            Ok(0) => {
                self.input = Input::Ending(Fill::Truncated);
                return Ok(0);
            }
            Ok(count) => {
                self.is_unprocessed = true;
                self.held.fruitless_bytes += count;
                return Ok(count);
            }
            Err(error) => error.kind(),
        };
        match error {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
            // These are rustls's own: what it holds is more than any message takes.
            ErrorKind::InvalidData | ErrorKind::Other => self.fail("more bytes than a message has"),
            _ => self.input = Input::Ending(Fill::Lost),
        }
        Err(error)
    }

    /// Has rustls look at what was read.
    fn process(&mut self, share: &mut Share, limits: &Limits) {
        self.is_unprocessed = false;
        let handshake_since = self.is_handshaking().then(Instant::now);
        let result = self.rustls.process_new_packets();
        if let Some(since) = handshake_since {
            share.spend(since.elapsed());
            if !self.is_handshaking() {
                self.held.fruitless_bytes = 0;
                self.effects.ready.writable |= self.is_awaited;
                // In TLS 1.2 the other side waits for what is to be written.
                let is_ticket = self.rustls.protocol_version() == Some(ProtocolVersion::TLSv1_3);
                if is_ticket && self.output == Output::Open {
                    self.output = Output::Reticent;
                }
            }
        }
        match result {
            Ok(state) => {
                self.held.unwritten_bytes = state.tls_bytes_to_write();
                self.held.unread_bytes = state.plaintext_bytes_to_read();
                if self.held.unread_bytes > 0 {
                    self.held.fruitless_bytes = 0;
                }
                if state.peer_has_closed() {
                    self.input = Input::Ending(Fill::Ended);
                } else if self.held.fruitless_bytes > self.fruitless_bytes_max(limits) {
                    self.fail("many bytes that say nothing");
                }
            }
            Err(error) => self.fail(&error.to_string()),
        }
        self.records.note(Instant::now);
    }

    fn fruitless_bytes_max(&self, limits: &Limits) -> usize {
        if self.is_handshaking() {
            limits.tls_hello_bytes_max
        } else {
            limits.tls_hello_bytes_max + RECORD_BYTES_MAX
        }
    }

    fn fail(&mut self, why: &str) {
        self.input = Input::Ending(Fill::Faulty);
        self.fault.get_or_insert_with(|| why.into());
    }

    /// Everything before the end is handed out. What comes behind it is dropped, and may be there
    /// already.
    fn end(&mut self, end: Fill) -> Fill {
        self.input = match end {
            Fill::Truncated => Input::Over(Fill::Ended),
            Fill::Lost => Input::Over(Fill::Lost),
            _ => {
                self.effects.ready.readable = true;
                Input::Deaf
            }
        };
        end
    }

    /// Writes what rustls has to say.
    fn push(&mut self, socket: &mut TcpStream) -> Pushed {
        while self.rustls.wants_write() {
            match self.rustls.write_tls(socket) {
                Ok(0) => return Pushed::Lost,
                Ok(count) => {
                    self.effects.has_written = true;
                    let left = self.held.unwritten_bytes.saturating_sub(count);
                    self.held.unwritten_bytes = left;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Pushed::Blocked,
                Err(_) => return Pushed::Lost,
            }
        }
        self.held.unwritten_bytes = 0;
        Pushed::All
    }
}
