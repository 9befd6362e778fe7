//! The words for what a server says: news, who is in a room, why it ends. Pure.

use std::time::Duration;

use chatd::clean::Clean;

use crate::wire::Event;

/// What a server says as text, because it says it before it looks at what language we speak.
const TOLD_AS_TEXT: [&str; 5] = [
    "server-full",
    "too-many-from-your-address",
    "banned",
    "shutting-down",
    "tls-required",
];

/// The words for what happened in a room or on the server. What a user chose stands in quotes.
pub fn news(event: &Event) -> Option<String> {
    let Event {
        name,
        from,
        to,
        by,
        text,
        here,
        ..
    } = event;
    Some(match event.is.as_str() {
        "joined" => format!("{name} joined ({here} here)"),
        "left" => format!("{name} left ({here} here){}", leave_cause(event)),
        "churn" => churn(event.joined, event.left, *here),
        "renamed" => format!("{from} is now {to}"),
        "topic" if text.is_empty() => format!("{by} cleared the topic"),
        "topic" => format!("{by} set the topic: \"{text}\""),
        "announcement" => format!("operator: {text}"),
        "forgotten" => format!(
            "the operator took back {}",
            counted(event.ids.len() as u64, "message")
        ),
        _ => return None,
    })
}

/// `12 joined, 3 left (40 here)`.
pub fn churn(joined: u64, left: u64, here: u64) -> String {
    let parts = [(joined, "joined"), (left, "left")];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("{} ({here} here)", parts.join(", "))
}

fn leave_cause(event: &Event) -> String {
    let cause = match event.cause.as_str() {
        "" | "quit" => "",
        "lost" => ": connection lost",
        "too-slow" => ": too slow",
        "kicked" => ": kicked by the operator",
        "banned" => ": banned by the operator",
        "stopped" => ": the server stopped",
        _ => "",
    };
    match event.reason.as_deref().unwrap_or_default() {
        "" => cause.to_owned(),
        reason => format!("{cause}: \"{reason}\""),
    }
}

/// `3 here: ann, ben, cyd`.
pub fn roster(event: &Event) -> String {
    let (here, names) = (event.here, event.names.join(", "));
    match event.more {
        0 => format!("{here} here: {names}"),
        more => format!("{here} here: {names}, … and {more} more"),
    }
}

/// That so many messages follow which were said while there was no link, if anybody counted them.
pub fn away_words(count: Option<u64>) -> String {
    let messages = count.map_or("messages".to_owned(), |count| counted(count, "message"));
    format!("… {messages} while you were away")
}

/// That so many messages are missing here, if anybody knows how many.
pub fn missed_words(missing: Option<u64>) -> String {
    let missing = missing.map(|missing| counted(missing, "message"));
    let missing = missing.unwrap_or_else(|| "perhaps some messages".to_owned());
    format!("… {missing} missed")
}

/// That they were too many to be shown.
pub fn left_out_words(missing: Option<u64>) -> String {
    let missing = missing.map(|missing| counted(missing, "more message"));
    let missing = missing.unwrap_or_else(|| "more messages".to_owned());
    format!("… {missing} left out here; /history 100 shows the last ones, /search finds others")
}

/// Whether a name stands in a text as a word.
pub fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let is_edge = |character: Option<char>| !character.is_some_and(char::is_alphanumeric);
    let is_word = |(at, word): (usize, &str)| {
        is_edge(text[..at].chars().next_back()) && is_edge(text[at + word.len()..].chars().next())
    };
    !name.is_empty() && text.match_indices(&name).any(is_word)
}

/// `! server-full words`: its code and words, if a server may say it in this way.
pub fn told_as_text(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix("! ")?;
    let (code, words) = line.split_once(' ').unwrap_or((line, ""));
    TOLD_AS_TEXT.contains(&code).then_some((code, words))
}

/// What a line says that is none of chat.
pub fn excerpt(line: &[u8]) -> String {
    let start = Clean::excerpt(&String::from_utf8_lossy(line), 60);
    format!("says \"{start}\"")
}

/// `words (code)`.
pub fn with_code(code: &str, words: &str) -> String {
    match words {
        "" => code.to_owned(),
        _ => format!("{words} ({code})"),
    }
}

/// `1 line`, `2 lines`.
pub fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// `0.31 ms`.
pub fn figure(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
