//! Plain text, for people and simple bots: a line of a client → a request (in `read`), a [`Fact`] or a
//! [`Reply`] → lines for a client. Not what any of it means (that is `chat`), and not where lines
//! begin and end (`dialect::line`). Pure functions; nobody owns anything here.
//!
//! The first byte of a server line says what it is: `<` a message, `*` news, `-` private,
//! `=` an answer, `!` a refusal. No text of a user stands at the start of a line.

use std::io::Write as _;

use crate::chat::{self, Answer, Cause, Fact, Manner, Message, Messages, What};

use super::sniff::ForeignProtocol;
use super::stamp;
use super::{Refusal, Reply};

mod read;

/// What [`read`] gives, for whoever speaks this language and imports no rules: the client.
pub use crate::chat::{Act, Command, Request};
pub use read::{COMMANDS, Line, read, split_word, without_hash};

/// Appends what stands before the last line to somebody who spoke `protocol`, so that their
/// program can show it.
pub fn encode_foreign_head(protocol: ForeignProtocol, out: &mut Vec<u8>) {
    if protocol == ForeignProtocol::Http {
        out.extend_from_slice(
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n",
        );
    }
}

/// Appends a fact as whole lines, and says how many.
pub fn encode(fact: &Fact<'_>, out: &mut Vec<u8>) -> u32 {
    match fact.what {
        What::Said { from, text, manner } => encode_said(from, text, manner, out),
        What::Joined { who, here } => line(out, format_args!("* {who} joined ({here} here)")),
        What::Left {
            who,
            here,
            cause,
            reason,
        } => {
            let end = Ending { cause, reason };
            line(out, format_args!("* {who} left ({here} here){end}"))
        }
        What::Churn { joined, left, here } => {
            let what = match (joined, left) {
                (_, 0) => format!("{joined} joined"),
                (0, _) => format!("{left} left"),
                _ => format!("{joined} joined, {left} left"),
            };
            line(out, format_args!("* {what} ({here} here)"))
        }
        What::Renamed { from, to } => line(out, format_args!("* {from} is now {to}")),
        What::Topic { text: "", by } => line(out, format_args!("* {by} cleared the topic")),
        What::Topic { text, by } => line(out, format_args!("* {by} set the topic: \"{text}\"")),
        What::Private { from, text } => line_of(out, &["-", from, "- ", text]),
        What::Announcement { text } => line_of(out, &["* operator: ", text]),
        What::Entered {
            who,
            here,
            names,
            topic,
            ..
        } => {
            let room = fact.room.map_or("", |room| room.name);
            let names = Names { here, names };
            let welcome = line(out, format_args!("* welcome to {room}, {who} ({names})"));
            if topic.is_empty() {
                return welcome;
            }
            welcome + line(out, format_args!("* topic: \"{topic}\""))
        }
        // What a person has read cannot be taken back.
        What::Parted { .. } | What::Closed | What::Forgotten { .. } => 0,
    }
}

/// Appends a reply as whole lines, and says how many.
pub fn encode_reply(reply: &Reply<'_>, out: &mut Vec<u8>) -> u32 {
    match reply {
        Reply::Answer(answer) => encode_answer(answer, out),
        Reply::Past {
            messages, missed, ..
        } => encode_past(messages.clone(), *missed, out),
        Reply::Page { messages, .. } => {
            let messages: u32 = messages
                .clone()
                .map(|message| encode_dated(&message, out))
                .sum();
            messages + line_of(out, &["= end"])
        }
        Reply::Help => COMMANDS
            .iter()
            .map(|(usage, does)| line(out, format_args!("= {usage:<15} {does}")))
            .sum(),
        Reply::Prompt => line_of(out, &["* chatd: type your name and press Enter"]),
        Reply::PasswordPrompt => line_of(
            out,
            &["* this server has a password: type it and press Enter"],
        ),
        Reply::Motd(motd) => motd.lines().map(|line| line_of(out, &["* ", line])).sum(),
        Reply::Pong(None) => line_of(out, &["= pong"]),
        Reply::Pong(Some(token)) => line_of(out, &["= pong ", token]),
        Reply::Refused(refusal) | Reply::Ended(refusal) => {
            let hint = hint(refusal);
            line(out, format_args!("! {} {refusal}{hint}", refusal.code()))
        }
        // Programs are greeted; a person sees it by the welcome of the room.
        Reply::Hello(_) | Reply::Welcome { .. } => 0,
    }
}

/// What a person can do about it, in this language.
pub fn hint(refusal: &Refusal<'_>) -> &'static str {
    match refusal {
        Refusal::UnknownCommand(_) => "; /help shows the commands, //text says /text",
        Refusal::Rules(chat::Refusal::NoSuchRoom(_)) => "; /rooms shows them",
        _ => "",
    }
}

fn encode_answer(answer: &Answer<'_>, out: &mut Vec<u8>) -> u32 {
    match answer {
        // What was done can be seen by what has happened.
        Answer::Done(_) => 0,
        Answer::Sent(_, to) => line_of(out, &["= sent to ", to]),
        Answer::Who { here, names, .. } => {
            let names = Names { here: *here, names };
            line(out, format_args!("= {names}"))
        }
        Answer::Rooms { rooms, more } => {
            let mut lines: u32 = rooms
                .iter()
                .map(|row| line(out, format_args!("= {} {}", row.room, row.here)))
                .sum();
            if *more > 0 {
                lines += line(out, format_args!("= … and {more} more"));
            }
            lines + line_of(out, &["= end"])
        }
        Answer::Topic { topic: "", room } => line(out, format_args!("= {room} has no topic")),
        Answer::Topic { topic, .. } => line(out, format_args!("= topic: \"{topic}\"")),
        Answer::Echo(on) => line_of(out, &["= echo ", if *on { "on" } else { "off" }]),
        Answer::SameName(name) => line(out, format_args!("= you are {name} already")),
    }
}

fn encode_said(from: &str, text: &str, manner: Manner, out: &mut Vec<u8>) -> u32 {
    let action = match manner {
        Manner::Action => "/me ",
        Manner::Plain | Manner::Posted => "",
    };
    line_of(out, &["<", from, "> ", action, text])
}

/// A message with its time, for who asked for it.
fn encode_dated(message: &Message<'_>, out: &mut Vec<u8>) -> u32 {
    out.extend_from_slice(b"= ");
    stamp::write_seconds(message.id.at(), out);
    out.push(b' ');
    encode_said(message.from, message.text, message.manner, out)
}

fn encode_past(messages: Messages<'_>, missed: Option<usize>, out: &mut Vec<u8>) -> u32 {
    let Some(first) = messages.clone().next() else {
        return 0;
    };
    match messages.len() {
        1 => out.extend_from_slice(b"* last message, from "),
        count => write(out, format_args!("* last {count} messages, from ")),
    }
    stamp::write_minutes(first.id.at(), out);
    out.extend_from_slice(b":\n");
    let mut lines = 1;
    if let Some(missed @ 1..) = missed {
        lines += line(
            out,
            format_args!("* {missed} messages before these are missing"),
        );
    }
    for message in messages {
        lines += encode_said(message.from, message.text, message.manner, out);
    }
    lines + line_of(out, &["* end of history"])
}

/// The line for messages, which must cost nothing that can be saved.
fn line_of(out: &mut Vec<u8>, parts: &[&str]) -> u32 {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'\n');
    1
}

fn line(out: &mut Vec<u8>, words: std::fmt::Arguments<'_>) -> u32 {
    write(out, words);
    out.push(b'\n');
    1
}

fn write(out: &mut Vec<u8>, words: std::fmt::Arguments<'_>) {
    out.write_fmt(words).expect("memory takes what is written");
}

/// `3 here: ann, ben, cyd`
struct Names<'a> {
    here: usize,
    names: &'a [&'a str],
}

impl std::fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} here", self.here)?;
        for (index, name) in self.names.iter().enumerate() {
            let before = if index == 0 { ": " } else { ", " };
            write!(f, "{before}{name}")?;
        }
        match self.here - self.names.len() {
            0 => Ok(()),
            more => write!(f, ", … and {more} more"),
        }
    }
}

/// Why somebody left. What a user chose stands in quotes, and nothing else does.
struct Ending<'a> {
    cause: Cause,
    reason: Option<&'a str>,
}

impl std::fmt::Display for Ending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.cause, self.reason) {
            (Cause::Quit, None) => Ok(()),
            (Cause::Quit, Some(reason)) => write!(f, ": \"{reason}\""),
            (Cause::Lost, _) => f.write_str(": connection lost"),
            (Cause::TooSlow, _) => f.write_str(": too slow"),
            (Cause::Kicked, None) => f.write_str(": kicked by the operator"),
            (Cause::Kicked, Some(reason)) => write!(f, ": kicked by the operator: {reason}"),
            (Cause::Banned, None) => f.write_str(": banned by the operator"),
            (Cause::Banned, Some(reason)) => write!(f, ": banned by the operator: {reason}"),
            (Cause::Closed, None) => f.write_str(": the operator closed the room"),
            (Cause::Closed, Some(reason)) => write!(f, ": the operator closed the room: {reason}"),
            (Cause::Stopped, _) => f.write_str(": server shutting down"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_cannot_be_taken_for_the_word_of_the_operator() {
        let left = |cause, reason| Ending { cause, reason }.to_string();
        assert_eq!(
            left(Cause::Quit, Some("kicked by the operator: noise")),
            ": \"kicked by the operator: noise\""
        );
        assert_eq!(
            left(Cause::Kicked, Some("noise")),
            ": kicked by the operator: noise"
        );
    }
}
