//! `Shared`: what the loop and the threads of the store have in common: the bounded queue to the
//! writer, the questions to the reader, the replies back, and how far things are. Every lock is held
//! for a few copies at most, never over a call to the disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::warn;
use mio::Waker;

use crate::archive::{Backlog, Query, Reply};
use crate::chat::MessageId;

use super::Ticket;
use super::sanctions::Handed;

/// Encoded records, one after another.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    /// The position behind it, of all that was ever handed over.
    pub(super) end: u64,
    /// When the first of it was handed over.
    pub(super) since: Instant,
}

/// What the loop and the threads share.
#[derive(Debug)]
pub(super) struct Shared {
    to_write: Mutex<ToWrite>,
    written_to: Condvar,
    questions: Mutex<Questions>,
    asked: Condvar,
    replies: Mutex<VecDeque<(Ticket, Reply)>>,
    waker: Arc<Waker>,
    /// Held while the files of the database are opened to read, or others take their place: who
    /// opened the database of the one with the log of the other would read rubbish.
    files: Mutex<()>,
    pub(super) progress: Progress,
}

/// How far things are; each number by itself. More than 12 fields, since what two threads share without a
/// lock is shared one by one.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) handed: AtomicU64,
    pub(super) committed: AtomicU64,
    pub(super) synced: AtomicU64,
    pub(super) is_failing: AtomicBool,
    /// How often the disk has refused what it was given.
    pub(super) failures: AtomicU64,
    /// The newest id that was given, and the one up to which all are reserved on the disk.
    pub(super) last_given: AtomicI64,
    pub(super) reserved: AtomicI64,
    /// More are about to be.
    pub(super) is_reserving: AtomicBool,
    /// The newest id that is committed. It goes back where the disk may have lost it again.
    pub(super) last_committed: AtomicI64,
    pub(super) messages_kept: AtomicU64,
    pub(super) rows_left_out: AtomicU64,
    /// How often another file took the place of the database: who reads must open that.
    pub(super) databases: AtomicU64,
    /// How often that was since it was damaged.
    pub(super) put_aside: AtomicU64,
    /// Who reads must open the database anew.
    pub(super) must_reopen: AtomicBool,
    /// The loop wants to know when the disk has caught up.
    pub(super) wants_wake: AtomicBool,
}

#[derive(Debug, Default)]
struct ToWrite {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    orders: Orders,
    /// Bans and mutes that have changed.
    sanctions: Vec<Handed>,
    /// Who is to be told what was forgotten, by the operator's words in their order.
    tickets: Vec<(MessageId, Ticket)>,
}

/// What the writer is told beside records.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Orders {
    pub(super) end: Option<End>,
    /// Ids are about to pass those that are reserved.
    pub(super) reserve: bool,
    /// Somebody asks for what may not be committed yet.
    pub(super) commit: bool,
    /// Bans and mutes have changed.
    pub(super) sanctions: bool,
    /// Somebody found the database damaged: which of them, and how.
    pub(super) damage: Option<(u64, String)>,
}

/// How the threads end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Everything is written down first.
    Cleanly,
    /// At once, as if the process had died.
    AtOnce,
}

#[derive(Debug, Default)]
struct Questions {
    waiting: VecDeque<Question>,
    ended: bool,
}

/// A question, and what must be committed before it is answered: all that was handed over before.
#[derive(Debug)]
struct Question {
    ticket: Ticket,
    query: Query,
    position: u64,
    /// It is answered without that from then on.
    until: Instant,
}

/// How long a question waits for what was handed over before it.
const COMMIT_PATIENCE: Duration = Duration::from_secs(1);

/// The reader looks around once in a while, whatever happens.
const IDLE: Duration = Duration::from_secs(3600);
/// A chunk takes no more records than make this.
const CHUNK_BYTES: usize = 256 << 10;

impl Shared {
    pub(super) fn new(waker: Arc<Waker>) -> Shared {
        Shared {
            to_write: Mutex::default(),
            written_to: Condvar::new(),
            questions: Mutex::default(),
            asked: Condvar::new(),
            replies: Mutex::default(),
            waker,
            files: Mutex::default(),
            progress: Progress::default(),
        }
    }

    /// The files of the database stay the same for as long as the result is kept.
    pub(super) fn lock_files(&self) -> MutexGuard<'_, ()> {
        lock(&self.files)
    }

    /// Hands records to the writer; `enough` is what wakes it before its time.
    pub(super) fn push(&self, records: &[u8], end: u64, enough: usize) {
        let mut to_write = lock(&self.to_write);
        match to_write.chunks.back_mut() {
            Some(chunk) if chunk.bytes.len() + records.len() <= CHUNK_BYTES => {
                chunk.bytes.extend_from_slice(records);
                chunk.end = end;
            }
            _ => to_write.chunks.push_back(Chunk {
                bytes: records.to_vec(),
                end,
                since: Instant::now(),
            }),
        }
        let before = to_write.bytes;
        to_write.bytes += records.len();
        let is_first = before == 0;
        let is_enough = before < enough && to_write.bytes >= enough;
        drop(to_write);
        self.progress.handed.store(end, Ordering::Release);
        if is_first || is_enough {
            self.written_to.notify_one();
        }
    }

    /// Tells the writer something.
    pub(super) fn order(&self, order: impl FnOnce(&mut Orders)) {
        order(&mut lock(&self.to_write).orders);
        self.written_to.notify_one();
    }

    /// Hands over bans and mutes that have changed; who is to be told once they are on the disk.
    pub(super) fn hand_sanctions(&self, handed: Handed) {
        lock(&self.to_write).sanctions.push(handed);
        self.order(|orders| orders.sanctions = true);
    }

    /// Those that were handed over since the last call.
    pub(super) fn take_sanctions(&self) -> Vec<Handed> {
        std::mem::take(&mut lock(&self.to_write).sanctions)
    }

    /// Waits until there are so many bytes to write, or it is time, or something is ordered: what is
    /// there then.
    pub(super) fn wait_to_write(&self, until: Instant, enough: usize) -> (Vec<Chunk>, Orders) {
        let mut to_write = lock(&self.to_write);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let is_ordered = to_write.orders != Orders::default();
            if is_ordered || left.is_zero() || to_write.bytes >= enough {
                break;
            }
            let waited = self.written_to.wait_timeout(to_write, left);
            to_write = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        to_write.bytes = 0;
        let chunks = to_write.chunks.drain(..).collect();
        (chunks, std::mem::take(&mut to_write.orders))
    }

    /// Who is to be told what was forgotten at this word of the operator.
    pub(super) fn expect_forgotten(&self, at: MessageId, ticket: Ticket) {
        lock(&self.to_write).tickets.push((at, ticket));
    }

    /// That is known now.
    pub(super) fn take_ticket(&self, at: MessageId) -> Option<Ticket> {
        let tickets = &mut lock(&self.to_write).tickets;
        let place = tickets.iter().position(|&(asked, _)| asked == at)?;
        Some(tickets.remove(place).1)
    }

    /// Asks the reader, who waits until all up to this position is committed, unless the disk has
    /// trouble with that.
    pub(super) fn ask(&self, ticket: Ticket, query: Query, position: u64) {
        let question = Question {
            ticket,
            query,
            position,
            until: Instant::now() + COMMIT_PATIENCE,
        };
        lock(&self.questions).waiting.push_back(question);
        if self.progress.committed.load(Ordering::Acquire) < position {
            self.order(|orders| orders.commit = true);
        }
        self.asked.notify_one();
    }

    /// Something was committed, or could not be.
    pub(super) fn note_commit(&self) {
        // Under the lock, or it could come between a look of the reader and its wait.
        let questions = lock(&self.questions);
        if !questions.waiting.is_empty() {
            self.asked.notify_one();
        }
    }

    /// The reader lets go of the database. Who opens it next, with nobody else there, takes of its log
    /// only what is whole.
    pub(super) fn close_reader(&self) {
        self.progress.must_reopen.store(true, Ordering::Release);
        let _questions = lock(&self.questions);
        self.asked.notify_one();
    }

    /// The reader has nothing to do any more.
    pub(super) fn end_questions(&self) {
        lock(&self.questions).ended = true;
        self.asked.notify_one();
    }

    /// The questions that wait; waits for one unless the reader `is_busy`. `None` at the end.
    pub(super) fn wait_to_read(&self, is_busy: bool) -> Option<Vec<(Ticket, Query)>> {
        let mut questions = lock(&self.questions);
        loop {
            let backlog = self.progress.backlog();
            let now = Instant::now();
            let is_ready = |question: &Question| {
                let is_committed = backlog.committed_bytes >= question.position;
                is_committed || backlog.is_failing || question.until <= now
            };
            let ready = questions.waiting.iter().take_while(|q| is_ready(q)).count();
            if questions.ended {
                return None;
            }
            let must_reopen = self.progress.must_reopen.load(Ordering::Acquire);
            if ready > 0 || is_busy || must_reopen {
                let ready = questions.waiting.drain(..ready);
                return Some(ready.map(|q| (q.ticket, q.query)).collect());
            }
            let first = questions.waiting.front();
            let left = first.map(|question| question.until.saturating_duration_since(now));
            let waited = self.asked.wait_timeout(questions, left.unwrap_or(IDLE));
            questions = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Answers, and wakes the loop.
    pub(super) fn reply(&self, ticket: Ticket, reply: Reply) {
        lock(&self.replies).push_back((ticket, reply));
        self.wake();
    }

    /// The replies so far.
    pub(super) fn take_replies(&self) -> VecDeque<(Ticket, Reply)> {
        std::mem::take(&mut lock(&self.replies))
    }

    /// Wakes the loop.
    pub(super) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            warn!("history: the loop cannot be woken: {error}");
        }
    }

    /// Somebody found this one of all databases damaged.
    pub(super) fn report_damage(&self, database: u64, what: String) {
        self.order(|orders| orders.damage = Some((database, what)));
    }
}

impl Progress {
    pub(super) fn backlog(&self) -> Backlog {
        Backlog {
            handed_bytes: self.handed.load(Ordering::Acquire),
            committed_bytes: self.committed.load(Ordering::Acquire),
            synced_bytes: self.synced.load(Ordering::Acquire),
            is_failing: self.is_failing.load(Ordering::Acquire),
        }
    }

    pub(super) fn id(number: &AtomicI64) -> MessageId {
        MessageId::from_i64(number.load(Ordering::Acquire)).unwrap_or_default()
    }
}

/// A thread that panics ends the process, so what it held is not looked at.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
