//! `Door`: what stands between the bytes of some connections and lines: an HTTP request on its way
//! in, or the frames of a WebSocket. Plain text and JSON lines have none. What is done with it is
//! the hub's business. Owned by a session, in a box, so that those without one stay small.

use crate::bucket::Bucket;
use crate::chat::MessageId;
use crate::dialect::http::Head;
use crate::dialect::websocket::{ControlPayload, Reader};
use crate::password::KeptPassword;
use crate::time::Time;

/// Where a connection comes from, as far as those from there share a rate: an IPv4 address, or the
/// first 64 bits of an IPv6 address, as a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressGroup(pub u128);

/// See the file.
#[derive(Debug)]
pub enum Door {
    /// The head of a request that is not whole.
    Head(Head),
    /// Something that is to be said once it is here. In a box of its own, as the next, since it is
    /// short-lived and larger than what a WebSocket has for good.
    Posting(Box<Posting>),
    /// A page of what was said that is to be told once there is time for it.
    Reading(Box<Reading>),
    /// The connection is a WebSocket.
    Frames(Frames),
}

/// A post over HTTP.
#[derive(Debug)]
pub struct Posting {
    /// The room, as it was asked for.
    pub room: String,
    /// The name, as it was asked for.
    pub name: String,
    /// The password of the server, if one was given.
    pub password: Option<KeptPassword>,
    /// The body as far as it is here.
    pub body: Vec<u8>,
    /// How long it will be.
    pub body_bytes: usize,
    /// Where it comes from, once that was asked for.
    pub group: Option<AddressGroup>,
}

/// A request for what was said in a room.
#[derive(Debug)]
pub struct Reading {
    /// The room, as it was asked for.
    pub room: String,
    /// What follows this message; without it the newest.
    pub since: Option<MessageId>,
    /// Messages, at most.
    pub limit: Option<usize>,
    /// The password of the server, if one was given.
    pub password: Option<KeptPassword>,
    /// Where it comes from, once that was asked for.
    pub group: Option<AddressGroup>,
    /// Whether the answer is to have no body.
    pub is_head_only: bool,
}

/// The state of a WebSocket.
#[derive(Debug)]
pub struct Frames {
    /// What it is in the middle of sending.
    pub reader: Reader,
    /// How it ends, once that is decided on this layer.
    pub ending: Option<FramesEnding>,
    /// Its pings, once there was one: browsers send none.
    pub pings: Option<Box<Pings>>,
    /// When we last asked whether it is there.
    pub pinged_at: Time,
    /// How often we have asked since we last heard something.
    pub pings_unanswered: u8,
    /// Since when a frame is; never while none is. Of eight bytes, since every WebSocket has this.
    unfinished_since: Time,
}

/// What the pings of a WebSocket ask for.
#[derive(Debug, Default)]
pub struct Pings {
    /// The newest, if that is to be answered when the answer before it was taken.
    pub newest: Option<Box<ControlPayload>>,
    /// How many bytes it will have taken in all when it has taken the last answer.
    pub pong_ends_at: u64,
    /// What they may cost us.
    pub bucket: Bucket,
}

impl Default for Frames {
    /// Those of a WebSocket that has sent nothing.
    fn default() -> Frames {
        Frames {
            reader: Reader::default(),
            ending: None,
            pings: None,
            pinged_at: Time::START,
            pings_unanswered: 0,
            unfinished_since: Time::NEVER,
        }
    }
}

impl Frames {
    /// Takes note of since when a frame is unfinished, after its reader has read.
    pub fn note_unfinished(&mut self, now: Time) {
        let is_within = self.reader.is_within_frame();
        if self.reader.take_whole() || !is_within {
            self.unfinished_since = Time::NEVER;
        }
        if is_within {
            self.unfinished_since = self.unfinished_since.min(now);
        }
    }

    /// Time in which nothing was read counts against no frame.
    pub fn wait_anew(&mut self, now: Time) {
        if self.unfinished_since != Time::NEVER {
            self.unfinished_since = now;
        }
    }

    /// Since when a frame is unfinished.
    pub fn unfinished_since(&self) -> Option<Time> {
        Some(self.unfinished_since).filter(|&since| since != Time::NEVER)
    }
}

/// How a WebSocket ends when that is not the chat's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramesEnding {
    /// The other side has said that it is the end, with this code, which is sent back.
    Closed(Option<u16>),
    /// The other side has broken the rules; this code says which.
    Failed(u16),
}

impl Door {
    /// Memory that holds what has come and is not handled.
    pub fn kept_bytes(&self) -> usize {
        match self {
            Door::Head(head) => head.bytes().len(),
            Door::Posting(posting) => posting.body.len(),
            Door::Reading(_) | Door::Frames(_) => 0,
        }
    }
}

impl Posting {
    /// Takes the next bytes of the body; what lies behind it is nothing. It takes no more memory
    /// than the body will.
    pub fn take(&mut self, bytes: &[u8]) {
        let missing = self.body_bytes - self.body.len();
        let taken = &bytes[..missing.min(bytes.len())];
        if self.body.capacity() - self.body.len() < taken.len() {
            let room = (self.body.len() + taken.len()).min(missing);
            self.body.reserve_exact(room);
        }
        self.body.extend_from_slice(taken);
    }

    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        self.body.len() == self.body_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_is_small() {
        let bytes = size_of::<Door>();
        assert!(bytes <= 56, "{bytes} bytes");
    }
}
