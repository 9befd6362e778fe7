//! `Refusal`: every "no" of the server, with its fixed code for programs and its words for people.
//! The same in every language; how it stands on a line is the language's. Those of the rules of
//! chat come from there.

use std::fmt;

use crate::chat;
use crate::time::WallTime;

use super::stamp::Minutes;

/// Why something is refused, or why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// By the rules of chat.
    Rules(chat::Refusal<'a>),
    /// No such command.
    UnknownCommand(&'a str),
    /// A command whose words or fields do not fit; how it is written.
    BadUsage(&'static str),
    /// Something that only members may do.
    NotEntered,
    /// A member asks to come in.
    EnteredAlready,
    /// A line that is no JSON object.
    BadJson,
    /// A line over the bound; nothing of it was delivered.
    LineTooLong,
    /// This server keeps no history.
    NoHistory,
    /// This server keeps no history that can be searched.
    NoSearch,
    /// As many as may be wait for pages of the past already.
    Busy,
    /// Over the rate; lines are held back, not lost.
    SlowDown,
    /// As many clients as there may be.
    ServerFull,
    /// As many clients from one address as there may be.
    TooManyFromAddress,
    /// No name in time.
    NameTimeout,
    /// This server has a password, and that is not it.
    WrongPassword,
    /// This server has a password, and none was given.
    PasswordNotGiven,
    /// So many wrong ones came from its address that none is listened to.
    PasswordTriedTooOften,
    /// Reads too slowly for what it is owed.
    TooSlow,
    /// Thrown out by the operator.
    Kicked(Option<&'a str>),
    /// Shut out by the operator, by name or by address.
    Banned(Option<&'a str>),
    /// A member asks for a name that the operator has banned.
    NameBanned,
    /// Silenced by the operator, until then or for good.
    Muted(Option<WallTime>),
    /// The same member came back on another connection.
    Replaced,
    /// The server stops.
    ShuttingDown,
    /// Another protocol was spoken.
    WrongProtocol,
    /// This server is to be spoken to over TLS.
    TlsRequired,
}

/// Every code there is. What counts refusals begins each of them at 0.
pub const CODES: [&str; 26] = [
    "already-here",
    "bad-json",
    "bad-name",
    "bad-usage",
    "banned",
    "busy",
    "kicked",
    "line-too-long",
    "muted",
    "name-in-use",
    "name-timeout",
    "no-history",
    "no-such-name",
    "no-such-room",
    "not-in-room",
    "replaced",
    "server-full",
    "shutting-down",
    "slow-down",
    "tls-required",
    "too-many-from-your-address",
    "too-many-rooms",
    "too-slow",
    "unknown-command",
    "wrong-password",
    "wrong-protocol",
];

impl Refusal<'_> {
    /// The fixed code that programs go by; one of [`CODES`].
    pub fn code(&self) -> &'static str {
        use chat::Refusal as Rules;
        match self {
            Refusal::Rules(refusal) => match refusal {
                Rules::BadName(_) => "bad-name",
                Rules::NameInUse(_) | Rules::RoomAlike(_) => "name-in-use",
                Rules::NoSuchName(_) => "no-such-name",
                Rules::NoSuchRoom(_) => "no-such-room",
                Rules::AlreadyHere(_) => "already-here",
                Rules::NotInRoom(_) => "not-in-room",
                Rules::WhichRoom | Rules::Lobby => "bad-usage",
                Rules::TooManyRooms(_) | Rules::TooManyRoomsHere(_) => "too-many-rooms",
                Rules::TopicTooLong(_) => "line-too-long",
            },
            Refusal::UnknownCommand(_) => "unknown-command",
            Refusal::BadUsage(_) | Refusal::NotEntered | Refusal::EnteredAlready => "bad-usage",
            Refusal::BadJson => "bad-json",
            Refusal::LineTooLong => "line-too-long",
            Refusal::NoHistory | Refusal::NoSearch => "no-history",
            Refusal::Busy => "busy",
            Refusal::SlowDown => "slow-down",
            Refusal::ServerFull => "server-full",
            Refusal::TooManyFromAddress => "too-many-from-your-address",
            Refusal::NameTimeout => "name-timeout",
            Refusal::WrongPassword | Refusal::PasswordNotGiven | Refusal::PasswordTriedTooOften => {
                "wrong-password"
            }
            Refusal::TooSlow => "too-slow",
            Refusal::Kicked(_) => "kicked",
            Refusal::Banned(_) => "banned",
            Refusal::NameBanned => "bad-name",
            Refusal::Muted(_) => "muted",
            Refusal::Replaced => "replaced",
            Refusal::ShuttingDown => "shutting-down",
            Refusal::WrongProtocol => "wrong-protocol",
            Refusal::TlsRequired => "tls-required",
        }
    }

    /// How a WebSocket is told that its connection ends with this (RFC 6455, 7.4).
    pub fn close_code(&self) -> u16 {
        match self {
            Refusal::ShuttingDown => 1001,
            Refusal::WrongProtocol => 1002,
            _ => 1008,
        }
    }
}

impl<'a> From<chat::Refusal<'a>> for Refusal<'a> {
    fn from(refusal: chat::Refusal<'a>) -> Refusal<'a> {
        Refusal::Rules(refusal)
    }
}

/// The words for people: one line.
impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match *self {
            Refusal::Rules(refusal) => return write_rules(refusal, f),
            Refusal::UnknownCommand(word) => {
                return write!(f, "there is no command {}", quoted(word));
            }
            Refusal::BadUsage(usage) => return write!(f, "write it so: {usage}"),
            Refusal::Kicked(Some(reason)) => {
                return write!(f, "the operator ended your connection: {reason}");
            }
            Refusal::Kicked(None) => "the operator ended your connection",
            Refusal::Banned(Some(reason)) => reason,
            Refusal::Banned(None) => "the operator has shut you out",
            Refusal::NameBanned => "this name is banned here, choose another",
            Refusal::Muted(Some(until)) => {
                let until = Minutes(until);
                return write!(
                    f,
                    "the operator has muted you until {until}: nobody is told this"
                );
            }
            Refusal::Muted(None) => "the operator has muted you: nobody is told this",
            Refusal::NotEntered => {
                r#"you are not in the chat yet, write so: {"do":"enter","name":"ann"}"#
            }
            Refusal::EnteredAlready => "you are in the chat already",
            Refusal::BadJson => "that line is no JSON object",
            Refusal::LineTooLong => "that line is too long, nothing of it was sent",
            Refusal::NoHistory => "this server keeps no history",
            Refusal::NoSearch => "this server keeps no history on disk to search in",
            Refusal::Busy => "too many wait for the history on disk, ask again in a moment",
            Refusal::SlowDown => {
                "you are faster than this server allows; your lines wait, none is lost"
            }
            Refusal::ServerFull => "there is no place left; try again later",
            Refusal::TooManyFromAddress => {
                "too many connections from your address; close one first"
            }
            Refusal::NameTimeout => "you gave no name in time; connect again",
            Refusal::WrongPassword => "that is not the password of this server",
            Refusal::PasswordNotGiven => "this server has a password",
            Refusal::PasswordTriedTooOften => {
                "too many wrong passwords came from your address; try again in a minute"
            }
            Refusal::TooSlow => "you did not read what was waiting for you; connect again",
            Refusal::Replaced => "you came back on another connection",
            Refusal::ShuttingDown => "the server stops now",
            Refusal::WrongProtocol => {
                "this is chatd, which speaks plain lines of text: use chat-client, or nc, and send your name first"
            }
            Refusal::TlsRequired => {
                "this server is to be spoken to over TLS: use chat-client --tls, or openssl s_client -quiet"
            }
        };
        f.write_str(words)
    }
}

fn write_rules(refusal: chat::Refusal<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use chat::Refusal as Rules;
    match refusal {
        Rules::BadName(bad) => write!(f, "{bad}"),
        Rules::NameInUse(name) => write!(f, "{} is taken, choose another", quoted(name)),
        Rules::RoomAlike(room) => write!(
            f,
            "{} looks like a room that is here; choose another name for it",
            quoted(room)
        ),
        Rules::NoSuchName(name) => write!(f, "nobody here is called {}", quoted(name)),
        Rules::NoSuchRoom(room) => {
            write!(f, "there is no room {}", quoted(room))
        }
        Rules::AlreadyHere(room) => write!(f, "you are in {} already", quoted(room)),
        Rules::NotInRoom(room) => write!(f, "you are not in {}", quoted(room)),
        Rules::WhichRoom => write!(f, "say which room you mean"),
        Rules::TooManyRooms(max) => write!(f, "you are in {max} rooms; leave one first"),
        Rules::TooManyRoomsHere(max) => {
            write!(f, "there are {max} rooms already, and no place for another")
        }
        Rules::Lobby => write!(f, "the lobby is always there, and cannot be closed"),
        Rules::TopicTooLong(max) => write!(f, "a topic has at most {max} bytes"),
    }
}

/// At most this much of what somebody asked for is quoted back.
const QUOTED_CHARS_MAX: usize = 40;

fn quoted(text: &str) -> &str {
    text.char_indices()
        .nth(QUOTED_CHARS_MAX)
        .map_or(text, |(end, _)| &text[..end])
}
