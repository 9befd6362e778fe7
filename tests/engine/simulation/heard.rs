//! What is heard of a turn, in one order: every fact and whom it is for, every token that was drawn,
//! every call to a socket. Owned copies; nothing is judged here.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use chatd::chat::{Cause, Fact, Listen, Manner, MemberId, MessageId, RoomId, To, What};
use chatd::session::ConnectionSummary;
use chatd::turn::{Fill, Flush};

/// Something that was heard.
#[derive(Debug)]
pub(crate) enum Event {
    Fact(Heard),
    /// What nobody can guess was asked for.
    Token(String),
    /// So much was read from a socket, and what became of it.
    Fill(usize, Vec<u8>, Fill),
    /// Somebody was written to.
    Flush(usize, Flush),
    Shut(usize),
    Close(usize, ConnectionSummary),
}

/// What was heard since somebody looked.
pub(crate) type Log = Rc<RefCell<VecDeque<Event>>>;

/// One fact, and whom it is for.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) to: Audience,
    pub(crate) room: Option<(RoomId, String)>,
    pub(crate) id: MessageId,
    pub(crate) what: Happened,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Audience {
    Member(MemberId),
    Room(RoomId),
    RoomBut(RoomId, Vec<MemberId>),
    Everybody,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    Said {
        from: String,
        text: String,
        manner: Manner,
    },
    Joined {
        who: String,
        here: usize,
    },
    Left {
        who: String,
        here: usize,
        cause: Cause,
        reason: Option<String>,
    },
    Churn {
        joined: usize,
        left: usize,
        here: usize,
    },
    Renamed {
        from: String,
        to: String,
    },
    Topic {
        text: String,
        by: String,
    },
    Private {
        from: String,
        text: String,
    },
    Announcement {
        text: String,
    },
    Entered {
        who: String,
        here: usize,
        names: Vec<String>,
        topic: String,
        last: MessageId,
    },
    Parted,
    Closed,
}

/// Writes down every fact.
pub(crate) struct Witness(pub(crate) Log);

impl Listen for Witness {
    fn hear(&mut self, to: To<'_>, fact: &Fact<'_>) {
        let to = match to {
            To::Member(member) => Audience::Member(member),
            To::Room(room) => Audience::Room(room),
            To::RoomBut(room, but) => Audience::RoomBut(room, but.to_vec()),
            To::Everybody => Audience::Everybody,
        };
        self.0.borrow_mut().push_back(Event::Fact(Heard {
            to,
            room: fact.room.map(|room| (room.id, room.name.to_owned())),
            id: fact.id,
            what: Happened::of(&fact.what),
        }));
    }
}

impl Happened {
    fn of(what: &What<'_>) -> Happened {
        match *what {
            What::Said { from, text, manner } => Happened::Said {
                from: from.into(),
                text: text.into(),
                manner,
            },
            What::Joined { who, here } => Happened::Joined {
                who: who.into(),
                here,
            },
            What::Left {
                who,
                here,
                cause,
                reason,
            } => Happened::Left {
                who: who.into(),
                here,
                cause,
                reason: reason.map(Into::into),
            },
            What::Churn { joined, left, here } => Happened::Churn { joined, left, here },
            What::Renamed { from, to } => Happened::Renamed {
                from: from.into(),
                to: to.into(),
            },
            What::Topic { text, by } => Happened::Topic {
                text: text.into(),
                by: by.into(),
            },
            What::Private { from, text } => Happened::Private {
                from: from.into(),
                text: text.into(),
            },
            What::Announcement { text } => Happened::Announcement { text: text.into() },
            What::Entered {
                who,
                here,
                names,
                topic,
                last,
            } => Happened::Entered {
                who: who.into(),
                here,
                names: names.iter().map(|&name| name.into()).collect(),
                topic: topic.into(),
                last,
            },
            What::Parted { .. } => Happened::Parted,
            What::Closed => Happened::Closed,
            What::Forgotten { .. } => unreachable!("no operator takes anything back here"),
        }
    }
}
