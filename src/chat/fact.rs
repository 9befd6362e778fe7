//! What has happened, who hears of it, what a question is answered with, what the rules refuse.
//! Not how any of it looks on a wire (that is a dialect's). Values borrow what they speak of, hold
//! no directory, and live for one call.

use super::id::{MemberId, MessageId, RoomId};
use super::name::{BadName, Name};
use crate::time::WallTime;

/// Something that has happened. It says all there is to say: no listener needs to look anything up.
#[derive(Debug, Clone, Copy)]
pub struct Fact<'a> {
    /// Where, if it happened in one room.
    pub room: Option<Place<'a>>,
    /// Which fact of all it is. One that concerns several rooms is told once in each, under one id.
    pub id: MessageId,
    /// What happened.
    pub what: What<'a>,
}

impl Fact<'_> {
    /// When it happened.
    pub fn at(&self) -> WallTime {
        self.id.at()
    }
}

/// A room, by number and by name.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Its number.
    pub id: RoomId,
    /// Its name.
    pub name: &'a str,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// Somebody said something to the room.
    Said {
        /// Who.
        from: &'a str,
        /// What.
        text: &'a str,
        /// In which manner.
        manner: Manner,
    },
    /// Somebody came into the room.
    Joined {
        /// Who.
        who: &'a str,
        /// Members now.
        here: usize,
    },
    /// Somebody left the room.
    Left {
        /// Who.
        who: &'a str,
        /// Members now.
        here: usize,
        /// The cause.
        cause: Cause,
        /// The words of who caused it.
        reason: Option<&'a str>,
    },
    /// Several joins and leaves, told together.
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
        from: &'a str,
        /// The name from now on.
        to: &'a str,
    },
    /// The room has another topic, or none.
    Topic {
        /// The topic; empty if there is none any more.
        text: &'a str,
        /// Who set it.
        by: &'a str,
    },
    /// The operator has taken messages back: nobody is to show them any more.
    Forgotten {
        /// Which; a few at a time.
        ids: &'a [MessageId],
    },
    /// Somebody said something to one member alone.
    Private {
        /// Who.
        from: &'a str,
        /// What.
        text: &'a str,
    },
    /// The operator said something.
    Announcement {
        /// What.
        text: &'a str,
    },
    /// For the member itself: it is in the room from here on.
    Entered {
        /// The member, as everybody sees it.
        who: &'a str,
        /// Members now.
        here: usize,
        /// The first of their names, in alphabetical order.
        names: &'a [&'a str],
        /// The topic; empty if there is none.
        topic: &'a str,
        /// The newest message that was ever said in the room.
        last: MessageId,
    },
    /// For the member itself: it is not in the room any more.
    Parted {
        /// The member, as everybody saw it.
        who: &'a str,
        /// In which way.
        parting: Parting,
    },
    /// For nobody: the room is empty and gone, its number is free.
    Closed,
}

/// In which way somebody goes out of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// As it wanted; it stays on the server.
    Wished,
    /// As the operator wanted, who has closed the room; it stays on the server.
    Sent,
    /// With all its rooms: it leaves the server.
    Gone,
}

/// In which manner something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Said.
    Plain,
    /// As something done.
    Action,
    /// By somebody who is not in the room.
    Posted,
}

/// Why somebody left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its own wish.
    Quit,
    /// Its connection broke.
    Lost,
    /// It did not read.
    TooSlow,
    /// The operator ended it.
    Kicked,
    /// The operator ended it, and it may not come back.
    Banned,
    /// The operator has closed the room.
    Closed,
    /// The server stopped.
    Stopped,
}

/// Who hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To<'a> {
    /// One member, in the room or not.
    Member(MemberId),
    /// All members of the room.
    Room(RoomId),
    /// All members of the room but these.
    RoomBut(RoomId, &'a [MemberId]),
    /// All members, each once.
    Everybody,
}

/// Somebody who is told what happens, in the order in which it happens.
pub trait Listen {
    /// Something has happened.
    fn hear(&mut self, to: To<'_>, fact: &Fact<'_>);
}

/// What a member is answered with, behind all that its request has caused.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It is done; what was said has this id.
    Done(Option<MessageId>),
    /// The private message with this id was passed on to who is called so.
    Sent(MessageId, &'a str),
    /// Who is in a room.
    Who {
        /// The room.
        room: &'a str,
        /// Members.
        here: usize,
        /// The first of their names, in alphabetical order.
        names: Vec<&'a str>,
    },
    /// The rooms that there are, in alphabetical order.
    Rooms {
        /// The first of them.
        rooms: Vec<RoomRow<'a>>,
        /// How many there are beside these.
        more: usize,
    },
    /// The topic of a room; empty if there is none.
    Topic {
        /// The room.
        room: &'a str,
        /// Its topic.
        topic: &'a str,
    },
    /// Own lines come back from now on, or not.
    Echo(bool),
    /// The name asked for is the one already borne.
    SameName(&'a str),
}

/// A room in a list of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomRow<'a> {
    /// Its name.
    pub room: &'a str,
    /// Members.
    pub here: usize,
    /// Its topic; empty if there is none.
    pub topic: &'a str,
}

/// What the rules of chat refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// Not a name.
    BadName(BadName),
    /// Somebody has this name, or one that looks like it.
    NameInUse(&'a str),
    /// A room is there that looks like this one.
    RoomAlike(&'a str),
    /// Nobody has this name.
    NoSuchName(&'a str),
    /// No room has this name.
    NoSuchRoom(&'a str),
    /// In that room already.
    AlreadyHere(&'a str),
    /// Not in that room.
    NotInRoom(&'a str),
    /// It is to be said which room is meant.
    WhichRoom,
    /// In so many rooms already; a member may not be in more.
    TooManyRooms(usize),
    /// There are so many rooms already; there may not be more.
    TooManyRoomsHere(usize),
    /// The lobby cannot be closed.
    Lobby,
    /// A topic with more than so many bytes.
    TopicTooLong(usize),
}

impl<'a> Place<'a> {
    pub(super) fn new(id: RoomId, name: &'a Name) -> Place<'a> {
        Place {
            id,
            name: name.as_str(),
        }
    }
}
