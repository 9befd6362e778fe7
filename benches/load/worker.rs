//! The life of one thread of a run: open its connections, wait for quiet, receive and send,
//! and make sure at the end that nothing more came. The loop itself is `driver`.

use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::connect::{Opening, Part, Seat};
use crate::driver::{Driver, Group, Stopwatch};
use crate::fault::Fault;
use crate::frame::{Contender, Frames};
use crate::machine;
use crate::member::{Member, Pace, Sender};
use crate::options::Check;
use crate::parser::Parser;
use crate::progress::{Ledger, Shared, note_fault};
use crate::run::Workload;
use crate::servers::Server;

/// Longer than the second in which a large room tells joins together: after it no news is left.
const NEWS_PAUSE: Duration = Duration::from_millis(1300);
/// How long a stalled reader's last words may take, once everything is over.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(5);

/// What one thread is given.
pub(crate) struct Worker<'a> {
    /// Which thread, from 0.
    pub(crate) number: usize,
    /// Its connections.
    pub(crate) seats: &'a [Seat],
    /// What is to be done.
    pub(crate) workload: &'a Workload,
    /// To what kind of server.
    pub(crate) contender: Contender,
    /// To which.
    pub(crate) server: &'a Server,
    /// In which words.
    pub(crate) frames: &'a Frames,
    /// With the other threads.
    pub(crate) shared: &'a Shared,
}

/// What one thread brings back.
pub(crate) struct Harvest {
    /// Delivery times, where they were taken.
    pub(crate) times: Option<Histogram<u64>>,
    /// Bytes received until the room was quiet.
    pub(crate) joining_bytes: u64,
    /// Stalled readers whose last words from the server were `! too-slow`.
    pub(crate) told: usize,
}

impl Worker<'_> {
    /// Comes to every meeting, also with a fault, so that nobody waits for ever.
    pub(crate) fn run(&self) -> Result<Harvest, Fault> {
        machine::sleep_exactly();
        let opening = Opening {
            address: self.server.address,
            contender: self.contender,
            frames: self.frames,
            shared: self.shared,
            poll: self.workload.poll.max(Duration::from_micros(20)),
            run: self.shared.run,
        };
        let opened = note_fault(self.shared, opening.open(self.seats));
        self.shared.meeting.wait();
        let settled = note_fault(
            self.shared,
            opened.and_then(|all| self.quiet(&opening, all)),
        );
        self.shared.meeting.wait();
        self.shared.meeting.wait();
        let talked = settled.and_then(|(streams, bytes)| self.talk(&opening, streams, bytes));
        let talked = note_fault(self.shared, talked);
        // Nobody hangs up before: others would hear of it while they expect silence.
        self.shared.meeting.wait();
        let (driver, stalled, joining_bytes) = talked?;
        Ok(Harvest {
            times: driver.stopwatch.map(|watch| watch.times),
            joining_bytes,
            told: stalled.into_iter().filter_map(was_told).count(),
        })
    }

    /// Receives and sends until all is over; gives everything back, still connected.
    fn talk(
        &self,
        opening: &Opening<'_>,
        streams: Vec<TcpStream>,
        joining_bytes: u64,
    ) -> Result<(Driver<'_>, Vec<TcpStream>, u64), Fault> {
        let (mut driver, stalled) = self.driver(streams)?;
        driver.run()?;
        if self.workload.stalled == 0 {
            self.expect_silence(opening, &driver)?;
        }
        Ok((driver, stalled, joining_bytes))
    }

    /// Waits until the news of the joining is over and read.
    fn quiet(
        &self,
        opening: &Opening<'_>,
        (streams, bytes): (Vec<TcpStream>, u64),
    ) -> Result<(Vec<TcpStream>, u64), Fault> {
        if self.contender == Contender::Chatd {
            thread::sleep(NEWS_PAUSE);
        }
        let seats = self.seats.iter().zip(&streams);
        let readers: Vec<(u32, &TcpStream)> = seats
            .filter(|(seat, _)| seat.part != Part::Stalls)
            .map(|(seat, stream)| (seat.number, stream))
            .collect();
        let more = opening.settle(&readers, "quiet")?;
        Ok((streams, bytes + more))
    }

    /// After the last line not a byte may come but the answer to a last question.
    fn expect_silence(&self, opening: &Opening<'_>, driver: &Driver<'_>) -> Result<(), Fault> {
        let members = driver.groups.iter().flat_map(|group| &group.members);
        let readers: Vec<(u32, &TcpStream)> = members
            .map(|member| (member.number(), member.stream()))
            .collect();
        match opening.settle(&readers, "end")? {
            0 => Ok(()),
            bytes => Err(Fault::Incomplete {
                connection: readers[0].0,
                what: format!("{bytes} bytes more than were sent came to it or one after it"),
            }),
        }
    }

    /// Puts the connections into the groups of their rooms; the stalled ones stand aside.
    fn driver(&self, streams: Vec<TcpStream>) -> Result<(Driver<'_>, Vec<TcpStream>), Fault> {
        let mut groups: Vec<Group> = Vec::new();
        let mut place_of = vec![None; self.workload.rooms];
        let mut stalled = Vec::new();
        for (seat, stream) in self.seats.iter().zip(streams) {
            if seat.part == Part::Stalls {
                stalled.push(stream);
                continue;
            }
            let place = *place_of[seat.room].get_or_insert_with(|| {
                groups.push(Group {
                    room: seat.room,
                    members: Vec::new(),
                    senders: Vec::new(),
                    ledger: Ledger::new(self.workload.senders),
                });
                groups.len() - 1
            });
            self.seat(&mut groups[place], seat, stream)?;
        }
        let driver = Driver {
            thread: self.number,
            contender: self.contender,
            frames: self.frames,
            shared: self.shared,
            pace: self.workload.pace,
            poll: self.workload.poll,
            groups,
            stopwatch: self.stopwatch(),
        };
        Ok((driver, stalled))
    }

    fn seat(&self, group: &mut Group, seat: &Seat, stream: TcpStream) -> Result<(), Fault> {
        let sender = |stream, index| {
            let of = self.workload.senders;
            Sender::new(stream, seat.number, index, of, self.contender)
        };
        match seat.part {
            Part::Publishes(index) => group.senders.push(sender(stream, index)),
            Part::Member(index) => {
                if let Some(index) = index.filter(|_| self.contender != Contender::RawBlast) {
                    let again = stream.try_clone().map_err(Fault::io("copying a socket"))?;
                    group.senders.push(sender(again, index));
                }
                let check = self.workload.check;
                let is_followed = group.members.is_empty() || check == Check::Full;
                let is_parsed = is_followed && self.contender != Contender::RawBlast;
                let parser =
                    is_parsed.then(|| Parser::new(self.frames, seat.number, self.workload.senders));
                let member = Member::new(stream, seat.number, check, parser);
                group.members.push(member);
            }
            Part::Stalls => {}
        }
        Ok(())
    }

    fn stopwatch(&self) -> Option<Stopwatch> {
        let Pace::Schedule { interval } = self.workload.pace else {
            return None;
        };
        let lines = self.workload.warmup.as_nanos() / interval.as_nanos();
        Some(Stopwatch {
            interval,
            senders: self.workload.senders as u64,
            first_line: lines as u64,
            times: new_times(),
        })
    }
}

/// An empty histogram of nanoseconds: up to a minute, exact to a thousandth.
pub(crate) fn new_times() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("these bounds are valid")
}

/// Reads all that a stalled reader was left with; whether the last line says why it was cut.
fn was_told(mut stream: TcpStream) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(LAST_WORDS_TIMEOUT)).ok()?;
    let mut buffer = vec![0; 1 << 20];
    let mut last = Vec::new();
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 {
            break;
        }
        last.extend_from_slice(&buffer[..count]);
        last.drain(..last.len().saturating_sub(4096));
    }
    let end = last.strip_suffix(b"\n")?;
    let line = end.rsplit(|byte| *byte == b'\n').next()?;
    line.starts_with(b"! too-slow").then_some(())
}
