//! `Keeping`: the store at work in the loop: what was recorded goes in before anything is flushed,
//! questions of the hub go out, answers come back, and how far the disk is behind is told to the
//! hub. How anything is kept is `store`'s. Owned by the server, where there is `--data`.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use mio::{Registry, Waker};

use crate::archive::{Ask, Level, Query, Recorder, Reply, Target};
use crate::chat::{MessageId, PageEnd};
use crate::config::Config;
use crate::hub::{Hub, QuestionId};
use crate::moderation::Change;
use crate::time::Time;

use super::past_lines::{said, said_forgotten};
use super::remembering::Remembering;
use super::seats::SeatId;
use super::store::{Busy, Store, StoreError, StoreSettings, StoreStatus, Ticket, runtime_folder};
use super::tokens::Source;

/// See the file.
#[derive(Debug)]
pub(super) struct Keeping {
    store: Store,
    remembering: Remembering,
    is_behind: bool,
    /// What operators wait for, and where.
    operators: Vec<(Ticket, Wanted, SeatId)>,
    asked: u64,
    /// When this turn began.
    now: Time,
}

/// What the operator has asked for.
#[derive(Debug)]
enum Wanted {
    /// The last messages of this room, at most so many.
    History(String, usize),
    /// Messages are to be taken back, and these were, from memory.
    Forget(Vec<(String, Vec<MessageId>)>),
    /// Bans or mutes are to be written down; what is answered then, and until when at the latest.
    Kept(String, Time),
}

/// Tickets of the operator lie above those of the hub's questions.
const OPERATORS_FIRST: u64 = 1 << 63;
/// The ticket of what comes into memory.
const REMEMBERING: Ticket = Ticket(u64::MAX);

/// Bytes of messages in one answer to an operator.
const HISTORY_BYTES_MAX: usize = 1 << 20;
/// How long a server that stops waits for the disk. What is not on it by then is in the journal.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long the operator waits for a disk that does not move.
const KEEP_PATIENCE: Duration = Duration::from_secs(5);
/// The disk is said to be behind when it is so by more.
const BEHIND_MIN: Duration = Duration::from_secs(1);

impl Keeping {
    /// Opens the history in this folder, and gives the hub what an earlier run has left.
    ///
    /// # Errors
    /// The folder is another server's, or nothing can be kept in it.
    pub(super) fn start(
        folder: &Path,
        config: &Config,
        registry: &Registry,
        hub: &mut Hub,
    ) -> Result<Keeping, StoreError> {
        let no_waker = |error: io::Error| StoreError::Folder(folder.to_owned(), error);
        let waker = Waker::new(registry, Source::Store.token()).map_err(no_waker)?;
        let limits = &config.limits;
        let settings = StoreSettings {
            journal_folder: runtime_folder(),
            keep_age: config.keep.0,
            keep_bytes: config.keep_bytes as u64,
            tail_messages_max: limits.history_lines_max,
            tail_bytes_max: limits.history_total_bytes_max / 4 * 3,
            ..StoreSettings::new(folder.to_owned())
        };
        let (store, recovered) = Store::start(&settings, Arc::new(waker))?;
        let (rooms, sanctions) = (recovered.rooms.len(), recovered.sanctions.len());
        info!("history: {rooms} rooms, {sanctions} bans and mutes");
        for sanction in &recovered.sanctions {
            hub.moderator().recall(sanction.clone());
        }
        let mut keeping = Keeping {
            store,
            remembering: Remembering::start(hub, &recovered),
            is_behind: false,
            operators: Vec::new(),
            asked: 0,
            now: Time::START,
        };
        // The answer wakes the loop, which asks on.
        keeping.carry_questions(hub);
        Ok(keeping)
    }

    /// The first half of a turn: answers that have come go to those who wait for them; those for an
    /// operator are given back, as lines for its seat.
    pub(super) fn bring_answers(&mut self, hub: &mut Hub, now: Time) -> Vec<(SeatId, Vec<String>)> {
        let mut answers = Vec::new();
        for (ticket, reply) in self.store.poll_replies() {
            if ticket == REMEMBERING {
                self.remembering.take_answer(hub, &reply);
                continue;
            }
            let wanted = self
                .operators
                .iter()
                .position(|(asked, ..)| *asked == ticket);
            match wanted.map(|place| self.operators.swap_remove(place)) {
                Some((_, wanted, seat)) => {
                    answers.push((seat, answer_operator(hub, wanted, &reply)));
                }
                None if matches!(reply, Reply::Kept(_)) => {}
                None => hub.answer_question(QuestionId(ticket.0), &reply),
            }
        }
        self.now = now;
        answers.extend(self.answer_overdue());
        let is_behind = self.store.level(now) == Level::Behind;
        if is_behind != self.is_behind {
            self.is_behind = is_behind;
            hub.set_archive_behind(is_behind);
        }
        answers
    }

    /// Whether something is still to come for this seat.
    pub(super) fn is_asked_by(&self, seat: SeatId) -> bool {
        self.operators.iter().any(|&(.., asker)| asker == seat)
    }

    /// Questions that came up go to the store.
    pub(super) fn carry_questions(&mut self, hub: &mut Hub) {
        while let Some((QuestionId(id), query)) = hub.next_question() {
            if self.store.query(query, Ticket(id)).is_err() {
                hub.answer_question(QuestionId(id), &Reply::Failed);
            }
        }
        if let Some(query) = self.remembering.next_question(hub)
            && self.store.query(query, REMEMBERING).is_err()
        {
            self.remembering.put_back();
        }
    }

    /// Takes messages back that memory has forgotten already: these. What more there is on the disk
    /// is told when it is known.
    pub(super) fn forget(
        &mut self,
        hub: &mut Hub,
        target: Target<'_>,
        from_memory: Vec<(String, Vec<MessageId>)>,
        seat: SeatId,
    ) {
        let ticket = self.next_ticket();
        if let Some(recorder) = hub.recorder() {
            self.store.forget(recorder, target, ticket);
            let wanted = Wanted::Forget(from_memory);
            self.operators.push((ticket, wanted, seat));
        }
    }

    /// Asks for the last messages of a room, for the operator.
    pub(super) fn ask_history(
        &mut self,
        room: &str,
        limit: usize,
        seat: SeatId,
    ) -> Result<(), Busy> {
        let ticket = self.next_ticket();
        let query = Query {
            room: room.to_owned(),
            ask: Ask::Page(PageEnd::Newest),
            messages_max: limit,
            bytes_max: HISTORY_BYTES_MAX,
        };
        self.store.query(query, ticket)?;
        let wanted = Wanted::History(room.to_owned(), limit);
        self.operators.push((ticket, wanted, seat));
        Ok(())
    }

    /// Writes down bans and mutes that have changed; then `done` is answered.
    pub(super) fn keep_changes(&mut self, changes: Vec<Change>, done: String, seat: SeatId) {
        let ticket = self.next_ticket();
        self.store.keep_sanctions(changes, ticket);
        let until = self.now + KEEP_PATIENCE;
        let wanted = Wanted::Kept(done, until);
        self.operators.push((ticket, wanted, seat));
    }

    /// When somebody is answered though the disk does not move.
    pub(super) fn deadline(&self) -> Option<Time> {
        let waiting = self.operators.iter();
        let deadlines = waiting.filter_map(|(_, wanted, _)| match wanted {
            Wanted::Kept(_, until) => Some(*until),
            Wanted::History(..) | Wanted::Forget(_) => None,
        });
        deadlines.min()
    }

    fn answer_overdue(&mut self) -> Vec<(SeatId, Vec<String>)> {
        let now = self.now;
        let is_overdue =
            |wanted: &Wanted| matches!(wanted, Wanted::Kept(_, until) if *until <= now);
        let overdue = self
            .operators
            .extract_if(.., |(_, wanted, _)| is_overdue(wanted));
        let answers = overdue.filter_map(|(_, wanted, seat)| match wanted {
            Wanted::Kept(done, _) => Some((seat, vec![done, NOT_KEPT.to_owned()])),
            Wanted::History(..) | Wanted::Forget(_) => None,
        });
        answers.collect()
    }

    fn next_ticket(&mut self) -> Ticket {
        self.asked += 1;
        Ticket(OPERATORS_FIRST | self.asked)
    }

    /// Keeps what was recorded in this turn.
    pub(super) fn keep(&mut self, recorder: &mut Recorder) {
        self.store.append_turn(recorder);
    }

    /// A few words for the service manager and the operator, if there is something to say.
    fn status(&mut self, now: Time) -> Option<String> {
        let status = self.store.status(now);
        let mut words = Vec::new();
        if status.behind > BEHIND_MIN {
            words.push(format!("{} s behind", status.behind.as_secs()));
        }
        if status.is_failing {
            words.push("the disk refuses".to_owned());
        }
        if status.lost > 0 {
            words.push(format!("{} not kept", status.lost));
        }
        if status.left_out > 0 {
            words.push(format!("{} left out for a wrong sum", status.left_out));
        }
        if status.put_aside > 0 {
            words.push(format!("{} put aside as broken", status.put_aside));
        }
        if !status.has_journal {
            words.push("no journal".to_owned());
        }
        (!words.is_empty()).then(|| format!("history {}", words.join(", ")))
    }

    /// The counters, for the line of statistics.
    fn statistics(&mut self, now: Time) -> String {
        let status = self.store.status(now);
        format!(
            "history kept {}, waiting {} bytes, behind {:.1} s, lost {}, left out {}",
            status.kept,
            status.pending_bytes,
            status.behind.as_secs_f64(),
            status.lost,
            status.left_out
        )
    }

    /// Writes down what is not on the disk yet.
    pub(super) fn stop(self) {
        if !self.store.stop(STOP_PATIENCE) {
            warn!("history: the disk did not take everything in time; the rest is in the journal");
        }
    }
}

/// What is said of it in the status, behind the rest; nothing where nothing is kept.
pub(super) fn status(keeping: &mut Option<Keeping>, now: Time) -> String {
    let words = keeping.as_mut().and_then(|keeping| keeping.status(now));
    words.map_or_else(String::new, |words| format!(", {words}"))
}

/// How the store is; `None` where nothing is kept.
pub(super) fn numbers(keeping: &mut Option<Keeping>, now: Time) -> Option<StoreStatus> {
    keeping.as_mut().map(|keeping| keeping.store.status(now))
}

/// The same of the line of statistics.
pub(super) fn statistics(keeping: &mut Option<Keeping>, now: Time) -> String {
    let counted = keeping.as_mut().map(|keeping| keeping.statistics(now));
    counted.map_or_else(String::new, |counted| format!(", {counted}"))
}

/// Behind what was done, where it could not be written down.
const NOT_KEPT: &str = "! busy the disk does not take that now: it holds in memory, and is written when the disk takes it";

fn answer_operator(hub: &mut Hub, wanted: Wanted, reply: &Reply) -> Vec<String> {
    match (wanted, reply) {
        (Wanted::History(..), Reply::Page(page)) => said(page.messages()),
        (Wanted::History(room, limit), Reply::NoRoom { .. }) => {
            match hub.operator().history(&room, limit) {
                // It is in memory alone.
                Some((messages, _)) => said(messages),
                None => vec!["! no-such-room there is no such room".to_owned()],
            }
        }
        (Wanted::Forget(from_memory), Reply::Forgotten(rooms)) => {
            let mut all: BTreeSet<MessageId> =
                from_memory.into_iter().flat_map(|(_, ids)| ids).collect();
            for (room, ids) in rooms {
                let is_new = |id: &&MessageId| !all.contains(*id);
                let new: Vec<MessageId> = ids.iter().filter(is_new).copied().collect();
                hub.operator().tell_forgotten(room, &new);
                all.extend(new);
            }
            vec![said_forgotten(all.len())]
        }
        (Wanted::Kept(done, _), Reply::Kept(true)) => vec![done],
        (Wanted::Kept(done, _), _) => vec![done, NOT_KEPT.to_owned()],
        _ => vec!["! busy the disk does not answer".to_owned()],
    }
}
