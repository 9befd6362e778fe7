//! What the operator sees and does: the announcement, the list of connections, the kick. What is typed for it is read in `dialect::operator`; how it is answered is
//! net's business. Part of the hub.

use std::time::Duration;

use crate::session::{CloseReason, SessionId};

use super::Hub;
use super::board::Board;

/// One connection, as the operator sees it.
#[derive(Debug)]
pub struct ConnectionRow<'a> {
    /// Which connection.
    pub session: SessionId,
    /// Its name, once it has one.
    pub name: Option<&'a str>,
    /// The rooms that it is in.
    pub rooms: Vec<&'a str>,
    /// How long it has said nothing.
    pub idle: Duration,
    /// Bytes it has not taken yet.
    pub queued_bytes: usize,
}

impl Hub {
    /// From now on messages are written down: take them with [`Hub::take_board`] every turn.
    pub fn turn_board_on(&mut self) {
        self.listeners.board = Board::On(Vec::new());
    }

    /// Appends the messages of this turn to `out`, as lines `room <name> text`, in their order.
    pub fn take_board(&mut self, out: &mut Vec<u8>) {
        if let Board::On(lines) = &mut self.listeners.board {
            out.append(lines);
        }
    }

    /// Says something, which is clean, to everybody.
    pub fn announce(&mut self, text: &str) {
        self.directory.announce(text, &mut self.listeners);
    }

    /// Ends whoever has this name. The name of who was ended. The reason is clean.
    pub fn kick(&mut self, name: &str, reason: Option<&str>) -> Option<String> {
        let member = self.directory.member_named(name)?;
        let kicked = self.directory.name_of(member).to_owned();
        let session = self.listeners.delivery.session_of(member)?;
        self.end(session, CloseReason::Kicked, reason);
        Some(kicked)
    }

    /// Everybody who is connected and has not ended, in the order of their slots.
    pub fn clients(&self) -> impl Iterator<Item = ConnectionRow<'_>> {
        self.live_sessions().filter_map(|id| {
            let session = self.session(id)?;
            let rooms = session.member.map_or_else(Vec::new, |member| {
                let rooms = self.directory.rooms_of(member);
                rooms.map(|room| self.directory.room_name(room)).collect()
            });
            Some(ConnectionRow {
                session: id,
                name: session.member.map(|member| self.directory.name_of(member)),
                rooms,
                idle: self.now().since(session.active_at),
                queued_bytes: session.outbox.bytes(),
            })
        })
    }

    /// Whether the room that is called `room` is the one that is asked for.
    pub fn is_same_room(&self, room: &str, asked: &str) -> bool {
        let found = self.directory.find_room(room);
        found.is_ok() && found.ok() == self.directory.find_room(asked).ok()
    }

    /// Lines that came from a connection and were handled so far.
    pub fn lines_in(&self, id: SessionId) -> u64 {
        self.session(id).map_or(0, |session| session.lines_in)
    }

    /// Name and number of members of each room that has any, in alphabetical order.
    pub fn rooms(&self) -> impl Iterator<Item = (&str, usize)> {
        self.directory.occupied_rooms()
    }
}
