//! `Delivery`: from a fact and its audience to slices in outboxes. It knows how far into the open
//! block of each room every session has been served, so that each connection sees everything in the
//! order in which it happened. Not the rules of chat, and not when a session ends: an outbox that
//! passed its bound comes into a queue. A listener, among the others.

use smallvec::SmallVec;

use crate::chat::{Fact, Listen, MemberId, RoomId, To, What};
use crate::config::Limits;
use crate::dialect::{self, Encoding, Reply};
use crate::fanout::block::{BlockStore, Mark, Slice};
use crate::session::{Hearing, Session, SessionId};
use crate::time::Time;

use super::audience::Audiences;
use super::measure::{Measure, SaidInTurn};
use super::replies::Replies;
use super::sessions::Sessions;
use super::speakers::Speakers;
use super::statistics::Statistics;

/// Who is told what, and what is open in this turn.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) sessions: Sessions,
    pub(super) speakers: Speakers,
    pub(super) audiences: Audiences,
    pub(super) replies: Replies,
    pub(super) statistics: Statistics,
    pub(super) measure: Measure,
    block_bytes_max: usize,
}

impl Delivery {
    pub(super) fn new(limits: &Limits) -> Delivery {
        Delivery {
            sessions: Sessions::new(limits.outbox_bytes_max),
            speakers: Speakers::default(),
            audiences: Audiences::default(),
            replies: Replies::default(),
            statistics: Statistics::default(),
            measure: Measure::new(limits),
            block_bytes_max: limits.block_bytes_max,
        }
    }

    /// What was said after the turn before was written out (who was lost then has left) is said in
    /// this one: nobody could have taken it earlier, so nobody is behind because of it.
    pub(super) fn start_turn(&mut self, now: Time) {
        self.sessions.now = now;
        self.measure.start_turn(self.statistics.lines_in);
        self.audiences.start_turn();
        let open = self.audiences.open_blocks();
        for block in open.chain(self.replies.block()) {
            self.sessions.store.carry_over(block, now);
        }
    }

    /// Whether something was said or is to be written that no turn has taken care of yet.
    pub(super) fn is_unfinished(&self) -> bool {
        self.audiences.is_unfinished()
            || self.replies.block().is_some()
            || !self.sessions.queues.dirty.is_empty()
    }

    /// Tells one session something, behind everything its rooms have said before.
    pub(super) fn reply(&mut self, id: SessionId, reply: &Reply<'_>, reference: Option<&str>) {
        if let Reply::Refused(refusal) | Reply::Ended(refusal) = reply {
            self.statistics.count_refusal(refusal);
        }
        let encoding = self.sessions.get(id).map(Session::encoding);
        if let Some(encoding) = encoding.filter(|&encoding| encoding.has_words_for(reply)) {
            self.tell_one(id, |out| {
                dialect::encode_reply(encoding, reply, reference, out)
            });
        }
    }

    /// Tells one session something that `encode` appends as whole lines and counts.
    pub(super) fn tell_one(&mut self, id: SessionId, encode: impl FnOnce(&mut Vec<u8>) -> u32) {
        let Sessions { store, now, .. } = &mut self.sessions;
        let slice = self.replies.write(store, *now, encode);
        self.replies.told_bytes += slice.bytes() as u64;
        self.catch_up(id);
        self.sessions.lay(id, slice);
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
            if let Some(encoding) = self.sessions.get(id).map(Session::encoding) {
                let Sessions { store, now, .. } = &mut self.sessions;
                let slice = *slices[encoding.index()].get_or_insert_with(|| {
                    self.replies.write(store, *now, |out| encode(encoding, out))
                });
                self.sessions.lay(id, slice);
            }
        }
    }

    /// What is said to single sessions from now on begins a slice of its own, and does not hold what
    /// was said before.
    pub(super) fn start_new_replies(&mut self) {
        self.replies.start_anew(&mut self.sessions.store);
    }

    /// Whether so much was said in this turn, in a room of this session or in all, that more is to
    /// wait for the next: a burst must not overflow healthy outboxes, nor take all memory, in one go.
    pub(super) fn has_said_enough(&self, session: &Session) -> bool {
        let mut rooms = session.rooms.iter();
        self.has_turn_said_enough() || rooms.any(|hearing| self.has_room_said_enough(hearing.room))
    }

    /// The same for this room alone.
    pub(super) fn has_room_said_enough(&self, room: RoomId) -> bool {
        let Sessions { store, queues, .. } = &self.sessions;
        let said_bytes = || self.audiences.said_bytes(room, store, queues.waiting_since);
        self.has_turn_said_enough() || said_bytes() >= self.block_bytes_max
    }

    fn has_turn_said_enough(&self) -> bool {
        self.measure.is_full(SaidInTurn {
            bytes: self.sessions.store.written_bytes(),
            lines_in: self.statistics.lines_in,
            hearers: self.audiences.hearers(),
        })
    }

    /// A session hears nothing any more; what its rooms have said so far it is still owed.
    pub(super) fn leave_rooms(&mut self, id: SessionId) {
        while let Some(hearing) = self
            .sessions
            .get(id)
            .and_then(|session| session.rooms.first())
        {
            let room = hearing.room;
            self.part(id, room);
        }
    }

    /// There are no rooms and no members any more. Everybody is served what was said until now: all at
    /// once, since to leave one room after another would take thousands in many rooms too long.
    pub(super) fn forget_rooms(&mut self) {
        self.seal_rooms();
        for session in self.sessions.slots.iter_mut().flatten() {
            session.rooms = SmallVec::new();
        }
        self.speakers.clear();
        self.audiences.clear(&mut self.sessions.store);
    }

    /// Seals what every room has said in this turn and lays one slice of it into each outbox. This
    /// is the whole cost of a turn for a session, however many lines it holds.
    pub(super) fn seal_rooms(&mut self) {
        let spoken = self.audiences.take_spoken();
        let Sessions {
            store, queues, now, ..
        } = &self.sessions;
        for &room in &spoken {
            let bytes = self.audiences.said_bytes(room, store, None);
            let said = &mut self.audiences.get_mut(room).said;
            said.add(*now, bytes, queues.waiting_since);
        }
        let blocks = spoken
            .iter()
            .flat_map(|&room| Encoding::ALL.map(|encoding| (room, encoding)));
        for (room, encoding) in blocks {
            let audience = self.audiences.get_mut(room);
            let Some(block) = audience.open[encoding.index()].take() else {
                continue;
            };
            let end = self.sessions.store.end(block);
            let all = BlockStore::slice(block, Mark::default(), end);
            let sessions = std::mem::take(&mut audience.sessions[encoding.index()]);
            for &id in &sessions {
                self.serve(id, room, all, Mark::default());
            }
            self.audiences.get_mut(room).sessions[encoding.index()] = sessions;
            self.sessions.store.seal(block);
        }
        self.audiences.reuse_list(spoken);
    }

    /// Serves a session what its rooms have said so far in this turn.
    fn catch_up(&mut self, id: SessionId) {
        let session = self.sessions.get(id);
        let count = session.map_or(0, |session| session.rooms.len());
        for index in 0..count {
            if let Some(session) = self.sessions.get(id) {
                let room = session.rooms[index].room;
                self.catch_up_in(id, room);
            }
        }
    }

    fn catch_up_in(&mut self, id: SessionId, room: RoomId) {
        if let Some((all, end)) = self.said_to(id, room) {
            self.serve(id, room, all, end);
        }
    }

    /// What the room has said so far in this turn, in the session's encoding, and where that ends.
    fn said_to(&self, id: SessionId, room: RoomId) -> Option<(Slice, Mark)> {
        let encoding = self.sessions.get(id)?.encoding();
        let block = self.audiences.get(room)?.open[encoding.index()]?;
        let end = self.sessions.store.end(block);
        Some((BlockStore::slice(block, Mark::default(), end), end))
    }

    /// Lays what a session has not been served of `all` that the room has said in this turn, and
    /// sets its mark to `mark`.
    fn serve(&mut self, id: SessionId, room: RoomId, all: Slice, mark: Mark) {
        let Sessions {
            slots,
            store,
            queues,
            ..
        } = &mut self.sessions;
        let Some(session) = slots[id.slot()].as_mut() else {
            return;
        };
        let Some(served) = session.served_mut(room) else {
            return;
        };
        let rest = all.behind(std::mem::replace(served, mark));
        if rest.bytes() > 0 {
            self.statistics.deliveries_out += u64::from(rest.lines);
            queues.lay(session, id, store, rest);
        }
    }

    /// Encodes a fact once for each encoding that is present in the room, behind what the room said
    /// before; those who are not to hear it are taken past it.
    fn tell_room(&mut self, room: RoomId, but: &[MemberId], fact: &Fact<'_>) {
        for &member in but {
            if let Some(id) = self.speakers.of(member) {
                self.catch_up_in(id, room);
            }
        }
        let Sessions { store, now, .. } = &mut self.sessions;
        for encoding in Encoding::ALL {
            if !self.audiences.get_mut(room).sessions[encoding.index()].is_empty() {
                let block = self.audiences.open_block(room, encoding, store, *now);
                store.write(block, |out| dialect::encode(encoding, fact, out));
            }
        }
        for &member in but {
            if let Some(id) = self.speakers.of(member)
                && let Some((_, end)) = self.said_to(id, room)
                && let Some(session) = self.sessions.get_mut(id)
                && let Some(served) = session.served_mut(room)
            {
                *served = end;
            }
        }
    }

    /// A session hears a room from here on: nothing of what was said in it before.
    fn enter(&mut self, id: SessionId, room: RoomId) {
        self.catch_up(id);
        let served = self.said_to(id, room).map(|(_, end)| end);
        let served = served.unwrap_or_default();
        if let Some(session) = self.sessions.get_mut(id)
            && self.audiences.get_mut(room).insert(id, session.encoding())
        {
            session.rooms.push(Hearing { room, served });
        }
    }

    /// A session has heard all that this room said, and hears no more of it.
    fn part(&mut self, id: SessionId, room: RoomId) {
        self.catch_up(id);
        if let Some(session) = self.sessions.get_mut(id) {
            session.rooms.retain(|hearing| hearing.room != room);
            let encoding = session.encoding();
            self.audiences.get_mut(room).remove(id, encoding);
        }
    }
}

impl Listen for Delivery {
    fn hear(&mut self, to: To<'_>, fact: &Fact<'_>) {
        match (to, &fact.what) {
            (To::Room(room), What::Closed) => {
                self.audiences.close(room, &mut self.sessions.store);
            }
            (To::Room(room), _) => self.tell_room(room, &[], fact),
            (To::RoomBut(room, members), _) => self.tell_room(room, members, fact),
            (To::Everybody, _) => {
                let ids: Vec<SessionId> = self.speakers.all().collect();
                self.tell_each(&ids, |encoding, out| dialect::encode(encoding, fact, out));
            }
            (To::Member(member), what) => {
                let Some(id) = self.speakers.of(member) else {
                    return;
                };
                match (what, fact.room) {
                    (What::Entered { .. }, Some(room)) => self.enter(id, room.id),
                    (What::Parted { .. }, Some(room)) => self.part(id, room.id),
                    _ => {}
                }
                if let Some(encoding) = self.sessions.get(id).map(Session::encoding) {
                    self.tell_one(id, |out| dialect::encode(encoding, fact, out));
                }
            }
        }
    }
}
