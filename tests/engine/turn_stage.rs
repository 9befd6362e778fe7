//! `Stage`: the turn over connections that are exactly as fast as a story wants, for `turn_by_hand`,
//! `ending_by_hand` and `takeover_by_hand`. No sockets, and no expectation of a single test.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::{Hub, Random};
use chatd::session::{AddressGroup, CloseReason, ConnectionSummary, SessionId};
use chatd::time::{Time, WallTime};
use chatd::turn::{Event, Fill, Flush, Io, Turn};

/// A turn over connections that are exactly as fast as the story wants.
pub(crate) struct Stage {
    pub(crate) turn: Turn,
    pub(crate) connections: Connections,
    pub(crate) now: Time,
}

#[derive(Default)]
pub(crate) struct Connections(pub(crate) BTreeMap<u32, Connection>);

#[derive(Default)]
pub(crate) struct Connection {
    pub(crate) to_read: Vec<u8>,
    pub(crate) has_ended: bool,
    /// From where it comes; from somewhere of its own, if that is not said.
    pub(crate) address: Option<u128>,
    pub(crate) heard: String,
    /// How many more bytes it takes; all, if that is not said.
    pub(crate) takes: Option<usize>,
    /// Nor does it when it is widened.
    pub(crate) has_no_more_room: bool,
    pub(crate) closed: Option<CloseReason>,
    /// What is to be written after its end.
    pub(crate) last_bytes: Option<Vec<u8>>,
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
        let address = self.0[&id.0].address;
        AddressGroup(address.unwrap_or(u128::from(id.0)))
    }

    fn shut(&mut self, _: SessionId) {}

    fn widen(&mut self, id: SessionId) -> bool {
        let connection = self.0.get_mut(&id.0).unwrap();
        if connection.has_no_more_room {
            return false;
        }
        connection.takes = None;
        true
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary, last_bytes: Option<Vec<u8>>) {
        let connection = self.0.get_mut(&id.0).unwrap();
        connection.closed = Some(summary.reason);
        connection.last_bytes = last_bytes;
    }
}

impl Stage {
    pub(crate) fn new(limits: Limits) -> Stage {
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
    pub(crate) fn turn(&mut self) {
        let at = self.turn.next_timeout().unwrap_or(self.now);
        self.turn_at(at.max(self.now), |_| {});
    }

    /// One turn at this time, in which the operator does something.
    pub(crate) fn turn_at(&mut self, now: Time, operate: impl FnOnce(&mut Hub)) {
        self.now = now;
        let wall = WallTime::from_millis(1_790_000_000_000);
        self.turn.start(now, wall, &mut self.connections);
        operate(self.turn.hub_mut());
        self.turn.finish(&mut self.connections, |_| {});
    }

    /// A turn after this time.
    pub(crate) fn turn_after(&mut self, milliseconds: u64) {
        let at = self.now + Duration::from_millis(milliseconds);
        self.turn_at(at, |_| {});
    }

    /// Somebody connects and says something.
    pub(crate) fn connect(&mut self, slot: u32, says: &str) {
        self.connections.0.insert(slot, Connection::default());
        self.turn.admit(SessionId(slot));
        self.say(slot, says);
    }

    /// Somebody says something; nothing is read yet.
    pub(crate) fn say(&mut self, slot: u32, says: &str) {
        let connection = self.connection(slot);
        connection.to_read.extend_from_slice(says.as_bytes());
        self.note(slot, true, false);
    }

    /// Somebody says something, and it is handled.
    pub(crate) fn said(&mut self, slot: u32, says: &str) {
        self.say(slot, says);
        self.turn_after(0);
    }

    /// Somebody closes its side.
    pub(crate) fn end(&mut self, slot: u32) {
        self.connection(slot).has_ended = true;
        self.note(slot, true, false);
    }

    /// Somebody takes so many bytes more.
    pub(crate) fn take(&mut self, slot: u32, count: usize) {
        self.connection(slot).takes = Some(count);
        self.note(slot, false, true);
    }

    pub(crate) fn note(&mut self, slot: u32, readable: bool, writable: bool) {
        let event = Event {
            readable,
            writable,
            failed: false,
        };
        self.turn.note(SessionId(slot), event);
    }

    pub(crate) fn connection(&mut self, slot: u32) -> &mut Connection {
        self.connections.0.get_mut(&slot).unwrap()
    }

    pub(crate) fn heard_by(&self, slot: u32) -> &str {
        &self.connections.0[&slot].heard
    }

    #[track_caller]
    pub(crate) fn ends_with(&self, slot: u32, end: &str) {
        let heard = self.heard_by(slot);
        assert!(
            heard.ends_with(end),
            "{slot} has heard:\n{heard}\nnot:\n{end}"
        );
    }

    /// The last token that somebody was told.
    pub(crate) fn token_of(&self, slot: u32) -> &str {
        let (_, behind) = self.heard_by(slot).rsplit_once(r#""resume":""#).unwrap();
        behind.split('"').next().unwrap()
    }
}

pub(crate) fn at(milliseconds: u64) -> Time {
    Time::after_start(Duration::from_millis(milliseconds))
}
