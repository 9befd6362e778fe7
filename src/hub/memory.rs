//! `Memory`: where lines are made clean, and memory for those that are not finished. It decides
//! nothing of a line. Owned by the hub.

/// Memory kept for unfinished lines to come: those of thousands who are in the middle of a usual
/// one, little beside what as many sessions take.
const SPARE_LINES_BYTES_MAX: usize = 1 << 20;

/// Where lines are made clean, and memory for those that are not finished.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) scratch: String,
    /// Lines that were taken out of frames.
    pub(super) unframed: Vec<u8>,
    spare_lines: Vec<Vec<u8>>,
    spare_bytes: usize,
    /// Memory of what all sessions have said that is not handled yet.
    pub(super) kept_bytes: usize,
    /// What carries the connections holds.
    pub(super) transport_bytes: usize,
}

impl Memory {
    pub(super) fn take_spare(&mut self) -> Vec<u8> {
        let spare = self.spare_lines.pop().unwrap_or_default();
        self.spare_bytes -= spare.capacity();
        spare
    }

    /// A buffer larger than a line needs is not kept: a few bytes of somebody who then says
    /// nothing more would hold it.
    pub(super) fn keep_spare(&mut self, spare: Vec<u8>, line_bytes_max: usize) {
        let bytes = self.spare_bytes + spare.capacity();
        if spare.capacity() <= 2 * line_bytes_max && bytes <= SPARE_LINES_BYTES_MAX {
            self.spare_bytes = bytes;
            self.spare_lines.push(spare);
        }
    }
}
