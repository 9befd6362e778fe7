//! What is asked for, in whatever language it was said. Not what comes of it: of an [`Act`] that is
//! the directory's, of all else the hub's. Values borrow what they speak of and live for one call.

use std::borrow::Cow;

use super::id::MessageId;
use crate::password::GivenPassword;

/// Something that a connection asks for. All text is clean: no control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The room that is meant; without one, the only room that the member is in.
    pub room: Option<&'a str>,
    /// What is asked for.
    pub command: Command<'a>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// Something that the rules of chat decide, of a member alone.
    Act(Act<'a>),
    /// To take a name and enter rooms.
    Enter(Entry<'a>),
    /// To say one thing under a name without entering the room.
    Post {
        /// The name that it is said under.
        name: &'a str,
        /// What is said.
        text: &'a str,
        /// The password of the server, if one was given.
        password: Option<GivenPassword<'a>>,
    },
    /// What was said in the room.
    History(PageOf),
    /// What was said in the room and holds these words.
    Search(SearchFor<'a>),
    /// A barrier: the answer comes after everything that was handled before it.
    Ping(Option<&'a str>),
    /// The list of commands.
    Help,
    /// What to do, for somebody who typed nothing.
    Prompt,
    /// To leave, with what is said on the way out.
    Quit(Option<&'a str>),
}

/// What a member does or asks, as far as the rules of chat decide it: all that the directory
/// applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// To say something to the room.
    Say {
        /// What is said.
        text: &'a str,
        /// As something done (`/me`).
        action: bool,
    },
    /// To enter the room beside those where the member is.
    Join {
        /// The newest message that the member knows of; without one, the last few are told.
        since: Option<MessageId>,
    },
    /// To leave the only room and enter this one.
    Move,
    /// To leave the room and stay on the server.
    Part,
    /// Another name.
    Nick(&'a str),
    /// To say something to one member alone.
    Msg {
        /// The name of who is meant.
        to: &'a str,
        /// What is said.
        text: &'a str,
    },
    /// To see the topic of the room.
    ShowTopic,
    /// To set the topic of the room; an empty one clears it.
    SetTopic(&'a str),
    /// Who is in the room.
    Who,
    /// The rooms.
    Rooms,
    /// Own lines back, or not.
    Echo(bool),
}

impl<'a> From<Act<'a>> for Command<'a> {
    fn from(act: Act<'a>) -> Command<'a> {
        Command::Act(act)
    }
}

/// How somebody comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name asked for.
    pub name: &'a str,
    /// The rooms to enter, with the newest message that is known of each. A language in which
    /// names can stand with escapes owns those that it had to take out of them.
    pub rooms: &'a [(Cow<'a, str>, Option<MessageId>)],
    /// The password of the server, if one was given.
    pub password: Option<GivenPassword<'a>>,
    /// What proves that the name's bearer is the same somebody.
    pub resume: Option<&'a str>,
    /// The newest message that is known of rooms, also of those that need not be entered since
    /// somebody who comes back is in them still.
    pub known: &'a [(String, MessageId)],
}

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchFor<'a> {
    /// The words, all of which a message must hold.
    pub words: &'a str,
    /// Only what is older than this one.
    pub before: Option<MessageId>,
    /// How many messages at most.
    pub limit: usize,
}

/// Which page of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageOf {
    /// Where it begins or ends.
    pub end: PageEnd,
    /// How many messages at most.
    pub limit: usize,
}

/// Where a page of the past begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageEnd {
    /// It ends with the newest message.
    Newest,
    /// It ends before this one.
    Before(MessageId),
    /// It begins behind this one.
    After(MessageId),
}
