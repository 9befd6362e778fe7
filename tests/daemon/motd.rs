//! The message of the day: who is told it, where it stands, and what becomes of files that are odd.

use serde_json::json;

use super::files::Files;
use crate::common::{Daemon, Signal, chatd_command, run_to_end};

#[test]
fn who_enters_is_told_it_after_the_topic_and_before_the_past() {
    let files = Files::new("motd");
    let path = files.write("motd", "\r\n\nBe kind.\r\n\n\tTea at \"5\"\u{7} \n\n");
    let chatd = Daemon::start(&["--motd-file", &path]);
    let mut ann = chatd.connect();
    ann.say("ann");
    let told = ["* Be kind.", "* ", "* \tTea at \"5\"\u{fffd}"];
    ann.expect_line("* welcome to lobby, ann (1 here: ann)");
    ann.expect_lines(&told);
    ann.say("/topic plans");
    ann.expect_line("* ann set the topic: \"plans\"");
    ann.say("hello");
    ann.expect_silence_until_pong();
    let mut ben = chatd.connect();
    ben.say("ben");
    ben.expect_lines(&[
        "* welcome to lobby, ben (2 here: ann, ben)",
        "* topic: \"plans\"",
    ]);
    ben.expect_lines(&told);
    ben.expect_lines(&[
        "* last message, from MINUTE:",
        "<ann> hello",
        "* end of history",
    ]);
    // It is of the server, not of a room.
    ben.say("/join den");
    ben.expect_line("* welcome to den, ben (1 here: ben)");
    ben.expect_silence_until_pong();
    let motd = "Be kind.\n\n\tTea at \"5\"\u{fffd}";
    for mut program in [chatd.program(), chatd.websocket()] {
        program.ask(json!({"do": "enter", "name": "cyd", "rooms": ["lobby", "den"]}));
        program.next();
        let welcome = program.next();
        assert_eq!(welcome["motd"], motd, "{welcome}");
        for room in ["lobby", "den"] {
            assert_eq!(program.next()["room"], room);
            program.expect_past();
        }
        program.expect_silence_but_news();
        let mut again = chatd.program();
        again.ask(json!({"do": "enter", "name": "cyd", "rooms": [], "resume": welcome["resume"]}));
        again.next();
        assert_eq!(again.next()["motd"], motd);
        again.ask(json!({"do": "quit"}));
        again.until_closed();
    }
}

#[test]
fn it_is_read_again_and_an_empty_one_is_none() {
    let files = Files::new("motd-reload");
    let path = files.write("motd", "");
    let chatd = Daemon::start(&["--motd-file", &path]);
    let [mut ann] = chatd.join_all(["ann"]);
    ann.expect_silence_until_pong();
    let mut program = chatd.program();
    program.ask(json!({"do": "enter", "name": "p", "rooms": []}));
    program.next();
    assert_eq!(program.next().get("motd"), None);
    let told = |wanted: &[&str]| {
        let mut client = chatd.join("ben");
        client.expect_lines(wanted);
        client.expect_silence_until_pong();
        client.say("/quit");
        client.expect_closed();
    };
    files.write("motd", "first\nsecond");
    chatd.signal(Signal::HUP);
    chatd.expect_log(&["message of the day of ", "2 lines"]);
    told(&["* first", "* second"]);
    files.write("motd", "x".repeat(4097));
    chatd.signal(Signal::HUP);
    chatd.expect_log(&["the old message of the day stays", "at most 4096 bytes"]);
    told(&["* first", "* second"]);
    std::fs::remove_file(&path).unwrap();
    chatd.signal(Signal::HUP);
    chatd.expect_log(&["the old message of the day stays", "cannot read"]);
    told(&["* first", "* second"]);
    let most = "y".repeat(4096);
    files.write("motd", &most);
    chatd.signal(Signal::HUP);
    chatd.expect_log(&["message of the day of ", "1 line"]);
    told(&[&format!("* {most}")]);
    files.write("motd", " \n\n");
    chatd.signal(Signal::HUP);
    chatd.expect_log(&["message of the day of ", "0 lines"]);
    told(&[]);
}

#[test]
fn a_file_that_cannot_be_used_is_exit_78() {
    let files = Files::new("motd-bad");
    let long = files.write("long", "x".repeat(4097));
    for (path, says) in [
        (long.as_str(), "at most 4096 bytes"),
        (&files.path("none"), "cannot read"),
        ("/", "cannot read"),
        ("/dev/zero", "cannot read"),
    ] {
        let ended = run_to_end(chatd_command(&["--check", "--motd-file", path]));
        assert_eq!(ended.code, Some(78), "{path}: {ended:?}");
        assert!(ended.errors.contains(says), "{ended:?}");
    }
    // A small outbox has room for a small one alone.
    let path = files.write("small", "z".repeat(1025));
    let flags = ["--check", "--motd-file", &path, "--outbox-max", "16384"];
    let ended = run_to_end(chatd_command(&flags));
    assert_eq!(ended.code, Some(78), "{ended:?}");
}
