//! What it costs to tell many what few say: the turn of the server with sockets that are memory,
//! and the whole server over loopback. Throughput is in deliveries and in bytes of them.
//! Not latency, and not many clients that all talk: see `load`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "it measures"
)]
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/common/in_memory.rs"]
mod in_memory;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use chatd::config::Limits;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};

use in_memory::{InMemory, Language};

const LINE: &[u8; 64] = b"a line of sixty-four bytes, as people write them when they talk\n";
const LINES_IN_TURN: usize = 30;
const LINES_THROUGH_SERVER: usize = 1000;
/// Between two turns.
const MOMENT: Duration = Duration::from_micros(1);

fn one_sender(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine, 1 sender of 30 lines");
    for members in [10, 100, 1000, 10_000] {
        let input = [(0, LINE.repeat(LINES_IN_TURN))];
        bench_turn(&mut group, members, room(members, text), &input);
    }
    group.finish();
}

fn many_senders(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine, 30 lines of up to 30 senders");
    for members in [10, 100, 1000, 10_000] {
        let senders = members.min(LINES_IN_TURN as u32);
        let said = LINE.repeat(LINES_IN_TURN / senders as usize);
        let input: Vec<_> = (0..senders).map(|slot| (slot, said.clone())).collect();
        bench_turn(&mut group, members, room(members, text), &input);
    }
    group.finish();
}

/// Members of one language against as many of both. In each room 30 people or programs say a line,
/// as many of each as there are among the members.
fn languages(criterion: &mut Criterion) {
    let text_line = std::str::from_utf8(LINE).unwrap().trim_end();
    for (name, language) in [
        ("text", text as fn(u32) -> _),
        ("json", json),
        ("both", both),
    ] {
        let title = format!("engine, 30 senders of 1 line, {name}");
        let mut group = criterion.benchmark_group(title);
        for members in [100, 1000, 10_000] {
            let senders = 0..LINES_IN_TURN as u32;
            let input: Vec<_> = senders
                .map(|slot| (slot, language(slot).line(text_line)))
                .collect();
            bench_turn(&mut group, members, room(members, language), &input);
        }
        group.finish();
    }
}

fn many_rooms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine, 100 rooms of 10, 1 line in each");
    let mut server = room(1000, text);
    for slot in 0..1000 {
        let join = format!("/join room{}\n", slot / 10);
        server.pass(MOMENT, &[(slot, join)]);
    }
    server.settle();
    let input: Vec<_> = (0..100).map(|room| (room * 10, LINE.to_vec())).collect();
    bench_turn(&mut group, 1000, server, &input);
    group.finish();
}

fn bench_turn(
    group: &mut BenchmarkGroup<'_, WallTime>,
    members: u32,
    mut server: InMemory,
    input: &[(u32, Vec<u8>)],
) {
    let before = server.statistics().deliveries_out;
    let bytes = server.pass(MOMENT, input);
    let elements = server.statistics().deliveries_out - before;
    assert!(
        elements > 0 && bytes > elements,
        "somebody is told something"
    );
    group.throughput(Throughput::ElementsAndBytes { elements, bytes });
    group.bench_function(BenchmarkId::from_parameter(members), |bencher| {
        bencher.iter(|| assert!(server.pass(MOMENT, input) >= bytes));
    });
}

fn text(_: u32) -> Language {
    Language::Text
}

fn json(_: u32) -> Language {
    Language::Json
}

fn both(slot: u32) -> Language {
    if slot.is_multiple_of(2) {
        Language::Text
    } else {
        Language::Json
    }
}

/// A lobby without rate and history.
fn room(members: u32, language: fn(u32) -> Language) -> InMemory {
    let mut server = InMemory::new(Limits {
        rate_lines_per_second: 0,
        history_lines_max: 0,
        ..Limits::default()
    });
    server.enter(members, language);
    server
}

fn whole_server(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("server, 1 sender of 1000 lines");
    group.sample_size(20);
    for sockets in [100, 500] {
        let daemon = Daemon::start();
        let (mut sender, mut readers) = daemon.join_all(sockets);
        let message = [b"<sender> ", &LINE[..]].concat();
        let elements = (LINES_THROUGH_SERVER * readers.len()) as u64;
        group.throughput(Throughput::ElementsAndBytes {
            elements,
            bytes: elements * message.len() as u64,
        });
        let mut round = 0;
        group.bench_function(BenchmarkId::from_parameter(sockets), |bencher| {
            bencher.iter_custom(|rounds| {
                let start = Instant::now();
                for _ in 0..rounds {
                    round += 1;
                    tell_all(&mut sender, &mut readers, round);
                }
                start.elapsed()
            });
        });
    }
    group.finish();
}

/// The sender says much, and everybody reads it to the end. One after the other: what the later
/// ones are told waits in their sockets, so that the clients take little time of the machine.
fn tell_all(sender: &mut TcpStream, readers: &mut [TcpStream], round: usize) {
    let end = format!("end {round}\n").into_bytes();
    let said = [LINE.repeat(LINES_THROUGH_SERVER - 1), end.clone()].concat();
    sender.write_all(&said).unwrap();
    let mut buffer = vec![0; 64 << 10];
    for reader in readers {
        read_to(reader, &end, &mut buffer);
    }
}

/// Reads until what came last is `end`, which may come in two parts.
fn read_to(stream: &mut TcpStream, end: &[u8], buffer: &mut [u8]) {
    let mut kept = 0;
    loop {
        let count = stream.read(&mut buffer[kept..]).unwrap();
        assert!(count > 0, "the server closed a connection");
        let filled = kept + count;
        if buffer[..filled].ends_with(end) {
            return;
        }
        kept = filled.min(end.len());
        buffer.copy_within(filled - kept..filled, 0);
    }
}

/// A server of its own, which ends with this value.
struct Daemon {
    child: Child,
    address: SocketAddr,
    /// Held open: a server that cannot log is another server.
    _log: BufReader<ChildStderr>,
}

impl Daemon {
    fn start() -> Daemon {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chatd"))
            .args(["--listen", "127.0.0.1:0", "--rate", "0", "--history", "0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "the server ended");
            if let Some((_, address)) = line.trim_end().split_once("listening on ") {
                break address.parse().unwrap();
            }
        };
        Daemon {
            child,
            address,
            _log: log,
        }
    }

    /// A sender and readers that have all joined and heard of each other.
    fn join_all(&self, sockets: usize) -> (TcpStream, Vec<TcpStream>) {
        let join = |name: String| {
            let mut stream = TcpStream::connect(self.address).unwrap();
            let patience = Some(Duration::from_secs(20));
            stream.set_read_timeout(patience).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(format!("{name}\n").as_bytes()).unwrap();
            stream
        };
        let mut sender = join("sender".into());
        let mut readers: Vec<_> = (1..sockets).map(|n| join(format!("reader{n}"))).collect();
        let mut buffer = vec![0; 64 << 10];
        let all_here = format!("({sockets} here)\n");
        read_to(&mut sender, all_here.as_bytes(), &mut buffer);
        tell_all(&mut sender, &mut readers, 0);
        (sender, readers)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already, which the benchmark has then said.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = one_sender, many_senders, languages, many_rooms, whole_server
}
criterion_main!(benches);
