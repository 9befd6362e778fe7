//! The socket of the client: a thread that connects and reads, and one that writes. A server that
//! holds us back by not reading must not keep us from reading it, hence two. They report
//! [`Event`]s and decide nothing; what a line is, the session knows.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};

use super::flags::Address;
use super::run::Event;
use super::session::LinkEnd;
use crate::clean::Clean;

/// For each address of the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence after which the kernel asks whether the other side is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// So many of them without an answer, and the link is lost. (TCP_USER_TIMEOUT would be wrong here:
/// it also ends a link on which the server merely holds us back by not reading.)
const KEEPALIVE_QUESTIONS_MAX: u32 = 3;
const CHUNK_BYTES: usize = 16 << 10;

/// What happened to a link.
#[derive(Debug)]
pub enum LinkEvent {
    /// It is made.
    Up(Arc<TcpStream>),
    /// Bytes came, at this moment.
    Received(Vec<u8>, Instant),
    /// So many bytes have been handed to the kernel.
    Written(usize),
    /// It did not come about, or it is gone. The last event of a link.
    Down(LinkEnd),
}

/// Connects in a thread of its own, which then reads. Every event carries `number`, by which those
/// of a link that was given up can be told from those of its successor.
pub fn open(server: Address, number: u64, events: SyncSender<Event>) {
    thread::spawn(move || {
        let report = |event| events.send(Event::Link(number, event)).is_ok();
        let end = match connect(&server) {
            Err(why) => LinkEnd::Unreachable(Clean::of(&why)),
            Ok(stream) => {
                let stream = Arc::new(stream);
                if !report(LinkEvent::Up(Arc::clone(&stream))) {
                    return;
                }
                read(&stream, report)
            }
        };
        report(LinkEvent::Down(end));
    });
}

/// Writes what is sent to the returned channel, in a thread of its own, which ends with the channel.
pub fn write_in_thread(
    stream: Arc<TcpStream>,
    number: u64,
    events: SyncSender<Event>,
) -> Sender<Vec<u8>> {
    let (send, to_send): (Sender<Vec<u8>>, Receiver<Vec<u8>>) = channel();
    thread::spawn(move || {
        let mut stream = stream.as_ref();
        while let Ok(mut bytes) = to_send.recv() {
            // What has piled up goes out in one write.
            while let Ok(more) = to_send.try_recv() {
                bytes.extend_from_slice(&more);
            }
            // The reader finds out by itself that the link is broken, after what could still be read.
            if stream.write_all(&bytes).is_err() {
                return;
            }
            let written = LinkEvent::Written(bytes.len());
            if events.send(Event::Link(number, written)).is_err() {
                return;
            }
        }
    });
    send
}

/// Ends a link for both of its threads.
pub fn close(stream: &TcpStream) {
    // The only possible error is that it is closed already.
    let _ = stream.shutdown(Shutdown::Both);
}

fn read(mut stream: &TcpStream, report: impl Fn(LinkEvent) -> bool) -> LinkEnd {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return LinkEnd::Closed,
            Ok(count) => {
                let bytes = chunk[..count].to_vec();
                if !report(LinkEvent::Received(bytes, Instant::now())) {
                    return LinkEnd::Closed;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return LinkEnd::Broken(Clean::of(&reason(&error))),
        }
    }
}

/// A connected socket, or why there is none and what to do about it.
fn connect(server: &Address) -> Result<TcpStream, String> {
    let addresses = (server.host.as_str(), server.port).to_socket_addrs();
    let addresses = addresses.map_err(|error| {
        let (host, reason) = (&server.host, reason(&error));
        format!("cannot find a host called {host}; check its spelling ({reason})")
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

fn connect_to(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_QUESTIONS_MAX);
    socket.set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

fn explain(server: &Address, error: &std::io::Error) -> String {
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
fn reason(error: &std::io::Error) -> String {
    let words = error.to_string();
    match words.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => words,
    }
}
