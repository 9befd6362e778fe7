//! Which rooms exist: they are made at need and gone when empty, and together they remember only so
//! much. What one room is stands in `room`. Part of the directory.

use super::directory::Directory;
use super::directory::Tell;
use super::name::Name;
use super::room::{Churn, History, Room, Roster, alphabetical};
use super::vocabulary::{Audience, Event, MemberId, RoomId};

impl Directory {
    pub(super) fn make_room(&mut self, name: Name) -> RoomId {
        let id =
            RoomId(u32::try_from(self.rooms.vacant_key()).expect("fewer rooms than u32 holds"));
        self.room_names.claim(&name, id);
        let place = self.place_of(&name);
        self.rooms_by_name.insert(place, id);
        self.rooms.insert(Room {
            name,
            roster: Roster::default(),
            history: History::new(
                self.rules.history_lines_max,
                self.rules.history_bytes_max,
                self.rules.replay_messages_max,
            ),
            churn: Churn::default(),
            last_message: 0,
        });
        id
    }

    pub(super) fn remove_if_empty(&mut self, room: RoomId) {
        if room != self.lobby && self.rooms[room.slot()].roster.len() == 0 {
            self.rooms_by_name.retain(|&other| other != room);
            let gone = self.rooms.remove(room.slot());
            self.history_bytes -= gone.history.bytes();
            self.room_names.release(&gone.name);
        }
    }

    /// Name and number of members of each room that has any, in alphabetical order.
    pub fn occupied_rooms(&self) -> impl Iterator<Item = (&Name, usize)> {
        let rooms = self
            .rooms_by_name
            .iter()
            .map(|room| &self.rooms[room.slot()]);
        rooms
            .filter(|room| room.roster.len() > 0)
            .map(|room| (&room.name, room.roster.len()))
    }

    pub(super) fn find_room(&self, asked: &str) -> Option<RoomId> {
        let name = Name::parse(asked).ok()?;
        self.room_names.owner(&name)
    }

    /// What a room is called.
    pub fn room_name(&self, room: RoomId) -> Option<&Name> {
        self.rooms.get(room.slot()).map(|room| &room.name)
    }

    /// Whether the room is there.
    pub fn has_room(&self, room: RoomId) -> bool {
        self.rooms.contains(room.slot())
    }

    /// Tells every room that has members what the operator says.
    pub fn announce(&self, text: &str, tell: &mut Tell<'_>) {
        for (index, room) in &self.rooms {
            if room.roster.len() > 0 {
                let id = RoomId(u32::try_from(index).expect("rooms were numbered in u32"));
                tell(Audience::Room(id), Event::Operator { text });
            }
        }
    }

    /// Keeps a message for those who join its room later.
    pub(super) fn remember(&mut self, member: MemberId, text: &str) {
        let Some(speaker) = self.members[member.slot()].as_ref() else {
            return;
        };
        let room = &mut self.rooms[speaker.room.slot()];
        self.history_bytes -= room.history.bytes();
        room.history.push(&speaker.name, text);
        self.history_bytes += room.history.bytes();
        self.messages += 1;
        room.last_message = self.messages;
        if self.history_bytes > self.rules.history_total_bytes_max {
            self.forget_silent_rooms();
        }
    }

    /// Forgets what was said where nobody has spoken for longest, and a little more than it must,
    /// so that this is rare.
    fn forget_silent_rooms(&mut self) {
        let enough = self.rules.history_total_bytes_max / 8 * 7;
        let mut silent: Vec<(u64, usize)> = self
            .rooms
            .iter()
            .map(|(slot, room)| (room.last_message, slot))
            .collect();
        silent.sort_unstable();
        for (_, slot) in silent {
            if self.history_bytes <= enough {
                break;
            }
            let history = &mut self.rooms[slot].history;
            self.history_bytes -= history.bytes();
            history.clear();
        }
    }

    /// Where the room stands among the names of all.
    fn place_of(&self, name: &Name) -> usize {
        self.rooms_by_name
            .partition_point(|room| alphabetical(&self.rooms[room.slot()].name, name).is_lt())
    }
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::Command;
    use super::super::{Directory, Rules};
    use super::*;

    const RULES: Rules = Rules {
        history_lines_max: 100,
        replay_messages_max: 20,
        history_bytes_max: 1000,
        history_total_bytes_max: 1000,
        announce_members_max: 200,
        welcome_names_max: 20,
        who_names_max: 20,
        rooms_listed_max: 20,
    };

    #[test]
    fn the_room_that_is_silent_for_longest_forgets_first() {
        let mut directory = Directory::new(RULES);
        for (slot, room) in [(1, "one"), (2, "two"), (3, "three")] {
            directory.enter(MemberId(slot), room, &mut |_, _| ());
            directory.apply(MemberId(slot), Command::Join(room), &mut |_, _| ());
        }
        let say = |directory: &mut Directory, slot: u32| {
            directory.apply(
                MemberId(slot),
                Command::Say(&"x".repeat(90)),
                &mut |_, _| (),
            );
        };
        let kept = |directory: &Directory, room: &str| {
            let room = directory.find_room(room).unwrap();
            directory.rooms[room.slot()].history.len()
        };
        (0..3).for_each(|_| say(&mut directory, 1));
        (0..3).for_each(|_| say(&mut directory, 2));
        say(&mut directory, 1);
        (0..4).for_each(|_| say(&mut directory, 3));
        let all = [
            kept(&directory, "one"),
            kept(&directory, "two"),
            kept(&directory, "three"),
        ];
        assert_eq!(all, [4, 0, 4]);
        assert!(directory.history_bytes <= RULES.history_total_bytes_max);
        for slot in 1..=3 {
            directory.leave(MemberId(slot), None, &mut |_, _| ());
        }
        assert_eq!(directory.history_bytes, 0, "rooms take their memory along");
    }

    #[test]
    fn rooms_are_listed_in_alphabetical_order_while_they_come_and_go() {
        let mut directory = Directory::new(RULES);
        let rooms = ["zoo", "Bar", "äther", "alpha", "m1"];
        for (slot, room) in (0..).zip(rooms) {
            directory.enter(MemberId(slot), room, &mut |_, _| ());
            directory.apply(MemberId(slot), Command::Join(room), &mut |_, _| ());
        }
        let listed = |directory: &Directory| -> Vec<String> {
            directory
                .occupied_rooms()
                .map(|(name, _)| name.as_str().to_owned())
                .collect()
        };
        assert_eq!(listed(&directory), ["alpha", "Bar", "m1", "zoo", "äther"]);
        directory.leave(MemberId(1), None, &mut |_, _| ());
        directory.leave(MemberId(4), None, &mut |_, _| ());
        assert_eq!(listed(&directory), ["alpha", "zoo", "äther"]);
        assert_eq!(
            directory.rooms_by_name.len(),
            4,
            "the lobby is there though it is empty"
        );
    }
}
