//! What a session is told, what it asks for, and how it ends and stands.

use std::time::{Duration, Instant};

use chatd::clean::Clean;

use super::rooms::Rooms;
use crate::lines::Shown;
use crate::password::Password;

/// What a session is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server as its user calls it, for what is said about it.
    pub server: String,
    /// The name asked for; without one the user is asked.
    pub name: Option<String>,
    /// The password of the server; where it wants one and there is none, the user is asked.
    pub password: Option<Password>,
    /// The rooms to be in; none for the one where newcomers are.
    pub rooms: Vec<String>,
    pub manner: Manner,
    /// Whether to come back when a link that was up is lost.
    pub comes_back: bool,
    /// Whether what was said before we came is left out.
    pub is_without_history: bool,
    /// Those of whom nothing is to be read.
    pub ignored: Vec<String>,
    /// Whether who comes and goes is not to be told.
    pub is_quiet: bool,
}

/// Whose session it is, which decides what its input means and when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A person at a seat: what was typed is shown by us, where it stands in the room.
    Seat,
    /// A person at a terminal without sequences.
    Terminal,
    /// A program: all its lines are said, and it leaves when they are answered.
    Pipe,
    /// A program whose lines may be commands.
    Commands,
    /// A program that speaks JSON itself.
    Json,
    /// The bulletin board's poster: its lines are said from outside the room.
    Poster,
}

impl Manner {
    /// Whether a person types, who sees what happens and leaves when it wants to.
    pub fn is_person(self) -> bool {
        matches!(self, Manner::Seat | Manner::Terminal)
    }
}

/// What has to be done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make a connection, and report with `link_up` or `link_down`.
    Connect,
    /// Write these bytes to the connection.
    Send(Vec<u8>),
    /// Trust the server that has this key from now on.
    Trust(String),
    /// Close the connection. Nothing is to be reported of it from now on.
    HangUp,
    /// Give this line of JSON to the program.
    Line(String),
    /// Show this to the user.
    Show(Shown),
    /// Keep the names of those who are ignored.
    KeepIgnored(Vec<String>),
    /// The user is called by somebody.
    Call,
    /// Show an empty screen.
    ClearScreen,
}

/// What became of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEnd {
    /// It did not come about; the words say why and what to do.
    Unreachable(String),
    /// The other side closed it.
    Closed,
    /// It broke; the words are the system's.
    Broken(String),
    /// What answers there is no chat server.
    Foreign(String),
    /// Nobody but the user can say whether this is the server: it has this key, and for that reason
    /// nobody else does.
    Stranger { key: String, why: String },
    /// It is not the server that is meant, or cannot be known to be.
    Refused(String),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub code: Code,
    /// What there is to say about it that has not been said.
    pub words: Option<Clean>,
}

impl End {
    /// An end and why.
    pub fn because(code: Code, words: &str) -> Self {
        let words = Some(Clean::of(words));
        End { code, words }
    }
}

/// The exit code; from 64 on these are those of sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The user left, and everything was said.
    Left = 0,
    /// The link, or the output, was lost; or something may not have been said.
    Lost = 1,
    /// The command line cannot be obeyed.
    Usage = 2,
    /// No link came about.
    CannotConnect = 69,
    /// Whatever answers there does not speak the JSON language.
    NotChat = 76,
    /// The server refused this client, or a line of a pipe; or it is not to be trusted.
    Refused = 77,
}

/// Where a session is.
#[derive(Debug)]
pub enum Phase {
    /// There is nothing to connect for.
    Idle,
    /// A connection is being made.
    Connecting,
    /// It is made, and we are not yet where we want to be.
    Greeting { since: Instant },
    /// The user is asked for a name, and may be offered one. Without a link: servers do not wait so
    /// long for one.
    Naming { offer: Option<String> },
    /// The user is asked for the password of the server, without a link too.
    Unlocking,
    /// The user is asked whether this is the server's key.
    Trusting { key: String },
    /// We may speak.
    Talking { since: Instant },
    /// Waiting to try again.
    Away { until: Instant },
    /// We have said that we leave.
    Leaving { until: Instant },
    /// Over.
    Ended(End),
}

/// How a session stands, for its user to see.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Those it is in, or comes back to.
    pub rooms: &'a Rooms,
    pub phase: &'a Phase,
    /// Whether a link has been lost since one was up.
    pub is_lost: bool,
    /// How long the last answer took; before there is one, how long the greeting took.
    pub round_trip: Option<Duration>,
}
