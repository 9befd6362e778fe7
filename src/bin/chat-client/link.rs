//! `Link`: the socket of the client, which never waits but while a thread connects it. What is
//! said on it is the session's. Owned by the run loop.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::flags::Address;
use crate::session::LinkEnd;
use crate::tls::Tls;

/// For each address of the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence after which the kernel asks whether the other side is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// So many of them without an answer, and the link is lost. (TCP_USER_TIMEOUT would be wrong here:
/// it also ends a link on which the server merely holds us back by not reading.)
const KEEPALIVE_QUESTIONS_MAX: u32 = 3;

/// See the file.
#[derive(Debug)]
pub enum Link {
    Down,
    Coming {
        outcome: Receiver<Result<TcpStream, String>>,
        tls: Option<Tls>,
    },
    Up {
        stream: TcpStream,
        tls: Option<Tls>,
        /// As the socket gets it.
        unwritten: Vec<u8>,
    },
}

impl Link {
    /// Begins to connect. A byte to `wake` says that it is made or has failed.
    pub fn open(server: Address, tls: Option<Tls>, mut wake: UnixStream) -> Self {
        let (report, outcome) = channel();
        thread::spawn(move || {
            // Whoever does not listen any more has given it up.
            if report.send(connect(&server)).is_ok() {
                let _ = wake.write(&[0]);
            }
        });
        Link::Coming { outcome, tls }
    }

    /// Whether the connection has been made since the last time, or why there is none.
    pub fn take_outcome(&mut self) -> Result<bool, LinkEnd> {
        let Link::Coming { outcome, tls } = self else {
            return Ok(false);
        };
        match outcome.try_recv() {
            Ok(Ok(stream)) => {
                let (tls, unwritten) = (tls.take(), Vec::new());
                *self = Link::Up {
                    stream,
                    tls,
                    unwritten,
                };
                Ok(true)
            }
            Ok(Err(why)) => Err(LinkEnd::Unreachable(why)),
            Err(_) => Ok(false),
        }
    }

    /// What to wait for, and whether for room to write too.
    pub fn interest(&self) -> Option<(&TcpStream, bool)> {
        match self {
            Link::Up {
                stream, unwritten, ..
            } => Some((stream, !unwritten.is_empty())),
            Link::Down | Link::Coming { .. } => None,
        }
    }

    /// Bytes to write, now or when there is room. They are lost with the link.
    pub fn send(&mut self, bytes: &[u8]) {
        match self {
            Link::Up {
                tls: Some(tls),
                unwritten,
                ..
            } => tls.seal(bytes, unwritten),
            Link::Up { unwritten, .. } => unwritten.extend_from_slice(bytes),
            _ => {}
        }
    }

    /// Bytes that the kernel has not taken.
    pub fn unwritten_bytes(&self) -> usize {
        match self {
            Link::Up { unwritten, .. } => unwritten.len(),
            _ => 0,
        }
    }

    /// Writes what the kernel takes. That the link is broken is found out by reading, after what
    /// could still be read.
    pub fn flush(&mut self) {
        let Link::Up {
            stream, unwritten, ..
        } = self
        else {
            return;
        };
        let mut written = 0;
        while written < unwritten.len() {
            match stream.write(&unwritten[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => written = unwritten.len(),
            }
        }
        unwritten.drain(..written);
    }

    /// Reads what there is, once, by way of `chunk`, and appends what was said to `said`; with an
    /// error too, what came before it.
    pub fn read(&mut self, chunk: &mut [u8], said: &mut Vec<u8>) -> Result<(), LinkEnd> {
        let Link::Up {
            stream,
            tls,
            unwritten,
        } = self
        else {
            return Ok(());
        };
        let outcome = match (stream.read(chunk), tls) {
            (Ok(0), None) => Err(LinkEnd::Closed),
            (Ok(0), Some(_)) => Err(LinkEnd::Broken("it was cut off".to_owned())),
            (Ok(count), None) => {
                said.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            (Ok(count), Some(tls)) => tls.open(&chunk[..count], said, unwritten),
            (Err(error), _) => match error.kind() {
                ErrorKind::Interrupted | ErrorKind::WouldBlock => Ok(()),
                _ => Err(LinkEnd::Broken(reason(&error))),
            },
        };
        // What TLS has to say to it, also at its end.
        self.flush();
        outcome
    }

    /// Ends it, and says so as far as the kernel takes it.
    pub fn close(&mut self) {
        if let Link::Up {
            tls: Some(tls),
            unwritten,
            ..
        } = self
        {
            tls.close(unwritten);
        }
        self.flush();
        *self = Link::Down;
    }
}

/// A connected socket, or why there is none and what to do about it.
fn connect(server: &Address) -> Result<TcpStream, String> {
    let addresses = (server.host.as_str(), server.port).to_socket_addrs();
    let addresses = addresses.map_err(|error| {
        let (host, reason) = (&server.host, reason(&error));
        let is_name = !host.contains('.');
        let advice = is_name.then(|| ", or give your name behind the server's".to_owned());
        let advice = advice.unwrap_or_default();
        format!("cannot find a host called {host}; check its spelling{advice} ({reason})")
    })?;
    let mut failure = format!("cannot connect to {server}: it has no address");
    for address in addresses {
        match connect_to(address) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = explain(server, &error),
        }
    }
    Err(failure)
}

fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_QUESTIONS_MAX);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

fn explain(server: &Address, error: &io::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::ConnectionRefused => {
            "nothing listens there; is chatd running, and is this its port?".to_owned()
        }
        ErrorKind::TimedOut => format!(
            "no answer within {} s; check the address and the firewalls on the way",
            CONNECT_TIMEOUT.as_secs()
        ),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
            "there is no way to it; check the network and the address".to_owned()
        }
        _ => reason(error),
    };
    format!("cannot connect to {server}: {advice}")
}

/// An error in the system's words, without the number that Rust appends.
fn reason(error: &io::Error) -> String {
    let words = error.to_string();
    match words.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => words,
    }
}
