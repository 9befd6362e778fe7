//! [`Stage`]: the turn with the web door open, over connections that send and take what a story
//! wants. No sockets, no clock. Owned by a test of `web_by_hand` or `websocket_by_hand`.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::Duration;

use chatd::config::Limits;
use chatd::dialect::http::Site;
use chatd::hub::Random;
use chatd::session::{AddressGroup, CloseReason, ConnectionSummary, SessionId, Transport};
use chatd::time::{Time, WallTime};
use chatd::turn::{Event, Fill, Flush, Io, Turn};

/// What makes a connection a WebSocket.
pub(crate) const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A turn, and connections that send and take what the story wants.
pub(crate) struct Stage {
    pub(crate) turn: Turn,
    sockets: Sockets,
    pub(crate) now: Time,
}

#[derive(Default)]
struct Sockets(BTreeMap<u32, Socket>);

#[derive(Default)]
pub(crate) struct Socket {
    pub(crate) to_read: Vec<u8>,
    taken: Vec<u8>,
    /// It takes nothing.
    pub(crate) is_full: bool,
    /// How many more bytes it takes until it is full; all, if that is not said.
    pub(crate) takes: Option<usize>,
    /// It comes in plain where TLS is required.
    is_unwanted: bool,
    pub(crate) is_shut: bool,
    pub(crate) closed: Option<CloseReason>,
    /// What is to be written after its end.
    pub(crate) last_bytes: Option<Vec<u8>>,
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
        let offered: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.to_vec()).collect();
        let count = socket.takes.unwrap_or(offered.len()).min(offered.len());
        socket.taken.extend_from_slice(&offered[..count]);
        socket.takes = socket.takes.map(|takes| takes - count);
        socket.is_full = socket.takes == Some(0);
        Flush::Took(count)
    }

    /// Two neighbours share an address.
    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(u128::from(id.0 / 2))
    }

    fn transport(&self, id: SessionId) -> Transport {
        if self.0[&id.0].is_unwanted {
            Transport::PlainUnwanted
        } else {
            Transport::Plain
        }
    }

    fn shut(&mut self, id: SessionId) {
        self.0.get_mut(&id.0).unwrap().is_shut = true;
    }

    fn widen(&mut self, _: SessionId) -> bool {
        false
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary, last_bytes: Option<Vec<u8>>) {
        let socket = self.0.get_mut(&id.0).unwrap();
        socket.closed = Some(summary.reason);
        socket.last_bytes = last_bytes;
    }
}

impl Stage {
    pub(crate) fn new(limits: Limits) -> Stage {
        let mut turn = Turn::new(limits, Random::new(|| [7; 32]));
        turn.hub_mut().open_web(Site::new([]));
        Stage {
            turn,
            sockets: Sockets::default(),
            now: Time::START,
        }
    }

    pub(crate) fn turn_at(&mut self, milliseconds: u64) {
        self.now = Time::after_start(Duration::from_millis(milliseconds));
        let wall = WallTime::from_millis(1_790_000_000_000 + milliseconds);
        self.turn.start(self.now, wall, &mut self.sockets);
        self.turn.finish(&mut self.sockets, |_| {});
    }

    /// Every deadline up to then is met in its turn, as it is where nothing else happens.
    pub(crate) fn pass_until(&mut self, milliseconds: u64) {
        let end = Time::after_start(Duration::from_millis(milliseconds));
        while let Some(due) = self.turn.next_timeout().filter(|due| *due <= end) {
            let at = due.max(self.now).since(Time::START);
            self.turn_at(at.as_millis() as u64 + u64::from(at.subsec_micros() % 1000 > 0));
        }
        self.turn_at(milliseconds);
    }

    pub(crate) fn connect(&mut self, slot: u32, says: &[u8]) {
        self.sockets.0.insert(slot, Socket::default());
        self.turn.admit(SessionId(slot));
        self.say(slot, says);
    }

    /// The same in plain, where TLS is required.
    pub(crate) fn connect_unwanted(&mut self, slot: u32, says: &[u8]) {
        self.connect(slot, b"");
        self.socket(slot).is_unwanted = true;
        self.say(slot, says);
    }

    /// Says something, which is read in this turn.
    pub(crate) fn say(&mut self, slot: u32, says: &[u8]) {
        self.socket(slot).to_read.extend_from_slice(says);
        self.note(slot, true, false);
        let now = self.now.since(Time::START).as_millis() as u64;
        self.turn_at(now);
    }

    /// From now on it takes what it is told.
    pub(crate) fn take(&mut self, slot: u32) {
        self.socket(slot).is_full = false;
        self.socket(slot).takes = None;
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

    pub(crate) fn socket(&mut self, slot: u32) -> &mut Socket {
        self.sockets.0.get_mut(&slot).unwrap()
    }

    /// What it took since it was last asked.
    pub(crate) fn taken(&mut self, slot: u32) -> Vec<u8> {
        std::mem::take(&mut self.socket(slot).taken)
    }

    /// The status of the answer it took.
    pub(crate) fn status(&mut self, slot: u32) -> String {
        let taken = String::from_utf8(self.taken(slot)).unwrap();
        taken.get(9..12).unwrap_or_default().to_owned()
    }

    pub(crate) fn websocket(&mut self, slot: u32) {
        self.connect(slot, UPGRADE);
        self.say(
            slot,
            &frame(0x81, b"{\"do\":\"enter\",\"name\":\"ann\",\"rooms\":[]}"),
        );
        let taken = self.taken(slot);
        assert!(taken.starts_with(b"HTTP/1.1 101 "), "{taken:?}");
    }
}
/// A frame with a mask that changes nothing.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

pub(crate) fn post(room: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /rooms/{room}?name=cron HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
         \r\n{body}"
    )
    .into_bytes()
}
