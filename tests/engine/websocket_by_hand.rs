//! Single stories of what a WebSocket must do in time, told by hand over the turn: answer pings, and
//! finish what it begins. No sockets, no clock.

use std::time::Duration;

use chatd::config::Limits;
use chatd::session::CloseReason;

use crate::web_stage::{Stage, frame};

const PING: &[u8] = &[0x89, 0];

#[test]
fn a_silent_websocket_is_asked_every_interval_and_lost_after_two() {
    // D71: with the defaults, a proxy that cuts after 60 s sees something at least every 30.
    let mut stage = Stage::new(Limits::default());
    stage.websocket(0);
    for round in 1..=20 {
        stage.pass_until(30_000 * round - 1);
        assert_eq!(stage.taken(0), b"");
        stage.pass_until(30_000 * round);
        assert_eq!(stage.taken(0), PING, "round {round}");
        stage.say(0, &frame(0x8a, b""));
    }
    for round in 21..=22 {
        stage.pass_until(30_000 * round);
        assert_eq!(stage.taken(0), PING);
    }
    stage.pass_until(689_999);
    assert_eq!(stage.socket(0).closed, None);
    stage.pass_until(690_000);
    assert_eq!(stage.socket(0).closed, Some(CloseReason::ConnectionLost));
}

#[test]
fn websocket_ping_interval_and_websocket_pings_unanswered_max() {
    let limits = Limits {
        websocket_ping_interval: Duration::from_secs(2),
        websocket_pings_unanswered_max: 3,
        ..Limits::default()
    };
    let mut stage = Stage::new(limits);
    stage.websocket(0);
    // Anything it says shows that it is there.
    for round in 1..=5 {
        stage.pass_until(1500 * round);
        stage.say(0, &frame(0x81, b"{\"do\":\"ping\"}"));
    }
    let taken = stage.taken(0);
    assert!(!taken.windows(2).any(|two| two == PING), "{taken:?}");
    for round in 1..=3 {
        stage.pass_until(7500 + 2000 * round);
        assert_eq!(stage.taken(0), PING);
    }
    stage.pass_until(15_499);
    assert_eq!(stage.socket(0).closed, None);
    stage.pass_until(15_500);
    assert_eq!(stage.socket(0).closed, Some(CloseReason::ConnectionLost));
}

#[test]
fn pings_are_not_counted_while_nothing_is_read() {
    let limits = Limits {
        rate_lines_per_second: 1,
        burst_lines_max: 1,
        websocket_ping_interval: Duration::from_secs(1),
        ..Limits::default()
    };
    let mut stage = Stage::new(limits);
    stage.websocket(0);
    // Held back for 20 s by what it has said; its answers to pings lie behind that.
    let line = frame(0x81, b"{\"do\":\"rooms\"}");
    stage.say(0, &line.repeat(20));
    for second in 1..=15 {
        stage.pass_until(1000 * second + 500);
        stage.say(0, &frame(0x8a, b""));
    }
    assert_eq!(stage.socket(0).closed, None);
    stage.pass_until(60_000);
    assert_eq!(stage.socket(0).closed, Some(CloseReason::ConnectionLost));
}

#[test]
fn websocket_frame_timeout_ends_who_does_not_finish_a_frame() {
    let limits = Limits {
        websocket_frame_timeout: Duration::from_secs(10),
        ..Limits::default()
    };
    let whole = frame(0x81, &[b'x'; 60]);
    for begun_bytes in [1, 5, 6, 30, whole.len() - 1] {
        let mut stage = Stage::new(limits.clone());
        stage.websocket(0);
        // A byte a second, which is no sign that it will ever be whole.
        let mut rest = whole[..begun_bytes].chunks(begun_bytes.div_ceil(10));
        for second in 0..10 {
            stage.pass_until(1000 * second);
            stage.say(0, rest.next().unwrap_or_default());
        }
        stage.pass_until(9999);
        assert_eq!(stage.taken(0), b"", "{begun_bytes} bytes");
        stage.pass_until(10_000);
        assert_eq!(stage.taken(0), [0x88, 2, 3, 0xF0], "{begun_bytes} bytes");
        assert!(stage.socket(0).is_shut);
        stage.pass_until(11_000);
        assert_eq!(stage.socket(0).closed, Some(CloseReason::HalfFrame));
    }
    // Each has its own time, be it a part of the same message.
    let mut stage = Stage::new(limits);
    stage.websocket(0);
    let [first, middle] = [0x01, 0x00].map(|opcode| frame(opcode, b"piece"));
    stage.say(0, &first[..3]);
    for round in 1..=5 {
        stage.pass_until(9_000 * round);
        stage.say(0, &[&first[3..], &middle[..3]].concat());
    }
    stage.pass_until(45_000 + 9_999);
    assert_eq!(stage.socket(0).closed, None);
    stage.pass_until(45_000 + 11_000);
    assert_eq!(stage.socket(0).closed, Some(CloseReason::HalfFrame));
}

#[test]
fn a_frame_is_not_waited_for_while_nothing_is_read() {
    let limits = Limits {
        rate_lines_per_second: 1,
        burst_lines_max: 1,
        websocket_frame_timeout: Duration::from_secs(10),
        ..Limits::default()
    };
    let mut stage = Stage::new(limits);
    stage.websocket(0);
    // Held back for 20 s by what it has said, in the middle of a frame.
    let line = frame(0x81, b"{\"do\":\"rooms\"}");
    let (half, rest) = line.split_at(7);
    stage.say(0, &[&line.repeat(20), half].concat());
    stage.pass_until(25_000);
    assert_eq!(stage.socket(0).closed, None);
    stage.taken(0);
    stage.say(0, rest);
    let taken = String::from_utf8_lossy(&stage.taken(0)).into_owned();
    assert!(taken.contains("\"rooms\""), "{taken}");
    stage.say(0, half);
    stage.pass_until(25_000 + 9_999);
    assert_eq!(stage.socket(0).closed, None);
    stage.pass_until(25_000 + 11_000);
    assert_eq!(stage.socket(0).closed, Some(CloseReason::HalfFrame));
}

/// The rest of the frame it is in the middle of, why it was cut, and the end of the WebSocket are
/// owed to it although its socket took nothing until it was closed.
#[test]
fn f88_a_websocket_that_takes_nothing_until_it_is_closed_is_still_owed_why() {
    let mut stage = Stage::new(Limits::default());
    stage.websocket(0);
    stage.connect(1, b"ben\n");
    stage.socket(0).takes = Some(3);
    stage.say(0, &frame(0x81, b"{\"do\":\"join\",\"room\":\"lobby\"}"));
    stage.say(1, b"one\n");
    stage.pass_until(15_000);
    assert_eq!(stage.socket(0).closed, Some(CloseReason::TooSlow));
    let rest = stage.socket(0).last_bytes.take().unwrap();
    let mut told = &[stage.taken(0), rest].concat()[..];
    let mut frames = Vec::new();
    while let [head, short, ..] = *told {
        let (start, length) = match short {
            126 => (4, usize::from(u16::from_be_bytes([told[2], told[3]]))),
            _ => (2, usize::from(short)),
        };
        frames.push((head, told[start..start + length].to_vec()));
        told = &told[start + length..];
    }
    let [entered, refused, close] = &frames[..] else {
        panic!("{frames:?}");
    };
    let is_in = |words: &[u8], (head, payload): &(u8, Vec<u8>)| {
        *head == 0x81 && payload.windows(words.len()).any(|part| part == words)
    };
    assert!(is_in(b"\"is\":\"entered\"", entered), "{frames:?}");
    assert!(is_in(b"\"code\":\"too-slow\"", refused), "{frames:?}");
    assert_eq!((close.0, &close.1[..2]), (0x88, &1008u16.to_be_bytes()[..]));
}
