//! One run: a workload against one server, from opening the connections to the last line,
//! with what was measured on the way. Which runs are made, and what is compared, is `modes`.

use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::conduct::{conduct, nothing};
use crate::connect::{Part, Seat};
use crate::door::Door;
use crate::doorstep::{self, Doorstep};
use crate::fault::Fault;
use crate::flood;
use crate::frame::{Contender, Frames};
use crate::handshakes;
use crate::languages::{self, Languages};
use crate::member::Pace;
use crate::options::Check;
use crate::progress::{RoomProgress, Shared, note_fault};
use crate::raw;
use crate::servers::Server;
use crate::worker::{Harvest, Worker};

/// What is done to a server.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    /// Receivers that are read.
    pub(crate) connections: usize,
    /// Rooms they are spread over evenly.
    pub(crate) rooms: usize,
    /// Senders in each room.
    pub(crate) senders: usize,
    /// Bytes of a text.
    pub(crate) text_bytes: usize,
    /// When lines are sent.
    pub(crate) pace: Pace,
    /// Members that never read, besides.
    pub(crate) stalled: usize,
    /// Through which door.
    pub(crate) door: Door,
    /// What is done there.
    pub(crate) scene: Scene,
    /// What is checked.
    pub(crate) check: Check,
    /// Threads of the generator.
    pub(crate) threads: usize,
    /// A thread's pause when nothing moves.
    pub(crate) poll: Duration,
    /// Before the measuring.
    pub(crate) warmup: Duration,
    /// The measured time; the most it may take where an event is awaited.
    pub(crate) measured: Duration,
    /// Silence after the joining in which the server's idle CPU time is taken.
    pub(crate) idle: Duration,
}

/// What is done to a server: most is done in rooms, by `driver`.
#[derive(Debug, Clone)]
pub(crate) enum Scene {
    /// Talk in rooms.
    Rooms,
    /// Talk in a room of people, programs or both.
    Languages(Languages),
    /// Nobody comes in.
    Doorstep(Doorstep),
    /// Handshakes and nothing else; in memory with what chatd was told on its command line.
    Handshakes(Vec<String>),
    /// A quiet talk beside handshakes.
    Flood,
}

/// What was measured. A figure that does not apply is 0 or, where it is a ratio, not a number.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Lines received, of all receivers together, per second.
    pub(crate) deliveries_per_second: f64,
    /// Bytes received, per second.
    pub(crate) bytes_per_second: f64,
    /// The server's CPU time by the measured time.
    pub(crate) server_busy: f64,
    /// The share of the measured time in which others had the server's core while it was ready.
    pub(crate) core_taken: f64,
    /// The server's CPU time in nanoseconds by lines received.
    pub(crate) cpu_per_delivery: f64,
    /// The server's CPU time in nanoseconds by bytes received.
    pub(crate) cpu_per_byte: f64,
    /// The generator's CPU time by the measured time, in cores.
    pub(crate) generator_cores: f64,
    /// From when a line was due until a receiver had it, in nanoseconds.
    pub(crate) times: Histogram<u64>,
    /// Connections opened, named and in their rooms, per second.
    pub(crate) joins_per_second: f64,
    /// Bytes that each connection received until it was quiet.
    pub(crate) joining_bytes: f64,
    /// The server's memory by connection: all that it grew by while they joined.
    pub(crate) resident_per_connection: f64,
    /// The server's CPU time by the silent time.
    pub(crate) idle_busy: f64,
    /// Until one line had reached all receivers, in seconds.
    pub(crate) reach_seconds: f64,
    /// The most that the server's memory grew by after the joining, in bytes.
    pub(crate) growth_bytes: f64,
    /// Handshakes that came to their end, or were answered, per second.
    pub(crate) handshakes_per_second: f64,
    /// The server's CPU time in nanoseconds by handshakes.
    pub(crate) cpu_per_handshake: f64,
    /// Until all stalled readers were cut, in seconds.
    pub(crate) cut_seconds: f64,
    /// Stalled readers whose last words from the server were `! too-slow`.
    pub(crate) told: f64,
}

/// Makes one run.
pub(crate) fn execute(
    workload: &Workload,
    contender: Contender,
    server: &Server,
) -> Result<Outcome, Fault> {
    match (&workload.scene, workload.pace) {
        (Scene::Rooms, _) => talk(workload, contender, server),
        (Scene::Languages(languages), Pace::Window { lines }) => {
            languages::execute(workload, *languages, lines as usize, server)
        }
        (Scene::Languages(_), _) => Ok(nothing()),
        (Scene::Doorstep(doorstep), _) => doorstep::execute(workload, *doorstep, server),
        (Scene::Handshakes(args), _) if contender == Contender::RustlsAlone => {
            handshakes::alone(workload, args)
        }
        (Scene::Handshakes(_), _) => handshakes::of_server(workload, server),
        (Scene::Flood, _) => flood::execute(workload, server),
    }
}

fn talk(workload: &Workload, contender: Contender, server: &Server) -> Result<Outcome, Fault> {
    let all = workload.connections + workload.stalled;
    let ways = (contender, workload.door);
    let frames = Frames::new(ways, workload.text_bytes, all, workload.rooms);
    let seats = workload.deal(contender);
    let shared = workload.shared(contender, &frames, &seats);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for (number, seats) in seats.iter().enumerate() {
            let one = Worker {
                number,
                seats,
                workload,
                contender,
                server,
                frames: &frames,
                shared: &shared,
            };
            threads.push(scope.spawn(move || note_fault(one.shared, one.run())));
        }
        let mut outcome = conduct(workload, server.process, &frames, &shared);
        let mut fault = None;
        for thread in threads {
            match thread.join().expect("a thread of the generator panicked") {
                Ok(harvest) => outcome.add(harvest, workload.connections),
                Err(Fault::Elsewhere) => {}
                Err(other) => fault = Some(other),
            }
        }
        fault.map_or(Ok(outcome), Err)
    })
}

impl Workload {
    /// Which thread opens which connections: one room is spread over all threads, many rooms
    /// have a thread each.
    fn deal(&self, contender: Contender) -> Vec<Vec<Seat>> {
        let mut seats = vec![Vec::new(); self.threads];
        let mut publishers = vec![Vec::new(); self.threads];
        for number in 0..self.connections + self.stalled {
            let room = number % self.rooms;
            let index = Some(number / self.rooms).filter(|index| *index < self.senders);
            let thread = if self.rooms == 1 { number } else { room } % self.threads;
            let mut seat = Seat {
                number: number as u32,
                room,
                part: Part::Member(index),
            };
            if number >= self.connections {
                seat.part = Part::Stalls;
            } else if let (Contender::Redis, Some(index)) = (contender, index) {
                let part = Part::Publishes(index);
                publishers[thread].push(Seat { part, ..seat });
                seat.part = Part::Member(None);
            }
            seats[thread].push(seat);
        }
        for (seats, publishers) in seats.iter_mut().zip(publishers) {
            seats.extend(publishers);
        }
        seats
    }

    fn shared(&self, contender: Contender, frames: &Frames, seats: &[Vec<Seat>]) -> Shared {
        let line_bytes = frames.received_bytes() as u64;
        let spread = match self.pace {
            Pace::Window { lines } => lines * self.senders as u64 * line_bytes,
            Pace::Schedule { .. } | Pace::Few { .. } => line_bytes,
        };
        let rooms = (0..self.rooms).map(|room| match contender {
            _ if contender.is_blast() => RoomProgress::periodic(crc32fast::hash(&raw::period())),
            _ => {
                let reads = |seat: &Seat| matches!(seat.part, Part::Member(_)) && seat.room == room;
                let has: Vec<bool> = seats.iter().map(|seats| seats.iter().any(reads)).collect();
                RoomProgress::new(&has, spread)
            }
        });
        let senders = self.senders * self.rooms;
        Shared::new(self.threads, senders, rooms.collect())
    }
}

impl Outcome {
    /// Adds what one thread brought back.
    fn add(&mut self, harvest: Harvest, connections: usize) {
        self.joining_bytes += harvest.joining_bytes as f64 / connections as f64;
        self.told += harvest.told as f64;
        if let Some(times) = harvest.times {
            self.times
                .add(times)
                .expect("all histograms have the same bounds");
        }
    }
}
