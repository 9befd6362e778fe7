//! `History`: the last messages of one room, in one piece of memory, and how many came before them.
//! Which rooms there are and what they may take together is `histories`' business, which owns one for
//! each.

use std::collections::VecDeque;
use std::collections::vec_deque::Iter;

use super::fact::Manner;
use super::id::MessageId;
use crate::size_class;

/// One message of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its id, which is its time too.
    pub id: MessageId,
    /// Who said it.
    pub from: &'a str,
    /// What was said.
    pub text: &'a str,
    /// In which manner.
    pub manner: Manner,
}

/// What an earlier run has left of a room: what was said in it before anything that is in memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Older<'a> {
    /// The newest of it, oldest first.
    pub messages: &'a [Message<'a>],
    /// Ids of messages before those, oldest first.
    pub ids: &'a [MessageId],
    /// Whether there are others before these.
    pub has_older: bool,
    /// Whatever was said since this id is kept, or counted as missing.
    pub counted_from: MessageId,
}

/// The last messages of one room. They lie in one piece of memory: with one for each, short
/// messages after long ones would either keep the memory of those or cost allocations.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Names and texts one after another, behind what is forgotten.
    said: String,
    /// Bytes at the start of `said` that are of no message any more.
    stale_bytes: usize,
    messages: VecDeque<Entry>,
    /// From this id on it is known how much was said, be it in memory or not.
    counted_from: MessageId,
    /// The newest message that there ever was.
    pub(super) last: MessageId,
    /// Ids of messages that are forgotten, so that somebody who was away can be told how many it
    /// missed. Of the oldest of them only the number is known.
    forgotten: VecDeque<MessageId>,
    forgotten_before: usize,
    /// The newest of them all.
    forgotten_to: MessageId,
    /// Something was said before the first of them, in an earlier run.
    has_older: bool,
}

/// A message whose name and text start where those of the one before it end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    id: MessageId,
    from_bytes: u16,
    text_bytes: u32,
    manner: Manner,
}

impl Entry {
    fn of(message: &Message<'_>) -> Entry {
        Entry {
            id: message.id,
            from_bytes: u16::try_from(message.from.len()).expect("a name is short"),
            text_bytes: u32::try_from(message.text.len()).expect("a line is short"),
            manner: message.manner,
        }
    }

    fn bytes(&self) -> usize {
        usize::from(self.from_bytes) + self.text_bytes as usize
    }
}

/// Forgotten messages whose ids are kept, for each room: 8 KiB of them.
pub const FORGOTTEN_IDS_MAX: usize = 1024;
/// A piece of memory may be much larger than what it holds up to this: else a room in which short
/// and long messages come in turn would cost an allocation again and again.
pub(super) const LOOSE_BYTES_MAX: usize = 16 << 10;

impl History {
    /// Of a room in which nothing was said, or something of which nothing is known here.
    pub(super) fn new(has_older: bool) -> History {
        History {
            has_older,
            ..History::default()
        }
    }

    pub(super) fn push(&mut self, message: &Message<'_>, messages_max: usize, bytes_max: usize) {
        let bytes = bytes_of(message);
        if self.counted_from == MessageId::ZERO {
            self.counted_from = message.id;
        }
        self.last = message.id;
        let fits = bytes + size_of::<Entry>() <= bytes_max;
        while !self.messages.is_empty()
            && (self.messages.len() >= messages_max
                || !fits
                || self.used_bytes() + bytes + size_of::<Entry>() > bytes_max)
        {
            self.forget_oldest();
        }
        if !fits {
            self.note_forgotten(message.id);
            return;
        }
        // Only then, so that on average no byte is moved more than three times.
        if self.stale_bytes >= self.said.len() / 4 {
            self.said.drain(..self.stale_bytes);
            self.stale_bytes = 0;
        }
        // Not by doubling: what many rooms remember is most of what they cost.
        if self.said.capacity() - self.said.len() < bytes {
            let more = bytes.max(self.said.len() / 4);
            let capacity = size_class::capacity(self.said.len() + more);
            self.said.reserve_exact(capacity - self.said.len());
        }
        self.said.push_str(message.from);
        self.said.push_str(message.text);
        self.messages.push_back(Entry::of(message));
        self.give_back();
    }

    /// Adds what was said before. Of what there is no place for, the ids are kept.
    pub(super) fn add_older(&mut self, older: &Older<'_>, messages_max: usize, bytes_max: usize) {
        let fitting = self.count_fitting(older.messages, messages_max, bytes_max);
        let (others, kept) = older.messages.split_at(older.messages.len() - fitting);
        let bytes: usize = kept.iter().map(bytes_of).sum();
        let mut said = String::with_capacity(bytes + self.said.len() - self.stale_bytes);
        for message in kept {
            said.push_str(message.from);
            said.push_str(message.text);
        }
        said.push_str(&self.said[self.stale_bytes..]);
        (self.said, self.stale_bytes) = (said, 0);
        self.messages.reserve_exact(kept.len());
        for message in kept.iter().rev() {
            self.messages.push_front(Entry::of(message));
        }
        let counted = others.iter().map(|message| message.id);
        let ids = older.ids.iter().copied().chain(counted);
        for id in ids.collect::<Vec<_>>().into_iter().rev() {
            if self.forgotten_before == 0 && self.forgotten.len() < FORGOTTEN_IDS_MAX {
                self.forgotten.push_front(id);
            } else {
                self.forgotten_before += 1;
            }
        }
        if let Some(newest) = older.messages.last() {
            self.last = self.last.max(newest.id);
        }
        self.has_older = older.has_older;
        // What is older than the first that is known is not counted, if there is anything.
        let oldest = self.oldest().unwrap_or(self.last);
        self.counted_from = if older.has_older {
            older.counted_from.max(oldest)
        } else {
            older.counted_from
        };
    }

    /// How many of the newest of these messages, which were said before those that are here, have a
    /// place beside them: none if some are missing in between.
    fn count_fitting(
        &self,
        messages: &[Message<'_>],
        messages_max: usize,
        bytes_max: usize,
    ) -> usize {
        if self.forgotten_before > 0 || !self.forgotten.is_empty() {
            return 0;
        }
        let places = messages_max.saturating_sub(self.messages.len());
        let mut left = bytes_max.saturating_sub(self.used_bytes());
        let newest_first = messages.iter().rev().take(places);
        let fitting = newest_first.take_while(|message| {
            let rest = left.checked_sub(bytes_of(message) + size_of::<Entry>());
            left = rest.unwrap_or(0);
            rest.is_some()
        });
        fitting.count()
    }

    /// The oldest message of which at least the id is known.
    pub(super) fn oldest(&self) -> Option<MessageId> {
        let in_memory = self.messages.front().map(|entry| &entry.id);
        self.forgotten.front().or(in_memory).copied()
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.messages.pop_front() {
            self.stale_bytes += oldest.bytes();
            self.note_forgotten(oldest.id);
        }
    }

    fn note_forgotten(&mut self, id: MessageId) {
        self.forgotten_to = id;
        if self.forgotten.len() >= FORGOTTEN_IDS_MAX {
            self.forgotten.pop_front();
            self.forgotten_before += 1;
        }
        self.forgotten.push_back(id);
    }

    /// Keeps what is known of a silent room: that something was said, and how much.
    pub(super) fn forget_all(&mut self) {
        self.forgotten_before += self.forgotten.len() + self.messages.len();
        let newest = self.messages.back().map(|entry| entry.id);
        *self = History {
            counted_from: self.counted_from,
            last: self.last,
            forgotten_before: self.forgotten_before,
            forgotten_to: newest.unwrap_or(self.forgotten_to),
            has_older: self.has_older,
            ..History::default()
        };
    }

    /// Takes messages away, as if they had never been said: their ids.
    pub(super) fn take_away(
        &mut self,
        is_meant: impl Fn(MessageId, &str) -> bool,
    ) -> Vec<MessageId> {
        let all: Vec<(Entry, bool)> = self
            .newest(usize::MAX)
            .zip(&self.messages)
            .map(|(message, entry)| (*entry, is_meant(message.id, message.from)))
            .collect();
        let taken = all.iter().filter(|(_, is_meant)| *is_meant);
        let taken: Vec<MessageId> = taken.map(|(entry, _)| entry.id).collect();
        if taken.is_empty() {
            return taken;
        }
        // Anew, so that no byte of them is left anywhere in it.
        let mut said = String::new();
        let mut start = self.stale_bytes;
        for (entry, is_meant) in &all {
            let end = start + entry.bytes();
            if !is_meant {
                said.push_str(&self.said[start..end]);
            }
            start = end;
        }
        self.messages
            .retain(|entry| taken.binary_search(&entry.id).is_err());
        self.said = said;
        self.stale_bytes = 0;
        taken
    }

    /// Memory that long messages needed is not kept for short ones.
    fn give_back(&mut self) {
        let capacity = self.said.capacity();
        if capacity > 4 * self.said.len() && capacity > LOOSE_BYTES_MAX {
            self.said.shrink_to(2 * self.said.len());
        }
    }

    /// How many forgotten messages came behind this one, if that is known: not for an id that
    /// this room never gave, be it of an earlier run of the server or of a room that is gone.
    pub(super) fn forgotten_since(&self, known: MessageId) -> Option<usize> {
        if known == MessageId::ZERO {
            // A power cut may have taken something behind the first of them.
            let oldest = self.oldest().unwrap_or(self.last);
            let is_counted = !self.has_older && oldest >= self.counted_from;
            return is_counted.then_some(self.forgotten_before + self.forgotten.len());
        }
        if known == self.last {
            return (known >= self.counted_from).then_some(0);
        }
        let older = self.forgotten.partition_point(|&id| id <= known);
        let is_of_this_room = (self.counted_from..=self.last).contains(&known);
        let is_counted = older > 0 || self.forgotten_before == 0;
        (is_of_this_room && is_counted).then_some(self.forgotten.len() - older)
    }

    /// Whether something that was said in this run after this message is in memory no more.
    pub(super) fn has_forgotten(&self, after: MessageId) -> bool {
        self.forgotten_to > after
    }

    /// Messages are counted no more: they were taken back, by the archive too.
    pub(super) fn uncount(&mut self, ids: &[MessageId]) {
        self.forgotten.retain(|id| !ids.contains(id));
        if ids.contains(&self.forgotten_to) {
            // What came before it the archive has, since it had it when it took this one back.
            self.forgotten_to = self.forgotten.back().copied().unwrap_or_default();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether all that was ever said is in memory.
    pub(super) fn is_whole(&self) -> bool {
        !self.has_older && self.forgotten_before == 0 && self.forgotten.is_empty()
    }

    pub(super) fn position(&self, is_older: impl Fn(MessageId) -> bool) -> usize {
        self.messages.partition_point(|entry| is_older(entry.id))
    }

    pub(super) fn newest(&self, limit: usize) -> Messages<'_> {
        let count = self.messages.len();
        self.range(count.saturating_sub(limit), count)
    }

    pub(super) fn range(&self, first: usize, end: usize) -> Messages<'_> {
        let before: usize = self.messages.range(..first).map(Entry::bytes).sum();
        Messages(Source::History {
            rest: &self.said[self.stale_bytes + before..],
            entries: self.messages.range(first..end),
        })
    }

    /// Bytes of the messages there are.
    fn used_bytes(&self) -> usize {
        self.said.len() - self.stale_bytes + self.messages.len() * size_of::<Entry>()
    }

    /// Memory that it takes from the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<History>()
            + self.said.capacity()
            + self.messages.capacity() * size_of::<Entry>()
            + self.forgotten.capacity() * size_of::<MessageId>()
    }
}

fn bytes_of(message: &Message<'_>) -> usize {
    message.from.len() + message.text.len()
}

/// Messages of a room, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Messages<'a>(Source<'a>);

/// Where they lie.
#[derive(Debug, Clone)]
enum Source<'a> {
    /// In the memory of the room, names and texts one after another.
    History {
        rest: &'a str,
        entries: Iter<'a, Entry>,
    },
    /// Somewhere else.
    Listed(std::slice::Iter<'a, Message<'a>>),
}

impl Default for Source<'_> {
    fn default() -> Self {
        Source::Listed([].iter())
    }
}

impl<'a> From<&'a [Message<'a>]> for Messages<'a> {
    fn from(messages: &'a [Message<'a>]) -> Messages<'a> {
        Messages(Source::Listed(messages.iter()))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let (rest, entry) = match &mut self.0 {
            Source::History { rest, entries } => (rest, entries.next()?),
            Source::Listed(messages) => return messages.next().copied(),
        };
        let (from, behind) = rest.split_at(entry.from_bytes.into());
        let (text, behind) = behind.split_at(entry.text_bytes as usize);
        *rest = behind;
        Some(Message {
            id: entry.id,
            from,
            text,
            manner: entry.manner,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Source::History { entries, .. } => entries.size_hint(),
            Source::Listed(messages) => messages.size_hint(),
        }
    }
}

impl ExactSizeIterator for Messages<'_> {}
