//! What follows from one limit for another. Which limits there are is `limits`'s. Part of the
//! configuration.

use std::time::Duration;

use super::Limits;
use super::limits::{ANSWER_BYTES, NAME_IN_LIST_BYTES};

impl Limits {
    /// These limits, with those that no flag sets brought in line with those that one does:
    /// a quarter of an outbox is the most that one turn of a room, the history, or one answer
    /// may put into it, so that no single event overflows a healthy reader.
    #[must_use]
    pub fn with_derived(self) -> Limits {
        let share = self.outbox_bytes_max / 4;
        let listed_max = share / NAME_IN_LIST_BYTES;
        let has_rate = self.rate_lines_per_second > 0;
        Limits {
            block_bytes_max: share.min(240 << 10),
            // Of who hears many rooms, too: then less than half is free, and is not overflowed
            // before anybody is held for it.
            turn_bytes_max: (share + share / 2).min(4 << 20),
            history_bytes_max: share.min(256 << 10),
            who_names_max: listed_max.min(1000),
            rooms_listed_max: listed_max.min(1000),
            // What lies beyond a connection's rate must be kept for it: so where a rate is on,
            // little is read at once.
            read_bytes_max: if has_rate { 4 << 10 } else { 64 << 10 },
            byte_rate_bytes_per_second: self.byte_rate(),
            tls_handshake_timeout: self.name_timeout.min(Duration::from_secs(10)),
            // More than all members hold who are only held to their rate; and never so much that
            // readers are cut for it.
            unhandled_bytes_max: self.outbox_total_bytes_max / 2,
            ..self
        }
    }

    /// Bytes a second that a connection may say; 0 is off. Off, too, where the rate in lines is.
    pub fn byte_rate(&self) -> usize {
        if self.rate_lines_per_second == 0 {
            0
        } else {
            self.byte_rate_bytes_per_second
        }
    }

    /// The smallest outbox that holds, at once, the welcome, the history and a full block with
    /// the line that filled it. Of the outbox these may take a quarter each.
    pub(super) fn outbox_bytes_min(&self) -> usize {
        2 * self.said_bytes_max()
    }

    /// What a line of a client takes at most when it leaves the server, with all that stands
    /// around it: one byte of it may become the three of U+FFFD.
    pub(super) fn said_bytes_max(&self) -> usize {
        3 * self.line_bytes_max + ANSWER_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::super::Contradiction;
    use super::super::limits::LINE_BYTES;
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_derived() {
        let limits = Limits::default();
        assert_eq!(Contradiction::check(&limits), Ok(()));
        assert_eq!(limits.clone().with_derived(), limits);
    }

    #[test]
    fn the_smallest_outbox_holds_a_welcome_a_history_and_an_overfull_block() {
        for line_bytes_max in [*LINE_BYTES.start(), 4096, *LINE_BYTES.end()] {
            let mut limits = Limits {
                line_bytes_max,
                ..Limits::default()
            };
            limits.outbox_bytes_max = limits.outbox_bytes_min();
            let limits = limits.with_derived();
            assert_eq!(Contradiction::check(&limits), Ok(()));
            let line_that_filled_it = 3 * line_bytes_max + NAME_IN_LIST_BYTES;
            let welcome = (limits.welcome_names_max + 2) * NAME_IN_LIST_BYTES;
            let most =
                limits.block_bytes_max + limits.history_bytes_max + line_that_filled_it + welcome;
            assert!(most <= limits.outbox_bytes_max, "{limits:?}");
            assert!(limits.who_names_max >= limits.welcome_names_max);
        }
    }

    #[test]
    fn what_depends_on_the_rate_follows_it() {
        let limits = |rate_lines_per_second| {
            let limits = Limits {
                rate_lines_per_second,
                ..Limits::default()
            };
            limits.with_derived()
        };
        // Less is read at once where a rate is on.
        assert_eq!(limits(0).read_bytes_max, 64 << 10);
        assert_eq!(limits(1).read_bytes_max, 4 << 10);
        assert_eq!(limits(0).byte_rate_bytes_per_second, 0);
        assert_eq!(limits(1).byte_rate_bytes_per_second, 16 << 10);
    }

    #[test]
    fn every_contradiction_is_found_and_said_in_one_line() {
        let good = Limits::default;
        #[rustfmt::skip]
        let faults = [
            ("--burst 0", Limits { burst_lines_max: 0, ..good() }),
            ("--byte-burst 16383", Limits { byte_burst_bytes_max: 16_383, ..good() }),
            ("--outbox-max 32767", Limits { outbox_bytes_max: 32_767, ..good() }),
            ("--outbox-total-max 1048575", Limits { outbox_total_bytes_max: (1 << 20) - 1, ..good() }),
            ("--history-total-max 262143", Limits { history_total_bytes_max: (1 << 18) - 1, ..good() }),
        ];
        for (start, limits) in faults {
            let said = Contradiction::check(&limits).expect_err(start).to_string();
            assert!(said.starts_with(start), "{said:?} does not say {start:?}");
            assert!(said.contains("choose"), "{said:?} does not say what to do");
            assert!(!said.contains('\n'), "{said:?} is more than a line");
        }
        #[rustfmt::skip]
        let off = [
            Limits { rate_lines_per_second: 0, burst_lines_max: 0, byte_burst_bytes_max: 0, ..good() },
            Limits { byte_rate_bytes_per_second: 0, byte_burst_bytes_max: 0, ..good() },
            Limits { history_lines_max: 0, history_total_bytes_max: 0, ..good() },
        ];
        for limits in off {
            assert_eq!(Contradiction::check(&limits), Ok(()));
        }
    }
}
