//! `POST /rooms/ROOM`: what a script says without entering, who hears it, and what is refused. Heads
//! that are wrong are in `web_pages`.

use serde_json::json;

use crate::common::http::{ask_over, post};
use crate::common::{Client, Daemon, id_of};

#[test]
fn each_line_of_a_post_is_said_to_everybody_in_order() {
    let chatd = Daemon::start(&[]);
    let mut text = chatd.join("text");
    let mut program = chatd.enter("program", &["lobby"]);
    let mut page = chatd.enter_websocket("page", &["lobby"]);
    text.lines_until_pong();
    program.until_pong();
    let body = "one\r\n\n  \ntwo \u{1b}[1m\n/who\nlast {\"do\":\"quit\"}";
    let answer = chatd.post("lobby?name=cron", body);
    assert_eq!(answer.status, 201);
    let said = ["one", "two \u{fffd}[1m", "/who", "last {\"do\":\"quit\"}"];
    let ids: Vec<String> = answer.lines().iter().map(id_of).collect();
    assert_eq!(ids.len(), said.len(), "{answer:?}");
    for line in answer.lines() {
        assert_eq!(line["is"], "done", "{line}");
    }
    for (line, id) in said.into_iter().zip(&ids) {
        text.expect_line(&format!("<cron> {line}"));
        let wanted = json!({"is": "said", "room": "lobby", "from": "cron", "text": line,
            "posted": true, "id": id});
        for member in [&mut program, &mut page] {
            member.expect(wanted.clone());
        }
    }
    text.expect_silence_until_pong();
    program.expect_silence();
    page.expect_silence();
    let log = chatd.expect_log(&["cron", "127.0.0.1", "lobby"]);
    assert!(!log.contains("one"), "no text in the log: {log}");
}

#[test]
fn a_post_needs_nobody_to_be_there() {
    let chatd = Daemon::start(&[]);
    assert_eq!(chatd.post("ops?name=cron", "hello").status, 201);
    assert_eq!(chatd.post("%23ops?name=cron", "again").status, 201);
    let mut ann = chatd.join("ann");
    ann.say("/rooms");
    ann.expect_lines(&["= lobby 1", "= end"]);
}

#[test]
fn what_cannot_be_said_is_not_said_at_all() {
    let chatd = Daemon::start(&["--line-max", "128", "--max-rooms", "1"]);
    let mut ann = chatd.join("ann");
    let long = "x".repeat(129);
    let lines = |count| "x\n".repeat(count);
    let (too_many, too_long) = (lines(101), format!("fine\n{long}"));
    for (target, body, status, says) in [
        ("lobby?name=ann", "hi", 409, "name-in-use ann"),
        ("lobby?name=ANN", "hi", 409, "name-in-use"),
        ("lobby?name=", "hi", 400, "bad-name"),
        ("lobby?name=a+b", "hi", 400, "bad-name"),
        ("lobby?name=server", "hi", 400, "bad-name"),
        ("lobby", "hi", 400, "name=NAME"),
        ("lobby?name=a&name=b", "hi", 400, "name"),
        ("lo%20bby?name=cron", "hi", 400, "bad-name"),
        ("lo%ff?name=cron", "hi", 400, "room"),
        ("a/b?name=cron", "hi", 404, ""),
        ("other?name=cron", "hi", 503, "too-many-rooms"),
        ("lobby?name=cron", "", 400, "nothing"),
        ("lobby?name=cron", "\n \r\n\t\n", 400, "nothing"),
        ("lobby?name=cron", &too_many, 413, "100 lines"),
        ("lobby?name=cron", &too_long, 413, "line-too-long"),
    ] {
        let answer = chatd.post(target, body);
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        assert!(answer.body.contains(says), "{target}: {answer:?}");
    }
    let mut bad = chatd.connect();
    let request = post("lobby?name=cron", "??");
    bad.send(request.trim_end_matches('?').as_bytes());
    bad.send(&[0xc3, 0x28]);
    let answer = crate::common::http::answer_of(&mut bad, "POST");
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("UTF-8"), "{answer:?}");
    ann.expect_silence_until_pong();
    assert_eq!(chatd.post("lobby?name=cron", &lines(100)).status, 201);
    assert_eq!(ann.next_lines(100).len(), 100);
    ann.expect_silence_until_pong();
}

#[test]
fn a_body_of_64_kib_is_taken_and_one_byte_more_is_not() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let line = "x".repeat(4095) + "\n";
    let most = line.repeat(16);
    assert_eq!(most.len(), 64 << 10);
    assert_eq!(
        chatd.post("lobby?name=cron", &(most.clone() + "x")).status,
        413
    );
    ann.expect_silence_until_pong();
    assert_eq!(chatd.post("lobby?name=cron", &most).status, 201);
    for _ in 0..16 {
        assert!(ann.next_line().ends_with('x'));
    }
}

#[test]
fn posts_from_one_address_share_a_rate_and_others_have_their_own() {
    let chatd = Daemon::start(&["--rate", "1", "--burst", "5"]);
    let mut ann = chatd.join("ann");
    let request = post("lobby?name=cron", "a\nb\nc\nd\ne");
    let ask_from = |last: u8| {
        let address = [127, 0, 0, last].into();
        ask_over(Client::connect_from(address, chatd.address()), &request)
    };
    assert_eq!(ask_from(1).status, 201);
    let refused = ask_from(1);
    assert_eq!(refused.status, 429);
    let seconds = refused.field("retry-after").expect("when").parse::<u64>();
    assert!((1..=5).contains(&seconds.expect("seconds")), "{refused:?}");
    assert_eq!(ask_from(1).status, 429);
    assert_eq!(ask_from(2).status, 201);
    assert_eq!(ask_from(2).status, 429);
    assert_eq!(ann.next_lines(10).len(), 10);
    ann.expect_silence_until_pong();
    // A member from there is not held back for that.
    let mut ben = chatd.join("ben");
    ben.say("hello");
    ann.expect_line("* ben joined (2 here)");
    ann.expect_line("<ben> hello");
}

#[test]
fn posts_to_a_busy_room_wait_their_turn_and_all_are_said() {
    const POSTERS: usize = 40;
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut ann = chatd.join("ann");
    let body = ("x".repeat(4000) + "\n").repeat(16);
    let request = post("lobby?name=cron", &body);
    let mut posters: Vec<Client> = (0..POSTERS).map(|_| chatd.connect()).collect();
    for poster in &mut posters {
        poster.send(request.as_bytes());
    }
    for _ in 0..16 * POSTERS {
        ann.next_line();
    }
    for poster in &mut posters {
        let answer = crate::common::http::answer_of(poster, "POST");
        assert_eq!((answer.status, answer.lines().len()), (201, 16));
    }
    ann.expect_silence_until_pong();
}

#[test]
fn pages_of_others_may_not_post() {
    let chatd = Daemon::start(&["--web-name", "chat.example"]);
    let mut ann = chatd.join("ann");
    for (fields, status) in [
        ("Host: localhost:5001", 201),
        ("Host: 127.0.0.1:5001", 201),
        ("Host: chat.example", 201),
        ("Host: evil.example", 403),
        ("Host: evil.example\r\nOrigin: http://evil.example", 403),
        ("Host: localhost\r\nOrigin: http://evil.example", 403),
        ("Host: localhost\r\nOrigin: null", 403),
        ("Host: localhost\r\nOrigin: http://localhost:1", 403),
        ("Host: localhost\r\nOrigin: http://localhost", 201),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site", 403),
        ("Host: localhost\r\nSec-Fetch-Site: same-site", 403),
        ("Host: localhost\r\nSec-Fetch-Site: none", 201),
    ] {
        let request = post("lobby?name=cron", "hi").replace("Host: localhost", fields);
        let answer = chatd.ask(&request);
        assert_eq!(answer.status, status, "{fields}: {answer:?}");
        if status == 201 {
            ann.expect_line("<cron> hi");
        }
        let reading = format!("GET /rooms/lobby HTTP/1.1\r\n{fields}\r\n\r\n");
        let read = chatd.ask(&reading).status;
        assert_eq!(read, if status == 201 { 200 } else { 403 }, "{fields}");
    }
    ann.expect_silence_until_pong();
}
