//! The last word, over real sockets: who sleeps reads everything or why not; who closes at once has
//! said all it sent; what an attack needed is given back.

use crate::common::process::memory_bytes;
use crate::common::{Client, Daemon};

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
    ann.expect_line("* ben left (1 here)");
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
