//! `InMemory`: the turn of the server with sockets that are memory, for tests and benches that
//! count what the engine does. Its peers always read, and each sends more only once what it sent
//! before was read. No kernel, no clock: time goes on as it is told. Nothing here allocates once it
//! has seen its load. Owned by a test.

// Each binary uses its own part of this.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::io::IoSlice;
use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::{Random, Statistics};
use chatd::session::{AddressGroup, ConnectionSummary, SessionId};
use chatd::time::{Time, WallTime};
use chatd::turn::{Event, Fill, Flush, Io, Turn};

/// Any day; what is said bears its date.
const STARTED_AT_MILLIS: u64 = 1_790_000_000_000;

/// Which language a member speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Text,
    Json,
}

impl Language {
    /// The line by which somebody comes in.
    pub fn entry(self, name: &str) -> Vec<u8> {
        match self {
            Language::Text => format!("{name}\n"),
            Language::Json => format!("{{\"do\":\"enter\",\"name\":\"{name}\"}}\n"),
        }
        .into_bytes()
    }

    /// The line by which somebody says a text that needs no escapes.
    pub fn line(self, text: &str) -> Vec<u8> {
        match self {
            Language::Text => format!("{text}\n"),
            Language::Json => {
                format!(
                    "{{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"{text}\",\"ref\":\"17\"}}\n"
                )
            }
        }
        .into_bytes()
    }
}

pub struct InMemory {
    pub turn: Turn,
    pub sockets: Sockets,
    now: Time,
}

impl InMemory {
    pub fn new(limits: Limits) -> InMemory {
        InMemory {
            turn: Turn::new(limits.with_derived(), Random::new(|| [7; 32])),
            sockets: Sockets::default(),
            now: Time::START,
        }
    }

    /// Members 0, 1, … who speak the language that is said for each, all in the lobby.
    pub fn enter(&mut self, members: u32, language: impl Fn(u32) -> Language) {
        let moment = Duration::from_micros(1);
        for slot in 0..members {
            self.connect(slot);
            let entry = language(slot).entry(&format!("member{slot}"));
            self.pass(moment, &[(slot, entry)]);
        }
        self.settle();
        assert_eq!(self.statistics().clients, members as usize);
    }

    /// One turn, so much later than the one before, in which these bytes came in. How many bytes
    /// were written in it.
    pub fn pass<B: AsRef<[u8]>>(&mut self, later: Duration, input: &[(u32, B)]) -> u64 {
        let (readable, writable) = (true, true);
        for (slot, bytes) in input {
            self.sockets.peers[*slot as usize].send(bytes.as_ref());
            let event = Event {
                readable,
                ..Event::default()
            };
            self.turn.note(SessionId(*slot), event);
        }
        for id in self.sockets.blocked.drain(..) {
            self.sockets.peers[id.slot()].taken_bytes = 0;
            let event = Event {
                writable,
                ..Event::default()
            };
            self.turn.note(id, event);
        }
        self.start(later);
        let before = self.sockets.written_bytes;
        self.finish();
        self.sockets.written_bytes - before
    }

    /// Lets so much time pass that whatever is told after a while (joins of a large room) was told.
    pub fn settle(&mut self) {
        for _ in 0..5 {
            self.pass::<Vec<u8>>(Duration::from_millis(500), &[]);
        }
    }

    /// Says a line so often that what its room remembers of it does not grow any more.
    pub fn fill_history(&mut self, speaker: u32, line: &[u8]) {
        let lines = line.repeat(100);
        for _ in 0..15 {
            self.pass(Duration::from_millis(1), &[(speaker, &lines)]);
        }
    }

    pub fn statistics(&self) -> Statistics {
        self.turn.hub().overview().statistics()
    }

    fn connect(&mut self, slot: u32) {
        self.start(Duration::ZERO);
        self.sockets.peers.push(Peer::default());
        assert_eq!(self.sockets.peers.len(), slot as usize + 1);
        self.turn.admit(SessionId(slot));
        self.finish();
    }

    fn start(&mut self, later: Duration) {
        self.now = self.now + later;
        let elapsed = self.now.since(Time::START).as_millis();
        let wall = WallTime::from_millis(STARTED_AT_MILLIS + elapsed as u64);
        self.turn.start(self.now, wall, &mut self.sockets);
    }

    fn finish(&mut self) {
        self.turn.finish(&mut self.sockets, |_| {});
        while self.turn.hub_mut().poll_record().is_some() {}
    }
}

/// The sockets of all connections, by their slots.
pub struct Sockets {
    /// Bytes that each of them takes in a turn.
    pub taken_bytes_max: usize,
    peers: Vec<Peer>,
    /// Those that took all they take in this turn.
    blocked: Vec<SessionId>,
    written_bytes: u64,
}

impl Default for Sockets {
    fn default() -> Sockets {
        Sockets {
            taken_bytes_max: usize::MAX,
            peers: Vec::new(),
            blocked: Vec::new(),
            written_bytes: 0,
        }
    }
}

#[derive(Default)]
struct Peer {
    inbox: Vec<u8>,
    read_bytes: usize,
    /// In this turn.
    taken_bytes: usize,
}

impl Peer {
    fn send(&mut self, bytes: &[u8]) {
        if self.read_bytes == self.inbox.len() {
            self.inbox.clear();
            self.inbox.extend_from_slice(bytes);
            self.read_bytes = 0;
        }
    }
}

impl Io for Sockets {
    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        let peer = &mut self.peers[id.slot()];
        let rest = &peer.inbox[peer.read_bytes..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        peer.read_bytes += length;
        if length == buffer.len() {
            (length, Fill::Full)
        } else {
            (length, Fill::Exhausted)
        }
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        let peer = &mut self.peers[id.slot()];
        if peer.taken_bytes >= self.taken_bytes_max {
            self.blocked.push(id);
            return Flush::Blocked;
        }
        let owed: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        let taken = match self.taken_bytes_max {
            usize::MAX => owed,
            bytes_max => owed.min(bytes_max - peer.taken_bytes),
        };
        if self.taken_bytes_max < usize::MAX {
            peer.taken_bytes += taken;
        }
        self.written_bytes += taken as u64;
        Flush::Took(taken)
    }

    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(u128::from(id.0))
    }

    fn shut(&mut self, id: SessionId) {
        panic!("{id:?} was shut, and nobody is to be");
    }

    fn widen(&mut self, _: SessionId) -> bool {
        false
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary, _: Option<Vec<u8>>) {
        panic!("{id:?} was closed, and nobody is to be: {summary:?}");
    }
}
