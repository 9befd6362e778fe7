//! Connections that stand at the door: opened, and never in. What each costs the server's memory,
//! as long as it is waited for. Called by `run`.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::conduct::nothing;
use crate::fault::Fault;
use crate::handshakes::open_socket;
use crate::run::{Outcome, Workload};
use crate::servers::Server;
use crate::tls;

/// How far they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doorstep {
    /// They say nothing.
    Silent,
    /// They say hello in TLS, and do not answer what the server says.
    Handshake,
    /// A hello in TLS that does not end.
    EndlessHello,
    /// A head in HTTP that does not end.
    EndlessHead,
}

/// What is sent of what does not end: a little less than the server lets it be (12 KiB before the
/// handshake is done, 8 KiB of a head).
const ENDLESS_HELLO_BYTES: usize = 11_000;
const ENDLESS_HEAD_BYTES: usize = 8_000;
/// So many connect before the server gets time to accept them: well below its backlog.
const AT_ONCE: usize = 100;
const ACCEPT_PAUSE: Duration = Duration::from_millis(2);
/// Everything is read and answered once the server has been idle for so long.
const QUIET: Duration = Duration::from_millis(200);
/// Less than the shortest time for which a door is held open.
const PATIENCE: Duration = Duration::from_secs(8);

impl Doorstep {
    /// The words in tables.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Doorstep::Silent => "silent",
            Doorstep::Handshake => "in a handshake",
            Doorstep::EndlessHello => "11 KB of a hello",
            Doorstep::EndlessHead => "8 KB of a head",
        }
    }

    fn words(self) -> Result<Vec<u8>, Fault> {
        match self {
            Doorstep::Silent => Ok(Vec::new()),
            Doorstep::Handshake => tls::hello(),
            Doorstep::EndlessHello => {
                // A record of 16 KiB with a message of type 1 of 65,535 bytes.
                let mut words = vec![22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff, 3, 3];
                words.resize(ENDLESS_HELLO_BYTES, 0);
                Ok(words)
            }
            Doorstep::EndlessHead => {
                let mut words = b"GET / HTTP/1.1\r\nHost: ".to_vec();
                words.resize(ENDLESS_HEAD_BYTES, b'a');
                Ok(words)
            }
        }
    }
}

/// Opens all connections, lets the server come to rest, and reads its memory.
pub(crate) fn execute(
    workload: &Workload,
    doorstep: Doorstep,
    server: &Server,
) -> Result<Outcome, Fault> {
    let resident = || {
        let process = server.process;
        process.map_or(f64::NAN, |process| process.resident() as f64)
    };
    let words = doorstep.words()?;
    let before = resident();
    let start = Instant::now();
    let mut sockets = Vec::with_capacity(workload.connections);
    for number in 0..workload.connections {
        let mut socket = open_socket(server.address)?;
        let written = socket.write_all(&words);
        written.map_err(Fault::io("speaking at the door"))?;
        sockets.push(socket);
        if (number + 1).is_multiple_of(AT_ONCE) {
            thread::sleep(ACCEPT_PAUSE);
        }
    }
    rest(server, start)?;
    let after = resident();
    for (number, socket) in sockets.iter_mut().enumerate() {
        expect_open(number, socket, doorstep)?;
    }
    let connections = workload.connections as f64;
    Ok(Outcome {
        resident_per_connection: (after - before) / connections,
        ..nothing()
    })
}

/// Waits until the server does nothing any more.
fn rest(server: &Server, start: Instant) -> Result<(), Fault> {
    // What it would have done with a core that others had is not done yet.
    let used = || {
        let process = server.process;
        process.map(|process| process.cpu().used + process.cpu().waited)
    };
    let mut last = used();
    loop {
        thread::sleep(QUIET);
        let now = used();
        let spent = now.zip(last).map(|(now, last)| now.saturating_sub(last));
        // It looks after its deadlines all the same.
        if spent.is_none_or(|spent| spent < QUIET / 50) {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            return Err(Fault::Incomplete {
                connection: 0,
                what: format!("the server was not at rest {PATIENCE:?} after the first"),
            });
        }
        last = now;
    }
}

/// Nobody was sent away, and who said hello was answered.
fn expect_open(number: usize, socket: &mut TcpStream, doorstep: Doorstep) -> Result<(), Fault> {
    let mut buffer = [0; 16 << 10];
    let read = socket.read(&mut buffer);
    let is_right = match (&read, doorstep) {
        (Ok(count), Doorstep::Handshake) => *count > 0,
        (Err(error), _) => error.kind() == ErrorKind::WouldBlock && doorstep != Doorstep::Handshake,
        (Ok(_), _) => false,
    };
    if is_right {
        return Ok(());
    }
    let came = match read {
        Ok(count) => String::from_utf8_lossy(&buffer[..count.min(200)]).into_owned(),
        Err(error) => error.to_string(),
    };
    Err(Fault::Refused {
        connection: number as u32,
        words: came,
    })
}
