//! `Delivery`: from an event and its audience to slices in outboxes. It knows each room's open
//! block and how far into it every member has been served, so that each connection sees
//! everything in the order in which it was handled. Not the rules of chat, and not when a session
//! ends: it only reports whose outbox passed its bound. Owned by the hub.

use crate::chat::{Audience, Directory, Event, MemberId, Refusal, RoomId};
use crate::config::Limits;
use crate::dialect::text;
use crate::fanout::block::{BlockId, BlockStore, Mark, Slice};
use crate::time::Time;

use super::session::Session;
use super::statistics::Statistics;

/// After so much, what is said to single sessions goes into another block.
const ANSWERS_BYTES_MAX: usize = 16 << 10;

/// The sessions, the blocks, and what is open in this turn.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) sessions: Vec<Option<Session>>,
    pub(super) store: BlockStore,
    /// What each room has said in this turn, by room.
    open: Vec<Option<BlockId>>,
    /// Rooms that have said something in this turn.
    spoken: Vec<RoomId>,
    /// What was said to single sessions in this turn.
    answers: Option<BlockId>,
    /// Bytes of that, in this and in blocks sealed before it in the same turn.
    answered_bytes: usize,
    /// Sessions that have something to write and were not yet handed to net.
    pub(super) dirty: Vec<u32>,
    /// Sessions whose outbox passed its bound.
    pub(super) overflowed: Vec<u32>,
    outbox_bytes_max: usize,
    block_bytes_max: usize,
    pub(super) now: Time,
    pub(super) statistics: Statistics,
}

impl Delivery {
    pub(super) fn new(limits: &Limits) -> Delivery {
        Delivery {
            sessions: Vec::new(),
            store: BlockStore::default(),
            open: Vec::new(),
            spoken: Vec::new(),
            answers: None,
            answered_bytes: 0,
            dirty: Vec::new(),
            overflowed: Vec::new(),
            outbox_bytes_max: limits.outbox_bytes_max,
            block_bytes_max: limits.block_bytes_max,
            now: Time::START,
            statistics: Statistics::default(),
        }
    }

    /// What was said after the turn before was written out (who was lost then has left) is said in
    /// this one: nobody could have taken it earlier, so nobody is behind because of it.
    pub(super) fn start_turn(&mut self, now: Time) {
        self.now = now;
        let spoken = self.spoken.iter();
        let open = spoken.filter_map(|room| self.open.get(room.slot()).copied().flatten());
        for block in open.chain(self.answers) {
            self.store.carry_over(block, now);
        }
    }

    pub(super) fn session(&self, slot: u32) -> Option<&Session> {
        self.sessions.get(slot as usize)?.as_ref()
    }

    pub(super) fn session_mut(&mut self, slot: u32) -> Option<&mut Session> {
        self.sessions.get_mut(slot as usize)?.as_mut()
    }

    /// Encodes an event for its audience, behind everything each of them was told before.
    pub(super) fn tell(&mut self, audience: Audience<'_>, event: &Event<'_>) {
        if let Event::Refused(refusal) = event {
            self.statistics.count_refusal(refusal);
        }
        match audience {
            Audience::One(member) => self.tell_one(member.0, |out| text::encode(event, out)),
            Audience::Room(room) => {
                let block = self.open_block(room);
                self.store.write(block, |out| text::encode(event, out));
            }
            Audience::Others(room, members) => {
                let block = self.open_block(room);
                members.iter().for_each(|member| self.catch_up(member.0));
                self.store.write(block, |out| text::encode(event, out));
                let end = self.store.end(block);
                for member in members {
                    if let Some(session) = self.session_mut(member.0)
                        && session.room == Some(room)
                    {
                        session.served = end;
                    }
                }
            }
        }
    }

    /// Tells one session something that `encode` appends as whole lines and counts.
    pub(super) fn tell_one(&mut self, slot: u32, encode: impl FnOnce(&mut Vec<u8>) -> u32) {
        self.catch_up(slot);
        let block = self.answers_block();
        let from = self.store.end(block);
        self.store.write(block, encode);
        let slice = BlockStore::slice(block, from, self.store.end(block));
        self.answered_bytes += slice.bytes();
        let added = self.lay(slot, slice);
        self.store.retain(block, u32::from(added));
    }

    /// Tells many sessions the same.
    pub(super) fn tell_each(&mut self, slots: &[u32], refusal: Refusal<'_>) {
        let block = self.answers_block();
        let from = self.store.end(block);
        self.store
            .write(block, |out| text::encode(&Event::Refused(refusal), out));
        let slice = BlockStore::slice(block, from, self.store.end(block));
        for &slot in slots {
            self.catch_up(slot);
            let added = self.lay(slot, slice);
            self.store.retain(block, u32::from(added));
        }
    }

    /// Whether so much was said in this turn, in this room or to single sessions, that more is to
    /// wait for the next: a burst must not overflow healthy outboxes, nor take all memory, in one go.
    pub(super) fn has_said_enough(&self, room: Option<RoomId>) -> bool {
        let block = room.and_then(|room| self.open_of(room));
        let said = block.map_or(0, |block| self.store.end(block).bytes as usize);
        said >= self.block_bytes_max || self.answered_bytes >= self.block_bytes_max
    }

    /// Puts a session into a room, or into none: it has heard all that was said before where it
    /// was, and hears what is said from now on where it is.
    pub(super) fn enter_room(&mut self, slot: u32, room: Option<RoomId>) {
        self.catch_up(slot);
        let end = room
            .and_then(|room| self.open_of(room))
            .map_or(Mark::default(), |block| self.store.end(block));
        if let Some(session) = self.session_mut(slot) {
            session.room = room;
            session.served = end;
        }
    }

    /// A room that is gone says nothing any more; who was in it has been served.
    pub(super) fn close_room(&mut self, room: RoomId) {
        if let Some(block) = self.open.get_mut(room.slot()).and_then(Option::take) {
            self.store.seal(block);
        }
    }

    /// No room says anything any more; everybody has been served.
    pub(super) fn close_rooms(&mut self) {
        while let Some(room) = self.spoken.pop() {
            self.close_room(room);
        }
    }

    /// Seals what every room has said in this turn and lays one slice of it into each member's
    /// outbox. This is the whole cost of a turn for a member, however many lines it holds.
    pub(super) fn seal_rooms(&mut self, directory: &Directory) {
        while let Some(room) = self.spoken.pop() {
            let Some(block) = self.open.get_mut(room.slot()).and_then(Option::take) else {
                continue;
            };
            let end = self.store.end(block);
            let mut references = 0;
            for member in directory.roster(room) {
                references += u32::from(self.serve(member.0, block, end));
            }
            self.store.retain(block, references);
            self.store.seal(block);
        }
    }

    /// Seals what was said to single sessions in this turn.
    pub(super) fn seal_answers(&mut self) {
        self.start_new_answers();
        self.answered_bytes = 0;
    }

    /// What is said to single sessions from now on does not lie in one block with what was said
    /// before, unless that is little.
    pub(super) fn start_new_answers(&mut self) {
        if let Some(block) = self.answers.take() {
            self.store.seal(block);
        }
    }

    /// Lays what one member has not been served of an open block, up to `end`. Whether that made one
    /// more reference. Its mark is reset, as for a block that is sealed now.
    fn serve(&mut self, slot: u32, block: BlockId, end: Mark) -> bool {
        let Some(session) = self.sessions[slot as usize].as_mut() else {
            return false;
        };
        let from = std::mem::take(&mut session.served);
        if from == end {
            return false;
        }
        self.statistics.deliveries_out += u64::from(end.lines - from.lines);
        self.lay(slot, BlockStore::slice(block, from, end))
    }

    /// Whether something was said or is to be written that no turn has taken care of yet.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.spoken.is_empty() || !self.dirty.is_empty() || self.answers.is_some()
    }

    /// Net is to look at this session even if it is owed nothing.
    pub(super) fn mark_dirty(&mut self, slot: u32) {
        if let Some(session) = self.sessions[slot as usize].as_mut() {
            mark_dirty(session, slot, &mut self.dirty);
        }
    }

    /// Serves a session what its room has said so far in this turn.
    pub(super) fn catch_up(&mut self, slot: u32) {
        let Some(room) = self.session(slot).and_then(|session| session.room) else {
            return;
        };
        let Some(block) = self.open_of(room) else {
            return;
        };
        let end = self.store.end(block);
        let added = self.serve(slot, block, end);
        self.store.retain(block, u32::from(added));
        if let Some(session) = self.session_mut(slot) {
            session.served = end;
        }
    }

    /// A slice into an outbox. Whether that made one more reference, which the caller counts.
    fn lay(&mut self, slot: u32, slice: Slice) -> bool {
        let Some(session) = self.sessions[slot as usize].as_mut() else {
            return false;
        };
        let added = session.outbox.push(slice);
        mark_dirty(session, slot, &mut self.dirty);
        if session.outbox.bytes() > self.outbox_bytes_max && !session.overflowed {
            session.overflowed = true;
            self.overflowed.push(slot);
        }
        added
    }

    fn open_of(&self, room: RoomId) -> Option<BlockId> {
        self.open.get(room.slot()).copied().flatten()
    }

    fn open_block(&mut self, room: RoomId) -> BlockId {
        if self.open.len() <= room.slot() {
            self.open.resize(room.slot() + 1, None);
        }
        if let Some(block) = self.open[room.slot()] {
            return block;
        }
        let block = self.store.open(self.now);
        self.open[room.slot()] = Some(block);
        self.spoken.push(room);
        block
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
        *answers.get_or_insert_with(|| store.open(*now))
    }
}

fn mark_dirty(session: &mut Session, slot: u32, dirty: &mut Vec<u32>) {
    if !session.dirty {
        session.dirty = true;
        dirty.push(slot);
    }
}

/// The tell function that the rules of chat speak into.
pub(super) fn into(delivery: &mut Delivery) -> impl FnMut(Audience<'_>, Event<'_>) {
    |audience, event| delivery.tell(audience, &event)
}

/// The member that a session is.
pub(super) fn member(slot: u32) -> MemberId {
    MemberId(slot)
}
