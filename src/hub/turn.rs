//! The second half of a turn: what was said is sealed and laid into outboxes, what was written is
//! taken out of them, whoever is too far behind is cut. Part of the hub.

use std::cmp::Reverse;

use crate::chat::CloseReason;

use super::Hub;
use super::session::{Hold, Phase};

/// What net is to do with a connection after it wrote to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterWrite {
    /// Nothing.
    KeepOpen,
    /// It has ended and could not be written all it is owed: nothing will follow that, so the
    /// kernel may take it whatever it holds already.
    MakeRoom,
    /// Everything is written, and nothing will follow: shut our side.
    Shut,
}

impl Hub {
    /// Seals what was said in this turn and lays it into the outboxes. Whoever overflows is cut,
    /// which others are told, which may make them overflow: so it goes on in rounds, each told
    /// as a whole, until nobody does.
    pub fn end_turn(&mut self) {
        self.cut_furthest_behind();
        loop {
            self.delivery.seal_rooms(&self.directory);
            if self.delivery.overflowed.is_empty() {
                break;
            }
            for slot in std::mem::take(&mut self.delivery.overflowed) {
                // The slot may have a new owner since.
                if self
                    .delivery
                    .session(slot)
                    .is_some_and(|session| session.overflowed)
                {
                    self.end(slot, CloseReason::TooSlow, None);
                }
            }
        }
        self.delivery.seal_answers();
    }

    /// Those that have something to write come into `list`, whose memory is used for the next.
    pub fn swap_dirty(&mut self, list: &mut Vec<u32>) {
        list.clear();
        std::mem::swap(&mut self.delivery.dirty, list);
        for &slot in &*list {
            if let Some(session) = self.delivery.session_mut(slot) {
                session.dirty = false;
            }
        }
    }

    /// A connection takes bytes again, or has more to write: it comes with the next
    /// [`Hub::swap_dirty`] if it is owed something.
    pub fn mark_dirty(&mut self, slot: u32) {
        if self.queued_bytes(slot) > 0 {
            self.delivery.mark_dirty(slot);
        }
    }

    /// Bytes a connection is owed.
    pub fn queued_bytes(&self, slot: u32) -> usize {
        let session = self.delivery.session(slot);
        session.map_or(0, |session| session.outbox.bytes())
    }

    /// What a connection is owed, in order, as contiguous chunks.
    pub fn chunks(&self, slot: u32) -> impl Iterator<Item = &[u8]> {
        let session = self.delivery.session(slot);
        session
            .into_iter()
            .flat_map(|session| session.outbox.chunks(&self.delivery.store))
    }

    /// The first `count` of these bytes were written.
    pub fn consume(&mut self, slot: u32, count: usize) {
        let store = &mut self.delivery.store;
        if let Some(session) = self.delivery.sessions[slot as usize].as_mut() {
            session.outbox.consume(store, count);
        }
    }

    /// Net has written what the socket takes for now.
    pub fn after_write(&mut self, slot: u32) -> AfterWrite {
        let Some(session) = self.delivery.session_mut(slot) else {
            return AfterWrite::KeepOpen;
        };
        let owed = session.outbox.bytes();
        if session.hold == Hold::Outbox && owed <= self.limits.outbox_bytes_max / 4 {
            self.held.push(slot);
        }
        let ended = !session.is_live();
        if owed > 0 {
            self.arm(slot);
            return match ended {
                true => AfterWrite::MakeRoom,
                false => AfterWrite::KeepOpen,
            };
        }
        match self.start_lingering(slot) {
            true => AfterWrite::Shut,
            false => AfterWrite::KeepOpen,
        }
    }

    /// The end of the turn, after everything was written: memory is settled, and in debug builds
    /// what must always be true is checked.
    pub fn finish_turn(&mut self) {
        self.delivery.store.settle();
        debug_assert_eq!(self.unsound(), None);
    }

    /// While all outboxes together hold too much memory, whoever is furthest behind goes: it is
    /// the oldest blocks that are to become free, and one that only drains must not keep them. What
    /// was laid in this turn does not count yet, since most of it will be taken at once.
    fn cut_furthest_behind(&mut self) {
        let bound = self.limits.outbox_total_bytes_max;
        if self.delivery.store.memory_bytes() <= bound {
            return;
        }
        for slot in self.those_behind() {
            if self.delivery.store.memory_bytes() <= bound {
                break;
            }
            match self
                .delivery
                .session(slot)
                .is_some_and(|session| session.is_live())
            {
                true => self.end(slot, CloseReason::TooSlow, None),
                false => self.doom(slot),
            }
        }
    }

    /// Who has not taken what was said before this turn, the furthest behind first. Who ended in
    /// this turn is not among them: a flush must have had the chance to write its last line.
    fn those_behind(&self) -> Vec<u32> {
        let (store, now) = (&self.delivery.store, self.delivery.now);
        let mut just_ended = self.ended.clone();
        just_ended.sort_unstable();
        let sessions = (0u32..).zip(&self.delivery.sessions);
        let mut behind: Vec<_> = sessions
            .filter_map(|(slot, session)| {
                let outbox = &session.as_ref()?.outbox;
                let oldest = outbox.oldest(store).filter(|&oldest| oldest < now)?;
                let had_a_flush = just_ended.binary_search(&slot).is_err();
                had_a_flush.then_some((oldest, Reverse(outbox.bytes()), slot))
            })
            .collect();
        behind.sort_unstable();
        behind.into_iter().map(|(_, _, slot)| slot).collect()
    }

    /// The first thing found that must not be.
    fn unsound(&self) -> Option<String> {
        let (mut references, mut live) = (0, 0);
        for (slot, session) in self.delivery.sessions.iter().enumerate() {
            let Some(session) = session else { continue };
            references += session.outbox.references();
            live += usize::from(session.is_live());
            let named = self
                .directory
                .name_of(super::member(u32::try_from(slot).ok()?))
                .is_some();
            if !session.outbox.is_sound() {
                return Some(format!(
                    "slot {slot}: the byte count of its outbox is wrong"
                ));
            }
            if named != (session.phase == Phase::Chatting) {
                return Some(format!(
                    "slot {slot}: it is {:?}, named is {named}",
                    session.phase
                ));
            }
            if session.is_live()
                && session.hold == Hold::No
                && session.lines.has_line(&[], usize::MAX)
            {
                return Some(format!("slot {slot}: it has lines and is not held back"));
            }
        }
        let counted = self.delivery.store.references();
        if references != counted {
            return Some(format!(
                "outboxes hold {references} slices, blocks count {counted}"
            ));
        }
        (live != self.live).then(|| format!("{live} sessions are live, {} are counted", self.live))
    }
}
