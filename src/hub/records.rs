//! `Records`: what the operator's log is to say of members and connections, never what was said.
//! A listener for what happens in the chat; the hub adds what happens to connections. How it is
//! written is net's. Owned by the listeners.

use std::collections::VecDeque;

use crate::chat::{Fact, Listen, MessageId, To, What};
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
    Joined(Box<str>),
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

/// What was not yet logged.
#[derive(Debug, Default)]
pub(super) struct Records {
    waiting: VecDeque<Record>,
    /// A rename is told once to each room of the member, and recorded once.
    last_renamed: MessageId,
}

impl Records {
    pub(super) fn push(&mut self, session: Option<SessionId>, what: Recorded) {
        self.waiting.push_back(Record { session, what });
    }

    pub(super) fn poll(&mut self) -> Option<Record> {
        self.waiting.pop_front()
    }
}

impl Listen for Records {
    fn hear(&mut self, _: To<'_>, fact: &Fact<'_>) {
        if let What::Renamed { from, to } = fact.what
            && std::mem::replace(&mut self.last_renamed, fact.id) != fact.id
        {
            let (from, to) = (from.into(), to.into());
            self.push(None, Recorded::Renamed { from, to });
        }
    }
}
