//! Single stories of the turn over a transport that seals what it writes, as TLS does: what is sealed
//! must follow, an end that nobody has said is none, and a shut may take its time. No sockets, no
//! TLS, no clock.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::{Hub, Random};
use chatd::session::{AddressGroup, CloseReason, ConnectionSummary, SessionId};
use chatd::time::{Time, WallTime};
use chatd::turn::{Event, Fill, Flush, Io, Turn};

/// What is sealed at once.
const SEALED_BYTES_MAX: usize = 20;

/// A turn, and connections that take what the story wants.
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
    /// What becomes of it once everything was read.
    end: Option<Fill>,
    /// The kernel takes nothing.
    is_full: bool,
    /// Nor does it when it is widened.
    has_no_more_room: bool,
    /// What is sealed and not in the kernel.
    sealed: Vec<u8>,
    heard: String,
    must_linger: bool,
    is_widened: bool,
    is_shut: bool,
    closed: Option<CloseReason>,
    /// What is to be written after its end.
    last_bytes: Option<Vec<u8>>,
}

impl Io for Connections {
    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        let connection = self.0.get_mut(&id.0).unwrap();
        let count = connection.to_read.len().min(buffer.len());
        let bytes: Vec<u8> = connection.to_read.drain(..count).collect();
        buffer[..count].copy_from_slice(&bytes);
        (count, connection.end.unwrap_or(Fill::Exhausted))
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        let connection = self.0.get_mut(&id.0).unwrap();
        let offered: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.to_vec()).collect();
        if connection.sealed.is_empty() {
            let count = offered.len().min(SEALED_BYTES_MAX);
            connection.sealed = offered[..count].to_vec();
        }
        let [sealed, follows] =
            [&connection.sealed, &offered].map(|it| String::from_utf8_lossy(it));
        assert!(follows.starts_with(&*sealed), "{sealed} and then {follows}");
        let count = connection.sealed.len();
        if connection.is_full {
            return Flush::Promised(count);
        }
        connection.heard.push_str(&sealed);
        connection.sealed.clear();
        Flush::Took(count)
    }

    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(u128::from(id.0))
    }

    fn shut(&mut self, id: SessionId) {
        self.0.get_mut(&id.0).unwrap().is_shut = true;
    }

    fn must_linger(&self, id: SessionId) -> bool {
        self.0[&id.0].must_linger
    }

    fn widen(&mut self, id: SessionId) -> bool {
        let connection = self.0.get_mut(&id.0).unwrap();
        connection.is_widened = true;
        connection.is_full = connection.has_no_more_room;
        !connection.is_full
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary, last_bytes: Option<Vec<u8>>) {
        let connection = self.0.get_mut(&id.0).unwrap();
        connection.closed = Some(summary.reason);
        connection.last_bytes = last_bytes;
    }
}

impl Stage {
    /// Ann is in the lobby, and then Ben.
    fn with_ann_and_ben(limits: Limits) -> Stage {
        let mut stage = Stage {
            turn: Turn::new(limits, Random::new(|| [7; 32])),
            connections: Connections::default(),
            now: Time::START,
        };
        for (slot, name) in [(0, "ann\n"), (1, "ben\n")] {
            stage.connections.0.insert(slot, Connection::default());
            stage.turn.admit(SessionId(slot));
            stage.say(slot, name);
        }
        stage
    }

    fn turn_after(&mut self, milliseconds: u64, operate: impl FnOnce(&mut Hub)) {
        self.now = self.now + Duration::from_millis(milliseconds);
        let wall = WallTime::from_millis(1_790_000_000_000);
        self.turn.start(self.now, wall, &mut self.connections);
        operate(self.turn.hub_mut());
        self.turn.finish(&mut self.connections, |_| {});
    }

    /// Somebody says something, which is read at once, with what becomes of its connection then.
    fn say(&mut self, slot: u32, says: &str) {
        let connection = self.connection(slot);
        connection.to_read.extend_from_slice(says.as_bytes());
        let event = Event {
            readable: true,
            ..Event::default()
        };
        self.turn.note(SessionId(slot), event);
        self.turn_after(0, |_| {});
    }

    fn end(&mut self, slot: u32, says: &str, end: Fill) {
        self.connection(slot).end = Some(end);
        self.say(slot, says);
    }

    fn connection(&mut self, slot: u32) -> &mut Connection {
        self.connections.0.get_mut(&slot).unwrap()
    }

    #[track_caller]
    fn ends_with(&self, slot: u32, end: &str) {
        let heard = &self.connections.0[&slot].heard;
        assert!(
            heard.ends_with(end),
            "{slot} has heard:\n{heard}\nnot:\n{end}"
        );
    }
}

/// The same where the kernel has no room for it until the end: the transport has the socket then, and
/// is given all that is owed, what it has sealed of that included.
#[test]
fn f88_what_is_sealed_at_the_end_is_followed_by_why() {
    let mut stage = Stage::with_ann_and_ben(Limits {
        stall_timeout: Duration::from_secs(1),
        ..Limits::default()
    });
    stage.connection(1).is_full = true;
    stage.connection(1).has_no_more_room = true;
    stage.say(0, "of this line the head is sealed\n");
    stage.say(0, "never read\n");
    stage.turn_after(1001, |_| {});
    stage.turn_after(5001, |_| {});
    assert_eq!(stage.connection(1).closed, Some(CloseReason::TooSlow));
    let last_bytes = stage.connection(1).last_bytes.take();
    assert_eq!(
        String::from_utf8(last_bytes.unwrap()).unwrap(),
        "<ann> of this line the head is sealed\n\
         ! too-slow you did not read what was waiting for you; connect again\n",
    );
}

/// What is sealed cannot be taken back: who is cut reads that and the rest of
/// the line, then why.
#[test]
fn what_is_sealed_follows_although_it_is_cut() {
    let mut stage = Stage::with_ann_and_ben(Limits {
        stall_timeout: Duration::from_secs(1),
        ..Limits::default()
    });
    stage.connection(1).is_full = true;
    stage.say(0, "of this line the head is sealed\n");
    stage.say(0, "never read\n");
    stage.turn_after(1001, |_| {});
    stage.ends_with(
        1,
        "<ann> of this line the head is sealed\n\
         ! too-slow you did not read what was waiting for you; connect again\n",
    );
    stage.ends_with(0, "* ben left (1 here): too slow\n");
}

/// What is sealed for a connection stays in memory as long as the connection does. So it goes at
/// once where memory is short, and nothing is written to it any more.
#[test]
fn who_has_bytes_sealed_goes_at_once_where_memory_is_short() {
    let mut stage = Stage::with_ann_and_ben(Limits {
        outbox_total_bytes_max: 10,
        ..Limits::default()
    });
    stage.connection(1).is_full = true;
    stage.say(0, "hello\n");
    assert_eq!(stage.connection(1).closed, None, "it has had no time");
    stage.turn_after(1, |_| {});
    let ben = stage.connection(1);
    assert_eq!(ben.closed, Some(CloseReason::TooSlow));
    assert!(!ben.is_widened, "{}", ben.heard);
    stage.turn_after(0, |_| {});
    stage.ends_with(0, "* ben left (1 here): too slow\n");
}

/// What transports hold counts as what outboxes hold.
#[test]
fn what_transports_hold_is_memory_of_those_who_do_not_read() {
    let mut stage = Stage::with_ann_and_ben(Limits {
        outbox_total_bytes_max: 1 << 20,
        ..Limits::default()
    });
    stage.connection(1).is_full = true;
    stage.say(0, "hello\n");
    stage.turn_after(1, |hub| hub.set_transport_bytes(1 << 10));
    assert_eq!(stage.connection(1).closed, None);
    stage.turn_after(1, |hub| hub.set_transport_bytes(1 << 20));
    assert_eq!(stage.connection(1).closed, Some(CloseReason::TooSlow));
}

/// Somebody between the two may have cut the connection in the middle of a line.
#[test]
fn what_was_begun_is_said_only_if_the_end_was() {
    for (end, last) in [(Fill::Ended, "<ben> not al\n"), (Fill::Truncated, "")] {
        let mut stage = Stage::with_ann_and_ben(Limits::default());
        stage.end(1, "all of this\nnot al", end);
        stage.ends_with(
            0,
            &format!("(2 here)\n<ben> all of this\n{last}* ben left (1 here)\n"),
        );
        assert_eq!(stage.connection(1).closed, Some(CloseReason::HungUp));
    }
}

/// Its other side was told what was wrong by what carries it: nothing follows that.
#[test]
fn nothing_is_written_over_a_connection_that_is_at_fault() {
    let mut stage = Stage::with_ann_and_ben(Limits::default());
    stage.connection(1).is_full = true;
    stage.say(0, "not taken\n");
    stage.end(1, "said before the fault\n", Fill::Faulty);
    stage.ends_with(
        0,
        "<ben> said before the fault\n* ben left (1 here): connection lost\n",
    );
    let ben = stage.connection(1);
    assert!(ben.is_shut && !ben.is_widened);
    assert!(!ben.heard.contains("not taken"), "{}", ben.heard);
}

/// That it is the end may have to be written first, although the other side has ended.
#[test]
fn who_has_ended_is_closed_once_its_own_end_was_written() {
    let mut stage = Stage::with_ann_and_ben(Limits {
        linger_timeout: Duration::from_millis(200),
        ..Limits::default()
    });
    stage.connection(1).must_linger = true;
    for slot in [0, 1] {
        stage.end(slot, "", Fill::Ended);
        assert!(stage.connection(slot).is_shut, "{slot}");
    }
    assert_eq!(stage.connection(0).closed, Some(CloseReason::HungUp));
    assert_eq!(stage.connection(1).closed, None);
    stage.turn_after(199, |_| {});
    assert_eq!(stage.connection(1).closed, None);
    stage.turn_after(1, |_| {});
    assert_eq!(stage.connection(1).closed, Some(CloseReason::HungUp));
}
