//! WebSockets: who may open one, what is a line in frames and what breaks the rules (rows D61 to D67
//! of the doors). How they end is in `websocket_ends`; cases of the RFC by the hundred are
//! Autobahn's.

use serde_json::json;

use crate::common::http::answer_of;
use crate::common::process::memory_bytes;
use crate::common::websocket::{
    BINARY, CLOSE, GOES_ON, GOES_ON_AND_ENDS, PING, PONG, TEXT, TEXT_BEGINS, expect_close,
    expect_texts, expect_upgraded, frame, head, next_frame, upgrade,
};
use crate::common::{Client, Daemon, hello};

const ASKS: &[u8] = br#"{"do":"ping","ref":"1"}"#;
const HELLO: &str = r#"{"is":"hello""#;
const ANSWER: &str = r#"{"is":"pong","ref":"1"}"#;

#[test]
fn a_program_speaks_over_a_websocket_as_over_tcp() {
    let chatd = Daemon::start(&[]);
    let mut page = chatd.websocket();
    page.ask(json!({"do": "ping"}));
    page.expect(hello());
    page.expect(json!({"is": "pong"}));
    page.say("hello");
    page.expect_refused("bad-json");
    page.enter_later("page");
    let mut ann = chatd.join("ann");
    page.expect(json!({"is": "joined", "room": "lobby", "name": "ann", "here": 2}));
    page.say_in("lobby", "h\u{e9}llo \u{1f44b}\u{7}");
    let said = page.next();
    assert_eq!(said["text"], "h\u{e9}llo \u{1f44b}\u{fffd}");
    ann.expect_line("<page> h\u{e9}llo \u{1f44b}\u{fffd}");
    page.expect(json!({"is": "done", "id": said["id"]}));
    ann.say("hi");
    page.expect(json!({"is": "said", "room": "lobby", "from": "ann", "text": "hi"}));
    page.ask(json!({"do": "quit", "reason": "off"}));
    assert_eq!(page.until_closed(), [] as [serde_json::Value; 0]);
    assert_eq!(page.close_code(), Some(1000));
    ann.expect_line("* page left (1 here): \"off\"");
}

#[test]
fn d61_lengths_that_no_message_has() {
    let chatd = Daemon::start(&[]);
    let mut client = chatd.raw_websocket();
    client.send(&head(TEXT, 1 << 63));
    expect_close(&mut client, 1002);
    // This one it may have; nobody keeps what it says.
    let mut client = chatd.raw_websocket();
    client.send(&[&head(TEXT, (1 << 63) - 1)[..], &[0; 4]].concat());
    skip_flood(&chatd, &mut client);
}

#[test]
fn d61_a_large_message_takes_no_memory_and_is_refused() {
    let chatd = Daemon::start(&[]);
    let mut client = chatd.raw_websocket();
    client.send(&[&head(TEXT, FLOOD_BYTES as u64)[..], &[0; 4]].concat());
    skip_flood(&chatd, &mut client);
    client.send(&frame(TEXT, ASKS));
    let refusal = r#"{"is":"refused","code":"line-too-long""#;
    expect_texts(&mut client, &[HELLO, refusal, ANSWER]);
}

const FLOOD_BYTES: usize = 64 << 20;

/// Sends a flood of blanks and sees that the server does not grow with it.
#[track_caller]
fn skip_flood(chatd: &Daemon, client: &mut Client) {
    let mut barrier = chatd.program();
    barrier.until_pong();
    let before = memory_bytes(chatd.id());
    let piece = vec![b' '; 1 << 20];
    for _ in 0..FLOOD_BYTES >> 20 {
        assert!(client.try_send(&piece), "the server takes it all");
    }
    barrier.until_pong();
    let grown = memory_bytes(chatd.id()).saturating_sub(before);
    eprintln!("d61: {grown} bytes more after {FLOOD_BYTES}");
    assert!(grown < 1 << 20, "{grown} bytes");
}

#[test]
fn d62_what_breaks_the_rules_is_told_by_a_code() {
    let chatd = Daemon::start(&[]);
    let unmasked = [&[TEXT, 2][..], b"{}"].concat();
    let long_form = [&[TEXT, 0xfe, 0, 2][..], &[0; 4], b"{}"].concat();
    let longest_form = [&[TEXT, 0xff, 0, 0, 0, 0, 0, 0, 1, 0][..], &[0; 260]].concat();
    let parts = |parts: &[(u8, &[u8])]| -> Vec<u8> {
        parts
            .iter()
            .flat_map(|(first, bytes)| frame(*first, bytes))
            .collect()
    };
    for (what, bytes, code) in [
        ("not masked", unmasked, 1002),
        ("deflated", frame(TEXT | 0x40, b"{}"), 1002),
        ("RSV2", frame(TEXT | 0x20, b"{}"), 1002),
        ("RSV3", frame(TEXT | 0x10, b"{}"), 1002),
        ("opcode 3", frame(0x83, b"{}"), 1002),
        ("opcode 11", frame(0x8b, b""), 1002),
        ("a length in two bytes that needs one", long_form, 1002),
        ("in eight that needs two", longest_form, 1002),
        ("a ping of 126", frame(PING, &[0; 126]), 1002),
        ("half a ping", frame(0x09, b"x"), 1002),
        ("goes on with nothing", frame(GOES_ON_AND_ENDS, b"{}"), 1002),
        (
            "a text in a text",
            parts(&[(TEXT_BEGINS, b"{"), (TEXT, b"{}")]),
            1002,
        ),
        ("binary", frame(BINARY, b"{}"), 1003),
        ("no UTF-8", frame(TEXT, &[0xc3, 0x28]), 1007),
        ("half a character", frame(TEXT, &[0xc3]), 1007),
        (
            "half a character, then another",
            parts(&[(TEXT_BEGINS, &[0xe2, 0x82]), (GOES_ON_AND_ENDS, b"a")]),
            1007,
        ),
        ("a surrogate", frame(TEXT, &[0xed, 0xa0, 0x80]), 1007),
        ("a close of one byte", frame(CLOSE, &[3]), 1002),
        (
            "a close with 1005",
            frame(CLOSE, &1005u16.to_be_bytes()),
            1002,
        ),
        (
            "a close that says no text",
            frame(CLOSE, &[3, 0xe8, 0xff]),
            1007,
        ),
    ] {
        eprintln!("d62: {what}");
        let mut client = chatd.raw_websocket();
        client.send(&bytes);
        expect_close(&mut client, code);
        // The same, while much more is on its way: the code is to be read all the same.
        let mut client = chatd.raw_websocket();
        let behind = vec![b'x'; 1 << 20];
        let all = [&frame(TEXT, ASKS)[..], &bytes, &behind].concat();
        assert!(client.try_send(&all), "{what}: all of it is taken");
        expect_texts(&mut client, &[HELLO, ANSWER]);
        expect_close(&mut client, code);
    }
}

#[test]
fn d62_pieces_of_a_message_with_pings_between() {
    let chatd = Daemon::start(&[]);
    let mut client = chatd.raw_websocket();
    let line = "{\"do\":\"ping\",\"ref\":\"\u{20ac}\"}".as_bytes();
    client.send(&frame(TEXT, ASKS));
    expect_texts(&mut client, &[HELLO, ANSWER]);
    // Cut within the character, too.
    for cut in 1..line.len() {
        client.send(&frame(TEXT_BEGINS, &line[..cut]));
        client.send(&frame(PING, b"there?"));
        client.send(&frame(GOES_ON, b""));
        client.send(&frame(GOES_ON_AND_ENDS, &line[cut..]));
        // In which order they are answered depends on what the server read at once.
        let mut frames = [next_frame(&mut client), next_frame(&mut client)];
        frames.sort();
        let answer = "{\"is\":\"pong\",\"ref\":\"\u{20ac}\"}".into();
        assert_eq!(frames, [(TEXT, answer), (PONG, b"there?".to_vec())]);
    }
}

#[test]
fn d64_lines_within_messages() {
    let chatd = Daemon::start(&[]);
    let mut client = chatd.raw_websocket();
    let asks = str::from_utf8(ASKS).expect("text");
    client.send(&frame(TEXT, b""));
    client.send(&frame(
        TEXT,
        format!("{asks}\n{asks}\r\n\n\r\n{asks}\n").as_bytes(),
    ));
    expect_texts(&mut client, &[HELLO, ANSWER, ANSWER, ANSWER]);
    // A message ends a line, whatever follows.
    client.send(&frame(TEXT, br#"{"do":"ping","#));
    client.send(&frame(TEXT, br#""ref":"1"}"#));
    let bad = r#"{"is":"refused","code":"bad-json""#;
    expect_texts(&mut client, &[bad, bad]);
    let long = vec![b'x'; 1 << 20];
    client.send(&frame(TEXT, &long));
    client.send(&frame(TEXT, ASKS));
    let refusal = r#"{"is":"refused","code":"line-too-long""#;
    expect_texts(&mut client, &[refusal, ANSWER]);
    // The longest that is taken: eight times a line.
    let blanks = " ".repeat(8 * 4096 - asks.len());
    client.send(&frame(TEXT, format!("{blanks}{asks}").as_bytes()));
    client.send(&frame(TEXT, format!("{blanks} {asks}").as_bytes()));
    expect_texts(&mut client, &[ANSWER, refusal]);
}

#[test]
fn d65_only_our_own_pages_may_open_one() {
    let chatd = Daemon::start(&["--web-name", "chat.example"]);
    for (host, origin, is_open) in [
        ("localhost:5001", None, true),
        ("evil.example", None, false),
        ("localhost:5001", Some("http://localhost:5001"), true),
        ("127.0.0.1:5001", Some("http://127.0.0.1:5001"), true),
        ("chat.example", Some("https://chat.example"), true),
        ("localhost:5001", Some("http://evil.example"), false),
        ("localhost:5001", Some("null"), false),
        ("localhost:5001", Some(""), false),
        ("localhost:5001", Some("http://localhost:5002"), false),
        // DNS rebinding.
        ("evil.example:5001", Some("http://evil.example:5001"), false),
    ] {
        let origin = origin.map(|origin| format!("Origin: {origin}\r\n"));
        let request = upgrade(&origin.clone().unwrap_or_default());
        let request = request.replace("Host: localhost", &format!("Host: {host}"));
        let mut client = chatd.connect();
        client.send(request.as_bytes());
        if is_open {
            expect_upgraded(&mut client);
        } else {
            let answer = answer_of(&mut client, "GET");
            assert_eq!(answer.status, 403, "{host} {origin:?}: {answer:?}");
        }
    }
}

#[test]
fn d66_how_a_websocket_is_asked_for() {
    let chatd = Daemon::start(&[]);
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for (old, new, status) in [
        ("", "", 101),
        (
            "Connection: Upgrade",
            "Connection: keep-alive, Upgrade",
            101,
        ),
        ("Connection: Upgrade", "connection: keep-alive,uPGRADE", 101),
        ("Upgrade: websocket", "Upgrade: WebSocket", 101),
        (
            key,
            &format!(
                "{key}\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
            ),
            101,
        ),
        ("Version: 13", "Version: 8", 426),
        ("Version: 13", "Version: 14", 426),
        ("Connection: Upgrade", "Connection: close", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("HTTP/1.1", "HTTP/1.0", 426),
        ("GET", "HEAD", 405),
        (key, "Sec-WebSocket-Key: c2hvcnQ=", 400),
        (key, "X: y", 400),
        (key, &format!("{key}\r\n{key}"), 400),
        (key, &format!("{key}\r\nSec-WebSocket-Protocol: chat"), 400),
        (key, &format!("{key}\r\nSec-WebSocket-Protocol: a, b"), 400),
        (key, &format!("{key}\r\nContent-Length: 1"), 400),
    ] {
        let request = upgrade("");
        let request = if old.is_empty() {
            request
        } else {
            request.replacen(old, new, 1)
        };
        let mut client = chatd.connect();
        client.send(request.as_bytes());
        if status == 101 {
            expect_upgraded(&mut client);
            client.send(&frame(TEXT, ASKS));
            expect_texts(&mut client, &[HELLO, ANSWER]);
            continue;
        }
        let answer = answer_of(&mut client, &request);
        assert_eq!(answer.status, status, "{new}: {answer:?}");
        if status == 426 {
            assert_eq!(answer.field("sec-websocket-version"), Some("13"));
            assert_eq!(answer.field("upgrade"), Some("websocket"));
        }
    }
}
