//! `Recall`: what an earlier run has left, on its way into memory: rooms with their topics and the last
//! that was said in them, and how much was said before that. Where that lies, and that it comes bit
//! by bit, is the business of whoever drives the hub. Made by the hub for one call.

use crate::archive::{Ask, Query};
use crate::chat::{FORGOTTEN_IDS_MAX, MessageId, Older};

use super::core::Core;

/// The way into memory.
#[derive(Debug)]
pub struct Recall<'h> {
    core: &'h mut Core,
}

impl<'h> Recall<'h> {
    pub(super) fn new(core: &'h mut Core) -> Recall<'h> {
        Recall { core }
    }

    /// A room as an earlier run has left it: its topic, its newest message, and the last that were
    /// said, if they are known already. Rooms that spoke last come first.
    pub fn room(self, name: &str, topic: &str, last: MessageId, older: &Older<'_>) {
        let histories = &mut self.core.listeners.histories;
        match self.core.directory.recall_room(name, topic, last) {
            Some(room) if last > MessageId::ZERO => histories.add_older(room, last, older),
            None if last > MessageId::ZERO => histories.leave_room_to_archive(),
            _ => {}
        }
    }

    /// What is to be asked of the archive for this room, so that memory is as full of it as it may
    /// be; nothing if it is.
    pub fn question(self, name: &str) -> Option<Query> {
        let room = self.core.directory.find_room(name).ok()?;
        let histories = &self.core.listeners.histories;
        let (oldest, places) = histories.place_for_older(room)?;
        Some(Query {
            room: name.to_owned(),
            ask: Ask::Older {
                before: oldest.unwrap_or(MessageId::MAX),
                ids_max: FORGOTTEN_IDS_MAX,
            },
            messages_max: places,
            bytes_max: self.core.limits.history_bytes_max,
        })
    }

    /// What was said in a room before all that is in memory.
    pub fn older(self, name: &str, older: &Older<'_>) {
        if let Ok(room) = self.core.directory.find_room(name) {
            let histories = &mut self.core.listeners.histories;
            histories.add_older(room, MessageId::ZERO, older);
        }
    }
}
