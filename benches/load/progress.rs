//! What the threads of a run tell each other, without locks: how far each room has been
//! received by everybody, what the bytes of each 64 KiB are, how many lines were sent.
//! Not the reading and sending itself (that is `driver`). Owned by the run, shared by its threads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Barrier, OnceLock};
use std::time::Instant;

use super::fault::Fault;
use super::parser::Seen;

/// Bytes whose checksum is compared between the receivers of a room.
pub(crate) const BLOCK_BYTES: u64 = 64 << 10;

/// Runs that were begun in this process.
static RUNS: AtomicU8 = AtomicU8::new(0);

/// Shared by the threads of one run.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Everybody meets here between the phases of a run: the threads and the one who measures.
    pub(crate) meeting: Barrier,
    /// A thread has a fault; the others leave their loops.
    pub(crate) failed: AtomicBool,
    /// No new lines are to be sent.
    pub(crate) stopping: AtomicBool,
    /// When the first line was due.
    pub(crate) start: OnceLock<Instant>,
    /// Senders that may still send.
    pub(crate) senders_open: AtomicUsize,
    /// Threads that have everything that was sent.
    pub(crate) threads_done: AtomicUsize,
    /// Per thread: bytes received since the start.
    pub(crate) received_bytes: Vec<AtomicU64>,
    /// Departures that were told in room 0.
    pub(crate) departed: AtomicU64,
    /// What the first receiver of the first thread has, in lines.
    pub(crate) followed: Followed,
    /// Which run of this process it is; wraps.
    pub(crate) run: u8,
    /// Per room.
    pub(crate) rooms: Vec<RoomProgress>,
}

impl Shared {
    /// For `threads` threads, with `senders` senders over all `rooms`.
    pub(crate) fn new(threads: usize, senders: usize, rooms: Vec<RoomProgress>) -> Self {
        Shared {
            meeting: Barrier::new(threads + 1),
            failed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            start: OnceLock::new(),
            senders_open: AtomicUsize::new(senders),
            threads_done: AtomicUsize::new(0),
            received_bytes: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            departed: AtomicU64::new(0),
            followed: Followed::default(),
            run: RUNS.fetch_add(1, Ordering::Relaxed),
            rooms,
        }
    }

    /// Whether some thread has a fault.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Bytes received by all threads since the start.
    pub(crate) fn received(&self) -> u64 {
        self.received_bytes
            .iter()
            .map(|bytes| bytes.load(Ordering::Relaxed))
            .sum()
    }

    /// How long a line is, on the average of those that were followed; `else_bytes` if none was.
    pub(crate) fn line_bytes(&self, else_bytes: usize) -> f64 {
        let lines = self.followed.lines.load(Ordering::Relaxed);
        let bytes = self.followed.bytes.load(Ordering::Relaxed);
        match lines {
            0 => else_bytes as f64,
            _ => bytes as f64 / lines as f64,
        }
    }
}

/// A receiver that is followed line by line; all of its room receive the same.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// Lines.
    pub(crate) lines: AtomicU64,
    /// The bytes up to the end of the last of them.
    pub(crate) bytes: AtomicU64,
    /// Lines that every receiver of its room has.
    pub(crate) everywhere: AtomicU64,
}

/// How far one room has come.
#[derive(Debug)]
pub(crate) struct RoomProgress {
    floors: Vec<AtomicU64>,
    blocks: Blocks,
    /// Lines sent to the room, complete once `senders_open` is 0.
    pub(crate) sent_lines: AtomicU64,
}

impl RoomProgress {
    /// A room whose receivers belong to these threads, at most `spread_bytes` apart.
    pub(crate) fn new(threads: &[bool], spread_bytes: u64) -> Self {
        let floor = |has: &bool| AtomicU64::new(if *has { 0 } else { u64::MAX });
        let blocks = spread_bytes / BLOCK_BYTES * 2 + 16;
        RoomProgress {
            floors: threads.iter().map(floor).collect(),
            blocks: Blocks::Table((0..blocks).map(|_| AtomicU64::new(0)).collect()),
            sent_lines: AtomicU64::new(0),
        }
    }

    /// A room in which the same 64 KiB come again and again.
    pub(crate) fn periodic(checksum: u32) -> Self {
        RoomProgress {
            floors: Vec::new(),
            blocks: Blocks::Same(checksum),
            sent_lines: AtomicU64::new(0),
        }
    }

    /// Says that all receivers of `thread` have this many bytes.
    pub(crate) fn set_floor(&self, thread: usize, bytes: u64) {
        if let Some(floor) = self.floors.get(thread) {
            floor.store(bytes, Ordering::Release);
        }
    }

    /// Bytes that every receiver of the room has, in all threads.
    pub(crate) fn floor(&self) -> u64 {
        let floors = self
            .floors
            .iter()
            .map(|floor| floor.load(Ordering::Acquire));
        floors.min().unwrap_or(0)
    }

    /// Whether this 64 KiB is the same as what the others in the room received.
    pub(crate) fn agrees(&self, block: u64, checksum: u32) -> bool {
        self.blocks.agrees(block, checksum)
    }
}

/// The checksum of each 64 KiB of a room's stream: whoever is first writes it, all others compare.
#[derive(Debug)]
enum Blocks {
    /// A ring, long enough for the distance between the first and the last receiver. An entry is
    /// the block's number from 1 in the upper half and its checksum in the lower.
    Table(Vec<AtomicU64>),
    /// Every block has this one.
    Same(u32),
}

impl Blocks {
    fn agrees(&self, block: u64, checksum: u32) -> bool {
        let table = match self {
            Blocks::Same(due) => return *due == checksum,
            Blocks::Table(table) => table,
        };
        let entry = &table[(block % table.len() as u64) as usize];
        let mine = ((block + 1) << 32) | u64::from(checksum);
        let mut found = entry.load(Ordering::Relaxed);
        // An older block in this place is no longer needed: the window keeps receivers together.
        while found >> 32 < mine >> 32 {
            match entry.compare_exchange(found, mine, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => found = other,
            }
        }
        found == mine
    }
}

/// The lines that one receiver has and some other receiver may not have yet.
#[derive(Debug)]
pub(crate) struct Ledger {
    under_way: VecDeque<(u64, usize)>,
    seen: u64,
    seen_bytes: u64,
    released: Vec<u64>,
    released_in_all: u64,
}

impl Ledger {
    /// For a room with this many senders.
    pub(crate) fn new(senders: usize) -> Self {
        Ledger {
            under_way: VecDeque::new(),
            seen: 0,
            seen_bytes: 0,
            released: vec![0; senders],
            released_in_all: 0,
        }
    }

    /// Notes a line of the reference receiver.
    pub(crate) fn note(&mut self, line: Seen) {
        self.under_way.push_back((line.end, line.sender));
        self.seen += 1;
        self.seen_bytes = line.end;
    }

    /// Every receiver has the stream up to `floor`.
    pub(crate) fn release(&mut self, floor: u64) {
        while let Some(&(end, sender)) = self.under_way.front() {
            if end > floor {
                break;
            }
            self.under_way.pop_front();
            self.released[sender] += 1;
            self.released_in_all += 1;
        }
    }

    /// Lines of this sender that every receiver has.
    pub(crate) fn released(&self, sender: usize) -> u64 {
        self.released[sender]
    }

    /// Lines of all senders that every receiver has.
    pub(crate) fn released_in_all(&self) -> u64 {
        self.released_in_all
    }

    /// Lines that the reference receiver has.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// Bytes that it has, up to the end of the last of them.
    pub(crate) fn seen_bytes(&self) -> u64 {
        self.seen_bytes
    }
}

/// A thread's fault, noted so that the others stop too.
pub(crate) fn note_fault<T>(shared: &Shared, result: Result<T, Fault>) -> Result<T, Fault> {
    if result.is_err() {
        shared.failed.store(true, Ordering::Relaxed);
    }
    result
}
