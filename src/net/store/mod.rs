//! What was said stays: the store behind `--data`. The handle [`Store`] belongs to the loop and never
//! waits: it writes each turn's records to a journal in memory and hands them to a thread that writes
//! the database; another thread reads it. What a record, a page or a level is, `archive` says; when
//! to write, when to hold senders and whom to answer, whoever owns the handle.
//!
//! ```text
//! loop ──1── append_turn ──► journal (tmpfs)
//!   │2 bounded queue                        writer ──► DIR/history.db ◄── reader
//!   └──────────────────────────────────────►  │                            │
//!   ◄───────────── poll_replies, waker ───────┴────────────────────────────┘
//! ```

mod failure;
mod folder;
mod journal;
mod pending;
mod reader;
mod reading;
mod retention;
mod rewriting;
mod rows;
mod sanctions;
mod schedule;
mod schema;
mod settings;
mod shared;
mod start;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use log::{info, warn};
use mio::Waker;

use crate::archive::{
    Ask, Backlog, Forget, Gaps, Lag, Level, Levels, Query, Record, Recorder, Records, Reply,
    Target, encode,
};
use crate::chat::MessageId;
use crate::moderation::Change;
use crate::time::Time;

pub use journal::runtime_folder;
pub use settings::{StoreError, StoreSettings};
pub use start::{Recovered, RecoveredRoom};

use journal::Journal;
use reader::Reader;
use sanctions::SanctionRows;
use schedule::COMMIT_BYTES;
use shared::{End, Progress, Shared};
use start::{Started, check_in_background};
use writer::Writer;

/// Whose question it was: whatever the caller makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// Too many questions wait for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// How the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreStatus {
    /// How long ago it was said what is being committed now.
    pub behind: Duration,
    /// What waits for the disk, in bytes.
    pub pending_bytes: u64,
    /// Messages that were committed since the start.
    pub kept: u64,
    /// Messages that could not be kept since the start: a gap in the history tells where.
    pub lost: u64,
    /// Rows that were left out of what was read since their checksum is wrong.
    pub left_out: u64,
    /// Whether what was said last outlives a kill.
    pub has_journal: bool,
    /// Whether the disk refuses what it is given.
    pub is_failing: bool,
    /// How often it has refused that since the start; it is tried again each time.
    pub failures: u64,
    /// Databases that were damaged and put aside since the start.
    pub put_aside: u64,
}

/// The loop's end of the store. Its fields are the parts of one thing, handed on to nobody.
pub struct Store {
    shared: Arc<Shared>,
    journal: Journal,
    levels: Levels,
    lag: Lag,
    gaps: Gaps,
    /// All bytes that were ever handed over.
    handed: u64,
    /// The newest id that was given, of whatever fact.
    last_given: MessageId,
    scratch: Vec<u8>,
    questions: usize,
    /// When it was said last that something is not kept.
    warned_at: Option<Instant>,
    ended: Receiver<bool>,
    check: Option<rusqlite::InterruptHandle>,
}

/// Questions that may wait for an answer at once.
pub const QUESTIONS_MAX: usize = 64;
/// When fewer ids than these are reserved, more are to be.
const RESERVED_MIN: Duration = Duration::from_millis(2500);
/// How often it is said that something is not kept.
const WARNING_INTERVAL: Duration = Duration::from_secs(30);
/// How long a store that is dropped waits for its threads, whatever they are doing.
const DROP_PATIENCE: Duration = Duration::from_secs(1);

impl Store {
    /// Takes the folder, writes down what a killed run has left, and starts the threads. `waker`
    /// wakes the loop for [`poll_replies`](Store::poll_replies), and when a level may be over.
    ///
    /// # Errors
    /// The folder is another server's, or nothing can be kept in it.
    pub fn start(
        settings: &StoreSettings,
        waker: Arc<Waker>,
    ) -> Result<(Store, Recovered), StoreError> {
        let Started {
            folder,
            connection,
            journal,
            journal_name,
            recovered,
            left_out,
            reserved,
        } = start::start(settings)?;
        let shared = Arc::new(Shared::new(waker));
        let progress = &shared.progress;
        progress.rows_left_out.store(left_out, Ordering::Relaxed);
        let last = recovered.last.to_i64();
        progress.last_given.store(last, Ordering::Release);
        progress.last_committed.store(last, Ordering::Release);
        progress
            .reserved
            .store(reserved.to_i64(), Ordering::Release);
        let path = folder.database();
        // Before any file can take another's place.
        let check = (!recovered.was_clean).then(|| {
            let shared = Arc::clone(&shared);
            check_in_background(&path, move |what| shared.report_damage(0, what))
        });
        let reader = Reader::new(Arc::clone(&shared), path.clone());
        let writer = Writer::new(
            Arc::clone(&shared),
            (folder, connection),
            journal_name,
            SanctionRows::new(&recovered.sanctions),
            settings,
        );
        let (tell_end, ended) = mpsc::channel();
        let no_thread = |error| StoreError::Folder(path.clone(), error);
        spawn("history-write", move || writer.run(&tell_end)).map_err(no_thread)?;
        spawn("history-read", move || reader.run()).map_err(no_thread)?;
        let store = Store {
            shared,
            journal,
            levels: Levels::new(settings.pending_bytes_max),
            lag: Lag::default(),
            gaps: Gaps::new(),
            handed: 0,
            last_given: recovered.last,
            scratch: Vec::new(),
            questions: 0,
            warned_at: None,
            ended,
            check: check.flatten(),
        };
        Ok((store, recovered))
    }

    /// Keeps what was recorded in this turn, before anything of it is shown to anybody: one write
    /// to the journal, one copy to the queue. Clears the record.
    pub fn append_turn(&mut self, turn: &mut Recorder) {
        self.note_given(turn.last());
        if turn.bytes().is_empty() {
            return;
        }
        let backlog = self.shared.progress.backlog();
        let was_full = !self.gaps.is_empty();
        if self.levels.admits(turn.bytes().len() as u64, &backlog) {
            self.write_gaps(&backlog);
            self.keep(turn.bytes());
        } else {
            self.lose_messages_of(turn.bytes());
            if !was_full {
                self.warn_of_loss();
            }
        }
        turn.clear();
    }

    /// The level now, for whoever reads from senders. To be called each turn; `now` never goes back.
    pub fn level(&mut self, now: Time) -> Level {
        let progress = &self.shared.progress;
        let backlog = progress.backlog();
        self.lag.look(now, &backlog);
        let level = self.levels.look(now, &backlog);
        self.journal.note_synced(backlog.synced_bytes);
        if level != Level::Even || self.journal.lacks().is_some() {
            progress.wants_wake.store(true, Ordering::Release);
        }
        if !self.gaps.is_empty() && self.levels.admits(0, &backlog) {
            self.write_gaps(&backlog);
        }
        level
    }

    /// Takes messages away, from the journal at once and from the disk when it is their turn; then
    /// the ticket is answered with [`Reply::Forgotten`]. What this turn has recorded so far is
    /// appended first.
    pub fn forget(&mut self, turn: &mut Recorder, target: Target<'_>, ticket: Ticket) {
        self.append_turn(turn);
        let at = self.last_given;
        let forget = Forget { at, target };
        let mut tombstone = Vec::new();
        encode(&Record::Forget(forget), &mut tombstone);
        self.handed += tombstone.len() as u64;
        let synced = self.shared.progress.synced.load(Ordering::Acquire);
        self.journal
            .forget(&forget, &tombstone, self.handed, synced);
        self.shared.expect_forgotten(at, ticket);
        self.shared.push(&tombstone, self.handed, COMMIT_BYTES);
    }

    /// Keeps bans and mutes that have changed; once they are on the disk, or it refuses them for now, the
    /// ticket is answered with [`Reply::Kept`].
    pub fn keep_sanctions(&mut self, changes: Vec<Change>, ticket: Ticket) {
        self.shared.hand_sanctions((ticket, changes));
    }

    /// Asks about the past. The answer comes by [`poll_replies`](Store::poll_replies).
    ///
    /// # Errors
    /// When [`QUESTIONS_MAX`] wait already.
    pub fn query(&mut self, query: Query, ticket: Ticket) -> Result<(), Busy> {
        if self.questions >= QUESTIONS_MAX {
            return Err(Busy);
        }
        self.questions += 1;
        // What was handed over in this run is in memory: nothing is committed early for what was said
        // before that.
        let position = match query.ask {
            Ask::Older { .. } => 0,
            _ => self.handed,
        };
        self.shared.ask(ticket, query, position);
        Ok(())
    }

    /// The answers that are there.
    pub fn poll_replies(&mut self) -> impl Iterator<Item = (Ticket, Reply)> + use<> {
        let replies = self.shared.take_replies();
        let is_answer = |reply: &Reply| !matches!(reply, Reply::Forgotten(_) | Reply::Kept(_));
        self.questions -= replies.iter().filter(|(_, reply)| is_answer(reply)).count();
        replies.into_iter()
    }

    /// How the store is. `now` never goes back.
    pub fn status(&mut self, now: Time) -> StoreStatus {
        let progress = &self.shared.progress;
        let backlog = progress.backlog();
        StoreStatus {
            behind: self.lag.look(now, &backlog),
            pending_bytes: backlog.pending_bytes(),
            kept: progress.messages_kept.load(Ordering::Relaxed),
            lost: self.gaps.lost(),
            left_out: progress.rows_left_out.load(Ordering::Relaxed),
            has_journal: self.journal.is_on(),
            is_failing: backlog.is_failing,
            failures: progress.failures.load(Ordering::Relaxed),
            put_aside: progress.put_aside.load(Ordering::Relaxed),
        }
    }

    /// Writes everything down and ends. Whether that was done in time; what was not is in the
    /// journal, and the next start finds it.
    pub fn stop(mut self, patience: Duration) -> bool {
        let backlog = self.shared.progress.backlog();
        self.write_gaps(&backlog);
        self.end(End::Cleanly);
        let is_clean = self.ended.recv_timeout(patience) == Ok(true);
        if is_clean {
            self.journal.remove();
        }
        is_clean
    }

    /// That this id was given: no later run may give it again, whether or not anything was kept.
    fn note_given(&mut self, last: MessageId) {
        if last <= self.last_given {
            return;
        }
        self.last_given = last;
        let progress = &self.shared.progress;
        progress.last_given.store(last.to_i64(), Ordering::Release);
        let reserved = Progress::id(&progress.reserved).at().as_millis();
        let needed = last.at().as_millis() + RESERVED_MIN.as_millis() as u64;
        if reserved < needed && !progress.is_reserving.swap(true, Ordering::AcqRel) {
            self.shared.order(|orders| orders.reserve = true);
        }
    }

    fn keep(&mut self, records: &[u8]) {
        self.handed += records.len() as u64;
        let synced = self.shared.progress.synced.load(Ordering::Acquire);
        self.journal.append(records, self.handed, synced);
        self.shared.push(records, self.handed, COMMIT_BYTES);
    }

    /// Counts the messages among these records; the few others are kept whatever it costs.
    fn lose_messages_of(&mut self, records: &[u8]) {
        let mut others = std::mem::take(&mut self.scratch);
        others.clear();
        for record in Records::new(records) {
            match record {
                Record::Message { room, message } => {
                    self.gaps.lose(room, message.id);
                    // A kill before that is written down must not hide it.
                    self.journal.note_lost();
                }
                other => {
                    encode(&other, &mut others);
                }
            }
        }
        if !others.is_empty() {
            self.keep(&others);
        }
        self.scratch = others;
    }

    fn warn_of_loss(&mut self) {
        let now = Instant::now();
        let is_due = |at: Instant| now >= at + WARNING_INTERVAL;
        if self.warned_at.is_none_or(is_due) {
            self.warned_at = Some(now);
            warn!(
                "history: there is no more room for what waits for the disk: what is said now is not kept"
            );
        }
    }

    fn write_gaps(&mut self, backlog: &Backlog) {
        if self.gaps.is_empty() {
            return;
        }
        let mut records = std::mem::take(&mut self.scratch);
        records.clear();
        let lost = self.gaps.lost();
        self.gaps.drain(|gap| {
            encode(gap, &mut records);
        });
        self.keep(&records);
        self.journal.note_gaps(self.handed);
        self.scratch = records;
        let waiting = backlog.pending_bytes();
        info!(
            "history: there is room again ({waiting} bytes wait); {lost} messages were not kept since the start"
        );
    }

    fn end(&mut self, how: End) {
        if let Some(check) = self.check.take() {
            check.interrupt();
        }
        self.shared.order(|orders| orders.end = Some(how));
        self.shared.end_questions();
    }
}

/// Without a stop it is as if the process had died; but the folder is free afterwards.
impl Drop for Store {
    fn drop(&mut self) {
        self.end(End::AtOnce);
        let _ = self.ended.recv_timeout(DROP_PATIENCE);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = to.debug_struct("Store");
        debug.field("handed", &self.handed).finish_non_exhaustive()
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name(name.into());
    thread.spawn(run).map(|_| ())
}
