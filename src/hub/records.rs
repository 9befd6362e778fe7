//! `Records`: what the operator's log is to say of members and connections, never what was said.
//! A listener for what happens in the chat; the hub adds what happens to connections. How it is
//! written is net's. Owned by the listeners.

use std::collections::VecDeque;

use crate::chat::{Fact, Listen, MessageId, Parting, To, What};
use crate::session::SessionId;

/// Something for the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The connection that it concerns, if it is one.
    pub session: Option<SessionId>,
    /// What is recorded.
    pub what: Recorded,
}

/// What is recorded.
#[derive(Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It got a name.
    Joined(Arrival),
    /// It took the place of another connection, and its name.
    CameBack(Arrival),
    /// Somebody came into a room beside, or in place of another.
    Entered {
        /// Who.
        name: Box<str>,
        /// The room.
        room: Box<str>,
    },
    /// Somebody left a room, and not the server.
    Left {
        /// Who.
        name: Box<str>,
        /// The room.
        room: Box<str>,
    },
    /// Somebody took another name.
    Renamed {
        /// The name until then.
        from: Box<str>,
        /// The name from then on.
        to: Box<str>,
    },
    /// Somebody who was not there said one thing.
    Posted {
        /// Under this name.
        name: Box<str>,
        /// In this room.
        room: Box<str>,
    },
    /// It gave a wrong password.
    WrongPassword {
        /// No more are listened to from its address for a while.
        is_last_of_address: bool,
    },
    /// It has ended; what it is owed may still be written.
    Ended,
}

/// Who came by a connection, and how.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Its name.
    pub name: Box<str>,
    /// The language that it speaks.
    pub language: &'static str,
    /// The rooms in which it is with that.
    pub rooms: Vec<Box<str>>,
}

/// What was not yet logged.
#[derive(Debug, Default)]
pub(super) struct Records {
    waiting: VecDeque<Record>,
    /// A rename is told once to each room of the member, and recorded once.
    last_renamed: MessageId,
    /// The connection whose request is done now.
    asked_by: Option<SessionId>,
}

impl Records {
    pub(super) fn push(&mut self, session: Option<SessionId>, what: Recorded) {
        self.waiting.push_back(Record { session, what });
    }

    /// What happens from now on was asked for by this connection.
    pub(super) fn set_asked_by(&mut self, session: Option<SessionId>) {
        self.asked_by = session;
    }

    pub(super) fn poll(&mut self) -> Option<Record> {
        self.waiting.pop_front()
    }

    /// Somebody is in a room from now on: that belongs to its join, if it has just come.
    fn enter(&mut self, who: &str, place: &str) {
        let last = self.waiting.back_mut().map(|record| &mut record.what);
        if let Some(Recorded::Joined(arrival) | Recorded::CameBack(arrival)) = last
            && *arrival.name == *who
        {
            return arrival.rooms.push(place.into());
        }
        let (name, room) = (who.into(), place.into());
        self.push(self.asked_by, Recorded::Entered { name, room });
    }
}

impl Listen for Records {
    fn hear(&mut self, _: To<'_>, fact: &Fact<'_>) {
        match (fact.what, fact.room) {
            (What::Renamed { from, to }, _)
                if std::mem::replace(&mut self.last_renamed, fact.id) != fact.id =>
            {
                let (from, to) = (from.into(), to.into());
                self.push(self.asked_by, Recorded::Renamed { from, to });
            }
            (What::Entered { who, .. }, Some(room)) => self.enter(who, room.name),
            // Who leaves the server has a line of its own, and so has a room that is closed.
            (
                What::Parted {
                    who,
                    parting: Parting::Wished,
                },
                Some(room),
            ) => {
                let (name, room) = (who.into(), room.name.into());
                self.push(self.asked_by, Recorded::Left { name, room });
            }
            _ => {}
        }
    }
}
