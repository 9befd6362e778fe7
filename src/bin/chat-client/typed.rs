//! What a typed line asks for, as a request in JSON. What a command is and how it is written is
//! `chatd::dialect::text`'s, the language that people type everywhere else. Text that is said without
//! being typed (a pipe, a paste) does not come through here.

use std::borrow::Cow;

use chatd::dialect::cleaning::clean_string;
use chatd::dialect::{Refusal, text};
use serde_json::{Value, json};
use text::{Act, Command};

/// What the user wants.
#[derive(Debug, PartialEq)]
pub enum Typed {
    /// Something of the server: the request, without its `ref`.
    Ask(Value),
    Help,
    /// To see the topic.
    Topic,
    /// To leave, with this request.
    Quit(Value),
}

/// So that a page, which is one line, stays far below the bound of lines.
const HISTORY_MESSAGES_MAX: usize = 100;
/// Of plain text alone: whoever speaks JSON hears itself in any case.
const ECHO: &str = "/echo";

/// How each command is written, and what it does, in the order of help.
pub fn commands() -> impl Iterator<Item = (&'static str, &'static str)> {
    let commands = text::COMMANDS.into_iter();
    commands.filter(|(usage, _)| !usage.starts_with(ECHO))
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
        Command::Act(Act::ShowTopic) => return Ok(Typed::Topic),
        Command::Act(Act::SetTopic(text)) => json!({"do": "topic", "room": room, "text": text}),
        Command::History(page) => {
            json!({"do": "history", "room": room, "limit": page.limit.min(HISTORY_MESSAGES_MAX)})
        }
        Command::Search(search) => {
            json!({"do": "search", "room": room, "text": search.words, "limit": search.limit})
        }
        Command::Ping(_) => json!({"do": "ping"}),
        Command::Help => return Ok(Typed::Help),
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
