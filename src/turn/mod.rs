//! `Turn`: the one loop of chatd, without its system calls: what is done in a turn, and in which
//! order. The server, the simulation, the fuzzers and the benches drive this one. It knows no clock
//! and no socket: it is told the time, and reads and writes through an [`Io`]. Owned by whoever
//! drives it, who calls in every turn [`Turn::note`] for what has become ready, [`Turn::start`],
//! then [`Turn::admit`] or [`Turn::refuse`] for who was accepted and what the operator asks of
//! [`Turn::hub_mut`], and at last [`Turn::finish`].

mod io;

use std::io::IoSlice;
use std::time::Duration;

use crate::archive::Recorder;
use crate::chat::Listen;
use crate::config::Limits;
use crate::hub::{self, AfterWrite, Doomed, Hub, Random, Receive};
use crate::session::{CloseReason, SessionId};
use crate::time::{Time, WallTime};

use io::Sockets;
pub use io::{Event, Fill, Flush, Io};

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
    flushing: Vec<SessionId>,
    write_bytes_max: usize,
}

/// Chunks of one gather-write.
const CHUNKS_MAX: usize = 64;
/// What is read at once from a member of a room that goes slower, since it may have to wait.
const PACED_READ_BYTES_MAX: usize = 4 << 10;
/// How often is read from a connection that is broken, or whose place is taken, at most.
const LAST_READS_MAX: usize = 256;

impl Turn {
    /// A loop without connections. `random` gives what nobody can guess.
    pub fn new(limits: Limits, random: Random) -> Turn {
        Turn {
            scratch: vec![0; limits.read_bytes_max],
            write_bytes_max: limits.write_bytes_max,
            hub: Hub::new(limits, random),
            sockets: Sockets::default(),
            clock: Clock::default(),
            put_off: Vec::new(),
            flushing: Vec::new(),
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
        self.hub.next_timeout().map(|at| self.clock.real(at))
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
        let now = self.clock.start_turn(now, self.hub.next_timeout());
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

    /// A connection was accepted for which there is no place: it is told why, and ends.
    pub fn refuse(&mut self, id: SessionId, reason: CloseReason) {
        self.sockets.add(id);
        self.hub.refuse_connection(id, reason);
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

    /// Reads from everybody who waits for it, one buffer each.
    fn read(&mut self, io: &mut impl Io) {
        while let Some(id) = self.hub.sessions_mut().poll_released() {
            self.sockets.list(id);
        }
        for _ in 0..self.sockets.listed() {
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
    /// read for its rate's sake; it is kept as far as there is memory.
    fn lose(&mut self, id: SessionId, io: &mut impl Io) {
        for _ in 0..LAST_READS_MAX {
            let fill = self.fill(id, io, Receive::Keep);
            if fill != Fill::Full || self.hub.is_short_of_memory() {
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

    /// Writes to everybody who is owed something.
    fn flush(&mut self, io: &mut impl Io) {
        let mut flushing = std::mem::take(&mut self.flushing);
        self.hub.sessions_mut().swap_dirty(&mut flushing);
        for &id in &flushing {
            self.flush_one(id, io);
        }
        self.flushing = flushing;
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
            if written >= self.write_bytes_max {
                return self.hub.sessions_mut().mark_writable(id);
            }
            match write_chunks(&self.hub, id, io) {
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

    /// Closes what is doomed: here, and nowhere else, is a slot freed.
    fn reap(&mut self, io: &mut impl Io) {
        while let Some(doomed) = self.hub.sessions_mut().poll_doomed() {
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

/// The time as the engine has it. Time in which the loop did not run although something was due (a
/// stopped process, a paused machine) counts against nobody: it is left out.
#[derive(Debug, Default)]
struct Clock {
    /// What was left out so far.
    stopped: Duration,
    /// When the turn before began.
    last: Time,
}

/// A turn that begins later than this behind its time was kept from running.
const LATE_MIN: Duration = Duration::from_secs(1);

impl Clock {
    /// The time of a turn that begins at `now` and of which the first deadline was `due`. Whoever
    /// the gap concerns has a second left, so that what is ready is served before.
    fn start_turn(&mut self, now: Time, due: Option<Time>) -> Time {
        let engine = now - self.stopped;
        let expected = due.map_or(engine, |due| due.max(self.last));
        let gap = engine.since(expected);
        self.last = if gap > LATE_MIN {
            let resumed = self.last.max(expected - LATE_MIN);
            self.stopped += engine.since(resumed);
            resumed
        } else {
            engine.max(self.last)
        };
        self.last
    }

    /// When that is outside.
    fn real(&self, engine: Time) -> Time {
        if engine == Time::START {
            return Time::START;
        }
        engine + self.stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Time {
        Time::after_start(Duration::from_secs(count))
    }

    #[test]
    fn time_in_which_the_loop_did_not_run_is_left_out() {
        let mut clock = Clock::default();
        assert_eq!(clock.start_turn(seconds(5), Some(seconds(9))), seconds(5));
        assert_eq!(clock.start_turn(seconds(9), Some(seconds(9))), seconds(9));
        // Stopped from about 9 to 40, with something due at 20.
        assert_eq!(
            clock.start_turn(seconds(40), Some(seconds(20))),
            seconds(19)
        );
        assert_eq!(clock.real(seconds(20)), seconds(41));
        assert_eq!(
            clock.start_turn(seconds(41), Some(seconds(20))),
            seconds(20)
        );
        // Nothing was due: it slept, as it should.
        assert_eq!(clock.start_turn(seconds(100), None), seconds(79));
    }
}
