//! `Stage`: the turn with peers that take so many bytes in each, for `fair_by_hand`. Sockets and clock are
//! of our own making; no expectation of a single test.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::Random;
use chatd::session::{AddressGroup, CloseReason, ConnectionSummary, SessionId};
use chatd::time::{Time, WallTime};
use chatd::turn::{Event, Fill, Flush, Io, Turn};

/// How long a turn takes here.
const TURN: Duration = Duration::from_millis(1);

/// One connection.
#[derive(Default)]
pub(crate) struct Peer {
    pub(crate) inbox: VecDeque<u8>,
    /// It was told that nothing more is there.
    is_exhausted: bool,
    pub(crate) heard: Vec<u8>,
    /// What it takes in a turn, and what is left of that.
    pub(crate) takes_bytes: usize,
    left_bytes: usize,
    is_blocked: bool,
    pub(crate) is_broken: bool,
    pub(crate) closed: Option<CloseReason>,
}

impl Peer {
    pub(crate) fn lines(&self, start: &str) -> usize {
        let heard = String::from_utf8_lossy(&self.heard);
        heard.lines().filter(|line| line.starts_with(start)).count()
    }
}

#[derive(Default)]
pub(crate) struct Peers(pub(crate) Vec<Peer>);

impl Io for Peers {
    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        let peer = &mut self.0[id.slot()];
        let length = peer.inbox.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(peer.inbox.drain(..length)) {
            *place = byte;
        }
        if length == buffer.len() {
            return (length, Fill::Full);
        }
        peer.is_exhausted = true;
        let fill = if peer.is_broken {
            Fill::Lost
        } else {
            Fill::Exhausted
        };
        (length, fill)
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        let peer = &mut self.0[id.slot()];
        if peer.is_broken {
            return Flush::Lost;
        }
        let before = peer.left_bytes;
        for chunk in chunks {
            let taken = chunk.len().min(peer.left_bytes);
            peer.heard.extend_from_slice(&chunk[..taken]);
            peer.left_bytes -= taken;
        }
        if before == peer.left_bytes {
            peer.is_blocked = true;
            return Flush::Blocked;
        }
        Flush::Took(before - peer.left_bytes)
    }

    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(u128::from(id.0))
    }

    fn shut(&mut self, _: SessionId) {}

    fn widen(&mut self, _: SessionId) -> bool {
        false
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary, _: Option<Vec<u8>>) {
        self.0[id.slot()].closed = Some(summary.reason);
    }
}

pub(crate) struct Stage {
    pub(crate) turn: Turn,
    pub(crate) peers: Peers,
    pub(crate) now: Time,
}

impl Stage {
    pub(crate) fn new(limits: Limits) -> Stage {
        Stage {
            turn: Turn::new(limits.with_derived(), Random::new(|| [7; 32])),
            peers: Peers::default(),
            now: Time::START,
        }
    }

    /// A member in the lobby who takes everything.
    pub(crate) fn enter(&mut self, name: &str) -> usize {
        self.begin(name)
    }

    pub(crate) fn begin(&mut self, first_line: &str) -> usize {
        let slot = self.connect();
        self.send(slot, &format!("{first_line}\n"));
        self.pass();
        slot
    }

    /// A connection that takes everything and has said nothing yet.
    pub(crate) fn connect(&mut self) -> usize {
        let slot = self.peers.0.len();
        self.peers.0.push(Peer {
            takes_bytes: usize::MAX,
            ..Peer::default()
        });
        self.start();
        self.turn.admit(SessionId(u32::try_from(slot).unwrap()));
        self.finish();
        slot
    }

    pub(crate) fn enter_room(&mut self, name: &str, room: &str) -> usize {
        let slot = self.enter(name);
        self.send(slot, &format!("/join {room}\n"));
        self.pass();
        slot
    }

    /// A program in these rooms that takes everything.
    pub(crate) fn enter_rooms(&mut self, name: &str, rooms: &[&str]) -> usize {
        let rooms = rooms.join(r#"",""#);
        let entry = format!(r#"{{"do":"enter","name":"{name}","rooms":["{rooms}"]}}"#);
        self.begin(&entry)
    }

    pub(crate) fn send(&mut self, slot: usize, text: &str) {
        self.peers.0[slot].inbox.extend(text.as_bytes());
        self.note(slot, |event| event.readable = true);
    }

    pub(crate) fn note(&mut self, slot: usize, set: impl FnOnce(&mut Event)) {
        let mut event = Event::default();
        set(&mut event);
        let id = SessionId(u32::try_from(slot).unwrap());
        self.turn.note(id, event);
    }

    pub(crate) fn start(&mut self) {
        self.now = self.now + TURN;
        for slot in 0..self.peers.0.len() {
            let peer = &mut self.peers.0[slot];
            peer.left_bytes = peer.takes_bytes;
            if peer.takes_bytes > 0 && std::mem::take(&mut peer.is_blocked) {
                self.note(slot, |event| event.writable = true);
            }
        }
        let wall = WallTime::from_millis(1_790_000_000_000);
        self.turn.start(self.now, wall, &mut self.peers);
    }

    pub(crate) fn finish(&mut self) {
        self.turn.finish(&mut self.peers, |_| {});
        while self.turn.hub_mut().poll_record().is_some() {}
    }

    pub(crate) fn pass(&mut self) {
        self.start();
        self.finish();
    }

    pub(crate) fn pass_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.pass();
        }
    }
}
