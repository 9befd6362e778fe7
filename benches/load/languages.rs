//! A room of people, of programs, or of both: what a delivery costs the server in each. Two members
//! say a window of lines, everybody reads it to its end, then the next. Lines of JSON have no fixed
//! length, which the other modes build upon, so this one stands alone: lines are counted, and all
//! who read the same language must have read the same bytes. Called by `run`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::conduct::nothing;
use crate::fault::Fault;
use crate::run::{Outcome, Workload};
use crate::servers::Server;

/// Who is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Languages {
    /// People: plain text.
    Text,
    /// Programs: JSON.
    Json,
    /// As many of each.
    Both,
}

impl Languages {
    /// The word in tables.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Languages::Text => "text",
            Languages::Json => "JSON",
            Languages::Both => "text and JSON",
        }
    }

    fn is_program(self, number: usize) -> bool {
        match self {
            Languages::Text => false,
            Languages::Json => true,
            Languages::Both => !number.is_multiple_of(2),
        }
    }
}

/// Members that speak: in a room of both, one of each.
const SPEAKERS: usize = 2;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Joins of a large room are told after a second at most.
const NEWS_PAUSE: Duration = Duration::from_millis(1500);

/// One run in a room of `workload.connections`, with `lines` under way at a time.
pub(crate) fn execute(
    workload: &Workload,
    languages: Languages,
    lines: usize,
    server: &Server,
) -> Result<Outcome, Fault> {
    let mut room = Room::open(workload, languages, lines, server.address)?;
    let warm = Instant::now() + workload.warmup;
    while Instant::now() < warm {
        room.talk()?;
    }
    let cpu = || server.process.map(|process| process.cpu());
    let (before, start) = (cpu(), Instant::now());
    let (mut deliveries, mut bytes) = (0, 0);
    while start.elapsed() < workload.measured {
        let heard = room.talk()?;
        deliveries += heard.lines;
        bytes += heard.bytes;
    }
    let seconds = start.elapsed().as_secs_f64();
    let spent = before.zip(cpu()).map(|(before, after)| {
        let used = after.used.saturating_sub(before.used);
        let waited = after.waited.saturating_sub(before.waited);
        (used.as_secs_f64(), waited.as_secs_f64())
    });
    let (used, waited) = spent.unwrap_or((f64::NAN, f64::NAN));
    Ok(Outcome {
        deliveries_per_second: deliveries as f64 / seconds,
        bytes_per_second: bytes as f64 / seconds,
        server_busy: used / seconds,
        core_taken: waited / seconds,
        cpu_per_delivery: used * 1e9 / deliveries as f64,
        cpu_per_byte: used * 1e9 / bytes as f64,
        ..nothing()
    })
}

struct Room {
    members: Vec<Member>,
    /// What each speaker says in a window.
    said: Vec<Vec<u8>>,
    lines_each: usize,
    buffer: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    lines: usize,
    bytes: usize,
}

struct Member {
    stream: TcpStream,
    number: usize,
    is_program: bool,
}

impl Room {
    fn open(
        workload: &Workload,
        languages: Languages,
        lines: usize,
        address: SocketAddr,
    ) -> Result<Room, Fault> {
        let mut buffer = vec![0; 256 << 10];
        let open = |number| Member::open(number, languages.is_program(number), address);
        let members: Result<Vec<Member>, Fault> = (0..workload.connections).map(open).collect();
        let mut members = members?;
        std::thread::sleep(NEWS_PAUSE);
        for member in &mut members {
            member.settle(&mut buffer)?;
        }
        let lines_each = lines.div_ceil(SPEAKERS);
        let text = "x".repeat(workload.text_bytes);
        let speakers = members.iter().take(SPEAKERS);
        let said = speakers.map(|member| member.line(&text).repeat(lines_each));
        Ok(Room {
            said: said.collect(),
            members,
            lines_each,
            buffer,
        })
    }

    /// A window of lines, from the first that is sent to the last that is read.
    fn talk(&mut self) -> Result<Heard, Fault> {
        for (member, said) in self.members.iter_mut().zip(&self.said) {
            let written = member.stream.write_all(said);
            written.map_err(Fault::io("saying something"))?;
        }
        let all = self.said.len() * self.lines_each;
        let mut sums = [None; 2];
        let mut heard = Heard::default();
        for member in &mut self.members {
            let is_speaker = member.number < self.said.len();
            let (due, answers) = match (is_speaker, member.is_program) {
                (false, _) => (all, 0),
                // Programs hear themselves, and that it is done; people do neither.
                (true, true) => (all, self.lines_each),
                (true, false) => (all - self.lines_each, 0),
            };
            let (bytes, sum) = member.read_lines(due + answers, &mut self.buffer)?;
            heard.lines += due;
            heard.bytes += bytes;
            // What speakers hear is their own.
            let sum_of_all = &mut sums[usize::from(member.is_program)];
            if !is_speaker && *sum_of_all.get_or_insert(sum) != sum {
                return Err(Fault::Differs {
                    connection: member.number as u32,
                    block: 0,
                });
            }
        }
        Ok(heard)
    }
}

impl Member {
    fn open(number: usize, is_program: bool, address: SocketAddr) -> Result<Member, Fault> {
        let stream = TcpStream::connect(address).map_err(Fault::io("connecting"))?;
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
        prepared.map_err(Fault::io("preparing a socket"))?;
        let mut member = Member {
            stream,
            number,
            is_program,
        };
        let entry = if is_program {
            format!("{{\"do\":\"enter\",\"name\":\"c{number}\"}}\n")
        } else {
            format!("c{number}\n")
        };
        let written = member.stream.write_all(entry.as_bytes());
        written.map_err(Fault::io("entering"))?;
        Ok(member)
    }

    fn line(&self, text: &str) -> Vec<u8> {
        if self.is_program {
            format!("{{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"{text}\",\"ref\":\"1\"}}\n")
        } else {
            format!("{text}\n")
        }
        .into_bytes()
    }

    /// Reads all that was told before now.
    fn settle(&mut self, buffer: &mut [u8]) -> Result<(), Fault> {
        let (ping, pong) = if self.is_program {
            ("{\"do\":\"ping\"}\n", "{\"is\":\"pong\"}\n")
        } else {
            ("/ping\n", "= pong\n")
        };
        let written = self.stream.write_all(ping.as_bytes());
        written.map_err(Fault::io("asking for an answer"))?;
        let mut last = Vec::new();
        while !last.ends_with(pong.as_bytes()) {
            let count = self.read(buffer)?;
            last.extend_from_slice(&buffer[..count]);
        }
        Ok(())
    }

    /// Reads so many lines and not a byte more: how many bytes they are, and their checksum.
    fn read_lines(&mut self, lines: usize, buffer: &mut [u8]) -> Result<(usize, u32), Fault> {
        let (mut left, mut bytes) = (lines, 0);
        let mut digest = crc32fast::Hasher::new();
        while left > 0 {
            let count = self.read(buffer)?;
            let read = &buffer[..count];
            let found = memchr::memchr_iter(b'\n', read).count();
            if found > left || found == left && !read.ends_with(b"\n") {
                return Err(self.incomplete(format!("more than {lines} lines came")));
            }
            left -= found;
            bytes += count;
            digest.update(read);
        }
        Ok((bytes, digest.finalize()))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        match self.stream.read(buffer) {
            Ok(0) => Err(self.incomplete("the server ended it".to_owned())),
            Ok(count) => Ok(count),
            Err(source) => Err(Fault::Io {
                doing: format!("reading as connection {}", self.number),
                source,
            }),
        }
    }

    fn incomplete(&self, what: String) -> Fault {
        Fault::Incomplete {
            connection: self.number as u32,
            what,
        }
    }
}
