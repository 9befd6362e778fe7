//! `Measures`: how long turns take, and how long messages wait for their flush. It is told both and reads
//! no clock. Owned by the reporter.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Time;

use super::histogram::Histogram;

/// Turns whose messages may wait at once to be written to everybody: those of more turns count as if
/// they had come with the last of these.
const TURNS_WAITING_MAX: usize = 64;

/// See the file.
#[derive(Debug)]
pub(super) struct Measures {
    pub(super) turns: Histogram,
    /// From the beginning of the turn in which a message was read until it was written to everybody
    /// who hears it, as far as their sockets took it.
    pub(super) flushes: Histogram,
    messages: u64,
    /// When turns began, and how many of their messages are not written to everybody.
    waiting: VecDeque<(Time, u64)>,
}

impl Measures {
    pub(super) fn new() -> Measures {
        Measures {
            turns: Histogram::default(),
            flushes: Histogram::default(),
            messages: 0,
            waiting: VecDeque::with_capacity(TURNS_WAITING_MAX),
        }
    }

    /// The turn that began then has written as much as it had time for, after so long: so many
    /// messages were said since the start, and those of turns before `unwritten_since` were written
    /// to everybody.
    pub(super) fn flushed(
        &mut self,
        began: Time,
        took: Duration,
        messages: u64,
        unwritten_since: Option<Time>,
    ) {
        let new = messages - std::mem::replace(&mut self.messages, messages);
        let is_full = self.waiting.len() == TURNS_WAITING_MAX;
        if new > 0 {
            match self.waiting.back_mut() {
                Some((_, count)) if is_full => *count += new,
                _ => self.waiting.push_back((began, new)),
            }
        }
        let unwritten_since = unwritten_since.unwrap_or(Time::NEVER);
        while let Some(&(said, count)) = self.waiting.front()
            && said < unwritten_since
        {
            self.waiting.pop_front();
            self.flushes.add(began.since(said) + took, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_count_when_everybody_was_written_to() {
        let mut measures = Measures::new();
        let at = |millis| Time::after_start(Duration::from_millis(millis));
        let took = Duration::from_millis(1);
        let counted = |measures: &Measures| measures.flushes.cumulative()[13];
        measures.flushed(at(10), took, 3, None);
        assert_eq!(counted(&measures), 3);
        // Somebody waits since this turn, and then since the next.
        measures.flushed(at(20), took, 5, Some(at(20)));
        measures.flushed(at(30), took, 6, Some(at(20)));
        assert_eq!(counted(&measures), 3);
        measures.flushed(at(40), took, 6, Some(at(30)));
        assert_eq!(counted(&measures), 5);
        measures.flushed(at(50), took, 6, None);
        assert_eq!(counted(&measures), 6);
        let millis = 3 + 2 * 21 + 21;
        assert_eq!(measures.flushes.sum(), Duration::from_millis(millis));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut measures = Measures::new();
        for turn in 1..=1000 {
            let at = Time::after_start(Duration::from_secs(turn));
            let first = Time::after_start(Duration::from_secs(1));
            measures.flushed(at, Duration::ZERO, turn, Some(first));
        }
        assert_eq!(measures.waiting.len(), TURNS_WAITING_MAX);
        let at = Time::after_start(Duration::from_secs(1001));
        measures.flushed(at, Duration::ZERO, 1000, None);
        assert_eq!(measures.flushes.cumulative()[13], 1000);
    }
}
