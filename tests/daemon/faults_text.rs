//! Faults of text (rows F46 to F58 of the faults) that need more than one connection or the log:
//! crowds that ask for one name, storms in the log, another protocol in the middle of a chat.
//! What becomes of single characters is in `protocol_bytes`, `protocol_talking` and `names`.

use std::time::Instant;

use crate::common::{Client, Daemon, Pair};

#[test]
fn f46_what_steers_a_terminal_reaches_neither_board_nor_log() {
    let mut chatd = Daemon::start(&["--rate", "0", "--console", "--log-level", "trace"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let controls = (1..=0x1f)
        .chain(0x7f..=0xff)
        .filter(|&byte| byte != b'\n' && byte != b'\t');
    for byte in controls {
        // As a raw byte and, where it is one, as a character of its own.
        ann.send(&[b'a', byte, b'[', b'3', b'1', b'm', b'\n']);
        ann.say(&format!("b{}[31m", char::from(byte)));
        ann.send(&[b"/msg ", &[byte][..], b" x\n/nick e", &[byte], b"ve\n"].concat());
    }
    // What turns text round is for members' programs to decide on; not so on the board.
    ann.say("c\u{202e}drawkcab\u{2066}");
    ann.lines_until_pong();
    let heard = ben.lines_until_pong();
    assert!(heard.iter().any(|line| line.contains('\u{202e}')));
    chatd.expect_output(&["c\u{fffd}drawkcab\u{fffd}"]);
    ann.say("/quit \u{1b}]0;owned\u{7}");
    chatd.type_line("\u{1b}[2Jsaid by the operator\u{9b}");
    loop {
        let line = ben.next_line();
        if line.contains("said by the operator") {
            assert_eq!(line, "* operator: \u{fffd}[2Jsaid by the operator\u{fffd}");
            break;
        }
    }
    chatd.type_line("/who");
    chatd.expect_output(&["= 1 connected"]);
    for line in chatd.output_lines().iter().chain(&chatd.log_lines()) {
        assert!(
            !line.contains(|c: char| c.is_control() && c != '\t'),
            "{line:?}"
        );
        assert!(!line.contains(['\u{2028}', '\u{2029}']), "{line:?}");
        assert!(!line.contains(['\u{202e}', '\u{2066}']), "{line:?}");
    }
}

#[test]
fn f54_of_a_crowd_that_asks_for_one_name_one_gets_it_again_and_again() {
    const CROWD: usize = 300;
    const ROUNDS: usize = 10;
    let chatd = Daemon::start(&["--rate", "0", "--name-timeout", "60"]);
    let mut watcher = chatd.join("watcher");
    let mut crowd: Vec<Client> = (0..CROWD).map(|_| chatd.connect()).collect();
    for round in 0..ROUNDS {
        // All of it waits in the sockets before the first is handled, under any spelling.
        chatd.signal(crate::common::Signal::STOP);
        for (number, client) in crowd.iter_mut().enumerate() {
            client.say(["ann", "ANN", "\u{ff21}nn"][number % 2]);
        }
        chatd.signal(crate::common::Signal::CONT);
        let mut winners = Vec::new();
        for (number, client) in crowd.iter_mut().enumerate() {
            let line = client.next_line();
            if line.starts_with("* welcome to lobby, ") {
                winners.push(number);
            } else {
                assert!(line.starts_with("! name-in-use "), "{line}");
            }
        }
        assert_eq!(
            winners.len(),
            1,
            "round {round}: {winners:?} all became ann"
        );
        // Whether it leaves, closes or is reset: with its end the name is free.
        let winner = crowd.swap_remove(winners[0]);
        match round % 2 {
            0 => winner.reset(),
            _ => drop(winner),
        }
        watcher.expect_prefix("* ");
        let left = watcher.next_line();
        assert!(left.contains(" left (1 here)"), "{left}");
    }
}

#[test]
fn f56_a_storm_in_the_log_is_twenty_lines_a_second_and_a_count() {
    const VISITS: usize = 400;
    let mut chatd = Daemon::start(&[]);
    let start = Instant::now();
    for number in 0..VISITS {
        let mut visitor = chatd.connect();
        visitor.say(&format!("v{number}"));
        visitor.expect_welcome();
        visitor.say("/quit");
        visitor.lines_until_closed();
    }
    chatd.signal(crate::common::Signal::TERM);
    chatd.expect_exit(crate::common::PATIENCE);
    let seconds = start.elapsed().as_secs() as usize + 1;
    let lines = chatd.log_lines_until_end();
    let is_event = |line: &&String| line.contains("] join ") || line.contains("] end ");
    let told = lines.iter().filter(is_event).count();
    let left_out: usize = lines
        .iter()
        .filter_map(|line| line.split_once(" left out")?.0.split_once("[WARN] "))
        .filter_map(|(_, words)| words.split(' ').next()?.parse::<usize>().ok())
        .sum();
    eprintln!("f56: {told} lines told, {left_out} counted in {seconds} s");
    assert_eq!(
        told + left_out,
        2 * VISITS,
        "every event is told or counted"
    );
    assert!(told <= 20 * (seconds + 1), "{told} lines in {seconds} s");
}

#[test]
fn f57_another_protocol_is_never_taken_for_chat() {
    let chatd = Daemon::start_for_talk(crate::common::ONLY_PEOPLE);
    let pair = Pair::start(&chatd);
    pair.fault_begins();
    let greetings: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: here\r\nCookie: secret\r\n\r\n",
        b"POST /chat HTTP/1.0\r\nContent-Length: 9\r\n\r\nann\nhello",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\nann\nhello\n",
        b"SSH-2.0-client\r\nann\nhello\n",
    ];
    for greeting in greetings {
        for _ in 0..10 {
            let mut stranger = chatd.connect();
            stranger.send(greeting);
            let told = stranger.raw_until_closed();
            let told = String::from_utf8_lossy(&told);
            assert!(told.contains("! wrong-protocol "), "{told}");
            assert!(!told.contains("127.0.0."), "an address: {told}");
        }
    }
    let talk = pair.finish("f57");
    assert_eq!(talk.here(), 2, "nobody came of it");
    let strange = talk
        .events()
        .iter()
        .find(|line| !line.contains("and so on"));
    assert_eq!(strange, None);
}
