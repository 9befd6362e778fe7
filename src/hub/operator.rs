//! What the operator sees and does: the board of all messages, the announcement, the list of
//! clients, the kick. How it is typed and printed is net's business. Part of the hub.

use std::time::Duration;

use crate::chat::CloseReason;
use crate::dialect::text;

use super::delivery::{into, member};
use super::{Hub, Session};

/// Whether messages are written down for the operator.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Board {
    Off,
    /// What was said in this turn, as lines `room <name> text`.
    On(Vec<u8>),
}

/// One connection, as the operator sees it.
#[derive(Debug)]
pub struct Client<'a> {
    /// Its slot.
    pub slot: u32,
    /// Its room and name, once it has one.
    pub seat: Option<(&'a str, &'a str)>,
    /// How long it has said nothing.
    pub idle: Duration,
    /// Bytes it has not taken yet.
    pub queued_bytes: usize,
}

impl Hub {
    /// From now on messages are written down: take them with [`Hub::take_board`] every turn.
    pub fn turn_board_on(&mut self) {
        self.board = Board::On(Vec::new());
    }

    /// Appends the messages of this turn to `out`, as lines `room <name> text`, in their order.
    pub fn take_board(&mut self, out: &mut Vec<u8>) {
        if let Board::On(lines) = &mut self.board {
            out.append(lines);
        }
    }

    /// Says something to all rooms.
    pub fn announce(&mut self, line: &[u8]) {
        let mut scratch = String::new();
        let text = text::clean(line, &mut scratch);
        self.directory.announce(text, &mut into(&mut self.delivery));
    }

    /// Ends whoever has this name, or one that looks like it. The name of who was ended.
    pub fn kick(&mut self, name: &str, why: Option<&str>) -> Option<String> {
        let member = self.directory.who_is(name)?;
        let kicked = self.directory.name_of(member)?.as_str().to_owned();
        self.end(member.0, CloseReason::Kicked, why);
        Some(kicked)
    }

    /// Everybody who is connected and has not ended, in the order of their slots.
    pub fn clients(&self) -> impl Iterator<Item = Client<'_>> {
        let slots = (0u32..).zip(&self.delivery.sessions);
        slots.filter_map(|(slot, session)| {
            let session = session
                .as_ref()
                .filter(|session| Session::is_live(session))?;
            let room = session.room.and_then(|room| self.directory.room_name(room));
            let name = self.directory.name_of(member(slot));
            Some(Client {
                slot,
                seat: room
                    .zip(name)
                    .map(|(room, name)| (room.as_str(), name.as_str())),
                idle: self.delivery.now.since(session.active_at),
                queued_bytes: session.outbox.bytes(),
            })
        })
    }

    /// Lines that came from a connection and were handled so far.
    pub fn lines_in(&self, slot: u32) -> u64 {
        let session = self.delivery.session(slot);
        session.map_or(0, |session| session.lines_in)
    }

    /// Name and number of members of each room that has any, in alphabetical order.
    pub fn rooms(&self) -> impl Iterator<Item = (&str, usize)> {
        self.directory
            .occupied_rooms()
            .map(|(name, here)| (name.as_str(), here))
    }

    /// Writes down a message that is about to be said.
    pub(super) fn write_on_board(&mut self, slot: u32, text: &str) {
        let Board::On(lines) = &mut self.board else {
            return;
        };
        let room = self
            .directory
            .room_of(member(slot))
            .and_then(|room| self.directory.room_name(room));
        let Some((room, name)) = room.zip(self.directory.name_of(member(slot))) else {
            return;
        };
        for part in [room.as_str(), " <", name.as_str(), "> ", text, "\n"] {
            lines.extend_from_slice(part.as_bytes());
        }
    }
}
