//! What has become of each direction of a TLS connection, and what a step of it brings about: plain
//! values, each with one meaning. What is done with them is `connection`'s. Owned by a connection.

use crate::turn::{Event, Fill};

/// What rustls holds of a connection, as far as it can be known.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// What is decrypted and not handed out.
    pub(super) unread_bytes: usize,
    /// What has come since the last that was handed out, or since the beginning of the handshake:
    /// never less than what is held of that, be it parts of a message over many records.
    pub(super) fruitless_bytes: usize,
    /// Handshakes, alerts and what is sealed, not written.
    pub(super) unwritten_bytes: usize,
}

/// What has become of the way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// More may come.
    Open,
    /// It has ended so, which is said once everything before it is handed out.
    Ending(Fill),
    /// What still comes is dropped.
    Deaf,
    /// So has the socket.
    Over(Fill),
}

/// What has become of the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Open,
    /// The handshake is over, and with its end something was said: the ticket goes with the answer.
    Reticent,
    /// Once everything is written, the socket's side is shut.
    Closing,
    Shut,
}

/// What was sealed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sealing {
    /// It is wholly in the kernel.
    Done,
    /// It is, but the socket did not take it at once.
    DoneLate,
    /// So many bytes of what was given are sealed, and not wholly in the kernel.
    Pending(usize),
}

/// What a step has brought about that the table is to see to.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Bytes went to the kernel.
    pub(super) has_written: bool,
    /// What the turn must be told, since no event of the kernel will say so.
    pub(super) ready: Event,
    /// It waits for its share of the time for handshakes.
    pub(super) waits: bool,
}

/// What became of an attempt to write what rustls has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    All,
    Blocked,
    Lost,
}
