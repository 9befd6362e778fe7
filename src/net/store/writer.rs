//! The thread that writes: takes what the loop hands over, commits it in batches, syncs once a second
//! while anything is said, and tries again for as long as the disk does not take it. Nobody waits for it. What a
//! record becomes is `rows`' business.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use log::{error, info, warn};
use rusqlite::{Connection, TransactionBehavior};

use crate::archive::{Record, Records, Reply, ReservedId};
use crate::chat::MessageId;
use crate::time::WallTime;

use super::failure::Failure;
use super::folder::Folder;
use super::pending::Pending;
use super::retention::Retention;
use super::rewriting::{Rewritten, rewrite, truncate_log};
use super::rows::{Forgotten, RoomRows, RowWriter, write_meta};
use super::sanctions::SanctionRows;
use super::schedule::{COMMIT_BYTES, Schedule};
use super::schema::{self, Remedy};
use super::settings::StoreSettings;
use super::shared::{End, Orders, Progress, Shared};
use super::start::begin;

/// What the thread has. More than twelve fields since each is owned by a part of its work, and none by two.
pub(super) struct Writer {
    shared: Arc<Shared>,
    folder: Folder,
    journal_name: String,
    schedule: Schedule,
    connection: Option<Connection>,
    rooms: RoomRows,
    sanctions: SanctionRows,
    pending: Pending,
    failure: Failure,
    retention: Retention,
    /// What is not told before no trace of it is left, and when that is to be seen to.
    forgotten: Vec<(MessageId, Forgotten)>,
    rewrite_at: Option<Instant>,
}

/// What was done by one commit.
#[derive(Default)]
struct Done {
    chunks: usize,
    messages: u64,
    last: MessageId,
    reserved: Option<MessageId>,
    forgotten: Vec<(MessageId, Forgotten)>,
}

/// How far ahead of the ids that are given others are reserved.
const RESERVED_AHEAD: Duration = Duration::from_secs(5);
/// After which time it is looked again whether nobody reads in the log of the database.
const READER_PATIENCE: Duration = Duration::from_millis(100);
/// After which time what could not be copied is tried again.
const REWRITE_INTERVAL: Duration = Duration::from_secs(60);

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        (folder, connection): (Folder, Connection),
        journal_name: String,
        sanctions: SanctionRows,
        settings: &StoreSettings,
    ) -> Writer {
        let pending = Pending::new(Progress::id(&shared.progress.last_committed));
        Writer {
            shared,
            pending,
            folder,
            journal_name,
            schedule: Schedule::new(settings, Instant::now()),
            connection: Some(connection),
            rooms: RoomRows::default(),
            sanctions,
            failure: Failure::default(),
            retention: Retention::new(settings),
            forgotten: Vec::new(),
            // An earlier run may have left something to do.
            rewrite_at: Some(Instant::now()),
        }
    }

    /// Writes until it is told to end, and then says whether all is written.
    pub(super) fn run(mut self, ended: &Sender<bool>) {
        let is_clean = self.write();
        // The folder is free before anybody is told so.
        drop(self);
        // Nobody may wait for it any more.
        let _ = ended.send(is_clean);
    }

    fn write(&mut self) -> bool {
        loop {
            let (until, enough) = self.due();
            let (chunks, orders) = self.shared.wait_to_write(until, enough);
            let now = Instant::now();
            self.pending.extend(chunks);
            self.sanctions.take(self.shared.take_sanctions());
            if let Some((database, what)) = &orders.damage {
                self.handle_damage(*database, what, now);
            }
            match orders.end {
                Some(End::AtOnce) => return false,
                Some(End::Cleanly) => return self.end(),
                None => self.work(now, &orders),
            }
        }
    }

    /// Until when to wait, and for how many bytes.
    fn due(&self) -> (Instant, usize) {
        if let Some(retry_at) = self.failure.retry_at() {
            return (retry_at, usize::MAX);
        }
        let retention_at = self.retention.due_at();
        if self.sanctions.needs_writing() {
            return (self.schedule.synced_at(), 0);
        }
        let sync_at = self.schedule.sync_at(&self.pending).unwrap_or(retention_at);
        if let Some(commit_at) = self.schedule.commit_at(&self.pending) {
            let missing = COMMIT_BYTES.saturating_sub(self.pending.uncommitted_bytes());
            return (commit_at.min(sync_at).min(retention_at), missing);
        }
        let rewrite_at = self.rewrite_at.unwrap_or(retention_at);
        (sync_at.min(rewrite_at).min(retention_at), 1)
    }

    /// Does what is due.
    fn work(&mut self, now: Instant, orders: &Orders) {
        let must_sync = orders.reserve || self.sanctions.needs_writing();
        if self.failure.retry_at().is_some_and(|at| now < at) {
            return self.sanctions.note_failed(&self.shared);
        }
        let is_past = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        let is_commit_due = is_past(self.schedule.commit_at(&self.pending))
            || self.pending.uncommitted_bytes() >= COMMIT_BYTES
            || self.failure.retry_at().is_some()
            || orders.commit && self.pending.has_uncommitted();
        let is_sync_due = must_sync || is_past(self.schedule.sync_at(&self.pending));
        let mut worked = Ok(());
        if is_commit_due || is_sync_due {
            worked = self.commit(is_sync_due || self.schedule.does_sync(&self.pending, now));
        }
        let worked = worked.and_then(|()| self.delete_what_is_old(now));
        if let Err(error) = worked {
            self.handle_error(&error, now);
        }
        self.tell_forgotten(now);
        self.shared.note_commit();
    }

    /// Commits a batch, which may be empty.
    fn commit(&mut self, syncs: bool) -> rusqlite::Result<()> {
        let began_at = Instant::now();
        let done = self.write_batch(syncs)?;
        let progress = &self.shared.progress;
        let committed = self.pending.commit(done.chunks, done.last);
        // First, so that who waits for the position reads an id that goes with it.
        let last = self.pending.committed_to().to_i64();
        progress.last_committed.store(last, Ordering::Release);
        if let Some(committed) = committed {
            progress.committed.store(committed, Ordering::Release);
            if syncs {
                progress.synced.store(committed, Ordering::Release);
            }
        }
        if syncs {
            self.pending.sync();
            self.sanctions.note_synced(&self.shared);
            self.schedule.note_sync(began_at, began_at.elapsed());
            if let Some(reserved) = done.reserved {
                let reserved = reserved.to_i64();
                progress.reserved.store(reserved, Ordering::Release);
                progress.is_reserving.store(false, Ordering::Release);
            }
        }
        let messages = done.messages;
        progress
            .messages_kept
            .fetch_add(messages, Ordering::Relaxed);
        if !done.forgotten.is_empty() {
            self.forgotten.extend(done.forgotten);
            self.rewrite_at = Some(Instant::now());
        }
        // Whatever comes of that, all this was done.
        if let Some(connection) = &self.connection {
            schema::shorten_log(connection)?;
        }
        if self.failure.end() {
            info!("history: the disk takes what is said again");
        }
        progress.is_failing.store(false, Ordering::Release);
        if progress.wants_wake.swap(false, Ordering::AcqRel) {
            self.shared.wake();
        }
        Ok(())
    }

    fn write_batch(&mut self, syncs: bool) -> rusqlite::Result<Done> {
        let progress = &self.shared.progress;
        let given = Progress::id(&progress.last_given);
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let mut connection = schema::reopen(&self.folder)?;
                begin(&mut connection, &self.journal_name, given)?;
                none.insert(connection)
            }
        };
        let level = if syncs { "FULL" } else { "NORMAL" };
        connection.pragma_update(None, "synchronous", level)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut done = Done::default();
        let mut rows = RowWriter::new(&transaction, &mut self.rooms)?;
        let mut records: Vec<Record<'_>> = Vec::new();
        for chunk in self.pending.batch(COMMIT_BYTES) {
            records.extend(Records::new(&chunk.bytes));
            done.chunks += 1;
        }
        done.last = records.iter().map(Record::id).max().unwrap_or_default();
        // By rooms, which lie apart in the database: a page is then found and filled once. What is to
        // be forgotten stays behind what came before it.
        for run in records.chunk_by_mut(|before, _| before.room().is_some()) {
            run.sort_by(|a, b| place(a).cmp(&place(b)));
        }
        for record in &records {
            rows.write(record)?;
        }
        (done.messages, done.forgotten) = rows.finish();
        if syncs {
            self.sanctions.write(&transaction)?;
            // Never the same as before: SQLite syncs nothing where nothing changes, and what was
            // committed without a sync would be taken for safe.
            let next = next(Progress::id(&progress.reserved));
            let reserved = later(given.max(done.last), RESERVED_AHEAD).max(next);
            write_meta(
                &transaction,
                "reserved_id",
                &ReservedId(reserved).to_string(),
            )?;
            done.reserved = Some(reserved);
        }
        transaction.commit()?;
        Ok(done)
    }

    /// Takes what was forgotten out of every byte of the database, and says that it is done. What
    /// stands in its way holds nothing else up.
    fn tell_forgotten(&mut self, now: Instant) {
        if self.rewrite_at.is_none_or(|at| now < at) {
            return;
        }
        self.rewrite_at = Some(now + REWRITE_INTERVAL);
        let Some(connection) = self.connection.take() else {
            return;
        };
        self.rewrite_at = None;
        let shared = Arc::clone(&self.shared);
        match rewrite(&self.folder, connection, &shared) {
            Rewritten::NotNeeded(connection) => self.connection = Some(connection),
            Rewritten::Done(connection) => {
                self.connection = Some(connection);
            }
            Rewritten::Later(connection) => {
                self.connection = Some(connection);
                self.rewrite_at = Some(now + READER_PATIENCE);
                return;
            }
            Rewritten::Failed(connection, why) => {
                self.connection = Some(connection);
                // It may be the disk that said so, and then this handle is not to be trusted.
                self.give_up_handle();
                self.warn_of_remains(&why, now);
            }
            Rewritten::Lost(why) => self.warn_of_remains(&why, now),
        }
        for (at, forgotten) in self.forgotten.drain(..) {
            if let Some(ticket) = self.shared.take_ticket(at) {
                self.shared.reply(ticket, Reply::Forgotten(forgotten));
            }
        }
    }

    fn warn_of_remains(&mut self, why: &str, now: Instant) {
        warn!(
            "history: what was forgotten is not shown any more, but may still stand in unused parts of \
             the file, which could not be copied ({why}): it is tried again"
        );
        self.rewrite_at = Some(now + REWRITE_INTERVAL);
    }

    fn delete_what_is_old(&mut self, now: Instant) -> rusqlite::Result<()> {
        let newest = Progress::id(&self.shared.progress.last_committed);
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        if self.retention.go_on(connection, newest, now)? {
            self.rooms.clear();
        }
        Ok(())
    }

    fn handle_error(&mut self, error: &rusqlite::Error, now: Instant) {
        self.rooms.clear();
        match Remedy::of(error) {
            Remedy::Retry => {}
            Remedy::Reopen => self.give_up_handle(),
            Remedy::SetAside => {
                let current = self.shared.progress.databases.load(Ordering::Acquire);
                self.handle_damage(current, &error.to_string(), now);
                return;
            }
        }
        self.note_failure(error, now);
    }

    fn note_failure(&mut self, error: &dyn std::fmt::Display, now: Instant) {
        let progress = &self.shared.progress;
        progress.is_failing.store(true, Ordering::Release);
        progress.failures.fetch_add(1, Ordering::Relaxed);
        self.sanctions.note_failed(&self.shared);
        if self.failure.note(now) {
            warn!(
                "history: the disk does not take what is said ({error}): it is kept in memory and tried again"
            );
        }
    }

    /// What was written since the last good sync may be lost, whatever a later sync says.
    fn give_up_handle(&mut self) {
        self.pending.rewind();
        // Before anybody reads what is left, so that no page takes that for all of it.
        let last = self.pending.committed_to().to_i64();
        let progress = &self.shared.progress;
        progress.last_committed.store(last, Ordering::Release);
        self.shared.close_reader();
        if let Some(connection) = self.connection.take() {
            // What fails here only lets the database be checkpointed, whose log is still good.
            let _ = schema::set_checkpoint_on_close(&connection, false);
        }
        self.sanctions.write_all_again();
    }

    fn handle_damage(&mut self, database: u64, what: &str, now: Instant) {
        let shared = Arc::clone(&self.shared);
        let databases = &shared.progress.databases;
        if database != databases.load(Ordering::Acquire) {
            return;
        }
        self.rooms.clear();
        self.give_up_handle();
        let _files = shared.lock_files();
        match schema::set_aside(&self.folder, what) {
            Ok(()) => {
                databases.fetch_add(1, Ordering::AcqRel);
                shared.progress.put_aside.fetch_add(1, Ordering::Relaxed);
            }
            Err(fault) => {
                error!("history: the damaged database cannot be put aside: {fault}");
                self.note_failure(&fault, now);
            }
        }
    }

    /// Writes down what there is, and that there is nothing else: whether that was done.
    fn end(&mut self) -> bool {
        let written = loop {
            if let Err(error) = self.commit(true) {
                break Err(error);
            }
            if !self.pending.has_uncommitted() {
                self.tell_forgotten(Instant::now());
                break self.write_clean_stop();
            }
        };
        if let Err(error) = &written {
            warn!("history: the end could not be written down ({error}): the journal keeps it");
        }
        written.is_ok()
    }

    fn write_clean_stop(&mut self) -> rusqlite::Result<()> {
        let progress = &self.shared.progress;
        let last = Progress::id(&progress.last_given).max(Progress::id(&progress.last_committed));
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let transaction = connection.transaction()?;
        write_meta(&transaction, "reserved_id", &ReservedId(last).to_string())?;
        write_meta(&transaction, "clean_stop", "1")?;
        transaction.commit()?;
        truncate_log(connection)?;
        Ok(())
    }
}

/// Where a record stands among those of a run: by its room; what is of none is last.
fn place<'r>(record: &'r Record<'_>) -> (bool, Option<&'r str>) {
    (record.room().is_none(), record.room())
}

/// The id behind this one.
fn next(id: MessageId) -> MessageId {
    MessageId::from_i64(id.to_i64() + 1).unwrap_or(id)
}

/// The first id that long after this one.
fn later(id: MessageId, by: Duration) -> MessageId {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    let at = id.at().as_millis().saturating_add(by);
    MessageId::first_at(WallTime::from_millis(at)).max(id)
}
