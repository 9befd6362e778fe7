//! What a client keeps and what it says at its end: its memory against a server that sends names
//! and histories without an end (F59), the count of what was not delivered when it is told to go,
//! and what is on the way too long or called amiss.

use serde_json::{Value, json};

use crate::client_support::{Client, FakeServer};
use crate::common::{self, Daemon};
use crate::terminal_support::{Sitting, seat};
use rustix::process::{Pid, Signal, kill_process};

const PEAK_BYTES_MAX: usize = 64 << 20;
/// Near the longest line that a client takes.
const LONG: usize = 900_000;

/// One thing that a hostile server can say again and again, each time with other words.
type Hostile = fn(usize) -> Value;

/// What it is, how often it is said, and the line.
const HOSTILE: [(&str, usize, Hostile); 8] = [
    (
        "joined",
        100,
        |n| json!({"is": "joined", "room": "lobby", "name": long(n), "here": 3}),
    ),
    (
        "said",
        100,
        |n| json!({"is": "said", "room": "lobby", "id": n.to_string(), "from": long(n), "text": "x"}),
    ),
    (
        "renamed",
        100,
        |n| json!({"is": "renamed", "room": "lobby", "from": "ann", "to": long(n)}),
    ),
    (
        "welcome",
        100,
        |n| json!({"is": "welcome", "name": long(n), "resume": long(n)}),
    ),
    (
        "motd",
        20,
        |_| json!({"is": "welcome", "name": "ann", "motd": "m\n".repeat(LONG / 3)}),
    ),
    ("entered", 5, |n| {
        let names = vec!["n".repeat(20); LONG / 23];
        json!({"is": "entered", "room": "lobby", "here": n, "names": names, "last": "0-0"})
    }),
    ("history", 5, |n| {
        let text = "h".repeat(LONG);
        json!({"is": "said", "past": true, "room": "lobby", "id": n.to_string(), "from": "ben",
            "text": text})
    }),
    ("rooms", 5, |n| {
        let rooms = vec![json!({"room": "", "here": 0}); LONG / 22];
        json!({"is": "rooms", "ref": (n + 1).to_string(), "rooms": rooms})
    }),
];

fn long(number: usize) -> String {
    format!("{number}{}", "n".repeat(LONG))
}

/// The highest memory of a client while the server says this; it may end the conversation.
fn peak_bytes(client: u32, server: &FakeServer, times: usize, says: Hostile) -> usize {
    let mut peer = server.accept_and_greet("ann");
    let mut peak = 0;
    for number in 0..times {
        peer.says_line(&says(number));
        let status = std::fs::read_to_string(format!("/proc/{client}/status"));
        // One that has ended is seen as one without memory.
        if !status.is_ok_and(|status| status.contains("VmHWM:")) {
            break;
        }
        peak = common::process::memory_peak_bytes(client);
    }
    peak
}

#[test]
fn f59_a_hostile_server_costs_a_pipe_no_memory() {
    for (what, times, says) in HOSTILE {
        let server = FakeServer::new();
        let address = server.address().to_string();
        let client = Client::start(&[&address, "ann", "--commands"]);
        let peak = peak_bytes(client.id(), &server, times, says);
        eprintln!("{what}: {} MiB", peak >> 20);
        assert!(peak < PEAK_BYTES_MAX, "{what}: {} MiB", peak >> 20);
    }
}

#[test]
fn f59_a_hostile_server_costs_a_seat_no_memory() {
    for (what, times, says) in HOSTILE {
        let server = FakeServer::new();
        let sitting = Sitting::start(seat(server.address(), &[]));
        let id = sitting.pid().as_raw_nonzero().get().cast_unsigned();
        let peak = peak_bytes(id, &server, times, says);
        eprintln!("{what}: {} MiB", peak >> 20);
        assert!(peak < PEAK_BYTES_MAX, "{what}: {} MiB", peak >> 20);
    }
}

fn tell(client: &Client, signal: Signal) {
    let id = Pid::from_raw(client.id().try_into().unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

#[test]
fn a_poster_told_to_go_before_its_line_is_placed_has_failed_and_says_so() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = FakeServer::new();
        let address = server.address().to_string();
        let client = Client::start(&[&address, "ann", "--send", "backup done"]);
        let mut peer = server.accept_poster();
        peer.hears("post ann: backup done");
        tell(&client, signal);
        peer.sees_off();
        let ended = client.wait();
        ended.assert_one_line(1, "1 line perhaps not delivered");
    }
}

#[test]
fn a_pipe_told_to_go_counts_every_line_that_it_has_read() {
    const LINES: usize = 200;
    let server = FakeServer::new();
    let address = server.address().to_string();
    let mut client = Client::start(&[&address, "ann"]);
    let mut peer = server.accept_and_greet("ann");
    client.shows("welcome");
    let lines: Vec<String> = (0..LINES)
        .map(|number| format!("line {number}\n"))
        .collect();
    client.types(&lines.concat());
    // Of the first two one is answered, and one is heard in the room: both are placed.
    peer.returns("ann", "line 0");
    peer.hears("line 1");
    peer.says("<ann> line 1\n<ben> heard");
    client.shows("<ben> heard");
    tell(&client, Signal::TERM);
    while peer.next_line().is_some_and(|line| line != "/quit") {}
    drop(peer);
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let wanted = format!("chat-client: {} lines perhaps not delivered\n", LINES - 2);
    assert_eq!(ended.errors, wanted);
}

#[test]
fn a_pipe_told_to_go_when_all_is_said_has_done_its_work() {
    let server = FakeServer::new();
    let address = server.address().to_string();
    let mut client = Client::start(&[&address, "ann"]);
    let mut peer = server.accept_and_greet("ann");
    client.types("hello\n");
    peer.returns("ann", "hello");
    peer.says("<ben> heard");
    client.shows("<ben> heard");
    tell(&client, Signal::TERM);
    peer.sees_off();
    client.wait().assert_left();
}

#[test]
fn invalid_bytes_make_no_line_too_long() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    let address = chatd.address().to_string();
    let mut client = Client::start(&[&address, "ann"]);
    ben.expect_line("* ann joined (2 here)");
    let mut input = client.take_input();
    let bytes = [b"x".as_slice(), &[0xff; 2000], b"y\n"].concat();
    std::io::Write::write_all(&mut input, &bytes).unwrap();
    ben.expect_line("<ann> x\u{fffd}y");
    drop(input);
    client.wait().assert_left();
}

#[test]
fn blanks_around_a_room_are_no_part_of_it_and_a_look_alike_is_called_one() {
    let chatd = Daemon::start(&[]);
    let _ben = chatd.join("ben");
    let address = chatd.address().to_string();
    for room in ["lobby ", " Lobby", "\u{3000}#lobby\t"] {
        let mut client = Client::start(&[&address, " ann ", "--room", room]);
        client.shows("* welcome to lobby, ann (2 here: ann, ben)");
        client.ends_input();
        client.wait().assert_left();
    }
    let wanted = "Iobby looks like a room that is here; choose another name for it (name-in-use)";
    for more in [&["--send", "hello"][..], &[]] {
        let arguments = [&[&address, "ann", "--room", "Iobby"], more].concat();
        let mut client = Client::start(&arguments);
        client.ends_input();
        client.wait().assert_one_line(77, wanted);
    }
}

#[test]
fn pages_of_the_past_are_shown() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    (0..30).for_each(|number| ben.say(&format!("line {number}")));
    ben.expect_silence_until_pong();
    let address = chatd.address().to_string();
    let mut client = Client::start(&[&address, "ann", "--commands"]);
    client.types("/history 2\n");
    client.shows("= <ben> line 28\n= <ben> line 29\n= end\n");
    client.ends_input();
    client.wait().assert_left();
}
