//! Opening the connections of a run, giving names, and the barrier after which every
//! receiver of a room sees the same bytes. Not the run itself (that is `driver`).

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::fault::Fault;
use crate::frame::{Contender, Frames};
use crate::member::is_transient;
use crate::progress::Shared;

/// Connections of one thread that may wait for the server's answer at once: together well
/// under the listen backlog of all servers (Redis asks for 511), so that no connect is lost.
const OPENING_MAX: usize = 128;
/// Connections that share one loopback source address; each address has 28,000 ports of its own.
const CONNECTIONS_PER_SOURCE: u32 = 4096;
/// How long a whole phase of opening may take.
const OPENING_TIMEOUT: Duration = Duration::from_secs(120);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Receives; and sends, if it is a sender of its room (its index there).
    Member(Option<usize>),
    /// Joins, then never reads.
    Stalls,
    /// Only sends: Redis lets no subscriber publish.
    Publishes(usize),
}

/// A connection to be opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    /// Its number among all of the run.
    pub(crate) number: u32,
    /// Its room.
    pub(crate) room: usize,
    /// What it is for.
    pub(crate) part: Part,
}

/// Where and how connections of one run are opened.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    /// The server.
    pub(crate) address: SocketAddr,
    /// How to speak to it.
    pub(crate) contender: Contender,
    /// Its words.
    pub(crate) frames: &'a Frames,
    /// To stop early when another thread has a fault.
    pub(crate) shared: &'a Shared,
    /// Pause when nothing moves.
    pub(crate) poll: Duration,
    /// Number of the run in this process, for source addresses of its own.
    pub(crate) run: u8,
}

/// A connection whose answer is awaited.
#[derive(Debug)]
struct Waiting {
    place: usize,
    heard: Vec<u8>,
}

impl Opening<'_> {
    /// Opens all seats, in order, with at most `OPENING_MAX` waiting at a time, until each has
    /// its name and its room. Returns the sockets, non-blocking, and the bytes they received.
    pub(crate) fn open(&self, seats: &[Seat]) -> Result<(Vec<TcpStream>, u64), Fault> {
        let mut streams: Vec<TcpStream> = Vec::with_capacity(seats.len());
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut bytes = 0;
        let deadline = Instant::now() + OPENING_TIMEOUT;
        while streams.len() < seats.len() || !waiting.is_empty() {
            self.give_up_at(deadline)?;
            while streams.len() < seats.len() && waiting.len() < OPENING_MAX {
                let seat = &seats[streams.len()];
                let mut stream = self.connect(seat)?;
                let hello = self.hello(seat);
                stream
                    .write_all(&hello)
                    .map_err(Fault::io("saying hello"))?;
                if !hello.is_empty() {
                    waiting.push(Waiting {
                        place: streams.len(),
                        heard: Vec::new(),
                    });
                }
                streams.push(stream);
            }
            let mut fault = Ok(());
            let before = bytes;
            waiting.retain_mut(|one| {
                let number = seats[one.place].number;
                let stream = &streams[one.place];
                let heard = self.listen(stream, number, &mut one.heard, "ready");
                match heard {
                    Ok((count, is_ready)) => {
                        bytes += count;
                        !is_ready
                    }
                    Err(error) => {
                        fault = Err(error);
                        true
                    }
                }
            });
            fault?;
            if bytes == before && !waiting.is_empty() {
                std::thread::sleep(self.poll);
            }
        }
        Ok((streams, bytes))
    }

    /// A barrier on each connection: returns when everything that the server said before is read,
    /// with the number of bytes before the last answer. Only chatd has news to be waited for.
    pub(crate) fn settle(&self, streams: &[(u32, &TcpStream)], token: &str) -> Result<u64, Fault> {
        if self.contender != Contender::Chatd {
            return Ok(0);
        }
        let deadline = Instant::now() + OPENING_TIMEOUT;
        let ping = format!("/ping {token}\n");
        for (_, stream) in streams {
            let mut stream: &TcpStream = stream;
            let sent = stream.write_all(ping.as_bytes());
            sent.map_err(Fault::io("sending /ping"))?;
        }
        let pong_bytes = format!("= pong {token}\n").len() as u64;
        let mut bytes = 0;
        for (number, stream) in streams {
            let mut heard = Vec::new();
            loop {
                self.give_up_at(deadline)?;
                let (count, is_ready) = self.listen(stream, *number, &mut heard, token)?;
                bytes += count;
                if is_ready {
                    bytes -= pong_bytes;
                    break;
                }
                std::thread::sleep(self.poll);
            }
        }
        Ok(bytes)
    }

    fn give_up_at(&self, deadline: Instant) -> Result<(), Fault> {
        if self.shared.has_failed() {
            return Err(Fault::Elsewhere);
        }
        if Instant::now() < deadline {
            return Ok(());
        }
        Err(Fault::Incomplete {
            connection: 0,
            what: format!("no answer to all within {OPENING_TIMEOUT:?}"),
        })
    }

    fn connect(&self, seat: &Seat) -> Result<TcpStream, Fault> {
        let open = || {
            let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
            if self.address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
                socket.bind(&self.source(seat).into())?;
            }
            socket.connect(&self.address.into())?;
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            Ok(socket.into())
        };
        open().map_err(Fault::io(format!("connecting to {}", self.address)))
    }

    /// Addresses that no run before has used: their ports would still be in TIME_WAIT.
    fn source(&self, seat: &Seat) -> SocketAddr {
        let process = 1 + (std::process::id() % 250) as u8;
        let group = 1 + (seat.number / CONNECTIONS_PER_SOURCE) as u8;
        SocketAddr::from(([127, process, self.run, group], 0))
    }

    fn hello(&self, seat: &Seat) -> Vec<u8> {
        let frames = self.frames;
        let room = frames.room(seat.number);
        match (self.contender, seat.part) {
            (Contender::Chatd, _) => {
                let name = frames.name(seat.number);
                let join = match frames.has_one_room() {
                    true => String::new(),
                    false => format!("/join {room}\n"),
                };
                format!("{name}\n/echo on\n{join}/ping ready\n").into_bytes()
            }
            (Contender::Redis, Part::Member(_) | Part::Stalls) => {
                let length = room.len();
                format!("*2\r\n$9\r\nSUBSCRIBE\r\n${length}\r\n{room}\r\n").into_bytes()
            }
            _ => Vec::new(),
        }
    }

    /// Reads what there is; says how much, and whether the awaited answer was the end of it.
    fn listen(
        &self,
        mut stream: &TcpStream,
        number: u32,
        heard: &mut Vec<u8>,
        token: &str,
    ) -> Result<(u64, bool), Fault> {
        let mut buffer = [0; 4096];
        let count = match stream.read(&mut buffer) {
            Ok(count) if count > 0 => count,
            Err(error) if is_transient(&error) => return Ok((0, false)),
            other => {
                return Err(refused(
                    number,
                    &format!("{other:?} after {}", words(heard)),
                ));
            }
        };
        heard.extend_from_slice(&buffer[..count]);
        let awaited = match self.contender {
            Contender::Redis => ":1\r\n".to_owned(),
            _ => format!("= pong {token}\n"),
        };
        let has_refusal = heard.first() == Some(&b'!')
            || heard.windows(2).any(|pair| pair == b"\n!")
            || heard.first() == Some(&b'-');
        if has_refusal {
            return Err(refused(number, &words(heard)));
        }
        Ok((
            count as u64,
            memchr::memmem::find(heard, awaited.as_bytes()).is_some(),
        ))
    }
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(200)..]).into_owned()
}

fn refused(number: u32, words: &str) -> Fault {
    Fault::Refused {
        connection: number,
        words: words.to_owned(),
    }
}
