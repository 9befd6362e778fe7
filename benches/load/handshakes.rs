//! Full handshakes of TLS 1.3, as many as there can be, with a first word each way, as those have it who
//! shake hands to say something: those of the server, from accepting to the end of the connection, and
//! those of rustls alone, in memory. What is compared is the CPU time of each, since the generator's side
//! of a handshake costs about as much. Called by `run`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use rustls::{ClientConnection, ServerConfig, ServerConnection};
use socket2::{Domain, Socket, Type};

use crate::conduct::nothing;
use crate::fault::Fault;
use crate::run::{Outcome, Workload};
use crate::servers::Server;
use crate::stream::{BUFFER_BYTES_MIN, Stream};
use crate::tls;

/// Handshakes in memory between two looks at the clock.
const BATCH: usize = 16;
/// Comes along with the end of the client's handshake: no name yet.
const WORD: &[u8] = b"\n";
/// What chatd answers to that.
const ANSWER: &[u8] = b"* chatd: type your name and press Enter\n";

/// A socket that does not block. Its end is a reset: thousands of ends a second would leave no
/// port free otherwise.
pub(crate) fn open_socket(address: SocketAddr) -> Result<TcpStream, Fault> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_linger(Some(Duration::ZERO))?;
        socket.connect(&address.into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    open().map_err(Fault::io(format!("connecting to {address}")))
}

/// Handshakes with the server, `workload.connections` of them under way at any time.
pub(crate) fn of_server(workload: &Workload, server: &Server) -> Result<Outcome, Fault> {
    let mut crowd = Crowd {
        address: server.address,
        under_way: Vec::new(),
        buffer: vec![0; BUFFER_BYTES_MIN],
        poll: workload.poll,
    };
    for _ in 0..workload.connections {
        crowd.under_way.push(crowd.open()?);
    }
    crowd.shake_for(workload.warmup)?;
    let cpu = || server.process.map(|process| process.cpu());
    let (before, start) = (cpu(), Instant::now());
    let handshakes = crowd.shake_for(workload.measured)? as f64;
    let seconds = start.elapsed().as_secs_f64();
    let spent = before.zip(cpu()).map(|(before, after)| {
        let used = after.used.saturating_sub(before.used);
        let waited = after.waited.saturating_sub(before.waited);
        (used.as_secs_f64(), waited.as_secs_f64())
    });
    let (used, waited) = spent.unwrap_or((f64::NAN, f64::NAN));
    Ok(Outcome {
        handshakes_per_second: handshakes / seconds,
        cpu_per_handshake: used * 1e9 / handshakes,
        server_busy: used / seconds,
        core_taken: waited / seconds,
        ..nothing()
    })
}

struct Crowd {
    address: SocketAddr,
    under_way: Vec<Stream>,
    buffer: Vec<u8>,
    poll: Duration,
}

impl Crowd {
    fn open(&self) -> Result<Stream, Fault> {
        let mut stream = Stream::new(open_socket(self.address)?, 0, true)?;
        let said = stream.write(WORD);
        said.map_err(Fault::io("saying something"))?;
        Ok(stream)
    }

    /// How many came to their end in this time. The next begins where one ends.
    fn shake_for(&mut self, time: Duration) -> Result<usize, Fault> {
        let end = Instant::now() + time;
        let mut handshakes = 0;
        while Instant::now() < end {
            let before = handshakes;
            for place in 0..self.under_way.len() {
                if self.is_over(place)? {
                    self.under_way[place] = self.open()?;
                    handshakes += 1;
                }
            }
            if handshakes == before {
                thread::sleep(self.poll);
            }
        }
        Ok(handshakes)
    }

    /// The server has seen the end of it as well: it has given a ticket, and an answer.
    fn is_over(&mut self, place: usize) -> Result<bool, Fault> {
        let stream = &mut self.under_way[place];
        if !stream.handshake(&mut self.buffer)? {
            return Ok(false);
        }
        let mut is_answered = false;
        stream.read(&mut self.buffer, |answer| {
            is_answered = answer == ANSWER;
            Ok(())
        })?;
        Ok(stream.tickets() > 0 && is_answered)
    }
}

/// The server's half of handshakes that go through no socket.
pub(crate) fn alone(workload: &Workload, server_args: &[String]) -> Result<Outcome, Fault> {
    let config = Arc::new(tls::server_config(server_args)?);
    let end = Instant::now() + workload.warmup + workload.measured;
    let warm = Instant::now() + workload.warmup;
    let (mut used, mut handshakes) = (Duration::ZERO, 0);
    while Instant::now() < end {
        let spent = batch(&config)?;
        if Instant::now() >= warm {
            used += spent;
            handshakes += BATCH;
        }
    }
    let nanos = used.as_nanos() as f64 / handshakes as f64;
    Ok(Outcome {
        handshakes_per_second: 1e9 / nanos,
        cpu_per_handshake: nanos,
        ..nothing()
    })
}

/// The CPU time of the servers' half of a batch.
fn batch(config: &Arc<ServerConfig>) -> Result<Duration, Fault> {
    let clients: Result<Vec<ClientConnection>, Fault> = (0..BATCH).map(|_| tls::client()).collect();
    let mut clients = clients?;
    let mut hellos = vec![Vec::new(); BATCH];
    for (client, out) in clients.iter_mut().zip(&mut hellos) {
        step(client, &[], out)?;
    }
    let mut answers = vec![Vec::new(); BATCH];
    let start = cpu_time();
    let mut servers = Vec::with_capacity(BATCH);
    for (hello, out) in hellos.iter().zip(&mut answers) {
        let server = ServerConnection::new(Arc::clone(config));
        let mut server = server.map_err(Fault::tls("making a server"))?;
        step(&mut server, hello, out)?;
        servers.push(server);
    }
    let mut used = cpu_time().saturating_sub(start);
    let mut ends = vec![Vec::new(); BATCH];
    for ((client, answer), out) in clients.iter_mut().zip(&answers).zip(&mut ends) {
        let said = client.writer().write_all(WORD);
        said.map_err(Fault::io("saying something in memory"))?;
        step(client, answer, out)?;
    }
    let mut word = [0; WORD.len() + 1];
    let start = cpu_time();
    for ((server, end), out) in servers.iter_mut().zip(&ends).zip(&mut answers) {
        take(server, end)?;
        if !matches!(server.reader().read(&mut word), Ok(count) if word[..count] == *WORD) {
            return Err(Fault::NoServer("a handshake in memory did not end".into()));
        }
        let answered = server.writer().write_all(ANSWER);
        answered.map_err(Fault::io("answering in memory"))?;
        step(server, &[], out)?;
    }
    drop(servers);
    used += cpu_time().saturating_sub(start);
    Ok(used)
}

/// Reads these bytes.
fn take<D>(
    end: &mut impl std::ops::DerefMut<Target = rustls::ConnectionCommon<D>>,
    mut bytes: &[u8],
) -> Result<(), Fault> {
    while !bytes.is_empty() {
        let read = end.read_tls(&mut bytes);
        read.map_err(Fault::io("reading in memory"))?;
        let processed = end.process_new_packets();
        processed.map_err(Fault::tls("a handshake in memory"))?;
    }
    Ok(())
}

/// Reads these bytes; what is to be said then.
fn step<D>(
    end: &mut impl std::ops::DerefMut<Target = rustls::ConnectionCommon<D>>,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    take(end, bytes)?;
    out.clear();
    while end.wants_write() {
        let written = end.write_tls(out as &mut dyn Write);
        written.map_err(Fault::io("writing in memory"))?;
    }
    Ok(())
}

/// Of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
