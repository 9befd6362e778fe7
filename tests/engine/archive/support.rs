//! A store with a loop around it: facts in, answers out, and what is left in its folder. It knows the
//! public interface alone.

use std::fmt;
use std::fs;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chatd::archive::{Ask, Page, Query, Recorder, Reply, ReservedId, Target};
use chatd::chat::{Fact, Listen, Manner, MessageId, PageEnd, Place, RoomId, To, What};
use chatd::net::store::{Recovered, Store, StoreError, StoreSettings, StoreStatus, Ticket};
use chatd::time::Time;
use mio::{Events, Poll, Token, Waker};

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that is gone when this value is.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chatd-archive-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    /// One that another process has made, and removes.
    pub(crate) fn of_another(path: PathBuf) -> ManuallyDrop<Folder> {
        ManuallyDrop::new(Folder(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("history.db")
    }

    /// What would be left if the process died now: a copy of all files.
    pub(crate) fn as_if_killed(&self) -> Folder {
        let copy = Folder::new();
        for path in self.files() {
            fs::copy(&path, copy.0.join(path.file_name().unwrap())).unwrap();
        }
        copy
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The files of the journal that are not empty.
    pub(crate) fn journals(&self) -> Vec<PathBuf> {
        let is_journal = |path: &PathBuf| path.to_str().unwrap().contains(".journal-");
        let mut files = self.files();
        files.retain(|path| is_journal(path) && fs::metadata(path).unwrap().len() > 0);
        files
    }

    /// In which files these bytes stand.
    pub(crate) fn files_with(&self, bytes: &[u8]) -> Vec<PathBuf> {
        let has = |path: &PathBuf| {
            let held = fs::read(path).unwrap();
            held.windows(bytes.len()).any(|window| window == bytes)
        };
        self.files().into_iter().filter(has).collect()
    }

    /// Works on the database as a person would with `sqlite3`.
    pub(crate) fn sqlite(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Settings that commit and sync soon.
pub(crate) fn quick(folder: &Folder) -> StoreSettings {
    StoreSettings {
        commit_interval: Duration::from_millis(5),
        sync_interval: Duration::from_millis(20),
        ..StoreSettings::new(folder.path().to_owned())
    }
}

/// Settings that commit nothing by themselves: all is in the journal alone.
pub(crate) fn never_committing(folder: &Folder) -> StoreSettings {
    let never = Duration::from_secs(100_000);
    StoreSettings {
        commit_interval: never,
        sync_interval: never,
        ..StoreSettings::new(folder.path().to_owned())
    }
}

/// A store and the loop that it belongs to.
pub(crate) struct Loop {
    pub(crate) store: Store,
    pub(crate) recovered: Recovered,
    recorder: Recorder,
    poll: Poll,
    start: Instant,
    tickets: u64,
}

impl Loop {
    pub(crate) fn start(settings: &StoreSettings) -> Loop {
        // A process that another test is about to start holds a lock of this one until its program runs.
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Loop::try_start(settings) {
                Err(StoreError::Locked(_)) if Instant::now() < deadline => std::thread::yield_now(),
                started => return started.unwrap(),
            }
        }
    }

    pub(crate) fn try_start(settings: &StoreSettings) -> Result<Loop, StoreError> {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (store, recovered) = Store::start(settings, waker)?;
        Ok(Loop {
            store,
            recovered,
            recorder: Recorder::new(),
            poll,
            start: Instant::now(),
            tickets: 0,
        })
    }

    pub(crate) fn now(&self) -> Time {
        Time::after_start(self.start.elapsed())
    }

    /// A fact that happens now, in this turn.
    pub(crate) fn hear(&mut self, room: &str, id: MessageId, what: What<'_>) {
        let place = Place {
            id: RoomId(0),
            name: room,
        };
        let fact = Fact {
            room: Some(place),
            id,
            what,
        };
        self.recorder.hear(To::Room(RoomId(0)), &fact);
    }

    pub(crate) fn say(&mut self, room: &str, id: MessageId, from: &str, text: &str) {
        let said = What::Said {
            from,
            text,
            manner: Manner::Plain,
        };
        self.hear(room, id, said);
    }

    pub(crate) fn end_turn(&mut self) {
        self.store.append_turn(&mut self.recorder);
        let now = self.now();
        self.store.level(now);
    }

    /// A turn in which one thing is said.
    pub(crate) fn turn(&mut self, room: &str, id: MessageId, from: &str, text: &str) {
        self.say(room, id, from, text);
        self.end_turn();
    }

    pub(crate) fn status(&mut self) -> StoreStatus {
        let now = self.now();
        self.store.status(now)
    }

    /// Goes on until this is so.
    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&StoreStatus) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut events = Events::with_capacity(8);
        loop {
            self.end_turn();
            let status = self.status();
            if is_so(&status) {
                return;
            }
            assert!(Instant::now() < end, "not {what}: {status:?}");
            let pause = Some(Duration::from_millis(2));
            self.poll.poll(&mut events, pause).unwrap();
        }
    }

    /// Until so many messages were committed since the start, and nothing waits.
    pub(crate) fn until_kept(&mut self, messages: u64) {
        self.until("kept", |status| {
            status.kept >= messages && status.pending_bytes == 0
        });
    }

    pub(crate) fn ask_of(&mut self, room: &str, ask: Ask, messages_max: usize) -> Reply {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let query = Query {
            room: room.to_owned(),
            ask,
            messages_max,
            bytes_max: 1 << 20,
        };
        self.store.query(query, ticket).unwrap();
        self.reply_to(ticket)
    }

    /// The reply with this ticket; the loop sleeps until it is woken for it.
    pub(crate) fn reply_to(&mut self, ticket: Ticket) -> Reply {
        let end = Instant::now() + PATIENCE;
        let mut events = Events::with_capacity(8);
        loop {
            let mut replies = self.store.poll_replies();
            if let Some((_, reply)) = replies.find(|(of, _)| *of == ticket) {
                return reply;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no reply");
            self.poll.poll(&mut events, Some(left)).unwrap();
        }
    }

    pub(crate) fn forget(&mut self, target: Target<'_>) -> Reply {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.store.forget(&mut self.recorder, target, ticket);
        self.reply_to(ticket)
    }

    /// As [`Loop::forget`], for one whose disk does not answer.
    pub(crate) fn forget_without_reply(&mut self, target: Target<'_>) {
        self.store.forget(&mut self.recorder, target, Ticket(0));
    }

    /// Gives the `first` id, and goes on until others are reserved on the disk: nothing needs to be
    /// committed for the next few seconds.
    pub(crate) fn reserve(&mut self, folder: &Folder, first: MessageId) {
        let joined = What::Joined {
            who: "ann",
            here: 1,
        };
        self.hear("lobby", first, joined);
        self.end_turn();
        let reserved = "SELECT value FROM meta WHERE key='reserved_id'";
        let sqlite = folder.sqlite();
        self.until("reserved", |_| {
            let found = sqlite.query_row(reserved, [], |row| row.get::<_, String>(0));
            found.is_ok_and(|text| text.parse().is_ok_and(|ReservedId(to)| to > id(2500)))
        });
    }

    /// A page, as long as there are.
    pub(crate) fn page(&mut self, room: &str, end: PageEnd) -> Page {
        match self.ask_of(room, Ask::Page(end), 1000) {
            Reply::Page(page) => page,
            other => panic!("{other:?}"),
        }
    }

    /// The texts of a page.
    pub(crate) fn texts(&mut self, room: &str, end: PageEnd) -> Vec<String> {
        texts(&self.page(room, end))
    }

    pub(crate) fn stop(self) {
        assert!(self.store.stop(PATIENCE), "it did not stop cleanly");
    }
}

pub(crate) fn texts(page: &Page) -> Vec<String> {
    page.messages()
        .map(|message| message.text.to_owned())
        .collect()
}

/// The texts of the tail of a room at the start.
pub(crate) fn tail_of(recovered: &Recovered, room: &str) -> Vec<String> {
    let found = recovered.rooms.iter().find(|found| found.name == room);
    found.map_or_else(Vec::new, |found| texts(&found.tail))
}

/// An id of the recent past: one millisecond after another.
pub(crate) fn id(number: u64) -> MessageId {
    format!("{}-{}", BASE_MILLIS + number, number % 3)
        .parse()
        .unwrap()
}

/// Later than every database of a test begins, so that all of it is complete.
const BASE_MILLIS: u64 = 4_000_000_000_000;

/// Ids of the time that it is.
pub(crate) fn id_now(before: Duration) -> MessageId {
    let now = std::time::SystemTime::now() - before;
    let millis = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    format!("{millis}-0").parse().unwrap()
}

/// Which bytes of a file are damaged, and how: one in so many, others each time; all of them with
/// `TEST_ALL`. `TEST_SEED` repeats a choice.
pub(crate) struct Flips {
    seed: u64,
    rng: fastrand::Rng,
    step: usize,
    pub(crate) takes_all: bool,
}

impl Flips {
    pub(crate) fn new(one_in: usize) -> Flips {
        let seed = std::env::var("TEST_SEED").map(|seed| seed.parse().unwrap());
        let seed = seed.unwrap_or_else(|_| fastrand::u64(..));
        let takes_all = std::env::var_os("TEST_ALL").is_some();
        Flips {
            seed,
            rng: fastrand::Rng::with_seed(seed),
            step: if takes_all { 1 } else { one_in },
            takes_all,
        }
    }

    pub(crate) fn places(&mut self, length: usize) -> impl Iterator<Item = usize> + use<> {
        (self.rng.usize(0..self.step)..length).step_by(self.step)
    }

    /// The bits of a byte that change: one at least.
    pub(crate) fn bits(&mut self) -> u8 {
        self.rng.u8(1..)
    }
}

impl fmt::Display for Flips {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "TEST_SEED={}", self.seed)
    }
}
