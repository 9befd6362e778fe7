//! `Socket`: one connection between a peer that the script plays and the server's side of it: the
//! bytes on their way in both directions, and the readiness bits that an edge-triggered poll would
//! leave. It says what a read or a write would do. Owned by the machine, in the slot of its session.

use chatd::time::Time;

use crate::heard::Heard;

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

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// So many bytes, and there may be more later.
    Open,
    /// Nothing will follow.
    Ended,
    /// The connection is broken.
    Lost,
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
    /// Reading may bring something.
    pub readable: bool,
    /// Writing may take something.
    pub writable: bool,
    /// The kernel has reported an error.
    pub failed: bool,
    /// In the list of those to be read from.
    pub listed: bool,
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
    /// Bytes that the hub was given.
    pub bytes_in: u64,
    /// The lines in them, a last one without its ending included.
    pub lines_in: u64,
    /// The last of these bytes ended a line, or there was none.
    at_line_start: bool,
    /// Bytes that the hub got rid of.
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
    pub fn new(window: usize) -> Socket {
        Socket {
            inbox: Vec::new(),
            sending: Sending::Open,
            window,
            readable: false,
            writable: true,
            failed: false,
            listed: false,
            was_told_end: false,
            has_ended: false,
            shut: false,
            kicked: false,
            refused: false,
            heard: Heard::default(),
            bytes_in: 0,
            lines_in: 0,
            at_line_start: true,
            bytes_out: 0,
            connected_at: Time::START,
            stuck_since: None,
            was_behind: false,
        }
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
        self.failed = true;
        self.inbox.clear();
        was_whole
    }

    /// Reads at most so much, as `net::conn` does: until the buffer is full or nothing is left.
    pub fn fill(&mut self, bytes_max: usize) -> (Vec<u8>, Fill) {
        if self.sending == Sending::Broken {
            self.readable = false;
            return (Vec::new(), Fill::Lost);
        }
        let length = self.inbox.len().min(bytes_max);
        let read: Vec<u8> = self.inbox.drain(..length).collect();
        self.count(&read);
        if length == bytes_max {
            return (read, Fill::Open);
        }
        self.readable = false;
        match self.sending {
            Sending::Ended => {
                self.was_told_end = true;
                (read, Fill::Ended)
            }
            Sending::Open | Sending::Broken => (read, Fill::Open),
        }
    }

    fn count(&mut self, read: &[u8]) {
        self.bytes_in += read.len() as u64;
        for &byte in read {
            self.lines_in += u64::from(self.at_line_start);
            self.at_line_start = byte == b'\n';
        }
    }
}
