//! `Record`: one thing that is kept. Not how it lies in the journal (`codec`) nor in the database
//! (`net/store`). A plain value that borrows what it speaks of.

use crate::chat::{Message, MessageId, Name};

/// One thing that is kept, or that takes something away from what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// Somebody said something.
    Message {
        /// The room, as it is shown.
        room: &'a str,
        /// What was said.
        message: Message<'a>,
    },
    /// The room has another topic, or none.
    Topic {
        /// The room, as it is shown.
        room: &'a str,
        /// Which fact it was: of two topics the later one is the room's.
        id: MessageId,
        /// Who set it.
        by: &'a str,
        /// The topic; empty if there is none any more.
        text: &'a str,
    },
    /// Messages of a room could not be kept: all whose ids lie between these two.
    Gap {
        /// The room, as it is shown.
        room: &'a str,
        /// The last id before the first that is missing.
        after: MessageId,
        /// The first id behind the last that is missing.
        before: MessageId,
        /// How many they are.
        count: u32,
    },
    /// Something is to be forgotten: it takes away what came before it.
    Forget(Forget<'a>),
}

/// What is to be forgotten, as an operator says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forget<'a> {
    /// The last id that was given when it was said: nothing later is meant.
    pub at: MessageId,
    /// Which messages.
    pub target: Target<'a>,
}

/// Which messages are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// One.
    One(MessageId),
    /// All of who is called so.
    Sender(&'a str),
}

impl Record<'_> {
    /// The room that it is about, if it is about one.
    pub fn room(&self) -> Option<&str> {
        match *self {
            Record::Message { room, .. }
            | Record::Topic { room, .. }
            | Record::Gap { room, .. } => Some(room),
            Record::Forget(_) => None,
        }
    }

    /// Which fact it is of. A gap is of the last that is missing.
    pub fn id(&self) -> MessageId {
        match *self {
            Record::Message { message, .. } => message.id,
            Record::Topic { id, .. } => id,
            Record::Gap { before, .. } => before,
            Record::Forget(forget) => forget.at,
        }
    }
}

impl Forget<'_> {
    /// Whether this message is meant. For many of them, see [`Forget::is_sender`].
    pub fn takes(&self, id: MessageId, from: &str) -> bool {
        match self.target {
            Target::One(target) => target == id,
            Target::Sender(_) => id <= self.at && self.is_sender(from),
        }
    }

    /// Whether who is called `from` is the sender that is meant: as names are compared.
    pub fn is_sender(&self, from: &str) -> bool {
        match self.target {
            Target::One(_) => false,
            Target::Sender(sender) => from == sender || folded(from) == folded(sender),
        }
    }
}

/// By what two names of people or rooms are compared; what is no name is compared as it stands.
pub fn folded(name: &str) -> String {
    Name::parse(name).map_or_else(|_| name.to_owned(), |name| name.folded().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> MessageId {
        text.parse().unwrap()
    }

    #[test]
    fn forgetting_a_sender_takes_every_spelling_and_nothing_later() {
        let forget = Forget {
            at: id("7-0"),
            target: Target::Sender("Ann"),
        };
        assert!(forget.takes(id("7-0"), "ann"));
        assert!(forget.takes(id("1-0"), "ANN"));
        assert!(!forget.takes(id("7-1"), "ann"));
        assert!(!forget.takes(id("1-0"), "anna"));
        let one = Forget {
            at: id("7-0"),
            target: Target::One(id("3-1")),
        };
        assert!(one.takes(id("3-1"), "ben"));
        assert!(!one.takes(id("3-0"), "ben"));
    }
}
