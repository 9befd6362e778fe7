//! What a turn needs of sockets, and what it knows of them: which may be read from or written to,
//! and who waits for that. No system call is made here: whoever drives the turn implements [`Io`],
//! be it over the kernel or in a test. Owned by the turn.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::session::{AddressGroup, ConnectionSummary, SessionId, Transport};
use crate::time::Time;

/// The sockets of a server, by the slots of their sessions.
pub trait Io {
    /// Reads into the buffer until it is full or the socket is exhausted: how much, and what became
    /// of the socket.
    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill);

    /// Writes as much of these chunks as the socket takes at once.
    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush;

    /// The time by a clock that never goes back, so that no part of a turn takes long. One that stands
    /// still bounds nothing.
    fn time(&self) -> Time {
        Time::START
    }

    /// Where a socket comes from.
    fn address_group(&mut self, id: SessionId) -> AddressGroup;

    /// Says that nothing more will be written.
    fn shut(&mut self, id: SessionId);

    /// Whether a connection that is shut must stay for a moment although the other side has ended:
    /// what says so to the other side is not written yet, or more than that may come.
    fn must_linger(&self, _id: SessionId) -> bool {
        false
    }

    /// What the connection is carried by. Asked once something was read from it.
    fn transport(&self, _id: SessionId) -> Transport {
        Transport::Plain
    }

    /// Makes room in the kernel for the last lines to a socket that is full. Whether another try to
    /// write is worth it.
    fn widen(&mut self, id: SessionId) -> bool;

    /// Closes the connection; its slot is free. `last_bytes` are all that it is still owed, to be
    /// written if its socket takes them later; what was promised of them is sealed already. `None`
    /// if nothing more is to be written.
    fn close(&mut self, id: SessionId, summary: ConnectionSummary, last_bytes: Option<Vec<u8>>);
}

/// What became of an attempt to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// The buffer is full, and more may be there.
    Full,
    /// Nothing more is there; the kernel will say when there is.
    Exhausted,
    /// The other side sends no more.
    Ended,
    /// The other side is gone without saying that this is its end: what it was in the middle of is
    /// cut short.
    Truncated,
    /// What came cannot be understood by what carries the connection, which has told the other side
    /// so. Nothing more can be written.
    Faulty,
    /// The connection is broken.
    Lost,
}

/// What became of an attempt to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// So many bytes were taken, and it may take more.
    Took(usize),
    /// It takes no more; the kernel will say when it does.
    Blocked,
    /// It takes no more, as with [`Flush::Blocked`]. None of these bytes counts as taken, but so many
    /// of them are sealed and must follow: the next flush must begin with the same.
    Promised(usize),
    /// The connection is broken.
    Lost,
}

/// What the kernel says of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Event {
    /// Reading may bring something, be it the end.
    pub readable: bool,
    /// Writing may take something.
    pub writable: bool,
    /// It has failed.
    pub failed: bool,
}

/// What the kernel has said of one socket and is not exhausted yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readiness {
    /// Reading may bring something. Cleared only by what a read says.
    pub(super) readable: bool,
    /// Writing may take something. Cleared only by what a write says.
    pub(super) writable: bool,
    pub(super) failed: bool,
    /// In the queue of those to be read from.
    pub(super) listed: bool,
    /// It was given room for its last lines.
    pub(super) widened: bool,
}

/// The readiness of all sockets, and the queue of those to be read from: first come, first served.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    sockets: Vec<Option<Readiness>>,
    to_read: VecDeque<SessionId>,
}

impl Sockets {
    /// A socket that was accepted. It takes something; if not, it will say so.
    pub(super) fn add(&mut self, id: SessionId) {
        if self.sockets.len() <= id.slot() {
            self.sockets.resize(id.slot() + 1, None);
        }
        self.sockets[id.slot()] = Some(Readiness {
            readable: false,
            writable: true,
            failed: false,
            listed: false,
            widened: false,
        });
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        self.sockets[id.slot()] = None;
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Readiness> {
        self.sockets.get(id.slot())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Readiness> {
        self.sockets.get_mut(id.slot())?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionId, &Readiness)> {
        let sockets = (0u32..).zip(&self.sockets);
        sockets.filter_map(|(slot, socket)| Some((SessionId(slot), socket.as_ref()?)))
    }

    /// Puts a socket that may be read from behind all others that wait for that, once.
    pub(super) fn list(&mut self, id: SessionId) {
        if let Some(socket) = self.sockets.get_mut(id.slot()).and_then(Option::as_mut)
            && socket.readable
            && !socket.listed
        {
            socket.listed = true;
            self.to_read.push_back(id);
        }
    }

    /// How many wait to be read from.
    pub(super) fn listed(&self) -> usize {
        self.to_read.len()
    }

    /// The next that waits to be read from; it is not in the queue any more.
    pub(super) fn next_listed(&mut self) -> Option<SessionId> {
        let id = self.to_read.pop_front()?;
        if let Some(socket) = self.get_mut(id) {
            socket.listed = false;
        }
        Some(id)
    }

    /// Those that had to be put off go first in the next turn.
    pub(super) fn list_first(&mut self, put_off: &mut Vec<SessionId>) {
        for id in put_off.drain(..).rev() {
            if let Some(socket) = self.get_mut(id)
                && !socket.listed
            {
                socket.listed = true;
                self.to_read.push_front(id);
            }
        }
    }
}
