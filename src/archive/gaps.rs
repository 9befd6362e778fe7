//! `Gaps`: what could not be kept while there was no room for it, counted for each room until it can
//! be written down. Owned by who hands records to the disk.

use std::collections::HashMap;

use super::record::Record;
use crate::chat::MessageId;

/// What is missing, by room.
#[derive(Debug, Default)]
pub struct Gaps {
    rooms: HashMap<Box<str>, Missing>,
    lost: u64,
}

#[derive(Debug)]
struct Missing {
    first: MessageId,
    last: MessageId,
    count: u32,
}

impl Gaps {
    /// Nothing is missing.
    pub fn new() -> Gaps {
        Gaps::default()
    }

    /// A message of this room is not kept.
    pub fn lose(&mut self, room: &str, id: MessageId) {
        self.lost += 1;
        match self.rooms.get_mut(room) {
            Some(missing) => {
                missing.last = id;
                missing.count = missing.count.saturating_add(1);
            }
            None => {
                let missing = Missing {
                    first: id,
                    last: id,
                    count: 1,
                };
                self.rooms.insert(room.into(), missing);
            }
        }
    }

    /// Whether there is anything to write down.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Messages lost since the start.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Hands out what is missing, one record a room, and begins anew.
    pub fn drain(&mut self, mut each: impl FnMut(&Record<'_>)) {
        for (room, missing) in self.rooms.drain() {
            each(&Record::Gap {
                room: &room,
                after: neighbour(missing.first, -1),
                before: neighbour(missing.last, 1),
                count: missing.count,
            });
        }
    }
}

/// The id before or behind this one, whether it was ever given or not.
fn neighbour(id: MessageId, step: i64) -> MessageId {
    MessageId::from_i64(id.to_i64().saturating_add(step)).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_one_record_a_room_that_lies_around_what_is_missing() {
        let mut gaps = Gaps::new();
        for number in 5..8 {
            gaps.lose("lobby", format!("{number}-1").parse().unwrap());
        }
        gaps.lose("ops", "6-2".parse().unwrap());
        let mut told = Vec::new();
        gaps.drain(|record| told.push(format!("{record:?}")));
        assert_eq!(told.len(), 2);
        let lobby = Record::Gap {
            room: "lobby",
            after: "5-0".parse().unwrap(),
            before: "7-2".parse().unwrap(),
            count: 3,
        };
        assert!(told.contains(&format!("{lobby:?}")), "{told:?}");
        assert!(gaps.is_empty());
        assert_eq!(gaps.lost(), 4);
    }
}
