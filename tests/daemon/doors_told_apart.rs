//! One port for several languages: they are told apart by the first bytes in whatever pieces these
//! come, and nothing is written to a connection before it has spoken (rows D01 to D13 of the
//! doors). What is spoken then is in files of its own.

use std::time::Duration;

use crate::common::http::{Answer, answer_of, get, post};
use crate::common::process::memory_bytes;
use crate::common::websocket::{TEXT, expect_texts, expect_upgraded, frame, upgrade};
use crate::common::{Client, Daemon, Heard, LONG_PATIENCE, PROMPT, Pair};

/// Sends each of these in two pieces, of which the server has read the first alone; in as many ways
/// as there are places to cut it.
fn cut_everywhere(chatd: &Daemon, first: impl Fn(usize) -> Vec<u8>) -> Vec<Client> {
    let mut barrier = chatd.program();
    let length = first(0).len();
    let mut clients: Vec<Client> = (1..length).map(|_| chatd.connect()).collect();
    for (client, cut) in clients.iter_mut().zip(1..) {
        client.send(&first(cut)[..cut]);
    }
    barrier.until_pong();
    for (client, cut) in clients.iter_mut().zip(1..) {
        client.send(&first(cut)[cut..]);
    }
    clients
}

#[test]
fn d01_first_bytes_say_the_same_in_any_pieces() {
    let chatd = Daemon::start(&["--announce-max", "0"]);
    let cases: [(&[u8], &str); 7] = [
        (b"{\"do\":\"ping\"}\n", "{\"is\":\"hello\""),
        (b" \t{\"do\":\"ping\"}\n", "{\"is\":\"hello\""),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "HTTP/1.1 200 ",
        ),
        (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 "),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 505 "),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "! wrong-protocol "),
        (b"G ET /\n", "! bad-name"),
    ];
    for (first, answer) in cases {
        for mut client in cut_everywhere(&chatd, |_| first.to_vec()) {
            let got = client.take_bytes(answer.len());
            assert_eq!(String::from_utf8_lossy(&got), answer);
        }
    }
    for word in ["GET", "POST", "SSH-2", "PRI", "ann"] {
        let name = |cut| format!("{word}{cut}\n").into_bytes();
        for (mut client, cut) in cut_everywhere(&chatd, name).into_iter().zip(1..) {
            client.expect_prefix(&format!("* welcome to lobby, {word}{cut} ("));
        }
    }
    let posted = |cut| post(&format!("lobby?name=cron{}", cut % 10), "hi").into_bytes();
    for mut client in cut_everywhere(&chatd, posted) {
        let answer = answer_of(&mut client, "POST");
        assert_ne!(answer.status, 400, "{answer:?}");
    }
}

#[test]
fn d67_a_websocket_is_opened_in_any_pieces() {
    let chatd = Daemon::start(&[]);
    let opening = upgrade("").into_bytes();
    let ping = frame(TEXT, br#"{"do":"ping"}"#);
    let all = [&opening[..], &ping, &ping].concat();
    let mut clients = cut_everywhere(&chatd, |_| all.clone());
    let mut whole = chatd.connect();
    whole.send(&all);
    clients.push(whole);
    for mut client in clients {
        expect_upgraded(&mut client);
        let pong = r#"{"is":"pong"}"#;
        expect_texts(&mut client, &[r#"{"is":"hello""#, pong, pong]);
    }
}

#[test]
fn d02_a_browser_that_waits_with_its_request_is_answered() {
    let chatd = Daemon::start(&[]);
    let mut waiting: Vec<Client> = (0..3).map(|_| chatd.connect()).collect();
    for (client, waited) in waiting.iter_mut().zip([310, 690, 2000]) {
        let waited = Duration::from_millis(waited);
        assert_eq!(client.hear_for(waited), Heard::Nothing);
        client.send(get("/").as_bytes());
        let answer = answer_of(client, "GET");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(client.received()[0], b'H');
    }
}

#[test]
fn d05_a_person_who_presses_enter_is_told_what_to_do() {
    let chatd = Daemon::start(&[]);
    let mut person = chatd.connect();
    for ending in ["\n", "\r\n", "\n"] {
        person.send(ending.as_bytes());
        person.expect_line(PROMPT);
    }
    person.say("ann");
    person.expect_welcome();
}

#[test]
fn d06_who_never_speaks_is_closed_without_a_word() {
    const SILENT: usize = 300;
    let chatd = Daemon::start_for_talk(&["--name-timeout", "1"]);
    let pair = Pair::start(&chatd);
    pair.fault_begins();
    let mut silent: Vec<Client> = (0..SILENT).map(|_| chatd.connect()).collect();
    for client in &mut silent {
        assert_eq!(client.raw_until_closed(), b"");
    }
    assert_eq!(pair.finish("d06").left(), 0);
    chatd.expect_log(&["no name in time"]);
    let ends = |line: &&String| line.contains("no name in time");
    let told = chatd.log_lines().iter().filter(ends).count();
    assert!((1..=SILENT).contains(&told), "{told} lines of log");
}

#[test]
fn d06_who_never_spoke_hears_nothing_when_the_server_stops() {
    let mut chatd = Daemon::start(&[]);
    let mut silent = chatd.connect();
    let mut begun = chatd.connect();
    begun.send(b"GET / HT");
    let mut text = chatd.join("ann");
    chatd.signal(crate::common::Signal::TERM);
    text.expect_refusal("shutting-down");
    assert_eq!(silent.raw_until_closed(), b"");
    assert_eq!(begun.raw_until_closed(), b"");
    assert!(chatd.expect_exit(LONG_PATIENCE).success());
}

#[test]
fn d07_names_that_look_like_protocols_are_names() {
    let chatd = Daemon::start(&["--announce-max", "0"]);
    for name in [
        "GET", "POST", "HEAD", "PUT", "PRI", "NICK", "CAP", "PASS", "PROXY", "SSH",
    ] {
        let mut client = chatd.connect();
        client.say(name);
        client.expect_prefix(&format!("* welcome to lobby, {name} ("));
    }
}

#[test]
fn d07_what_was_the_beginning_of_a_protocol_is_a_name_at_the_end() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    for name in ["G", "GET", "SSH-2", "POST"] {
        let mut client = chatd.connect();
        client.send(name.as_bytes());
        client.half_close();
        ann.expect_line(&format!("* {name} joined (2 here)"));
        ann.expect_line(&format!("* {name} left (1 here)"));
    }
}

#[test]
fn d09_what_began_as_http_is_never_chat() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let rubbish = "x".repeat(100_000);
    for (first, status) in [
        (format!("GET {rubbish}"), 414),
        (format!("GET / HTTP/1.1\r\nX: {rubbish}"), 431),
        (
            format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(20_000)),
            431,
        ),
        ("GET \nben\nhello\n".into(), 400),
        ("GET / HTTP/1.1\nben\nhello\n\n".into(), 400),
        ("POST ben\r\nben\r\nhello\r\n\r\n".into(), 400),
    ] {
        let mut client = chatd.connect();
        client.send(first.as_bytes());
        client.send(b"\nben\nhello\n");
        let answer = answer_of(&mut client, "GET");
        let beginning = &first[..first.len().min(30)];
        assert_eq!(answer.status, status, "{beginning:?}: {answer:?}");
    }
    ann.expect_silence_until_pong();
}

#[test]
fn d09_unfinished_heads_take_no_more_memory_than_they_may() {
    const HEADS: usize = 300;
    const HEAD_BYTES: usize = 8 << 10;
    let chatd = Daemon::start(&[]);
    let mut barrier = chatd.program();
    barrier.until_pong();
    let before = memory_bytes(chatd.id());
    let mut clients: Vec<Client> = (0..HEADS).map(|_| chatd.connect()).collect();
    let head = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(HEAD_BYTES - 100));
    for client in &mut clients {
        client.send(head.as_bytes());
    }
    barrier.until_pong();
    barrier.until_pong();
    let grown = memory_bytes(chatd.id()).saturating_sub(before);
    eprintln!("d09: {} bytes for each unfinished head", grown / HEADS);
    assert!(grown < HEADS * 3 * HEAD_BYTES, "{grown} bytes");
}

#[test]
fn d13_a_full_house_says_so_in_text_to_all() {
    let chatd = Daemon::start(&["--max-clients", "1"]);
    let _ann = chatd.join("ann");
    let hello_of_tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let websocket = upgrade("");
    for first in [
        b"ben\n",
        get("/").as_bytes(),
        websocket.as_bytes(),
        b"{\"do\":\"ping\"}\n",
        hello_of_tls,
    ] {
        let mut client = chatd.connect();
        client.send(first);
        client.expect_refusal("server-full");
        assert_eq!(client.raw_until_closed(), b"");
    }
}

#[test]
fn without_the_web_door_http_is_a_protocol_that_is_not_spoken() {
    let chatd = Daemon::start(crate::common::ONLY_PEOPLE);
    for request in [get("/"), post("lobby?name=cron", "hi"), upgrade("")] {
        let mut client = chatd.connect();
        client.send(request.as_bytes());
        let answer = String::from_utf8(client.raw_until_closed()).expect("text");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("\r\n\r\n! wrong-protocol "), "{answer}");
        chatd.expect_log(&["another protocol"]);
    }
    let mut silent = chatd.connect();
    silent.expect_line(PROMPT);
}

/// A connection that only asked for a page is no member and no client that takes a name's time.
#[test]
fn answers_are_read_by_who_closes_its_side_first() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    for (request, status) in [
        (get("/"), 200),
        (get("/rooms/lobby"), 200),
        (post("lobby?name=cron", "backup done"), 201),
    ] {
        // As `printf … | nc -N` does: all of it and the end in one go.
        let mut client = chatd.connect();
        client.send(request.as_bytes());
        client.half_close();
        let answer = Answer::read(&client.raw_until_closed(), false);
        assert_eq!(answer.status, status, "{request}");
    }
    ann.expect_line("<cron> backup done");
    ann.expect_silence_until_pong();
}
