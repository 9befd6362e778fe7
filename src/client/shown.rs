//! `Shown`: one thing for the user to see. What it looks like is the screen's; that it is clean
//! is certain here, since all its words are [`Clean`].

use std::time::Duration;

use crate::clean::Clean;
use crate::dialect::reply::Reply;

/// See the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A message in the room; one's own where it was asked for.
    Message {
        /// Who said it.
        from: Clean,
        /// What was said.
        text: Clean,
    },
    /// A private message.
    Private {
        /// Who said it.
        from: Clean,
        /// What was said.
        text: Clean,
    },
    /// News of the room or of the server.
    News(Clean),
    /// A line of an answer to a command.
    Answer(Clean),
    /// A command of the user goes out. Only at the seat, where nothing else shows what was typed.
    Asked(Clean),
    /// A refusal after which the conversation goes on.
    Refusal {
        /// The fixed code.
        code: Clean,
        /// The words for people.
        words: Clean,
    },
    /// An own message has come back: it stands in the room and is on its way to all.
    Delivered {
        /// From its sending to its return.
        round_trip: Duration,
    },
    /// The client's own words, about the link and about itself.
    Status(Clean),
}

impl Shown {
    /// A line of the server, cleaned.
    pub fn of(reply: Reply<'_>) -> Self {
        match reply {
            Reply::Message { from, text } => Shown::Message {
                from: Clean::of(from),
                text: Clean::of(text),
            },
            Reply::Private { from, text } => Shown::Private {
                from: Clean::of(from),
                text: Clean::of(text),
            },
            Reply::News(text) => Shown::News(Clean::of(text)),
            Reply::Answer(text) => Shown::Answer(Clean::of(text)),
            Reply::Refusal { code, words } => Shown::Refusal {
                code: Clean::of(code),
                words: Clean::of(words),
            },
        }
    }
}
