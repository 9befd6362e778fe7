//! The words of chat: what members ask for, what they are told, who is told, what is refused.
//! Not how any of it looks on the wire (that is `dialect::text`). Values here borrow what they speak
//! of and live for one call; nobody owns them for longer.

use std::fmt;

use super::name::{BadName, Name};
use super::room::{History, Names, RoomList};

/// A member, or somebody who may become one: the slot of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u32);

/// A room. Reused once the room is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u32);

impl MemberId {
    /// As an index.
    pub fn slot(self) -> usize {
        self.0 as usize
    }
}

impl RoomId {
    /// As an index.
    pub fn slot(self) -> usize {
        self.0 as usize
    }
}

/// What a member asks for. All text is clean: no control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// A message to the room.
    Say(&'a str),
    /// The list of commands.
    Help,
    /// Who is in a room; without a name the own one.
    Who(Option<&'a str>),
    /// The rooms.
    Rooms,
    /// Leave this room, enter that one.
    Join(&'a str),
    /// Another name.
    Nick(&'a str),
    /// A private message.
    Msg {
        /// The name of who is meant.
        to: &'a str,
        /// What is said.
        text: &'a str,
    },
    /// Own lines back, or not.
    Echo(bool),
    /// A barrier: the answer comes after everything that was handled before it.
    Ping(Option<&'a str>),
    /// Leave, with what is said on the way out.
    Quit(Option<&'a str>),
}

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience<'a> {
    /// One session, in the room or not.
    One(MemberId),
    /// All members of the room.
    Room(RoomId),
    /// All members of the room but these.
    Others(RoomId, &'a [MemberId]),
}

/// What is told.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A message in the room.
    Message {
        /// Who says it.
        from: &'a Name,
        /// What is said.
        text: &'a str,
    },
    /// Somebody came.
    Joined {
        /// Who.
        who: &'a Name,
        /// Members now.
        here: usize,
    },
    /// Somebody went.
    Left {
        /// Who.
        who: &'a Name,
        /// Members now.
        here: usize,
        /// The cause, unless it was their own wish and they said nothing.
        why: Option<&'a str>,
    },
    /// Joins and leaves of a large room, told together.
    Churn {
        /// How many came.
        joined: usize,
        /// How many went.
        left: usize,
        /// Members now.
        here: usize,
    },
    /// Somebody took another name.
    Renamed {
        /// The name until now.
        from: &'a Name,
        /// The name from now on.
        to: &'a Name,
    },
    /// A private message.
    Private {
        /// Who says it.
        from: &'a Name,
        /// What is said.
        text: &'a str,
    },
    /// The operator speaks.
    Operator {
        /// What is said.
        text: &'a str,
    },
    /// You are in.
    Welcome {
        /// The room.
        room: &'a Name,
        /// You, as everybody sees you.
        who: &'a Name,
        /// Who is there.
        names: Names<'a>,
    },
    /// What was said before you came.
    History(&'a History),
    /// What to do, for a person who says nothing.
    Prompt,
    /// The commands.
    Help,
    /// Who is in a room.
    Who(Names<'a>),
    /// The rooms.
    Rooms(RoomList<'a>),
    /// A private message was passed on.
    Sent {
        /// To whom.
        to: &'a Name,
    },
    /// Own lines come back from now on, or not.
    Echo(bool),
    /// The answer to a ping.
    Pong(Option<&'a str>),
    /// The name asked for is the one already borne.
    SameName(&'a Name),
    /// No.
    Refused(Refusal<'a>),
}

/// Why something is refused, or why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// Not a name.
    BadName(BadName),
    /// Somebody has this name, or one that looks like it.
    NameInUse(&'a str),
    /// No name in time.
    NameTimeout,
    /// A line over the bound; nothing of it was delivered.
    LineTooLong,
    /// No such command.
    UnknownCommand(&'a str),
    /// A command whose words do not fit; how it is written.
    BadUsage(&'static str),
    /// Nobody has this name.
    NoSuchName(&'a str),
    /// No room has this name.
    NoSuchRoom(&'a str),
    /// In that room already.
    AlreadyHere(&'a str),
    /// Over the rate; lines are held back, not lost.
    SlowDown,
    /// As many clients as there may be.
    ServerFull,
    /// As many clients from one address as there may be.
    TooManyFromAddress,
    /// Reads too slowly for what it is owed.
    TooSlow,
    /// Thrown out by the operator.
    Kicked(Option<&'a str>),
    /// The server stops.
    ShuttingDown,
    /// Another protocol was spoken.
    WrongProtocol,
}

impl Refusal<'_> {
    /// The fixed code that programs go by.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::BadName(_) => "bad-name",
            Refusal::NameInUse(_) => "name-in-use",
            Refusal::NameTimeout => "name-timeout",
            Refusal::LineTooLong => "line-too-long",
            Refusal::UnknownCommand(_) => "unknown-command",
            Refusal::BadUsage(_) => "bad-usage",
            Refusal::NoSuchName(_) => "no-such-name",
            Refusal::NoSuchRoom(_) => "no-such-room",
            Refusal::AlreadyHere(_) => "already-here",
            Refusal::SlowDown => "slow-down",
            Refusal::ServerFull => "server-full",
            Refusal::TooManyFromAddress => "too-many-from-your-address",
            Refusal::TooSlow => "too-slow",
            Refusal::Kicked(_) => "kicked",
            Refusal::ShuttingDown => "shutting-down",
            Refusal::WrongProtocol => "wrong-protocol",
        }
    }
}

/// Why a connection ended. Every connection has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// It said `/quit`.
    Quit,
    /// It closed its side.
    HungUp,
    /// The connection broke.
    ConnectionLost,
    /// It read too slowly.
    TooSlow,
    /// It gave no name.
    NameTimeout,
    /// The operator threw it out.
    Kicked,
    /// It spoke another protocol.
    WrongProtocol,
    /// There was no place.
    ServerFull,
    /// There was no place for one more from its address.
    TooManyFromAddress,
    /// The server stopped.
    ShuttingDown,
}

impl CloseReason {
    /// What stands behind the colon of a leave, for a cause that was not the member's own wish.
    pub fn told(self) -> Option<&'static str> {
        match self {
            CloseReason::Quit | CloseReason::HungUp => None,
            CloseReason::ConnectionLost => Some("connection lost"),
            CloseReason::TooSlow => Some("too slow"),
            CloseReason::Kicked => Some("kicked"),
            CloseReason::ShuttingDown => Some("server shutting down"),
            CloseReason::NameTimeout
            | CloseReason::WrongProtocol
            | CloseReason::ServerFull
            | CloseReason::TooManyFromAddress => Some("refused"),
        }
    }

    /// The last line for the connection itself, when it was the server that ended it.
    pub fn refusal(self) -> Option<Refusal<'static>> {
        match self {
            CloseReason::Quit | CloseReason::HungUp | CloseReason::ConnectionLost => None,
            CloseReason::TooSlow => Some(Refusal::TooSlow),
            CloseReason::NameTimeout => Some(Refusal::NameTimeout),
            CloseReason::Kicked => Some(Refusal::Kicked(None)),
            CloseReason::WrongProtocol => Some(Refusal::WrongProtocol),
            CloseReason::ServerFull => Some(Refusal::ServerFull),
            CloseReason::TooManyFromAddress => Some(Refusal::TooManyFromAddress),
            CloseReason::ShuttingDown => Some(Refusal::ShuttingDown),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::Quit => "quit",
            CloseReason::HungUp => "hung up",
            CloseReason::ConnectionLost => "connection lost",
            CloseReason::TooSlow => "too slow",
            CloseReason::NameTimeout => "no name in time",
            CloseReason::Kicked => "kicked",
            CloseReason::WrongProtocol => "another protocol",
            CloseReason::ServerFull => "server full",
            CloseReason::TooManyFromAddress => "too many from its address",
            CloseReason::ShuttingDown => "shutting down",
        })
    }
}
