//! What one connection is told alone, in whatever language: answers, refusals, greetings, the past.
//! Not how it is written. Values that live for one call.

use crate::chat::{Answer, Messages};

use super::refusal::Refusal;

/// What one connection is told alone.
#[derive(Debug)]
pub enum Reply<'a> {
    /// The greeting of a program: what this server can do.
    Hello(&'a Hello),
    /// The name is yours.
    Welcome {
        /// The name.
        name: &'a str,
        /// What proves later that it is the same somebody.
        resume: &'a str,
        /// The message of the day, if there is one.
        motd: Option<&'a str>,
    },
    /// The message of the day: one line or several.
    Motd(&'a str),
    /// An answer of the rules of chat.
    Answer(&'a Answer<'a>),
    /// What was said in a room before one came, or while one was away.
    Past {
        /// The room.
        room: &'a str,
        /// The messages, oldest first.
        messages: Messages<'a>,
        /// How many are missing before the first of them; `None` if nobody knows.
        missed: Option<usize>,
    },
    /// A page of what was said in a room.
    Page {
        /// The room.
        room: &'a str,
        /// The messages, oldest first.
        messages: Messages<'a>,
        /// Whether there is further in the direction that was asked.
        more: bool,
    },
    /// The commands.
    Help,
    /// What to do, for a person who says nothing.
    Prompt,
    /// What to do, for a person who gave a name where there is a password.
    PasswordPrompt,
    /// The answer to a ping.
    Pong(Option<&'a str>),
    /// No. The connection ends with it, or it does not.
    Refused(Refusal<'a>),
    /// No, and this is the last that the connection is told.
    Ended(Refusal<'a>),
}

/// What a server can do, as a program is told in its greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The longest text of a message, in bytes.
    pub line_bytes_max: usize,
    /// Whether pages of the past can be had.
    pub history: bool,
    /// Whether they can be searched.
    pub search: bool,
    /// Whether there is a password.
    pub password: bool,
}
