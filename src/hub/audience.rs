//! `Audiences`: who hears each room, and what the room has said in this turn. Only the tables: what
//! is said, and what of it a session has been served, is delivery's business, which owns them.

use crate::chat::RoomId;
use crate::dialect::Encoding;
use crate::fanout::block::{BlockId, BlockStore};
use crate::session::SessionId;
use crate::time::Time;

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

/// The audiences of all rooms.
#[derive(Debug, Default)]
pub(super) struct Audiences {
    rooms: Vec<Audience>,
    /// Rooms that have said something in this turn, in the order in which they first did.
    spoken: Vec<RoomId>,
    /// Who hears these, each counted for each room.
    hearers: usize,
}

impl Audiences {
    pub(super) fn get(&self, room: RoomId) -> Option<&Audience> {
        self.rooms.get(room.slot())
    }

    /// The audience of a room, which is new here at need.
    pub(super) fn get_mut(&mut self, room: RoomId) -> &mut Audience {
        if self.rooms.len() <= room.slot() {
            self.rooms.resize_with(room.slot() + 1, Audience::default);
        }
        &mut self.rooms[room.slot()]
    }

    /// The block that the room's words go into in this turn, for those of one encoding.
    pub(super) fn open_block(
        &mut self,
        room: RoomId,
        encoding: Encoding,
        store: &mut BlockStore,
        now: Time,
    ) -> BlockId {
        let audience = &mut self.rooms[room.slot()];
        if let Some(block) = audience.open[encoding.index()] {
            return block;
        }
        if !audience.has_spoken() {
            self.spoken.push(room);
            self.hearers += audience.hearers();
        }
        let block = store.open(now);
        audience.open[encoding.index()] = Some(block);
        block
    }

    /// The blocks that are open, in the order in which their rooms first spoke.
    pub(super) fn open_blocks(&self) -> impl Iterator<Item = BlockId> {
        let spoken = self.spoken.iter();
        spoken
            .flat_map(|room| self.rooms[room.slot()].open)
            .flatten()
    }

    /// How much a room has said in this turn, and in those before as long as somebody waits to be
    /// written it, since `waiting_since`.
    pub(super) fn said_bytes(
        &self,
        room: RoomId,
        store: &BlockStore,
        waiting_since: Option<Time>,
    ) -> usize {
        let Some(audience) = self.rooms.get(room.slot()) else {
            return 0;
        };
        let open = audience.open.iter().flatten();
        let in_this_turn = open.map(|&block| store.end(block).bytes as usize);
        audience.said.unwritten_bytes(waiting_since) + in_this_turn.max().unwrap_or(0)
    }

    /// How many are to be told what rooms have said in this turn, each counted for each room.
    pub(super) fn hearers(&self) -> usize {
        self.hearers
    }

    /// A turn begins, to which belongs what rooms have said by now and is not sealed.
    pub(super) fn start_turn(&mut self) {
        let spoken = self.spoken.iter();
        self.hearers = spoken.map(|room| self.rooms[room.slot()].hearers()).sum();
    }

    /// Whether a room has said something that is not sealed.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.spoken.is_empty()
    }

    /// The rooms that have said something in this turn; from now on none has. The list is to come
    /// back with [`Audiences::reuse_list`], for its memory.
    pub(super) fn take_spoken(&mut self) -> Vec<RoomId> {
        std::mem::take(&mut self.spoken)
    }

    pub(super) fn reuse_list(&mut self, mut list: Vec<RoomId>) {
        list.clear();
        self.spoken = list;
    }

    /// A room that is gone says nothing any more; who heard it has been served.
    pub(super) fn close(&mut self, room: RoomId, store: &mut BlockStore) {
        let Some(audience) = self.rooms.get_mut(room.slot()) else {
            return;
        };
        debug_assert!(audience.sessions.iter().all(Vec::is_empty));
        let closed = std::mem::take(audience);
        if closed.has_spoken() {
            self.spoken.retain(|&other| other != room);
        }
        for block in closed.open.into_iter().flatten() {
            store.seal(block);
        }
    }

    /// There are no rooms any more; everybody has been served.
    pub(super) fn clear(&mut self, store: &mut BlockStore) {
        self.spoken.clear();
        for audience in std::mem::take(&mut self.rooms) {
            for block in audience.open.into_iter().flatten() {
                store.seal(block);
            }
        }
    }
}

impl Said {
    /// So much was laid in the turn at `now`.
    pub(super) fn add(&mut self, now: Time, bytes: usize, waiting_since: Option<Time>) {
        if self.since != now && self.unwritten_bytes(waiting_since) == 0 {
            *self = Said {
                since: now,
                bytes: 0,
            };
        }
        self.bytes += bytes;
    }

    fn unwritten_bytes(&self, waiting_since: Option<Time>) -> usize {
        if waiting_since.is_some_and(|since| since <= self.since) {
            self.bytes
        } else {
            0
        }
    }
}

impl Audience {
    /// Whether it has not heard this session yet: then it does from now on.
    pub(super) fn insert(&mut self, id: SessionId, encoding: Encoding) -> bool {
        let sessions = &mut self.sessions[encoding.index()];
        match sessions.binary_search(&id) {
            Ok(_) => false,
            Err(place) => {
                sessions.insert(place, id);
                true
            }
        }
    }

    pub(super) fn remove(&mut self, id: SessionId, encoding: Encoding) {
        let sessions = &mut self.sessions[encoding.index()];
        if let Ok(place) = sessions.binary_search(&id) {
            sessions.remove(place);
        }
    }

    pub(super) fn has(&self, id: SessionId, encoding: Encoding) -> bool {
        self.sessions[encoding.index()].binary_search(&id).is_ok()
    }

    fn hearers(&self) -> usize {
        self.sessions.iter().map(Vec::len).sum()
    }

    fn has_spoken(&self) -> bool {
        self.open.iter().any(Option::is_some)
    }
}
