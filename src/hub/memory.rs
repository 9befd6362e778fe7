//! `Memory`: what was sent and is not handled (unfinished lines, heads, posts, lines that are held
//! back), counted; and where lines are made clean. It decides nothing of a line. Owned by the core.

use crate::dialect::line::LineBuffer;
use crate::session::{Door, Session};

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
    /// Keeps bytes of a session to be handled later.
    pub(super) fn keep(&mut self, session: &mut Session, bytes: &[u8]) {
        self.kept_bytes -= session.lines.memory_bytes();
        session.lines.keep(bytes);
        self.kept_bytes += session.lines.memory_bytes();
    }

    /// What a session has said that is not handled yet, to be handled now: not counted until it is
    /// given back.
    pub(super) fn take_lines(&mut self, session: &mut Session) -> LineBuffer {
        let lines = std::mem::take(&mut session.lines);
        self.kept_bytes -= lines.memory_bytes();
        lines
    }

    pub(super) fn give_lines(&mut self, session: &mut Session, mut lines: LineBuffer) {
        lines.give_back();
        self.kept_bytes += lines.memory_bytes();
        session.lines = lines;
    }

    /// What a session has said that is not handled yet is forgotten.
    pub(super) fn forget_lines(&mut self, session: &mut Session) {
        self.take_lines(session);
    }

    /// Takes away what stands between a session's bytes and lines.
    pub(super) fn take_door(&mut self, session: &mut Session) -> Option<Door> {
        let door = session.door.take()?;
        self.kept_bytes -= door.kept_bytes();
        Some(*door)
    }

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
