//! How our side of a connection over TLS ends: that nothing follows is said within TLS first, and goes
//! out when the socket takes it, be that when the session is over. Part of the connection.

use std::io::{ErrorKind, Read, Write};

use mio::net::TcpStream;

use crate::turn::Fill;

use super::super::state::{Input, Output, Sealing};
use super::TlsConnection;

impl TlsConnection {
    /// Says that nothing more will be written, then shuts the socket's side, as soon as it takes
    /// that.
    pub(in super::super) fn shut(&mut self, socket: &mut TcpStream) {
        // After a fault that is no end in good order, whether an alert has said so or not.
        if !self.is_handshaking() && self.fault.is_none() {
            self.rustls.send_close_notify();
        }
        self.output = Output::Closing;
        // Nobody listens any more; and what cannot be understood, rustls would answer with an alert
        // behind the close_notify.
        if self.input == Input::Open {
            self.input = Input::Deaf;
            self.is_unprocessed = false;
        }
        self.write_pending(socket);
    }

    /// All that is still to be written to the socket before its end: what is sealed, these last bytes,
    /// of which the first may be sealed already, and that nothing follows. Nothing, where it cannot be
    /// said in good order.
    pub(in super::super) fn seal_last(&mut self, last_bytes: Option<&[u8]>) -> Vec<u8> {
        let mut sealed = Vec::new();
        match (self.output, last_bytes) {
            (Output::Closing, _) => {}
            (Output::Open | Output::Reticent, Some(bytes))
                if !self.is_handshaking() && self.fault.is_none() =>
            {
                let sealed_already = match self.sealing {
                    Sealing::Pending(count) => count.min(bytes.len()),
                    Sealing::Done | Sealing::DoneLate => 0,
                };
                self.rustls.set_buffer_limit(None);
                let written = self.rustls.writer().write_all(&bytes[sealed_already..]);
                if written.is_err() {
                    return sealed;
                }
                self.rustls.send_close_notify();
            }
            (Output::Open | Output::Reticent | Output::Shut, _) => return sealed,
        }
        while self.rustls.wants_write() && self.rustls.write_tls(&mut sealed).is_ok() {}
        sealed
    }

    /// Whether it is to stay although the other side has ended: that it ends was not written yet,
    /// or more than what ended may come.
    pub(in super::super) fn must_linger(&self) -> bool {
        self.output == Output::Closing || !matches!(self.input, Input::Over(_))
    }

    /// Reads what is not to be heard any more.
    pub(super) fn drop_rest(&mut self, socket: &mut TcpStream, scratch: &mut [u8]) -> Fill {
        loop {
            let end = match socket.read(scratch) {
                Ok(0) => Fill::Ended,
                Ok(count) if count == scratch.len() => return Fill::Full,
                Ok(_) => continue,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Fill::Exhausted,
                Err(_) => Fill::Lost,
            };
            self.input = Input::Over(end);
            return end;
        }
    }
}
