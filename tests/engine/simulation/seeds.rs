//! A seeded simulation of the turn: crowds of clients on a virtual clock and a virtual network that
//! splits, delays, stalls, takes a byte at a time, resets and half-closes at any point. Each turn
//! is compared with a shadow that knows the protocol and nothing of the hub. No sockets, no
//! processes. What it checks are the rows F83 to F88 of what chatd must live through, that nobody
//! is cut without cause, that nothing waits for ever, nothing spins, and nothing is left behind.
//!
//! `TEST_SIMULATION_SEEDS=100000` runs so many seeds, `TEST_SIMULATION_SEED=7` tells the whole
//! story of one.

use std::collections::VecDeque;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::driver::Simulation;
use super::trace::{Report, Trace};

/// Seeds of a plain `cargo test`.
const SEEDS: u64 = 2000;
const THREADS: usize = 2;
/// Far more than any seed takes, on any machine.
const SEED_TIMEOUT: Duration = Duration::from_secs(100);

#[test]
fn whatever_happens_everybody_sees_what_they_must() {
    if let Some(seed) = number("TEST_SIMULATION_SEED") {
        let report = Simulation::new(seed, Trace::Print).run_to_end();
        println!("{report:?}");
        return;
    }
    let seeds = number("TEST_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let began = Instant::now();
    let (total, failed) = run_all(seeds);
    if let Some((seed, fault)) = failed {
        let (_, trace) = one(seed, Trace::Tail(VecDeque::new()));
        panic!(
            "The end of the story:\n{trace}\n\nseed {seed}: {fault}\n\n\
             The whole story:\n{}",
            replay(seed)
        );
    }
    println!("{seeds} seeds in {:?}: {total:?}", began.elapsed());
    assert!(total.cuts > 0 || seeds < 100, "nobody was ever cut");
    assert!(total.pongs > 0 || seeds < 100, "nobody ever pinged");
    for (count, what) in [
        (total.promised_cuts, "was cut who was promised something"),
        (total.kept_ends, "is told why it was ended after that"),
        (total.slowed, "was ever far behind"),
        (total.truncated, "was cut short"),
        (total.faults, "broke what carried it"),
        (total.posts, "posted over HTTP"),
        (total.reads, "read a room over HTTP"),
    ] {
        assert!(count > 0 || seeds < 100, "nobody {what}");
    }
    assert!(total.takeovers > 0 || seeds < 100, "nobody ever came back");
    assert!(total.gaps > 0 || seeds < 100, "the loop never stood still");
}

/// Runs the seeds below this one, until one fails.
fn run_all(seeds: u64) -> (Report, Option<(u64, String)>) {
    let next = AtomicU64::new(0);
    let failed = Mutex::new(None);
    let total = Mutex::new(Report::default());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let watch = Watch::new();
                while failed.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    watch.at(seed);
                    match one(seed, Trace::Off).0 {
                        Ok(report) => total.lock().unwrap().add(report),
                        Err(fault) => *failed.lock().unwrap() = Some((seed, fault)),
                    }
                }
            });
        }
    });
    (total.into_inner().unwrap(), failed.into_inner().unwrap())
}

/// Looks after a thread: a turn that never comes back from a call would hang the tests without a
/// word. Ends with its thread.
struct Watch(mpsc::Sender<u64>);

impl Watch {
    fn new() -> Watch {
        let (sender, seeds) = mpsc::channel::<u64>();
        thread::spawn(move || {
            let mut seed = None;
            loop {
                match seeds.recv_timeout(SEED_TIMEOUT) {
                    Ok(next) => seed = Some(next),
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {
                        if let Some(seed) = seed {
                            eprintln!("seed {seed}: it hangs\n{}", replay(seed));
                            std::process::exit(101);
                        }
                    }
                }
            }
        });
        Watch(sender)
    }

    fn at(&self, seed: u64) {
        self.0.send(seed).unwrap();
    }
}

fn replay(seed: u64) -> String {
    format!("TEST_SIMULATION_SEED={seed} cargo test --test engine simulation -- --nocapture")
}

/// Runs one seed; what went wrong, be it a panic of the engine, and the end of the story.
fn one(seed: u64, trace: Trace) -> (Result<Report, String>, String) {
    let mut simulation = Simulation::new(seed, trace);
    let outcome = catch_unwind(AssertUnwindSafe(|| simulation.run()));
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(panic) => Err(panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic".into())),
    };
    let story = match simulation.trace {
        Trace::Tail(lines) => Vec::from(lines).join("\n"),
        _ => String::new(),
    };
    (outcome.map(|()| simulation.report), story)
}

impl Simulation {
    fn run_to_end(mut self) -> Report {
        if let Err(fault) = self.run() {
            panic!("{fault}");
        }
        self.report
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {value}")),
    )
}
