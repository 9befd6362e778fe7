//! Coming back while the old connection is still there: what that had sent comes first, then the
//! new one has its place, and the others are told nothing. Part of the world.

use std::rc::Rc;

use chatd::hub::{Record, Recorded};
use chatd::session::CloseReason;
use chatd::turn::Fill;

use super::asked::Entry;
use super::coming::Wish;
use super::facts::Id;
use super::heard::{Event, Happened};
use super::judge::Asker;
use super::peer::{State, Warned};
use super::sniff::key;
use super::world::{Outcome, World};

/// Somebody who waits to take a connection's place.
#[derive(Debug)]
pub(crate) struct Takeover {
    pub(crate) old: usize,
    pub(crate) new: usize,
    pub(crate) entry: Entry,
    pub(crate) reference: Option<String>,
}

/// So often at most: more than the kernel keeps for a connection, but where a test reads it byte by
/// byte.
const LAST_READS_MAX: usize = 256;

/// What became of the last of those reads in which a connection is read to its end.
fn ends_read(old: usize, reads: &mut impl Iterator<Item = (usize, Fill)>) -> Option<Fill> {
    for _ in 0..LAST_READS_MAX {
        match reads.next() {
            Some((slot, Fill::Full)) if slot == old => {}
            Some((slot, fill)) if slot == old => return Some(fill),
            _ => return None,
        }
    }
    Some(Fill::Full)
}

impl World {
    /// Whether all that is still read in this turn is read for the sake of those who wait: from
    /// each old connection, in turn, until nothing is left.
    pub(crate) fn is_takeover_next(&self) -> bool {
        let reads = self.log.iter().filter_map(|event| match event {
            Event::Fill(slot, _, fill) => Some((*slot, *fill)),
            _ => None,
        });
        let mut reads = reads.peekable();
        let mut olds: Vec<usize> = self.takeovers.iter().map(|takeover| takeover.old).collect();
        let has_any = !olds.is_empty();
        while let Some(&(old, _)) = reads.peek() {
            let Some(found) = olds.iter().position(|&other| other == old) else {
                return false;
            };
            olds.remove(found);
            match ends_read(old, &mut reads) {
                Some(Fill::Lost) if ends_read(old, &mut reads).is_none() => return false,
                Some(_) => {}
                None => return false,
            }
        }
        has_any && olds.is_empty()
    }

    /// Whether somebody takes the place that it asks for in this turn, or tries to: then that is
    /// among the last that are read from.
    pub(crate) fn takes_over_now(&self, new: usize, entry: &Entry) -> bool {
        let Some(old) = self.may_take_over(entry) else {
            return false;
        };
        let is_read = |event: &Event| matches!(event, Event::Fill(slot, ..) if *slot == old);
        let mut before = self.log.iter().take_while(|event| !is_read(event));
        if self.arriving() == Some(new) && before.any(|event| matches!(event, Event::Token(_))) {
            // It comes in as anybody does, before that.
            return false;
        }
        let is_old = |slot: usize| {
            let mut takeovers = self.takeovers.iter();
            slot == old || takeovers.any(|takeover| takeover.old == slot)
        };
        let reads = self.log.iter().rev().filter_map(|event| match event {
            Event::Fill(slot, ..) => Some(*slot),
            _ => None,
        });
        let mut last = reads.take_while(|&slot| is_old(slot));
        last.any(|slot| slot == old)
    }

    /// All takeovers of this turn, each behind what its old connection had sent.
    pub(crate) fn play_takeovers(&mut self) -> Outcome {
        while let Some(takeover) = self.next_takeover() {
            let old = takeover.old;
            // It may have been held back before, and told so.
            let _ = self.warn(old);
            let last = self.read_to_end(old, World::run_last)?;
            self.finish_takeover(takeover)?;
            self.after_last_fill(old, last)?;
        }
        Ok(())
    }

    /// Who comes next. Of several who ask for one place, the first has it; which that was may be
    /// seen by what they were told alone.
    fn next_takeover(&mut self) -> Option<Takeover> {
        let read = match self.log.front() {
            Some(Event::Fill(slot, ..)) => Some(*slot),
            _ => None,
        };
        let is_meant = |takeover: &Takeover| read.is_none_or(|old| takeover.old == old);
        let is_welcome = |takeover: &Takeover| {
            let told = &self.peer_ref(takeover.new).stream.observed;
            told.iter()
                .any(|line| line.starts_with(r#"{"is":"welcome","#))
        };
        let mut takeovers = self.takeovers.iter();
        let first = takeovers
            .position(|takeover| is_meant(takeover) && is_welcome(takeover))
            .or_else(|| self.takeovers.iter().position(is_meant))
            .or((!self.takeovers.is_empty()).then_some(0));
        self.takeovers.remove(first?)
    }

    /// Everything that is read from a connection before its end, in whatever way it is handled.
    pub(crate) fn read_to_end(
        &mut self,
        slot: usize,
        handle: fn(&mut World, usize, &[u8], Fill) -> Outcome,
    ) -> Result<Fill, String> {
        for _ in 0..LAST_READS_MAX {
            match self.log.pop_front() {
                Some(Event::Fill(other, bytes, fill)) if other == slot => {
                    handle(self, slot, &bytes, fill)?;
                    if fill != Fill::Full {
                        return Ok(fill);
                    }
                }
                other if self.may_be_short => {
                    other
                        .into_iter()
                        .for_each(|event| self.log.push_front(event));
                    break;
                }
                other => return Err(format!("{other:?}, and {slot} was not read to its end")),
            }
        }
        Ok(Fill::Full)
    }

    /// The old connection may be there still, if its last lines gave it another name. If it was
    /// held back, it learns of its end when that is over.
    fn after_last_fill(&mut self, old: usize, fill: Fill) -> Outcome {
        if self.peer(old).is_live() {
            self.survivors.push(old);
            self.peer(old).survived = true;
        }
        let is_over =
            self.peer(old).input.ending().is_some() && !matches!(fill, Fill::Lost | Fill::Faulty);
        let has_ended = matches!(fill, Fill::Ended | Fill::Truncated);
        if !(is_over || has_ended) || !self.peer(old).is_live() {
            return self.after_fill(old, fill);
        }
        if fill == Fill::Truncated {
            self.peer(old).input.drop_unfinished();
        }
        if has_ended {
            self.peer(old).input.end();
        }
        if self.is_ending(old) || self.peer(old).budget > 0 {
            self.run_what_fits(old)?;
            return self.after_run(old);
        }
        Ok(())
    }

    /// What was sent before somebody came: it is handled whatever its rate, unless the outbox does
    /// not hold what comes of it.
    fn run_last(&mut self, old: usize, bytes: &[u8], fill: Fill) -> Outcome {
        let peer = self.peer(old);
        peer.bytes_in += bytes.len() as u64;
        if peer.is_live() {
            peer.input.feed(bytes);
        }
        // The first of several reads may have been its own, in which its rate held it back.
        let is_last = fill != Fill::Full;
        while self.peer(old).is_live() && self.peer(old).input.has_line() {
            let _ = self.warn(old);
            if self.peer(old).budget == 0 && self.may_be_behind(old) {
                self.peer(old).input.forget();
                break;
            }
            if !is_last && self.try_line(old, true)? {
                continue;
            }
            if !is_last && self.actor() != Some(old) && self.ended_silently() != Some(old) {
                break;
            }
            self.run_line(old, true)?;
        }
        // It may have said itself that this was its last, if nothing holds it back.
        let is_over = self.peer(old).input.ending().is_some();
        if is_over && self.is_ending(old) {
            self.after_run(old)?;
        }
        Ok(())
    }

    /// Whether what happens next is that it ends. Who comes in under its name is its successor.
    fn is_ending(&self, old: usize) -> bool {
        let comes_in = matches!(
            self.log.front(),
            Some(Event::Fact(heard))
                if matches!(heard.what, Happened::Joined { .. } | Happened::Entered { .. })
        );
        // One that is replaced is recorded as one that ends; but then nobody is recorded as new.
        let has_successor = matches!(
            self.records.get(1),
            Some(Record {
                what: Recorded::Joined(_),
                ..
            })
        );
        let ends_silently = self.ended_silently() == Some(old) && has_successor;
        self.actor() == Some(old) && !comes_in || ends_silently
    }

    /// Whether somebody may be owed more than half of what it may be.
    fn may_be_behind(&self, slot: usize) -> bool {
        let peer = self.peer_ref(slot);
        peer.owed_bytes + peer.stream.told_bytes > self.limits.outbox_bytes_max / 2
    }

    fn finish_takeover(&mut self, takeover: Takeover) -> Outcome {
        let (old, new) = (takeover.old, takeover.new);
        if !self.peer(new).is_live() {
            return Ok(());
        }
        self.peer(new).waits = false;
        self.allow_replay();
        let asker = Asker {
            slot: new,
            reference: takeover.reference.as_deref(),
        };
        let is_still_there = |name: &str| key(name) == key(&takeover.entry.name);
        let entry = Entry {
            resume: None,
            ..takeover.entry.clone()
        };
        if self
            .member(old)
            .is_some_and(|member| is_still_there(&member.name))
        {
            let token = takeover.entry.resume.as_deref();
            let before = token.map(|token| (token.into(), self.now));
            self.peer(old)
                .member_mut()
                .expect("it has a name")
                .token_before = before;
            self.take_over(asker, old, &entry)?;
        } else {
            match self.judge(asker, &super::asked::Asked::Enter(entry.clone())) {
                super::judge::Verdict::Deed => self.enter(asker, entry)?,
                super::judge::Verdict::Answer(words) => self.tell(new, &words)?,
            }
        }
        self.run_what_fits(new)?;
        self.after_run(new)
    }

    fn take_over(&mut self, asker: Asker<'_>, old: usize, entry: &Entry) -> Outcome {
        let new = asker.slot;
        let member = self.member(old).expect("it has a name").clone();
        let mut throttle = self.peer(old).throttle.clone();
        if self.peer(old).stream.blind {
            throttle.warned = Warned::Unknown;
        }
        self.peer(old).left_as = Some(Rc::clone(&member.name));
        self.peer(old).state = State::Naming { prompted: true };
        for room in self.rooms.values_mut() {
            for seat in room.seats.iter_mut().filter(|seat| seat.slot == old) {
                seat.slot = new;
            }
        }
        self.last_word(old, CloseReason::Replaced)?;
        let rooms = member.rooms.clone();
        self.peer(new).throttle = throttle;
        self.peer(new).state = State::Chatting(member);
        self.welcome(asker)?;
        for room in &rooms {
            let known = entry.known.iter().find(|(known, _)| key(known) == **room);
            let since = known.map(|&(_, since)| since);
            self.show_room(new, room, since.map_or(Wish::Nothing, Wish::Since), Id::New)?;
        }
        for (room, since) in &entry.rooms {
            self.try_join(asker, room, *since)?;
        }
        Ok(())
    }
}
