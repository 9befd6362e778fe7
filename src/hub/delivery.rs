//! `Delivery`: from a fact and its audience to slices in outboxes. It knows who hears each room,
//! the room's open block in each encoding that is present, and how far into it every session has
//! been served, so that each connection sees everything in the order in which it happened. Not the
//! rules of chat, and not when a session ends: it only reports whose outbox passed its bound. A
//! listener; owned by the hub.

use crate::chat::{Fact, Listen, MemberId, RoomId, To, What};
use crate::config::Limits;
use crate::dialect::{self, Encoding, Reply};
use crate::fanout::block::{BlockId, BlockStore, Mark, Slice};
use crate::session::{Hearing, Session, SessionId};
use crate::time::Time;

use super::audience::Audience;
use super::queues::Queues;
use super::statistics::Statistics;

/// After so much, what is said to single sessions goes into another block.
const ANSWERS_BYTES_MAX: usize = 16 << 10;

/// The sessions, the blocks, and what is open in this turn. Its fields are its two tables, the
/// memory they share, and the lists that a turn leaves for its next step.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) sessions: Vec<Option<Session>>,
    pub(super) store: BlockStore,
    /// The session of each member.
    pub(super) members: Vec<Option<SessionId>>,
    pub(super) rooms: Vec<Audience>,
    /// Rooms that have said something in this turn, in the order in which they first did.
    pub(super) spoken: Vec<RoomId>,
    /// What was said to single sessions in this turn.
    answers: Option<BlockId>,
    /// Bytes of that since the beginning, each told once.
    pub(super) answered_bytes: u64,
    pub(super) queues: Queues,
    block_bytes_max: usize,
    turn_bytes_max: usize,
    lines_per_turn_max: u64,
    /// The count of lines up to which this turn handles them.
    lines_in_max: u64,
    pub(super) now: Time,
    pub(super) statistics: Statistics,
}

impl Delivery {
    pub(super) fn new(limits: &Limits) -> Delivery {
        Delivery {
            sessions: Vec::new(),
            store: BlockStore::default(),
            members: Vec::new(),
            rooms: Vec::new(),
            spoken: Vec::new(),
            answers: None,
            answered_bytes: 0,
            queues: Queues {
                dirty: Vec::new(),
                waiting_since: None,
                is_pressed: false,
                overflowed: Vec::new(),
                lagging: Vec::new(),
                outbox_bytes_max: limits.outbox_bytes_max,
            },
            block_bytes_max: limits.block_bytes_max,
            turn_bytes_max: limits.turn_bytes_max,
            lines_per_turn_max: limits.lines_per_turn_max as u64,
            lines_in_max: 0,
            now: Time::START,
            statistics: Statistics::default(),
        }
    }

    /// What was said after the turn before was written out (who was lost then has left) is said in
    /// this one: nobody could have taken it earlier, so nobody is behind because of it.
    pub(super) fn start_turn(&mut self, now: Time) {
        self.now = now;
        self.lines_in_max = self.statistics.lines_in + self.lines_per_turn_max;
        let spoken = self.spoken.iter();
        let open = spoken.flat_map(|room| self.rooms[room.slot()].open);
        for block in open.chain([self.answers]).flatten() {
            self.store.carry_over(block, now);
        }
    }

    pub(super) fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(id.slot())?.as_ref()
    }

    pub(super) fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(id.slot())?.as_mut()
    }

    /// From now on this session is told what concerns this member.
    pub(super) fn bind(&mut self, member: MemberId, id: SessionId) {
        if self.members.len() <= member.slot() {
            self.members.resize(member.slot() + 1, None);
        }
        self.members[member.slot()] = Some(id);
    }

    /// Nobody is told any more what concerns this member.
    pub(super) fn unbind(&mut self, member: MemberId) {
        self.members[member.slot()] = None;
    }

    /// The session that is told what concerns a member.
    pub(super) fn session_of(&self, member: MemberId) -> Option<SessionId> {
        self.members.get(member.slot()).copied().flatten()
    }

    /// Whether what the room says is laid for this session.
    pub(super) fn is_heard_by(&self, room: RoomId, id: SessionId) -> bool {
        let encoding = self.session(id).map(Session::encoding);
        encoding.is_some_and(|encoding| {
            let sessions = &self.rooms[room.slot()].sessions[encoding.index()];
            sessions.binary_search(&id).is_ok()
        })
    }

    /// Tells one session something, behind everything its rooms have said before.
    pub(super) fn reply(&mut self, id: SessionId, reply: &Reply<'_>, reference: Option<&str>) {
        if let Reply::Refused(refusal) | Reply::Ended(refusal) = reply {
            self.statistics.count_refusal(refusal);
        }
        let encoding = self.session(id).map(Session::encoding);
        if let Some(encoding) = encoding.filter(|&encoding| encoding.has_words_for(reply)) {
            self.tell_one(id, |out| {
                dialect::encode_reply(encoding, reply, reference, out)
            });
        }
    }

    /// Tells one session something that `encode` appends as whole lines and counts.
    pub(super) fn tell_one(&mut self, id: SessionId, encode: impl FnOnce(&mut Vec<u8>) -> u32) {
        let slice = self.write_answer(encode);
        self.answered_bytes += slice.bytes() as u64;
        self.catch_up(id);
        self.lay(id, slice);
    }

    /// Tells many sessions the same, each in its own language.
    pub(super) fn tell_each(
        &mut self,
        ids: &[SessionId],
        encode: impl Fn(Encoding, &mut Vec<u8>) -> u32,
    ) {
        let mut slices = [None; Encoding::ALL.len()];
        for &id in ids {
            self.catch_up(id);
            if let Some(encoding) = self.session(id).map(Session::encoding) {
                let slice = *slices[encoding.index()]
                    .get_or_insert_with(|| self.write_answer(|out| encode(encoding, out)));
                self.lay(id, slice);
            }
        }
    }

    /// Whether so much was said in this turn, in a room of this session or in all, that more is to
    /// wait for the next: a burst must not overflow healthy outboxes, nor take all memory, in one go.
    pub(super) fn has_said_enough(&self, session: &Session) -> bool {
        let is_full = |hearing: &Hearing| self.is_room_full(hearing.room);
        self.has_turn_said_enough() || session.rooms.iter().any(is_full)
    }

    /// The same for this room alone.
    pub(super) fn has_room_said_enough(&self, room: RoomId) -> bool {
        self.has_turn_said_enough() || self.is_room_full(room)
    }

    fn has_turn_said_enough(&self) -> bool {
        self.queues.is_pressed
            || self.store.written_bytes() >= self.turn_bytes_max
            || self.statistics.lines_in >= self.lines_in_max
    }

    /// What it said in turns before counts as long as not everybody was written to since.
    fn is_room_full(&self, room: RoomId) -> bool {
        let Some(audience) = self.rooms.get(room.slot()) else {
            return false;
        };
        let open = audience.open.iter().flatten();
        let said = open.map(|&block| self.store.end(block).bytes as usize);
        let before = audience.said.unwritten_bytes(self.queues.waiting_since);
        before + said.max().unwrap_or(0) >= self.block_bytes_max
    }

    /// A session hears nothing any more; what its rooms have said so far it is still owed.
    pub(super) fn leave_rooms(&mut self, id: SessionId) {
        while let Some(hearing) = self.session(id).and_then(|session| session.rooms.first()) {
            let room = hearing.room;
            self.part(id, room);
        }
    }

    /// Seals what every room has said in this turn and lays one slice of it into each outbox. This
    /// is the whole cost of a turn for a session, however many lines it holds.
    pub(super) fn seal_rooms(&mut self) {
        let mut spoken = std::mem::take(&mut self.spoken);
        for room in spoken.drain(..) {
            let sealed = Encoding::ALL.map(|encoding| self.seal_room(room, encoding));
            let bytes = sealed.into_iter().max().unwrap_or(0);
            let said = &mut self.rooms[room.slot()].said;
            said.add(self.now, bytes, self.queues.waiting_since);
        }
        self.spoken = spoken;
    }

    /// How many bytes that were.
    fn seal_room(&mut self, room: RoomId, encoding: Encoding) -> usize {
        let audience = &mut self.rooms[room.slot()];
        let Some(block) = audience.open[encoding.index()].take() else {
            return 0;
        };
        let sessions = std::mem::take(&mut audience.sessions[encoding.index()]);
        let end = self.store.end(block);
        for &id in &sessions {
            self.serve(
                id,
                room,
                BlockStore::slice(block, Mark::default(), end),
                Mark::default(),
            );
        }
        self.rooms[room.slot()].sessions[encoding.index()] = sessions;
        self.store.seal(block);
        end.bytes as usize
    }

    /// Seals what was said to single sessions in this turn.
    pub(super) fn seal_answers(&mut self) {
        self.start_new_answers();
    }

    /// What is said to single sessions from now on does not lie in one block with what was said
    /// before, unless that is little.
    pub(super) fn start_new_answers(&mut self) {
        if let Some(block) = self.answers.take() {
            self.store.seal(block);
        }
    }

    /// Whether something was said or is to be written that no turn has taken care of yet.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.spoken.is_empty() || !self.queues.dirty.is_empty() || self.answers.is_some()
    }

    /// The turn is to look at this session even if it is owed nothing.
    pub(super) fn mark_dirty(&mut self, id: SessionId) {
        if let Some(session) = self.sessions[id.slot()].as_mut() {
            self.queues.mark_dirty(session, id);
        }
    }

    /// Serves a session what its rooms have said so far in this turn.
    pub(super) fn catch_up(&mut self, id: SessionId) {
        let count = self.session(id).map_or(0, |session| session.rooms.len());
        for index in 0..count {
            if let Some(room) = self.session(id).map(|session| session.rooms[index].room) {
                self.catch_up_in(id, room);
            }
        }
    }

    fn catch_up_in(&mut self, id: SessionId, room: RoomId) {
        let Some((block, end)) = self.end_of(id, room) else {
            return;
        };
        let all = BlockStore::slice(block, Mark::default(), end);
        self.serve(id, room, all, end);
    }

    /// The room's open block in the session's encoding, and how much is in it.
    pub(super) fn end_of(&self, id: SessionId, room: RoomId) -> Option<(BlockId, Mark)> {
        let encoding = self.session(id)?.encoding();
        let block = self.rooms.get(room.slot())?.open[encoding.index()]?;
        Some((block, self.store.end(block)))
    }

    /// Lays what a session has not been served of `all` that the room has said in this turn, and
    /// sets its mark to `mark`.
    fn serve(&mut self, id: SessionId, room: RoomId, all: Slice, mark: Mark) {
        let Some(session) = self.sessions[id.slot()].as_mut() else {
            return;
        };
        let Some(served) = session.served_mut(room) else {
            return;
        };
        let rest = all.behind(std::mem::replace(served, mark));
        if rest.bytes() > 0 {
            self.statistics.deliveries_out += u64::from(rest.lines);
            self.queues.lay(session, id, &mut self.store, rest);
        }
    }

    fn served_mut(&mut self, id: SessionId, room: RoomId) -> Option<&mut Mark> {
        self.sessions[id.slot()].as_mut()?.served_mut(room)
    }

    fn lay(&mut self, id: SessionId, slice: Slice) {
        if let Some(session) = self.sessions[id.slot()].as_mut() {
            self.queues.lay(session, id, &mut self.store, slice);
        }
    }

    /// Encodes a fact once for each encoding that is present in the room, behind what the room said
    /// before; those who are not to hear it are taken past it.
    fn tell_room(&mut self, room: RoomId, but: &[MemberId], fact: &Fact<'_>) {
        for &member in but {
            if let Some(id) = self.session_of(member) {
                self.catch_up_in(id, room);
            }
        }
        self.grow_to(room);
        for encoding in Encoding::ALL {
            if !self.rooms[room.slot()].sessions[encoding.index()].is_empty() {
                let block = self.open_block(room, encoding);
                self.store
                    .write(block, |out| dialect::encode(encoding, fact, out));
            }
        }
        for &member in but {
            if let Some(id) = self.session_of(member)
                && let Some((_, end)) = self.end_of(id, room)
                && let Some(served) = self.served_mut(id, room)
            {
                *served = end;
            }
        }
    }

    fn write_answer(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> u32) -> Slice {
        let block = self.answers_block();
        let from = self.store.end(block);
        self.store.write(block, encode);
        BlockStore::slice(block, from, self.store.end(block))
    }

    /// The block for single sessions. Each of them holds the whole block as long as it holds a line
    /// of it, so it stays small.
    fn answers_block(&mut self) -> BlockId {
        if let Some(block) = self.answers
            && self.store.end(block).bytes as usize >= ANSWERS_BYTES_MAX
        {
            self.start_new_answers();
        }
        let Delivery {
            answers,
            store,
            now,
            ..
        } = self;
        *answers.get_or_insert_with(|| store.open_small(*now))
    }
}

impl Listen for Delivery {
    fn hear(&mut self, to: To<'_>, fact: &Fact<'_>) {
        match (to, &fact.what) {
            (To::Room(room), What::Closed) => self.close_room(room),
            (To::Room(room), _) => self.tell_room(room, &[], fact),
            (To::RoomBut(room, members), _) => self.tell_room(room, members, fact),
            (To::Everybody, _) => {
                let ids: Vec<SessionId> = self.members.iter().copied().flatten().collect();
                self.tell_each(&ids, |encoding, out| dialect::encode(encoding, fact, out));
            }
            (To::Member(member), what) => {
                let Some(id) = self.session_of(member) else {
                    return;
                };
                match (what, fact.room) {
                    (What::Entered { .. }, Some(room)) => self.enter(id, room.id),
                    (What::Parted, Some(room)) => self.part(id, room.id),
                    _ => {}
                }
                if let Some(encoding) = self.session(id).map(Session::encoding) {
                    self.tell_one(id, |out| dialect::encode(encoding, fact, out));
                }
            }
        }
    }
}
