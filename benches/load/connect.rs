//! Opening the connections of a run, giving names, and the barrier after which every
//! receiver of a room sees the same bytes. Not the run itself (that is `driver`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::door::Door;
use crate::fault::Fault;
use crate::frame::{Contender, Frames};
use crate::program;
use crate::progress::Shared;
use crate::stream::{BUFFER_BYTES_MIN, Heard, Stream};

/// Connections of one thread that may wait for the server's answer at once: together well
/// under the listen backlog of all servers (Redis asks for 511), so that no connect is lost.
const OPENING_MAX: usize = 128;
/// Connections that share one loopback source address; each address has 28,000 ports of its own.
const CONNECTIONS_PER_SOURCE: u32 = 4096;
/// How long a whole phase of opening may take.
const OPENING_TIMEOUT: Duration = Duration::from_secs(120);

/// With which the first words are masked.
const KEY: u32 = 0x5eed_1e55;

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
    /// Through which door.
    pub(crate) door: Door,
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
    pub(crate) fn open(&self, seats: &[Seat]) -> Result<(Vec<Stream>, u64), Fault> {
        let mut buffer = vec![0; BUFFER_BYTES_MIN];
        let mut streams: Vec<Stream> = Vec::with_capacity(seats.len());
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut bytes = 0;
        let deadline = Instant::now() + OPENING_TIMEOUT;
        while streams.len() < seats.len() || !waiting.is_empty() {
            self.give_up_at(deadline)?;
            while streams.len() < seats.len() && waiting.len() < OPENING_MAX {
                let seat = &seats[streams.len()];
                let socket = self.connect(seat)?;
                let mut stream = Stream::new(socket, seat.number, self.door.is_sealed())?;
                let hello = self.hello(seat);
                say(&mut stream, seat.number, &hello)?;
                if !hello.is_empty() || self.door.is_sealed() {
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
                let stream = &mut streams[one.place];
                let heard = self.listen(stream, number, &mut one.heard, "ready", &mut buffer);
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
    pub(crate) fn settle(
        &self,
        streams: &mut [(u32, &mut Stream)],
        token: &str,
    ) -> Result<u64, Fault> {
        if self.contender != Contender::Chatd {
            return Ok(0);
        }
        let deadline = Instant::now() + OPENING_TIMEOUT;
        let ping = self.ping(token);
        for (number, stream) in streams.iter_mut() {
            say(stream, *number, &ping)?;
        }
        let mut buffer = vec![0; BUFFER_BYTES_MIN];
        let pong_bytes = self.awaited(token).len() as u64;
        let mut bytes = 0;
        for (number, stream) in streams {
            let mut heard = Vec::new();
            loop {
                self.give_up_at(deadline)?;
                let (count, is_ready) =
                    self.listen(stream, *number, &mut heard, token, &mut buffer)?;
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
            (Contender::Chatd, _) if self.door.is_program() => {
                let name = frames.name(seat.number);
                let enter =
                    format!("{{\"do\":\"enter\",\"name\":\"{name}\",\"rooms\":[\"{room}\"]}}");
                let mut hello = Vec::new();
                if self.door.is_framed() {
                    hello.extend_from_slice(program::UPGRADE);
                }
                program::put(&[enter.as_bytes()], self.door.is_framed(), KEY, &mut hello);
                hello.extend(self.ping("ready"));
                hello
            }
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

    /// A question whose answer comes behind all that was told before.
    fn ping(&self, token: &str) -> Vec<u8> {
        if !self.door.is_program() {
            return format!("/ping {token}\n").into_bytes();
        }
        let ping = format!("{{\"do\":\"ping\",\"ref\":\"{token}\"}}");
        let mut sentence = Vec::new();
        program::put(
            &[ping.as_bytes()],
            self.door.is_framed(),
            KEY,
            &mut sentence,
        );
        sentence
    }

    /// The answer to the hello, or to a ping.
    fn awaited(&self, token: &str) -> Vec<u8> {
        match self.contender {
            Contender::Redis => b":1\r\n".to_vec(),
            _ if self.door.is_program() => program::pong(token, self.door.is_framed()),
            _ => format!("= pong {token}\n").into_bytes(),
        }
    }

    fn has_refusal(&self, heard: &[u8]) -> bool {
        let is_first = matches!(heard.first(), Some(b'!' | b'-'));
        if self.door.is_program() {
            let is_no_websocket =
                heard.starts_with(b"HTTP") && program::is_upgraded(heard) == Some(false);
            let refused = memchr::memmem::find(heard, b"{\"is\":\"refused\"");
            return is_first || is_no_websocket || refused.is_some();
        }
        is_first || memchr::memmem::find(heard, b"\n!").is_some()
    }

    /// Reads what there is; says how much, and whether the awaited answer was the end of it.
    fn listen(
        &self,
        stream: &mut Stream,
        number: u32,
        heard: &mut Vec<u8>,
        token: &str,
        buffer: &mut [u8],
    ) -> Result<(u64, bool), Fault> {
        let is_open = stream.handshake(buffer)?;
        if !is_open || self.contender.is_blast() {
            // What a bare loop sends is for the run.
            return Ok((0, is_open));
        }
        let before = heard.len();
        let read = stream.read(buffer, |bytes| {
            heard.extend_from_slice(bytes);
            Ok(())
        })?;
        if read == Heard::End || self.has_refusal(heard) {
            return Err(refused(number, &format!("{read:?} after {}", words(heard))));
        }
        let count = (heard.len() - before) as u64;
        let awaited = self.awaited(token);
        let is_ready = count > 0 && memchr::memmem::find(heard, &awaited).is_some();
        Ok((count, is_ready))
    }
}

fn say(stream: &mut Stream, number: u32, words: &[u8]) -> Result<(), Fault> {
    match stream.write(words) {
        Ok(count) if count == words.len() => Ok(()),
        Ok(count) => Err(refused(
            number,
            &format!("took {count} bytes of the first words"),
        )),
        Err(source) => Err(Fault::Io {
            doing: format!("speaking as connection {number}"),
            source,
        }),
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
