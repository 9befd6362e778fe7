//! `Board`: the bulletin board, as lines `room <name> text`. A listener; what it writes down is
//! printed by net. Owned by the listeners.

use crate::chat::{Fact, Listen, Manner, To, What};

/// Whether messages are written down for the operator.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Board {
    #[default]
    Off,
    /// What was said in this turn.
    On(Vec<u8>),
}

impl Listen for Board {
    fn hear(&mut self, _: To<'_>, fact: &Fact<'_>) {
        let Board::On(lines) = self else { return };
        if let (What::Said { from, text, manner }, Some(room)) = (fact.what, fact.room) {
            let action = match manner {
                Manner::Action => "/me ",
                Manner::Plain | Manner::Posted => "",
            };
            for part in [room.name, " <", from, "> ", action, text, "\n"] {
                lines.extend_from_slice(part.as_bytes());
            }
        }
    }
}
