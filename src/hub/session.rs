//! `Session`: one connection as the hub sees it: how far it has come, the line it has not
//! finished, what it is owed, what its rate allows, and when something is due. No socket, no
//! clock. Owned by the hub's delivery, in the slot of its connection.

use std::time::Duration;

use crate::chat::{CloseReason, RoomId};
use crate::config::Limits;
use crate::dialect::line::LineBuffer;
use crate::fanout::block::{BlockStore, Mark};
use crate::fanout::outbox::Outbox;
use crate::time::Time;

/// How far a session has come. It only ever goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has no name yet, and was told what to do or not.
    Naming { prompted: bool },
    /// It has a name and is in a room.
    Chatting,
    /// It has left; what it is owed is still written, until then.
    Draining { reason: CloseReason, until: Time },
    /// Everything is written and our side is shut. What still comes is read and dropped, so that
    /// it does not become a reset that destroys the last lines on their way.
    Lingering { reason: CloseReason, until: Time },
    /// Nothing more to do but to close it.
    Doomed { reason: CloseReason },
}

/// Why lines of a session are not handled although they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// They are.
    No,
    /// It is over its rate, until then.
    Rate(Time),
    /// Its room has said enough in this turn.
    Turn,
    /// It does not read its answers.
    Outbox,
}

/// Whether the other side may still send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Open,
    /// It has closed its side; what it sent before may not be handled yet.
    Ended,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) phase: Phase,
    pub(super) input: Input,
    pub(super) hold: Hold,
    pub(super) lines: LineBuffer,
    pub(super) outbox: Outbox,
    /// Its room, as far as delivery goes, and how far into the room's open block it is served.
    pub(super) room: Option<RoomId>,
    pub(super) served: Mark,
    /// In the list of those that have something to write.
    pub(super) dirty: bool,
    /// In the list of those whose outbox passed its bound.
    pub(super) overflowed: bool,
    pub(super) bucket: Bucket,
    pub(super) connected_at: Time,
    /// When it last said something.
    pub(super) active_at: Time,
    /// The earliest point at which the hub will look at its deadlines.
    pub(super) armed: Time,
    pub(super) lines_in: u64,
    pub(super) bytes_in: u64,
    /// What it was called, once it has left.
    pub(super) left_as: Option<Box<str>>,
}

impl Session {
    pub(super) fn new(now: Time) -> Session {
        Session {
            phase: Phase::Naming { prompted: false },
            input: Input::Open,
            hold: Hold::No,
            lines: LineBuffer::default(),
            outbox: Outbox::default(),
            room: None,
            served: Mark::default(),
            dirty: false,
            overflowed: false,
            bucket: Bucket::default(),
            connected_at: now,
            active_at: now,
            armed: Time::NEVER,
            lines_in: 0,
            bytes_in: 0,
            left_as: None,
        }
    }

    /// Whether it still takes part: it has a name, or may yet give one.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Naming { .. } | Phase::Chatting)
    }

    /// When something is due that only time brings about.
    pub(super) fn deadline(&self, store: &BlockStore, limits: &Limits) -> Time {
        let stalled = self
            .outbox
            .oldest(store)
            .map_or(Time::NEVER, |oldest| oldest + limits.stall_timeout);
        let held = match self.hold {
            Hold::Rate(until) => until,
            Hold::No | Hold::Turn | Hold::Outbox => Time::NEVER,
        };
        match self.phase {
            Phase::Naming { prompted } => {
                let silent = !prompted && self.bytes_in == 0;
                let prompt = if silent {
                    self.connected_at + limits.prompt_timeout
                } else {
                    Time::NEVER
                };
                prompt
                    .min(self.connected_at + limits.name_timeout)
                    .min(held)
                    .min(stalled)
            }
            Phase::Chatting => held.min(stalled),
            Phase::Draining { until, .. } | Phase::Lingering { until, .. } => until,
            Phase::Doomed { .. } => Time::NEVER,
        }
    }
}

/// What `--rate` and `--burst` allow, as times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// What one line takes out of the bucket.
    interval: Duration,
    /// What the bucket holds, less one line.
    burst: Duration,
}

impl Rate {
    /// `None` when it is off.
    pub(super) fn of(limits: &Limits) -> Option<Rate> {
        let interval = Duration::from_secs(1).checked_div(limits.rate_lines_per_second)?;
        let burst = interval.saturating_mul(limits.burst_lines_max.saturating_sub(1));
        Some(Rate { interval, burst })
    }
}

/// The rate of one connection as a token bucket, kept as one number: the time at which it will be
/// full again (the generic cell rate algorithm of ATM Forum TM 4.0, virtual scheduling form).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    full_at: Time,
    /// Said once until the bucket is full again.
    pub(super) warned: bool,
}

impl Bucket {
    /// Whether a line may be handled now; else the time from which it may be.
    pub(super) fn check(&self, now: Time, rate: Option<Rate>) -> Result<(), Time> {
        match rate.map(|rate| self.full_at - rate.burst) {
            Some(free_at) if free_at > now => Err(free_at),
            _ => Ok(()),
        }
    }

    /// A line was handled.
    pub(super) fn take(&mut self, now: Time, rate: Option<Rate>) {
        let Some(rate) = rate else { return };
        if self.full_at <= now {
            self.full_at = now;
            self.warned = false;
        }
        self.full_at = self.full_at + rate.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_allows_the_burst_then_the_rate() {
        let limits = Limits {
            rate_lines_per_second: 10,
            burst_lines_max: 5,
            ..Limits::default()
        };
        let rate = Rate::of(&limits);
        let mut bucket = Bucket::default();
        let start = Time::after_start(Duration::from_secs(1));
        let mut handled = Vec::new();
        for tick in 0..1000u64 {
            let now = start + Duration::from_millis(tick);
            while bucket.check(now, rate).is_ok() {
                bucket.take(now, rate);
                handled.push(tick);
            }
        }
        assert_eq!(handled[..6], [0, 0, 0, 0, 0, 100]);
        assert_eq!(handled.len(), 5 + 9);
        assert_eq!(
            bucket.check(start + Duration::from_millis(999), rate),
            Err(start + Duration::from_secs(1))
        );
    }

    #[test]
    fn a_session_is_small() {
        assert!(
            size_of::<Session>() <= 272,
            "{} bytes",
            size_of::<Session>()
        );
    }
}
