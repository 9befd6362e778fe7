//! Single stories of the web door, told by hand over the turn: what takes the time of its limits, and
//! what is owed to a socket that takes nothing. No sockets, no clock.

use std::time::Duration;

use chatd::config::Limits;
use chatd::session::{CloseReason, SessionId};
use chatd::time::Time;

use crate::web_stage::{Stage, UPGRADE, frame, post};

#[test]
fn http_head_timeout_is_one_clock_from_the_accept_for_head_and_body() {
    let limits = Limits {
        http_head_timeout: Duration::from_secs(7),
        ..Limits::default()
    };
    let mut stage = Stage::new(limits);
    stage.connect(0, b"GET / HTTP/1.1\r\n");
    let whole = post("lobby", "hello");
    stage.connect(1, &whole[..whole.len() - 1]);
    stage.connect(2, b"");
    stage.connect(3, b"G");
    for second in 1..7 {
        stage.pass_until(1000 * second);
        stage.say(0, b"X: y\r\n");
    }
    stage.pass_until(6999);
    assert_eq!(stage.turn.hub().sessions().live(), 4);
    stage.pass_until(7001);
    // Who has not said what it is has the time for a name.
    assert_eq!(stage.turn.hub().sessions().live(), 2);
    for slot in [0, 1] {
        assert_eq!(stage.status(slot), "408");
    }
    // A head that comes late and whole is answered; one that begins late has no time left.
    stage.say(2, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(stage.status(2), "200");
    stage.say(3, b"ET / HTTP/1.1\r\n");
    stage.pass_until(7100);
    assert_eq!(stage.turn.hub().sessions().live(), 0);
}

#[test]
fn where_tls_is_required_plain_connections_read_so_in_their_language() {
    let mut stage = Stage::new(Limits::default());
    let first: [(&[u8], &str); 5] = [
        (b"ann\n", "! tls-required "),
        (b"\n", "! tls-required "),
        (
            b"{\"do\":\"enter\",\"name\":\"ann\"}\n",
            "{\"is\":\"refused\"",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "HTTP/1.1 426 ",
        ),
        (b"POST /rooms/lobby?name=ann HTTP/1.1\r\n", "HTTP/1.1 426 "),
    ];
    for (slot, (says, told)) in (0..).zip(first) {
        stage.connect_unwanted(slot, says);
        let taken = String::from_utf8(stage.taken(slot)).unwrap();
        assert!(taken.starts_with(told), "{taken}");
        assert!(stage.socket(slot).is_shut);
    }
    assert_eq!(stage.turn.hub().sessions().live(), 0);
}

#[test]
fn http_answer_timeout_closes_who_does_not_take_an_answer() {
    let limits = Limits {
        http_answer_timeout: Duration::from_secs(4),
        ..Limits::default()
    };
    let mut stage = Stage::new(limits);
    let asks = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for slot in 0..2 {
        stage.connect(slot, b"");
        stage.socket(slot).is_full = true;
        stage.say(slot, asks);
    }
    stage.pass_until(3999);
    assert_eq!(stage.socket(0).closed, None);
    stage.take(1);
    assert_eq!(stage.status(1), "200");
    assert!(stage.socket(1).is_shut);
    stage.pass_until(4001);
    assert_eq!(stage.socket(0).closed, Some(CloseReason::Answered));
    stage.pass_until(5000);
    assert_eq!(stage.socket(1).closed, Some(CloseReason::Answered));
}

#[test]
fn one_answer_to_a_ping_is_queued_and_the_next_is_to_the_newest() {
    let mut stage = Stage::new(Limits::default());
    stage.websocket(0);
    stage.socket(0).is_full = true;
    for number in 0..50 {
        stage.say(0, &frame(0x89, &[number]));
        let owed = stage.turn.hub().sessions().queued_bytes(SessionId(0));
        assert_eq!(owed, 3, "one answer is queued");
    }
    stage.take(0);
    let later = stage.now.since(Time::START).as_millis() as u64;
    stage.pass_until(later);
    assert_eq!(stage.taken(0), [0x8a, 1, 0, 0x8a, 1, 49]);
}

#[test]
fn who_is_cut_before_it_read_that_it_is_a_websocket_reads_that_first() {
    let limits = Limits {
        stall_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    // D69, where what is unfinished is no frame; or not even begun.
    for taken_bytes in [0, 1, 60, 120] {
        let mut stage = Stage::new(limits.clone());
        stage.connect(0, b"");
        stage.socket(0).is_full = taken_bytes == 0;
        stage.socket(0).takes = Some(taken_bytes);
        stage.say(0, UPGRADE);
        stage.say(0, &frame(0x81, b"{\"do\":\"ping\"}"));
        stage.pass_until(1001);
        stage.take(0);
        let told = String::from_utf8_lossy(&stage.taken(0)).into_owned();
        let (head, frames) = told.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{taken_bytes}: {told}");
        assert!(!frames.contains("hello"), "{taken_bytes}: {told}");
        assert!(frames.contains("too-slow"), "{taken_bytes}: {told}");
    }
}

#[test]
fn after_the_last_word_all_that_comes_is_read_so_that_no_reset_destroys_it() {
    let close_of = |code: u16| [&[0x88, 2], &code.to_be_bytes()[..]].concat();
    for (last, code) in [
        (frame(0x82, b""), 1003),
        (frame(0x88, &1000_u16.to_be_bytes()), 1000),
    ] {
        let mut stage = Stage::new(Limits::default());
        stage.websocket(0);
        stage.say(0, &[last, vec![0; 50_000]].concat());
        assert_eq!(stage.taken(0), close_of(code));
        assert!(stage.socket(0).is_shut);
        assert_eq!(stage.socket(0).closed, None, "what was sent is not read");
        let now = stage.now.since(Time::START).as_millis() as u64;
        while !stage.socket(0).to_read.is_empty() {
            assert_eq!(stage.socket(0).closed, None);
            stage.turn_at(now);
        }
        stage.pass_until(now + 500);
        assert!(stage.socket(0).closed.is_some(), "not for ever");
    }
}

#[test]
fn who_is_cut_in_the_middle_of_its_first_frame_reads_it_to_its_end() {
    let limits = Limits {
        stall_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let mut stage = Stage::new(limits);
    stage.connect(1, UPGRADE);
    let head = stage.taken(1);
    // What answers the request and what follows it are told in one turn.
    stage.connect(0, b"");
    stage.socket(0).takes = Some(head.len() + 9);
    let enter = frame(0x81, b"{\"do\":\"enter\",\"name\":\"ann\",\"rooms\":[]}");
    stage.say(0, &[UPGRADE, &enter].concat());
    let begun = stage.taken(0);
    assert!(begun.starts_with(&head));
    stage.pass_until(1500);
    stage.take(0);
    let mut rest = &[&begun[head.len()..], &stage.taken(0)].concat()[..];
    let mut messages = Vec::new();
    while let [first, length, behind @ ..] = rest {
        let (length, behind) = match (*length, behind) {
            (126, [high, low, behind @ ..]) => (u16::from_be_bytes([*high, *low]).into(), behind),
            (length, behind) => (usize::from(length), behind),
        };
        messages.push((*first, String::from_utf8_lossy(&behind[..length])));
        rest = &behind[length..];
    }
    let [(0x81, hello), (0x81, last), (0x88, _)] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert!(hello.starts_with(r#"{"is":"hello","#), "{hello}");
    assert!(hello.ends_with('}'), "{hello}");
    assert!(last.contains(r#""code":"too-slow""#), "{last}");
}

#[test]
fn what_comes_behind_a_last_word_that_was_held_back_is_read_too() {
    let limits = Limits {
        rate_lines_per_second: 1,
        burst_lines_max: 1,
        ..Limits::default()
    };
    let mut stage = Stage::new(limits);
    stage.websocket(0);
    let line = frame(0x81, b"{\"do\":\"ping\"}");
    stage.say(0, &[line.repeat(3), frame(0x88, &[])].concat());
    stage.say(0, &[0; 500]);
    assert_eq!(stage.socket(0).to_read.len(), 500, "it is held back");
    stage.pass_until(3001);
    assert!(stage.taken(0).ends_with(&[0x88, 0]));
    assert!(stage.socket(0).to_read.is_empty(), "it would be a reset");
}

#[test]
fn a_close_that_was_held_back_is_answered_also_when_the_server_stops() {
    let limits = Limits {
        rate_lines_per_second: 1,
        burst_lines_max: 1,
        ..Limits::default()
    };
    let mut stage = Stage::new(limits);
    stage.websocket(0);
    let line = frame(0x81, b"{\"do\":\"ping\"}");
    stage.say(0, &[line.repeat(3), frame(0x88, &[3, 233])].concat());
    stage.taken(0);
    stage.turn.hub_mut().shut_down();
    stage.turn_at(1);
    assert_eq!(stage.taken(0), [0x88, 2, 3, 233]);
}

#[test]
fn post_address_groups_max_bounds_whose_rates_are_remembered() {
    let limits = Limits {
        rate_lines_per_second: 1,
        burst_lines_max: 2,
        post_address_groups_max: 3,
        ..Limits::default()
    };
    let mut stage = Stage::new(limits);
    // Of each address the second post is beyond its burst.
    for slot in 0..6 {
        stage.connect(slot, &post("lobby", "a\nb"));
        let wanted = if slot % 2 == 0 { "201" } else { "429" };
        assert_eq!(stage.status(slot), wanted, "slot {slot}");
    }
    // A fourth address is too many, until one of the three has rested.
    stage.connect(6, &post("lobby", "a"));
    let answer = String::from_utf8(stage.taken(6)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: 2\r\n"), "{answer}");
    stage.pass_until(2001);
    for slot in [8, 10, 12] {
        stage.connect(slot, &post("lobby", "a"));
        assert_eq!(stage.status(slot), "201", "slot {slot}");
    }
    stage.connect(14, &post("lobby", "a"));
    assert_eq!(stage.status(14), "429");
}

#[test]
fn each_line_of_a_post_is_said_once_and_in_order() {
    let mut stage = Stage::new(Limits::default());
    stage.connect(0, b"ann\n");
    stage.taken(0);
    stage.connect(1, &post("lobby", "one\ntwo\n"));
    let heard = String::from_utf8(stage.taken(0)).unwrap();
    let texts = heard.lines().map(|line| line.rsplit(' ').next().unwrap());
    assert!(texts.eq(["one", "two"]), "{heard}");
    assert_eq!(stage.status(1), "201");
}

#[test]
fn what_is_left_of_a_post_does_not_stay_in_memory() {
    let mut stage = Stage::new(Limits::default());
    // Memory in which answers lie stays for the next.
    stage.connect(1, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stage.pass_until(1000);
    let before = stage.turn.hub().overview().memory_bytes();
    let whole = post("lobby", &"x\n".repeat(50));
    stage.connect(0, &whole[..whole.len() - 10]);
    assert!(stage.turn.hub().overview().memory_bytes() > before);
    stage.pass_until(12_000);
    assert_eq!(stage.socket(0).closed, Some(CloseReason::Answered));
    stage.pass_until(30_000);
    let after = stage.turn.hub().overview().memory_bytes();
    assert!(after <= before, "{before} bytes before, {after} after");
}

#[test]
fn a_last_line_that_is_not_taken_holds_nothing_that_others_were_told() {
    let mut stage = Stage::new(Limits::default());
    for (slot, name) in [(0, "ann\n"), (1, "ben\n"), (2, "cyd\n")] {
        stage.connect(slot, name.as_bytes());
    }
    stage.socket(1).is_full = true;
    stage.say(0, b"hello\n");
    stage.pass_until(5);
    // It is cut where the turn lays out what was said, behind the answers to somebody else.
    stage.turn.hub_mut().set_transport_bytes(usize::MAX / 2);
    stage.say(
        2,
        format!("/ping {}\n", "x".repeat(900)).repeat(4).as_bytes(),
    );
    stage.turn.hub_mut().set_transport_bytes(0);
    assert_eq!(stage.taken(2).len() / 900, 4, "all is taken");
    assert!(stage.turn.hub().sessions().queued_bytes(SessionId(1)) > 0);
    let held = stage.turn.hub().overview().statistics().unique_bytes;
    assert!((1..900).contains(&held), "{held} bytes are held");
}

#[test]
fn unhandled_bytes_max_ends_those_who_keep_most_unfinished() {
    let limits = Limits {
        unhandled_bytes_max: 100_000,
        ..Limits::default()
    };
    let mut stage = Stage::new(limits);
    let says = |stage: &mut Stage, slot: u32, first: &[u8], bytes: usize| {
        stage.connect(slot, first);
        let rest = vec![b'x'; bytes - first.len()];
        for piece in rest.chunks(4096) {
            stage.say(slot, piece);
        }
        stage.turn.hub().sessions().live()
    };
    let posts = post("lobby", &"x".repeat(60_000));
    let head = &posts[..posts.len() - 60_000];
    assert_eq!(says(&mut stage, 0, head, 50_000), 1);
    assert_eq!(says(&mut stage, 1, b"GET /", 8_000), 2);
    assert_eq!(says(&mut stage, 2, b"{\"do\":\"ping\"}\n{", 30_000), 3);
    assert_eq!(says(&mut stage, 3, b"ann\nhal", 2_000), 4);
    // Now it is too much: the body goes, and with it enough.
    assert_eq!(says(&mut stage, 4, b"{", 20_000), 4);
    assert_eq!(stage.status(0), "503");
    // Of lines that have no end long ones go, and are told; short ones stay.
    says(&mut stage, 5, b"{", 32_000);
    says(&mut stage, 6, b"{", 25_000);
    let refusal = r#"{"is":"refused","code":"line-too-long","#;
    let told = [2, 4, 5, 6].map(|slot| String::from_utf8(stage.taken(slot)).unwrap());
    let ended = told.iter().filter(|told| told.contains(refusal));
    assert!((1..4).contains(&ended.count()), "{told:?}");
    stage.say(3, b"f a line\n");
    for slot in [1, 3] {
        assert!(!stage.socket(slot).is_shut, "slot {slot}");
    }
}
