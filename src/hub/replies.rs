//! `Replies`: the block for what is said to single sessions in this turn. Not to whom: that is
//! delivery's, which owns it.

use crate::fanout::block::{BlockId, BlockStore, Slice};
use crate::time::Time;

/// After so much, what is said to single sessions goes into another block. With the reply that
/// passes it a block still fits into 16 KiB: a little more would take twice as much.
const REPLIES_BYTES_MAX: usize = 14 << 10;

/// What was said to single sessions in this turn.
#[derive(Debug, Default)]
pub(super) struct Replies {
    block: Option<BlockId>,
    /// Bytes of that since the beginning, each told once.
    pub(super) told_bytes: u64,
}

impl Replies {
    /// Appends whole lines, which `encode` counts; where they lie. Whoever is told one of them holds
    /// the whole block as long, so it stays small.
    pub(super) fn write(
        &mut self,
        store: &mut BlockStore,
        now: Time,
        encode: impl FnOnce(&mut Vec<u8>) -> u32,
    ) -> Slice {
        if let Some(block) = self.block
            && store.end(block).bytes as usize >= REPLIES_BYTES_MAX
        {
            self.start_anew(store);
        }
        let block = *self.block.get_or_insert_with(|| store.open_small(now));
        let from = store.end(block);
        store.write(block, encode);
        BlockStore::slice(block, from, store.end(block))
    }

    /// What is said from now on does not lie in one block with what was said before.
    pub(super) fn start_anew(&mut self, store: &mut BlockStore) {
        if let Some(block) = self.block.take() {
            store.seal(block);
        }
    }

    /// The block that is open.
    pub(super) fn block(&self) -> Option<BlockId> {
        self.block
    }
}
