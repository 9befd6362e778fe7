//! Starting, signals, draining, ending: `chatd` as the system sees it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::common::{Client, Daemon, PATIENCE, Signal, chatd_command, run_to_end};

/// Twenty members, one connection without a name; all are told, all closed, exit code 0.
fn drains_and_stops_on(signal: Signal) {
    let mut chatd = Daemon::start(&["--drain-timeout", "5"]);
    let mut clients: Vec<Client> = (0..20).map(|n| chatd.join(&format!("m{n:02}"))).collect();
    let mut unnamed = chatd.connect();
    for client in &mut clients {
        client.lines_until_pong();
    }
    // The unnamed one has been accepted when somebody who came later is served.
    chatd.pass_accepting();
    chatd.signal(signal);
    // Who never spoke is closed without a word.
    unnamed.expect_closed();
    for client in &mut clients {
        let lines = client.lines_until_closed();
        let last = lines.last().expect("a reason");
        assert!(last.starts_with("! shutting-down"), "{lines:?}");
    }
    // All that was owed was taken at once, so there is nothing to wait for.
    let status = chatd.expect_exit(Duration::from_secs(4));
    assert_eq!(status.code(), Some(0));
    assert!(
        TcpStream::connect(chatd.address()).is_err(),
        "the port is closed"
    );
}

#[test]
fn sigterm_drains_and_stops() {
    drains_and_stops_on(Signal::TERM);
}

#[test]
fn sigint_drains_and_stops() {
    drains_and_stops_on(Signal::INT);
}

#[test]
fn who_spoke_before_the_end_is_told_even_if_it_was_not_heard_yet() {
    let mut chatd = Daemon::start(&["--console"]);
    chatd.signal(Signal::STOP);
    let mut clients: Vec<Client> = (0..20).map(|_| chatd.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.say(&format!("m{number}"));
    }
    // All of it is there when it goes on: those who connected, what they said, and the end.
    chatd.type_line("/quit");
    chatd.signal(Signal::CONT);
    for client in &mut clients {
        let lines = client.lines_until_closed();
        let last = lines.last().expect("a reason");
        assert!(last.starts_with("! shutting-down"), "{lines:?}");
    }
    assert_eq!(chatd.expect_exit(PATIENCE).code(), Some(0));
}

#[test]
fn it_stops_at_once_when_nobody_is_there() {
    let mut chatd = Daemon::start(&["--drain-timeout", "60"]);
    chatd.signal(Signal::TERM);
    assert_eq!(chatd.expect_exit(PATIENCE).code(), Some(0));
}

/// A member that has stopped reading, with more queued for it than the system's buffers take.
/// `talker` is the one that filled them.
fn stalled(chatd: &Daemon) -> (Client, Client) {
    const LINES: usize = 1500;
    let mut talker = chatd.join("ann");
    let mut stalled = Client::connect_narrow(chatd.address());
    stalled.say("stalled");
    stalled.expect_prefix("* welcome to lobby, stalled");
    talker.expect_line("* stalled joined (2 here)");
    let text = "x".repeat(4000);
    for _ in 0..LINES {
        talker.say(&text);
    }
    talker.expect_silence_until_pong();
    (talker, stalled)
}

const STALLED: &[&str] = &[
    "--rate",
    "0",
    "--history",
    "0",
    "--outbox-max",
    "64M",
    "--stall-timeout",
    "60",
];

#[test]
fn the_drain_ends_when_its_time_is_over() {
    let mut chatd = Daemon::start(&[STALLED, &["--drain-timeout", "1"]].concat());
    let (mut talker, _stalled) = stalled(&chatd);
    chatd.signal(Signal::TERM);
    talker.expect_refusal("shutting-down");
    talker.expect_closed();
    // A second of drain; the rest is patience, and less than any other timeout there is.
    let status = chatd.expect_exit(Duration::from_secs(4));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn whoever_reads_during_the_drain_gets_every_byte() {
    let mut chatd = Daemon::start(&[STALLED, &["--drain-timeout", "10"]].concat());
    let (mut talker, mut stalled) = stalled(&chatd);
    chatd.signal(Signal::TERM);
    talker.expect_refusal("shutting-down");
    let lines = stalled.lines_until_closed();
    let (last, said) = lines.split_last().expect("at least the reason");
    assert!(last.starts_with("! shutting-down"), "{last}");
    assert_eq!(said.len(), 1500);
    assert_eq!(chatd.expect_exit(PATIENCE).code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut chatd = Daemon::start(&[STALLED, &["--drain-timeout", "60"]].concat());
    let (mut talker, _stalled) = stalled(&chatd);
    chatd.signal(Signal::TERM);
    talker.expect_refusal("shutting-down");
    // A second signal in the same instant is not meant as one.
    let waits = chatd.runs_for(Duration::from_millis(300));
    assert!(waits, "it waits for the one who is stalled");
    let start = Instant::now();
    chatd.signal(Signal::TERM);
    chatd.expect_exit(PATIENCE);
    // Far less than the five seconds that one connection may take to read what it is owed.
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn several_signals_in_one_instant_are_one_wish_to_stop() {
    let mut chatd = Daemon::start(&[STALLED, &["--drain-timeout", "60"]].concat());
    let (mut talker, mut stalled) = stalled(&chatd);
    chatd.signal(Signal::STOP);
    chatd.signal(Signal::TERM);
    chatd.signal(Signal::INT);
    chatd.signal(Signal::CONT);
    talker.expect_refusal("shutting-down");
    chatd.signal(Signal::INT);
    let lines = stalled.lines_until_closed();
    let (last, said) = lines.split_last().expect("at least the reason");
    assert!(last.starts_with("! shutting-down"), "{last}");
    assert_eq!(said.len(), 1500);
    assert_eq!(chatd.expect_exit(PATIENCE).code(), Some(0));
}

#[test]
fn nobody_notices_a_reload_or_a_look_at_the_statistics() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for number in 0..20 {
        chatd.signal(if number % 2 == 0 {
            Signal::HUP
        } else {
            Signal::USR1
        });
        ann.say(&format!("line {number}"));
        ben.expect_line(&format!("<ann> line {number}"));
    }
    ann.expect_silence_until_pong();
    ben.expect_silence_until_pong();
    chatd.expect_log(&["statistics: ", "clients 2"]);
}

#[test]
fn a_taken_port_is_told_in_one_plain_line() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let finished = run_to_end(chatd_command(&["--listen", &address]));
    assert_eq!(finished.code, Some(69), "{finished:?}");
    assert!(finished.took < Duration::from_secs(1), "{finished:?}");
    let about: Vec<_> = finished
        .errors
        .lines()
        .filter(|line| line.contains(&address))
        .collect();
    assert_eq!(about.len(), 1, "{finished:?}");
    assert!(!finished.errors.contains("panicked"), "{finished:?}");
    assert!(!finished.errors.contains("listening on"), "{finished:?}");
}

#[test]
fn it_listens_in_several_places() {
    let chatd = Daemon::start(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"]);
    let [first, second]: [SocketAddr; 2] = chatd.addresses().try_into().expect("two places");
    assert_ne!(first, second);
    let mut ann = Client::connect(first);
    ann.say("ann");
    ann.expect_line("* welcome to lobby, ann (1 here: ann)");
    let mut ben = Client::connect(second);
    ben.say("ben");
    ben.expect_line("* welcome to lobby, ben (2 here: ann, ben)");
    ann.expect_line("* ben joined (2 here)");
}

#[test]
fn it_listens_on_ipv6() {
    let chatd = Daemon::start(&["--listen", "[::1]:0"]);
    assert!(chatd.address().is_ipv6());
    let mut ann = chatd.join("ann");
    ann.expect_silence_until_pong();
}

#[test]
fn a_port_is_free_for_the_next_one_at_once() {
    let mut chatd = Daemon::start(&[]);
    let address = chatd.address().to_string();
    let mut ann = chatd.join("ann");
    chatd.signal(Signal::TERM);
    ann.expect_refusal("shutting-down");
    ann.expect_closed();
    chatd.expect_exit(PATIENCE);
    let next = Daemon::start(&["--listen", &address]);
    let mut ann = next.join("ann");
    ann.expect_silence_until_pong();
}
