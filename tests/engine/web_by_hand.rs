//! Single stories of the web door, told by hand over the turn: what takes the time of its limits, and
//! what is owed to a socket that takes nothing. No sockets, no clock.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::Duration;

use chatd::config::Limits;
use chatd::dialect::http::Site;
use chatd::hub::Random;
use chatd::session::{AddressGroup, CloseReason, ConnectionSummary, SessionId};
use chatd::time::{Time, WallTime};
use chatd::turn::{Event, Fill, Flush, Io, Turn};

/// A turn, and connections that send and take what the story wants.
struct Stage {
    turn: Turn,
    sockets: Sockets,
    now: Time,
}

#[derive(Default)]
struct Sockets(BTreeMap<u32, Socket>);

#[derive(Default)]
struct Socket {
    to_read: Vec<u8>,
    taken: Vec<u8>,
    /// It takes nothing.
    is_full: bool,
    is_shut: bool,
    closed: Option<CloseReason>,
}

impl Io for Sockets {
    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        let socket = self.0.get_mut(&id.0).unwrap();
        let count = socket.to_read.len().min(buffer.len());
        buffer[..count].copy_from_slice(&socket.to_read[..count]);
        socket.to_read.drain(..count);
        let is_full = count == buffer.len();
        (count, if is_full { Fill::Full } else { Fill::Exhausted })
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        let socket = self.0.get_mut(&id.0).unwrap();
        if socket.is_full {
            return Flush::Blocked;
        }
        let before = socket.taken.len();
        for chunk in chunks {
            socket.taken.extend_from_slice(chunk);
        }
        Flush::Took(socket.taken.len() - before)
    }

    /// Two neighbours share an address.
    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(u128::from(id.0 / 2))
    }

    fn shut(&mut self, id: SessionId) {
        self.0.get_mut(&id.0).unwrap().is_shut = true;
    }

    fn widen(&mut self, _: SessionId) -> bool {
        false
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary) {
        self.0.get_mut(&id.0).unwrap().closed = Some(summary.reason);
    }
}

impl Stage {
    fn new(limits: Limits) -> Stage {
        let mut turn = Turn::new(limits, Random::new(|| [7; 32]));
        turn.hub_mut().open_web(Site::new([]));
        Stage {
            turn,
            sockets: Sockets::default(),
            now: Time::START,
        }
    }

    fn turn_at(&mut self, milliseconds: u64) {
        self.now = Time::after_start(Duration::from_millis(milliseconds));
        let wall = WallTime::from_millis(1_790_000_000_000 + milliseconds);
        self.turn.start(self.now, wall, &mut self.sockets);
        self.turn.finish(&mut self.sockets);
    }

    /// Every deadline up to then is met in its turn, as it is where nothing else happens.
    fn pass_until(&mut self, milliseconds: u64) {
        let end = Time::after_start(Duration::from_millis(milliseconds));
        while let Some(due) = self.turn.next_timeout().filter(|due| *due <= end) {
            let at = due.max(self.now).since(Time::START);
            self.turn_at(at.as_millis() as u64 + u64::from(at.subsec_micros() % 1000 > 0));
        }
        self.turn_at(milliseconds);
    }

    fn connect(&mut self, slot: u32, says: &[u8]) {
        self.sockets.0.insert(slot, Socket::default());
        self.turn.admit(SessionId(slot));
        self.say(slot, says);
    }

    /// Says something, which is read in this turn.
    fn say(&mut self, slot: u32, says: &[u8]) {
        self.socket(slot).to_read.extend_from_slice(says);
        self.note(slot, true, false);
        let now = self.now.since(Time::START).as_millis() as u64;
        self.turn_at(now);
    }

    /// From now on it takes what it is told.
    fn take(&mut self, slot: u32) {
        self.socket(slot).is_full = false;
        self.note(slot, false, true);
        let now = self.now.since(Time::START).as_millis() as u64;
        self.turn_at(now);
    }

    fn note(&mut self, slot: u32, readable: bool, writable: bool) {
        let event = Event {
            readable,
            writable,
            failed: false,
        };
        self.turn.note(SessionId(slot), event);
    }

    fn socket(&mut self, slot: u32) -> &mut Socket {
        self.sockets.0.get_mut(&slot).unwrap()
    }

    /// What it took since it was last asked.
    fn taken(&mut self, slot: u32) -> Vec<u8> {
        std::mem::take(&mut self.socket(slot).taken)
    }

    /// The status of the answer it took.
    fn status(&mut self, slot: u32) -> String {
        let taken = String::from_utf8(self.taken(slot)).unwrap();
        taken.get(9..12).unwrap_or_default().to_owned()
    }

    fn websocket(&mut self, slot: u32) {
        self.connect(
            slot,
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        self.say(
            slot,
            &frame(0x81, b"{\"do\":\"enter\",\"name\":\"ann\",\"rooms\":[]}"),
        );
        let taken = self.taken(slot);
        assert!(taken.starts_with(b"HTTP/1.1 101 "), "{taken:?}");
    }
}

/// A frame with a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

fn post(room: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /rooms/{room}?name=cron HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
         \r\n{body}"
    )
    .into_bytes()
}

const PING: &[u8] = &[0x89, 0];

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
    assert_eq!(stage.turn.hub().live(), 4);
    stage.pass_until(7001);
    // Who has not said what it is has the time for a name.
    assert_eq!(stage.turn.hub().live(), 2);
    for slot in [0, 1] {
        assert_eq!(stage.taken(slot), b"", "without a word");
    }
    // A head that comes late and whole is answered; one that begins late has no time left.
    stage.say(2, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(stage.status(2), "200");
    stage.say(3, b"ET / HTTP/1.1\r\n");
    stage.pass_until(7100);
    assert_eq!(stage.turn.hub().live(), 0);
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
fn one_answer_to_a_ping_is_queued_and_the_next_is_to_the_newest() {
    let mut stage = Stage::new(Limits::default());
    stage.websocket(0);
    stage.socket(0).is_full = true;
    for number in 0..50 {
        stage.say(0, &frame(0x89, &[number]));
        let owed = stage.turn.hub().queued_bytes(SessionId(0));
        assert_eq!(owed, 3, "one answer is queued");
    }
    stage.take(0);
    let later = stage.now.since(Time::START).as_millis() as u64;
    stage.pass_until(later);
    assert_eq!(stage.taken(0), [0x8a, 1, 0, 0x8a, 1, 49]);
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
fn what_is_left_of_a_post_does_not_stay_in_memory() {
    let mut stage = Stage::new(Limits::default());
    stage.connect(1, b"");
    let before = stage.turn.hub().memory_bytes();
    let whole = post("lobby", &"x\n".repeat(50));
    stage.connect(0, &whole[..whole.len() - 10]);
    assert!(stage.turn.hub().memory_bytes() > before);
    stage.pass_until(11_000);
    assert_eq!(stage.socket(0).closed, Some(CloseReason::NameTimeout));
    stage.pass_until(30_000);
    assert!(stage.turn.hub().memory_bytes() <= before);
}
