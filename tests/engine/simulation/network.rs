//! The sockets of a simulation as the turn has them: each call is made on a virtual socket, and
//! written down. Owned by a simulation.

use std::io::IoSlice;
use std::rc::Rc;

use chatd::session::{AddressGroup, ConnectionSummary, SessionId};
use chatd::turn::{Fill, Flush, Io};
use fastrand::Rng;

use super::heard::{Event, Log};
use super::sealed::Sealed;
use super::socket::Socket;

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) sockets: Vec<Option<Socket>>,
    /// Those that were closed in this turn.
    pub(crate) closed: Vec<(usize, Socket)>,
    /// Sockets that will say soon that they take bytes again.
    pub(crate) spurious: Vec<usize>,
    /// What must not be asked of a socket was asked.
    pub(crate) fault: Option<String>,
    /// The kernel has told the turn something.
    pub(crate) woken: bool,
    /// Something was read or written.
    pub(crate) progress: bool,
    ready_events: u64,
    rng: Rng,
    log: Log,
}

impl Network {
    pub(crate) fn new(rng: Rng, log: &Log) -> Network {
        Network {
            sockets: Vec::new(),
            closed: Vec::new(),
            spurious: Vec::new(),
            fault: None,
            woken: false,
            progress: false,
            ready_events: 0,
            rng,
            log: Rc::clone(log),
        }
    }

    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut Socket> {
        self.sockets.get_mut(slot)?.as_mut()
    }

    /// The socket can be read from, from now on or again.
    pub(crate) fn mark_ready(&mut self, slot: usize) {
        self.ready_events += 1;
        let now = self.ready_events;
        if let Some(socket) = self.get_mut(slot) {
            socket.ready_since = Some(now);
        }
    }

    /// What was sealed and has no place in the kernel.
    pub(crate) fn held_bytes(&self) -> usize {
        let sockets = self.sockets.iter().flatten();
        let sealed = sockets.filter_map(|socket| socket.sealed.as_ref());
        sealed.map(Sealed::held_bytes).sum()
    }

    fn hear(&mut self, event: Event) {
        self.log.borrow_mut().push_back(event);
    }

    fn socket(&mut self, id: SessionId, call: &str) -> Option<&mut Socket> {
        if self.get_mut(id.slot()).is_none() {
            self.fault = Some(format!("{call} of slot {}, where nobody is", id.0));
        }
        self.get_mut(id.slot())
    }
}

impl Io for Network {
    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        let Some(socket) = self.socket(id, "a read") else {
            return (0, Fill::Lost);
        };
        let (bytes, fill) = socket.fill(buffer.len());
        buffer[..bytes.len()].copy_from_slice(&bytes);
        let count = bytes.len();
        socket.place_is_unknown = false;
        // Who is read from once more, for the sake of who takes its place, keeps its turn.
        if !std::mem::replace(&mut socket.filled, true) {
            self.mark_ready(id.slot());
        }
        self.progress |= count > 0 || !matches!(fill, Fill::Full | Fill::Exhausted);
        self.hear(Event::Fill(id.slot(), bytes, fill));
        (count, fill)
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        let mut rng = self.rng.fork();
        let Some(socket) = self.socket(id, "a write") else {
            return Flush::Lost;
        };
        let mut offered = Vec::new();
        for chunk in chunks {
            offered.extend_from_slice(chunk);
        }
        if offered.is_empty() || socket.shut {
            self.fault = Some(format!("slot {} was written nothing, or is shut", id.0));
            return Flush::Lost;
        }
        let is_asked_in_vain = !socket.writable;
        let (flush, is_spurious) = match socket.write(&offered, &mut rng) {
            Ok(written) => written,
            Err(fault) => {
                self.fault = Some(format!("slot {}: {fault}", id.0));
                return Flush::Lost;
            }
        };
        if let Flush::Took(count) = flush {
            socket.taken.extend_from_slice(&offered[..count]);
        }
        let wrote = socket.wrote;
        self.progress |= wrote || flush == Flush::Lost;
        if is_asked_in_vain {
            self.fault = Some(format!(
                "slot {} was written to while it takes nothing",
                id.0
            ));
        }
        if is_spurious {
            self.spurious.push(id.slot());
        }
        self.hear(Event::Flush(id.slot(), flush));
        flush
    }

    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(u128::from(id.0))
    }

    fn shut(&mut self, id: SessionId) {
        let Some(socket) = self.socket(id, "a shut") else {
            return;
        };
        if std::mem::replace(&mut socket.shut, true) {
            self.fault = Some(format!("slot {} was shut twice", id.0));
        }
        self.hear(Event::Shut(id.slot()));
    }

    fn widen(&mut self, id: SessionId) -> bool {
        let Some(socket) = self.socket(id, "widening") else {
            return false;
        };
        if std::mem::replace(&mut socket.widened, true) {
            self.fault = Some(format!("slot {} was widened twice", id.0));
        }
        self.get_mut(id.slot()).is_some_and(Socket::widen)
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary, last_bytes: Option<Vec<u8>>) {
        match self.sockets[id.slot()].take() {
            Some(mut socket) => {
                socket.last_bytes = last_bytes;
                self.closed.push((id.slot(), socket));
            }
            None => self.fault = Some(format!("slot {} was closed twice", id.0)),
        }
        self.progress = true;
        self.hear(Event::Close(id.slot(), summary));
    }
}
