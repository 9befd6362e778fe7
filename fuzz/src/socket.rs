//! `Socket`: one connection between a peer that the script plays and the server's side of it: the
//! bytes on their way in both directions, and what a read or a write comes to. And `Sockets`, all
//! of them as the [`Io`] of a turn: each looks at what its peer hears. Owned by the machine.

use std::io::IoSlice;

use chatd::config::Limits;
use chatd::session::{AddressGroup, ConnectionSummary, SessionId};
use chatd::time::Time;
use chatd::turn::{Fill, Flush, Io};

use crate::ending;
use crate::heard::Heard;
use crate::log::Log;

/// What the peer does with its sending side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// It may send.
    Open,
    /// It has shut its side.
    Ended,
    /// The connection is broken.
    Broken,
}

/// See the file.
#[derive(Debug)]
pub struct Socket {
    /// Sent by the peer and not read yet.
    pub inbox: Vec<u8>,
    /// The peer's sending side.
    pub sending: Sending,
    /// How many more bytes the peer takes.
    pub window: usize,
    /// Whether it can be given a larger one for its last lines.
    can_widen: bool,
    /// A write found the window shut: the peer's reading is to be told.
    pub is_blocked: bool,
    /// The server has read that the peer sends no more.
    pub was_told_end: bool,
    /// Its session is over, though it may still be owed something.
    pub has_ended: bool,
    /// The server has shut its side after everything was written.
    pub shut: bool,
    /// The script has thrown its owner out.
    pub kicked: bool,
    /// The script has refused it.
    pub refused: bool,
    /// What the peer has read.
    pub heard: Heard,
    /// Bytes that the turn was given.
    pub bytes_in: u64,
    /// Whether it had said something before the turn in which its session ended.
    pub had_spoken: bool,
    /// The lines in them, a last one without its ending included.
    pub lines_in: u64,
    /// When its session ended: whole lines that had come, and bytes that had not.
    pub come_by_end: Option<(u64, usize)>,
    /// The last of these bytes ended a line, or there was none.
    at_line_start: bool,
    /// Bytes that the turn got rid of.
    pub bytes_out: u64,
    /// When it was accepted.
    pub connected_at: Time,
    /// Since when it is owed something and takes nothing.
    pub stuck_since: Option<Time>,
    /// Whether anything of a turn was ever left for the next.
    pub was_behind: bool,
}

impl Socket {
    /// A new connection whose peer takes so many bytes for now.
    pub fn new(window: usize, can_widen: bool) -> Socket {
        Socket {
            inbox: Vec::new(),
            sending: Sending::Open,
            window,
            can_widen,
            is_blocked: false,
            was_told_end: false,
            has_ended: false,
            shut: false,
            kicked: false,
            refused: false,
            heard: Heard::default(),
            bytes_in: 0,
            had_spoken: false,
            lines_in: 0,
            come_by_end: None,
            at_line_start: true,
            bytes_out: 0,
            connected_at: Time::START,
            stuck_since: None,
            was_behind: false,
        }
    }

    /// Its session is over, in this turn.
    pub fn note_end(&mut self) {
        assert!(!self.has_ended, "each connection ends once");
        self.has_ended = true;
        self.come_by_end = Some(self.come_by_now());
    }

    /// Whole lines that have come, and bytes that have not.
    pub fn come_by_now(&self) -> (u64, usize) {
        let unfinished = u64::from(!self.at_line_start);
        (self.lines_in - unfinished, self.inbox.len())
    }

    /// The peer sends. Whether the poll would tell.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        if self.sending != Sending::Open || bytes.is_empty() {
            return false;
        }
        self.inbox.extend_from_slice(bytes);
        true
    }

    /// The peer shuts its side. Whether the poll would tell.
    pub fn end(&mut self) -> bool {
        let was_open = self.sending == Sending::Open;
        if was_open {
            self.sending = Sending::Ended;
        }
        was_open
    }

    /// The connection breaks: what was not read yet is gone. Whether the poll would tell.
    pub fn break_off(&mut self) -> bool {
        let was_whole = self.sending != Sending::Broken;
        self.sending = Sending::Broken;
        self.inbox.clear();
        was_whole
    }

    fn fill(&mut self, buffer: &mut [u8]) -> (usize, Fill) {
        if self.sending == Sending::Broken {
            return (0, Fill::Lost);
        }
        let length = self.inbox.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.inbox[..length]);
        self.inbox.drain(..length);
        self.count(&buffer[..length]);
        if length == buffer.len() {
            return (length, Fill::Full);
        }
        match self.sending {
            Sending::Ended => {
                self.was_told_end = true;
                (length, Fill::Ended)
            }
            Sending::Open | Sending::Broken => (length, Fill::Exhausted),
        }
    }

    fn count(&mut self, read: &[u8]) {
        self.bytes_in += read.len() as u64;
        for &byte in read {
            self.lines_in += u64::from(self.at_line_start);
            self.at_line_start = byte == b'\n';
        }
    }

    /// Writes at most `bytes_max` of these chunks.
    fn flush(&mut self, chunks: &[IoSlice<'_>], bytes_max: usize, log: &Log) -> Flush {
        assert!(!self.shut, "something is written behind the end");
        if self.sending == Sending::Broken {
            return Flush::Lost;
        }
        if self.window == 0 {
            self.is_blocked = true;
            return Flush::Blocked;
        }
        let mut left = bytes_max.min(self.window);
        let before = left;
        for chunk in chunks {
            let taken = &chunk[..left.min(chunk.len())];
            self.heard.hear(taken, log);
            left -= taken.len();
        }
        let count = before - left;
        assert!(count > 0, "nothing is written");
        self.window -= count;
        self.bytes_out += count as u64;
        Flush::Took(count)
    }
}

/// See the file.
#[derive(Debug)]
pub struct Sockets {
    /// By the slots of their sessions.
    pub slots: Vec<Option<Socket>>,
    /// What happened.
    pub log: Log,
    /// The server's.
    pub limits: Limits,
    /// Whether the server was told to stop.
    pub is_stopping: bool,
    /// What one write takes at most.
    write_bytes_max: usize,
}

impl Sockets {
    /// Places for so many, each of which takes at most so much in one write.
    pub fn new(slots: u32, write_bytes_max: usize, limits: Limits, log: Log) -> Sockets {
        Sockets {
            slots: (0..slots).map(|_| None).collect(),
            log,
            limits,
            is_stopping: false,
            write_bytes_max,
        }
    }

    fn socket(&mut self, id: SessionId) -> &mut Socket {
        let socket = self.slots[id.slot()].as_mut();
        socket.expect("a turn only knows sockets that are there")
    }
}

impl Io for Sockets {
    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        self.socket(id).fill(buffer)
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        self.log.catch_up();
        let socket = self.slots[id.slot()].as_mut();
        let socket = socket.expect("a turn only knows sockets that are there");
        socket.flush(chunks, self.write_bytes_max, &self.log)
    }

    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(u128::from(id.0))
    }

    fn shut(&mut self, id: SessionId) {
        let socket = self.socket(id);
        assert!(!socket.shut, "a side is shut once");
        socket.shut = true;
    }

    fn widen(&mut self, id: SessionId) -> bool {
        let socket = self.socket(id);
        assert_eq!(socket.window, 0, "it is given room and has some");
        if socket.can_widen {
            // As the kernel counts it, not as the peer reads.
            socket.window = 1 << 16;
        }
        socket.can_widen
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary, _: Option<Vec<u8>>) {
        self.log.catch_up();
        let socket = self.slots[id.slot()].take();
        let socket = socket.expect("each connection is closed once");
        ending::check(&socket, &summary, self);
    }
}
