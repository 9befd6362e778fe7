//! `Outbox`: what one connection is still owed, as slices of shared blocks, in order. It holds
//! no bytes itself and writes nothing: the turn asks it for chunks and says how much was taken.
//! Owned by a session.

use super::block::{BlockStore, Queue, Slice};
use crate::dialect::Encoding;
use crate::time::Time;

/// The queue of one connection (operators may read *sendq*).
#[derive(Debug, Default)]
pub struct Outbox {
    /// The first slice, while anything is owed. It lies here since most outboxes never hold
    /// another: one that is idle then needs no memory of its own.
    first: Slice,
    rest: Option<Queue>,
    /// Bytes of the first slice that were taken already.
    head_offset: u32,
    /// So many of the first bytes owed must follow whatever happens: the transport has sealed them
    /// already, and has not got all of them into the kernel.
    promised: u32,
    /// Sum of the slices less the head offset.
    bytes: usize,
    lines_taken: u64,
    bytes_taken: u64,
}

impl Outbox {
    /// Adds a slice behind the others. One that goes on where the last one ends makes that longer.
    pub fn push(&mut self, store: &mut BlockStore, slice: Slice) {
        if slice.bytes() == 0 {
            return;
        }
        let was_empty = self.is_empty();
        self.bytes += slice.bytes();
        if was_empty {
            self.first = slice;
        } else {
            let last = self.rest.as_mut().and_then(|rest| rest.back_mut());
            let last = last.unwrap_or(&mut self.first);
            if last.block == slice.block && last.end == slice.start {
                last.end = slice.end;
                last.lines += slice.lines;
                return;
            }
            let rest = self.rest.get_or_insert_with(|| store.take_queue());
            rest.push_back(slice);
        }
        store.retain(slice.block);
    }

    /// So many of the first bytes owed must follow, also if the connection is cut.
    pub fn promise(&mut self, count: usize) {
        debug_assert!(count <= self.bytes, "more is promised than is owed");
        self.promised = u32::try_from(count).expect("a transport seals a few records at once");
    }

    /// Bytes that must follow, also if the connection is cut.
    pub fn promised(&self) -> usize {
        self.promised as usize
    }

    /// Bytes owed.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Slices held: references to blocks.
    pub fn references(&self) -> usize {
        usize::from(!self.is_empty()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    /// Lines that were taken as a whole.
    pub fn lines_taken(&self) -> u64 {
        self.lines_taken
    }

    /// Bytes that were taken.
    pub fn bytes_taken(&self) -> u64 {
        self.bytes_taken
    }

    /// When the oldest byte was queued: the age of the block it lies in.
    pub fn oldest(&self, store: &BlockStore) -> Option<Time> {
        self.slices()
            .next()
            .map(|slice| store.opened_at(slice.block))
    }

    /// What is owed, in order, as contiguous chunks.
    pub fn chunks<'a>(&'a self, store: &'a BlockStore) -> impl Iterator<Item = &'a [u8]> {
        let mut offset = self.head_offset as usize;
        self.slices()
            .map(move |slice| &store.bytes(slice)[std::mem::take(&mut offset)..])
    }

    /// A copy of all that is owed.
    pub fn copy(&self, store: &BlockStore) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes);
        bytes.extend(self.chunks(store).flatten());
        bytes
    }

    /// The first `count` bytes were taken.
    pub fn consume(&mut self, store: &mut BlockStore, count: usize) {
        debug_assert!(count <= self.bytes, "more was taken than is owed");
        debug_assert!(
            count >= self.promised(),
            "a part of what was sealed was taken"
        );
        self.promised = 0;
        self.bytes -= count;
        self.bytes_taken += count as u64;
        let mut rest = count + self.head_offset as usize;
        while rest > 0 && rest >= self.first.bytes() {
            let Slice { block, lines, .. } = self.first;
            rest -= self.first.bytes();
            self.lines_taken += u64::from(lines);
            store.release(block);
            let Some(next) = self.rest.as_mut().and_then(|rest| rest.pop_front()) else {
                self.first = Slice::default();
                break;
            };
            self.first = next;
        }
        self.head_offset = u32::try_from(rest).expect("it is less than a slice holds");
        self.give_back(store);
    }

    /// Forgets everything.
    pub fn clear(&mut self, store: &mut BlockStore) {
        for slice in self.slices() {
            store.release(slice.block);
        }
        self.rest.iter_mut().for_each(|rest| rest.clear());
        self.give_back(store);
        self.first = Slice::default();
        self.head_offset = 0;
        self.promised = 0;
        self.bytes = 0;
    }

    /// Forgets everything, and appends to `rest` what is promised, and what is missing of a line of
    /// which a part was taken or is promised, so that what comes next can start a line of its own.
    /// It is copied: a slice of it would keep its whole block in memory. What was promised still is:
    /// `rest` must be pushed before anything else.
    pub fn cut_to_line(&mut self, store: &mut BlockStore, encoding: Encoding, rest: &mut Vec<u8>) {
        let promised = self.promised;
        let mut start = self.head_offset as usize;
        let mut end = start + promised as usize;
        for slice in self.slices() {
            let bytes = store.bytes(slice);
            if end < bytes.len() {
                rest.extend_from_slice(&bytes[start..encoding.end_of_line(bytes, end)]);
                break;
            }
            rest.extend_from_slice(&bytes[start..]);
            (start, end) = (0, end - bytes.len());
        }
        self.clear(store);
        self.promised = promised;
    }

    /// Whether the byte count is what the slices say.
    pub fn is_sound(&self) -> bool {
        let sum: usize = self.slices().map(Slice::bytes).sum();
        sum == self.bytes + self.head_offset as usize
            && (self.bytes > 0 || self.rest.as_ref().is_none_or(|rest| rest.is_empty()))
            && self.promised() <= self.bytes
    }

    /// What held more than one slice serves whoever needs that next: an idle connection has none.
    fn give_back(&mut self, store: &mut BlockStore) {
        if let Some(rest) = self.rest.take_if(|rest| rest.is_empty()) {
            store.keep_queue(rest);
        }
    }

    /// All slices, in order.
    fn slices(&self) -> impl Iterator<Item = &Slice> {
        let first = (!self.is_empty()).then_some(&self.first);
        first
            .into_iter()
            .chain(self.rest.iter().flat_map(|rest| rest.iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::Mark;
    use super::*;

    fn store_with(lines: &[&str]) -> (BlockStore, Vec<Slice>) {
        let mut store = BlockStore::default();
        let id = store.open(Time::START);
        let slices = lines
            .iter()
            .map(|line| {
                let from = store.end(id);
                store.write(id, |bytes| {
                    bytes.extend_from_slice(line.as_bytes());
                    1
                });
                BlockStore::slice(id, from, store.end(id))
            })
            .collect();
        store.seal_later(id);
        (store, slices)
    }

    impl BlockStore {
        /// The test's own reference keeps the block while outboxes come and go.
        fn seal_later(&mut self, id: super::super::block::BlockId) {
            self.retain(id);
            self.seal(id);
        }
    }

    fn add(outbox: &mut Outbox, store: &mut BlockStore, slice: Slice) {
        outbox.push(store, slice);
    }

    fn all(outbox: &Outbox, store: &BlockStore) -> Vec<u8> {
        outbox.chunks(store).flatten().copied().collect()
    }

    #[test]
    fn any_sequence_of_partial_writes_takes_the_exact_bytes() {
        let (mut store, slices) = store_with(&["a\n", "bcd\n", "own\n", "efghij\n", "k\n"]);
        let expected = b"a\nbcd\nefghij\nk\n".to_vec();
        for step in 1..=expected.len() {
            for first in 0..=expected.len() {
                let mut outbox = Outbox::default();
                for slice in [0, 1, 3, 4].map(|index| slices[index]) {
                    add(&mut outbox, &mut store, slice);
                }
                assert_eq!(outbox.references(), 2, "what is contiguous is one slice");
                let mut taken = Vec::new();
                let mut want = first;
                while !outbox.is_empty() {
                    let count = want.min(outbox.bytes());
                    taken.extend_from_slice(&all(&outbox, &store)[..count]);
                    outbox.consume(&mut store, count);
                    assert!(outbox.is_sound());
                    want = step;
                }
                assert_eq!(taken, expected, "first {first}, then by {step}");
                assert_eq!(outbox.lines_taken(), 4);
                assert_eq!(store.references(), 1);
            }
        }
    }

    #[test]
    fn a_cut_keeps_the_rest_of_a_begun_line_alone() {
        for taken in 0..=10 {
            let (mut store, slices) = store_with(&["abc\n", "own\n", "defgh\n"]);
            let mut outbox = Outbox::default();
            add(&mut outbox, &mut store, slices[0]);
            add(&mut outbox, &mut store, slices[2]);
            outbox.consume(&mut store, taken);
            let mut rest = Vec::new();
            outbox.cut_to_line(&mut store, Encoding::Text, &mut rest);
            assert!(outbox.is_sound() && outbox.is_empty());
            let sent = &b"abc\ndefgh\n"[..taken];
            let seen = [sent, &rest].concat();
            assert!(
                seen.is_empty() || seen.ends_with(b"\n"),
                "{taken}: {seen:?}"
            );
            assert!(rest.len() < 6, "{taken}: only a rest is kept");
            assert_eq!(store.references(), 1);
        }
    }

    #[test]
    fn a_cut_keeps_what_is_promised_up_to_the_end_of_its_line() {
        let all = b"abc\ndefgh\nij\n";
        for taken in 0..all.len() {
            for promised in 0..=all.len() - taken {
                let (mut store, slices) = store_with(&["abc\n", "own\n", "defgh\n", "ij\n"]);
                let mut outbox = Outbox::default();
                for slice in [0, 2, 3].map(|index| slices[index]) {
                    add(&mut outbox, &mut store, slice);
                }
                outbox.consume(&mut store, taken);
                outbox.promise(promised);
                let mut rest = Vec::new();
                outbox.cut_to_line(&mut store, Encoding::Text, &mut rest);
                let must = taken + promised;
                let line_end = (must..=all.len()).find(|&end| end == 0 || all[end - 1] == b'\n');
                let end = line_end.expect("the last line has an end");
                assert_eq!(rest, all[taken..end], "{taken} taken, {promised} promised");
                assert_eq!(outbox.promised(), promised);
                assert_eq!(store.references(), 1);
            }
        }
    }

    #[test]
    fn what_is_forgotten_is_released() {
        let (mut store, slices) = store_with(&["abc\n", "own\n", "defgh\n"]);
        let mut outbox = Outbox::default();
        add(&mut outbox, &mut store, slices[0]);
        add(&mut outbox, &mut store, slices[2]);
        outbox.consume(&mut store, 2);
        outbox.clear(&mut store);
        assert_eq!((outbox.bytes(), store.references()), (0, 1));
        assert!(outbox.is_sound());
    }

    #[test]
    fn whoever_is_owed_nothing_holds_no_memory() {
        let (mut store, slices) = store_with(&["abc\n", "own\n", "defgh\n"]);
        let mut outbox = Outbox::default();
        for take_all in [
            |outbox: &mut Outbox, store: &mut BlockStore| outbox.consume(store, 10),
            |outbox: &mut Outbox, store: &mut BlockStore| outbox.clear(store),
        ] {
            add(&mut outbox, &mut store, slices[0]);
            add(&mut outbox, &mut store, slices[2]);
            assert!(outbox.rest.is_some(), "two slices are not one");
            take_all(&mut outbox, &mut store);
            assert!(outbox.rest.is_none());
        }
    }

    #[test]
    fn a_burst_leaves_no_memory_behind() {
        let mut store = BlockStore::default();
        let mut outbox = Outbox::default();
        let id = store.open(Time::START);
        let mut slices = Vec::new();
        for _ in 0..1000 {
            let from = store.end(id);
            store.write(id, |bytes| {
                bytes.extend_from_slice(b"x\ny\n");
                2
            });
            let own = Mark {
                bytes: from.bytes + 2,
                lines: from.lines + 1,
            };
            slices.push(BlockStore::slice(id, own, store.end(id)));
        }
        for slice in slices {
            add(&mut outbox, &mut store, slice);
        }
        store.seal(id);
        assert_eq!(outbox.references(), 1000);
        let bytes = outbox.bytes();
        outbox.consume(&mut store, bytes);
        assert!(outbox.rest.is_none());
        assert!(store.is_empty());
        assert_eq!(store.take_queue().capacity(), 0, "it was not worth keeping");
    }
}
