//! `Turn`: the one loop of chatd, without its system calls: what is done in a turn, and in which
//! order. The server, the simulation, the fuzzers and the benches drive this one. It knows no clock
//! and no socket: it is told the time, and reads and writes through an [`Io`]. Owned by whoever
//! drives it, who calls in every turn [`Turn::note`] for what has become ready, [`Turn::start`],
//! then [`Turn::admit`] or [`Turn::refuse`] for who was accepted and what the operator asks of
//! [`Turn::hub_mut`], and at last [`Turn::finish`].

mod clock;
mod flushing;
mod io;
mod share;

use std::io::IoSlice;

use crate::archive::Recorder;
use crate::chat::Listen;
use crate::config::Limits;
use crate::hub::{self, AfterWrite, Doomed, Hub, Random, Receive};
use crate::session::{CloseReason, SessionId};
use crate::time::{Time, WallTime};

use clock::Clock;
use flushing::Flushing;
use io::Sockets;
pub use io::{Event, Fill, Flush, Io};
use share::Share;

/// The loop between two system calls. A method for each of its steps, called in one place: the order
/// of a turn is to be read in [`Turn::start`] and [`Turn::finish`].
#[derive(Debug)]
pub struct Turn {
    hub: Hub,
    sockets: Sockets,
    clock: Clock,
    /// Where everything that is read arrives first.
    scratch: Vec<u8>,
    put_off: Vec<SessionId>,
    flushing: Flushing,
    share: Share,
    bounds: Bounds,
}

/// How much one turn does, so that nobody waits for the next for long.
#[derive(Debug)]
struct Bounds {
    write_bytes_max: usize,
    reads_per_turn_bytes_max: usize,
    writes_per_turn_bytes_max: usize,
    ends_per_turn_max: usize,
}

/// Chunks of one gather-write.
const CHUNKS_MAX: usize = 64;
/// What is read at once from a member of a room that goes slower, since it may have to wait.
const PACED_READ_BYTES_MAX: usize = 4 << 10;
/// How often is read from a connection that is broken, or whose place is taken, at most.
const LAST_READS_MAX: usize = 256;
/// Of what a broken connection has sent so much is kept however short memory is: it may be so in the
/// middle of a turn, at whose end those go who are behind.
const LAST_BYTES_MIN: usize = 16 << 10;

impl Turn {
    /// A loop without connections. `random` gives what nobody can guess.
    pub fn new(limits: Limits, random: Random) -> Turn {
        Turn {
            scratch: vec![0; limits.read_bytes_max],
            bounds: Bounds {
                write_bytes_max: limits.write_bytes_max,
                reads_per_turn_bytes_max: limits.reads_per_turn_bytes_max,
                writes_per_turn_bytes_max: limits.writes_per_turn_bytes_max,
                ends_per_turn_max: limits.ends_per_turn_max,
            },
            share: Share::new(limits.turn_part_time_max),
            hub: Hub::new(limits, random),
            sockets: Sockets::default(),
            clock: Clock::default(),
            put_off: Vec::new(),
            flushing: Flushing::default(),
        }
    }

    /// Somebody who is told everything that happens.
    pub fn listen(&mut self, witness: Box<dyn Listen>) {
        self.hub.listen(witness);
    }

    /// The engine, to be looked at.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The engine, for what the operator asks. Between [`Turn::start`] and [`Turn::finish`].
    pub fn hub_mut(&mut self) -> &mut Hub {
        &mut self.hub
    }

    /// When the next turn must begin if nothing else happens; [`Time::START`] is at once.
    pub fn next_timeout(&self) -> Option<Time> {
        if self.sockets.listed() > 0 {
            return Some(Time::START);
        }
        self.due().map(|at| self.clock.real(at))
    }

    /// What was said in turns that began before this was written to everybody, as far as their
    /// sockets took it; `None` if that is so of all. By the clock outside.
    pub fn unwritten_since(&self) -> Option<Time> {
        let since = self.flushing.waiting_since();
        since.map(|since| self.clock.real(since))
    }

    /// When something is due that is not for a socket to say, in the time of the engine.
    fn due(&self) -> Option<Time> {
        if self.flushing.has_waiting() {
            return Some(Time::START);
        }
        self.hub.next_timeout()
    }

    /// The kernel says that a socket has become ready. This only sets bits.
    pub fn note(&mut self, id: SessionId, event: Event) {
        let Some(socket) = self.sockets.get_mut(id) else {
            return;
        };
        socket.failed |= event.failed;
        if event.readable || event.failed {
            socket.readable = true;
            self.sockets.list(id);
        }
        if event.writable || event.failed {
            if let Some(socket) = self.sockets.get_mut(id) {
                socket.writable = true;
            }
            self.hub.sessions_mut().mark_writable(id);
        }
    }

    /// The first half of a turn, at `now`, which never goes back. Deadlines come before reading, so
    /// that what they release is read in this turn.
    pub fn start(&mut self, now: Time, wall: WallTime, io: &mut impl Io) {
        let now = self.clock.start_turn(now, self.due());
        self.hub.handle_timeout(now, wall);
        self.read(io);
        self.hub.answer(|id| io.address_group(id));
        self.take_over(io);
    }

    /// A connection was accepted; its slot is free here. New ones come behind those who are here.
    pub fn admit(&mut self, id: SessionId) {
        self.sockets.add(id);
        self.hub.connect(id);
    }

    /// A connection was accepted for which there is no place: it is told why, in the operator's words if
    /// there are any, and ends.
    pub fn refuse(&mut self, id: SessionId, reason: CloseReason, words: Option<&str>) {
        self.sockets.add(id);
        self.hub.refuse_connection(id, reason, words);
    }

    /// The second half of a turn: what was said is kept, if anything is, then laid out and written;
    /// who is doomed is closed. Nothing is written to anybody that was not handed to `keep` before.
    pub fn finish(&mut self, io: &mut impl Io, keep: impl FnOnce(&mut Recorder)) {
        self.hub.seal();
        if let Some(recorder) = self.hub.recorder() {
            keep(recorder);
        }
        self.flush(io);
        self.reap(io);
        self.hub.settle();
        debug_assert_eq!(self.unsound(), None);
    }

    /// Reads from everybody who waits for it, one buffer each, as far as this turn has time.
    fn read(&mut self, io: &mut impl Io) {
        self.share.begin(io.time());
        while let Some(id) = self.hub.sessions_mut().poll_released() {
            self.sockets.list(id);
        }
        for _ in 0..self.sockets.listed() {
            let bytes_max = self.bounds.reads_per_turn_bytes_max;
            if self.share.is_spent(bytes_max, io.time()) {
                break;
            }
            if let Some(id) = self.sockets.next_listed() {
                self.read_one(id, io);
            }
        }
        self.sockets.list_first(&mut self.put_off);
    }

    fn read_one(&mut self, id: SessionId, io: &mut impl Io) {
        let Some(socket) = self.sockets.get(id) else {
            return;
        };
        if !socket.readable {
            return;
        }
        if !self.hub.sessions().wants_input(id) {
            // Held back; it comes again when it is released. A broken one would haunt its name.
            if socket.failed {
                self.lose(id, io);
            }
            return;
        }
        if self.hub.wants_input_later(id) {
            return self.put_off.push(id);
        }
        let fill = self.fill(id, io, Receive::Handle);
        self.after_fill(id, fill, io);
    }

    /// What became of the socket, after what was read from it was handled.
    fn after_fill(&mut self, id: SessionId, fill: Fill, io: &mut impl Io) {
        self.sockets.list(id);
        match fill {
            Fill::Full | Fill::Exhausted => {}
            Fill::Ended => self.hub.handle_event(id, hub::Event::Ended),
            Fill::Truncated => self.hub.handle_event(id, hub::Event::Truncated),
            Fill::Faulty => self.hub.handle_event(id, hub::Event::Faulty),
            Fill::Lost => self.lose(id, io),
        }
    }

    /// A connection is broken. What had come before that still lies in the kernel, if it was not
    /// read for its rate's sake; it is kept as far as there is memory, and a burst of lines always.
    fn lose(&mut self, id: SessionId, io: &mut impl Io) {
        let moved_before = self.share.moved_bytes();
        for _ in 0..LAST_READS_MAX {
            let fill = self.fill(id, io, Receive::Keep);
            let kept_bytes = self.share.moved_bytes() - moved_before;
            if fill != Fill::Full || kept_bytes >= LAST_BYTES_MIN && self.hub.is_short_of_memory() {
                break;
            }
        }
        self.hub.handle_event(id, hub::Event::Lost);
    }

    /// One read, handed to the engine.
    fn fill(&mut self, id: SessionId, io: &mut impl Io, receive: Receive) -> Fill {
        let most = if self.hub.is_paced(id) {
            PACED_READ_BYTES_MAX
        } else {
            usize::MAX
        };
        let length_max = self.scratch.len().min(most);
        let (length, fill) = io.fill(id, &mut self.scratch[..length_max]);
        self.share.read(length);
        if let Some(socket) = self.sockets.get_mut(id) {
            socket.readable = fill == Fill::Full;
        }
        if length > 0 {
            let sessions = self.hub.sessions_mut();
            sessions.learn_transport(id, || io.transport(id));
            self.hub.receive(id, &mut self.scratch[..length], receive);
        }
        fill
    }

    /// Who comes back takes its old connection's place, once that was read to its end.
    fn take_over(&mut self, io: &mut impl Io) {
        while let Some(old) = self.hub.next_takeover() {
            let mut fill = Fill::Full;
            for _ in 0..LAST_READS_MAX {
                fill = self.fill(old, io, Receive::HandleLast);
                if fill != Fill::Full {
                    break;
                }
            }
            self.hub.finish_takeover();
            // It may be there still, if its last lines gave it another name.
            self.after_fill(old, fill, io);
        }
    }

    /// Writes to everybody who is owed something, as far as this turn has time.
    fn flush(&mut self, io: &mut impl Io) {
        self.share.begin(io.time());
        self.hub.sessions_mut().take_dirty(&mut self.flushing.fresh);
        let bytes_max = self.bounds.writes_per_turn_bytes_max;
        loop {
            let now = io.time();
            if self.share.is_spent(bytes_max, now) {
                break;
            }
            let half_spent = self.share.is_half_spent(bytes_max, now);
            let Some(id) = self.flushing.next(half_spent) else {
                break;
            };
            self.hub.sessions_mut().clear_dirty(id);
            self.flush_one(id, io);
        }
        let waiting_since = self.flushing.put_off(self.clock.last);
        self.hub.sessions_mut().set_waiting_since(waiting_since);
    }

    fn flush_one(&mut self, id: SessionId, io: &mut impl Io) {
        self.write(id, io);
        match self.hub.after_write(id) {
            AfterWrite::KeepOpen => {}
            AfterWrite::Widen => {
                if self.widen(id, io) {
                    self.flush_one(id, io);
                }
            }
            AfterWrite::Shut => {
                io.shut(id);
                if !io.must_linger(id) {
                    self.hub.handle_event(id, hub::Event::Shut);
                }
            }
        }
    }

    /// Writes what a connection is owed, until that is nothing, the socket takes no more, or it had
    /// its share of the turn.
    fn write(&mut self, id: SessionId, io: &mut impl Io) {
        let mut written = 0;
        while self.sockets.get(id).is_some_and(|socket| socket.writable)
            && self.hub.sessions().queued_bytes(id) > 0
        {
            if written >= self.bounds.write_bytes_max {
                return self.hub.sessions_mut().mark_writable(id);
            }
            let flushed = write_chunks(&self.hub, id, io);
            self.share.written(match flushed {
                Flush::Took(count) | Flush::Promised(count) => count,
                Flush::Blocked | Flush::Lost => 0,
            });
            match flushed {
                Flush::Took(count) => {
                    self.hub.sessions_mut().consume(id, count);
                    written += count;
                }
                refused => {
                    if let Some(socket) = self.sockets.get_mut(id) {
                        socket.writable = false;
                    }
                    match refused {
                        Flush::Promised(count) => self.hub.sessions_mut().promise(id, count),
                        Flush::Lost => return self.lose(id, io),
                        Flush::Took(_) | Flush::Blocked => {}
                    }
                }
            }
        }
    }

    /// Lets a socket that is full take its last lines. Only once, and not one that has failed.
    fn widen(&mut self, id: SessionId, io: &mut impl Io) -> bool {
        let Some(socket) = self.sockets.get_mut(id) else {
            return false;
        };
        if socket.writable || socket.failed || std::mem::replace(&mut socket.widened, true) {
            return false;
        }
        socket.writable = io.widen(id);
        socket.writable
    }

    /// Closes what is doomed, as far as this turn has time: here, and nowhere else, is a slot freed.
    fn reap(&mut self, io: &mut impl Io) {
        self.share.begin(io.time());
        for _ in 0..self.bounds.ends_per_turn_max {
            if self.share.is_spent(usize::MAX, io.time()) {
                break;
            }
            let Some(doomed) = self.hub.sessions_mut().poll_doomed() else {
                break;
            };
            let Doomed { id, last_bytes } = doomed;
            if let Some(summary) = self.hub.remove(id) {
                self.sockets.remove(id);
                io.close(id, summary, last_bytes);
            }
        }
    }

    /// The first thing found that must not be: of the engine, or that somebody would wait for ever.
    fn unsound(&self) -> Option<String> {
        let at_once = self.next_timeout() == Some(Time::START);
        for (id, socket) in self.sockets.iter() {
            let sessions = self.hub.sessions();
            let fault = if sessions.queued_bytes(id) > 0 && socket.writable && !at_once {
                "it takes bytes, is owed some, and nobody will write"
            } else if socket.readable && !socket.listed && sessions.wants_input(id) && !at_once {
                "it has something to read, and nobody will"
            } else if !sessions.wants_input(id) && self.next_timeout().is_none() {
                let owed = sessions.queued_bytes(id);
                if owed > 0 || sessions.waits_for_archive(id) {
                    continue;
                }
                "it is held back for ever"
            } else {
                continue;
            };
            return Some(format!("slot {}: {fault}", id.0));
        }
        self.hub.overview().unsound()
    }
}

/// One gather-write.
fn write_chunks(hub: &Hub, id: SessionId, io: &mut impl Io) -> Flush {
    let mut gathered = [IoSlice::new(&[]); CHUNKS_MAX];
    let chunks = hub.sessions().chunks(id);
    let mut count = 0;
    for (place, chunk) in gathered.iter_mut().zip(chunks) {
        *place = IoSlice::new(chunk);
        count += 1;
    }
    io.flush(id, &gathered[..count])
}
