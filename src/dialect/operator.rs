//! The operator's words: what a line typed at any operator's seat asks for. One grammar for all
//! seats; what comes of it is the server's. Pure functions; nobody owns anything here.

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
    /// The numbers.
    Statistics,
    /// To stop the server.
    Quit,
}

/// How each command is written, and what it does.
pub const COMMANDS: [(&str, &str); 7] = [
    ("TEXT", "says it to all rooms; //TEXT says /TEXT"),
    (
        usage::WHO,
        "who is connected: room, name, address, idle time, queued bytes",
    ),
    ("/rooms", "the rooms and how many are in each"),
    (usage::KICK, "ends somebody's connection"),
    ("/stats", "the numbers, as in the log"),
    ("/quit", "stops the server"),
    ("/help", "shows this"),
];

mod usage {
    pub(super) const WHO: &str = "/who [ROOM]";
    pub(super) const KICK: &str = "/kick NAME [REASON]";
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
    Ok(match word.to_ascii_lowercase().as_str() {
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
        "stats" => Order::Statistics,
        "quit" => Order::Quit,
        _ => return Err(NoOrder::UnknownCommand(word)),
    })
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
            ("/stats", Ok(Order::Statistics)),
            ("/quit", Ok(Order::Quit)),
            ("/nope x", Err(NoOrder::UnknownCommand("nope"))),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line), expected, "{line:?}");
        }
    }
}
