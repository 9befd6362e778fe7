//! The last word, over real sockets: who sleeps reads everything or why not; who closes at once has
//! said all it sent; what an attack needed is given back.

use std::fs;
use std::time::Instant;

use crate::common::process::{allow_no_more_files, memory_bytes};
use crate::common::{Client, Daemon, PATIENCE};

/// What is said while somebody sleeps fits into what the kernel keeps for it: no queue of the
/// server's grows, and the kernel alone would end it without a word.
#[test]
fn f88_who_sleeps_reads_every_line_and_then_why_it_was_cut() {
    let chatd = Daemon::start(&["--rate", "0", "--stall-timeout", "2"]);
    let mut ann = chatd.join("ann");
    let mut sleeper = Client::connect_narrow(chatd.address());
    sleeper.say("sleeper");
    sleeper.expect_welcome();
    ann.expect_line("* sleeper joined (2 here)");
    for number in 0..60 {
        ann.say(&format!("{number} {}", "x".repeat(1000)));
    }
    ann.expect_line("* sleeper left (1 here): too slow");
    for number in 0..60 {
        sleeper.expect_prefix(&format!("<ann> {number} "));
    }
    sleeper.expect_refusal("too-slow");
    sleeper.expect_closed();
}

/// Linux resets a socket that no process holds when the machine is short of memory for TCP, and what
/// it has not sent is lost (seen in an hour's soak: 4 of 60 lines, then ECONNRESET). So the server
/// holds it, although it has done with the session, until everything was taken.
#[test]
fn f88_the_socket_of_who_was_cut_is_held_until_it_has_read_why() {
    let chatd = Daemon::start(&["--rate", "0", "--stall-timeout", "1"]);
    let mut ann = chatd.join("ann");
    let mut sleeper = cut_sleeper(&chatd, &mut ann);
    for number in 0..60 {
        sleeper.expect_prefix(&format!("<ann> {number} "));
    }
    sleeper.expect_refusal("too-slow");
    sleeper.expect_closed();
    let deadline = Instant::now() + PATIENCE;
    while is_held(&chatd, &sleeper) {
        assert!(
            Instant::now() < deadline,
            "it is held although all was read"
        );
        ann.say("/ping");
        ann.lines_until_pong();
    }
}

/// What is only held makes room for those who come.
#[test]
fn f01_a_held_socket_is_let_go_of_when_descriptors_run_out() {
    let chatd = Daemon::start(&["--rate", "0", "--stall-timeout", "1"]);
    let mut ann = chatd.join("ann");
    let sleeper = cut_sleeper(&chatd, &mut ann);
    allow_no_more_files(chatd.id());
    chatd.join("ben");
    assert!(!is_held(&chatd, &sleeper), "there is no other descriptor");
}

/// Joins, reads nothing while 60 KB are said, and is cut.
fn cut_sleeper(chatd: &Daemon, talker: &mut Client) -> Client {
    let mut sleeper = Client::connect_narrow(chatd.address());
    sleeper.say("sleeper");
    sleeper.expect_welcome();
    for number in 0..60 {
        talker.say(&format!("{number} {}", "x".repeat(1000)));
    }
    chatd.expect_log(&["end \"sleeper\"", "too slow"]);
    assert!(is_held(chatd, &sleeper), "the kernel is left alone with it");
    sleeper
}

/// Whether a process has the server's end of this connection: the kernel lists a socket that none
/// has with the inode 0, or no more.
fn is_held(chatd: &Daemon, client: &Client) -> bool {
    let port = |address: &str| {
        let hex = address.rsplit(':').next().unwrap_or_default();
        u16::from_str_radix(hex, 16).ok()
    };
    let (server, peer) = (chatd.address().port(), client.address().port());
    let sockets = fs::read_to_string("/proc/net/tcp").expect("the sockets of this network");
    let held = sockets.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = port(fields[1]) == Some(server) && port(fields[2]) == Some(peer);
        is_it.then(|| fields[9] != "0")
    });
    held == Some(true)
}

/// More lines than the burst, and a full close behind them: the first thing that the server writes
/// then is answered with a reset.
#[test]
fn f54_all_that_came_before_a_full_close_is_said_and_the_name_is_free() {
    let chatd = Daemon::start(&["--rate", "50", "--burst", "100"]);
    let mut ann = chatd.join("ann");
    let mut ben = chatd.connect();
    let lines: String = (0..130).map(|number| format!("line {number}\n")).collect();
    ben.send(format!("ben\n{lines}").as_bytes());
    drop(ben);
    ann.expect_line("* ben joined (2 here)");
    for number in 0..130 {
        ann.expect_line(&format!("<ben> line {number}"));
    }
    // Whoever closes with its welcome unread resets the connection; which of the two comes first is
    // the kernel's.
    let left = ann.next_line();
    assert!(
        left == "* ben left (1 here)" || left == "* ben left (1 here): connection lost",
        "{left}"
    );
    chatd.join("ben");
}

/// Short lines for who does not read lie in blocks of their own size; what they took goes back.
#[test]
fn f41_what_readers_that_stopped_needed_is_given_back() {
    const MIB: usize = 1 << 20;
    let chatd = Daemon::start(&["--rate", "0", "--history", "0", "--stall-timeout", "60"]);
    let mut talker = chatd.join("talker");
    let mut stopped: Vec<Client> = (0..40)
        .map(|number| {
            let mut client = Client::connect_narrow(chatd.address());
            client.say(&format!("s{number}"));
            client.expect_welcome();
            client
        })
        .collect();
    let before = memory_bytes(chatd.id());
    // Long and short lines in turn, each turn of the server for itself.
    for round in 0..200 {
        let text = if round % 2 == 0 { 3000 } else { 10 };
        talker.say(&"z".repeat(text));
        talker.say("/ping");
        talker.lines_until_pong();
    }
    let queued = chatd.statistic("queued unique bytes");
    let during = memory_bytes(chatd.id()) - before;
    assert!(
        during < queued as usize + 32 * MIB,
        "{during} for {queued} queued"
    );
    stopped.clear();
    talker.say("/ping");
    talker.lines_until_pong();
    let after = memory_bytes(chatd.id()).saturating_sub(before);
    assert!(after < 32 * MIB, "{after} bytes are left");
}
