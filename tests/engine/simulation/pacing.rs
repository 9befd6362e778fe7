//! The pacing rule: while a reader of a room that makes progress has more than half its outbox queued,
//! those who have said much lately are not heard there; so nobody who reads is cut for what others say.
//! Seen from outside, and only where there is no doubt: of readers that are behind for long enough that
//! somebody has looked, and either not for so long that it must be known how they get on, or getting on
//! well enough whenever one may have begun to count. Part of the world.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use chatd::config::Limits;
use chatd::time::Time;

use super::asked::Asked;
use super::peer::Peer;
use super::world::{Outcome, World};

/// Within this the engine looks at those who are behind.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// So long somebody who has fallen behind is taken to make progress.
const GRACE: Duration = Duration::from_millis(300);
/// What takes longer to be forgotten was too much, whoever is behind.
const DEBT_MAX: Duration = Duration::from_millis(500);
/// The pace is that of the last second, or a little more.
const PACE_SPAN_MAX: Duration = Duration::from_millis(1300);
/// As many looks at a reader as count.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(5);
/// What stands around a text.
const AROUND_TEXT_BYTES: usize = 400;

/// How far a reader is behind.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    /// Since when more than half its outbox is queued, or was with short pauses.
    half_since: Option<Time>,
    /// Since when it is not, if that is the pause.
    pause_since: Option<Time>,
    /// Since when it is without a pause, in these rooms.
    steadily_since: Option<Time>,
    rooms: Vec<Rc<str>>,
    /// How much it had taken in all when, the newest last.
    taken: VecDeque<(Time, u64)>,
    /// Since when it makes progress, beyond doubt.
    progress_since: Option<Time>,
    /// What it was told since no more than half its outbox was queued, besides what was said in its
    /// rooms at their pace: at most so much.
    told_besides: usize,
}

/// What a turn has done to a reader.
pub(crate) struct Took<'a> {
    pub(crate) queued: usize,
    /// In all.
    pub(crate) taken: u64,
    pub(crate) told_besides: usize,
    pub(crate) rooms: &'a [Rc<str>],
}

impl Lag {
    /// A turn is over.
    pub(crate) fn note(&mut self, now: Time, took: &Took<'_>, limits: &Limits) {
        self.note_progress(now, took.taken, limits);
        self.told_besides += took.told_besides;
        if took.queued > limits.outbox_bytes_max / 2 {
            let pause = self.pause_since.take();
            if pause.is_some_and(|since| since + LOOK_INTERVAL <= now) {
                self.half_since = None;
            }
            self.half_since.get_or_insert(now);
            self.steadily_since.get_or_insert(now);
        } else {
            self.pause_since.get_or_insert(now);
            self.steadily_since = None;
            self.told_besides = 0;
        }
        if self.rooms != took.rooms {
            self.steadily_since = None;
            self.rooms = took.rooms.to_vec();
        }
    }

    /// Whenever within the span one may have begun to count, what it took since would have emptied
    /// an outbox in time.
    fn note_progress(&mut self, now: Time, taken: u64, limits: &Limits) {
        while self.taken.len() > 1 && self.taken[1].0 + PACE_SPAN_MAX <= now {
            self.taken.pop_front();
        }
        let last = self.taken.back();
        if last.is_none_or(|&(at, _)| at + SAMPLE_INTERVAL <= now) {
            self.taken.push_back((now, taken));
        }
        let needed = limits.outbox_bytes_max as f64 / limits.stall_timeout.as_secs_f64();
        let is_enough = |&(since, before): &(Time, u64)| {
            let span = now.since(since).as_secs_f64() + 2.0 * LOOK_INTERVAL.as_secs_f64();
            (taken - before) as f64 >= span * needed
        };
        let is_known = |&&(since, _): &&(Time, u64)| since + GRACE / 2 <= now;
        let mut known = self.taken.iter().filter(is_known).peekable();
        if known.peek().is_some() && known.all(is_enough) {
            self.progress_since.get_or_insert(now);
        } else {
            self.progress_since = None;
        }
    }

    /// Whether it makes progress, beyond doubt.
    fn makes_progress(&self, now: Time) -> bool {
        let was_seen = |since: Time| since + LOOK_INTERVAL <= now;
        let is_in_grace = |since: Time| now < since + GRACE;
        self.half_since.is_none_or(is_in_grace) || self.progress_since.is_some_and(was_seen)
    }

    /// Whether its rooms must go slower, beyond doubt.
    pub(crate) fn slows(&self, now: Time) -> bool {
        let was_seen = |since: Time| since + LOOK_INTERVAL <= now;
        self.steadily_since.is_some_and(was_seen) && self.makes_progress(now)
    }
}

impl World {
    /// A line is handled: if it is said in a room, that must not be one that goes slower for others
    /// than who says it.
    pub(crate) fn check_pace(&mut self, slot: usize, asked: &Asked) -> Outcome {
        let now = self.now;
        let Asked::Say { room, .. } = asked else {
            return Ok(());
        };
        let debt = self.peer(slot).throttle.debt(now);
        let Ok(key) = self.room_of(slot, room.as_deref()) else {
            return Ok(());
        };
        let readers = self.rooms[&key].seats.iter().map(|seat| seat.slot);
        let mut slow = readers.filter(|&reader| self.peer_ref(reader).lag.slows(now));
        match slow.next() {
            Some(reader) if debt > DEBT_MAX => Err(format!(
                "slot {slot} is heard in {key}, though slot {reader} is behind and it has said much"
            )),
            _ => Ok(()),
        }
    }

    /// Somebody is cut as too slow, with so much told to it in this turn besides what was said in its
    /// rooms: who makes progress is not, unless it is for that.
    pub(crate) fn check_cut_of_reader(&self, peer: &Peer, told_besides: usize) -> Outcome {
        let limits = &self.limits;
        // Else one turn may say more than can be made good.
        let least = limits.outbox_bytes_max / 16;
        let is_derived = limits.block_bytes_max <= limits.outbox_bytes_max / 4
            && limits.turn_bytes_max <= limits.outbox_bytes_max * 3 / 8
            && 3 * limits.line_bytes_max + AROUND_TEXT_BYTES <= least;
        let besides = peer.lag.told_besides + told_besides;
        if is_derived && peer.lag.makes_progress(self.now) && besides < least {
            return Err(format!(
                "{:?} makes progress and was cut for what others said: {besides} bytes besides",
                peer.left_as
            ));
        }
        Ok(())
    }
}
