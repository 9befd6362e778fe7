//! Who is muted hears everything and is refused what others would hear of it, through renames and returns.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use serde_json::{Value, json};

use crate::common::{Client, Daemon, LONG_PATIENCE, Program, token_of};

/// Connections of this machine say from where they come.
const PROXIED: [&str; 3] = ["--console", "--proxy-from", "127.0.0.1"];

fn head_from(address: &str) -> String {
    format!("PROXY TCP4 {address} 198.51.100.1 40000 5001\r\n")
}

/// A member from an address that a proxy has named, who has read its welcome.
#[track_caller]
fn member(chatd: &Daemon, address: &str, name: &str) -> Client {
    let mut client = chatd.connect();
    client.send(format!("{}{name}\n", head_from(address)).as_bytes());
    client.expect_prefix("* welcome to lobby, ");
    client
}

/// From another address of this machine.
fn beside(chatd: &Daemon, last: u8) -> Client {
    let local = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    Client::connect_from(local, chatd.address())
}

fn program_from(chatd: &Daemon, address: &str) -> Program {
    let mut client = chatd.connect();
    client.send(head_from(address).as_bytes());
    Program::over(client)
}

#[track_caller]
fn order(chatd: &mut Daemon, line: &str, answer: &str) -> String {
    chatd.type_line(line);
    chatd.expect_output(&[answer])
}

#[test]
fn the_muted_are_refused_with_words_and_hear_everything() {
    let mut chatd = Daemon::start(&PROXIED);
    let mut ann = member(&chatd, "192.0.2.7", "ann");
    let mut ben = member(&chatd, "192.0.2.8", "ben");
    ann.lines_until_pong();
    order(
        &mut chatd,
        "/mute ANN for 10m",
        "= muted ann and 192.0.2.7 until 20",
    );
    chatd.expect_log(&["mute 1 of \"ann\" and 192.0.2.7 by the console, until 20"]);
    for line in [
        "hello",
        "/me waves",
        "/say x",
        "//x",
        "/msg ben psst",
        "/topic tea",
        "/topic ",
        "/nick anna",
    ] {
        ann.say(line);
        if line == "/topic " {
            // That only asks.
            ann.expect_line("= lobby has no topic");
            continue;
        }
        let words = ann.expect_refusal("muted");
        assert!(
            words.contains("until 20") && words.contains(" UTC"),
            "{words}"
        );
    }
    for line in ["/who", "/ping", "/echo off"] {
        ann.say(line);
        ann.expect_prefix("= ");
    }
    ben.expect_silence_until_pong();
    ben.say("and I?");
    ann.expect_line("<ben> and I?");
    order(&mut chatd, "/mutes", "= 1 ann and 192.0.2.7, until 20");
    order(
        &mut chatd,
        "/unmute Ann",
        "= the mute of ann and 192.0.2.7 is lifted",
    );
    chatd.expect_log(&["mute of \"ann\" and 192.0.2.7 lifted by the console"]);
    ann.say("again");
    ben.expect_line("<ann> again");
    order(&mut chatd, "/unmute ann", "! no-such-name ann is not muted");
}

#[test]
fn programs_and_posts_are_refused_too() {
    let mut chatd = Daemon::start(&["--console"]);
    let mut ann = Program::over(beside(&chatd, 2));
    ann.enter("ann", &["lobby"]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    ann.until_pong();
    order(
        &mut chatd,
        "/mute ann",
        "= muted ann and 127.0.0.2 for good",
    );
    let orders = [
        json!({"do": "say", "room": "lobby", "text": "hello"}),
        json!({"do": "say", "room": "lobby", "text": "waves", "action": true}),
        json!({"do": "msg", "to": "ben", "text": "psst"}),
        json!({"do": "topic", "room": "lobby", "text": ""}),
        json!({"do": "nick", "name": "anna"}),
        json!({"do": "post", "room": "lobby", "name": "cron", "text": "x"}),
    ];
    for (number, mut order) in orders.into_iter().enumerate() {
        order["ref"] = Value::from(number.to_string());
        ann.ask(order);
        let refused = ann.expect_refused("muted");
        assert_eq!(refused["ref"], number.to_string(), "{refused}");
    }
    for order in [
        json!({"do": "join", "room": "ops", "ref": "j"}),
        json!({"do": "part", "room": "ops", "ref": "p"}),
        json!({"do": "history", "room": "lobby", "ref": "h"}),
    ] {
        ann.ask(order);
    }
    let lines = ann.until_pong();
    assert!(
        lines.iter().all(|line| line["is"] != "refused"),
        "{lines:?}"
    );
    let mut stranger = chatd.program();
    stranger.ask(json!({"do": "post", "room": "lobby", "name": "cron", "text": "x"}));
    assert_eq!(stranger.next()["is"], "hello");
    assert_eq!(stranger.next()["is"], "done");
    let told = ben.until_pong();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["from"], "cron");
    // Who is gone does not speak from outside.
    ann.ask(json!({"do": "quit", "reason": "muted, am I?"}));
    ann.until_closed();
    let left = ben.until_pong();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(
        (&left[0]["is"], left[0].get("reason")),
        (&json!("left"), None)
    );
    let answer = chatd.post("lobby?name=ANN", "hello");
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(answer.body.starts_with("muted "), "{}", answer.body);
    assert_eq!(chatd.post("lobby?name=cron", "hello").status, 201);
    let mut stranger = chatd.program();
    stranger.ask(json!({"do": "post", "room": "lobby", "name": "ann", "text": "x"}));
    assert_eq!(stranger.next()["is"], "hello");
    stranger.expect_refused("muted");
    let told = ben.until_pong();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_mute_holds_name_and_address_through_returns() {
    let mut chatd = Daemon::start(&PROXIED);
    let mut ben = member(&chatd, "192.0.2.8", "ben");
    let mut ann = member(&chatd, "192.0.2.7", "ann");
    let mut eve = member(&chatd, "192.0.2.7", "eve");
    let said = order(
        &mut chatd,
        "/mute ann",
        "= muted ann and 192.0.2.7 for good",
    );
    assert!(
        said.contains("; 1 connection more from that address, muted with it"),
        "{said}"
    );
    for client in [&mut ann, &mut eve] {
        client.lines_until_pong();
        client.say("hello");
        client.expect_refusal("muted");
    }
    ann.say("/quit I shall be back");
    ann.expect_closed();
    ben.lines_until_pong();
    eve.expect_line("* ann left (2 here)");
    for (address, name, is_muted) in [
        ("192.0.2.7", "ann", true),
        ("192.0.2.7", "zoe", true),
        ("192.0.2.9", "Ann", true),
        ("192.0.2.9", "dan", false),
    ] {
        let mut back = member(&chatd, address, name);
        back.say("hello");
        if is_muted {
            back.expect_refusal("muted");
        }
        back.expect_silence_until_pong();
        back.say("/quit");
        back.expect_closed();
    }
    // What is posted from there, too.
    let mut post = chatd.connect();
    let request = crate::common::http::post("lobby?name=cron", "hello");
    post.send(format!("{}{request}", head_from("192.0.2.7")).as_bytes());
    let answer = post.raw_until_closed();
    assert!(answer.starts_with(b"HTTP/1.1 403 "), "{answer:?}");
    let mut post = program_from(&chatd, "192.0.2.7");
    post.ask(json!({"do": "post", "room": "lobby", "name": "cron", "text": "x"}));
    assert_eq!(post.next()["is"], "hello");
    post.expect_refused("muted");
    order(
        &mut chatd,
        "/unmute eve",
        "! no-such-name eve is muted for its address, with ann and 192.0.2.7",
    );
    order(
        &mut chatd,
        "/unmute ann",
        "= the mute of ann and 192.0.2.7 is lifted",
    );
    eve.lines_until_pong();
    eve.say("hello");
    let heard = ben.lines_until_pong();
    assert_eq!(
        heard
            .iter()
            .filter(|line| line.ends_with("> hello"))
            .count(),
        2,
        "{heard:?}"
    );
}

#[test]
fn a_mute_goes_along_when_a_connection_is_taken_over() {
    let mut chatd = Daemon::start(&PROXIED);
    let mut ann = program_from(&chatd, "192.0.2.7");
    let token = ann.enter("ann", &["lobby"]);
    order(
        &mut chatd,
        "/mute ann",
        "= muted ann and 192.0.2.7 for good",
    );
    let mut again = program_from(&chatd, "192.0.2.99");
    again.ask(json!({"do": "enter", "name": "ann", "resume": token}));
    assert_eq!(again.next()["is"], "hello");
    let welcome = again.next();
    assert_ne!(token_of(&welcome), token);
    again.until_pong();
    again.say_in("lobby", "hello");
    again.expect_refused("muted");
}

#[test]
fn an_address_of_this_machine_is_muted_as_any_other() {
    let mut chatd = Daemon::start(&["--console"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let mut cyd = beside(&chatd, 2);
    cyd.say("cyd");
    cyd.expect_welcome();
    order(
        &mut chatd,
        "/mute ann",
        "= muted ann and 127.0.0.1 for good; 1 connection more from that address, muted with it",
    );
    order(&mut chatd, "/mute! cyd", "! unknown-command ");
    ben.lines_until_pong();
    ben.say("hello");
    ben.expect_refusal("muted");
    ann.lines_until_pong();
    cyd.say("hello");
    ann.expect_line("<cyd> hello");
    // It comes back under another name.
    ann.say("/quit");
    ann.expect_closed();
    let mut ann = chatd.join("zoe");
    ann.lines_until_pong();
    ann.say("hello");
    ann.expect_refusal("muted");
    order(
        &mut chatd,
        "/unmute ann",
        "= the mute of ann and 127.0.0.1 is lifted",
    );
    ben.say("hello");
    cyd.lines_until_pong();
    ann.expect_line("<ben> hello");
}

#[test]
fn a_mute_ends_by_itself() {
    let mut chatd = Daemon::start(&["--console"]);
    let mut ann = chatd.join("ann");
    order(
        &mut chatd,
        "/mute ann for 5s",
        "= muted ann and 127.0.0.1 until ",
    );
    ann.say("hello");
    ann.expect_refusal("muted");
    let start = Instant::now();
    loop {
        ann.say("/msg ann hello");
        if ann.next_line().starts_with("-ann- ") {
            break;
        }
        assert!(start.elapsed() < LONG_PATIENCE, "it never ends");
    }
}

#[test]
fn words_that_are_wrong_mute_nobody() {
    let mut chatd = Daemon::start(&["--console"]);
    let mut ann = chatd.join("ann");
    for (line, answer) in [
        ("/mute", "! bad-usage write it so: /mute NAME [for 10m]"),
        (
            "/mute ann 10m",
            "! bad-usage write it so: /mute NAME [for 10m]",
        ),
        (
            "/mute ann for",
            "! bad-usage write it so: /mute NAME [for 10m]",
        ),
        (
            "/mute ann for ever",
            "! bad-usage write it so: /mute NAME [for 10m]",
        ),
        ("/mute 10.0.0.1", "! bad-name a name is not an IP address"),
        ("/mute \u{202e}ann", "! bad-name "),
        ("/unmute", "! bad-usage write it so: /unmute NAME"),
        ("/unmute \u{1b}", "! no-such-name \u{fffd} is not muted"),
        ("/unmute ann", "! no-such-name ann is not muted"),
        ("/mutes x", "! bad-usage write it so: /mutes"),
    ] {
        order(&mut chatd, line, answer);
    }
    order(&mut chatd, "/mutes", "= end");
    // Somebody who is not here: for when it comes.
    order(&mut chatd, "/mute ben", "= muted ben for good");
    let mut ben = chatd.join("ben");
    ann.expect_line("* ben joined (2 here)");
    ben.say("hello");
    ben.expect_refusal("muted");
    ann.expect_silence_until_pong();
}
