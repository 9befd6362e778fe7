//! `Operator`: what the operator does. What is typed for it is read in `dialect::operator`, what it
//! sees is in `overview`, how it is answered is net's business. Made by the hub for one call.

use crate::session::CloseReason;

use super::board::Board;
use super::core::Core;
use super::ending;

/// The operator's hands.
#[derive(Debug)]
pub struct Operator<'h> {
    core: &'h mut Core,
}

impl<'h> Operator<'h> {
    pub(super) fn new(core: &'h mut Core) -> Operator<'h> {
        Operator { core }
    }

    /// From now on messages are written down: take them with [`Operator::take_board`] every turn.
    pub fn turn_board_on(self) {
        self.core.listeners.board = Board::On(Vec::new());
    }

    /// Appends the messages of this turn to `out`, as lines `room <name> text`, in their order.
    pub fn take_board(self, out: &mut Vec<u8>) {
        if let Board::On(lines) = &mut self.core.listeners.board {
            out.append(lines);
        }
    }

    /// Says something, which is clean, to everybody.
    pub fn announce(self, text: &str) {
        let Core {
            directory,
            listeners,
            ..
        } = self.core;
        directory.announce(text, listeners);
    }

    /// Ends whoever has this name. The name of who was ended. The reason is clean.
    pub fn kick(self, name: &str, reason: Option<&str>) -> Option<String> {
        let member = self.core.directory.member_named(name)?;
        let kicked = self.core.directory.name_of(member).to_owned();
        let session = self.core.delivery().speakers.of(member)?;
        ending::end(self.core, session, CloseReason::Kicked, reason);
        Some(kicked)
    }
}
