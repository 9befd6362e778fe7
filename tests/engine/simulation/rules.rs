//! The protocol as the shadow reads it: names, commands, codes. For the names that the simulated
//! clients use, which are ASCII without look-alikes; the full rules have tests of their own.

use std::borrow::Cow;

use chatd::hub::CloseReason;

/// `/help` has one line for each.
pub(crate) const COMMANDS: usize = 9;

const RESERVED: [&str; 9] = [
    "server", "chatd", "operator", "admin", "root", "system", "everyone", "all", "here",
];

/// What a line asks for. A word that is missing is empty.
#[derive(Debug)]
pub(crate) enum Asked<'a> {
    Say(&'a str),
    Help,
    Who(&'a str),
    Rooms,
    Join(&'a str),
    Nick(&'a str),
    Msg(&'a str, &'a str),
    Echo(bool),
    Ping(&'a str),
    Quit(&'a str),
    BadUsage,
    Unknown,
}

pub(crate) fn parse(line: &str) -> Asked<'_> {
    if !line.starts_with('/') {
        return Asked::Say(line);
    }
    if line.starts_with("//") {
        return Asked::Say(&line[1..]);
    }
    if line[1..].starts_with([' ', '\t']) {
        return Asked::Unknown;
    }
    let (word, rest) = first_word(&line[1..]);
    let single = !rest.is_empty() && !rest.contains([' ', '\t']);
    match word {
        "help" => Asked::Help,
        "rooms" => Asked::Rooms,
        "ping" => Asked::Ping(rest),
        "quit" => Asked::Quit(rest),
        "who" if rest.is_empty() || single => Asked::Who(rest),
        "join" if single => Asked::Join(rest),
        "nick" if single => Asked::Nick(rest),
        "echo" if rest == "on" => Asked::Echo(true),
        "echo" if rest == "off" => Asked::Echo(false),
        "msg" => match first_word(rest) {
            ("", _) | (_, "") => Asked::BadUsage,
            (to, text) => Asked::Msg(to, text),
        },
        "who" | "join" | "nick" | "echo" => Asked::BadUsage,
        _ => Asked::Unknown,
    }
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_matches([' ', '\t']);
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start_matches([' ', '\t']))
}

/// Two spellings are one name when their keys are equal.
pub(crate) fn key(name: &str) -> Cow<'_, str> {
    Cow::Owned(name.to_ascii_lowercase())
}

pub(crate) fn is_name(text: &str) -> bool {
    (1..=24).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        && !RESERVED.contains(&&*key(text))
}

/// The code of the last line of a connection that the server ended.
pub(crate) fn code(reason: CloseReason) -> Option<&'static str> {
    match reason {
        CloseReason::Quit | CloseReason::HungUp | CloseReason::ConnectionLost => None,
        CloseReason::TooSlow => Some("too-slow"),
        CloseReason::NameTimeout => Some("name-timeout"),
        CloseReason::Kicked => Some("kicked"),
        CloseReason::WrongProtocol => Some("wrong-protocol"),
        CloseReason::ServerFull => Some("server-full"),
        CloseReason::TooManyFromAddress => Some("too-many-from-your-address"),
        CloseReason::ShuttingDown => Some("shutting-down"),
    }
}

/// What a client that speaks another protocol gets for its own eyes, if it is one.
pub(crate) fn foreign_head(first: &[u8]) -> Option<&'static [&'static str]> {
    if first.starts_with(b"GET ") || first.starts_with(b"POST ") {
        Some(&[
            "HTTP/1.1 400 Bad Request\r",
            "Content-Type: text/plain; charset=utf-8\r",
            "Connection: close\r",
            "\r",
        ])
    } else if first.starts_with(b"SSH-2.") || first.starts_with(&[0x16, 3]) {
        Some(&[])
    } else {
        None
    }
}
