//! The limits a client can meet: its rate, the time to give a name, the number of connections,
//! of all and of one address. The bound on a line is in `protocol_bytes`, that on what is queued
//! in `protocol_leaving`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use crate::common::{Client, Daemon, ONLY_PEOPLE};

/// Lines `first`, `first + 1`, … in one write.
fn burst(client: &mut Client, numbers: std::ops::Range<u32>) {
    let lines: String = numbers.map(|number| format!("line {number}\n")).collect();
    client.send(lines.as_bytes());
}

fn expect_burst(client: &mut Client, numbers: std::ops::Range<u32>) {
    for number in numbers {
        client.expect_line(&format!("<ann> line {number}"));
    }
}

#[test]
fn who_is_over_its_rate_is_held_back_and_loses_nothing() {
    // A bucket that takes a second to be full, so that it is not while a busy machine halts all.
    let chatd = Daemon::start(&["--rate", "20", "--burst", "20"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let start = Instant::now();
    burst(&mut ann, 0..40);
    expect_burst(&mut ben, 0..40);
    // 20 at once, 20 more at 20 a second; the bucket cannot have held more.
    assert!(
        start.elapsed() >= Duration::from_millis(950),
        "40 lines came in {:?}",
        start.elapsed()
    );
    ann.expect_refusal("slow-down");
    ann.expect_silence_until_pong();
    ben.expect_silence_until_pong();
}

#[test]
fn slow_down_is_said_once_until_the_bucket_is_full_again() {
    let chatd = Daemon::start(&[&["--rate", "20", "--burst", "5"], ONLY_PEOPLE].concat());
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for _ in 0..3 {
        burst(&mut ann, 0..8);
        expect_burst(&mut ben, 0..8);
        ann.expect_refusal("slow-down");
        ann.expect_silence_until_pong();
        // 300 ms fill a bucket of 5 at 20 a second.
        chatd.pass_prompt_time();
    }
}

#[test]
fn within_its_burst_nobody_is_told_to_slow_down() {
    let chatd = Daemon::start(&["--rate", "1", "--burst", "50"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    burst(&mut ann, 0..40);
    expect_burst(&mut ben, 0..40);
    ann.expect_silence_until_pong();
}

#[test]
fn one_held_back_does_not_hold_back_the_others() {
    let chatd = Daemon::start(&["--rate", "5", "--burst", "5"]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    burst(&mut ann, 0..10);
    cyd.expect_line("<ann> line 0");
    ben.say("me too");
    let mut lines = vec![];
    while lines.last().is_none_or(|line| line != "<ann> line 9") {
        lines.push(cyd.next_line());
    }
    assert!(lines.iter().any(|line| line == "<ben> me too"), "{lines:?}");
    assert_eq!(lines.len(), 10);
    // Nobody else is told.
    let heard = ben.lines_until_pong();
    assert!(!heard.iter().any(|line| line.starts_with('!')), "{heard:?}");
}

#[test]
fn an_empty_line_costs_its_sender_too() {
    let chatd = Daemon::start(&["--rate", "50", "--burst", "5"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let start = Instant::now();
    ann.send(&[b'\n'; 50]);
    ann.say("there");
    ben.expect_line("<ann> there");
    assert!(
        start.elapsed() >= Duration::from_millis(900),
        "50 empty lines cost {:?}",
        start.elapsed()
    );
    ann.expect_refusal("slow-down");
    ben.expect_silence_until_pong();
}

#[test]
fn a_half_close_while_held_back_loses_nothing() {
    let chatd = Daemon::start(&["--rate", "20", "--burst", "5"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    burst(&mut ann, 0..15);
    ann.half_close();
    expect_burst(&mut ben, 0..15);
    ben.expect_line("* ann left (1 here)");
    ann.expect_refusal("slow-down");
    ann.expect_closed();
}

#[test]
fn one_who_is_held_back_still_hears() {
    let chatd = Daemon::start(&["--rate", "5", "--burst", "5"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    burst(&mut ann, 0..12);
    ann.expect_refusal("slow-down");
    ben.say("are you there?");
    ann.expect_line("<ben> are you there?");
    expect_burst(&mut ben, 0..12);
}

#[test]
fn a_rate_of_zero_is_none() {
    let chatd = Daemon::start(&["--rate", "0", "--burst", "1"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    burst(&mut ann, 0..2000);
    expect_burst(&mut ben, 0..2000);
    ann.expect_silence_until_pong();
}

#[test]
fn without_a_name_in_time_one_is_told_and_cut() {
    let chatd = Daemon::start(&["--name-timeout", "1"]);
    let mut named = chatd.join("ann");
    let start = Instant::now();
    let mut silent = chatd.connect();
    let mut refused = chatd.connect();
    refused.say("-");
    refused.expect_refusal("bad-name");
    let mut halfway = chatd.connect();
    halfway.send(b"be");
    // Who never spoke was told nothing, and is closed without a word: it may be a browser's.
    silent.expect_closed();
    for client in [&mut refused, &mut halfway] {
        let lines = client.lines_until_closed();
        let last = lines.last().expect("a reason");
        assert!(last.starts_with("! name-timeout"), "{lines:?}");
    }
    assert!(
        start.elapsed() >= Duration::from_millis(950),
        "cut before its time"
    );
    named.expect_silence_until_pong();
}

#[test]
fn one_more_than_the_most_clients_is_told_and_closed() {
    let chatd = Daemon::start(&["--max-clients", "2"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for _ in 0..3 {
        let mut third = chatd.connect();
        third.expect_refusal("server-full");
        third.expect_closed();
    }
    // Who speaks at once can read its refusal too.
    for _ in 0..20 {
        let mut third = chatd.connect();
        third.send(b"cyd\n");
        third.expect_refusal("server-full");
    }
    ann.say("still here");
    ben.expect_line("<ann> still here");
    ann.expect_silence_until_pong();
    ann.say("/quit");
    ann.expect_closed();
    ben.expect_line("* ann left (1 here)");
    let mut cyd = chatd.connect();
    cyd.say("cyd");
    cyd.expect_prefix("* welcome to lobby, cyd (2 here: ben, cyd)");
}

#[test]
fn one_address_has_its_share_and_others_are_served() {
    let chatd = Daemon::start(&["--max-per-address", "2"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let mut third = chatd.connect();
    third.expect_refusal("too-many-from-your-address");
    third.expect_closed();
    chatd.expect_log_of_end(third);
    let other: IpAddr = Ipv4Addr::new(127, 0, 0, 3).into();
    let mut cyd = Client::connect_from(other, chatd.address());
    cyd.say("cyd");
    cyd.expect_line("* welcome to lobby, cyd (3 here: ann, ben, cyd)");
    ann.expect_line("* cyd joined (3 here)");
    ben.expect_line("* cyd joined (3 here)");
    // The share is free again with the end of one of its connections.
    ann.say("/quit");
    ann.expect_closed();
    ben.expect_line("* ann left (2 here)");
    chatd.expect_log_of_end(ann);
    let mut dan = chatd.connect();
    dan.say("dan");
    dan.expect_line("* welcome to lobby, dan (3 here: ben, cyd, dan)");
}
