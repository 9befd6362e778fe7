//! The page and heads of HTTP over real sockets (rows D40 to D46 of the doors): what is answered,
//! and that who asks wrongly, slowly or without end harms nobody. What the page does is `browser`'s.

use std::time::{Duration, Instant};

use crate::common::http::{Answer, answer_of, ask_over, get, post};
use crate::common::process::processor_time;
use crate::common::{Client, Daemon, Heard, LONG_PATIENCE, Pair};

#[test]
fn the_files_of_the_page() {
    let chatd = Daemon::start(&[]);
    for (target, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/?x=y", "text/html; charset=utf-8"),
    ] {
        let answer = chatd.get(target);
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.field("content-type"), Some(content_type));
        assert_eq!(answer.field("cache-control"), Some("no-cache"));
        assert!(!answer.body.is_empty(), "{target}");
        let policy = answer.field("content-security-policy");
        assert!(policy.is_some_and(|policy| policy.contains("default-src 'none'")));
        // HTTP/1.0 is served, and needs no Host.
        let old = chatd.ask(&format!("GET {target} HTTP/1.0\r\n\r\n"));
        assert_eq!(old.body, answer.body);
    }
}

#[test]
fn d42_only_exact_names_are_files() {
    let chatd = Daemon::start(&[]);
    for target in [
        "/../x",
        "/../../etc/passwd",
        "//",
        "/%2e",
        "/%2e%2e/",
        "/index.html",
        "/./",
        "/app.js/",
        "http://localhost/",
        "*",
        "/rooms",
    ] {
        let answer = chatd.get(target);
        assert_eq!(answer.status, 404, "{target}");
        assert_eq!(answer.body.lines().count(), 1, "{target}: {answer:?}");
    }
    for target in ["/favicon.ico", "/robots.txt"] {
        let answer = chatd.get(target);
        assert_eq!((answer.status, &*answer.body), (404, ""), "{target}");
    }
}

#[test]
fn d46_a_browser_that_asks_again_is_not_told_again() {
    let chatd = Daemon::start(&[]);
    for target in ["/", "/app.js", "/style.css"] {
        let whole = chatd.get(target);
        let tag = whole.field("etag").expect("a tag").to_owned();
        let again = |tag: &str| {
            let field = format!("\r\nIf-None-Match: {tag}\r\n\r\n");
            chatd.ask(&get(target).replace("\r\n\r\n", &field))
        };
        assert_eq!(again(&tag).status, 304);
        assert_eq!(again(&format!("\"x\", W/{tag}")).status, 304);
        assert_eq!(again("\"x\"").body, whole.body);
        let head = chatd.ask(&get(target).replacen("GET", "HEAD", 1));
        assert_eq!(head.status, 200);
        assert_eq!(head.field("content-length"), whole.field("content-length"));
    }
}

#[test]
fn d45_of_two_requests_in_one_segment_the_first_is_answered() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let both = get("/style.css") + &post("lobby?name=cron", "hi");
    let answer = chatd.ask(&both);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, chatd.get("/style.css").body);
    let both = post("lobby?name=cron", "one") + &post("lobby?name=cron", "two");
    assert_eq!(chatd.ask(&both).status, 201);
    ann.expect_line("<cron> one");
    ann.expect_silence_until_pong();
}

#[test]
fn d41_heads_that_are_wrong() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let lines = |lines: &[&str]| lines.join("\r\n") + "\r\n\r\n";
    let host = "Host: localhost";
    let first = "GET / HTTP/1.1";
    let room = "POST /rooms/lobby?name=cron HTTP/1.1";
    let head_of = |bytes: usize| {
        let filler = "y".repeat(bytes - lines(&[first, host, "X: "]).len());
        lines(&[first, host, &format!("X: {filler}")])
    };
    let target_of = |bytes: usize| {
        let target = format!("/?{}", "x".repeat(bytes - 2));
        get(&target)
    };
    let fields = |count: usize| lines(&[&[first, host][..], &vec!["X: y"; count - 1]].concat());
    for (request, status) in [
        (fields(64), 200),
        (fields(65), 431),
        (head_of(8192), 200),
        (head_of(8193), 431),
        (target_of(1024), 200),
        (target_of(1025), 414),
        (lines(&[first]), 400),
        (lines(&[first, host, host]), 400),
        (lines(&[first, "Host: a b"]), 400),
        (lines(&[first, host, "X: y", " folded"]), 400),
        (lines(&[first, host, "X: \0"]), 400),
        (lines(&[first, host, "X : y"]), 400),
        (lines(&[first, host, "no field"]), 400),
        (format!("{first}\n{host}\n\n"), 400),
        (format!("{first}\r\n{host}\n\r\n"), 400),
        (lines(&[first, host, "Content-Length: 5"]), 400),
        (lines(&[first, host, "Transfer-Encoding: chunked"]), 400),
        (lines(&["GET / HTTP/1.1 x", host]), 400),
        (lines(&["GET  / HTTP/1.1", host]), 400),
        (lines(&["GET / HTTP/2.0", host]), 505),
        (lines(&["PRI * HTTP/2.0"]), 505),
        (lines(&["OPTIONS / HTTP/1.1", host]), 405),
        (lines(&["PUT /rooms/lobby HTTP/1.1", host]), 405),
        (lines(&["POST / HTTP/1.1", host, "Content-Length: 3"]), 405),
        (lines(&["GET /ws HTTP/1.1", host]), 426),
        (lines(&[room, host]), 411),
        (lines(&[room, host, "Transfer-Encoding: chunked"]), 400),
        (
            lines(&[room, host, "Content-Length: 3", "Content-Length: 3"]),
            400,
        ),
        (lines(&[room, host, "Content-Length: +3"]), 400),
        (lines(&[room, host, "Content-Length: 65537"]), 413),
        (
            lines(&[room, host, "Content-Length: 18446744073709551617"]),
            413,
        ),
        (
            lines(&[room, host, "Content-Length: 3", "Expect: a-miracle"]),
            417,
        ),
    ] {
        // What may come behind is never read as anything.
        let behind = "ben\nhello\nGET / HTTP/1.1\r\n\r\n";
        let answer = chatd.ask(&(request.clone() + behind));
        let shown = &request[..request.len().min(120)];
        assert_eq!(answer.status, status, "{shown:?}: {answer:?}");
    }
    let allowed = chatd.ask(&lines(&["PUT /rooms/lobby HTTP/1.1", host]));
    assert_eq!(allowed.field("allow"), Some("GET, HEAD, POST"));
    let upgrade = chatd.get("/ws");
    assert_eq!(upgrade.field("upgrade"), Some("websocket"));
    ann.expect_silence_until_pong();
}

#[test]
fn an_answer_is_read_though_much_more_was_sent() {
    let chatd = Daemon::start(&[]);
    let body = "x".repeat(1 << 20);
    for _ in 0..3 {
        // The whole of it is on its way when the answer is written.
        let answer = chatd.post("lobby?name=cron", &body);
        assert_eq!(answer.status, 413);
        let answer = chatd.ask(&(get("/") + &body));
        assert_eq!(answer.status, 200);
    }
}

#[test]
fn d40_heads_that_come_byte_by_byte_go_in_time() {
    const HEADS: usize = 300;
    const WINDOW: Duration = Duration::from_secs(3);
    let chatd = Daemon::start_for_talk(&["--name-timeout", "3"]);
    let pair = Pair::start(&chatd);
    pair.fault_begins();
    let mut slow: Vec<Client> = (0..HEADS).map(|_| chatd.connect()).collect();
    let (start, time) = (Instant::now(), processor_time(chatd.id()));
    let head = get("/x").replace("\r\n\r\n", "\r\nX: ") + &"y".repeat(2000);
    let mut bytes = head.bytes();
    // Beyond the time that they have, each of them sends a byte in each round.
    while start.elapsed() < WINDOW + Duration::from_secs(2) {
        let byte = [bytes.next().expect("more bytes than rounds")];
        slow.retain_mut(|client| client.try_send(&byte));
        let mut waits = chatd.connect();
        assert_eq!(waits.hear_for(Duration::from_millis(100)), Heard::Nothing);
    }
    let time = processor_time(chatd.id()) - time;
    assert!(slow.is_empty(), "{} are still there", slow.len());
    eprintln!("d40: {time:?} of a processor in {:?}", start.elapsed());
    assert_eq!(pair.finish("d40").left(), 0);
}

#[test]
fn d44_a_reader_of_an_answer_that_stops_is_closed() {
    let chatd = Daemon::start(&["--rate", "0", "--outbox-max", "8M"]);
    let mut ann = chatd.program();
    ann.enter("ann", &["lobby"]);
    let text = "\"".repeat(1200);
    for _ in 0..200 {
        ann.say_in("lobby", &text);
    }
    ann.until_pong();
    let mut stopped = Client::connect_narrow(chatd.address());
    stopped.send(get("/rooms/lobby?limit=200").as_bytes());
    let (start, address) = (Instant::now(), stopped.address().to_string());
    let end = loop {
        let log = chatd.log_lines();
        let end = |line: &String| line.contains("end ") && line.contains(&address);
        if let Some(line) = log.into_iter().find(end) {
            break line;
        }
        assert!(start.elapsed() < LONG_PATIENCE, "it is still there");
        let pause = Duration::from_millis(200);
        assert_eq!(chatd.connect().hear_for(pause), Heard::Nothing);
    };
    assert!(end.contains("answered"), "{end}");
    // It is the time for an answer that it was given, not that of a stalled member.
    eprintln!("d44: closed {:?} after it asked", start.elapsed());
    assert!(start.elapsed() > Duration::from_secs(9), "{end}");
}

#[test]
fn e100_a_client_that_waits_to_be_told_to_go_on_is_told() {
    let chatd = Daemon::start(&[]);
    let request = post("lobby?name=cron", "backup done");
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let mut client = chatd.connect();
    client.send(format!("{head}\r\nExpect: 100-continue\r\n\r\n").as_bytes());
    let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(client.take_bytes(go_on.len()), go_on);
    client.send(body.as_bytes());
    assert_eq!(answer_of(&mut client, "POST").status, 201);
    // Who does not wait is not told.
    let request = request.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let answer = ask_over(chatd.connect(), &request);
    assert_eq!(answer.status, 201, "{answer:?}");
    let mut bytewise = chatd.connect();
    for byte in post("lobby?name=cron", "byte by byte").bytes() {
        bytewise.send(&[byte]);
    }
    let answer = Answer::read(&bytewise.raw_until_closed(), false);
    assert_eq!(answer.status, 201, "{answer:?}");
}
