//! The operator's words: what a line typed at any operator's seat asks for. One grammar for all
//! seats; what comes of it is the server's. Pure functions; nobody owns anything here.

use crate::chat::{MessageId, NotAnId};

mod moderation;

pub use moderation::Moderation;

use super::text::{Line, split_word, without_hash};

/// What the operator asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Order<'a> {
    /// Nothing.
    Nothing,
    /// To say something to everybody.
    Announce(&'a str),
    /// The commands.
    Help,
    /// Who is connected; in that room, if one is named.
    Who(Option<&'a str>),
    /// The rooms.
    Rooms,
    /// To end somebody's connection.
    Kick {
        /// Who.
        name: &'a str,
        /// What is said about it.
        reason: Option<&'a str>,
    },
    /// Something about bans and mutes.
    Moderate(Moderation<'a>),
    /// Messages are to be taken back: one, or all of who is called so.
    Forget(Forgettable<'a>),
    /// The last messages of a room, so many at most.
    History {
        /// The room.
        room: &'a str,
        /// How many.
        limit: usize,
    },
    /// The numbers.
    Statistics,
    /// To stop the server.
    Quit,
}

/// What is to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgettable<'a> {
    /// One message.
    Message(MessageId),
    /// All of who is called so.
    Sender(&'a str),
}

/// Messages of `/history`, if it is not said how many.
const HISTORY_MESSAGES: usize = 20;

/// How each command is written, and what it does.
pub const COMMANDS: [(&str, &str); 15] = [
    ("TEXT", "says it to all rooms; //TEXT says /TEXT"),
    (
        usage::WHO,
        "who is connected: room, name, address, idle time, queued bytes",
    ),
    ("/rooms", "the rooms and how many are in each"),
    (usage::KICK, "ends somebody's connection"),
    moderation::COMMANDS[0],
    moderation::COMMANDS[1],
    moderation::COMMANDS[2],
    moderation::COMMANDS[3],
    moderation::COMMANDS[4],
    moderation::COMMANDS[5],
    (
        usage::HISTORY,
        "the last messages of a room, with their ids",
    ),
    (
        usage::FORGET,
        "takes back one message, or all of a sender, here and on disk",
    ),
    ("/stats", "the numbers, as in the log"),
    ("/quit", "stops the server"),
    ("/help", "shows this"),
];

mod usage {
    pub(super) const WHO: &str = "/who [ROOM]";
    pub(super) const KICK: &str = "/kick NAME [REASON]";
    pub(super) const HISTORY: &str = "/history ROOM [N]";
    pub(super) const FORGET: &str = "/forget ID|NAME";
}

/// A line that is no order.
#[derive(Debug, PartialEq, Eq)]
pub enum NoOrder<'a> {
    /// No such command.
    UnknownCommand(&'a str),
    /// A command whose words do not fit; how it is written.
    BadUsage(&'static str),
}

/// What a clean line asks for.
///
/// # Errors
/// An unknown command, or one whose words do not fit: it is never said to anybody then.
pub fn read(line: &str) -> Result<Order<'_>, NoOrder<'_>> {
    let (word, rest) = match Line::of(line) {
        Line::Blank => return Ok(Order::Nothing),
        Line::Text(text) => return Ok(Order::Announce(text)),
        Line::Command { word, rest } => (word, rest),
    };
    let lower = word.to_ascii_lowercase();
    if let Some(read) = moderation::read(&lower, rest) {
        return read.map(Order::Moderate).map_err(NoOrder::BadUsage);
    }
    Ok(match lower.as_str() {
        "help" => Order::Help,
        "who" if rest.is_empty() => Order::Who(None),
        "who" => match split_word(rest) {
            (room, "") => Order::Who(Some(without_hash(room))),
            _ => return Err(NoOrder::BadUsage(usage::WHO)),
        },
        "rooms" => Order::Rooms,
        "kick" => match split_word(rest) {
            ("", _) => return Err(NoOrder::BadUsage(usage::KICK)),
            (name, reason) => Order::Kick {
                name,
                reason: Some(reason).filter(|reason| !reason.is_empty()),
            },
        },
        "history" => history(rest)?,
        "forget" => match split_word(rest) {
            ("", _) => return Err(NoOrder::BadUsage(usage::FORGET)),
            (what, "") => Order::Forget(match what.parse() {
                Ok(id) => Forgettable::Message(id),
                Err(NotAnId) => Forgettable::Sender(what),
            }),
            _ => return Err(NoOrder::BadUsage(usage::FORGET)),
        },
        "stats" => Order::Statistics,
        "quit" => Order::Quit,
        _ => return Err(NoOrder::UnknownCommand(word)),
    })
}

fn history(rest: &str) -> Result<Order<'_>, NoOrder<'_>> {
    let bad_usage = || NoOrder::BadUsage(usage::HISTORY);
    let (room, rest) = split_word(rest);
    let limit = match rest.trim() {
        "" => HISTORY_MESSAGES,
        number => number.parse().map_err(|_| bad_usage())?,
    };
    if room.is_empty() || limit == 0 {
        return Err(bad_usage());
    }
    let room = without_hash(room);
    Ok(Order::History { room, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_understood() {
        let kick = |name, reason| Ok(Order::Kick { name, reason });
        let cases = [
            ("", Ok(Order::Nothing)),
            ("  ", Ok(Order::Nothing)),
            ("hello all", Ok(Order::Announce("hello all"))),
            ("//who", Ok(Order::Announce("/who"))),
            ("/ who", Ok(Order::Announce("/ who"))),
            ("/Help", Ok(Order::Help)),
            ("/who", Ok(Order::Who(None))),
            ("/who #den", Ok(Order::Who(Some("den")))),
            ("/who a b", Err(NoOrder::BadUsage("/who [ROOM]"))),
            ("/rooms", Ok(Order::Rooms)),
            ("/kick", Err(NoOrder::BadUsage("/kick NAME [REASON]"))),
            ("/kick ann", kick("ann", None)),
            ("/KICK ann  too  noisy ", kick("ann", Some("too  noisy"))),
            (
                "/forget 17-3",
                Ok(Order::Forget(Forgettable::Message("17-3".parse().unwrap()))),
            ),
            ("/forget ann", Ok(Order::Forget(Forgettable::Sender("ann")))),
            ("/forget", Err(NoOrder::BadUsage(usage::FORGET))),
            ("/forget a b", Err(NoOrder::BadUsage(usage::FORGET))),
            (
                "/history #ops 5",
                Ok(Order::History {
                    room: "ops",
                    limit: 5,
                }),
            ),
            ("/history", Err(NoOrder::BadUsage(usage::HISTORY))),
            ("/history ops 0", Err(NoOrder::BadUsage(usage::HISTORY))),
            ("/history ops x", Err(NoOrder::BadUsage(usage::HISTORY))),
            ("/stats", Ok(Order::Statistics)),
            ("/quit", Ok(Order::Quit)),
            ("/nope x", Err(NoOrder::UnknownCommand("nope"))),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line), expected, "{line:?}");
        }
    }
}
