//! The life of one thread of a run: open its connections, wait for quiet, receive and send,
//! and make sure at the end that nothing more came. The loop itself is `driver`.

use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::connect::{Opening, Part, Seat};
use crate::door::Door;
use crate::driver::{Driver, Group, Stopwatch};
use crate::fault::Fault;
use crate::frame::{Contender, Frames};
use crate::intake::Intake;
use crate::machine;
use crate::member::{Member, Pace, Sender, Voice};
use crate::options::Check;
use crate::parser::Parser;
use crate::program;
use crate::progress::{Ledger, Shared, note_fault};
use crate::run::Workload;
use crate::servers::Server;
use crate::sieve::Sieve;
use crate::stream::{BUFFER_BYTES_MIN, Heard, Stream};

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
            door: self.workload.door,
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
            told: stalled
                .into_iter()
                .filter_map(|stream| was_told(stream, self.workload.door))
                .count(),
        })
    }

    /// Receives and sends until all is over; gives everything back, still connected.
    fn talk(
        &self,
        opening: &Opening<'_>,
        streams: Vec<Stream>,
        joining_bytes: u64,
    ) -> Result<(Driver<'_>, Vec<Stream>, u64), Fault> {
        let (mut driver, stalled) = self.driver(streams);
        driver.run()?;
        if self.workload.stalled == 0 {
            self.expect_silence(opening, &mut driver)?;
        }
        Ok((driver, stalled, joining_bytes))
    }

    /// Waits until the news of the joining is over and read.
    fn quiet(
        &self,
        opening: &Opening<'_>,
        (mut streams, bytes): (Vec<Stream>, u64),
    ) -> Result<(Vec<Stream>, u64), Fault> {
        if self.contender == Contender::Chatd {
            thread::sleep(NEWS_PAUSE);
        }
        let seats = self.seats.iter().zip(&mut streams);
        let mut readers: Vec<(u32, &mut Stream)> = seats
            .filter(|(seat, _)| seat.part != Part::Stalls)
            .map(|(seat, stream)| (seat.number, stream))
            .collect();
        let more = opening.settle(&mut readers, "quiet")?;
        Ok((streams, bytes + more))
    }

    /// After the last line not a byte may come but the answer to a last question.
    fn expect_silence(&self, opening: &Opening<'_>, driver: &mut Driver<'_>) -> Result<(), Fault> {
        let groups = driver.groups.iter_mut();
        let members = groups.flat_map(|group| &mut group.members);
        let mut readers: Vec<(u32, &mut Stream)> = members
            .map(|member| (member.intake.number(), &mut member.stream))
            .collect();
        match opening.settle(&mut readers, "end")? {
            0 => Ok(()),
            bytes => Err(Fault::Incomplete {
                connection: readers[0].0,
                what: format!("{bytes} bytes more than were sent came to it or one after it"),
            }),
        }
    }

    /// Puts the connections into the groups of their rooms; the stalled ones stand aside.
    fn driver(&self, streams: Vec<Stream>) -> (Driver<'_>, Vec<Stream>) {
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
            self.seat(&mut groups[place], seat, stream);
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
        (driver, stalled)
    }

    fn seat(&self, group: &mut Group, seat: &Seat, stream: Stream) {
        let sender = |voice, index| {
            let of = self.workload.senders;
            Sender::new(voice, seat.number, index, of)
        };
        match seat.part {
            Part::Publishes(index) => {
                let voice = Voice::Own(Box::new(stream));
                group.senders.push(sender(voice, index));
            }
            Part::Member(index) => {
                let index = index.filter(|_| !self.contender.is_blast());
                if let Some(index) = index {
                    let voice = Voice::Member(group.members.len());
                    group.senders.push(sender(voice, index));
                }
                let door = self.workload.door;
                let sieve = index.filter(|_| door.is_program());
                let sieve = sieve.map(|_| Sieve::new(door.is_framed()));
                let check = self.workload.check;
                let is_followed = group.members.is_empty() || check == Check::Full;
                let is_parsed = is_followed && !self.contender.is_blast();
                let parser =
                    is_parsed.then(|| Parser::new(self.frames, seat.number, self.workload.senders));
                group.members.push(Member {
                    stream,
                    intake: Intake::new(seat.number, check, parser, sieve),
                });
            }
            Part::Stalls => {}
        }
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
fn was_told(mut stream: Stream, door: Door) -> Option<()> {
    stream.socket().set_nonblocking(false).ok()?;
    let timeout = Some(LAST_WORDS_TIMEOUT);
    stream.socket().set_read_timeout(timeout).ok()?;
    let mut buffer = vec![0; 8 * BUFFER_BYTES_MIN];
    let mut last = Vec::new();
    let mut read = || {
        stream.read(&mut buffer, |bytes| {
            last.extend_from_slice(bytes);
            last.drain(..last.len().saturating_sub(4096));
            Ok(())
        })
    };
    while let Ok(Heard::Bytes) = read() {}
    if door.is_program() {
        return program::is_told_too_slow(&last, door.is_framed()).then_some(());
    }
    let end = last.strip_suffix(b"\n")?;
    let line = end.rsplit(|byte| *byte == b'\n').next()?;
    line.starts_with(b"! too-slow").then_some(())
}
