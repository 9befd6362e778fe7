//! What a typed line means: the one place that tells a command from a text. Text that is said
//! without being typed (a pipe, a paste) does not come through here.

use serde_json::{Value, json};

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

/// Usage and meaning of each command, in the order of help.
pub const COMMANDS: [(&str, &str); 12] = [
    ("/help", "these lines"),
    ("/who [ROOM]", "who is here"),
    ("/rooms", "the rooms"),
    ("/join ROOM", "leaves this room, enters that one"),
    ("/nick NAME", "another name"),
    ("/msg NAME TEXT", "says TEXT to NAME alone"),
    ("/me TEXT", "says what you do"),
    ("/topic [TEXT]", "shows or sets the topic of the room"),
    ("/history [N]", "the last N messages, at most 100"),
    ("/ping", "how long an answer takes"),
    (
        "/say TEXT",
        "says TEXT, whatever it starts with; so does //text",
    ),
    ("/quit [REASON]", "leaves; so do exit, end and Ctrl-D"),
];

/// So that a page, which is one line, stays far below the bound of lines.
const HISTORY_MESSAGES_MAX: u32 = 100;

/// A text for the room, as the server will give it back: by that it is known again.
pub fn say(room: &str, text: &str) -> Value {
    let plain = |character: char| match character {
        '\t' => character,
        '\n' => ' ',
        '\u{2028}' | '\u{2029}' => char::REPLACEMENT_CHARACTER,
        _ if character.is_control() => char::REPLACEMENT_CHARACTER,
        _ => character,
    };
    let text: String = text.chars().map(plain).collect();
    json!({"do": "say", "room": room, "text": text})
}

/// Reads a line that is typed in a room; else code and words of a refusal, which only the user
/// sees. `/` and a blank begin a text like any other.
pub fn read(line: &str, room: &str) -> Result<Typed, (&'static str, String)> {
    let command = match line.strip_prefix('/') {
        None => return Ok(Typed::Ask(say(room, line))),
        Some(text) if text.starts_with('/') => return Ok(Typed::Ask(say(room, text))),
        Some(text) if text.starts_with([' ', '\t']) => return Ok(Typed::Ask(say(room, line))),
        Some(command) => command,
    };
    let (word, rest) = split(command);
    let word = word.to_lowercase();
    let (first, behind) = split(rest);
    let other = first.trim_start_matches('#');
    let (is_empty, is_word) = (rest.is_empty(), !other.is_empty() && behind.is_empty());
    let request = match word.as_str() {
        "say" if !is_empty => say(room, rest),
        "me" if !is_empty => {
            let mut action = say(room, rest);
            action["action"] = true.into();
            action
        }
        "msg" if !behind.is_empty() => json!({"do": "msg", "to": first, "text": behind}),
        "join" if is_word => json!({"do": "join", "room": other}),
        "nick" if is_word => json!({"do": "nick", "name": first}),
        "who" if is_empty => json!({"do": "who", "room": room}),
        "who" if is_word => json!({"do": "who", "room": other}),
        "topic" if is_empty => return Ok(Typed::Topic),
        "topic" => json!({"do": "topic", "room": room, "text": rest}),
        "history" if is_empty => json!({"do": "history", "room": room, "limit": 20}),
        "history" if is_count(rest) => {
            json!({"do": "history", "room": room, "limit": rest.parse::<u32>().unwrap_or(1)})
        }
        "rooms" | "ping" if is_empty => json!({"do": word}),
        "help" if is_empty => return Ok(Typed::Help),
        "quit" if is_empty => return Ok(Typed::Quit(json!({"do": "quit"}))),
        "quit" => return Ok(Typed::Quit(json!({"do": "quit", "reason": rest}))),
        _ => return Err(refusal(&word)),
    };
    Ok(Typed::Ask(request))
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn is_count(text: &str) -> bool {
    matches!(text.parse(), Ok(1..=HISTORY_MESSAGES_MAX))
}

fn refusal(word: &str) -> (&'static str, String) {
    let mut usages = COMMANDS.iter().map(|(usage, _)| *usage);
    match usages.find(|usage| split(usage).0[1..] == *word) {
        Some(usage) => ("bad-usage", format!("usage: {usage}")),
        None => {
            let words = format!("there is no /{word}; /help lists the commands, //{word} says it");
            ("unknown-command", words)
        }
    }
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
        ] {
            assert_eq!(read(line, "lobby"), Ok(Typed::Ask(wanted)), "{line:?}");
        }
        for (line, code) in [
            ("/mgs ben secret", "unknown-command"),
            ("/", "unknown-command"),
            ("/msg ben", "bad-usage"),
            ("/me", "bad-usage"),
            ("/join a b", "bad-usage"),
            ("/history 101", "bad-usage"),
        ] {
            assert_eq!(
                read(line, "lobby").map_err(|(code, _)| code),
                Err(code),
                "{line:?}"
            );
        }
    }
}
