//! `--metrics`: what is told there, that its numbers follow what happens, and that who asks wrongly,
//! slowly or too often harms nobody. How strictly it is read stands in `metrics_page`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::metrics_page::{ask, asked_at, complaints, scrape};
use crate::common::http::{Answer, answer_of, get};
use crate::common::{
    Client, Daemon, Heard, LONG_PATIENCE, PATIENCE, Pair, Signal, TlsClient, chatd_command,
    run_to_end,
};

const METRICS: [&str; 2] = ["--metrics", "127.0.0.1:0"];

/// What the manual's table and alert rules speak of.
#[test]
fn every_metric_of_the_manual_is_there() {
    let chatd = Daemon::start(&METRICS);
    let page = scrape(asked_at(&chatd));
    let told: BTreeSet<&str> = page.kinds().map(|(name, _)| name).collect();
    let manual = include_str!("../../docs/operating.md");
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let words = manual.split(|letter| !is_part(letter));
    let named: BTreeSet<&str> = words
        .filter(|word| word.len() > "chatd_".len() && word.starts_with("chatd_"))
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word))
        .collect();
    assert!(named.len() > 15, "{named:?}");
    let missing: Vec<_> = named.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?} of {told:?}");
}

#[test]
fn every_metric_is_there_from_the_start() {
    let chatd = Daemon::start(&METRICS);
    let at = asked_at(&chatd);
    let page = scrape(at);
    let told: BTreeSet<&str> = page.kinds().map(|(name, _)| name).collect();
    for name in [
        "chatd_members",
        "chatd_rooms",
        "chatd_messages_total",
        "chatd_deliveries_total",
        "chatd_received_bytes_total",
        "chatd_sent_bytes_total",
        "chatd_queued_bytes",
        "chatd_block_bytes",
        "chatd_accept_errors_total",
        "chatd_archive_lag_seconds",
        "chatd_archive_errors_total",
        "chatd_archive_lost_total",
        "chatd_archive_left_out_total",
    ] {
        assert_eq!(page.number(name), 0.0, "{name}");
        assert!(told.contains(name));
    }
    for name in ["chatd_turn_seconds", "chatd_message_flush_seconds"] {
        assert!(
            page.kinds().any(|kind| kind == (name, "histogram")),
            "{name}"
        );
    }
    let connections: Vec<_> = page.labelled("chatd_connections").collect();
    assert_eq!(connections.len(), 10);
    assert!(connections.iter().all(|(_, count)| *count == 0.0));
    for reason in ["quit", "too-slow", "banned", "wrong-password", "answered"] {
        let ended = page.number(&format!("chatd_ends_total{{reason=\"{reason}\"}}"));
        assert_eq!(ended, 0.0, "{reason}");
    }
    // Every code that the protocol has: the first cells of its table.
    let protocol = include_str!("../../docs/protocol.md");
    let rows = protocol
        .lines()
        .filter(|line| line.ends_with("| stays |") || line.ends_with("| ends |"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let codes: BTreeSet<String> = cells
        .flat_map(|cell| cell.split(','))
        .map(|code| format!("code=\"{}\"", code.trim().trim_matches('`')))
        .collect();
    let counted = page.labelled("chatd_refusals_total");
    let counted: BTreeSet<String> = counted.map(|(labels, _)| labels.to_owned()).collect();
    assert!(
        codes.len() > 20 && codes.is_subset(&counted),
        "{codes:?}, but {counted:?}"
    );
    if let Some(said) = complaints(&ask(at, &get("/metrics")).body) {
        assert_eq!(said, "");
    }
}

#[test]
fn the_process_tells_of_itself() {
    let chatd = Daemon::start(&METRICS);
    let at = asked_at(&chatd);
    let page = scrape(at);
    let version = concat!(
        "chatd_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"}"
    );
    assert_eq!(page.number(version), 1.0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let age = now.as_secs_f64() - page.number("process_start_time_seconds");
    assert!((-1.0..600.0).contains(&age), "{age}");
    let resident = page.number("process_resident_memory_bytes");
    assert!((1e6..1e9).contains(&resident), "{resident}");
    assert!(page.number("process_cpu_seconds_total") > 0.0);
    let open = page.number("process_open_fds");
    let files = std::fs::read_dir(format!("/proc/{}/fd", chatd.id())).expect("its files");
    let seen = files.count() as f64;
    // The asker's own socket may be gone, or another be there.
    assert!((open - seen).abs() <= 2.0, "{open} told, {seen} seen");
    let crowd: Vec<Client> = (0..20).map(|_| chatd.connect()).collect();
    chatd.pass_accepting();
    assert!(scrape(at).number("process_open_fds") >= open + crowd.len() as f64 - 1.0);
    assert!(page.number("process_max_fds") >= open);
}

#[test]
fn the_numbers_follow_what_happens() {
    let chatd = Daemon::start(&[&METRICS[..], &["--history", "0"]].concat());
    let at = asked_at(&chatd);
    let before = scrape(at);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let mut cyd = chatd.enter("cyd", &["lobby"]);
    let dan = chatd.websocket();
    let mut tls = TlsClient::connect(chatd.address());
    tls.send(b"eve\n");
    tls.expect_prefix("* welcome to lobby, eve (");
    for client in [&mut ann, &mut ben] {
        client.expect_line("* cyd joined (3 here)");
        client.expect_line("* eve joined (4 here)");
    }
    let joined = scrape(at);
    joined.check_goes_on_from(&before);
    let connections = |language, tls| {
        joined.number(&format!(
            "chatd_connections{{language=\"{language}\",tls=\"{tls}\"}}"
        ))
    };
    assert_eq!(connections("text", false), 2.0);
    assert_eq!(connections("text", true), 1.0);
    assert_eq!(connections("json", false), 1.0);
    assert_eq!(connections("websocket", false), 1.0);
    assert_eq!(joined.number("chatd_members"), 4.0);
    assert_eq!(joined.number("chatd_rooms"), 1.0);

    ann.say("one");
    ann.say("two");
    ben.expect_line("<ann> one");
    ben.expect_line("<ann> two");
    cyd.ask(json!({"do": "say", "room": "lobby", "text": "three"}));
    ben.expect_line("<cyd> three");
    assert_eq!(chatd.post("lobby?name=cron", "four").status, 201);
    ben.expect_line("<cron> four");
    ann.say("/nick ben");
    ann.expect_line("<cyd> three");
    ann.expect_line("<cron> four");
    ann.expect_prefix("! name-in-use ");
    let said = scrape(at);
    said.check_goes_on_from(&joined);
    let grown = |sample: &str| said.number(sample) - joined.number(sample);
    assert_eq!(grown("chatd_messages_total"), 4.0);
    assert_eq!(grown("chatd_message_flush_seconds_count"), 4.0);
    assert!(grown("chatd_turn_seconds_count") >= 4.0);
    assert_eq!(grown("chatd_refusals_total{code=\"name-in-use\"}"), 1.0);
    assert_eq!(grown("chatd_ends_total{reason=\"answered\"}"), 1.0);
    // Two lines of ann's for three others, one of cyd's for the four (a program hears itself), one
    // of nobody's.
    assert_eq!(grown("chatd_deliveries_total"), 2.0 * 3.0 + 4.0 + 4.0);
    let sent = ["one\n", "two\n", "/nick ben\n"].concat().len() as f64;
    assert!(grown("chatd_received_bytes_total") > sent);
    assert!(grown("chatd_sent_bytes_total") > grown("chatd_deliveries_total") * 5.0);

    ann.say("/quit");
    ann.raw_until_closed();
    ben.expect_prefix("* ann left ");
    drop(dan);
    chatd.expect_log(&["end \"ann\""]);
    let left = scrape(at);
    left.check_goes_on_from(&said);
    assert_eq!(left.number("chatd_ends_total{reason=\"quit\"}"), 1.0);
    assert_eq!(left.number("chatd_members"), 3.0);
}

#[test]
fn what_is_kept_is_counted() {
    let folder = std::env::temp_dir().join(format!("chatd-metrics-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let data = folder.to_str().unwrap();
    let chatd = Daemon::start(&[&METRICS[..], &["--data", data, "--tls", "off"]].concat());
    let at = asked_at(&chatd);
    let mut ann = chatd.join("ann");
    ann.say("kept\nkept too");
    ann.expect_silence_until_pong();
    let begin = Instant::now();
    while scrape(at).number("chatd_archive_messages_total") < 2.0 {
        assert!(begin.elapsed() < PATIENCE, "{:?}", scrape(at));
    }
    assert_eq!(scrape(at).number("chatd_archive_errors_total"), 0.0);
    drop(chatd);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn there_is_nothing_else_there() {
    let chatd = Daemon::start(&METRICS);
    let at = asked_at(&chatd);
    let healthy = ask(at, &get("/healthz"));
    assert_eq!((healthy.status, &*healthy.body), (200, "ok\n"));
    let head = ask(at, &get("/metrics").replacen("GET", "HEAD", 1));
    assert_eq!(head.status, 200);
    for (request, status) in [
        (get("/"), 404),
        (get("/metrics/"), 404),
        (get("/rooms/lobby"), 404),
        (get("/ws"), 404),
        (get("/metrics").replacen("GET", "POST", 1), 405),
        (get("/metrics").replacen("GET", "DELETE", 1), 405),
        ("GET /metrics HTTP/1.1\r\n\r\n".into(), 400),
        ("GET /metrics HTTP/1.1\nHost: a\n\n".into(), 400),
        ("GET /metrics HTTP/2.0\r\nHost: a\r\n\r\n".into(), 505),
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000)), 414),
        (format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(9000)), 431),
        ("\0\u{1}\n".into(), 400),
    ] {
        assert_eq!(ask(at, &request).status, status, "{request:.60}");
    }
    // It is no way into the chat, and the chat's port tells nothing.
    assert_eq!(chatd.get("/metrics").status, 404);
    let mut talker = Client::connect(at);
    talker.send(b"ann\nhello\n");
    assert_eq!(Answer::read(&talker.raw_until_closed(), false).status, 400);
    assert_eq!(scrape(at).number("chatd_members"), 0.0);
}

#[test]
fn heads_come_in_pieces_and_ends_come_early() {
    let chatd = Daemon::start(&METRICS);
    let at = asked_at(&chatd);
    let request = get("/healthz");
    let mut slow = Client::connect(at);
    for byte in request.as_bytes() {
        slow.send(&[*byte]);
        // Another is served between any two.
        assert_eq!(ask(at, &request).status, 200);
    }
    assert_eq!(answer_of(&mut slow, &request).status, 200);
    for length in [0, 1, 20, request.len() - 1] {
        let mut half = Client::connect(at);
        half.send(&request.as_bytes()[..length]);
        half.half_close();
        assert_eq!(half.raw_until_closed(), b"", "{length}");
        let mut gone = Client::connect(at);
        gone.send(&request.as_bytes()[..length]);
        gone.reset();
    }
    // Both are there at once; one is answered a turn.
    let mut both = [(); 2].map(|()| Client::connect(at));
    for client in &mut both {
        client.send((get("/metrics") + &request).as_bytes());
    }
    for client in &mut both {
        assert_eq!(Answer::read(&client.raw_until_closed(), false).status, 200);
    }
}

#[test]
fn metrics_clients_max_is_kept_by_the_one_that_is_there_for_longest() {
    let chatd = Daemon::start(&METRICS);
    let at = asked_at(&chatd);
    let files = || scrape_files(&chatd);
    let idle = files();
    let mut askers: Vec<Client> = (0..8)
        .map(|_| {
            let mut asker = Client::connect(at);
            asker.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n");
            asker
        })
        .collect();
    let mut ninth = Client::connect(at);
    ninth.send(get("/metrics").as_bytes());
    assert_eq!(Answer::read(&ninth.raw_until_closed(), false).status, 200);
    assert!(files() <= idle + 8);
    let mut first = askers.remove(0);
    assert!(has_ended(&mut first, PATIENCE), "its place was taken");
    for mut asker in askers {
        asker.send(b"\r\n");
        assert_eq!(Answer::read(&asker.raw_until_closed(), false).status, 200);
    }
    // A crowd that only connects is never more.
    let crowd: Vec<Client> = (0..100).map(|_| Client::connect(at)).collect();
    assert_eq!(ask(at, &get("/healthz")).status, 200);
    assert!(files() <= idle + 8);
    drop(crowd);
}

/// Whether the server closes this connection without a word.
fn has_ended(client: &mut Client, patience: Duration) -> bool {
    matches!(client.hear_for(patience), Heard::Closed | Heard::Reset)
}

/// Open files of the server, seen from outside.
fn scrape_files(chatd: &Daemon) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", chatd.id()));
    files.expect("its files").count()
}

#[test]
fn who_does_not_finish_its_head_is_let_go() {
    let chatd = Daemon::start(&METRICS);
    let mut slow = Client::connect(asked_at(&chatd));
    slow.send(b"GET /metrics HTTP/1.1\r\n");
    let begin = Instant::now();
    assert!(has_ended(&mut slow, LONG_PATIENCE));
    // 10 s from when it came, by one clock.
    assert!(begin.elapsed().as_secs() >= 9, "{:?}", begin.elapsed());
}

#[test]
fn health_is_503_while_it_drains() {
    let flags = [
        "--rate",
        "0",
        "--history",
        "0",
        "--outbox-max",
        "8M",
        "--stall-timeout",
        "60",
        "--drain-timeout",
        "30",
    ];
    let mut chatd = Daemon::start(&[&METRICS[..], &flags].concat());
    let at = asked_at(&chatd);
    let mut talker = chatd.join("talker");
    let mut stalled = Client::connect_narrow(chatd.address());
    stalled.say("stalled");
    stalled.expect_welcome();
    talker.expect_line("* stalled joined (2 here)");
    let lines = format!("{}\n", "x".repeat(4000)).repeat(20);
    let begin = Instant::now();
    while scrape(at).number("chatd_queued_bytes") < 200_000.0 {
        assert!(begin.elapsed() < PATIENCE, "nobody is stalled");
        talker.send(lines.as_bytes());
        talker.lines_until_pong();
    }
    assert_eq!(ask(at, &get("/healthz")).status, 200);
    chatd.signal(Signal::TERM);
    chatd.expect_log(&["asked to stop: draining"]);
    talker.lines_until_closed();
    assert_eq!(ask(at, &get("/healthz")).status, 503);
    let page = scrape(at);
    assert_eq!(
        page.number("chatd_ends_total{reason=\"shutting-down\"}"),
        2.0
    );
    stalled.reset();
    assert_eq!(chatd.expect_exit(PATIENCE).code(), Some(0));
}

#[test]
fn others_are_unharmed_while_it_is_scraped_without_end() {
    let chatd = Daemon::start_for_talk(&METRICS);
    let at = asked_at(&chatd);
    let pair = Pair::start(&chatd);
    let mut crowd = chatd.crowd("m", 200);
    pair.fault_begins();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = scrape(at);
                while !over.load(Ordering::Relaxed) {
                    let next = scrape(at);
                    next.check_goes_on_from(&last);
                    last = next;
                }
            });
        }
        for number in 1..=200 {
            let member = &mut crowd[number % 200];
            member.say("#1");
            member.lines_until_pong();
        }
        over.store(true, Ordering::Relaxed);
    });
    pair.finish("scraped");
}

#[test]
fn where_it_listens_is_checked() {
    let printed = run_to_end(chatd_command(&["--check", "--metrics", "127.0.0.1:9101"]));
    assert!(
        printed.output.contains("metrics = 127.0.0.1:9101"),
        "{printed:?}"
    );
    for (listen, metrics) in [
        ("127.0.0.1:5001", "127.0.0.1:5001"),
        ("[::]:5001", "127.0.0.1:5001"),
        ("127.0.0.1:5001", "0.0.0.0:5001"),
    ] {
        for more in [&[][..], &["--check"]] {
            let flags = [&["--listen", listen, "--metrics", metrics][..], more].concat();
            let done = run_to_end(chatd_command(&flags));
            assert_eq!(done.code, Some(78), "{done:?}");
            let said = format!("--metrics {metrics} is where --listen listens");
            assert!(done.errors.contains(&said), "{done:?}");
        }
    }
    let chatd = Daemon::start(&METRICS);
    let at = asked_at(&chatd).to_string();
    let flags = ["--listen", "127.0.0.1:0", "--metrics", &at];
    let done = run_to_end(chatd_command(&flags));
    assert_eq!(done.code, Some(69), "{done:?}");
    let said = format!("--metrics: cannot listen on {at}: the port is in use");
    assert!(done.errors.contains(&said), "{done:?}");
    // Its sockets are taken from the clients: with the one that listens these are ten, and the
    // reserve has room for four.
    let start = "ulimit -n 300";
    let flags = ["--check", "--metrics", "127.0.0.1:9101"];
    let done = run_to_end(crate::common::shell_command(start, &flags));
    assert!(done.output.contains("max-clients = 262"), "{done:?}");
}
