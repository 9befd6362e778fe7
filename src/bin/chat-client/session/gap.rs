//! Coming back without a gap: what a server that keeps the past on disk no longer has in memory is
//! asked for in pages, and shown where it belongs. Lines of the room that come meanwhile are kept
//! back. Ids are only ever found equal: their order is the server's.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::room::{Replay, Room, Stage};
use super::words::{left_out_words, missed_words};
use super::{Phase, Session};
use crate::lines::Kind;
use crate::wire::{Event, PastMessage};

/// The `ref` of what is asked here.
pub(super) const PAGES: &str = "pages";
/// Bytes of a page, the longest line of all.
pub(super) const PAGE_BYTES_MAX: usize = 4 << 20;
/// Messages in a page, however short they may be: a server gives no more.
const PAGE_MESSAGES_MAX: usize = 1000;
/// Bytes of a message in a page, without its text.
const PAGE_ROW_BYTES: usize = 256;
/// Messages of a gap that are shown. Nobody reads more, and a page says how to see them.
const GAP_MESSAGES_MAX: u64 = 5000;
/// Bytes of lines that are kept back.
const HELD_BYTES_MAX: usize = 8 << 20;
/// For the answer to one question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// What was said a moment ago may not be on the disk yet, and many may come back at once: so it is
/// asked again after a while, each time a longer one.
const FIRST_REST: Duration = Duration::from_millis(100);
const RESTS_MAX: u32 = 5;

/// What is missing between what we have seen and what the server has in memory.
#[derive(Debug, Clone, Copy)]
pub struct Gap {
    /// How many messages, if the server knows.
    missed: Option<u64>,
    /// How many of them have been shown.
    shown: u64,
    /// How often it has been asked in vain since the last message came.
    rests: u32,
    next: Next,
}

/// What is to happen next.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// The answer, until then.
    Answer { until: Instant },
    /// A question, then.
    Question { at: Instant },
}

impl Gap {
    fn new(missed: Option<u64>, now: Instant) -> Self {
        let next = Next::Question { at: now };
        Gap {
            missed,
            shown: 0,
            rests: 0,
            next,
        }
    }

    /// When there is something to do, if nothing comes.
    pub fn deadline(self) -> Instant {
        match self.next {
            Next::Answer { until: at } | Next::Question { at } => at,
        }
    }

    /// How many are missing still, if anybody knows.
    fn rest(&self) -> Option<u64> {
        Some(self.missed?.saturating_sub(self.shown))
    }
}

/// How many messages of a server with such texts are sure to fit into a page. JSON may double them.
pub(super) fn page_messages(text_bytes_max: usize) -> usize {
    let row_bytes = text_bytes_max
        .saturating_mul(2)
        .saturating_add(PAGE_ROW_BYTES);
    (PAGE_BYTES_MAX / row_bytes).clamp(1, PAGE_MESSAGES_MAX)
}

impl Session {
    /// Everything that was said in the room before has come, as far as the server has it in memory.
    pub(super) fn hear_caught_up(&mut self, event: &Event, now: Instant) {
        let name = event.room.as_deref().unwrap_or_default();
        let room = self.rooms.get_mut(name);
        let Some((last, replay)) = room.and_then(|room| Some((&room.last, room.replay.as_mut()?)))
        else {
            return;
        };
        let held = replay.held.iter().filter(|event| event.past).count() as u64;
        replay.count = event.missed.map(|missed| missed.saturating_add(held));
        let is_paged = matches!(self.phase, Phase::Greeting { .. })
            && matches!(replay.stage, Stage::Kept)
            && self.link.page_messages.is_some();
        // Where nothing is in memory, the server may not know how little that is.
        let is_at_end = replay.newest.is_some() && replay.newest == *last;
        if !is_paged || event.missed == Some(0) {
            return self.end_replay(name, event.missed, missed_words, now);
        } else if is_at_end {
            return self.end_replay(name, Some(0), missed_words, now);
        }
        replay.stage = Stage::Paged(Gap::new(event.missed, now));
        self.page_next(now);
    }

    /// Asks for pages of the next room of which something is missing, once no other one is asked for.
    fn page_next(&mut self, now: Instant) {
        let is_paged = |room: &&Room| room.gap().is_some();
        let next = self.rooms.all().iter().find(is_paged);
        if let (None, Some(next)) = (&self.link.paging, next) {
            self.link.paging = Some(next.name.clone());
            self.go_on_paging(now);
        }
    }

    /// What is paged now.
    pub(super) fn gap(&self) -> Option<Gap> {
        self.rooms.get(self.link.paging.as_ref()?)?.gap()
    }

    /// Keeps a line of the room back where it is not its turn; else it is given back.
    pub(super) fn keep_back(&mut self, event: Event, bytes: usize, now: Instant) -> Option<Event> {
        let room = event
            .room
            .as_deref()
            .and_then(|name| self.rooms.get_mut(name));
        let Some((name, replay)) = room.and_then(|room| Some((&room.name, room.replay.as_mut()?)))
        else {
            return Some(event);
        };
        if let Stage::Shown = replay.stage {
            return Some(event);
        }
        replay.held_bytes += size_of::<Event>() + bytes;
        replay.held.push(event);
        if replay.held_bytes > HELD_BYTES_MAX {
            match replay.stage {
                Stage::Paged(gap) => {
                    let name = name.clone();
                    self.end_replay(&name, gap.rest(), missed_words, now);
                }
                Stage::Shown | Stage::Kept => {
                    replay.stage = Stage::Shown;
                    let held = std::mem::take(&mut replay.held);
                    held.into_iter().for_each(|event| self.hear_in_room(event));
                }
            }
        }
        None
    }

    /// It is time to ask, or nothing has been answered.
    pub(super) fn go_on_paging(&mut self, now: Instant) {
        let (Some(gap), Some(name)) = (self.gap(), self.link.paging.clone()) else {
            return;
        };
        let Next::Question { .. } = gap.next else {
            return self.end_replay(&name, gap.rest(), missed_words, now);
        };
        let (Some(room), Some(limit)) = (self.rooms.get(&name), self.link.page_messages) else {
            return;
        };
        let page = json!({"do": "history", "room": room.name, "after": room.last, "limit": limit});
        self.link.has_paged = true;
        self.send(&page, PAGES);
        let until = now + ANSWER_TIMEOUT;
        let next = Next::Answer { until };
        self.set_gap(Gap { next, ..gap });
    }

    /// A page, which is shown up to the first message that has come in another way.
    pub(super) fn hear_page(&mut self, page: Event, now: Instant) {
        let (Some(mut gap), Some(name)) = (self.gap(), self.link.paging.clone()) else {
            return;
        };
        let Some(replay) = self.rooms.get(&name).and_then(|room| room.replay.as_ref()) else {
            return;
        };
        let mut messages = page.messages;
        let held: HashSet<&str> = replay.held.iter().map(|event| event.id.as_str()).collect();
        let is_held = |message: &PastMessage| held.contains(message.id.as_str());
        let is_newest = |message: &PastMessage| replay.newest.as_ref() == Some(&message.id);
        let behind_newest = messages.iter().position(is_newest).map(|newest| newest + 1);
        let met = messages.iter().position(is_held).or(behind_newest);
        messages.truncate(met.unwrap_or(messages.len()));
        let count = messages.len() as u64;
        gap.shown += count;
        let paged = messages.iter().map(|message| message.id.clone()).collect();
        for message in messages {
            self.hear_said(message.said_in(&name));
        }
        if let Some(room) = self.rooms.get_mut(&name) {
            room.paged = paged;
        }
        if met.is_some() || gap.rest() == Some(0) {
            // All that there is has come; and where nobody counted, that is all there was.
            self.end_replay(&name, gap.rest().or(Some(0)), missed_words, now);
        } else if gap.shown >= GAP_MESSAGES_MAX {
            self.end_replay(&name, gap.rest(), left_out_words, now);
        } else if count > 0 && page.more > 0 {
            let next = Next::Question { at: now };
            self.set_gap(Gap {
                rests: 0,
                next,
                ..gap
            });
            self.go_on_paging(now);
        } else {
            self.ask_again_later(gap, now);
        }
    }

    /// No page comes.
    pub(super) fn page_refused(&mut self, code: &str, now: Instant) {
        let (Some(gap), Some(name)) = (self.gap(), self.link.paging.clone()) else {
            return;
        };
        match code {
            "busy" => self.ask_again_later(gap, now),
            _ => self.end_replay(&name, gap.rest(), missed_words, now),
        }
    }

    fn ask_again_later(&mut self, gap: Gap, now: Instant) {
        if let (RESTS_MAX.., Some(name)) = (gap.rests, self.link.paging.clone()) {
            return self.end_replay(&name, gap.rest(), missed_words, now);
        }
        let at = now + FIRST_REST * (1 << gap.rests);
        self.set_gap(Gap {
            rests: gap.rests + 1,
            next: Next::Question { at },
            ..gap
        });
    }

    fn set_gap(&mut self, gap: Gap) {
        let room = self
            .link
            .paging
            .as_ref()
            .and_then(|name| self.rooms.get_mut(name));
        if let Some(replay) = room.and_then(|room| room.replay.as_mut()) {
            replay.stage = Stage::Paged(gap);
        }
    }

    /// No more comes of what was said before in a room, of which so many messages are `missing`, if
    /// anybody knows: shows what was kept back, and goes on.
    fn end_replay(
        &mut self,
        name: &str,
        missing: Option<u64>,
        words: fn(Option<u64>) -> String,
        now: Instant,
    ) {
        let room = self.rooms.get_mut(name);
        let Some((name, replay)) = room.and_then(|room| Some((&room.name, room.replay.as_mut()?)))
        else {
            return;
        };
        let name = name.clone();
        replay.stage = Stage::Shown;
        let is_complete = replay.is_continued && missing == Some(0);
        let is_missed = replay.is_continued && !is_complete;
        let mut held = std::mem::take(&mut replay.held).into_iter().peekable();
        if is_missed {
            self.show_in(&name, Kind::News, &words(missing));
        }
        while let Some(event) = held.next_if(|event| event.past) {
            self.hear_in_room(event);
        }
        self.close_replay(&name);
        held.for_each(|event| self.hear_in_room(event));
        let given_up = self.ledger.end_doubts(&name, is_complete);
        self.give_up(given_up);
        self.link.paging.take_if(|paging| *paging == name);
        match self.phase {
            Phase::Greeting { .. } if self.is_all_entered() => self.talk(now),
            Phase::Greeting { .. } => self.page_next(now),
            _ => self.advance(now),
        }
    }

    fn close_replay(&mut self, name: &str) {
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        let Some(Replay {
            newest,
            is_headed,
            is_continued,
            ..
        }) = room.replay.take()
        else {
            return;
        };
        room.last = newest.or(room.last.take());
        if is_headed && !is_continued {
            self.show_in(name, Kind::News, "end of history");
        }
    }
}
