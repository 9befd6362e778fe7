//! The operator's seat: `--console` and `--board`. What members see of it, and what the operator
//! reads on standard output.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::process::processor_time;
use crate::common::{Daemon, Heard, PATIENCE, chatd_command};

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
    for other in [&mut ben, &mut cyd] {
        other.expect_line("* ann left (2 here): kicked by the operator: shouting");
    }
    chatd.type_line("/kick CYD");
    cyd.expect_refusal("kicked");
    cyd.expect_closed();
    ben.expect_line("* cyd left (1 here): kicked by the operator");
    ben.expect_silence_until_pong();
}

#[test]
fn a_kick_hits_who_is_called_so_and_no_look_alike() {
    let mut chatd = Daemon::start(&["--console"]);
    let [mut lan, mut ben] = chatd.join_all(["lan", "ben"]);
    // A capital i and a one look like a small l, and nobody is called so.
    for alike in ["Ian", "1an"] {
        chatd.type_line(&format!("/kick {alike}"));
        chatd.expect_output(&[&format!("! no-such-name nobody is called {alike}")]);
    }
    lan.expect_silence_until_pong();
    chatd.type_line("/kick LAN");
    chatd.expect_output(&["= kicked lan"]);
    lan.expect_refusal("kicked");
    lan.expect_closed();
    ben.expect_prefix("* lan left (1 here): kicked");
}

#[test]
fn what_steers_a_terminal_in_a_reason_reaches_nobody() {
    let mut chatd = Daemon::start(&["--console"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    chatd.type_line("/kick ann \u{1b}[2Jred\r\u{2028}\u{9b}now");
    let cleaned = "\u{fffd}[2Jred\u{fffd}\u{fffd}\u{fffd}now";
    let said = ann.expect_refusal("kicked");
    assert!(said.ends_with(cleaned), "{said}");
    ben.expect_line(&format!(
        "* ann left (1 here): kicked by the operator: {cleaned}"
    ));
}

#[test]
fn a_line_of_the_operator_has_the_bound_of_all_lines() {
    // A healthy outbox here holds little more than the longest line.
    let mut chatd = Daemon::start(&["--console", "--outbox-max", "33000"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    chatd.type_line(&"x".repeat(40_000));
    chatd.expect_output(&["! line-too-long"]);
    let longest = "y".repeat(4096);
    chatd.type_line(&longest);
    for client in [&mut ann, &mut ben] {
        client.expect_line(&format!("* operator: {longest}"));
        client.expect_silence_until_pong();
    }
    assert_eq!(chatd.statistic("slow consumers cut"), 0);
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
    chatd.pass_accepting();
    ann.expect_silence_until_pong();
    assert!(chatd.is_running());
}

#[test]
fn a_file_without_end_as_its_input_does_not_take_the_processor() {
    input_without_end(File::open("/dev/zero").expect("zeros"));
}

#[test]
fn a_pipe_without_end_as_its_input_does_not_take_the_processor() {
    let mut yes = Command::new("yes").arg("").stdout(Stdio::piped()).spawn();
    let yes = yes.as_mut().expect("empty lines without end");
    // It ends when nobody reads it any more.
    input_without_end(yes.stdout.take().expect("it is piped"));
    yes.wait().expect("its end");
}

fn input_without_end(input: impl Into<Stdio>) {
    const WINDOW: Duration = Duration::from_secs(1);
    let mut command = chatd_command(&["--console", "--listen", "127.0.0.1:0"]);
    command.stdin(input);
    let chatd = Daemon::spawn(command, 1);
    let mut ann = chatd.join("ann");
    let before = processor_time(chatd.id());
    assert_eq!(ann.hear_for(WINDOW), Heard::Nothing);
    let took = processor_time(chatd.id()) - before;
    eprintln!("{took:?} of a processor in {WINDOW:?}");
    // A loop that spins would take all of it, or half on a busy machine.
    assert!(took < WINDOW / 5, "{took:?} of a processor in {WINDOW:?}");
}
