//! The operator's words: what a line typed at any operator's seat asks for. One grammar for all
//! seats; what comes of it is the server's. Pure functions; nobody owns anything here.

use ipnet::IpNet;

use crate::chat::{MessageId, NotAnId};
use crate::moderation::read_net;

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
    /// Who is connected from there.
    WhoFrom(IpNet),
    /// The rooms.
    Rooms,
    /// To say something to one room.
    Say {
        /// The room.
        room: &'a str,
        /// What.
        text: &'a str,
    },
    /// To say something to one member alone.
    Msg {
        /// Who.
        name: &'a str,
        /// What.
        text: &'a str,
    },
    /// Another topic for a room.
    Topic {
        /// The room.
        room: &'a str,
        /// The topic.
        text: &'a str,
    },
    /// To end somebody's connection.
    Kick {
        /// Who.
        name: &'a str,
        /// What is said about it.
        reason: Option<&'a str>,
    },
    /// Something about bans and mutes.
    Moderate(Moderation<'a>),
    /// To send everybody out of a room.
    Close {
        /// The room.
        room: &'a str,
        /// What is said about it.
        reason: Option<&'a str>,
    },
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
    /// To read again what can be read again.
    Reload,
    /// To see the messages of all rooms at this seat, or not.
    Watch(bool),
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
pub const COMMANDS: &[(&str, &str)] = &[
    ("TEXT", "says it to all rooms; //TEXT says /TEXT"),
    (
        usage::WHO,
        "who is connected: room, name, address, idle time, queued bytes, lines that came",
    ),
    (usage::ROOMS, "the rooms and how many are in each"),
    (usage::SAY, "says it to one room"),
    (usage::MSG, "says it to one member alone"),
    (usage::TOPIC, "sets the topic of a room"),
    (usage::KICK, "ends somebody's connection"),
    moderation::COMMANDS[0],
    moderation::COMMANDS[1],
    moderation::COMMANDS[2],
    moderation::COMMANDS[3],
    moderation::COMMANDS[4],
    moderation::COMMANDS[5],
    (
        usage::CLOSE,
        "sends everybody out of a room; who is in no other goes to the lobby",
    ),
    (
        usage::HISTORY,
        "the last messages of a room, with their ids",
    ),
    (
        usage::FORGET,
        "takes back one message, or all of a sender, here and on disk",
    ),
    (usage::STATS, "the numbers, as in the log"),
    (
        usage::RELOAD,
        "reads certificate and key again, and all else that SIGHUP does",
    ),
    (usage::WATCH, "shows what is said in the rooms, or not"),
    (usage::QUIT, "stops the server"),
    (usage::HELP, "shows this"),
];

mod usage {
    pub(super) const WHO: &str = "/who [ROOM|ADDRESS[/BITS]]";
    pub(super) const ROOMS: &str = "/rooms";
    pub(super) const SAY: &str = "/say ROOM TEXT";
    pub(super) const MSG: &str = "/msg NAME TEXT";
    pub(super) const TOPIC: &str = "/topic ROOM TEXT";
    pub(super) const KICK: &str = "/kick NAME [REASON]";
    pub(super) const CLOSE: &str = "/close ROOM [REASON]";
    pub(super) const HISTORY: &str = "/history ROOM [N]";
    pub(super) const FORGET: &str = "/forget ID|NAME";
    pub(super) const STATS: &str = "/stats";
    pub(super) const RELOAD: &str = "/reload";
    pub(super) const WATCH: &str = "/watch on|off";
    pub(super) const QUIT: &str = "/quit";
    pub(super) const HELP: &str = "/help";
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
    let alone = |order, usage| none_behind(rest, usage).map(|()| order);
    match lower.as_str() {
        "help" => alone(Order::Help, usage::HELP),
        "who" if rest.is_empty() => Ok(Order::Who(None)),
        "who" => {
            let asked = one_word(rest, usage::WHO)?;
            // What can be read as an address is no room's name.
            let from = read_net(asked).map(Order::WhoFrom);
            Ok(from.unwrap_or(Order::Who(Some(without_hash(asked)))))
        }
        "rooms" => alone(Order::Rooms, usage::ROOMS),
        "say" => {
            let (room, text) = word_and_text(rest, usage::SAY)?;
            let room = without_hash(room);
            Ok(Order::Say { room, text })
        }
        "msg" => {
            let (name, text) = word_and_text(rest, usage::MSG)?;
            Ok(Order::Msg { name, text })
        }
        "topic" => {
            let (room, text) = word_and_text(rest, usage::TOPIC)?;
            let room = without_hash(room);
            Ok(Order::Topic { room, text })
        }
        "kick" => {
            let (name, reason) = word_and_reason(rest, usage::KICK)?;
            Ok(Order::Kick { name, reason })
        }
        "close" => {
            let (room, reason) = word_and_reason(rest, usage::CLOSE)?;
            let room = without_hash(room);
            Ok(Order::Close { room, reason })
        }
        "history" => history(rest),
        "forget" => {
            let what = one_word(rest, usage::FORGET)?;
            Ok(Order::Forget(match what.parse() {
                Ok(id) => Forgettable::Message(id),
                Err(NotAnId) => Forgettable::Sender(what),
            }))
        }
        "stats" => alone(Order::Statistics, usage::STATS),
        "reload" => alone(Order::Reload, usage::RELOAD),
        "watch" => match rest {
            "on" => Ok(Order::Watch(true)),
            "off" => Ok(Order::Watch(false)),
            _ => Err(NoOrder::BadUsage(usage::WATCH)),
        },
        "quit" => alone(Order::Quit, usage::QUIT),
        _ => Err(NoOrder::UnknownCommand(word)),
    }
}

/// What takes no words is not done where there are some: they were meant for something.
fn none_behind<'a>(rest: &str, usage: &'static str) -> Result<(), NoOrder<'a>> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err(NoOrder::BadUsage(usage))
    }
}

fn one_word<'a>(rest: &'a str, usage: &'static str) -> Result<&'a str, NoOrder<'a>> {
    match split_word(rest) {
        ("", _) => Err(NoOrder::BadUsage(usage)),
        (word, "") => Ok(word),
        _ => Err(NoOrder::BadUsage(usage)),
    }
}

/// Somebody or some room, and what is said about it.
fn word_and_reason<'a>(
    rest: &'a str,
    usage: &'static str,
) -> Result<(&'a str, Option<&'a str>), NoOrder<'a>> {
    match split_word(rest) {
        ("", _) => Err(NoOrder::BadUsage(usage)),
        (word, reason) => Ok((word, Some(reason).filter(|reason| !reason.is_empty()))),
    }
}

/// Somebody or some room, and what it is to hear.
fn word_and_text<'a>(
    rest: &'a str,
    usage: &'static str,
) -> Result<(&'a str, &'a str), NoOrder<'a>> {
    let (word, text) = word_and_reason(rest, usage)?;
    text.map(|text| (word, text))
        .ok_or(NoOrder::BadUsage(usage))
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
    #[expect(clippy::too_many_lines, reason = "a list of cases")]
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
            ("/who a b", Err(NoOrder::BadUsage(usage::WHO))),
            (
                "/who 192.0.2.7/24",
                Ok(Order::WhoFrom("192.0.2.0/24".parse().unwrap())),
            ),
            ("/who 192.0.2.7/33", Ok(Order::Who(Some("192.0.2.7/33")))),
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
            (
                "/history ops 99999999999999999999",
                Err(NoOrder::BadUsage(usage::HISTORY)),
            ),
            ("/history ops -1", Err(NoOrder::BadUsage(usage::HISTORY))),
            ("/history ops 1 2", Err(NoOrder::BadUsage(usage::HISTORY))),
            (
                "/say #ops  tea is  up ",
                Ok(Order::Say {
                    room: "ops",
                    text: "tea is  up",
                }),
            ),
            ("/say", Err(NoOrder::BadUsage(usage::SAY))),
            ("/say ops", Err(NoOrder::BadUsage(usage::SAY))),
            (
                "/msg ann /who",
                Ok(Order::Msg {
                    name: "ann",
                    text: "/who",
                }),
            ),
            ("/msg ann ", Err(NoOrder::BadUsage(usage::MSG))),
            (
                "/topic ops releases",
                Ok(Order::Topic {
                    room: "ops",
                    text: "releases",
                }),
            ),
            ("/topic ops", Err(NoOrder::BadUsage(usage::TOPIC))),
            (
                "/close #ops",
                Ok(Order::Close {
                    room: "ops",
                    reason: None,
                }),
            ),
            (
                "/close ops late hour",
                Ok(Order::Close {
                    room: "ops",
                    reason: Some("late hour"),
                }),
            ),
            ("/close", Err(NoOrder::BadUsage(usage::CLOSE))),
            ("/stats", Ok(Order::Statistics)),
            ("/reload", Ok(Order::Reload)),
            ("/reload now", Err(NoOrder::BadUsage(usage::RELOAD))),
            ("/watch on", Ok(Order::Watch(true))),
            ("/watch off", Ok(Order::Watch(false))),
            ("/watch", Err(NoOrder::BadUsage(usage::WATCH))),
            ("/watch ON off", Err(NoOrder::BadUsage(usage::WATCH))),
            ("/rooms x", Err(NoOrder::BadUsage(usage::ROOMS))),
            ("/quit", Ok(Order::Quit)),
            ("/quit ann", Err(NoOrder::BadUsage(usage::QUIT))),
            ("/nope x", Err(NoOrder::UnknownCommand("nope"))),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line), expected, "{line:?}");
        }
    }
}
