//! One thread of the generator: it owns its connections, reads them all in turn with one big
//! buffer, checks, and sends what its senders may send. It never sleeps on a socket: when all
//! are empty it pauses for a fixed time, so the server has no sleeper to wake at a send.
//! Owned by `run`, which starts one for each core.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::fault::Fault;
use crate::frame::{Contender, Frames};
use crate::intake::Intake;
use crate::member::{Member, Pace, Sender};
use crate::progress::{Ledger, RoomProgress, Shared};
use std::sync::atomic::Ordering;

/// Large enough for a whole window of lines, small enough to stay in a core's own cache.
const BUFFER_BYTES: usize = 256 << 10;
/// How long the last lines may take after the sending has stopped.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The receivers of one room in this thread; the first is followed line by line.
#[derive(Debug)]
pub(crate) struct Group {
    /// Which room.
    pub(crate) room: usize,
    /// The receivers; never empty unless there are only senders.
    pub(crate) members: Vec<Member>,
    /// The senders of this room in this thread.
    pub(crate) senders: Vec<Sender>,
    /// What the first receiver has and others may not.
    pub(crate) ledger: Ledger,
}

/// Delivery times, from when each line was due.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    /// Between two lines of the run.
    pub(crate) interval: Duration,
    /// Senders that take turns.
    pub(crate) senders: u64,
    /// Lines from this one on count.
    pub(crate) first_line: u64,
    /// In nanoseconds.
    pub(crate) times: Histogram<u64>,
}

/// Everything one thread needs.
#[derive(Debug)]
pub(crate) struct Driver<'a> {
    /// Which thread, from 0.
    pub(crate) thread: usize,
    /// The server's kind.
    pub(crate) contender: Contender,
    /// The lines.
    pub(crate) frames: &'a Frames,
    /// What is shared.
    pub(crate) shared: &'a Shared,
    /// When lines are due.
    pub(crate) pace: Pace,
    /// Pause when nothing moved; zero spins.
    pub(crate) poll: Duration,
    /// The rooms.
    pub(crate) groups: Vec<Group>,
    /// Set where delivery times are taken.
    pub(crate) stopwatch: Option<Stopwatch>,
}

impl Driver<'_> {
    /// Receives and sends until everything that was sent has arrived everywhere.
    pub(crate) fn run(&mut self) -> Result<(), Fault> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut deadline = None;
        let mut is_done = false;
        loop {
            let has_received = self.receive(&mut buffer)?;
            let has_sent = self.send(&mut buffer)?;
            if self.shared.has_failed() {
                return Err(Fault::Elsewhere);
            }
            if self.shared.stopping.load(Ordering::Relaxed) {
                if self.contender.is_blast() {
                    return Ok(());
                }
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + DRAIN_TIMEOUT);
                if !is_done && self.has_all() {
                    is_done = true;
                    self.shared.threads_done.fetch_add(1, Ordering::Release);
                }
                // The others must not lack this thread's reading: they leave together.
                if self.shared.threads_done.load(Ordering::Acquire) == self.threads() {
                    return self.verify();
                }
                if Instant::now() > deadline {
                    return self.verify();
                }
            }
            if !has_received && !has_sent {
                self.pause();
            }
        }
    }

    fn threads(&self) -> usize {
        self.shared.received_bytes.len()
    }

    /// Whether anything came.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<bool, Fault> {
        let (mut received, mut has_received) = (0, false);
        for group in &mut self.groups {
            let room = &self.shared.rooms[group.room];
            let mut floor = u64::MAX;
            for (place, member) in group.members.iter_mut().enumerate() {
                let ledger = &mut group.ledger;
                let stopwatch = &mut self.stopwatch;
                let before = member.intake.position();
                let has_read = member.read(buffer, room, |line| {
                    if place == 0 {
                        ledger.note(line);
                    }
                    if let Some(stopwatch) = stopwatch {
                        stopwatch.note(line.sender, line.sequence, self.shared);
                    }
                })?;
                has_received |= has_read;
                received += member.intake.position() - before;
                floor = floor.min(member.intake.position());
            }
            room.set_floor(self.thread, floor);
        }
        self.shared.received_bytes[self.thread].fetch_add(received, Ordering::Relaxed);
        if self.thread == 0 && has_received {
            self.tell();
        }
        Ok(has_received)
    }

    /// What the one who measures wants to know of the first thread.
    fn tell(&self) {
        let Some(group) = self.groups.first() else {
            return;
        };
        let Some(followed) = group.members.first() else {
            return;
        };
        let departed = followed.intake.departed();
        self.shared.departed.store(departed, Ordering::Relaxed);
        let followed = &self.shared.followed;
        let lines = group.ledger.seen();
        followed.lines.store(lines, Ordering::Relaxed);
        let bytes = group.ledger.seen_bytes();
        followed.bytes.store(bytes, Ordering::Relaxed);
    }

    fn send(&mut self, buffer: &mut [u8]) -> Result<bool, Fault> {
        let mut has_sent = false;
        for group in &mut self.groups {
            let room = &self.shared.rooms[group.room];
            group.ledger.release(room.floor());
            if self.thread == 0 && group.room == 0 {
                let everywhere = group.ledger.released_in_all();
                let shared = &self.shared.followed.everywhere;
                shared.store(everywhere, Ordering::Relaxed);
            }
            for sender in &mut group.senders {
                has_sent |= sender.step(
                    self.pace,
                    self.frames,
                    &group.ledger,
                    room,
                    self.shared,
                    &mut group.members,
                )?;
                sender.drain_answers(buffer)?;
            }
        }
        Ok(has_sent)
    }

    fn pause(&self) {
        let mut pause = self.poll;
        if let Pace::Schedule { interval } = self.pace {
            // Close to its next line the thread spins: a line sent late would count as the server's.
            let now = Instant::now();
            let senders = self
                .groups
                .iter()
                .flat_map(|group| group.senders.iter().map(|sender| (sender, &group.ledger)));
            for (sender, ledger) in senders {
                if let Some(due) = sender.next_due(interval, ledger, self.shared) {
                    let left = due.saturating_duration_since(now);
                    pause = pause.min(left.saturating_sub(self.poll));
                }
            }
        }
        if pause.is_zero() {
            std::hint::spin_loop();
        } else {
            std::thread::sleep(pause);
        }
    }

    /// Whether every receiver of this thread has every line.
    fn has_all(&self) -> bool {
        self.shared.senders_open.load(Ordering::Acquire) == 0
            && self.groups.iter().all(|group| {
                let sent = self.shared.rooms[group.room]
                    .sent_lines
                    .load(Ordering::Relaxed);
                let members = &group.members;
                let position = |member: &Member| member.intake.position();
                let reference = members.first().map_or(0, position);
                let senders = &group.senders;
                group.ledger.seen() == sent
                    && members.iter().all(|member| position(member) == reference)
                    && senders.iter().all(|sender| sender.is_answered(members))
            })
    }

    fn verify(&self) -> Result<(), Fault> {
        for group in &self.groups {
            let room = &self.shared.rooms[group.room];
            let Some(reference) = group.members.first() else {
                continue;
            };
            let reference = &reference.intake;
            let sent = room.sent_lines.load(Ordering::Relaxed);
            if group.ledger.seen() != sent {
                return Err(incomplete(reference, room, group.ledger.seen()));
            }
            if !group
                .senders
                .iter()
                .all(|one| one.is_answered(&group.members))
            {
                return Err(Fault::Incomplete {
                    connection: reference.number(),
                    what: "a sender of its room was not answered for every line".into(),
                });
            }
            for member in &group.members {
                let member = &member.intake;
                let same_lines = member.counted_lines() == reference.counted_lines();
                if member.position() != reference.position() || !same_lines {
                    let per_line = self.frames.received_bytes() as u64;
                    return Err(incomplete(member, room, member.position() / per_line));
                }
                member.compare_tail(room)?;
            }
        }
        Ok(())
    }
}

fn incomplete(member: &Intake, room: &RoomProgress, lines: u64) -> Fault {
    let sent = room.sent_lines.load(Ordering::Relaxed);
    Fault::Incomplete {
        connection: member.number(),
        what: format!("{lines} lines arrived within {DRAIN_TIMEOUT:?}, {sent} were sent"),
    }
}

impl Stopwatch {
    fn note(&mut self, sender: usize, sequence: u64, shared: &Shared) {
        let line = sequence * self.senders + sender as u64;
        let Some(&start) = shared.start.get() else {
            return;
        };
        if line >= self.first_line {
            let due = Pace::due(self.interval, start, line);
            let late = Instant::now().saturating_duration_since(due);
            self.times.saturating_record(late.as_nanos() as u64);
        }
    }
}
