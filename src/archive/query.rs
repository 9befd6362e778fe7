//! What is asked of the past, and what is answered. Plain values that go from the loop to the thread
//! that reads, and back.

use super::page::Page;
use super::search::Words;
use crate::chat::{MessageId, PageEnd};

/// The longest page that is ever read.
pub const MESSAGES_MAX: usize = 1000;

/// A question about the past of one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The room, in whatever spelling.
    pub room: String,
    /// What is asked.
    pub ask: Ask,
    /// How many messages at most; never more than [`MESSAGES_MAX`].
    pub messages_max: usize,
    /// How much memory they may take.
    pub bytes_max: usize,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A page.
    Page(PageEnd),
    /// What was said around this message: as much before as from it on.
    Around(MessageId),
    /// The newest messages that hold these words.
    Search {
        /// The words.
        words: Words,
        /// Only what is older than this one.
        before: Option<MessageId>,
    },
    /// The last that was said before this one, and how much before that: for memory.
    Older {
        /// Only what is older than this one.
        before: MessageId,
        /// How many ids are told of what is older than the messages.
        ids_max: usize,
    },
    /// How many messages lie between these two.
    Missed {
        /// Behind this one.
        after: MessageId,
        /// Before this one.
        before: MessageId,
    },
}

/// The answer to a question, or to something that was to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A page, or what was found.
    Page(Page),
    /// What was said before.
    Older {
        /// The messages next to that.
        page: Page,
        /// Ids of those before them, oldest first.
        ids: Vec<MessageId>,
        /// Whether there are others before these.
        more: bool,
    },
    /// So many; `None` if nobody knows.
    Missed(Option<u64>),
    /// What was forgotten, by room as it is shown.
    Forgotten(Vec<(String, Vec<MessageId>)>),
    /// There is no such room.
    NoRoom {
        /// Of what was said in it up to this message nothing is still to come, as of a page.
        kept_to: MessageId,
    },
    /// Bans and mutes that were handed over are on the disk, or it does not take them now.
    Kept(bool),
    /// It could not be read; the log says why.
    Failed,
}
