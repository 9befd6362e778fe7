//! `Operator`: what the operator does. What is typed for it is read in `dialect::operator`, what it
//! sees is in `overview`, how it is answered is net's business. Made by the hub for one call.

use crate::archive::Forget;
use crate::chat::{LOBBY, MessageId, Messages, PageEnd, Refusal};
use crate::session::CloseReason;

use super::board::Board;
use super::core::Core;
use super::ending;
use super::listeners::Replay;

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
        let board = &mut self.core.listeners.board;
        if *board == Board::Off {
            *board = Board::On(Vec::new());
        }
    }

    /// Nobody wants them any more.
    pub fn turn_board_off(self) {
        self.core.listeners.board = Board::Off;
    }

    /// Appends the messages of this turn to `out`, as lines `room <name> text`, in their order.
    pub fn take_board(self, out: &mut Vec<u8>) {
        if let Board::On(lines) = &mut self.core.listeners.board {
            out.append(lines);
        }
    }

    /// Says something, which is clean, to everybody. How many that were.
    pub fn announce(self, text: &str) -> usize {
        let (directory, listeners) = self.core.rules();
        directory.announce(text, listeners);
        directory.members()
    }

    /// Says something, which is clean, to one room. How many are in it.
    ///
    /// # Errors
    /// There is no such room.
    pub fn say<'a>(self, room: &'a str, text: &str) -> Result<usize, Refusal<'a>> {
        let (directory, listeners) = self.core.rules();
        directory.announce_in(room, text, listeners)
    }

    /// Says something, which is clean, to one member alone. What it is called.
    ///
    /// # Errors
    /// Nobody is called so.
    pub fn message<'a>(self, name: &'a str, text: &str) -> Result<String, Refusal<'a>> {
        let (directory, listeners) = self.core.rules();
        directory.message_as_operator(name, text, listeners)
    }

    /// Sets the topic of a room; it is clean. What the room is called.
    ///
    /// # Errors
    /// There is no such room, or the topic is too long.
    pub fn set_topic<'a>(self, room: &'a str, text: &str) -> Result<String, Refusal<'a>> {
        let (directory, listeners) = self.core.rules();
        directory.set_topic_as_operator(room, text, listeners)
    }

    /// Sends everybody out of a room; who is in no other comes into the lobby, without the past of
    /// that: so much at once would overflow many. How many were sent out. The reason is clean.
    ///
    /// # Errors
    /// There is no such room, or it is the lobby.
    pub fn close<'a>(self, room: &'a str, reason: Option<&str>) -> Result<usize, Refusal<'a>> {
        let (directory, listeners) = self.core.rules();
        let (count, homeless) = directory.close_room(room, reason, listeners)?;
        listeners.set_replay(Replay::Nothing);
        for member in homeless {
            // Into the lobby everybody may come who is in no room.
            let _ = directory.join(member, LOBBY, listeners);
        }
        Ok(count)
    }

    /// Takes messages out of memory, and tells the rooms where they were said: their ids, by room.
    pub fn forget(self, forget: &Forget<'_>) -> Vec<(String, Vec<MessageId>)> {
        let (directory, listeners) = self.core.rules();
        let is_meant = |id, from: &str| forget.takes(id, from);
        let taken = listeners.histories.take_away(is_meant);
        let mut forgotten = Vec::new();
        for (room, ids) in taken {
            directory.tell_forgotten(room, &ids, listeners);
            forgotten.push((directory.room_name(room).to_owned(), ids));
        }
        forgotten
    }

    /// Tells a room, if it is still there, that these messages are gone from the disk too.
    pub fn tell_forgotten(self, room: &str, ids: &[MessageId]) {
        let (directory, listeners) = self.core.rules();
        if let Ok(room) = directory.find_room(room) {
            listeners.histories.uncount(room, ids);
            directory.tell_forgotten(room, ids, listeners);
        }
    }

    /// The last messages of a room that are in memory, oldest first, and whether an archive could
    /// have more of them. `None` if there is no such room.
    pub fn history(self, room: &str, limit: usize) -> Option<(Messages<'h>, bool)> {
        let room = self.core.directory.find_room(room).ok()?;
        let histories = &self.core.listeners.histories;
        let page = histories.page(room, PageEnd::Newest, limit);
        Some((page.messages, page.is_whole))
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
