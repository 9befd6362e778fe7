//! Coming back without a gap: what a server that keeps the past on disk no longer has in memory is
//! asked for in pages, and shown where it belongs. Lines of the room that come meanwhile are kept
//! back. Ids are only ever found equal: their order is the server's.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::room::{Replay, Stage};
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
        let here = self.room.as_mut().filter(|room| room.is(&event.room));
        let Some((last, replay)) = here.and_then(|room| Some((&room.last, room.replay.as_mut()?)))
        else {
            return;
        };
        let is_paged = matches!(self.phase, Phase::Greeting { .. })
            && matches!(replay.stage, Stage::Kept)
            && self.link.page_messages.is_some();
        // Where nothing is in memory, the server may not know how little that is.
        let is_at_end = replay.newest.is_some() && replay.newest == *last;
        if !is_paged || event.missed == Some(0) {
            return self.end_replay(event.missed, missed_words, now);
        } else if is_at_end {
            return self.end_replay(Some(0), missed_words, now);
        }
        self.go_on_paging(Gap::new(event.missed, now), now);
    }

    /// What is paged now.
    pub(super) fn gap(&self) -> Option<Gap> {
        match self.room.as_ref()?.replay.as_ref()?.stage {
            Stage::Paged(gap) => Some(gap),
            Stage::Shown | Stage::Kept => None,
        }
    }

    /// Keeps a line of the room back where it is not its turn; else it is given back.
    pub(super) fn keep_back(&mut self, event: Event, bytes: usize, now: Instant) -> Option<Event> {
        let here = self.room.as_mut().filter(|room| room.replay.is_some());
        let here = here.filter(|room| room.is(&event.room));
        let Some(replay) = here.and_then(|room| room.replay.as_mut()) else {
            return Some(event);
        };
        if let Stage::Shown = replay.stage {
            return Some(event);
        }
        replay.held_bytes += size_of::<Event>() + bytes;
        replay.held.push(event);
        if replay.held_bytes > HELD_BYTES_MAX {
            match replay.stage {
                Stage::Paged(gap) => self.end_replay(gap.rest(), missed_words, now),
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
    pub(super) fn go_on_paging(&mut self, gap: Gap, now: Instant) {
        let Next::Question { .. } = gap.next else {
            return self.end_replay(gap.rest(), missed_words, now);
        };
        let (Some(room), Some(limit)) = (&self.room, self.link.page_messages) else {
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
        let Some(mut gap) = self.gap() else {
            return;
        };
        let Some((room, replay)) = self
            .room
            .as_mut()
            .and_then(|room| Some((&room.name, room.replay.as_ref()?)))
        else {
            return;
        };
        let (mut messages, room) = (page.messages, room.clone());
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
            self.hear_said(message.said_in(&room));
        }
        if let Some(room) = &mut self.room {
            room.paged = paged;
        }
        if met.is_some() || gap.rest() == Some(0) {
            // All that there is has come; and where nobody counted, that is all there was.
            self.end_replay(gap.rest().or(Some(0)), missed_words, now);
        } else if gap.shown >= GAP_MESSAGES_MAX {
            self.end_replay(gap.rest(), left_out_words, now);
        } else if count > 0 && page.more > 0 {
            let next = Next::Question { at: now };
            self.go_on_paging(
                Gap {
                    rests: 0,
                    next,
                    ..gap
                },
                now,
            );
        } else {
            self.ask_again_later(gap, now);
        }
    }

    /// No page comes.
    pub(super) fn page_refused(&mut self, code: &str, now: Instant) {
        match self.gap() {
            Some(gap) if code == "busy" => self.ask_again_later(gap, now),
            Some(gap) => self.end_replay(gap.rest(), missed_words, now),
            None => {}
        }
    }

    fn ask_again_later(&mut self, gap: Gap, now: Instant) {
        if gap.rests >= RESTS_MAX {
            return self.end_replay(gap.rest(), missed_words, now);
        }
        let at = now + FIRST_REST * (1 << gap.rests);
        self.set_gap(Gap {
            rests: gap.rests + 1,
            next: Next::Question { at },
            ..gap
        });
    }

    fn set_gap(&mut self, gap: Gap) {
        if let Some(replay) = self.room.as_mut().and_then(|room| room.replay.as_mut()) {
            replay.stage = Stage::Paged(gap);
        }
    }

    /// No more comes of what was said before, of which so many messages are `missing`, if anybody
    /// knows: shows what was kept back, and goes on.
    fn end_replay(&mut self, missing: Option<u64>, words: fn(Option<u64>) -> String, now: Instant) {
        let Some(replay) = self.room.as_mut().and_then(|room| room.replay.as_mut()) else {
            return;
        };
        replay.stage = Stage::Shown;
        let is_complete = replay.is_continued && missing == Some(0);
        let is_missed = replay.is_continued && !is_complete;
        let mut held = std::mem::take(&mut replay.held).into_iter().peekable();
        if is_missed {
            self.show(Kind::News, &words(missing));
        }
        while let Some(event) = held.next_if(|event| event.past) {
            self.hear_in_room(event);
        }
        self.close_replay();
        held.for_each(|event| self.hear_in_room(event));
        let name = self.here().to_owned();
        let given_up = self.ledger.end_doubts(&name, is_complete);
        self.give_up(given_up);
        match self.phase {
            Phase::Greeting { .. } => self.talk(now),
            _ => self.advance(now),
        }
    }

    fn close_replay(&mut self) {
        let Some(room) = &mut self.room else {
            return;
        };
        let Some(Replay {
            newest, is_headed, ..
        }) = room.replay.take()
        else {
            return;
        };
        room.last = newest.or(room.last.take());
        if is_headed {
            self.show(Kind::News, "end of history");
        }
    }
}
