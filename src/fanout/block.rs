//! Blocks: all that a room said in one turn, encoded once and shared by every member. A
//! [`BlockStore`] owns them all and counts who still refers to each; outboxes hold [`Slice`]s,
//! which are indices and ranges, so a block can grow while slices of it are given out, and its
//! memory can be moved or used again when nobody refers to it. Owned by the hub.

use std::collections::VecDeque;

use slab::Slab;

use crate::size_class;
use crate::time::Time;

/// Which block. Used again once the block is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockId(u32);

/// A range of a block: whole lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slice {
    /// The block.
    pub block: BlockId,
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// How many lines that is.
    pub lines: u32,
}

impl Slice {
    /// What of it lies behind a mark of its block.
    #[must_use]
    pub fn behind(self, mark: Mark) -> Slice {
        Slice {
            start: mark.bytes,
            lines: self.lines - mark.lines,
            ..self
        }
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        (self.end - self.start) as usize
    }
}

/// Slices of an outbox behind its first.
#[allow(
    clippy::box_collection,
    reason = "one word in each connection that has none"
)]
pub(super) type Queue = Box<VecDeque<Slice>>;

/// How far into a block somebody has been served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Bytes.
    pub bytes: u32,
    /// Lines.
    pub lines: u32,
}

#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    lines: u32,
    /// Slices of it that lie in outboxes.
    references: u32,
    /// Still written to.
    open: bool,
    /// Its bytes lie in memory of their own size, which serves no other block.
    copied: bool,
    opened_at: Time,
}

/// All blocks, and memory for new ones. More than 20 methods, half of them questions of one line: how
/// much memory there is can only be counted where blocks are opened, sealed and freed.
#[derive(Debug, Default)]
pub struct BlockStore {
    blocks: Slab<Block>,
    /// What was sealed and is still referred to, in bytes of memory, each block counted once.
    unique_bytes: usize,
    /// Memory of blocks that are gone; last out, first in, since it is still in the caches.
    spare: Vec<Vec<u8>>,
    spare_bytes: usize,
    /// Queues of outboxes that are empty now.
    spare_queues: Vec<Queue>,
    /// Slices of all blocks that lie in outboxes.
    references: usize,
    /// Bytes written since the last [`BlockStore::settle`].
    written_bytes: usize,
    /// Blocks sealed since the last [`BlockStore::settle`].
    sealed: Vec<BlockId>,
}

/// Memory kept for blocks to come. Enough for the blocks of a busy turn, little beside what
/// outboxes may hold.
const SPARE_BYTES_MAX: usize = 1 << 20;
/// Queues kept for outboxes to come, and the slices that each may have room for.
const SPARE_QUEUES_MAX: usize = 4096;
const SPARE_QUEUE_SLICES_MAX: usize = 64;
/// What a block begins with, and what is worth keeping: the copy of a small block that stayed for
/// long is not, the next block would only have to grow.
const BLOCK_BYTES_MIN: usize = 1000;
/// What little lies in.
const SMALL_BYTES_MAX: usize = 32 << 10;
/// What a block costs beside its bytes, and what a slice of it costs in a queue that has grown by
/// doubling. Thousands of slow readers of short lines cost more by these than by the lines.
const BLOCK_OVERHEAD: usize = size_of::<Block>() + 16;
const SLICE_OVERHEAD: usize = 2 * size_of::<Slice>();
/// The heap loses about this share of the blocks, as holes between those of different sizes.
const HEAP_LOSS_SHARE: usize = 16;

impl BlockStore {
    /// A block to write to.
    pub fn open(&mut self, now: Time) -> BlockId {
        let spare = self.spare.pop();
        self.open_in(spare, now)
    }

    /// A block to write little to: memory that held much is left to those that will need it.
    pub fn open_small(&mut self, now: Time) -> BlockId {
        let is_small = |spare: &Vec<u8>| spare.capacity() <= SMALL_BYTES_MAX;
        let place = self.spare.iter().rposition(is_small);
        let spare = place.map(|place| self.spare.swap_remove(place));
        self.open_in(spare, now)
    }

    fn open_in(&mut self, spare: Option<Vec<u8>>, now: Time) -> BlockId {
        self.spare_bytes -= spare.as_ref().map_or(0, Vec::capacity);
        let bytes = spare
            .unwrap_or_else(|| Vec::with_capacity(size_class::doubled_capacity(BLOCK_BYTES_MIN)));
        let block = Block {
            bytes,
            lines: 0,
            references: 0,
            open: true,
            copied: false,
            opened_at: now,
        };
        BlockId(u32::try_from(self.blocks.insert(block)).expect("fewer blocks than u32 holds"))
    }

    /// Adds lines to an open block: `write` appends whole lines and says how many.
    pub fn write(&mut self, id: BlockId, write: impl FnOnce(&mut Vec<u8>) -> u32) {
        let block = &mut self.blocks[id.0 as usize];
        debug_assert!(block.open, "a sealed block was written to");
        let (before, capacity) = (block.bytes.len(), block.bytes.capacity());
        block.lines += write(&mut block.bytes);
        if block.bytes.capacity() != capacity {
            let class = size_class::doubled_capacity(block.bytes.capacity());
            block.bytes.reserve_exact(class - block.bytes.len());
        }
        self.written_bytes += block.bytes.len() - before;
    }

    /// How much is in a block.
    pub fn end(&self, id: BlockId) -> Mark {
        let block = &self.blocks[id.0 as usize];
        let bytes = u32::try_from(block.bytes.len()).expect("a block stays far below 4 GiB");
        Mark {
            bytes,
            lines: block.lines,
        }
    }

    /// What lies between `from` and `to` of a block.
    pub fn slice(id: BlockId, from: Mark, to: Mark) -> Slice {
        Slice {
            block: id,
            start: from.bytes,
            end: to.bytes,
            lines: to.lines - from.lines,
        }
    }

    /// Nothing is added to this block any more. It lives on as long as somebody refers to it.
    pub fn seal(&mut self, id: BlockId) {
        let block = &mut self.blocks[id.0 as usize];
        debug_assert!(block.open, "a block is sealed once");
        block.open = false;
        self.unique_bytes += block.bytes.capacity();
        if block.references == 0 {
            self.free(id)
        } else {
            self.sealed.push(id)
        }
    }

    /// Gives back what the blocks of this turn reserved and did not use, for those that somebody
    /// has still not taken. Called after the flush: what everybody took at once is free already.
    pub fn settle(&mut self) {
        self.written_bytes = 0;
        for id in self.sealed.drain(..) {
            let Some(block) = self.blocks.get_mut(id.0 as usize) else {
                continue;
            };
            if block.open || block.bytes.capacity() <= block.bytes.len() + block.bytes.len() / 4 {
                continue;
            }
            // Copied, not shrunk where it lies: that would leave a hole behind each small block
            // which no large one fits into.
            let mut copy = Vec::with_capacity(size_class::capacity(block.bytes.len()));
            copy.extend_from_slice(&block.bytes);
            let large = std::mem::replace(&mut block.bytes, copy);
            block.copied = true;
            self.unique_bytes -= large.capacity() - block.bytes.capacity();
            Self::keep_spare(&mut self.spare, &mut self.spare_bytes, large);
        }
    }

    /// One more slice of this block lies in an outbox.
    pub fn retain(&mut self, id: BlockId) {
        self.blocks[id.0 as usize].references += 1;
        self.references += 1;
    }

    /// One slice fewer; the last one frees the block.
    pub fn release(&mut self, id: BlockId) {
        let block = &mut self.blocks[id.0 as usize];
        block.references -= 1;
        self.references -= 1;
        if block.references == 0 && !block.open {
            self.free(id);
        }
    }

    /// The bytes of a slice.
    pub fn bytes(&self, slice: &Slice) -> &[u8] {
        &self.blocks[slice.block.0 as usize].bytes[slice.start as usize..slice.end as usize]
    }

    /// An open block belongs to a turn that began only now.
    pub fn carry_over(&mut self, id: BlockId, now: Time) {
        let block = &mut self.blocks[id.0 as usize];
        debug_assert!(block.open, "what is sealed was said in its turn");
        block.opened_at = now;
    }

    /// When the turn began in which this block was written.
    pub fn opened_at(&self, id: BlockId) -> Time {
        self.blocks[id.0 as usize].opened_at
    }

    /// Memory that outboxes keep from being used again, each block counted once.
    pub fn unique_bytes(&self) -> usize {
        self.unique_bytes
    }

    /// What was written in this turn, which may be queued for long.
    pub fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// Memory of all that is queued: the blocks, what refers to them, and what waits for the next.
    pub fn memory_bytes(&self) -> usize {
        self.unique_bytes
            + self.unique_bytes / HEAP_LOSS_SHARE
            + self.spare_bytes
            + self.blocks.len() * BLOCK_OVERHEAD
            + self.references * SLICE_OVERHEAD
    }

    /// Gives back the memory that waits for the next blocks.
    pub fn drop_spare(&mut self) {
        self.spare = Vec::new();
        self.spare_bytes = 0;
        self.spare_queues = Vec::new();
    }

    /// An empty queue, for an outbox that holds more than one slice.
    pub(super) fn take_queue(&mut self) -> Queue {
        self.spare_queues.pop().unwrap_or_default()
    }

    /// Takes such a queue back, empty again.
    pub(super) fn keep_queue(&mut self, queue: Queue) {
        let is_small = queue.capacity() <= SPARE_QUEUE_SLICES_MAX;
        if is_small && self.spare_queues.len() < SPARE_QUEUES_MAX {
            self.spare_queues.push(queue);
        }
    }

    /// Blocks that exist.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether nobody is owed anything, and nothing is being written.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// All references to all blocks, for checking that none is lost.
    pub fn references(&self) -> usize {
        self.blocks
            .iter()
            .map(|(_, block)| block.references as usize)
            .sum()
    }

    /// Whether what is counted is what there is: references, memory of blocks, memory for blocks.
    pub fn is_sound(&self) -> bool {
        let sealed = self.blocks.iter().filter(|(_, block)| !block.open);
        let unique_bytes: usize = sealed.map(|(_, block)| block.bytes.capacity()).sum();
        let spare_bytes: usize = self.spare.iter().map(Vec::capacity).sum();
        let counted = (self.references, self.unique_bytes, self.spare_bytes);
        counted == (self.references(), unique_bytes, spare_bytes)
    }

    fn free(&mut self, id: BlockId) {
        let Block { bytes, copied, .. } = self.blocks.remove(id.0 as usize);
        self.unique_bytes -= bytes.capacity();
        // The memory that a copy came from is kept already: with each copy's, a reader that falls
        // behind again and again would leave as much as can be kept.
        if !copied {
            Self::keep_spare(&mut self.spare, &mut self.spare_bytes, bytes);
        }
    }

    fn keep_spare(spare: &mut Vec<Vec<u8>>, spare_bytes: &mut usize, mut bytes: Vec<u8>) {
        let sum = *spare_bytes + bytes.capacity();
        if sum <= SPARE_BYTES_MAX && bytes.capacity() >= BLOCK_BYTES_MIN {
            bytes.clear();
            *spare_bytes = sum;
            spare.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(store: &mut BlockStore, id: BlockId, text: &str) -> Slice {
        let from = store.end(id);
        store.write(id, |bytes| {
            bytes.extend_from_slice(text.as_bytes());
            1
        });
        BlockStore::slice(id, from, store.end(id))
    }

    #[test]
    fn slices_stay_true_while_the_block_grows() {
        let mut store = BlockStore::default();
        let id = store.open(Time::START);
        let first = line(&mut store, id, "one\n");
        store.retain(id);
        for _ in 0..1000 {
            line(&mut store, id, "more and more\n");
        }
        assert_eq!(store.bytes(&first), b"one\n");
        store.seal(id);
        assert_eq!(store.bytes(&first), b"one\n");
    }

    #[test]
    fn unique_bytes_count_a_shared_block_once_and_fall_to_nothing() {
        let mut store = BlockStore::default();
        let id = store.open(Time::START);
        line(&mut store, id, "hello\n");
        (0..1000).for_each(|_| store.retain(id));
        store.seal(id);
        store.settle();
        assert_eq!(store.unique_bytes(), 16, "settled memory is what it holds");
        for left in (0..1000).rev() {
            store.release(id);
            assert_eq!(store.is_empty(), left == 0);
        }
        assert_eq!(store.unique_bytes(), 0);
    }

    #[test]
    fn a_block_nobody_wants_is_gone_when_sealed_and_its_memory_serves_again() {
        let mut store = BlockStore::default();
        let id = store.open(Time::START);
        line(&mut store, id, "hello\n");
        store.seal(id);
        assert!(store.is_empty());
        assert_eq!(store.spare.len(), 1);
        store.open(Time::START);
        assert_eq!((store.spare.len(), store.spare_bytes), (0, 0));
    }

    #[test]
    fn an_open_block_outlives_its_last_reference() {
        let mut store = BlockStore::default();
        let id = store.open(Time::START);
        line(&mut store, id, "hello\n");
        store.retain(id);
        store.release(id);
        assert_eq!(store.end(id), Mark { bytes: 6, lines: 1 });
    }

    #[test]
    fn copies_leave_no_memory_behind() {
        let mut store = BlockStore::default();
        for round in 0..100 {
            let id = store.open(Time::START);
            // Goes beyond a power of two, so that much of what it has is not used.
            store.write(id, |bytes| {
                while bytes.len() <= (256 << 10) + 100 * round {
                    bytes.extend_from_slice(&[b'\n'; 100]);
                }
                1
            });
            store.retain(id);
            store.seal(id);
            store.settle();
            assert!(store.unique_bytes() < 280 << 10);
            store.release(id);
            assert!(store.spare.len() <= 1, "{:?}", store.spare_bytes);
        }
    }

    #[test]
    fn spare_memory_has_a_bound() {
        let mut store = BlockStore::default();
        let ids: Vec<_> = (0..20).map(|_| store.open(Time::START)).collect();
        for id in ids {
            store.write(id, |bytes| {
                bytes.resize(1 << 20, b'\n');
                1 << 20
            });
            store.seal(id);
        }
        assert!(store.spare_bytes <= SPARE_BYTES_MAX);
        assert_eq!(store.unique_bytes(), 0);
    }
}
