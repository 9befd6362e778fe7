//! What keeping history costs the loop, and whether the disk keeps up: so many messages a second, in
//! turns of a millisecond, into a store. `cargo bench --bench store -- --help` says the settings.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    missing_docs,
    reason = "a program that measures"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chatd::archive::{Level, Recorder};
use chatd::chat::{Fact, Listen, Manner, MessageId, Place, RoomId, To, What};
use chatd::net::store::{Store, StoreSettings};
use chatd::time::Time;
use clap::Parser;
use mio::{Poll, Token, Waker};
use rustix::thread::ClockId;
use rustix::time::{Timespec, clock_gettime};

/// Says so many messages a second into a store and measures what it costs.
#[derive(Debug, Parser)]
struct Options {
    /// Where the history lies; it is left there
    #[arg(long, default_value = "target/store-bench")]
    data: PathBuf,
    /// Where the journal lies
    #[arg(long, default_value = "/dev/shm")]
    journal: PathBuf,
    /// Messages a second
    #[arg(long, default_value_t = 100_000)]
    rate: u64,
    /// Bytes of a message
    #[arg(long, default_value_t = 64)]
    bytes: usize,
    /// Seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Rooms, which speak in turn
    #[arg(long, default_value_t = 1)]
    rooms: u64,
    /// Only what the loop would do anyway: nothing is handed to a store
    #[arg(long)]
    without: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    fs::create_dir_all(&options.data).unwrap();
    let poll = Poll::new().unwrap();
    let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
    let settings = StoreSettings {
        journal_folder: Some(options.journal.clone()),
        ..StoreSettings::new(options.data.clone())
    };
    let opened = Instant::now();
    let (mut store, recovered) = Store::start(&settings, waker).unwrap();
    println!(
        "opened in {:.1} ms, {} rooms, last id {}",
        opened.elapsed().as_secs_f64() * 1e3,
        recovered.rooms.len(),
        recovered.last
    );
    let memory_before = memory("VmRSS:");
    let first = first_id().max(recovered.last);
    let spent = talk(&options, &mut store, first);
    let status = store.status(Time::after_start(spent.elapsed));
    println!("{spent:.1?}\n{status:?}");
    let stopping = Instant::now();
    let is_clean = store.stop(Duration::from_secs(60));
    println!(
        "stopped cleanly: {is_clean}, in {:?}; RSS {} KiB before, {} KiB at most",
        stopping.elapsed(),
        memory_before,
        memory("VmHWM:")
    );
}

/// What it took, for each message where it says nanoseconds.
#[derive(Debug)]
#[allow(dead_code, reason = "it is printed")]
struct Spent {
    elapsed: Duration,
    messages: u64,
    loop_nanos: f64,
    thread_nanos: f64,
    process_nanos: f64,
    longest_turn: Duration,
    turns_not_even: u64,
}

fn talk(options: &Options, store: &mut Store, first: MessageId) -> Spent {
    let names: Vec<String> = (0..options.rooms)
        .map(|room| format!("room{room}"))
        .collect();
    let text = "x".repeat(options.bytes);
    let mut recorder = Recorder::new();
    let (mut id, mut said, mut not_even) = (first.to_i64() + 1, 0, 0);
    let (mut spent, mut longest_turn) = (Duration::ZERO, Duration::ZERO);
    let (thread_before, process_before) = (thread_cpu(), process_cpu());
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(options.seconds) {
        let due = start.elapsed().as_micros() as u64 * options.rate / 1_000_000;
        let now = Time::after_start(start.elapsed());
        let (turn, before) = (Instant::now(), thread_cpu());
        while said < due {
            let room = &names[(said % options.rooms) as usize];
            say(&mut recorder, room, MessageId::from_i64(id).unwrap(), &text);
            id += 1;
            said += 1;
        }
        if options.without {
            recorder.clear();
        } else {
            store.append_turn(&mut recorder);
            not_even += u64::from(store.level(now) != Level::Even);
        }
        spent += thread_cpu() - before;
        longest_turn = longest_turn.max(turn.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    Spent {
        elapsed: start.elapsed(),
        messages: said,
        loop_nanos: per(spent, said),
        thread_nanos: per(thread_cpu() - thread_before, said),
        process_nanos: per(process_cpu() - process_before, said),
        longest_turn,
        turns_not_even: not_even,
    }
}

fn say(recorder: &mut Recorder, room: &str, id: MessageId, text: &str) {
    let place = Place {
        id: RoomId(0),
        name: room,
    };
    let what = What::Said {
        from: "ann",
        text,
        manner: Manner::Plain,
    };
    let fact = Fact {
        room: Some(place),
        id,
        what,
    };
    recorder.hear(To::Room(RoomId(0)), &fact);
}

fn first_id() -> MessageId {
    let millis = jiff::Timestamp::now().as_millisecond();
    format!("{millis}-0").parse().unwrap()
}

fn per(spent: Duration, count: u64) -> f64 {
    spent.as_secs_f64() * 1e9 / count.max(1) as f64
}

fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    Duration::new(tv_sec.cast_unsigned(), u32::try_from(tv_nsec).unwrap())
}

fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
