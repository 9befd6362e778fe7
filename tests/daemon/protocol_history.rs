//! History: what one who joins is told of what was said before, and what is never in it.

use crate::common::{Client, Daemon, hide_stamp};

/// Joins and gives what comes between the welcome and everything later, with times hidden.
fn join_and_read(chatd: &Daemon, name: &str) -> (Client, Vec<String>) {
    let mut client = chatd.join(name);
    let lines = client.lines_until_pong();
    (client, lines.iter().map(|line| hide_stamp(line)).collect())
}

#[test]
fn history_comes_after_the_welcome_and_before_live_lines() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    ann.send(b"one\ntwo\n/ping x\n");
    ann.expect_line("= pong x");
    let mut ben = chatd.join("ben");
    ann.expect_line("* ben joined (2 here)");
    ann.say("three");
    ben.expect_lines(&[
        "* last 2 messages, from MINUTE:",
        "<ann> one",
        "<ann> two",
        "* end of history",
        "<ann> three",
    ]);
}

#[test]
fn there_is_no_frame_without_history() {
    let chatd = Daemon::start(&[]);
    let _ann = chatd.join("ann");
    let (_ben, lines) = join_and_read(&chatd, "ben");
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn one_message_is_said_to_be_one() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    ann.say("one");
    ann.expect_silence_until_pong();
    let (_ben, lines) = join_and_read(&chatd, "ben");
    assert_eq!(
        lines,
        [
            "* last message, from MINUTE:",
            "<ann> one",
            "* end of history"
        ]
    );
}

#[test]
fn the_last_20_are_shown_however_many_are_kept() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let said: String = (0..25).map(|number| format!("line {number}\n")).collect();
    ann.send(said.as_bytes());
    ann.expect_silence_until_pong();
    let (_ben, lines) = join_and_read(&chatd, "ben");
    let mut wanted = vec!["* last 20 messages, from MINUTE:".to_owned()];
    wanted.extend((5..25).map(|number| format!("<ann> line {number}")));
    wanted.push("* end of history".to_owned());
    assert_eq!(lines, wanted);
}

#[test]
fn how_many_are_kept_can_be_set() {
    let chatd = Daemon::start(&["--history", "3"]);
    let mut ann = chatd.join("ann");
    ann.send(b"one\ntwo\nthree\nfour\n");
    ann.expect_silence_until_pong();
    let (_ben, lines) = join_and_read(&chatd, "ben");
    assert_eq!(
        lines,
        [
            "* last 3 messages, from MINUTE:",
            "<ann> two",
            "<ann> three",
            "<ann> four",
            "* end of history"
        ]
    );
}

#[test]
fn zero_is_off() {
    let chatd = Daemon::start(&["--history", "0"]);
    let mut ann = chatd.join("ann");
    ann.send(b"one\ntwo\n");
    ann.expect_silence_until_pong();
    let (_ben, lines) = join_and_read(&chatd, "ben");
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn only_messages_are_in_it_under_the_name_of_their_time() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("one");
    ben.expect_line("<ann> one");
    ann.send(b"/msg ben a secret\n/nick zoe\n/who\n//two\n/ping x\n/unknown\n\n/quit bye\n");
    ann.expect_lines(&[
        "= sent to ben",
        "* ann is now zoe",
        "= 2 here: ben, zoe",
        "= pong x",
    ]);
    ann.expect_refusal("unknown-command");
    ann.expect_closed();
    let (_cyd, lines) = join_and_read(&chatd, "cyd");
    assert_eq!(
        lines,
        [
            "* last 2 messages, from MINUTE:",
            "<ann> one",
            "<zoe> /two",
            "* end of history"
        ]
    );
}

#[test]
fn the_lobby_keeps_its_history_while_empty() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    ann.say("remember me");
    ann.say("/quit");
    ann.expect_closed();
    let (_ben, lines) = join_and_read(&chatd, "ben");
    assert_eq!(
        lines,
        [
            "* last message, from MINUTE:",
            "<ann> remember me",
            "* end of history"
        ]
    );
}

#[test]
fn each_room_has_its_own() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("in the lobby");
    ben.expect_line("<ann> in the lobby");
    ann.send(b"/join den\nin the den\n/ping x\n");
    ann.expect_lines(&["* welcome to den, ann (1 here: ann)", "= pong x"]);
    ben.expect_line("* ann left (1 here)");
    ben.say("/join den");
    ben.expect_lines(&[
        "* welcome to den, ben (2 here: ann, ben)",
        "* last message, from MINUTE:",
        "<ann> in the den",
        "* end of history",
    ]);
    ann.expect_line("* ben joined (2 here)");
    // Back again, one gets what the lobby said, also what one has seen before.
    ann.say("/join lobby");
    ann.expect_lines(&[
        "* welcome to lobby, ann (1 here: ann)",
        "* last message, from MINUTE:",
        "<ann> in the lobby",
        "* end of history",
    ]);
}

#[test]
fn a_room_that_was_empty_has_none() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    ann.send(b"/join den\nforget me\n/join lobby\n/join den\n");
    ann.expect_lines(&[
        "* welcome to den, ann (1 here: ann)",
        "* welcome to lobby, ann (1 here: ann)",
        "* welcome to den, ann (1 here: ann)",
    ]);
    ann.expect_silence_until_pong();
}
