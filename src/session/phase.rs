//! `Phase`: how far a session has come, and the table of its transitions. Nothing but the phase;
//! what goes with a step (a last line, a deadline) is done by whoever takes it.

use crate::time::Time;

use super::end::CloseReason;

/// How far a session has come. It only ever goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has no name yet, and was told what to do or not.
    Naming {
        /// Whether it was told.
        prompted: bool,
    },
    /// It has no name and has posted: as long as it goes on, it needs none.
    Posting,
    /// It has a name.
    Chatting,
    /// It has left; what it is owed is still written, until then.
    Draining {
        /// Why it left.
        reason: CloseReason,
        /// How long it may take what it is owed.
        until: Time,
    },
    /// Everything is written and our side is shut. What still comes is read and dropped, so that
    /// it does not become a reset that destroys the last lines on their way.
    Lingering {
        /// Why it left.
        reason: CloseReason,
        /// How long that may go on.
        until: Time,
    },
    /// Nothing more to do but to close it.
    Doomed {
        /// Why it left.
        reason: CloseReason,
    },
}

/// Something that makes a session go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was told what to do.
    Prompt,
    /// It said something without a name.
    Post,
    /// It got a name.
    Name,
    /// It leaves, for this reason, and may take what it is owed until then.
    End(CloseReason, Time),
    /// It has taken all it was owed, and is read from until then.
    Linger(Time),
    /// Nothing can be written to it any more, or need be.
    Doom,
}

impl Phase {
    /// The table of transitions: where a step leads; `None` where there is no such step.
    #[must_use]
    pub fn after(self, step: Step) -> Option<Phase> {
        Some(match (self, step) {
            (Phase::Naming { prompted: false }, Step::Prompt) => Phase::Naming { prompted: true },
            (Phase::Naming { .. }, Step::Post) => Phase::Posting,
            (Phase::Naming { .. } | Phase::Posting, Step::Name) => Phase::Chatting,
            (Phase::Naming { .. } | Phase::Posting | Phase::Chatting, Step::End(reason, until)) => {
                Phase::Draining { reason, until }
            }
            (Phase::Draining { reason, .. }, Step::Linger(until)) => {
                Phase::Lingering { reason, until }
            }
            (Phase::Draining { reason, .. } | Phase::Lingering { reason, .. }, Step::Doom) => {
                Phase::Doomed { reason }
            }
            _ => return None,
        })
    }

    /// Why it left, once it has.
    pub fn reason(self) -> Option<CloseReason> {
        match self {
            Phase::Naming { .. } | Phase::Posting | Phase::Chatting => None,
            Phase::Draining { reason, .. }
            | Phase::Lingering { reason, .. }
            | Phase::Doomed { reason } => Some(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_only_ever_goes_on() {
        let at = Time::START;
        let steps = [
            Step::Prompt,
            Step::Post,
            Step::Name,
            Step::End(CloseReason::Quit, at),
            Step::Linger(at),
            Step::Doom,
        ];
        let rank = |phase| match phase {
            Phase::Naming { prompted } => u32::from(prompted),
            Phase::Posting => 2,
            Phase::Chatting => 3,
            Phase::Draining { .. } => 4,
            Phase::Lingering { .. } => 5,
            Phase::Doomed { .. } => 6,
        };
        let mut reached = vec![Phase::Naming { prompted: false }];
        let mut index = 0;
        while index < reached.len() {
            let phase = reached[index];
            for next in steps.iter().filter_map(|&step| phase.after(step)) {
                assert!(rank(next) > rank(phase), "{phase:?} to {next:?}");
                assert!(phase.reason().is_none() || phase.reason() == next.reason());
                if !reached.contains(&next) {
                    reached.push(next);
                }
            }
            index += 1;
        }
        assert_eq!(reached.len(), 7, "{reached:?}");
    }
}
