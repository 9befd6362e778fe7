//! A quiet talk while others shake hands: how long a line takes from when it was due, with so many
//! connections at a time that say hello in TLS, read the answer, hang up and come again. Their
//! hello is always the same, so it costs them nothing; the answer costs the server all the same.
//! One thread does both, and looks after the talk between any two of the others. Called by `run`.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::conduct::nothing;
use crate::fault::Fault;
use crate::handshakes::open_socket;
use crate::member::Pace;
use crate::run::{Outcome, Workload};
use crate::servers::Server;
use crate::stream::{BUFFER_BYTES_MIN, Heard, Stream};
use crate::tls;
use crate::worker::new_times;

/// Between two lines of the talk.
const INTERVAL: Duration = Duration::from_millis(5);
/// How long a line, or an answer, may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One run; `workload.connections` may be none.
pub(crate) fn execute(workload: &Workload, server: &Server) -> Result<Outcome, Fault> {
    let mut talk = Talk::open(server.address)?;
    let mut flood = Flood {
        address: server.address,
        hello: tls::hello()?,
        under_way: Vec::new(),
        next: 0,
        answered: 0,
    };
    for _ in 0..workload.connections {
        let socket = flood.say_hello()?;
        flood.under_way.push(socket);
    }
    let start = Instant::now();
    while start.elapsed() < workload.warmup {
        flood.step()?;
    }
    let cpu = || server.process.map(|process| process.cpu());
    let (answered, before, start) = (flood.answered, cpu(), Instant::now());
    while start.elapsed() < workload.measured {
        talk.step(start)?;
        flood.step()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let spent = before.zip(cpu()).map(|(before, after)| {
        let used = after.used.saturating_sub(before.used);
        used.as_secs_f64()
    });
    let answered = flood.answered - answered;
    while talk.heard < talk.sent {
        talk.step_of(start, talk.sent)?;
        flood.step()?;
    }
    Ok(Outcome {
        handshakes_per_second: answered as f64 / seconds,
        server_busy: spent.unwrap_or(f64::NAN) / seconds,
        times: talk.times,
        ..nothing()
    })
}

struct Talk {
    talker: Stream,
    listener: Stream,
    buffer: Vec<u8>,
    unparsed: Vec<u8>,
    sent: u64,
    heard: u64,
    times: Histogram<u64>,
}

impl Talk {
    fn open(address: SocketAddr) -> Result<Talk, Fault> {
        let enter = |number, name: &str| {
            let mut stream = Stream::new(open_socket(address)?, number, false)?;
            let entry = format!("{name}\n/ping ready\n");
            let written = stream.write(entry.as_bytes());
            written.map_err(Fault::io("entering"))?;
            Ok(stream)
        };
        let mut talk = Talk {
            listener: enter(1, "listener")?,
            talker: enter(0, "talker")?,
            buffer: vec![0; BUFFER_BYTES_MIN],
            unparsed: Vec::new(),
            sent: 0,
            heard: 0,
            times: new_times(),
        };
        read_to(&mut talk.talker, &mut talk.buffer, "= pong ready\n")?;
        // Behind this all that was told of the joining is read.
        let asked = talk.listener.write(b"/ping quiet\n");
        asked.map_err(Fault::io("asking for an answer"))?;
        read_to(&mut talk.listener, &mut talk.buffer, "= pong quiet\n")?;
        Ok(talk)
    }

    /// Says what is due, hears what there is.
    fn step(&mut self, start: Instant) -> Result<(), Fault> {
        self.step_of(start, u64::MAX)
    }

    /// The same of the first lines alone.
    fn step_of(&mut self, start: Instant, lines: u64) -> Result<(), Fault> {
        let now = Instant::now();
        if self.sent < lines && Pace::due(INTERVAL, start, self.sent) <= now {
            let line = format!("{}\n", self.sent);
            let written = self.talker.write(line.as_bytes());
            written.map_err(Fault::io("talking"))?;
            self.sent += 1;
        }
        let unparsed = &mut self.unparsed;
        let heard = self.listener.read(&mut self.buffer, |bytes| {
            unparsed.extend_from_slice(bytes);
            Ok(())
        })?;
        while let Some(end) = memchr::memchr(b'\n', &self.unparsed) {
            let due = format!("<talker> {}\n", self.heard);
            if self.unparsed[..=end] != *due.as_bytes() {
                return Err(Fault::Mangled {
                    connection: 1,
                    due,
                    found: String::from_utf8_lossy(&self.unparsed).into_owned(),
                });
            }
            self.unparsed.drain(..due.len());
            let late = Instant::now() - Pace::due(INTERVAL, start, self.heard);
            self.times.saturating_record(late.as_nanos() as u64);
            self.heard += 1;
        }
        let is_late = self.heard < self.sent
            && now.saturating_duration_since(Pace::due(INTERVAL, start, self.heard)) > PATIENCE;
        if heard == Heard::End || is_late {
            return Err(Fault::Incomplete {
                connection: 1,
                what: format!("{} lines of {} arrived", self.heard, self.sent),
            });
        }
        Ok(())
    }
}

struct Flood {
    address: SocketAddr,
    hello: Vec<u8>,
    under_way: Vec<TcpStream>,
    next: usize,
    answered: u64,
}

impl Flood {
    fn say_hello(&self) -> Result<TcpStream, Fault> {
        let mut socket = open_socket(self.address)?;
        let written = socket.write_all(&self.hello);
        written.map_err(Fault::io("saying hello"))?;
        Ok(socket)
    }

    /// Looks after one connection, in turn.
    fn step(&mut self) -> Result<(), Fault> {
        let Some(socket) = self.under_way.get_mut(self.next) else {
            return Ok(());
        };
        let mut buffer = [0; 4096];
        match socket.read(&mut buffer) {
            Ok(count) if count > 0 => {
                self.under_way[self.next] = self.say_hello()?;
                self.answered += 1;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => {
                return Err(Fault::Refused {
                    connection: 2,
                    words: format!("a hello was answered by {other:?}"),
                });
            }
        }
        self.next = (self.next + 1) % self.under_way.len();
        Ok(())
    }
}

fn read_to(stream: &mut Stream, buffer: &mut [u8], end: &str) -> Result<(), Fault> {
    let deadline = Instant::now() + PATIENCE;
    let mut heard = Vec::new();
    while !heard.ends_with(end.as_bytes()) {
        let read = stream.read(buffer, |bytes| {
            heard.extend_from_slice(bytes);
            Ok(())
        })?;
        if read == Heard::End || Instant::now() > deadline {
            return Err(Fault::Refused {
                connection: 0,
                words: String::from_utf8_lossy(&heard).into_owned(),
            });
        }
        thread::sleep(Duration::from_micros(100));
    }
    Ok(())
}
