//! `Contradiction`: limits that cannot work together, and how that is said. The bounds of each limit stand
//! where its flag is read. Part of the configuration.

use std::fmt;

use super::Limits;

/// Settings that cannot work together: in one plain line which, and what to choose instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction(String);

impl Contradiction {
    /// Looks for limits that cannot work together. That each is within its own bounds is seen to
    /// where its flag is read.
    ///
    /// # Errors
    /// The first fault that was found; its text names the flag and what to choose instead.
    pub fn check(limits: &Limits) -> Result<(), Contradiction> {
        let fault = |said| Err(Contradiction(said));
        let (outbox, outbox_min) = (limits.outbox_bytes_max, limits.outbox_bytes_min());
        if limits.rate_lines_per_second > 0 && limits.burst_lines_max == 0 {
            let rate = limits.rate_lines_per_second;
            return fault(format!(
                "--burst 0 with --rate {rate} lets no line through: \
                 choose a burst of 1 or more, or --rate 0 for no limit"
            ));
        }
        let (burst, line) = (limits.byte_burst_bytes_max, limits.said_bytes_max());
        if limits.byte_rate() > 0 && burst < line {
            return fault(format!(
                "--byte-burst {burst} does not let the longest line through, which may leave as \
                 {line} bytes: choose {line} or more, or --byte-rate 0 for no limit"
            ));
        }
        if outbox < outbox_min {
            let line = limits.line_bytes_max;
            return fault(format!(
                "--outbox-max {outbox} is too small for lines of {line} bytes: \
                 choose {outbox_min} or more, or a smaller --line-max"
            ));
        }
        let total = limits.outbox_total_bytes_max;
        if total < outbox {
            return fault(format!(
                "--outbox-total-max {total} is less than the {outbox} of --outbox-max for a \
                 single connection: choose {outbox} or more"
            ));
        }
        let (total, single) = (limits.history_total_bytes_max, limits.history_bytes_max);
        if limits.history_lines_max > 0 && total < single {
            return fault(format!(
                "--history-total-max {total} is less than the {single} bytes that a single room \
                 may keep: choose {single} or more, or --history 0 for none"
            ));
        }
        Ok(())
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for Contradiction {}
