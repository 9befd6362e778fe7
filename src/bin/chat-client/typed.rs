//! What a typed line asks for, as a request in JSON. What a command is and how it is written is
//! `chatd::dialect::text`'s, the language that people type everywhere else. Text that is said without
//! being typed (a pipe, a paste) does not come through here.

use std::borrow::Cow;

use chatd::dialect::cleaning::clean_string;
use chatd::dialect::{Refusal, text};
use serde_json::{Value, json};
use text::{Act, Command, Line};

/// What the user wants.
#[derive(Debug, PartialEq)]
pub enum Typed {
    /// Something of the server: the request, without its `ref`.
    Ask(Value),
    /// Something of the client alone.
    Own(Own),
    /// To leave, with this request.
    Quit(Value),
}

/// What the client does by itself.
#[derive(Debug, PartialEq)]
pub enum Own {
    Help,
    /// To see the topic.
    Topic,
    /// To be in another room of those that were entered.
    Go(String),
    /// To leave a room, else the one in which one is.
    Part(Option<String>),
    /// To say something to whom one has spoken with alone last.
    Reply(String),
    /// To read nothing of somebody, else to see of whom.
    Ignore(Option<String>),
    Unignore(String),
    /// Not to see who comes and goes.
    Quiet(bool),
    Clear,
}

/// So that a page, which is one line, stays far below the bound of lines.
const HISTORY_MESSAGES_MAX: usize = 100;
/// Of plain text alone: whoever speaks JSON hears itself in any case.
const ECHO: &str = "/echo";
/// Of one room at a time; here there may be several.
const JOIN: &str = "/join";

/// How the client's own commands are written, and what they do.
const OWN: [(&str, &str); 10] = [
    ("/join ROOM", "enters one more room, or goes there"),
    (
        "/room ROOM",
        "goes to a room you are in; so do Alt-1 to Alt-9, Ctrl-N and Ctrl-P",
    ),
    ("/part [ROOM]", "leaves this room, or that one"),
    ("/names", "is /who"),
    ("/list", "is /rooms"),
    (
        "/r TEXT",
        "says something to whom you have spoken with alone last",
    ),
    (
        "/ignore [NAME]",
        "shows nothing of NAME, now and later, or whom you ignore",
    ),
    ("/unignore NAME", "shows it again"),
    ("/quiet on|off", "hides who comes and goes, or not"),
    ("/clear", "clears the screen"),
];

/// How each command is written, and what it does, in the order of help.
pub fn commands() -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_other = |usage: &str| usage.starts_with(ECHO) || usage.starts_with(JOIN);
    let commands = text::COMMANDS.into_iter();
    commands
        .filter(move |(usage, _)| !is_other(usage))
        .chain(OWN)
}

/// A command of the client's own; `None` if it is none.
fn read_own(word: &str, rest: &str) -> Option<Result<Own, (&'static str, String)>> {
    let usage = |word: &str| {
        let usages = OWN.iter().map(|(usage, _)| *usage);
        let usage = usages.filter(|usage| usage.split(' ').next() == Some(word));
        (
            "bad-usage",
            format!("it is written {}", usage.collect::<String>()),
        )
    };
    let mut words = rest.split_whitespace();
    let (first, is_one) = (words.next(), words.next().is_none());
    let room = first.map(text::without_hash).map(str::to_owned);
    let name = first.map(str::to_owned);
    Some(match word {
        "r" if first.is_some() => Ok(Own::Reply(rest.trim().to_owned())),
        "r" => Err(usage("/r")),
        "ignore" if is_one => Ok(Own::Ignore(name)),
        "ignore" => Err(usage("/ignore")),
        "unignore" => name
            .filter(|_| is_one)
            .map(Own::Unignore)
            .ok_or_else(|| usage("/unignore")),
        "quiet" => match first.filter(|_| is_one) {
            Some("on") => Ok(Own::Quiet(true)),
            Some("off") => Ok(Own::Quiet(false)),
            _ => Err(usage("/quiet")),
        },
        "room" => room
            .filter(|_| is_one)
            .map(Own::Go)
            .ok_or_else(|| usage("/room")),
        "part" if is_one => Ok(Own::Part(room)),
        "part" => Err(usage("/part")),
        "clear" => Ok(Own::Clear),
        _ => return None,
    })
}

/// A text for the room, as the server will give it back: by that it is known again.
pub fn say(room: &str, text: &str) -> Value {
    let text = clean_string(Cow::Borrowed(text.as_bytes()));
    json!({"do": "say", "room": room, "text": text})
}

/// Reads a line that is typed in a room; else code and words of a refusal, which only the user
/// sees.
pub fn read(line: &str, room: &str) -> Result<Typed, (&'static str, String)> {
    let line = clean_string(Cow::Borrowed(line.as_bytes()));
    let refused = |no: Refusal<'_>| (no.code(), format!("{no}{}", text::hint(&no)));
    let mut line = line;
    if let Line::Command { word, rest } = Line::of(&line) {
        let word = word.to_lowercase();
        if let Some(own) = read_own(&word, rest) {
            return own.map(Typed::Own);
        }
        let other = match word.as_str() {
            "names" => Some("who"),
            "list" => Some("rooms"),
            _ => None,
        };
        if let Some(other) = other {
            line = format!("/{other} {rest}").into();
        }
    }
    let request = text::read(&line).map_err(refused)?;
    let room = request.room.unwrap_or(room);
    Ok(Typed::Ask(match request.command {
        Command::Act(Act::Say { text, action }) => {
            let mut said = say(room, text);
            if action {
                said["action"] = true.into();
            }
            said
        }
        Command::Act(Act::Msg { to, text }) => json!({"do": "msg", "to": to, "text": text}),
        Command::Act(Act::Move) => json!({"do": "join", "room": room}),
        Command::Act(Act::Nick(name)) => json!({"do": "nick", "name": name}),
        Command::Act(Act::Who) => json!({"do": "who", "room": room}),
        Command::Act(Act::Rooms) => json!({"do": "rooms"}),
        Command::Act(Act::ShowTopic) => return Ok(Typed::Own(Own::Topic)),
        Command::Act(Act::SetTopic(text)) => json!({"do": "topic", "room": room, "text": text}),
        Command::History(page) => {
            json!({"do": "history", "room": room, "limit": page.limit.min(HISTORY_MESSAGES_MAX)})
        }
        Command::Search(search) => {
            json!({"do": "search", "room": room, "text": search.words, "limit": search.limit})
        }
        Command::Ping(_) => json!({"do": "ping"}),
        Command::Help => return Ok(Typed::Own(Own::Help)),
        Command::Quit(None) => return Ok(Typed::Quit(json!({"do": "quit"}))),
        Command::Quit(reason) => return Ok(Typed::Quit(json!({"do": "quit", "reason": reason}))),
        // The others cannot be typed, but that one.
        _ => return Err(refused(Refusal::UnknownCommand(&ECHO[1..]))),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_commands() {
        let said = |text: &str| json!({"do": "say", "room": "lobby", "text": text});
        for (line, wanted) in [
            ("hello", said("hello")),
            (" /who", said(" /who")),
            ("//who", said("/who")),
            ("/ who", said("/ who")),
            ("/", said("/")),
            ("/say /who", said("/who")),
            ("a\tb\u{1b}\u{2028}", said("a\tb\u{fffd}\u{fffd}")),
            (
                "/msg  ben how are  you ",
                json!({"do": "msg", "to": "ben", "text": "how are  you"}),
            ),
            ("/Join #den", json!({"do": "join", "room": "den"})),
            ("/who", json!({"do": "who", "room": "lobby"})),
            (
                "/history 3",
                json!({"do": "history", "room": "lobby", "limit": 3}),
            ),
            (
                "/topic of the day",
                json!({"do": "topic", "room": "lobby", "text": "of the day"}),
            ),
            (
                "/search old words",
                json!({"do": "search", "room": "lobby", "text": "old words", "limit": 50}),
            ),
            (
                "/history 101",
                json!({"do": "history", "room": "lobby", "limit": 100}),
            ),
        ] {
            assert_eq!(read(line, "lobby"), Ok(Typed::Ask(wanted)), "{line:?}");
        }
        for (line, code) in [
            ("/mgs ben secret", "unknown-command"),
            ("/echo on", "unknown-command"),
            ("/msg ben", "bad-usage"),
            ("/me", "bad-usage"),
            ("/join a b", "bad-usage"),
            ("/history 0", "bad-usage"),
        ] {
            assert_eq!(
                read(line, "lobby").map_err(|(code, _)| code),
                Err(code),
                "{line:?}"
            );
        }
    }
}
