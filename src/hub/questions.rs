//! `Questions`: what is asked of the past beyond memory, and who waits for an answer; and whether
//! those who talk wait until the archive has caught up. Where the past lies and how it is read is
//! not its business: whoever drives the hub takes the questions out and brings the answers. Owned by
//! the core.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::archive::Query;
use crate::chat::PageEnd;
use crate::dialect::Refusal;
use crate::session::SessionId;
use crate::time::Time;

/// Which question an answer is for. Counted, so that an answer that comes late never reaches
/// whoever has the slot by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuestionId(pub u64);

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// Whether there is an archive.
    pub(super) is_open: bool,
    last: u64,
    asked: VecDeque<(QuestionId, Query)>,
    /// In the order in which they were asked.
    waiting: BTreeMap<QuestionId, Asker>,
    is_behind: bool,
    /// Sessions whose next line is something to keep, and which wait until the archive has caught up.
    held: Vec<SessionId>,
}

/// Who waits for an answer.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) session: SessionId,
    /// The room as it is shown.
    pub(super) room: Box<str>,
    pub(super) wants: Wants,
    /// How many messages.
    pub(super) limit: usize,
    pub(super) reference: Option<Box<str>>,
    pub(super) asked_at: Time,
}

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// A page from there, of a room that it is in.
    Page(PageEnd),
    /// What is found.
    Found,
    /// The answer to a request over HTTP: a page from there, of whatever room.
    Response(PageEnd),
}

/// Answers that are waited for at once, over all sessions; each has one at most.
const QUESTIONS_MAX: usize = 64;
/// And by those who ask over HTTP and are nobody: members are to have an answer, too.
const RESPONSES_MAX: usize = QUESTIONS_MAX / 2;
/// How long an answer is waited for: a disk that hangs must not hang whoever asks it.
const PATIENCE: Duration = Duration::from_secs(10);

impl Questions {
    /// Asks for a session, whose lines must wait from now on.
    ///
    /// # Errors
    /// Too many wait already.
    pub(super) fn ask(&mut self, query: Query, asker: Asker) -> Result<(), Refusal<'static>> {
        let is_response = |asker: &Asker| matches!(asker.wants, Wants::Response(_));
        let has_place = self.waiting.len() < QUESTIONS_MAX
            && (!is_response(&asker)
                || self.waiting.values().filter(|it| is_response(it)).count() < RESPONSES_MAX);
        if !has_place {
            return Err(Refusal::Busy);
        }
        self.last += 1;
        let id = QuestionId(self.last);
        self.asked.push_back((id, query));
        self.waiting.insert(id, asker);
        Ok(())
    }

    /// The next question that is to be carried to the archive.
    pub(super) fn next(&mut self) -> Option<(QuestionId, Query)> {
        self.asked.pop_front()
    }

    /// Who waits for this answer, and does not from now on.
    pub(super) fn take(&mut self, id: QuestionId) -> Option<Asker> {
        self.waiting.remove(&id)
    }

    /// When the first of those who wait has waited long enough.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        let (_, first) = self.waiting.first_key_value()?;
        Some(first.asked_at + PATIENCE)
    }

    /// A question whose answer is not waited for any more.
    pub(super) fn next_overdue(&self, now: Time) -> Option<QuestionId> {
        let (&id, _) = self.waiting.first_key_value()?;
        self.next_timeout().filter(|&at| at <= now).map(|_| id)
    }

    /// The connection is gone.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.waiting.retain(|_, asker| asker.session != session);
        let waiting = &self.waiting;
        self.asked.retain(|(id, _)| waiting.contains_key(id));
        self.held.retain(|&held| held != session);
    }

    /// Whether whoever says something to be kept must wait.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// A session waits until the archive has caught up.
    pub(super) fn hold(&mut self, session: SessionId) {
        self.held.push(session);
    }

    /// The archive is well behind, or not any more: then who is to go on.
    pub(super) fn set_behind(&mut self, is_behind: bool) -> Vec<SessionId> {
        self.is_behind = is_behind;
        if is_behind {
            Vec::new()
        } else {
            std::mem::take(&mut self.held)
        }
    }
}
