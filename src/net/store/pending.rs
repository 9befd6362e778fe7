//! `Pending`: the records that the writer has and that a power cut could still take. They stay until
//! they are synced, so that they can be written again to another handle or another file. Owned by
//! the writer.

use std::collections::VecDeque;
use std::time::Instant;

use super::shared::Chunk;

/// Records, in order; the first part of them is committed.
#[derive(Debug, Default)]
pub(super) struct Pending {
    chunks: VecDeque<Chunk>,
    committed: usize,
}

impl Pending {
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

    /// The next so many chunks are committed: up to which position.
    pub(super) fn commit(&mut self, count: usize) -> Option<u64> {
        self.committed += count;
        let last = self.committed.checked_sub(1)?;
        Some(self.chunks[last].end)
    }

    /// All that is committed is synced.
    pub(super) fn sync(&mut self) {
        self.chunks.drain(..self.committed);
        self.committed = 0;
    }

    /// Nothing of it is committed, after all.
    pub(super) fn rewind(&mut self) {
        self.committed = 0;
    }
}
