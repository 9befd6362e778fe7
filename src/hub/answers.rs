//! What answers may cost: who asks for much is answered with a budget of its own, and a turn serves
//! everybody else before it goes on with large answers. Owned by the requests.

use std::collections::{HashMap, VecDeque};

use crate::bucket::{Bucket, Rate};
use crate::chat::{Act, Command, Request};
use crate::config::Limits;
use crate::session::SessionId;
use crate::time::Time;

use super::later::Later;

/// The budgets of those who were answered lately, and who waits for an answer.
#[derive(Debug)]
pub(super) struct Answers {
    rate: Option<Rate>,
    /// A session that is not here has all of its budget.
    budgets: HashMap<SessionId, Bucket>,
    turn_bytes_max: u64,
    /// Bytes of answers in this turn.
    turn_bytes: u64,
    /// Sessions that were put off since the turn had answered enough.
    waiting: VecDeque<SessionId>,
}

impl Answers {
    pub(super) fn new(limits: &Limits) -> Answers {
        let count = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        Answers {
            rate: Rate::new(
                count(limits.answer_bytes_per_second),
                count(limits.answer_burst_bytes_max),
            ),
            budgets: HashMap::new(),
            turn_bytes_max: limits.answers_per_turn_bytes_max as u64,
            turn_bytes: 0,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn start_turn(&mut self) {
        self.turn_bytes = 0;
    }

    /// A session waits for a turn that has answered less.
    pub(super) fn wait(&mut self, id: SessionId) {
        self.waiting.push_back(id);
    }

    /// A session was answered with so many bytes.
    pub(super) fn charge(&mut self, id: SessionId, now: Time, bytes: u64) {
        self.turn_bytes += bytes;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if bytes >= LARGE_BYTES_MIN {
            self.forget_full(now);
            let budget = self.budgets.entry(id).or_default();
            budget.take(now, self.rate, bytes);
        }
    }

    /// A budget that is full again is as good as none: the table grows only for those that are not.
    fn forget_full(&mut self, now: Time) {
        if self.budgets.len() == self.budgets.capacity() {
            self.budgets.retain(|_, budget| !budget.is_full(now));
            // So that what stays is not looked through again for the next few alone.
            self.budgets.reserve(self.budgets.len());
        }
    }

    /// The connection is gone.
    pub(super) fn forget(&mut self, id: SessionId) {
        self.budgets.remove(&id);
    }

    /// Whether a request may be answered now, if its answer may be large; else what it waits for.
    pub(super) fn check_request(
        &mut self,
        id: SessionId,
        request: &Request<'_>,
        now: Time,
    ) -> Result<(), Later> {
        match request.command {
            Command::Enter(_)
            | Command::Act(Act::Join { .. } | Act::Move | Act::Who | Act::Rooms)
            | Command::History(_)
            | Command::Help => self.check(id, now),
            _ => Ok(()),
        }
    }

    /// How many wait for a turn that has answered less.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Who has waited for longest, unless this turn has answered enough.
    pub(super) fn next_waiting(&mut self) -> Option<SessionId> {
        if self.turn_bytes >= self.turn_bytes_max {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Whether a session may have a large answer now; else what it waits for.
    pub(super) fn check(&mut self, id: SessionId, now: Time) -> Result<(), Later> {
        if let Some(budget) = self.budgets.get(&id) {
            budget.check(now, self.rate).map_err(Later::Answers)?;
            if budget.is_full(now) {
                self.budgets.remove(&id);
            }
        }
        if self.turn_bytes >= self.turn_bytes_max {
            return Err(Later::AnswersOfTurn);
        }
        Ok(())
    }
}

/// An answer below this is none that a budget is kept for: it costs about as much as its question.
const LARGE_BYTES_MIN: u32 = 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_has_rested_takes_no_memory() {
        let mut answers = Answers::new(&Limits::default());
        for id in 0..10_000 {
            let now = Time::after_start(Duration::from_millis(u64::from(id)));
            answers.charge(SessionId(id), now, 10 << 10);
        }
        assert!(answers.budgets.capacity() < 100, "{answers:?}");
    }

    #[test]
    fn whoever_has_not_is_remembered() {
        let mut answers = Answers::new(&Limits::default());
        for id in 0..1000 {
            answers.charge(SessionId(id), Time::START, 5 << 20);
        }
        for id in 0..1000 {
            assert!(answers.budgets.contains_key(&SessionId(id)), "{id}");
        }
    }
}
