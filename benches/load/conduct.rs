//! The one who measures: meets the threads between the phases of a run, reads the counters and
//! /proc, says when it is over. It touches no connection.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::frame::Frames;
use crate::machine::{CpuTime, Process};
use crate::member::Pace;
use crate::progress::Shared;
use crate::run::{Outcome, Workload};
use crate::worker::new_times;

/// How often the one who measures looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// How long a single line may take to reach all.
const REACH_TIMEOUT: Duration = Duration::from_secs(30);
/// A run that is measured for longer says how it goes.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Counters at one moment.
struct Sample {
    at: Instant,
    received: u64,
    server: Option<CpuTime>,
    own: CpuTime,
}

/// What lies between two moments; times in seconds.
struct Spent {
    seconds: f64,
    bytes: f64,
    server_used: f64,
    server_waited: f64,
    own_used: f64,
}

/// Measures one run while its threads make it.
pub(crate) fn conduct(
    workload: &Workload,
    server: Option<Process>,
    frames: &Frames,
    shared: &Shared,
) -> Outcome {
    let resident = || server.map_or(f64::NAN, |process| process.resident() as f64);
    let resident_before = resident();
    let opening = Instant::now();
    shared.meeting.wait();
    let opened_in = opening.elapsed();
    shared.meeting.wait();
    let resident_joined = resident();
    let before_idle = Sample::take(server, shared);
    if !workload.idle.is_zero() && !shared.has_failed() {
        thread::sleep(workload.idle);
    }
    let idle = before_idle.until(&Sample::take(server, shared));
    // Nobody else sets it: the threads read it only behind the next meeting.
    let start = *shared.start.get_or_init(Instant::now);
    shared.meeting.wait();
    let mut outcome = match workload.pace {
        Pace::Few { lines } => await_lines(shared, start, lines),
        _ if workload.stalled > 0 => await_cuts(workload, shared, start, server),
        _ => measure(workload, server, frames, shared),
    };
    shared.stopping.store(true, Ordering::Relaxed);
    shared.meeting.wait();
    let connections = workload.connections as f64;
    outcome.joins_per_second = connections / opened_in.as_secs_f64();
    outcome.resident_per_connection = (resident_joined - resident_before) / connections;
    outcome.growth_bytes -= resident_joined;
    outcome.idle_busy = idle.server_used / idle.seconds;
    outcome
}

/// The steady state: rates between two samples.
fn measure(
    workload: &Workload,
    server: Option<Process>,
    frames: &Frames,
    shared: &Shared,
) -> Outcome {
    wait(workload.warmup, shared, || false);
    let first = Sample::take(server, shared);
    let mut told = first.at;
    wait(workload.measured, shared, || {
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            let seconds = first.at.elapsed().as_secs();
            let bytes = (shared.received() - first.received) as f64;
            let lines = bytes / shared.line_bytes(frames.received_bytes());
            eprintln!("load:   {seconds} s, {lines:.0} lines received");
        }
        false
    });
    let spent = first.until(&Sample::take(server, shared));
    let lines = spent.bytes / shared.line_bytes(frames.received_bytes());
    Outcome {
        deliveries_per_second: lines / spent.seconds,
        bytes_per_second: spent.bytes / spent.seconds,
        server_busy: spent.server_used / spent.seconds,
        core_taken: spent.server_waited / spent.seconds,
        cpu_per_delivery: spent.server_used * 1e9 / lines,
        cpu_per_byte: spent.server_used * 1e9 / spent.bytes,
        generator_cores: spent.own_used / spent.seconds,
        ..nothing()
    }
}

/// A few lines, each of which must reach all before the next is sent.
fn await_lines(shared: &Shared, start: Instant, lines: u64) -> Outcome {
    let everywhere = || shared.followed.everywhere.load(Ordering::Relaxed);
    while everywhere() < lines && start.elapsed() < REACH_TIMEOUT && !shared.has_failed() {
        thread::sleep(Duration::from_micros(200));
    }
    Outcome {
        reach_seconds: start.elapsed().as_secs_f64() / lines as f64,
        ..nothing()
    }
}

/// A busy room with readers that have stopped: until the last of them is gone.
fn await_cuts(
    workload: &Workload,
    shared: &Shared,
    start: Instant,
    server: Option<Process>,
) -> Outcome {
    let mut peak = f64::NAN;
    let mut cut_seconds = f64::NAN;
    wait(workload.measured, shared, || {
        let resident = server.map_or(f64::NAN, |process| process.resident() as f64);
        peak = peak.max(resident);
        let all_cut = shared.departed.load(Ordering::Relaxed) >= workload.stalled as u64;
        if all_cut {
            cut_seconds = start.elapsed().as_secs_f64();
        }
        all_cut
    });
    Outcome {
        growth_bytes: peak,
        cut_seconds,
        ..nothing()
    }
}

/// Waits this long, or until `look` says that it is over, or a thread has a fault.
fn wait(time: Duration, shared: &Shared, mut look: impl FnMut() -> bool) {
    let end = Instant::now() + time;
    while !shared.has_failed() && !look() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(LOOK_INTERVAL));
    }
}

impl Sample {
    fn take(server: Option<Process>, shared: &Shared) -> Sample {
        let own = Process {
            id: std::process::id(),
        };
        Sample {
            at: Instant::now(),
            received: shared.received(),
            server: server.map(|process| process.cpu()),
            own: own.cpu(),
        }
    }

    fn until(&self, later: &Sample) -> Spent {
        let seconds = |earlier: Duration, later: Duration| {
            let passed = later.saturating_sub(earlier);
            passed.as_secs_f64()
        };
        let server = self.server.zip(later.server);
        Spent {
            seconds: later.at.duration_since(self.at).as_secs_f64(),
            bytes: (later.received - self.received) as f64,
            server_used: server.map_or(f64::NAN, |(a, b)| seconds(a.used, b.used)),
            server_waited: server.map_or(f64::NAN, |(a, b)| seconds(a.waited, b.waited)),
            own_used: seconds(self.own.used, later.own.used),
        }
    }
}

/// Nothing was measured.
pub(crate) fn nothing() -> Outcome {
    Outcome {
        deliveries_per_second: f64::NAN,
        bytes_per_second: f64::NAN,
        server_busy: f64::NAN,
        core_taken: f64::NAN,
        cpu_per_delivery: f64::NAN,
        cpu_per_byte: f64::NAN,
        generator_cores: f64::NAN,
        times: new_times(),
        joins_per_second: f64::NAN,
        joining_bytes: 0.0,
        resident_per_connection: f64::NAN,
        idle_busy: f64::NAN,
        reach_seconds: f64::NAN,
        growth_bytes: f64::NAN,
        handshakes_per_second: f64::NAN,
        cpu_per_handshake: f64::NAN,
        cut_seconds: f64::NAN,
        told: 0.0,
    }
}
