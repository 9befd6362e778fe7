//! The log: one line for each thing that happens to the server or to a connection, with the
//! address and the reason, and never a word of what people say.

use crate::common::{Client, Daemon, Signal};

/// The lines of the log that name this connection.
fn lines_about(chatd: &Daemon, address: &str) -> Vec<String> {
    let mut lines = chatd.log_lines();
    lines.retain(|line| line.contains(address));
    lines
}

#[test]
fn a_join_and_an_end_have_one_line_each_with_the_address() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let address = ann.address().to_string();
    let joined = chatd.expect_log(&[&address, "ann"]);
    ann.say("hello");
    ann.expect_silence_until_pong();
    assert_eq!(lines_about(&chatd, &address).len(), 1);
    ann.say("/quit");
    ann.expect_closed();
    let ended = chatd.expect_log(&[&address, "quit"]);
    // What was logged before this later join is all there is about the first one.
    let ben = chatd.join("ben");
    chatd.expect_log(&[&ben.address().to_string(), "ben"]);
    assert_eq!(lines_about(&chatd, &address), [joined, ended]);
}

#[test]
fn a_rename_and_a_post_have_one_line_each() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    ann.say("/nick zoe");
    ann.expect_line("* ann is now zoe");
    chatd.expect_log(&["rename \"ann\" to \"zoe\""]);
    let mut poster = chatd.connect();
    poster.say(r#"{"do":"post","room":"lobby","name":"cron","text":"done"}"#);
    ann.expect_line("<cron> done");
    let address = poster.address().to_string();
    chatd.expect_log(&["post \"cron\" from ", &address, "\"lobby\""]);
    ann.say("/quit");
    ann.expect_closed();
    chatd.expect_log(&["end \"zoe\" from "]);
    let lines = chatd.log_lines();
    assert_eq!(
        lines.iter().filter(|line| line.contains("rename")).count(),
        1
    );
}

#[test]
fn who_comes_and_goes_at_once_has_both_lines_too() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.connect();
    ann.send(b"ann\n/quit\n");
    ann.lines_until_closed();
    let address = ann.address().to_string();
    drop(ann);
    chatd.expect_log(&[&address, "quit"]);
    let lines = lines_about(&chatd, &address);
    assert_eq!(lines.len(), 2, "a join and an end: {lines:#?}");
}

#[test]
fn the_end_of_each_kind_says_its_reason() {
    let chatd = Daemon::start(&["--name-timeout", "1"]);
    let mut by_reason: Vec<(&str, Client)> = Vec::new();
    let mut quitter = chatd.join("quitter");
    quitter.say("/quit");
    by_reason.push(("quit", quitter));
    by_reason.push(("no name in time", chatd.connect()));
    let mut half_closed = chatd.join("leaver");
    half_closed.half_close();
    by_reason.push(("hung up", half_closed));
    let staying = chatd.join("staying");
    let addresses: Vec<_> = by_reason
        .iter_mut()
        .map(|(reason, client)| {
            client.lines_until_closed();
            (*reason, client.address().to_string())
        })
        .collect();
    let lost = chatd.join("loser");
    let lost_address = lost.address().to_string();
    lost.reset();
    chatd.expect_log(&[&lost_address, "lost"]);
    for (reason, address) in addresses {
        chatd.expect_log(&[&address, reason]);
    }
    chatd.signal(Signal::TERM);
    chatd.expect_log(&[&staying.address().to_string(), "shutting down"]);
}

#[test]
fn what_people_say_is_never_logged() {
    const SECRET: &str = "hunter2";
    let mut chatd = Daemon::start(&["--log-level", "trace"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say(&format!("my word is {SECRET}"));
    ben.expect_line(&format!("<ann> my word is {SECRET}"));
    ann.say(&format!("/msg ben {SECRET}"));
    ann.expect_line("= sent to ben");
    ann.say(&format!("/identify {SECRET}"));
    ann.expect_refusal("unknown-command");
    ann.say(&format!("/{SECRET}"));
    ann.expect_refusal("unknown-command");
    ann.say(&format!("/echo {SECRET}"));
    ann.expect_refusal("bad-usage");
    ann.say(&format!("/ping {SECRET}"));
    ann.expect_line(&format!("= pong {SECRET}"));
    ann.say(&format!("/quit {SECRET}"));
    ann.expect_closed();
    chatd.signal(Signal::TERM);
    chatd.expect_exit(crate::common::PATIENCE);
    chatd.expect_log(&[&ann.address().to_string()]);
    for line in chatd.log_lines() {
        assert!(!line.contains(SECRET), "{line}");
    }
}

#[test]
fn starting_and_stopping_are_logged_with_the_version() {
    let mut chatd = Daemon::start(&[]);
    chatd.expect_log(&["chatd", env!("CARGO_PKG_VERSION")]);
    chatd.expect_log(&["listening on", &chatd.address().to_string()]);
    let before = chatd.log_lines().len();
    chatd.signal(Signal::TERM);
    chatd.expect_exit(crate::common::PATIENCE);
    assert!(chatd.log_lines().len() > before, "the stop is logged");
}

#[test]
fn names_are_quoted_so_that_one_event_is_one_line() {
    let chatd = Daemon::start(&["--log-level", "trace"]);
    let mut client = chatd.connect();
    client.say("x\u{1b}[2J\u{85}\u{2028}FAKE listening on 1.2.3.4:5");
    client.expect_refusal("bad-name");
    client.say("李四");
    client.expect_prefix("* welcome to lobby, 李四");
    chatd.expect_log(&[&client.address().to_string()]);
    for line in chatd.log_lines() {
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.contains('\u{2028}'), "{line:?}");
        assert!(!line.starts_with("FAKE"), "{line:?}");
    }
}
