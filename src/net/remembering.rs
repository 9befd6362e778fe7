//! `Remembering`: what earlier runs have left comes into memory. What spoke last is there before the
//! server starts; the rest is asked of the disk behind that, one room after the other, so that the
//! start does not wait for it. Owned by `keeping`.

use std::collections::VecDeque;

use crate::archive::{Page, Query, Reply};
use crate::chat::{FORGOTTEN_IDS_MAX, Message, MessageId, Older};
use crate::hub::Hub;

use super::store::{Recovered, RecoveredRoom};

/// Rooms of which the disk has more than memory, those first that spoke last.
#[derive(Debug)]
pub(super) struct Remembering {
    waiting: VecDeque<Room>,
    asked: Option<Room>,
}

#[derive(Debug)]
struct Room {
    name: String,
    counted_from: MessageId,
}

impl Remembering {
    /// Gives the hub what is there, and takes note of what is not.
    pub(super) fn start(hub: &mut Hub, recovered: &Recovered) -> Remembering {
        hub.open_archive(recovered.last);
        let mut waiting = VecDeque::new();
        for room in &recovered.rooms {
            remember(hub, room);
            if room.has_older && room.ids.len() < FORGOTTEN_IDS_MAX {
                waiting.push_back(Room {
                    name: room.name.clone(),
                    counted_from: room.counted_from,
                });
            }
        }
        Remembering {
            waiting,
            asked: None,
        }
    }

    /// What is to be asked next, unless an answer is to come.
    pub(super) fn next_question(&mut self, hub: &mut Hub) -> Option<Query> {
        while self.asked.is_none() {
            let room = self.waiting.pop_front()?;
            if let Some(query) = hub.recall().question(&room.name) {
                self.asked = Some(room);
                return Some(query);
            }
        }
        None
    }

    /// It could not be asked: it is later.
    pub(super) fn put_back(&mut self) {
        self.waiting.extend(self.asked.take());
        self.waiting.rotate_right(1);
    }

    /// The answer. A disk that fails leaves memory as it is.
    pub(super) fn take_answer(&mut self, hub: &mut Hub, reply: &Reply) {
        if let (Some(room), Reply::Older { page, ids, more }) = (self.asked.take(), reply) {
            let older = Older {
                messages: &messages(page),
                ids,
                has_older: *more,
                counted_from: room.counted_from,
            };
            hub.recall().older(&room.name, &older);
        }
    }
}

fn remember(hub: &mut Hub, room: &RecoveredRoom) {
    let older = Older {
        messages: &messages(&room.tail),
        ids: &room.ids,
        has_older: room.has_older,
        counted_from: room.counted_from,
    };
    hub.recall()
        .room(&room.name, &room.topic, room.last, &older);
}

fn messages(page: &Page) -> Vec<Message<'_>> {
    page.messages().collect()
}
