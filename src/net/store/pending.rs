//! `Pending`: the records that the writer has and that a power cut could still take. They stay until
//! they are synced, so that they can be written again to another handle or another file. Owned by
//! the writer.

use std::collections::VecDeque;
use std::time::Instant;

use crate::chat::MessageId;

use super::shared::Chunk;

/// Records, in order; the first part of them is committed.
#[derive(Debug, Default)]
pub(super) struct Pending {
    chunks: VecDeque<Chunk>,
    committed: usize,
    /// The newest id that is committed, and the newest that was when all that is was synced.
    committed_to: MessageId,
    synced_to: MessageId,
}

impl Pending {
    /// None yet; what is in the database, up to this id, no power cut takes.
    pub(super) fn new(synced_to: MessageId) -> Pending {
        Pending {
            committed_to: synced_to,
            synced_to,
            ..Pending::default()
        }
    }

    pub(super) fn extend(&mut self, chunks: Vec<Chunk>) {
        self.chunks.extend(chunks);
    }

    /// When the first was handed over that is not committed.
    pub(super) fn uncommitted_since(&self) -> Option<Instant> {
        self.chunks.get(self.committed).map(|chunk| chunk.since)
    }

    /// When the first was handed over that is not synced.
    pub(super) fn unsynced_since(&self) -> Option<Instant> {
        self.chunks.front().map(|chunk| chunk.since)
    }

    /// Whether there is something to commit.
    pub(super) fn has_uncommitted(&self) -> bool {
        self.committed < self.chunks.len()
    }

    pub(super) fn uncommitted_bytes(&self) -> usize {
        let uncommitted = self.chunks.range(self.committed..);
        uncommitted.map(|chunk| chunk.bytes.len()).sum()
    }

    /// What to commit next: about so many bytes, one chunk at least if there is one.
    pub(super) fn batch(&self, bytes: usize) -> impl Iterator<Item = &Chunk> {
        let mut taken = 0;
        let uncommitted = self.chunks.range(self.committed..);
        uncommitted.take_while(move |chunk| {
            let has_room = taken < bytes;
            taken += chunk.bytes.len();
            has_room
        })
    }

    /// The newest id that is committed. It goes back where that was undone.
    pub(super) fn committed_to(&self) -> MessageId {
        self.committed_to
    }

    /// The next so many chunks are committed, with this as the newest id in them: up to which
    /// position.
    pub(super) fn commit(&mut self, count: usize, newest: MessageId) -> Option<u64> {
        self.committed += count;
        self.committed_to = self.committed_to.max(newest);
        let last = self.committed.checked_sub(1)?;
        Some(self.chunks[last].end)
    }

    /// All that is committed is synced.
    pub(super) fn sync(&mut self) {
        self.chunks.drain(..self.committed);
        self.committed = 0;
        self.synced_to = self.committed_to;
    }

    /// Nothing of it is committed, after all.
    pub(super) fn rewind(&mut self) {
        self.committed = 0;
        self.committed_to = self.synced_to;
    }
}
