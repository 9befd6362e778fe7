//! Bounds of `Limits` that no flag sets: each is reached here, unless it is where it belongs: the
//! prompt in `protocol_joining`, how many messages a newcomer is shown in
//! `protocol_history`, the news of big rooms in `protocol_big_rooms`, what is read and
//! accepted in a turn in `faults_memory` and `faults_accept`. Bounds that have a flag are in
//! `protocol_*`.

use std::time::{Duration, Instant};

use crate::common::{Client, Daemon};

/// Everything that follows from the outbox is small with these: a quarter of it is 2,250 bytes.
const SMALL: [&str; 6] = ["--rate", "0", "--line-max", "128", "--outbox-max", "9000"];

#[test]
fn history_bytes_max_bounds_what_a_newcomer_is_given() {
    let chatd = Daemon::start(&[&SMALL[..], &["--history", "100"]].concat());
    let mut ann = chatd.join("ann");
    let line = |number: u32| format!("{number:03} {}", "x".repeat(120));
    for number in 0..100 {
        ann.say(&line(number));
    }
    ann.expect_silence_until_pong();
    let mut ben = chatd.join("ben");
    let heard = ben.lines_until_pong();
    let messages = &heard[1..heard.len() - 1];
    assert_eq!(heard[0], format!("* last {} messages:", messages.len()));
    let bytes: usize = messages.iter().map(String::len).sum();
    // The newest of them, as many as go in.
    assert!(
        (2000..=2250 + 3 * messages.len()).contains(&bytes),
        "{bytes}"
    );
    let first = 100 - messages.len() as u32;
    let wanted: Vec<_> = (first..100).map(|n| format!("<ann> {}", line(n))).collect();
    assert_eq!(messages, wanted);
}

#[test]
fn rooms_listed_max_and_who_names_max_bound_an_answer() {
    const ROOMS: usize = 30;
    let chatd = Daemon::start(&SMALL);
    let mut members = chatd.crowd("m", ROOMS);
    members[0].lines_until_pong();
    members[0].say("/who");
    let who = members[0].next_line();
    assert!(who.starts_with("= 30 here: m0, m1, m10, "), "{who}");
    assert!(who.ends_with(", … and 8 more"), "{who}");
    for (number, member) in members.iter_mut().enumerate() {
        member.say(&format!("/join den{number:02}"));
        member.lines_until_pong();
    }
    members[0].say("/rooms");
    let rooms = members[0].lines_until_pong();
    let wanted: Vec<_> = (0..22)
        .map(|number| format!("= den{number:02} 1"))
        .collect();
    assert_eq!(rooms[..22], wanted);
    assert_eq!(rooms[22..], ["= … and 8 more", "= end"]);
}

#[test]
fn block_bytes_max_spreads_a_burst_so_that_no_reader_overflows() {
    let chatd = Daemon::start(&[&SMALL[..], &["--history", "0"]].concat());
    let mut reader = chatd.join("reader");
    let mut talkers = chatd.crowd("t", 10);
    reader.lines_until_pong();
    // Of each there are 20,000 bytes to be had in one turn, more than twice what an outbox holds;
    // all of them come to no more than what the kernel takes for one who reads.
    chatd.signal(crate::common::Signal::STOP);
    let line = format!("{}\n", "x".repeat(99));
    for talker in &mut talkers {
        talker.send(line.repeat(200).as_bytes());
    }
    chatd.signal(crate::common::Signal::CONT);
    let heard = reader.next_lines(2000);
    assert!(heard.iter().all(|line| line.starts_with("<t")), "{heard:?}");
    assert_eq!(chatd.statistic("slow consumers cut"), 0);
    assert_eq!(chatd.statistic("clients"), 11);
}

#[test]
fn flush_timeout_ends_who_has_left_and_does_not_read() {
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--stall-timeout",
        "60",
        "--outbox-max",
        "8M",
    ]);
    let mut talker = chatd.join("talker");
    let mut leaver = Client::connect_narrow(chatd.address());
    leaver.say("leaver");
    leaver.expect_welcome();
    let line = format!("{}\n", "x".repeat(4000));
    let start = Instant::now();
    while chatd.statistic("queued unique bytes") < 100_000 {
        assert!(start.elapsed() < crate::common::PATIENCE, "it is read");
        talker.send(line.repeat(20).as_bytes());
        talker.lines_until_pong();
    }
    let start = Instant::now();
    leaver.half_close();
    talker.expect_line("* leaver left (1 here)");
    chatd.expect_log(&["end \"leaver\"", "hung up"]);
    let took = start.elapsed();
    // 5 s; the rest of the bound is patience.
    assert!(took > Duration::from_millis(4900), "{took:?}");
    talker.expect_silence_until_pong();
}

#[test]
fn linger_timeout_ends_who_was_told_everything_and_stays() {
    let chatd = Daemon::start(&[]);
    let mut stayer = chatd.join("stayer");
    let start = Instant::now();
    stayer.say("/quit");
    stayer.expect_closed();
    // It never closes its own side, and what it still says is no matter.
    stayer.say("am I still here?");
    chatd.expect_log(&["end \"stayer\"", "quit"]);
    let took = start.elapsed();
    assert!(took > Duration::from_millis(450), "{took:?}");
}

#[test]
fn write_bytes_max_is_no_end_of_what_is_owed() {
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--stall-timeout",
        "60",
        "--outbox-max",
        "64M",
    ]);
    let mut talker = chatd.join("talker");
    let mut reader = chatd.join("reader");
    talker.lines_until_pong();
    let line = format!("{}\n", "x".repeat(4000));
    let mut said = 0;
    let start = Instant::now();
    while chatd.statistic("queued unique bytes") < 6 << 20 {
        assert!(start.elapsed() < crate::common::PATIENCE, "it is read");
        talker.send(line.repeat(50).as_bytes());
        talker.lines_until_pong();
        said += 50;
    }
    // While the server stands still, all that the kernel holds is taken: then its socket has room
    // for more at once than one turn writes.
    chatd.signal(crate::common::Signal::STOP);
    let mut heard = 0;
    while let crate::common::Heard::Line(_) = reader.hear_for(Duration::from_millis(300)) {
        heard += 1;
    }
    chatd.signal(crate::common::Signal::CONT);
    let rest = reader.next_lines(said - heard);
    assert!(rest.iter().all(|line| line.starts_with("<talker> x")));
    reader.expect_silence_until_pong();
}
