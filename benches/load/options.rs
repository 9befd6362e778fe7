//! What the load generator can be told on its command line, and what each mode
//! takes where it was told nothing. Not the modes themselves (that is `modes`).
//! Owned by `main`, read by everybody.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use super::door::Door;
use super::frame::TEXT_BYTES_MIN;

/// Of a run's 30 s without a ping, the rest is for joining and for the last lines.
const PINGLESS_SECONDS: f64 = 20.0;

/// Measures a chat server from outside: `cargo bench --bench load -- FLAGS`.
///
/// Without --target it starts the chatd of this package, and beside it the raw
/// ceiling (a bare loop of sends) and a redis-server, all pinned to one core,
/// and keeps to the other cores itself. A run that lost, repeated, changed or reordered
/// a line has no figures: it fails.
#[derive(Debug, Clone, Parser)]
#[command(name = "load", verbatim_doc_comment)]
pub(crate) struct Options {
    /// What to measure.
    #[arg(long, value_enum, default_value = "throughput")]
    pub(crate) mode: Mode,
    /// A chatd that runs already. Start it with --rate 0, pinned to --server-cpu.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) target: Option<SocketAddr>,
    /// The process of --target, for its CPU time and memory; without it they are not shown.
    #[arg(long, value_name = "PID")]
    pub(crate) target_pid: Option<u32>,
    /// Another chatd binary to start instead of this package's.
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,
    /// Through which doors chatd is spoken to, in turns [throughput, latency, connect, idle, stalled].
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "text",
        value_name = "LIST"
    )]
    pub(crate) door: Vec<Door>,
    /// An older chatd to hold against, in turns, through the first door [throughput].
    #[arg(long, value_name = "FILE")]
    pub(crate) before: Option<PathBuf>,
    /// One more argument for the chatd that is started; may be repeated.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) server_arg: Vec<String>,
    /// What else is measured in the same run, in turns with chatd.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "raw,redis",
        value_name = "LIST"
    )]
    pub(crate) against: Vec<Rival>,
    /// Receiving connections; several sizes may be given [throughput, languages and raw: 500; latency: 200;
    /// rooms: 1000; connect: 2500,5000,10000,19500; idle and doorstep: 10000; stalled: 100;
    /// handshakes: 100 at a time].
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub(crate) connections: Vec<usize>,
    /// Connections that send, in each room.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) senders: usize,
    /// Bytes of a message's text, without name and line ending [64; stalled: 1024].
    #[arg(long, value_name = "BYTES")]
    pub(crate) text_bytes: Option<usize>,
    /// Lines a sender may have under way. A line is under way until every receiver has it.
    #[arg(long, default_value_t = 256, value_name = "LINES")]
    pub(crate) in_flight: usize,
    /// Rooms, in the rooms mode.
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) rooms: usize,
    /// Messages a second, in the latency mode.
    #[arg(long, default_value_t = 500, value_name = "N")]
    pub(crate) rate: u64,
    /// Connections that never read, in the stalled mode.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) stalled: usize,
    /// Seconds before the measuring starts.
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    pub(crate) warmup: f64,
    /// Seconds that are measured; in the stalled mode the most it waits for the cuts
    /// [5; stalled: 60].
    #[arg(long, value_name = "S")]
    pub(crate) seconds: Option<f64>,
    /// How often each figure is taken; the table shows median (least–most).
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) runs: usize,
    /// Threads that send and receive [one for each core but the server's].
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Pause of a thread that found all its sockets empty. Nobody sleeps on a socket, so the
    /// server never pays for waking a receiver's core; 0 spins [100; latency: 20].
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) poll_us: Option<u64>,
    /// What is checked of every received byte.
    #[arg(long, value_enum, default_value = "hash")]
    pub(crate) check: Check,
    /// The core of the server under test; the generator keeps to the others.
    #[arg(long, default_value_t = 0, value_name = "CPU")]
    pub(crate) server_cpu: usize,
    /// Bytes of one send of the raw ceiling.
    #[arg(long, default_value_t = 64 << 10, value_name = "BYTES")]
    pub(crate) raw_send_bytes: usize,
    /// For machines: one JSON document on standard output instead of the table.
    #[arg(long)]
    pub(crate) json: bool,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    /// The role of a child of this program: the raw ceiling.
    #[arg(long, hide = true, value_enum)]
    pub(crate) raw_server: Option<RawRole>,
}

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Deliveries a second with a bounded window of lines under way.
    Throughput,
    /// Delivery time at a fixed rate, one message at a time, from when each was due.
    Latency,
    /// Many clients join one room at once: joins a second, memory, bytes.
    Connect,
    /// Memory and CPU of connections that have joined and are silent.
    Idle,
    /// Many small rooms, all talking, against one such room alone.
    Rooms,
    /// Readers that stop while their room is busy: growth until they are cut.
    Stalled,
    /// A room of people, one of programs, and one of both, as many in each.
    Languages,
    /// Memory of connections that were opened and have not come in.
    Doorstep,
    /// Handshakes of TLS a second, against rustls alone; and a quiet talk in a flood of them.
    Handshakes,
    /// The raw ceiling alone: a bare loop of 64 KiB sends.
    Raw,
    /// Everything that has a target.
    All,
}

/// Whom chatd is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rival {
    /// The bare loop of sends.
    Raw,
    /// redis-server's publish and subscribe, where it is installed.
    Redis,
    /// Nobody.
    None,
}

/// How closely received bytes are looked at. One receiver a thread and room is always parsed
/// line by line, and every connection must end at the same byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Check {
    /// Every line of every connection is compared with what it must be.
    Full,
    /// The CRC-32 of every 64 KiB of every connection must equal that of the parsed one.
    Hash,
    /// Line endings are counted.
    Count,
}

/// What the raw ceiling does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RawRole {
    /// Sends 64 KiB to each socket in turn, without end.
    Blast,
    /// Sends each line it receives to every socket, one send each.
    Relay,
    /// Seals and sends 64 KiB to each socket in turn, without end.
    Sealed,
    /// The same, as rustls does it.
    Rustls,
}

impl Options {
    /// The sizes asked for, or the mode's own.
    pub(crate) fn connections_or(&self, own: &[usize]) -> Vec<usize> {
        if self.connections.is_empty() {
            own.to_vec()
        } else {
            self.connections.clone()
        }
    }

    /// The measured time asked for, or the mode's own, in seconds.
    pub(crate) fn measured_or(&self, own: f64) -> Duration {
        Duration::from_secs_f64(self.seconds.unwrap_or(own))
    }

    /// The pause asked for, or the mode's own, in microseconds.
    pub(crate) fn poll_or(&self, own: u64) -> Duration {
        Duration::from_micros(self.poll_us.unwrap_or(own))
    }

    /// What is wrong with the numbers, if something is.
    pub(crate) fn fault(&self) -> Option<String> {
        let text = self.text_bytes.unwrap_or(TEXT_BYTES_MIN);
        let sizes = || self.connections.iter();
        let zeros = [self.senders, self.in_flight, self.rooms, self.runs];
        if text < TEXT_BYTES_MIN {
            Some(format!("--text-bytes must be at least {TEXT_BYTES_MIN}"))
        } else if zeros.contains(&0) || sizes().any(|&size| size == 0) {
            Some("nothing can be measured with none of something".into())
        } else if self.door.iter().any(|door| door.is_framed()) && self.is_pinged() {
            Some(
                "over a WebSocket a run must end before the server's first ping, after 30 s".into(),
            )
        } else if self.mode == Mode::Rooms && sizes().any(|&size| size < self.rooms) {
            Some("--connections must be at least --rooms".into())
        } else {
            None
        }
    }

    /// Whether a run takes so long that a WebSocket would be pinged: a run does not expect that.
    fn is_pinged(&self) -> bool {
        self.warmup + self.seconds.unwrap_or_default() > PINGLESS_SECONDS
    }

    /// Whether this rival was asked for.
    pub(crate) fn has(&self, rival: Rival) -> bool {
        self.against.contains(&rival)
    }
}
