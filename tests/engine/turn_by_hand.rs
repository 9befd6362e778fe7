//! Single stories of the turn, told by hand: what the simulation once found, and what is worth
//! reading without it, each kept as a small test. Not the crowd, and no sockets.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::{Hub, Random};
use chatd::session::{AddressGroup, CloseReason, ConnectionSummary, SessionId};
use chatd::time::{Time, WallTime};
use chatd::turn::{Event, Fill, Flush, Io, Turn};

/// A turn over connections that are exactly as fast as the story wants.
struct Stage {
    turn: Turn,
    connections: Connections,
    now: Time,
}

#[derive(Default)]
struct Connections(BTreeMap<u32, Connection>);

#[derive(Default)]
struct Connection {
    to_read: Vec<u8>,
    has_ended: bool,
    heard: String,
    /// How many more bytes it takes; all, if that is not said.
    takes: Option<usize>,
    closed: Option<CloseReason>,
}

impl Io for Connections {
    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        let connection = self.0.get_mut(&id.0).unwrap();
        let count = connection.to_read.len().min(buffer.len());
        let bytes: Vec<u8> = connection.to_read.drain(..count).collect();
        buffer[..count].copy_from_slice(&bytes);
        let fill = match (count == buffer.len(), connection.has_ended) {
            (true, _) => Fill::Full,
            (false, true) => Fill::Ended,
            (false, false) => Fill::Exhausted,
        };
        (count, fill)
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        let connection = self.0.get_mut(&id.0).unwrap();
        let offered: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.to_vec()).collect();
        let count = connection.takes.unwrap_or(offered.len()).min(offered.len());
        if count == 0 {
            return Flush::Blocked;
        }
        connection.takes = connection.takes.map(|takes| takes - count);
        let taken = std::str::from_utf8(&offered[..count]).unwrap();
        connection.heard.push_str(taken);
        Flush::Took(count)
    }

    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(u128::from(id.0))
    }

    fn shut(&mut self, _: SessionId) {}

    fn widen(&mut self, id: SessionId) -> bool {
        self.0.get_mut(&id.0).unwrap().takes = None;
        true
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary) {
        self.0.get_mut(&id.0).unwrap().closed = Some(summary.reason);
    }
}

impl Stage {
    fn new(limits: Limits) -> Stage {
        let mut drawn = 0;
        let random = Random::new(move || {
            drawn += 1;
            [drawn; 32]
        });
        Stage {
            turn: Turn::new(limits, random),
            connections: Connections::default(),
            now: Time::START,
        }
    }

    /// One turn at the next deadline, or now.
    fn turn(&mut self) {
        let at = self.turn.next_timeout().unwrap_or(self.now);
        self.turn_at(at.max(self.now), |_| {});
    }

    /// One turn at this time, in which the operator does something.
    fn turn_at(&mut self, now: Time, operate: impl FnOnce(&mut Hub)) {
        self.now = now;
        let wall = WallTime::from_millis(1_790_000_000_000);
        self.turn.start(now, wall, &mut self.connections);
        operate(self.turn.hub_mut());
        self.turn.finish(&mut self.connections, |_| {});
    }

    /// A turn after this time.
    fn turn_after(&mut self, milliseconds: u64) {
        let at = self.now + Duration::from_millis(milliseconds);
        self.turn_at(at, |_| {});
    }

    /// Somebody connects and says something.
    fn connect(&mut self, slot: u32, says: &str) {
        self.connections.0.insert(slot, Connection::default());
        self.turn.admit(SessionId(slot));
        self.say(slot, says);
    }

    /// Somebody says something; nothing is read yet.
    fn say(&mut self, slot: u32, says: &str) {
        let connection = self.connection(slot);
        connection.to_read.extend_from_slice(says.as_bytes());
        self.note(slot, true, false);
    }

    /// Somebody says something, and it is handled.
    fn said(&mut self, slot: u32, says: &str) {
        self.say(slot, says);
        self.turn_after(0);
    }

    /// Somebody closes its side.
    fn end(&mut self, slot: u32) {
        self.connection(slot).has_ended = true;
        self.note(slot, true, false);
    }

    /// Somebody takes so many bytes more.
    fn take(&mut self, slot: u32, count: usize) {
        self.connection(slot).takes = Some(count);
        self.note(slot, false, true);
    }

    fn note(&mut self, slot: u32, readable: bool, writable: bool) {
        let event = Event {
            readable,
            writable,
            failed: false,
        };
        self.turn.note(SessionId(slot), event);
    }

    fn connection(&mut self, slot: u32) -> &mut Connection {
        self.connections.0.get_mut(&slot).unwrap()
    }

    fn heard_by(&self, slot: u32) -> &str {
        &self.connections.0[&slot].heard
    }

    #[track_caller]
    fn ends_with(&self, slot: u32, end: &str) {
        let heard = self.heard_by(slot);
        assert!(
            heard.ends_with(end),
            "{slot} has heard:\n{heard}\nnot:\n{end}"
        );
    }

    /// The last token that somebody was told.
    fn token_of(&self, slot: u32) -> &str {
        let (_, behind) = self.heard_by(slot).rsplit_once(r#""resume":""#).unwrap();
        behind.split('"').next().unwrap()
    }
}

fn at(milliseconds: u64) -> Time {
    Time::after_start(Duration::from_millis(milliseconds))
}

/// `printf 'ann\n1\n2\n...' | nc -N` beyond the burst: lines and end are read in one go, the lines
/// are held back, and the end must wait for them.
#[test]
fn the_end_of_a_connection_waits_for_its_lines_that_are_held_back() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 10,
        burst_lines_max: 3,
        ..Limits::default()
    });
    stage.connect(0, "ben\n");
    stage.connect(1, "");
    stage.turn();
    stage.say(1, "ann\n1\n2\n3\n4\n/quit");
    stage.end(1);
    while stage.turn.hub().sessions().live() > 1 && stage.now < at(5000) {
        stage.turn();
    }
    stage.ends_with(
        0,
        "* ann joined (2 here)\n<ann> 1\n<ann> 2\n<ann> 3\n<ann> 4\n* ann left (1 here)\n",
    );
}

/// What lies unread in the kernel when a connection is closed becomes a reset, which destroys the
/// last line on its way: so it must be read, though nothing comes of it.
#[test]
fn who_ends_while_held_back_is_read_from_again() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 10,
        burst_lines_max: 1,
        ..Limits::default()
    });
    stage.connect(0, "ann\n1\n2\n");
    stage.turn();
    stage.said(0, "3\n");
    assert!(
        !stage.turn.hub().sessions().wants_input(SessionId(0)),
        "it is held"
    );
    stage.turn_at(stage.now, |hub| {
        assert!(hub.operator().kick("ann", None).is_some())
    });
    assert!(stage.heard_by(0).contains("! kicked "));
    assert_eq!(stage.connection(0).to_read, b"3\n");
    assert_eq!(stage.turn.next_timeout(), Some(Time::START), "at once");
    stage.turn();
    assert_eq!(stage.connection(0).to_read, b"");
}

/// Over the bound of all outboxes those go who are behind, not those who were told something now.
#[test]
fn nobody_is_cut_for_what_was_said_in_this_turn() {
    let mut stage = Stage::new(Limits {
        outbox_total_bytes_max: 10,
        ..Limits::default()
    });
    stage.connect(0, "ann\n/ping\n");
    stage.turn();
    assert_eq!(
        stage.heard_by(0),
        "* welcome to lobby, ann (1 here: ann)\n= pong\n"
    );
}

/// Nor for what was said while the turn before was written out.
#[test]
fn nobody_is_cut_for_a_leave_that_came_up_in_the_flush() {
    let mut stage = Stage::new(Limits {
        outbox_total_bytes_max: 10,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "ben\n");
    stage.turn();
    stage
        .turn
        .hub_mut()
        .handle_event(SessionId(1), chatd::hub::Event::Lost);
    stage.say(0, "/ping\n");
    stage.turn_after(1);
    stage.ends_with(0, "* ben left (1 here): connection lost\n= pong\n");
}

/// Short memory takes from who drains too, but not before its last line had a chance.
#[test]
fn who_ends_while_memory_is_short_is_still_told_why() {
    let mut stage = Stage::new(Limits {
        outbox_total_bytes_max: 10,
        stall_timeout: Duration::from_secs(60),
        prompt_timeout: None,
        ..Limits::default()
    });
    stage.connect(0, "\n");
    stage.take(0, 0);
    // A prompt that is not taken.
    stage.turn();
    assert!(stage.turn.hub().sessions().queued_bytes(SessionId(0)) > 0);
    stage.turn_at(at(20_000), |_| {});
    assert!(
        stage.heard_by(0).contains("! name-timeout "),
        "{}",
        stage.heard_by(0)
    );
}

/// A room takes over the number of one that is gone, but not its deadline.
#[test]
fn a_room_under_a_used_number_waits_its_own_interval() {
    let mut stage = Stage::new(Limits {
        announce_members_max: 1,
        churn_interval: Duration::from_secs(1),
        ..Limits::default()
    });
    stage.connect(0, "ann\n/join den\n");
    stage.connect(1, "ben\n/join den\n/join lobby\n");
    stage.turn_at(at(0), |_| {});
    stage.said(0, "/join lobby\n");
    stage.say(0, "/join attic\n");
    stage.turn_at(at(500), |_| {});
    stage.say(1, "/join attic\n");
    stage.turn_at(at(600), |_| {});
    let told = |stage: &Stage| stage.heard_by(0).ends_with("* 1 joined (2 here)\n");
    stage.turn_at(at(1599), |_| {});
    assert!(!told(&stage), "{}", stage.heard_by(0));
    stage.turn_at(at(1600), |_| {});
    assert!(told(&stage), "{}", stage.heard_by(0));
}

/// What was said in a room in the turn in which it goes is in no outbox any more, nor in memory.
#[test]
fn a_room_that_is_gone_leaves_nothing_behind() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 0,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    let memory_after = |stage: &mut Stage, rounds: usize| {
        for _ in 0..rounds {
            stage.said(0, "/join den\n");
            stage.said(0, "to nobody\n/join lobby\n");
        }
        stage.turn.hub().overview().memory_bytes()
    };
    let before = memory_after(&mut stage, 5);
    let after = memory_after(&mut stage, 50);
    assert_eq!(after, before);
}

/// An answer comes behind all that was said before it in every room of who asked, and what is said
/// afterwards comes behind the answer.
#[test]
fn an_answer_comes_behind_the_lines_of_two_rooms() {
    let mut stage = Stage::new(Limits::default());
    stage.connect(0, "ann\n/join den\n");
    stage.connect(1, "ben\n");
    stage.connect(
        2,
        "{\"do\":\"enter\",\"name\":\"bot\",\"rooms\":[\"lobby\",\"den\"]}\n",
    );
    stage.turn();
    stage.turn();
    let before = stage.heard_by(2).len();
    stage.say(0, "in den\n");
    stage.say(1, "in lobby\n");
    stage.say(2, "{\"do\":\"ping\",\"ref\":\"1\"}\n");
    stage.say(1, "after\n");
    stage.turn_after(0);
    stage.said(0, "after\n");
    let heard: Vec<&str> = stage.heard_by(2)[before..].lines().collect();
    let places = ["in den", "in lobby", r#""pong","ref":"1""#].map(|part| {
        let place = heard.iter().position(|line| line.contains(part));
        place.unwrap_or_else(|| panic!("no {part} in {heard:#?}"))
    });
    assert!(places[..2].iter().max() < Some(&places[2]), "{heard:#?}");
    let after = heard.iter().rposition(|line| line.contains("after"));
    assert!(after > Some(places[2]), "{heard:#?}");
}

/// Text and JSON in one room: each reads its own language and the same order, and one that is cut
/// in the middle of a line reads that line to its end and then why.
#[test]
fn who_is_cut_in_the_middle_of_a_line_reads_it_to_its_end() {
    let mut stage = Stage::new(Limits {
        stall_timeout: Duration::from_secs(1),
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "ben\n");
    stage.connect(2, "{\"do\":\"enter\",\"name\":\"bot\"}\n");
    stage.turn_after(1);
    stage.turn_after(1);
    stage.take(1, 5);
    stage.take(2, 20);
    stage.said(0, "hello there\n");
    stage.said(0, "never read\n");
    while stage.turn.hub().sessions().live() > 1 && stage.now < at(5000) {
        stage.turn();
    }
    stage.ends_with(
        1,
        "<ann> hello there\n! too-slow you did not read what was waiting for you; connect again\n",
    );
    let heard = stage.heard_by(2).lines().rev().take(2);
    let [last, before] = heard.collect::<Vec<_>>()[..] else {
        panic!("two lines were told");
    };
    assert!(
        before.starts_with(r#"{"is":"said","room":"lobby","#),
        "{before}"
    );
    assert!(
        before.ends_with(r#""from":"ann","text":"hello there"}"#),
        "{before}"
    );
    assert!(last.contains(r#""code":"too-slow""#), "{last}");
    assert!(last.ends_with(r#""ends":true}"#), "{last}");
    stage.turn();
    let heard = stage.heard_by(0);
    assert_eq!(heard.matches("left (").count(), 2, "{heard}");
    assert_eq!(heard.matches(": too slow\n").count(), 2, "{heard}");
}

/// Somebody comes back while its old connection is still there: what that had sent and was held
/// back is said first, nobody hears of a leave, and the old one reads `replaced` as its last line.
#[test]
fn who_comes_back_takes_the_place_of_its_old_connection() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 1,
        burst_lines_max: 2,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(
        1,
        "{\"do\":\"enter\",\"name\":\"bot\",\"rooms\":[\"lobby\",\"den\"]}\n",
    );
    stage.turn();
    stage.turn();
    for text in ["one", "two", "three"] {
        stage.say(
            1,
            &format!("{{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"{text}\"}}\n"),
        );
    }
    stage.turn_after(0);
    stage.say(
        1,
        "{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"unread\"}\n",
    );
    let token = stage.token_of(1).to_owned();
    let entry =
        format!("{{\"do\":\"enter\",\"name\":\"bot\",\"rooms\":[],\"resume\":\"{token}\"}}\n");
    stage.connect(2, &entry);
    stage.turn_after(0);
    stage.ends_with(
        0,
        "* bot joined (2 here)\n<bot> one\n<bot> two\n<bot> three\n<bot> unread\n",
    );
    let last = stage.heard_by(1).lines().last().unwrap();
    assert!(last.contains(r#""code":"replaced""#), "{last}");
    let heard: Vec<&str> = stage.heard_by(2).lines().collect();
    let starts = [
        r#"{"is":"hello","#,
        r#"{"is":"welcome","name":"bot","resume":""#,
        r#"{"is":"entered","room":"lobby","#,
        r#"{"is":"caught-up","room":"lobby","missed":0}"#,
        r#"{"is":"entered","room":"den","#,
        r#"{"is":"caught-up","room":"den","missed":0}"#,
    ];
    assert_eq!(heard.len(), starts.len(), "{heard:#?}");
    for (line, start) in heard.iter().zip(starts) {
        assert!(line.starts_with(start), "{line} and not {start}");
    }
    assert_ne!(stage.token_of(2), token);
    stage.said(0, "welcome back\n");
    assert!(stage.heard_by(2).contains("welcome back"));
    assert!(!stage.heard_by(1).contains("welcome back"));
}

/// The old connection has renamed itself in its last lines, and closed its side: the new one gets
/// the name that is free now, and the old one's end is noticed.
#[test]
fn who_has_another_name_by_then_is_not_replaced() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 1,
        burst_lines_max: 1,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "{\"do\":\"enter\",\"name\":\"bot\"}\n");
    stage.turn_after(0);
    stage.said(1, "{\"do\":\"ping\"}\n");
    let token = stage.token_of(1).to_owned();
    stage.connect(
        2,
        &format!("{{\"do\":\"enter\",\"name\":\"bot\",\"resume\":\"{token}\"}}\n"),
    );
    stage.say(1, "{\"do\":\"nick\",\"name\":\"droid\"}\n");
    stage.end(1);
    stage.turn_after(0);
    stage.ends_with(0, "* bot is now droid\n* bot joined (3 here)\n");
    while stage.turn.hub().sessions().live() > 2 && stage.now < at(5000) {
        stage.turn();
    }
    stage.ends_with(0, "* droid left (2 here)\n");
}

/// Numbers of members are used again: the token of who has left proves nothing of who comes next.
#[test]
fn a_token_is_void_once_its_member_has_left() {
    let mut stage = Stage::new(Limits::default());
    stage.connect(0, "{\"do\":\"enter\",\"name\":\"bot\"}\n");
    stage.turn_after(0);
    let token = stage.token_of(0).to_owned();
    stage.said(0, "{\"do\":\"quit\"}\n");
    stage.connect(1, "ann\n");
    stage.turn_after(0);
    let entry = format!("{{\"do\":\"enter\",\"name\":\"ann\",\"resume\":\"{token}\"}}\n");
    stage.connect(2, &entry);
    stage.turn_after(0);
    let heard = stage.heard_by(2);
    assert!(heard.contains(r#""code":"name-in-use""#), "{heard}");
    assert_eq!(stage.turn.hub().sessions().live(), 2);
    stage.ends_with(1, "* welcome to lobby, ann (1 here: ann)\n");
}

/// Its return was put off, since the turn had given enough large answers; it takes its place in the
/// turn in which it is let in, and not only when something else happens.
#[test]
fn who_was_put_off_takes_its_place_at_once() {
    let mut stage = Stage::new(Limits {
        answers_per_turn_bytes_max: 1,
        ..Limits::default()
    });
    stage.connect(0, "{\"do\":\"enter\",\"name\":\"bot\"}\n");
    stage.turn();
    stage.turn();
    let token = stage.token_of(0).to_owned();
    stage.connect(1, "ann\n");
    let entry = format!("{{\"do\":\"enter\",\"name\":\"bot\",\"resume\":\"{token}\"}}\n");
    stage.connect(2, &entry);
    stage.turn_after(0);
    while stage.turn.next_timeout() == Some(Time::START) {
        stage.turn();
    }
    assert!(
        stage.heard_by(2).contains(r#""is":"welcome""#),
        "{}",
        stage.heard_by(2)
    );
}

/// Who waits for a large answer is answered in the order of asking, however many ask.
#[test]
fn those_who_were_put_off_are_answered_first_come_first_served() {
    let mut stage = Stage::new(Limits {
        answers_per_turn_bytes_max: 1,
        ..Limits::default()
    });
    for (slot, name) in [(0, "ann\n"), (1, "ben\n"), (2, "cyd\n")] {
        stage.connect(slot, name);
        stage.turn_after(0);
        stage.turn_after(0);
    }
    let before = [0, 1, 2].map(|slot| stage.heard_by(slot).len());
    for slot in 0..3 {
        stage.say(slot, "/help\n");
    }
    for answered in 1..=3 {
        stage.turn_after(0);
        let is_answered = [0, 1, 2].map(|slot| stage.heard_by(slot as u32).len() > before[slot]);
        assert_eq!(is_answered, [0, 1, 2].map(|slot| slot < answered));
    }
}

/// Whose connection breaks while its lines are held back has them said in their time, as far as
/// there is time for that; then it leaves.
#[test]
fn what_was_sent_before_a_connection_broke_is_said() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 10,
        burst_lines_max: 1,
        drain_timeout: Duration::from_millis(250),
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "ben\n1\n2\n3\n4\n5\n");
    stage.turn_after(0);
    stage
        .turn
        .hub_mut()
        .handle_event(SessionId(1), chatd::hub::Event::Lost);
    while stage.turn.hub().sessions().live() > 1 && stage.now < at(5000) {
        stage.turn();
    }
    stage.ends_with(
        0,
        "* ben joined (2 here)\n<ben> 1\n<ben> 2\n* ben left (1 here): connection lost\n",
    );
    assert_eq!(
        stage.connection(1).closed,
        Some(CloseReason::ConnectionLost)
    );
}

/// A machine that was asleep wakes up: who takes its bytes then is not cut for the time in between.
#[test]
fn a_loop_that_stood_still_cuts_nobody() {
    let mut stage = Stage::new(Limits {
        stall_timeout: Duration::from_secs(5),
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "ben\n");
    stage.turn();
    stage.turn();
    stage.take(1, 0);
    stage.said(0, "hello\n");
    // A reader that is as healthy as any: it took nothing since the whole machine was asleep.
    stage.connection(1).takes = None;
    stage.note(1, false, true);
    stage.say(0, "still there?\n");
    stage.turn_at(at(3_600_000), |_| {});
    stage.ends_with(1, "<ann> hello\n<ann> still there?\n");
    assert_eq!(stage.turn.hub().sessions().live(), 2);
    // Whoever does not take it has a second left, not an hour, and not nothing.
    stage.take(1, 0);
    stage.said(0, "and now?\n");
    stage.turn_at(at(2 * 3_600_000), |_| {});
    assert_eq!(
        stage.turn.hub().sessions().live(),
        2,
        "it has a second left"
    );
    stage.turn_after(1001);
    assert_eq!(stage.turn.hub().sessions().live(), 1);
    stage.ends_with(0, "* ben left (1 here): too slow\n");
}

/// Somebody talks faster than a reader takes it: the talker is held, not the reader cut, as long as
/// the reader gets on; and what a quiet member says is not held.
#[test]
fn a_talker_waits_for_a_reader_that_gets_on() {
    let limits = Limits {
        line_bytes_max: 128,
        outbox_bytes_max: 64 << 10,
        stall_timeout: Duration::from_secs(4),
        rate_lines_per_second: 0,
        ..Limits::default()
    };
    let mut stage = Stage::new(limits.with_derived());
    stage.connect(0, "loud\n");
    stage.connect(1, "slow\n");
    stage.connect(2, "quiet\n");
    stage.turn();
    stage.turn();
    let mut said = 0;
    for tick in 0..600 {
        // 100 kB a second are said, 20 kB are taken; 16 would be fast enough.
        let lines = (0..10).map(|_| {
            said += 1;
            format!("{said:0>99}\n")
        });
        let lines: String = lines.collect();
        stage.say(0, &lines);
        if tick % 50 == 49 {
            stage.say(2, "a word\n");
        }
        stage.take(1, 200);
        stage.turn_after(10);
        let heard = stage.heard_by(0).matches("<quiet> a word").count();
        assert_eq!(heard, (tick + 1) / 50, "a quiet one is not held");
    }
    assert_eq!(stage.turn.hub().sessions().live(), 3, "nobody is cut");
    assert!(
        stage.connection(0).to_read.len() > 100_000,
        "it was held back"
    );
    let (whole, _) = stage.heard_by(1).rsplit_once('\n').unwrap();
    let lines = whole.lines();
    let numbers = lines.filter_map(|line| line.strip_prefix("<loud> ")?.parse::<usize>().ok());
    let numbers: Vec<usize> = numbers.collect();
    assert!(numbers.len() > 900, "{} were heard", numbers.len());
    assert!(
        numbers.iter().copied().eq(1..=numbers.len()),
        "each once, in order"
    );
    // Now it takes nothing any more.
    for _ in 0..600 {
        stage.turn_after(10);
    }
    assert_eq!(stage.connection(1).closed, Some(CloseReason::TooSlow));
}

/// Somebody asks and asks and reads no answer: it is not read from any more, and not cut. Once it
/// reads, it is answered all.
#[test]
fn who_reads_no_answers_is_not_heard_until_it_does() {
    let mut stage = Stage::new(Limits {
        outbox_bytes_max: 8 << 10,
        rate_lines_per_second: 0,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.turn_after(0);
    stage.take(0, 0);
    let asked = 200;
    stage.say(0, &format!("/ping {:0>90}\n", 7).repeat(asked));
    for _ in 0..20 {
        stage.turn_after(0);
        let owed = stage.turn.hub().sessions().queued_bytes(SessionId(0));
        assert!(owed < (4 << 10) + 100, "{owed} bytes are owed");
    }
    assert_eq!(stage.turn.hub().sessions().live(), 1, "it is not cut");
    stage.connection(0).takes = None;
    stage.note(0, false, true);
    stage.turn_after(0);
    while stage.turn.next_timeout() == Some(Time::START) {
        stage.turn_after(0);
    }
    assert_eq!(stage.heard_by(0).matches("= pong ").count(), asked);
}

/// Who comes into the slot of a reader that was behind is a reader of its own.
#[test]
fn the_pace_of_a_reader_is_not_that_of_who_was_in_its_slot() {
    let limits = Limits {
        line_bytes_max: 128,
        outbox_bytes_max: 16 << 10,
        rate_lines_per_second: 0,
        ..Limits::default()
    };
    let mut stage = Stage::new(limits.with_derived());
    stage.connect(0, "loud\n");
    stage.connect(1, "slow\n");
    stage.turn();
    stage.turn();
    let much = format!("{:0>99}\n", 7).repeat(100);
    stage.connection(1).takes = Some(0);
    stage.said(0, &much);
    for _ in 0..40 {
        stage.turn_after(10);
    }
    // Between two looks at it, it takes everything and goes, and another comes.
    stage.connection(1).takes = None;
    stage.note(1, false, true);
    stage.end(1);
    stage.turn_after(0);
    assert_eq!(stage.connection(1).closed, Some(CloseReason::HungUp));
    stage.connect(1, "next\n");
    stage.connection(1).takes = Some(0);
    stage.turn_after(0);
    stage.say(0, &much);
    // A room says only so much in a turn.
    for _ in 0..10 {
        stage.turn_after(0);
    }
    assert_eq!(stage.connection(1).closed, None, "it has only come");
    assert_eq!(stage.turn.hub().sessions().live(), 2);
}
