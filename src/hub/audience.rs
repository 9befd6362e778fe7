//! `Audience`: who hears each room, and what the room has said in this turn: coming into it and
//! going out of it, as far as delivery is concerned. Part of delivery.

use crate::chat::RoomId;
use crate::dialect::Encoding;
use crate::fanout::block::{BlockId, Mark};
use crate::session::{Hearing, SessionId};
use crate::time::Time;

use super::delivery::Delivery;

/// Who hears a room, in the order of their slots (the order in which they lie in memory), and what
/// it has said in this turn: each by encoding.
#[derive(Debug, Default)]
pub(super) struct Audience {
    pub(super) sessions: [Vec<SessionId>; Encoding::ALL.len()],
    pub(super) open: [Option<BlockId>; Encoding::ALL.len()],
    pub(super) said: Said,
}

/// What a room has said that not everybody was offered yet: since which turn, and how many bytes.
#[derive(Debug, Default)]
pub(super) struct Said {
    since: Time,
    bytes: usize,
}

impl Said {
    /// So much was laid in the turn at `now`. Somebody waits to be written to since `waiting_since`.
    pub(super) fn add(&mut self, now: Time, bytes: usize, waiting_since: Option<Time>) {
        if self.since != now && self.unwritten_bytes(waiting_since) == 0 {
            *self = Said {
                since: now,
                bytes: 0,
            };
        }
        self.bytes += bytes;
    }

    /// So much that somebody may still wait to be written it.
    pub(super) fn unwritten_bytes(&self, waiting_since: Option<Time>) -> usize {
        if waiting_since.is_some_and(|since| since <= self.since) {
            self.bytes
        } else {
            0
        }
    }
}

impl Audience {
    pub(super) fn has_spoken(&self) -> bool {
        self.open.iter().any(Option::is_some)
    }
}

impl Delivery {
    /// A session hears a room from here on: nothing of what was said in it before.
    pub(super) fn enter(&mut self, id: SessionId, room: RoomId) {
        self.grow_to(room);
        self.catch_up(id);
        let end = self.end_of(id, room);
        let Some(session) = self.sessions[id.slot()].as_mut() else {
            return;
        };
        let sessions = &mut self.rooms[room.slot()].sessions[session.encoding().index()];
        if let Err(place) = sessions.binary_search(&id) {
            sessions.insert(place, id);
            session.rooms.push(Hearing {
                room,
                served: end.map_or(Mark::default(), |(_, end)| end),
            });
        }
    }

    /// A session has heard all that this room said, and hears no more of it.
    pub(super) fn part(&mut self, id: SessionId, room: RoomId) {
        self.catch_up(id);
        let Some(session) = self.sessions[id.slot()].as_mut() else {
            return;
        };
        session.rooms.retain(|hearing| hearing.room != room);
        let sessions = &mut self.rooms[room.slot()].sessions[session.encoding().index()];
        if let Ok(place) = sessions.binary_search(&id) {
            sessions.remove(place);
        }
    }

    /// A room that is gone says nothing any more; who heard it has been served.
    pub(super) fn close_room(&mut self, room: RoomId) {
        let Some(audience) = self.rooms.get_mut(room.slot()) else {
            return;
        };
        debug_assert!(audience.sessions.iter().all(Vec::is_empty));
        let closed = std::mem::take(audience);
        if closed.has_spoken() {
            self.spoken.retain(|&other| other != room);
        }
        for block in closed.open.into_iter().flatten() {
            self.store.seal(block);
        }
    }

    /// There are no rooms and no members any more; everybody has been served.
    pub(super) fn forget_rooms(&mut self) {
        self.spoken.clear();
        self.members.clear();
        for audience in std::mem::take(&mut self.rooms) {
            for block in audience.open.into_iter().flatten() {
                self.store.seal(block);
            }
        }
    }

    pub(super) fn grow_to(&mut self, room: RoomId) {
        if self.rooms.len() <= room.slot() {
            self.rooms.resize_with(room.slot() + 1, Audience::default);
        }
    }

    pub(super) fn open_block(&mut self, room: RoomId, encoding: Encoding) -> BlockId {
        let audience = &mut self.rooms[room.slot()];
        if let Some(block) = audience.open[encoding.index()] {
            return block;
        }
        if !audience.has_spoken() {
            self.spoken.push(room);
        }
        let block = self.store.open(self.now);
        audience.open[encoding.index()] = Some(block);
        block
    }
}
