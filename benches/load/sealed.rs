//! The ceilings of TLS: 64 KiB sealed and sent to each socket in turn, without end. Once with
//! nothing but the cipher and a send, which is what there is to reach; once as rustls does it by
//! itself. As `raw`, a process of its own.

use std::io::{self, Error, ErrorKind, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};

use crate::options::RawRole;
use crate::raw;
use crate::record::Direction;
use crate::tls;

/// Shakes hands with everybody as they come, then sends. The sockets block until then.
pub(crate) fn blast(
    accepted: impl Iterator<Item = io::Result<TcpStream>>,
    role: RawRole,
    send_bytes: usize,
) -> io::Result<()> {
    let mut config = tls::server_config(&[]).map_err(|fault| Error::other(fault.to_string()))?;
    config.send_tls13_tickets = 0;
    let config = Arc::new(config);
    let receivers = accepted.map(|socket| Receiver::open(socket?, &config, role));
    let mut receivers: Vec<Receiver> = receivers.collect::<io::Result<_>>()?;
    let (stream, period_bytes) = raw::endless(send_bytes);
    let mut sealed = vec![0; Direction::sealed_bytes(send_bytes)];
    while !receivers.is_empty() {
        let mut written = 0;
        receivers.retain_mut(|one| {
            let plain = &stream[one.offset..one.offset + send_bytes];
            match one.send(plain, period_bytes, &mut sealed) {
                Ok(count) => {
                    written += count;
                    true
                }
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            }
        });
        if written == 0 {
            // All sockets are full, so the receivers are the limit: this shows as time not busy.
            std::thread::sleep(Duration::from_micros(20));
        }
    }
    Ok(())
}

struct Receiver {
    socket: TcpStream,
    /// Where in the period the next send begins.
    offset: usize,
    sealer: Sealer,
}

enum Sealer {
    /// What of the last send is sealed and not sent.
    Bare(Box<Direction>, Vec<u8>),
    Rustls(Box<ServerConnection>),
}

impl Receiver {
    fn open(
        mut socket: TcpStream,
        config: &Arc<ServerConfig>,
        role: RawRole,
    ) -> io::Result<Receiver> {
        let mut server = ServerConnection::new(Arc::clone(config)).map_err(Error::other)?;
        while server.is_handshaking() {
            server.complete_io(&mut socket)?;
        }
        socket.set_nonblocking(true)?;
        let sealer = match role {
            RawRole::Rustls => Sealer::Rustls(Box::new(server)),
            _ => {
                let secrets = server.dangerous_extract_secrets().map_err(Error::other)?;
                let direction = Direction::new(secrets.tx);
                let direction = direction.ok_or_else(|| Error::other("another cipher"))?;
                Sealer::Bare(Box::new(direction), Vec::new())
            }
        };
        Ok(Receiver {
            socket,
            offset: 0,
            sealer,
        })
    }

    /// One send of these bytes, behind what is left of the last; how many bytes were sent.
    fn send(&mut self, plain: &[u8], period: usize, sealed: &mut [u8]) -> io::Result<usize> {
        let mut sent = 0;
        match &mut self.sealer {
            Sealer::Bare(direction, rest) => {
                if !rest.is_empty() {
                    sent = self.socket.write(rest)?;
                    rest.drain(..sent);
                    if !rest.is_empty() {
                        return Ok(sent);
                    }
                }
                direction.seal(plain, sealed);
                self.offset = (self.offset + plain.len()) % period;
                let taken = match self.socket.write(sealed) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                    other => other?,
                };
                rest.extend_from_slice(&sealed[taken..]);
                sent += taken;
            }
            Sealer::Rustls(server) => {
                if !server.wants_write() {
                    server.writer().write_all(plain)?;
                    self.offset = (self.offset + plain.len()) % period;
                }
                sent += server.write_tls(&mut self.socket)?;
            }
        }
        Ok(sent)
    }
}
