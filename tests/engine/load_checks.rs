//! The load generator's own checks: a figure is worth nothing if a lost, repeated, changed or
//! reordered line goes unnoticed. Not a measurement, and no server: bytes over a loopback pair.

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};

use door::Door;
use fault::Fault;
use frame::{Contender, Frames};
use intake::Intake;
use member::Member;
use options::Check;
use parser::Parser;
use progress::RoomProgress;
use stream::Stream;

#[path = "../../benches/load/door.rs"]
#[allow(dead_code)]
mod door;
#[path = "../../benches/load/fault.rs"]
#[allow(dead_code)]
mod fault;
#[path = "../../benches/load/frame.rs"]
#[allow(dead_code)]
mod frame;
#[path = "../../benches/load/intake.rs"]
#[allow(dead_code)]
mod intake;
#[path = "../../benches/load/member.rs"]
#[allow(dead_code)]
mod member;
#[path = "../../benches/load/options.rs"]
#[allow(dead_code)]
mod options;
#[path = "../../benches/load/parser.rs"]
#[allow(dead_code)]
mod parser;
#[path = "../../benches/load/program.rs"]
#[allow(dead_code)]
mod program;
#[path = "../../benches/load/progress.rs"]
#[allow(dead_code)]
mod progress;
#[path = "../../benches/load/record.rs"]
#[allow(dead_code)]
mod record;
#[path = "../../benches/load/sieve.rs"]
#[allow(dead_code)]
mod sieve;
#[path = "../../benches/load/stream.rs"]
#[allow(dead_code)]
mod stream;
#[path = "../../benches/load/tls.rs"]
#[allow(dead_code)]
mod tls;

const SENDERS: u32 = 3;
const LINES: u64 = 2000;

/// What a room of three senders gives, each line on its own.
fn lines(frames: &Frames) -> Vec<Vec<u8>> {
    let both = (0..LINES).flat_map(|line| (0..SENDERS).map(move |sender| (sender, line)));
    let written = both.map(|(sender, line)| {
        let mut bytes = Vec::new();
        frames.put_received(sender, line, &mut bytes);
        bytes
    });
    written.collect()
}

fn frames(contender: Contender) -> Frames {
    Frames::new((contender, Door::Text), 64, SENDERS as usize, 1)
}

/// The ways in which a stream may be wrong, each done to line 1234.
fn damaged(lines: &[Vec<u8>]) -> [(&'static str, Vec<Vec<u8>>); 4] {
    let change = |how: fn(&mut Vec<Vec<u8>>)| {
        let mut lines = lines.to_vec();
        how(&mut lines);
        lines
    };
    [
        ("lost", change(|lines| drop(lines.remove(1234)))),
        (
            "repeated",
            change(|lines| lines.insert(1234, lines[1234].clone())),
        ),
        ("changed", change(|lines| lines[1234][40] ^= 1)),
        ("reordered", change(|lines| lines.swap(1234, 1235))),
    ]
}

#[test]
fn a_followed_receiver_accepts_the_due_lines_at_any_split_and_nothing_else() {
    for contender in [Contender::Chatd, Contender::Redis] {
        let frames = frames(contender);
        let good = lines(&frames);
        for size in [1, 7, 71, 72, 73, 4096, 1 << 20] {
            let mut parser = Parser::new(&frames, 0, SENDERS as usize);
            let mut seen = 0;
            for bytes in good.concat().chunks(size) {
                parser.feed(bytes, |_| seen += 1).unwrap();
            }
            assert_eq!(seen, LINES * u64::from(SENDERS), "in pieces of {size}");
        }
        for (what, bad) in damaged(&good) {
            // Two senders' lines in another order are a legal order, to this receiver alone.
            let mut parser = Parser::new(&frames, 0, SENDERS as usize);
            let result = parser.feed(&bad.concat(), |_| {});
            let is_legal_order = what == "reordered";
            assert_eq!(result.is_ok(), is_legal_order, "{contender:?}: {what}");
        }
    }
}

#[test]
fn news_of_the_room_is_no_line_and_a_refusal_is_a_fault() {
    let frames = frames(Contender::Chatd);
    let mut parser = Parser::new(&frames, 0, SENDERS as usize);
    let news = b"* c1 left (9 here): too slow\n* 37 joined, 12 left (8412 here)\n";
    parser.feed(news, |_| panic!("news is no line")).unwrap();
    assert_eq!(parser.departed(), 13);
    let refusal = parser.feed(b"! too-slow you did not read\n", |_| {});
    assert!(matches!(refusal, Err(Fault::Refused { .. })), "{refusal:?}");
}

#[test]
fn a_receiver_that_is_only_compared_shows_every_difference() {
    let frames = frames(Contender::Chatd);
    let good = lines(&frames);
    for (what, bad) in damaged(&good) {
        let room = RoomProgress::new(&[true], 1 << 20);
        receive(0, &good.concat(), &room).unwrap();
        let again = receive(1, &good.concat(), &room);
        assert!(again.is_ok(), "the same stream: {again:?}");
        let result = receive(2, &bad.concat(), &room);
        assert!(
            matches!(result, Err(Fault::Differs { .. })),
            "{what}: {result:?}"
        );
    }
}

/// One receiver that gets exactly these bytes.
fn receive(number: u32, bytes: &[u8], room: &RoomProgress) -> Result<(), Fault> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (client, _) = listener.accept().unwrap();
    let mut member = receiver(client, number);
    let mut buffer = vec![0; 100_000];
    let mut sent = 0;
    for piece in bytes.chunks(50_000) {
        server.write_all(piece).unwrap();
        sent += piece.len() as u64;
        while member.intake.position() < sent {
            member.read(&mut buffer, room, |_| {})?;
        }
    }
    member.intake.compare_tail(room)
}

fn receiver(socket: TcpStream, number: u32) -> Member {
    Member {
        stream: Stream::new(socket, number, false).unwrap(),
        intake: Intake::new(number, Check::Hash, None, None),
    }
}

#[test]
fn the_end_of_a_connection_is_a_fault() {
    let room = RoomProgress::new(&[true], 1 << 20);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (client, _) = listener.accept().unwrap();
    let mut member = receiver(client, 0);
    drop(server);
    let result = member.read(&mut [0; 10], &room, |_| {});
    assert!(matches!(result, Err(Fault::Refused { .. })), "{result:?}");
    let nothing = std::io::Error::from(ErrorKind::WouldBlock);
    assert!(member::is_transient(&nothing));
}
