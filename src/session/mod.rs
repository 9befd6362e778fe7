//! `Session`: one connection as the engine sees it: how far it has come, which language it speaks,
//! the line it has not finished, what it is owed, what its rate allows, and when something is due.
//! No socket, no clock, and no directory: who its member is it knows by number alone. Owned by the
//! hub's `Sessions`, in the slot of its connection.

mod door;
mod due;
mod end;
mod phase;
mod throttle;

use smallvec::SmallVec;

use crate::chat::{MemberId, RoomId};
use crate::dialect::line::LineBuffer;
use crate::dialect::{Dialect, Encoding};
use crate::fanout::block::Mark;
use crate::fanout::outbox::Outbox;
use crate::time::Time;

pub use door::{AddressGroup, Door, Frames, FramesEnding, Pings, Posting, Reading};
pub use due::{Deadlines, Due};
pub use end::{CloseReason, ConnectionSummary};
pub use phase::{Phase, Step};
pub use throttle::{Rates, Throttle};

/// Which connection: its slot, in the turn as in net. Used again once the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

impl SessionId {
    /// As an index.
    pub fn slot(self) -> usize {
        self.0 as usize
    }
}

/// Why lines of a session are not handled although they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// They are.
    No,
    /// It is over its rate, until then.
    Rate(Time),
    /// Its rooms have said enough in this turn.
    Turn,
    /// Its next line asks for a large answer, and it had its share of those, until then.
    Answers(Time),
    /// Its next line asks for a large answer, and this turn has given enough of those.
    AnswersOfTurn,
    /// It does not read its answers.
    Outbox,
    /// It has said much, and a reader of its room is behind.
    Pace,
    /// It takes the place of another connection, whose lines come first.
    Takeover,
    /// It has asked for what lies on disk, and the answer comes first.
    Archive,
    /// Its next line gives a password, and it is to be found out from where.
    Location,
    /// Its next line is to be kept, and the disk is behind.
    Behind,
}

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Bytes as they are.
    Plain,
    /// Bytes as they are, where that is not wanted: it is to be told that it must use TLS.
    PlainUnwanted,
    /// TLS.
    Tls,
    /// TLS, by which both sides have agreed on HTTP (RFC 7301): whatever is said is no chat.
    TlsForHttp,
}

/// Whether the other side may still send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// It may.
    Open,
    /// It has said its last, as a WebSocket does; what it sent before may not be handled yet, and
    /// what still comes is nothing.
    Closed,
    /// It has closed its side; what it sent before may not be handled yet.
    Ended,
    /// The connection is gone, and hears nothing any more. What it sent before is still said, as
    /// far as there is time for that; then it leaves for this reason.
    Gone(CloseReason),
}

/// One connection. Its fields are what several steps of a turn look at, each for a reason of its
/// own; the phase alone is private, since only the table of transitions may change it.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    /// The language it speaks.
    pub dialect: Dialect,
    /// What carries it; known once it has spoken.
    pub transport: Transport,
    /// Who it is in the chat, once it has a name.
    pub member: Option<MemberId>,
    /// The rooms it hears, as far as delivery goes.
    pub rooms: SmallVec<[Hearing; 1]>,
    /// Whether more may come from it.
    pub input: Input,
    /// Whether its lines are handled.
    pub hold: Hold,
    /// What stands between its bytes and lines, if anything does.
    pub door: Option<Box<Door>>,
    /// What it has not finished saying.
    pub lines: LineBuffer,
    /// What it is owed.
    pub outbox: Outbox,
    /// In the list of those that have something to write.
    pub dirty: bool,
    /// In the list of those whose outbox passed its bound.
    pub overflowed: bool,
    /// Among those whose outbox is more than half full.
    pub lagging: bool,
    /// What its rate allows.
    pub throttle: Throttle,
    /// It was told that it is held back; that is said once until it has rested.
    pub is_warned: bool,
    /// When it was accepted.
    pub connected_at: Time,
    /// When anything last came from it.
    pub active_at: Time,
    /// The earliest point at which its deadlines will be looked at.
    pub armed: Time,
    /// Lines that came from it and were handled.
    pub lines_in: u64,
    /// Bytes that came from it.
    pub bytes_in: u64,
}

/// That a session hears a room, and how far into the room's open block of its encoding it has been
/// served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hearing {
    /// The room.
    pub room: RoomId,
    /// Up to where it was served.
    pub served: Mark,
}

impl Session {
    /// A connection that was accepted now.
    pub fn new(now: Time) -> Session {
        Session {
            phase: Phase::Naming { prompted: false },
            dialect: Dialect::default(),
            transport: Transport::Plain,
            member: None,
            rooms: SmallVec::new(),
            input: Input::Open,
            hold: Hold::No,
            door: None,
            lines: LineBuffer::default(),
            outbox: Outbox::default(),
            dirty: false,
            overflowed: false,
            lagging: false,
            throttle: Throttle::default(),
            is_warned: false,
            connected_at: now,
            active_at: now,
            armed: Time::NEVER,
            lines_in: 0,
            bytes_in: 0,
        }
    }

    /// How far it has come.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Goes one step on, if the table of transitions has that step. Whether it has.
    pub fn advance(&mut self, step: Step) -> bool {
        let next = self.phase.after(step);
        if let Some(next) = next {
            self.phase = next;
        }
        next.is_some()
    }

    /// Whether it still takes part: it has a name, or may yet give one.
    pub fn is_live(&self) -> bool {
        self.phase.reason().is_none()
    }

    /// Whether it ever said anything.
    pub fn has_spoken(&self) -> bool {
        self.bytes_in > 0
    }

    /// Since when it has told nobody anything, to about a second; who has said much is taken to do so until
    /// that is forgotten. What clients ask of their own accord does not count.
    pub fn silent_since(&self) -> Time {
        self.connected_at.max(self.throttle.said_at())
    }

    /// Whether it only waits to be written to: no flush had time for it yet. The first of those for
    /// whom there was none waits since `waiting_since`.
    pub fn waits_for_flush(&self, waiting_since: Option<Time>) -> bool {
        self.dirty && waiting_since.is_some()
    }

    /// A line of it was handled.
    pub fn take_line(&mut self, now: Time, rates: &Rates) {
        self.is_warned &= !self.throttle.is_rested(now, rates);
        self.throttle.take_line(now, rates);
    }

    /// Its frames, if it is a WebSocket.
    pub fn frames(&self) -> Option<&Frames> {
        match self.door.as_deref() {
            Some(Door::Frames(frames)) => Some(frames),
            _ => None,
        }
    }

    /// Its frames, if it is a WebSocket.
    pub fn frames_mut(&mut self) -> Option<&mut Frames> {
        match self.door.as_deref_mut() {
            Some(Door::Frames(frames)) => Some(frames),
            _ => None,
        }
    }

    /// What its pings ask for, if it is a WebSocket that has pinged.
    pub fn pings_mut(&mut self) -> Option<&mut Pings> {
        self.frames_mut()?.pings.as_deref_mut()
    }

    /// Memory of what it has sent that is not handled.
    pub fn kept_bytes(&self) -> usize {
        self.lines.memory_bytes() + self.door.as_ref().map_or(0, |door| door.kept_bytes())
    }

    /// How what it is told is written.
    pub fn encoding(&self) -> Encoding {
        self.dialect.encoding()
    }

    /// How far it has been served in a room; `None` if it does not hear that room.
    pub fn served_mut(&mut self, room: RoomId) -> Option<&mut Mark> {
        let hearing = self.rooms.iter_mut().find(|hearing| hearing.room == room);
        hearing.map(|hearing| &mut hearing.served)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_small() {
        let bytes = size_of::<Session>();
        assert!(bytes <= 224, "{bytes} bytes");
    }
}
