//! Leaving, and being cut: `/quit`, the half-close, a lost link, too slow. Each is told to the room
//! once, and who is cut is told why. Shutting down is in `daemon_life`, kicking in `daemon_console`.

use std::time::{Duration, Instant};

use crate::common::{Client, Daemon};

#[test]
fn quit_gets_no_answer_and_is_told_to_the_room() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    ann.say("/quit");
    ann.expect_closed();
    ben.expect_line("* ann left (2 here)");
    cyd.expect_line("* ann left (2 here)");
    ben.say("/quit  good  night");
    ben.expect_closed();
    cyd.expect_line("* ben left (1 here): \"good  night\"");
    cyd.expect_silence_until_pong();
}

#[test]
fn what_comes_after_quit_is_not_said() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.send(b"first\n/quit\nsecond\n/msg ben third\n");
    ann.expect_closed();
    ben.expect_lines(&["<ann> first", "* ann left (1 here)"]);
    ben.expect_silence_until_pong();
}

#[test]
fn a_half_close_is_a_leave_after_everything_is_done() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    // What `printf 'ann\nhi\n/who\nbye' | nc -N` sends, the last line without an end.
    let mut ann = chatd.connect();
    ann.send(b"ann\nhi\n/who\nbye");
    ann.half_close();
    ann.expect_lines(&[
        "* welcome to lobby, ann (2 here: ann, ben)",
        "= 2 here: ann, ben",
    ]);
    ann.expect_closed();
    ben.expect_lines(&[
        "* ann joined (2 here)",
        "<ann> hi",
        "<ann> bye",
        "* ann left (1 here)",
    ]);
    ben.expect_silence_until_pong();
}

#[test]
fn a_half_close_flushes_all_that_is_queued() {
    const LINES: usize = 2000;
    // More than the outbox holds: the server must stop reading it until it reads.
    let chatd = Daemon::start(&["--rate", "0", "--history", "0", "--outbox-max", "256K"]);
    let mut ann = chatd.connect();
    let mut script = String::from("ann\n/echo on\n");
    for number in 0..LINES {
        script.push_str(&format!("{number} {}\n", "x".repeat(1000)));
    }
    ann.send(script.as_bytes());
    ann.half_close();
    let lines = ann.lines_until_closed();
    assert_eq!(lines.len(), LINES + 2);
    for (number, line) in lines[2..].iter().enumerate() {
        assert!(line.starts_with(&format!("<ann> {number} x")), "{line}");
    }
}

#[test]
fn an_unnamed_connection_may_come_and_go_unseen() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let mut half_closed = chatd.connect();
    half_closed.half_close();
    half_closed.expect_closed();
    let mut half_named = chatd.connect();
    half_named.send(b"be");
    half_named.reset();
    chatd.pass_accepting();
    ann.expect_silence_until_pong();
}

#[test]
fn a_name_without_an_end_before_a_half_close_is_a_name() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    let mut ann = chatd.connect();
    ann.send(b"ann");
    ann.half_close();
    ann.expect_line("* welcome to lobby, ann (2 here: ann, ben)");
    ann.expect_closed();
    ben.expect_lines(&["* ann joined (2 here)", "* ann left (1 here)"]);
}

#[test]
fn a_closed_connection_is_a_leave() {
    let chatd = Daemon::start(&[]);
    let [ann, mut ben] = chatd.join_all(["ann", "ben"]);
    drop(ann);
    ben.expect_line("* ann left (1 here)");
    ben.expect_silence_until_pong();
}

#[test]
fn a_reset_is_told_as_a_lost_connection() {
    let chatd = Daemon::start(&[]);
    let [ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    ann.reset();
    for client in [&mut ben, &mut cyd] {
        client.expect_line("* ann left (2 here): connection lost");
        client.expect_silence_until_pong();
    }
}

#[test]
fn each_join_has_one_leave_whatever_the_cause() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut ben = chatd.join("ben");
    for round in 0..8 {
        let mut ann = chatd.join("ann");
        ben.expect_line("* ann joined (2 here)");
        let wanted = match round % 4 {
            0 => {
                ann.send(b"/quit\n/quit\n");
                ann.expect_closed();
                "* ann left (1 here)"
            }
            1 => {
                ann.half_close();
                ann.expect_closed();
                "* ann left (1 here)"
            }
            2 => {
                ann.reset();
                "* ann left (1 here): connection lost"
            }
            _ => {
                ann.say("/quit now");
                "* ann left (1 here): \"now\""
            }
        };
        ben.expect_line(wanted);
        ben.expect_silence_until_pong();
    }
}

/// Fills the room with so many lines of 4,000 bytes that no buffer of the system hides a reader
/// that stands still. Gives the lines as others see them.
fn flood(talker: &mut Client) -> Vec<String> {
    const LINES: usize = 1500;
    let text = "x".repeat(3990);
    let mut heard = Vec::with_capacity(LINES);
    for number in 0..LINES {
        let line = format!("{number:05} {text}");
        talker.say(&line);
        heard.push(format!("<ann> {line}"));
    }
    heard
}

/// What a slow member can still read is whole, without a gap, and ends in the reason.
fn assert_cut_for_slowness(slow: &mut Client, said: &[String]) {
    let lines = slow.lines_until_closed();
    let (reason, heard) = lines.split_last().expect("at least the reason");
    assert!(reason.starts_with("! too-slow"), "{reason}");
    assert!(heard.len() < said.len(), "nothing was held back from it");
    assert!(
        heard == &said[..heard.len()],
        "there is a gap before the cut"
    );
}

#[test]
fn who_does_not_read_is_cut_when_its_outbox_is_full() {
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--outbox-max",
        "256K",
        "--stall-timeout",
        "60",
    ]);
    let mut ann = chatd.join("ann");
    let mut slow = Client::connect_narrow(chatd.address());
    slow.say("slow");
    slow.expect_prefix("* welcome to lobby, slow");
    ann.expect_line("* slow joined (2 here)");
    let said = flood(&mut ann);
    ann.expect_line("* slow left (1 here): too slow");
    assert_cut_for_slowness(&mut slow, &said);
    ann.expect_silence_until_pong();
}

#[test]
fn who_does_not_read_is_cut_when_its_oldest_byte_is_too_old() {
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--outbox-max",
        "64M",
        "--stall-timeout",
        "1",
    ]);
    let mut ann = chatd.join("ann");
    let mut slow = Client::connect_narrow(chatd.address());
    slow.say("slow");
    slow.expect_prefix("* welcome to lobby, slow");
    ann.expect_line("* slow joined (2 here)");
    let said = flood(&mut ann);
    ann.expect_line("* slow left (1 here): too slow");
    assert_cut_for_slowness(&mut slow, &said);
    ann.expect_silence_until_pong();
}

#[test]
fn after_a_half_close_what_is_owed_is_waited_for_five_seconds() {
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--outbox-max",
        "64M",
        "--stall-timeout",
        "60",
    ]);
    let mut ann = chatd.join("ann");
    let mut slow = Client::connect_narrow(chatd.address());
    slow.say("slow");
    slow.expect_prefix("* welcome to lobby, slow");
    ann.expect_line("* slow joined (2 here)");
    flood(&mut ann);
    ann.expect_silence_until_pong();
    let start = Instant::now();
    slow.half_close();
    // For the others it has left at once.
    ann.expect_line("* slow left (1 here)");
    let address = slow.address().to_string();
    chatd.expect_log(&["end ", &address]);
    assert!(
        start.elapsed() >= Duration::from_millis(4900),
        "closed after {:?} with something owed",
        start.elapsed()
    );
}
