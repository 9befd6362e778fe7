//! `Later`: what a line waits for that cannot be handled now. Only the words for it; who waits is
//! listed where it is waited for (`answers`, `pace`, `queues`). Nobody owns anything here.

use crate::session::Hold;
use crate::time::Time;

/// A line that is to be handled later.
pub(super) struct Postponed {
    pub(super) line: Vec<u8>,
    pub(super) later: Later,
}

/// What a line waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Later {
    /// That its session may have another large answer: not before that.
    Answers(Time),
    /// That a turn has not given as many large answers yet.
    AnswersOfTurn,
    /// That the readers of its room get on.
    Pace,
    /// That a turn has not said as much yet.
    Turn,
    /// That the archive has caught up.
    Behind,
    /// That it is known from where it comes.
    Location,
}

impl Later {
    pub(super) fn hold(self) -> Hold {
        match self {
            Later::Answers(until) => Hold::Answers(until),
            Later::AnswersOfTurn => Hold::AnswersOfTurn,
            Later::Pace => Hold::Pace,
            Later::Turn => Hold::Turn,
            Later::Behind => Hold::Behind,
            Later::Location => Hold::Location,
        }
    }
}

/// Whether what may hold lines back does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// It does.
    Apply,
    /// It does not: these lines were sent before something that must come behind them.
    Waived,
}
