//! How WebSockets end: who says the last word, with which code, and that a member leaves once; and
//! coming back from one connection to another (rows D68 and D69 of the doors).

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::websocket::{
    CLOSE, PING, PONG, TEXT, TEXT_BEGINS, expect_close, expect_ended_with, expect_texts, frame,
    head, next_frame,
};
use crate::common::{Client, Daemon, Heard, LONG_PATIENCE, Program, Signal, token_of};

fn entering(name: &str) -> Vec<u8> {
    frame(
        TEXT,
        json!({"do": "enter", "name": name}).to_string().as_bytes(),
    )
}

/// What `entering` is answered with.
const ENTERED: [&str; 4] = [
    r#"{"is":"hello""#,
    r#"{"is":"welcome""#,
    r#"{"is":"entered""#,
    r#"{"is":"caught-up""#,
];

#[test]
fn whom_the_server_ends_reads_why_and_then_the_code() {
    let mut chatd = Daemon::start(&["--console", "--name-timeout", "1"]);
    let mut ann = chatd.enter_websocket("ann", &["lobby"]);
    let mut ben = chatd.enter_websocket("ben", &["lobby"]);
    let mut silent = chatd.websocket();
    let mut slow = chatd.websocket();
    slow.ask(json!({"do": "ping"}));
    assert_eq!(slow.next()["is"], "hello");
    slow.expect(json!({"is": "pong"}));
    expect_ended_with(&mut slow, "name-timeout", 1008);
    expect_ended_with(&mut silent, "name-timeout", 1008);
    chatd.type_line("/kick ann shouting");
    ann.expect(json!({"is": "joined", "room": "lobby", "name": "ben", "here": 2}));
    expect_ended_with(&mut ann, "kicked", 1008);
    let left = ben.next();
    assert_eq!(
        (&left["is"], &left["cause"]),
        (&json!("left"), &json!("kicked"))
    );
    let mut half_open = chatd.websocket();
    chatd.signal(Signal::TERM);
    expect_ended_with(&mut ben, "shutting-down", 1001);
    expect_ended_with(&mut half_open, "shutting-down", 1001);
    assert!(chatd.expect_exit(LONG_PATIENCE).success());
}

#[test]
fn d68_however_it_ends_it_leaves_once() {
    let ends = |name: &str, end: &mut dyn FnMut(Client), how: &str| {
        let chatd = Daemon::start(&[]);
        let mut ann = chatd.join("ann");
        let mut client = chatd.raw_websocket();
        client.send(&entering(name));
        expect_texts(&mut client, &ENTERED);
        ann.expect_line(&format!("* {name} joined (2 here)"));
        end(client);
        ann.expect_line(&format!("* {name} left (1 here){how}"));
        ann.expect_silence_until_pong();
    };
    // TCP ends without a close.
    let closes_its_side = &mut |mut client: Client| {
        client.half_close();
        expect_close(&mut client, 1000);
    };
    ends("fin", closes_its_side, "");
    ends("rst", &mut Client::reset, ": connection lost");
    let in_mid_message = &mut |mut client: Client| {
        client.send(&head(TEXT, 100));
        client.half_close();
        expect_close(&mut client, 1000);
    };
    ends("half", in_mid_message, "");
    // With a close: the code comes back.
    for code in [1000_u16, 1001, 3000, 4999] {
        let closes = &mut |mut client: Client| {
            let payload = [&code.to_be_bytes()[..], b"bye"].concat();
            client.send(&frame(CLOSE, &payload));
            expect_close(&mut client, code);
        };
        ends(&format!("close{code}"), closes, "");
    }
    let closes_without_a_code = &mut |mut client: Client| {
        client.send(&frame(CLOSE, b""));
        assert_eq!(next_frame(&mut client), (CLOSE, vec![]));
        assert_eq!(client.raw_until_closed(), b"");
    };
    ends("plain", closes_without_a_code, "");
    let closes_twice = &mut |mut client: Client| {
        let close = frame(CLOSE, &1000_u16.to_be_bytes());
        client.send(&[close.clone(), entering("other"), close].concat());
        client.half_close();
        expect_close(&mut client, 1000);
    };
    ends("twice", closes_twice, "");
    // Both at once: it quits, and its close is on its way behind that.
    let both = &mut |mut client: Client| {
        let quit = frame(TEXT, br#"{"do":"quit"}"#);
        client.send(&[quit, frame(CLOSE, &1001_u16.to_be_bytes())].concat());
        // Its code comes back all the same.
        expect_close(&mut client, 1001);
    };
    ends("both", both, "");
    let fails = &mut |mut client: Client| {
        client.send(&frame(0x83, b""));
        expect_close(&mut client, 1002);
    };
    ends("wrong", fails, "");
}

#[test]
fn what_was_said_before_a_close_is_said_though_it_must_wait() {
    let chatd = Daemon::start(&["--rate", "20", "--burst", "2"]);
    let mut ann = chatd.join("ann");
    let mut client = chatd.raw_websocket();
    let mut all = entering("ben");
    for number in 0..6 {
        let line = json!({"do": "say", "room": "lobby", "text": number.to_string()});
        all.extend(frame(TEXT, line.to_string().as_bytes()));
    }
    all.extend(frame(CLOSE, &1000_u16.to_be_bytes()));
    client.send(&all);
    ann.expect_line("* ben joined (2 here)");
    for number in 0..6 {
        ann.expect_line(&format!("<ben> {number}"));
    }
    ann.expect_line("* ben left (1 here)");
    let frames = client.raw_until_closed();
    assert!(frames.ends_with(&[CLOSE, 2, 0x03, 0xe8]), "{frames:?}");
}

#[test]
fn d69_a_slow_one_is_cut_between_frames_and_told_why() {
    let chatd = Daemon::start(&[
        "--outbox-max",
        "64K",
        "--rate",
        "0",
        "--stall-timeout",
        "60",
    ]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let mut slow = Client::connect_narrow(chatd.address());
    slow.send(crate::common::websocket::upgrade("").as_bytes());
    crate::common::websocket::expect_upgraded(&mut slow);
    slow.send(&entering("slow"));
    expect_texts(&mut slow, &ENTERED);
    ann.next();
    // Lengths of every kind of head; its outbox overflows sooner or later within one of them.
    let mut said = 0;
    let left = 'flood: loop {
        for length in [1, 100, 3000] {
            ann.say_in("lobby", &"x".repeat(length));
        }
        said += 3;
        assert!(said < 100_000, "it is never cut");
        for line in ann.until_pong() {
            if line["is"] == "left" {
                break 'flood line;
            }
        }
    };
    assert_eq!(
        (&left["name"], &left["cause"]),
        (&json!("slow"), &json!("too-slow"))
    );
    let mut heard = 0;
    let last = loop {
        let (first, payload) = next_frame(&mut slow);
        assert_eq!(first, TEXT, "whole frames");
        let line: Value = serde_json::from_slice(&payload).expect("a whole line");
        if line["is"] != "said" {
            break line;
        }
        let length = [1, 100, 3000][heard % 3];
        assert_eq!(line["text"].as_str().expect("a text").len(), length);
        heard += 1;
    };
    eprintln!("d69: {heard} of {said} lines were read");
    assert_eq!(
        (&last["code"], &last["ends"]),
        (&json!("too-slow"), &json!(true))
    );
    assert!(heard < said);
    expect_close(&mut slow, 1008);
}

#[test]
fn of_many_pings_the_newest_is_answered_and_they_cost_the_rate() {
    let chatd = Daemon::start(&["--rate", "1", "--burst", "5"]);
    let mut client = chatd.raw_websocket();
    let pings = |numbers: std::ops::Range<u8>| -> Vec<u8> {
        numbers.flat_map(|number| frame(PING, &[number])).collect()
    };
    // Two at once cost nothing, and five the burst; all came in one read.
    client.send(&pings(0..7));
    assert_eq!(next_frame(&mut client), (PONG, vec![6]));
    client.send(&pings(7..9));
    let (first, payload) = next_frame(&mut client);
    let text = String::from_utf8(payload).expect("text");
    if first == PONG {
        assert_eq!(text.as_bytes(), [8]);
        expect_texts(&mut client, &[r#"{"is":"refused","code":"slow-down""#]);
    } else {
        panic!("wanted a pong: {text}");
    }
    // It is held back, not ended.
    client.send(&frame(TEXT, br#"{"do":"ping"}"#));
    assert_eq!(client.hear_for(Duration::from_millis(200)), Heard::Nothing);
    expect_texts(&mut client, &[r#"{"is":"hello""#, r#"{"is":"pong"}"#]);
}

/// Comes back to `name`, and gives the new token.
#[track_caller]
fn come_back(new: &mut Program, name: &str, token: &str, since: Value) -> String {
    new.ask(json!({"do": "enter", "name": name, "rooms": [], "resume": token, "since": since}));
    assert_eq!(new.next()["is"], "hello");
    let token = token_of(&new.next());
    assert_eq!(new.next()["is"], "entered");
    token
}

#[test]
fn who_comes_back_on_another_door_takes_its_place() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let mut old = chatd.program();
    let mut token = old.enter("ben", &["lobby"]);
    ann.expect_line("* ben joined (2 here)");
    // From TCP to a WebSocket, to another, and back.
    for round in 0..4 {
        let mut new = match round {
            0..=2 => chatd.websocket(),
            _ => chatd.program(),
        };
        let text = format!("round {round}");
        ann.say(&text);
        let said = old.next();
        assert_eq!(said["text"], text.as_str());
        ann.say("missed?");
        ann.expect_silence_until_pong();
        old.say_in("lobby", "last");
        token = come_back(&mut new, "ben", &token, json!({"lobby": said["id"]}));
        let (texts, missed) = new.expect_past();
        assert_eq!(
            (texts, missed),
            (vec!["missed?".into(), "last".into()], json!(0))
        );
        ann.expect_line("<ben> last");
        let lines = old.until_closed();
        let codes = lines.iter().filter(|line| line["is"] == "refused");
        let codes: Vec<_> = codes.map(|line| line["code"].clone()).collect();
        assert_eq!(codes, ["replaced"], "{lines:?}");
        if round > 0 {
            assert_eq!(old.close_code(), Some(1008));
        }
        old = new;
    }
    old.say_in("lobby", "hello");
    ann.expect_line("<ben> hello");
    ann.expect_silence_until_pong();
}

#[test]
fn a_message_that_was_half_sent_goes_with_its_connection() {
    for parts in [false, true] {
        let chatd = Daemon::start(&[]);
        let mut ann = chatd.join("ann");
        let mut old = chatd.raw_websocket();
        old.send(&entering("ben"));
        expect_texts(&mut old, &ENTERED[..1]);
        let (_, welcome) = next_frame(&mut old);
        let token = token_of(&serde_json::from_slice(&welcome).expect("JSON"));
        expect_texts(&mut old, &ENTERED[2..]);
        ann.expect_line("* ben joined (2 here)");
        let says = |text: &str| json!({"do": "say", "room": "lobby", "text": text}).to_string();
        let half = says("half");
        let unfinished = match parts {
            true => frame(TEXT_BEGINS, half.as_bytes()),
            false => frame(TEXT, half.as_bytes())[..30].to_vec(),
        };
        old.send(&[frame(TEXT, says("whole").as_bytes()), unfinished].concat());
        let mut new = chatd.websocket();
        come_back(&mut new, "ben", &token, json!({}));
        ann.expect_line("<ben> whole");
        new.until_pong();
        new.say_in("lobby", "new");
        ann.expect_line("<ben> new");
        new.close_websocket(1000);
        new.until_closed();
        assert_eq!(new.close_code(), Some(1000));
        ann.expect_line("* ben left (1 here)");
    }
}
