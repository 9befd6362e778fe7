//! The operator's seat: `--console` and `--board`. What members see of it, and what the operator
//! reads on standard output.

use crate::common::{Daemon, PATIENCE};

#[test]
fn what_the_operator_types_is_said_to_all_rooms() {
    let mut chatd = Daemon::start(&["--console"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ben.say("/join den");
    ben.expect_line("* welcome to den, ben (1 here: ben)");
    ann.expect_line("* ben left (1 here)");
    chatd.type_line("good evening");
    ann.expect_line("* operator: good evening");
    ben.expect_line("* operator: good evening");
    ann.expect_silence_until_pong();
    ben.expect_silence_until_pong();
}

#[test]
fn the_kicked_read_why_once_and_the_room_is_told() {
    let mut chatd = Daemon::start(&["--console"]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    chatd.type_line("/kick ann shouting");
    let reason = ann.expect_refusal("kicked");
    assert!(reason.contains("shouting"), "{reason}");
    ann.expect_closed();
    let line = ben.expect_prefix("* ann left (2 here): ");
    assert!(line.contains("kicked"), "{line}");
    cyd.expect_line(&line);
    chatd.type_line("/kick CYD");
    cyd.expect_refusal("kicked");
    cyd.expect_closed();
    ben.expect_prefix("* cyd left (1 here): kicked");
    ben.expect_silence_until_pong();
}

#[test]
fn the_operator_reads_who_was_really_kicked() {
    let mut chatd = Daemon::start(&["--console"]);
    let [mut lan, mut ben] = chatd.join_all(["lan", "ben"]);
    // A capital i looks like a small l, and nobody is called so.
    chatd.type_line("/kick Ian");
    chatd.expect_output(&["= kicked lan"]);
    lan.expect_refusal("kicked");
    lan.expect_closed();
    ben.expect_prefix("* lan left (1 here): kicked");
    chatd.type_line("/kick Ian");
    chatd.expect_output(&["! no-such-name nobody is called Ian"]);
}

#[test]
fn the_operator_can_look_around_and_stop() {
    let mut chatd = Daemon::start(&["--console"]);
    let [mut ann, _ben] = chatd.join_all(["ann", "ben"]);
    chatd.type_line("/who");
    chatd.expect_output(&["lobby ann 127.0.0.1:"]);
    chatd.expect_output(&["lobby ben 127.0.0.1:"]);
    chatd.type_line("/quit");
    ann.expect_refusal("shutting-down");
    ann.expect_closed();
    assert_eq!(chatd.expect_exit(PATIENCE).code(), Some(0));
}

#[test]
fn the_board_shows_every_message_of_every_room() {
    let chatd = Daemon::start(&["--board"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("hello there");
    let line = chatd.expect_output(&["lobby <ann> hello there"]);
    let time: Vec<&str> = line.split(' ').next().unwrap_or("").split(':').collect();
    assert!(
        time.len() == 3 && time.iter().all(|part| part.parse::<u8>().is_ok()),
        "{line}"
    );
    ben.expect_line("<ann> hello there");
    ben.say("/join den");
    ben.say("alone\u{1b}[2J");
    chatd.expect_output(&["den <ben> alone\u{fffd}[2J"]);
    // A private message is not for the board.
    ann.expect_line("* ben left (1 here)");
    ann.say("/msg ben between us");
    ann.expect_line("= sent to ben");
    ann.say("the end");
    chatd.expect_output(&["lobby <ann> the end"]);
    assert!(
        !chatd
            .output_lines()
            .iter()
            .any(|line| line.contains("between us")),
        "{:?}",
        chatd.output_lines()
    );
}

#[test]
fn the_end_of_its_input_does_not_end_the_server() {
    let mut chatd = Daemon::start(&["--console"]);
    let mut ann = chatd.join("ann");
    chatd.close_input();
    chatd.pass_prompt_time();
    ann.expect_silence_until_pong();
    assert!(chatd.is_running());
}
