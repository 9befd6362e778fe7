//! A line of plain text → what it asks for, and how each command is written. Pure functions; nobody
//! owns anything here.

use crate::chat::{Act, Command, PageEnd, PageOf, Request, SearchFor};
use crate::dialect::Refusal;

/// How each command is written; the only place where that stands.
mod usage {
    pub(super) const HELP: &str = "/help";
    pub(super) const WHO: &str = "/who [ROOM]";
    pub(super) const ROOMS: &str = "/rooms";
    pub(super) const JOIN: &str = "/join ROOM";
    pub(super) const NICK: &str = "/nick NAME";
    pub(super) const MSG: &str = "/msg NAME TEXT";
    pub(super) const ME: &str = "/me TEXT";
    pub(super) const TOPIC: &str = "/topic [TEXT]";
    pub(super) const HISTORY: &str = "/history [N]";
    pub(super) const SEARCH: &str = "/search WORDS";
    pub(super) const ECHO: &str = "/echo on|off";
    pub(super) const PING: &str = "/ping [TOKEN]";
    pub(super) const SAY: &str = "/say TEXT";
    pub(super) const QUIT: &str = "/quit [REASON]";
}

/// The commands as `/help` tells them: how each is written, and what it does.
pub const COMMANDS: [(&str, &str); 14] = [
    (usage::HELP, "shows this"),
    (usage::WHO, "who is here, or in that room"),
    (usage::ROOMS, "the rooms and how many are in each"),
    (usage::JOIN, "leaves this room and enters that one"),
    (usage::NICK, "changes your name"),
    (usage::MSG, "says something to NAME alone, wherever it is"),
    (usage::ME, "says what you do"),
    (usage::TOPIC, "shows or sets the topic of this room"),
    (
        usage::HISTORY,
        "the last N messages of this room with their times",
    ),
    (usage::SEARCH, "what was said in this room with these words"),
    (usage::ECHO, "your own lines back, or not"),
    (
        usage::PING,
        "is answered after everything that came before it",
    ),
    (usage::SAY, "says TEXT whatever it starts with"),
    (usage::QUIT, "leaves"),
];

/// Messages that `/history` shows when it is not said how many.
const HISTORY_MESSAGES: usize = 20;
/// What a search finds at most.
const SEARCH_MESSAGES: usize = 50;

/// What a clean line of a member asks for.
///
/// # Errors
/// An unknown command, or one whose words do not fit. It is never a message then: people leak
/// passwords so.
pub fn read(line: &str) -> Result<Request<'_>, Refusal<'_>> {
    let (word, rest) = match Line::of(line) {
        Line::Blank => return Ok(request(Command::Prompt)),
        Line::Text(text) => return Ok(say(text)),
        Line::Command { word, rest } => (word, rest),
    };
    let argument = Some(rest).filter(|rest| !rest.is_empty());
    let text = |usage| argument.ok_or(Refusal::BadUsage(usage));
    let one = |usage| one_word(rest).ok_or(Refusal::BadUsage(usage));
    let command = match command_word(word) {
        "help" => Command::Help,
        "who" => {
            let room = argument.map(|_| one(usage::WHO)).transpose()?;
            return Ok(in_room(room, Act::Who));
        }
        "rooms" => Act::Rooms.into(),
        "join" => return Ok(in_room(Some(one(usage::JOIN)?), Act::Move)),
        "nick" => Act::Nick(one(usage::NICK)?).into(),
        "msg" => match split_word(rest) {
            ("", _) | (_, "") => return Err(Refusal::BadUsage(usage::MSG)),
            (to, text) => Act::Msg { to, text }.into(),
        },
        "me" => Act::Say {
            text: text(usage::ME)?,
            action: true,
        }
        .into(),
        "topic" => argument.map_or(Act::ShowTopic, Act::SetTopic).into(),
        "history" => Command::History(PageOf {
            end: PageEnd::Newest,
            limit: match argument {
                None => HISTORY_MESSAGES,
                Some(number) => number
                    .parse()
                    .ok()
                    .filter(|&limit| limit > 0)
                    .ok_or(Refusal::BadUsage(usage::HISTORY))?,
            },
        }),
        "search" => Command::Search(SearchFor {
            words: text(usage::SEARCH)?,
            before: None,
            limit: SEARCH_MESSAGES,
        }),
        "echo" => match rest {
            "on" => Act::Echo(true).into(),
            "off" => Act::Echo(false).into(),
            _ => return Err(Refusal::BadUsage(usage::ECHO)),
        },
        "ping" => Command::Ping(argument),
        "say" => return Ok(say(text(usage::SAY)?)),
        "quit" => Command::Quit(argument),
        _ => return Err(Refusal::UnknownCommand(word)),
    };
    Ok(request(command))
}

/// What a line is before one looks at its words: the only place where `/` is told from `//`, for
/// members, for operators, and for the client at its terminal.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Nothing, or blanks alone.
    Blank,
    /// A text to be said.
    Text(&'a str),
    /// A command: its word, and what stands behind it without the blanks around.
    Command {
        /// The word, as it was typed.
        word: &'a str,
        /// The rest.
        rest: &'a str,
    },
}

impl<'a> Line<'a> {
    /// What a clean line is.
    pub fn of(line: &'a str) -> Line<'a> {
        if line.trim_matches(is_blank).is_empty() {
            return Line::Blank;
        }
        match line.strip_prefix('/') {
            None => Line::Text(line),
            Some(text) if text.starts_with('/') => Line::Text(text),
            Some(text) if text.starts_with(is_blank) || text.is_empty() => Line::Text(line),
            Some(command) => {
                let (word, rest) = split_word(command);
                Line::Command { word, rest }
            }
        }
    }
}

/// The command that is meant by a word, as it stands in [`COMMANDS`]; an empty one if there is none.
/// Case does not count.
fn command_word(typed: &str) -> &'static str {
    let mut words = COMMANDS.iter().map(|(usage, _)| split_word(&usage[1..]).0);
    let known = words.find(|word| word.eq_ignore_ascii_case(typed));
    known.unwrap_or_default()
}

fn request<'a>(command: impl Into<Command<'a>>) -> Request<'a> {
    in_room(None, command)
}

fn say(text: &str) -> Request<'_> {
    request(Act::Say {
        text,
        action: false,
    })
}

fn in_room<'a>(room: Option<&'a str>, command: impl Into<Command<'a>>) -> Request<'a> {
    Request {
        room: room.map(without_hash),
        command: command.into(),
    }
}

/// The name of a room, without the `#` that some are used to.
pub fn without_hash(room: &str) -> &str {
    room.strip_prefix('#').unwrap_or(room)
}

/// The word at the start, and the rest without the blanks around it.
pub fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_matches(is_blank);
    match text.split_once(is_blank) {
        Some((word, rest)) => (word, rest.trim_start_matches(is_blank)),
        None => (text, ""),
    }
}

fn one_word(argument: &str) -> Option<&str> {
    (!argument.is_empty() && !argument.contains(is_blank)).then_some(argument)
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table of lines")]
    fn lines_are_understood() {
        let me = |text| Ok(request(Act::Say { text, action: true }));
        let history = |limit| {
            let end = PageEnd::Newest;
            Ok(request(Command::History(PageOf { end, limit })))
        };
        let bad = |usage| Err(Refusal::BadUsage(usage));
        let cases = [
            ("hello /who", Ok(say("hello /who"))),
            ("//who", Ok(say("/who"))),
            ("//", Ok(say("/"))),
            ("/", Ok(say("/"))),
            ("/ who", Ok(say("/ who"))),
            (" /who", Ok(say(" /who"))),
            ("/say /who", Ok(say("/who"))),
            ("/say", bad("/say TEXT")),
            ("", Ok(request(Command::Prompt))),
            (" \t ", Ok(request(Command::Prompt))),
            ("/help", Ok(request(Command::Help))),
            ("/who", Ok(request(Act::Who))),
            ("/WHO", Ok(request(Act::Who))),
            ("/who  #den ", Ok(in_room(Some("den"), Act::Who))),
            ("/who a b", bad("/who [ROOM]")),
            ("/rooms", Ok(request(Act::Rooms))),
            ("/join #den", Ok(in_room(Some("den"), Act::Move))),
            ("/join", bad("/join ROOM")),
            ("/nick anna", Ok(request(Act::Nick("anna")))),
            ("/nick", bad("/nick NAME")),
            (
                "/msg ben  are you coming? ",
                Ok(request(Act::Msg {
                    to: "ben",
                    text: "are you coming?",
                })),
            ),
            ("/msg ben", bad("/msg NAME TEXT")),
            ("/msg", bad("/msg NAME TEXT")),
            ("/me waves", me("waves")),
            ("/me", bad("/me TEXT")),
            ("/topic", Ok(request(Act::ShowTopic))),
            ("/topic tea at 5", Ok(request(Act::SetTopic("tea at 5")))),
            ("/history", history(20)),
            ("/history 7", history(7)),
            ("/history 0", bad("/history [N]")),
            ("/history x", bad("/history [N]")),
            (
                "/search red tea",
                Ok(request(Command::Search(SearchFor {
                    words: "red tea",
                    before: None,
                    limit: 50,
                }))),
            ),
            ("/search", bad("/search WORDS")),
            ("/echo on", Ok(request(Act::Echo(true)))),
            ("/Echo off", Ok(request(Act::Echo(false)))),
            ("/echo maybe", bad("/echo on|off")),
            ("/ping", Ok(request(Command::Ping(None)))),
            ("/ping a b", Ok(request(Command::Ping(Some("a b"))))),
            ("/quit", Ok(request(Command::Quit(None)))),
            ("/quit so long", Ok(request(Command::Quit(Some("so long"))))),
            ("/whoami", Err(Refusal::UnknownCommand("whoami"))),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line), expected, "{line:?}");
        }
    }
}
