//! Faults while accepting (rows F01 to F13 of the faults): too few descriptors, too many
//! connections, connections that come to nothing. F14 is in `startup`, errors of accept(2) other
//! than the want of descriptors need strace and are not here.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use crate::common::process::{self, allow_files, allow_no_more_files, open_files, processor_time};
use crate::common::{Client, Daemon, Heard, PATIENCE, Pair, ROOM_TO_TALK, Signal, shell_command};

/// Connections that wait in vain: the server may open no more files, and has said so.
fn waiting(chatd: &Daemon, count: usize) -> Vec<Client> {
    allow_no_more_files(chatd.id());
    let mut waiting: Vec<Client> = (0..count).map(|_| chatd.connect()).collect();
    for (number, client) in waiting.iter_mut().enumerate() {
        client.say(&format!("waiting{number}"));
    }
    chatd.expect_log(&["WARN", "for want of descriptors"]);
    waiting
}

#[test]
fn f01_who_waits_is_served_when_a_descriptor_becomes_free() {
    let chatd = Daemon::start_for_talk(&[]);
    let pair = Pair::start(&chatd);
    let leaving = chatd.crowd("leaving", 4);
    pair.fault_begins();
    let waiting = waiting(&chatd, 4);
    for (gone, mut served) in leaving.into_iter().zip(waiting) {
        let start = Instant::now();
        drop(gone);
        served.expect_welcome();
        eprintln!("f01: served {:?} after a close", start.elapsed());
    }
    assert_eq!(pair.finish("f01").left(), 8);
}

#[test]
fn f01_who_waits_is_served_when_the_limit_is_raised_and_nothing_else_happens() {
    let chatd = Daemon::start(&[]);
    let mut waiting = waiting(&chatd, 3);
    let start = Instant::now();
    allow_files(chatd.id());
    for client in &mut waiting {
        client.expect_welcome();
    }
    eprintln!(
        "f01: served {:?} after the limit was raised",
        start.elapsed()
    );
}

#[test]
fn f02_staying_at_the_limit_costs_next_to_nothing() {
    const WINDOW: Duration = Duration::from_secs(2);
    let chatd = Daemon::start(&[]);
    let mut waiting = waiting(&chatd, 3);
    let (errors, time) = (chatd.statistic("accept errors"), processor_time(chatd.id()));
    assert_eq!(waiting[2].hear_for(WINDOW), Heard::Nothing);
    let errors = chatd.statistic("accept errors") - errors;
    let time = processor_time(chatd.id()) - time;
    eprintln!("f02: {errors} accept errors and {time:?} of a processor in {WINDOW:?}");
    assert!((1..100).contains(&errors), "{errors} tries in {WINDOW:?}");
    // A loop that spins would take all of it, or half on a busy machine.
    assert!(time < WINDOW / 10, "{time:?} of a processor in {WINDOW:?}");
    let said = chatd.log_lines();
    let said = said.iter().filter(|line| line.contains("for want of"));
    assert_eq!(said.count(), 1, "it is said once in ten seconds");
}

#[test]
fn f05_a_crowd_of_too_many_is_told_and_nobody_else_notices() {
    let chatd = Daemon::start_for_talk(&["--max-clients", "22"]);
    let pair = Pair::start(&chatd);
    let mut inside = chatd.crowd("m", 20);
    pair.fault_begins();
    // More than may linger at once (16), so both ways of being told are taken.
    let mut refused: Vec<Client> = (0..100).map(|_| chatd.connect()).collect();
    for client in &mut refused {
        client.expect_refusal("server-full");
        client.expect_closed();
    }
    for client in &mut inside {
        client.lines_until_pong();
    }
    drop(inside.pop());
    let mut late = chatd.connect();
    late.say("late");
    late.expect_welcome();
    assert_eq!(pair.finish("f05").here(), 22);
}

#[test]
fn f06_at_the_limit_of_files_everybody_is_answered() {
    let chatd = Daemon::spawn(
        shell_command(
            "ulimit -n 64",
            &[&ROOM_TO_TALK[..], &["--listen", "127.0.0.1:0"]].concat(),
        ),
        1,
    );
    let pair = Pair::start(&chatd);
    let _inside = chatd.crowd("m", 30);
    pair.fault_begins();
    let mut refused: Vec<Client> = (0..60).map(|_| chatd.connect()).collect();
    for client in &mut refused {
        client.expect_refusal("server-full");
    }
    pair.finish("f06");
    let starved = chatd.log_lines();
    let starved = starved.iter().find(|line| line.contains("for want of"));
    assert_eq!(starved, None, "the descriptors in reserve suffice");
}

#[test]
fn f08_a_flood_of_connects_does_not_disturb_those_who_talk() {
    const TALKERS: usize = 20;
    const CONNECTS: usize = 1000;
    let chatd = Daemon::start_for_talk(&[]);
    let pair = Pair::start(&chatd);
    let mut talkers = chatd.crowd("talker", TALKERS);
    pair.fault_begins();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..CONNECTS / 2).for_each(|_| drop(chatd.connect())));
        }
        scope.spawn(|| {
            for number in 1..=20 {
                for talker in &mut talkers {
                    talker.say(&format!("#{number}"));
                }
            }
        });
    });
    for talker in &mut talkers {
        talker.lines_until_pong();
    }
    let talk = pair.finish("f08");
    for talker in 0..TALKERS {
        let last = format!("<talker{talker}> #20");
        assert!(talk.events().contains(&last), "{last} was lost");
    }
}

#[test]
fn f09_one_address_that_opens_all_it_can_keeps_nobody_else_out() {
    let chatd = Daemon::start_for_talk(&["--max-per-address", "10"]);
    let pair = Pair::start(&chatd);
    let mut own = chatd.crowd("own", 8);
    pair.fault_begins();
    let mut refused: Vec<Client> = (0..300).map(|_| chatd.connect()).collect();
    let start = Instant::now();
    let other: IpAddr = Ipv4Addr::new(127, 0, 0, 3).into();
    let mut other = Client::connect_from(other, chatd.address());
    other.say("other");
    other.expect_welcome();
    eprintln!(
        "f09: the other address is served after {:?}",
        start.elapsed()
    );
    for client in &mut refused {
        client.expect_refusal("too-many-from-your-address");
        client.expect_closed();
    }
    for client in own.iter_mut().chain([&mut other]) {
        client.lines_until_pong();
    }
    assert_eq!(pair.finish("f09").here(), 11);
}

#[test]
fn silent_connections_make_room_for_those_who_come_to_talk() {
    let chatd = Daemon::start(&["--max-clients", "12", "--name-timeout", "60"]);
    let mut named: Vec<Client> = (0..6).map(|n| chatd.join(&format!("m{n}"))).collect();
    let mut halfway = chatd.connect();
    halfway.send(b"hal");
    let mut silent: Vec<Client> = (0..5).map(|_| chatd.connect()).collect();
    // By then they were accepted, and `halfway` was read from in the turn after.
    for _ in 0..2 {
        named[0].lines_until_pong();
    }
    // All places are taken, half of them by those without a name. The one that has been silent for
    // longest goes, without a word.
    let mut late = chatd.join("late");
    silent.remove(0).expect_closed();
    let mut later = chatd.join("later");
    silent.remove(0).expect_closed();
    let mut last = chatd.join("last");
    silent.remove(0).expect_closed();
    // Now that is a quarter: who comes next finds no place.
    let mut refused = chatd.connect();
    refused.expect_refusal("server-full");
    refused.expect_closed();
    for client in named.iter_mut().chain([&mut late, &mut later, &mut last]) {
        client.lines_until_pong();
    }
    halfway.say("f");
    halfway.expect_welcome();
    let mut still_there = silent.remove(0);
    still_there.say("patient");
    still_there.expect_welcome();
}

#[test]
fn f11_those_who_never_give_a_name_are_cut_and_no_others() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let chatd = Daemon::start_for_talk(&["--name-timeout", "1"]);
    let pair = Pair::start(&chatd);
    let mut named = chatd.crowd("named", 20);
    pair.fault_begins();
    let start = Instant::now();
    let mut silent: Vec<Client> = (0..200).map(|_| chatd.connect()).collect();
    for client in &mut silent {
        // Who never spoke is closed without a word.
        client.expect_closed();
        assert!(start.elapsed() >= TIMEOUT, "cut before its time");
    }
    eprintln!("f11: the last is cut after {:?}", start.elapsed());
    for client in &mut named {
        client.lines_until_pong();
    }
    assert_eq!(pair.finish("f11").left(), 0);
}

#[test]
fn f12_connections_that_are_reset_at_once_leave_nothing_behind() {
    const STORM: usize = 3000;
    let chatd = Daemon::start_for_talk(&[]);
    let pair = Pair::start(&chatd);
    let files = open_files(chatd.id());
    let storm = |count: usize| {
        (0..count).for_each(|_| chatd.connect().reset());
        until("the descriptors are free again", || {
            open_files(chatd.id()) <= files
        });
    };
    storm(STORM);
    let (memory, lines) = (process::memory_bytes(chatd.id()), chatd.log_lines().len());
    pair.fault_begins();
    let start = Instant::now();
    storm(STORM);
    let seconds = start.elapsed().as_secs_f64() + 1.0;
    let memory = process::memory_bytes(chatd.id()).saturating_sub(memory);
    let lines = chatd.log_lines().len() - lines;
    eprintln!("f12: {memory} bytes more, {lines} lines in {seconds:.1} s for {STORM} connections");
    // For each, until 20 s have passed, when to look at it: 16 bytes in a list that grows in doublings.
    assert!(memory < 512 << 10, "{memory} bytes more than before");
    // 20 lines a second, and a count.
    assert!(
        (lines as f64) < 21.0 * (seconds + 1.0),
        "{lines} lines in {seconds} s"
    );
    pair.finish("f12");
}

#[test]
fn f13_a_burst_of_connects_is_refused_to_nobody() {
    let most = process::raise_own_files_max() / 2;
    let queue = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    let queue: usize = queue
        .expect("the system's bound")
        .trim()
        .parse()
        .expect("a number");
    let count = 4000.min(queue).min(most);
    let chatd = Daemon::start(&["--name-timeout", "60"]);
    // It accepts nobody until all of them have come.
    chatd.signal(Signal::STOP);
    let start = Instant::now();
    let mut clients: Vec<Client> = (0..count).map(|_| chatd.connect()).collect();
    let connected = start.elapsed();
    for (number, client) in clients.iter_mut().enumerate() {
        client.say(&format!("m{number}"));
    }
    let start = Instant::now();
    chatd.signal(Signal::CONT);
    for client in &mut clients {
        client.expect_welcome();
    }
    eprintln!(
        "f13: {count} connect in {connected:?}, are welcome {:?} later",
        start.elapsed()
    );
    assert_eq!(chatd.statistic("clients"), count as u64);
}

#[test]
fn a_storm_at_one_address_does_not_delay_another() {
    const STORM: usize = 1500;
    let flags = ["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"];
    let chatd = Daemon::start(&[&flags[..], &["--name-timeout", "60"]].concat());
    // It accepts nobody until all of them have come, the one at the other address last.
    chatd.signal(Signal::STOP);
    let mut storm: Vec<Client> = (0..STORM).map(|_| chatd.connect()).collect();
    for (number, client) in storm.iter_mut().enumerate() {
        client.say(&format!("m{number}"));
    }
    let mut other = Client::connect(chatd.addresses()[1]);
    other.say("other");
    chatd.signal(Signal::CONT);
    let welcome = other.expect_welcome();
    let (_, here) = welcome.split_once('(').expect("how many are here");
    let here: usize = here.split(' ').next().unwrap().parse().expect("a number");
    eprintln!("{} of {STORM} came before it", here - 1);
    // Two turns full of them, in whatever order these two are read.
    assert!(here < STORM / 4, "{welcome}");
    for client in &mut storm {
        client.expect_welcome();
    }
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited for: {what}");
        std::thread::yield_now();
    }
}
