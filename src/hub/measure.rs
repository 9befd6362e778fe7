//! `Measure`: how much of what costs the engine's own time was done in this turn, and whether the rest
//! is to wait for the next. Counts and not times, so that a turn stays the same when it is played
//! again. Owned by delivery; what is read and written is measured by the turn itself.

use crate::config::Limits;

/// What one turn has done.
#[derive(Debug)]
pub(super) struct Measure {
    turn_bytes_max: usize,
    lines_per_turn_max: usize,
    hearers_per_turn_max: usize,
    ends_per_turn_max: usize,
    /// The count of lines up to which this turn handles them.
    lines_in_max: u64,
    /// Sessions that have ended, each as often as it was in a room, and once at least.
    ends: usize,
    /// Memory is short, and those who wait to be written to, or to be cut, may be why: nobody says more
    /// until they were.
    pub(super) is_pressed: bool,
}

/// What was said in this turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct SaidInTurn {
    pub(super) bytes: usize,
    /// Lines that came in since the beginning.
    pub(super) lines_in: u64,
    /// Who is told something by a room, each counted for each room.
    pub(super) hearers: usize,
}

impl Measure {
    pub(super) fn new(limits: &Limits) -> Measure {
        Measure {
            turn_bytes_max: limits.turn_bytes_max,
            lines_per_turn_max: limits.lines_per_turn_max,
            hearers_per_turn_max: limits.hearers_per_turn_max,
            ends_per_turn_max: limits.ends_per_turn_max,
            lines_in_max: 0,
            ends: 0,
            is_pressed: false,
        }
    }

    /// A turn begins, before which so many lines have come in.
    pub(super) fn start_turn(&mut self, lines_in: u64) {
        self.ends = 0;
        self.lines_in_max = lines_in + self.lines_per_turn_max as u64;
    }

    /// A session ends that is in so many rooms, each of which it leaves.
    pub(super) fn count_end(&mut self, rooms: usize) {
        self.ends += rooms.max(1);
    }

    /// Whether so much has ended that whatever else is to end can wait for the next turn, which begins
    /// at once.
    pub(super) fn has_ended_enough(&self) -> bool {
        self.ends >= self.ends_per_turn_max
    }

    /// Whether nobody is to be read from any more in this turn.
    pub(super) fn is_full(&self, said: SaidInTurn) -> bool {
        self.is_pressed
            || self.has_ended_enough()
            || said.bytes >= self.turn_bytes_max
            || said.lines_in >= self.lines_in_max
            || said.hearers >= self.hearers_per_turn_max
    }
}
