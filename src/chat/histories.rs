//! `Histories`: the last messages of each room, in memory. A listener: it hears what is said and
//! forgets as its bounds ask. Never joins and leaves, nothing private. Owned by the hub.

use super::command::PageEnd;
use super::fact::{Fact, Listen, To, What};
use super::history::{History, Message, Messages, Older};
use super::id::{MessageId, RoomId};

/// The last messages of every room, bounded in memory.
#[derive(Debug)]
pub struct Histories {
    messages_max: usize,
    room_bytes_max: usize,
    total_bytes_max: usize,
    rooms: Vec<Option<Box<History>>>,
    /// Memory of all rooms.
    bytes: usize,
    archive: Archive,
}

/// What an archive has beyond what is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Archive {
    /// There is none.
    None,
    /// The past of rooms that are known here.
    KnownRooms,
    /// That of others, too: something may have been said in a room that is new here.
    OtherRooms,
}

/// A page of the past of a room.
#[derive(Debug)]
pub struct Page<'a> {
    /// The messages, oldest first.
    pub messages: Messages<'a>,
    /// Whether there is further in memory in the direction that was asked.
    pub more: bool,
    /// Whether that is all there ever was: nothing is missing that an archive could have.
    pub is_whole: bool,
}

/// A part of the past of a room.
#[derive(Debug)]
pub struct Tail<'a> {
    /// The messages, oldest first.
    pub messages: Messages<'a>,
    /// How many are missing before the first of them: said, but not in memory any more. `None` if
    /// that is not known.
    pub missed: Option<usize>,
}

impl Histories {
    /// None yet. A room keeps at most `messages_max` messages in `room_bytes_max` of memory, all
    /// rooms together `total_bytes_max`; past that, rooms that were silent for longest forget.
    pub fn new(messages_max: usize, room_bytes_max: usize, total_bytes_max: usize) -> Histories {
        Histories {
            messages_max,
            room_bytes_max,
            total_bytes_max,
            rooms: Vec::new(),
            bytes: 0,
            archive: Archive::None,
        }
    }

    /// The newest messages of a room, at most so many. What is beyond is not missing.
    pub fn newest(&self, room: RoomId, limit: usize) -> Messages<'_> {
        self.history(room)
            .map_or_else(Messages::default, |history| history.newest(limit))
    }

    /// What was said in a room behind this message, as far as it is in memory.
    pub fn since(&self, room: RoomId, known: MessageId) -> Tail<'_> {
        let Some(history) = self.history(room) else {
            return Tail {
                messages: Messages::default(),
                missed: None,
            };
        };
        let count = history.len() - history.position(|id| id <= known);
        Tail {
            messages: history.newest(count),
            missed: history.forgotten_since(known),
        }
    }

    /// Whether nothing may be missing behind the newest message of a room: a power cut may have taken
    /// something.
    pub fn is_certain(&self, room: RoomId) -> bool {
        let history = self.history(room);
        history.is_none_or(|history| history.forgotten_since(history.last) == Some(0))
    }

    /// Whether something that was said in a room in this run after this message is in memory no more.
    pub fn has_forgotten(&self, room: RoomId, after: MessageId) -> bool {
        let history = self.history(room);
        history.is_some_and(|history| history.has_forgotten(after))
    }

    /// Messages of a room that are in memory no more were taken back: as if they had never been said.
    pub fn uncount(&mut self, room: RoomId, ids: &[MessageId]) {
        if let Some(Some(history)) = self.rooms.get_mut(room.slot()) {
            history.uncount(ids);
        }
    }

    /// A page of what was said in a room, of at most so many messages.
    pub fn page(&self, room: RoomId, end: PageEnd, limit: usize) -> Page<'_> {
        let Some(history) = self.history(room) else {
            return Page {
                messages: Messages::default(),
                more: false,
                is_whole: false,
            };
        };
        let count = history.len();
        let older = match end {
            PageEnd::After(known) => {
                let first = history.position(|id| id <= known);
                let last = count.min(first.saturating_add(limit));
                return Page {
                    messages: history.range(first, last),
                    more: last < count,
                    is_whole: history.is_whole() || history.forgotten_since(known) == Some(0),
                };
            }
            PageEnd::Before(end) => history.position(|id| id < end),
            PageEnd::Newest => count,
        };
        let first = older.saturating_sub(limit);
        Page {
            messages: history.range(first, older),
            more: first > 0,
            is_whole: history.is_whole() || first > 0,
        }
    }

    /// Adds what was said in a room in an earlier run, in which `last` was the newest message. Of that
    /// what is known already, or newer, is left out.
    pub fn add_older(&mut self, room: RoomId, last: MessageId, older: &Older<'_>) {
        if self.messages_max == 0 {
            return;
        }
        let (messages_max, bytes_max) = (self.messages_max, self.room_bytes_max);
        self.change(room, |history| {
            history.last = history.last.max(last);
            let known = history.oldest().unwrap_or(MessageId::MAX);
            let messages = older.messages;
            let ids = older.ids;
            let older = Older {
                messages: &messages[..messages.partition_point(|message| message.id < known)],
                ids: &ids[..ids.partition_point(|&id| id < known)],
                ..*older
            };
            history.add_older(&older, messages_max, bytes_max);
        });
    }

    /// From now on an archive has what is forgotten here.
    pub fn open_archive(&mut self) {
        self.archive = Archive::KnownRooms;
    }

    /// The archive knows a room that is not known here.
    pub fn leave_room_to_archive(&mut self) {
        self.archive = Archive::OtherRooms;
    }

    /// The oldest message of a room of which at least the id is known, if there is any, and how many
    /// more may be remembered. `None` where nothing can be added: memory is taken.
    pub fn place_for_older(&self, room: RoomId) -> Option<(Option<MessageId>, usize)> {
        if self.messages_max == 0 || self.bytes >= self.total_bytes_max / 4 * 3 {
            return None;
        }
        let history = self.history(room);
        let places = self.messages_max - history.map_or(0, History::len);
        Some((history.and_then(History::oldest), places))
    }

    /// Takes messages away, in whatever room: their ids, by room.
    pub fn take_away(
        &mut self,
        is_meant: impl Fn(MessageId, &str) -> bool,
    ) -> Vec<(RoomId, Vec<MessageId>)> {
        let mut taken = Vec::new();
        for (slot, history) in (0..).zip(&mut self.rooms) {
            let Some(history) = history else { continue };
            self.bytes -= history.heap_bytes();
            let ids = history.take_away(&is_meant);
            self.bytes += history.heap_bytes();
            if !ids.is_empty() {
                taken.push((RoomId(slot), ids));
            }
        }
        taken
    }

    /// Memory of all rooms, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Memory of all rooms, counted anew: for checking [`Histories::bytes`].
    pub fn bytes_counted(&self) -> usize {
        self.rooms
            .iter()
            .flatten()
            .map(|history| history.heap_bytes())
            .sum()
    }

    fn history(&self, room: RoomId) -> Option<&History> {
        self.rooms.get(room.slot())?.as_deref()
    }

    fn remember(&mut self, room: RoomId, message: &Message<'_>) {
        if self.messages_max == 0 {
            return;
        }
        let (messages_max, bytes_max) = (self.messages_max, self.room_bytes_max);
        self.change(room, |history| {
            history.push(message, messages_max, bytes_max);
        });
    }

    /// Changes what is known of a room, and counts its memory.
    fn change(&mut self, room: RoomId, change: impl FnOnce(&mut History)) {
        if self.rooms.len() <= room.slot() {
            self.rooms.resize_with(room.slot() + 1, || None);
        }
        let place = &mut self.rooms[room.slot()];
        self.bytes -= place.as_ref().map_or(0, |history| history.heap_bytes());
        let has_older = self.archive == Archive::OtherRooms;
        let history = place.get_or_insert_with(|| Box::new(History::new(has_older)));
        change(history);
        self.bytes += history.heap_bytes();
        if self.bytes > self.total_bytes_max {
            self.forget_silent_rooms();
        }
    }

    fn close(&mut self, room: RoomId) {
        if let Some(history) = self.rooms.get_mut(room.slot()).and_then(Option::take) {
            self.bytes -= history.heap_bytes();
            if self.archive == Archive::KnownRooms {
                self.leave_room_to_archive();
            }
        }
    }

    /// Forgets what was said where nobody has spoken for longest, and a little more than it must,
    /// so that this is rare.
    fn forget_silent_rooms(&mut self) {
        let enough = self.total_bytes_max / 8 * 7;
        let mut silent: Vec<(MessageId, usize)> = (0..)
            .zip(&self.rooms)
            .filter_map(|(slot, history)| Some((history.as_ref()?.last, slot)))
            .collect();
        silent.sort_unstable();
        for (_, slot) in silent {
            if self.bytes <= enough {
                break;
            }
            if let Some(history) = &mut self.rooms[slot] {
                self.bytes -= history.heap_bytes();
                history.forget_all();
                self.bytes += history.heap_bytes();
            }
        }
    }
}

impl Listen for Histories {
    fn hear(&mut self, _: To<'_>, fact: &Fact<'_>) {
        let Some(room) = fact.room else { return };
        match fact.what {
            What::Said { from, text, manner } => {
                let id = fact.id;
                self.remember(
                    room.id,
                    &Message {
                        id,
                        from,
                        text,
                        manner,
                    },
                );
            }
            What::Closed => self.close(room.id),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::{Entry, LOOSE_BYTES_MAX};
    use super::*;
    use crate::chat::{Manner, Place};

    const LOBBY: RoomId = RoomId(0);

    fn id(number: usize) -> MessageId {
        format!("{number}-0").parse().unwrap()
    }

    fn say(histories: &mut Histories, room: RoomId, number: usize, text: &str) {
        let fact = Fact {
            room: Some(Place {
                id: room,
                name: "room",
            }),
            id: id(number),
            what: What::Said {
                from: "ann",
                text,
                manner: Manner::Plain,
            },
        };
        histories.hear(To::Room(room), &fact);
        assert_eq!(histories.bytes(), histories.bytes_counted());
    }

    fn texts<'a>(messages: Messages<'a>) -> Vec<&'a str> {
        messages.map(|message| message.text).collect()
    }

    #[test]
    fn a_history_is_the_last_messages_that_fit() {
        let said: Vec<String> = (1..=500usize).map(|n| "ü".repeat(n * 7 % 60)).collect();
        let mut histories = Histories::new(8, 600, 1 << 20);
        for (index, text) in said.iter().enumerate() {
            say(&mut histories, LOBBY, index + 1, text);
            let mut expected = Vec::new();
            let mut bytes = 0;
            for text in said[..=index].iter().rev().take(8) {
                bytes += 3 + text.len() + size_of::<Entry>();
                if bytes > 600 {
                    break;
                }
                expected.insert(0, text.as_str());
            }
            let kept = histories.newest(LOBBY, 100);
            assert_eq!(kept.len(), expected.len());
            assert_eq!(texts(kept), expected, "after message {index}");
            let missed = histories.since(LOBBY, MessageId::ZERO).missed.unwrap();
            assert_eq!(missed + expected.len(), index + 1);
        }
    }

    #[test]
    fn who_was_away_gets_what_is_left_and_is_told_how_much_is_not() {
        let mut histories = Histories::new(5, 1 << 16, 1 << 20);
        (1..=3000).for_each(|n| say(&mut histories, LOBBY, n, &n.to_string()));
        for (known, missed, first) in [
            (2999, Some(0), 3000),
            (2995, Some(0), 2996),
            (2994, Some(1), 2996),
            (2000, Some(995), 2996),
            (1000, None, 2996),
        ] {
            let tail = histories.since(LOBBY, id(known));
            assert_eq!(tail.missed, missed, "since {known}");
            let texts = texts(tail.messages);
            assert_eq!(texts[0], first.to_string(), "since {known}");
            assert_eq!(*texts.last().unwrap(), "3000");
        }
        assert_eq!(histories.since(LOBBY, id(3000)).messages.len(), 0);
        assert_eq!(histories.since(LOBBY, MessageId::ZERO).missed, Some(2995));
        assert_eq!(histories.since(LOBBY, id(3001)).missed, None, "never given");
        let other = RoomId(7);
        assert_eq!(histories.since(other, id(1)).missed, None);
        say(&mut histories, other, 4000, "x");
        assert_eq!(
            histories.since(other, id(3999)).missed,
            None,
            "an earlier room"
        );
        assert_eq!(histories.since(other, MessageId::ZERO).missed, Some(0));
    }

    #[test]
    fn pages_go_in_both_directions() {
        let mut histories = Histories::new(10, 1 << 16, 1 << 20);
        (1..=10).for_each(|n| say(&mut histories, LOBBY, n, &n.to_string()));
        let page = histories.page(LOBBY, PageEnd::Before(id(5)), 3);
        assert_eq!(
            (texts(page.messages), page.more),
            (vec!["2", "3", "4"], true)
        );
        let page = histories.page(LOBBY, PageEnd::Before(id(4)), 3);
        assert_eq!(
            (texts(page.messages), page.more),
            (vec!["1", "2", "3"], false)
        );
        let page = histories.page(LOBBY, PageEnd::After(id(7)), 2);
        assert_eq!((texts(page.messages), page.more), (vec!["8", "9"], true));
        let page = histories.page(LOBBY, PageEnd::After(id(8)), usize::MAX);
        assert_eq!((texts(page.messages), page.more), (vec!["9", "10"], false));
        let page = histories.page(LOBBY, PageEnd::Newest, 2);
        assert_eq!((texts(page.messages), page.more), (vec!["9", "10"], true));
        let page = histories.page(LOBBY, PageEnd::After(id(10)), 5);
        assert_eq!(page.messages.len(), 0);
        let page = histories.page(RoomId(7), PageEnd::Before(id(10)), 5);
        assert_eq!(page.messages.len(), 0);
    }

    #[test]
    fn a_page_says_whether_an_archive_could_have_more_of_it() {
        let mut histories = Histories::new(5, 1 << 16, 1 << 20);
        let is_whole = |histories: &Histories, end, limit| {
            let page = histories.page(LOBBY, end, limit);
            page.is_whole
        };
        assert!(
            !is_whole(&histories, PageEnd::Newest, 5),
            "nothing is known"
        );
        (1..=5).for_each(|n| say(&mut histories, LOBBY, n, "x"));
        assert!(is_whole(&histories, PageEnd::Newest, 50));
        say(&mut histories, LOBBY, 6, "x");
        assert!(!is_whole(&histories, PageEnd::Newest, 5));
        assert!(is_whole(&histories, PageEnd::Newest, 4));
        assert!(is_whole(&histories, PageEnd::After(id(1)), 50));
        assert!(!is_whole(&histories, PageEnd::After(MessageId::ZERO), 1));
        assert!(!is_whole(&histories, PageEnd::Before(id(3)), 1));
    }

    #[test]
    fn what_was_said_in_an_earlier_run_is_there_again() {
        let mut histories = Histories::new(5, 1 << 16, 1 << 20);
        let earlier = |number| Message {
            id: id(number),
            from: "ben",
            text: "before",
            manner: Manner::Plain,
        };
        let all: Vec<Message<'_>> = (1..=3).map(earlier).collect();
        let mut older = Older {
            messages: &all,
            has_older: true,
            ..Older::default()
        };
        histories.add_older(LOBBY, id(3), &older);
        say(&mut histories, LOBBY, 4, "now");
        let tail = histories.since(LOBBY, id(2));
        assert_eq!(
            (texts(tail.messages), tail.missed),
            (vec!["before", "now"], Some(0))
        );
        assert_eq!(histories.since(LOBBY, MessageId::ZERO).missed, None);
        assert!(!histories.page(LOBBY, PageEnd::Newest, 50).is_whole);
        older.has_older = false;
        histories.add_older(RoomId(1), id(3), &older);
        assert_eq!(histories.since(RoomId(1), MessageId::ZERO).missed, Some(0));
        assert!(histories.page(RoomId(1), PageEnd::Newest, 50).is_whole);
    }

    #[test]
    fn what_an_earlier_run_has_left_may_come_behind_what_is_said_now() {
        let mut histories = Histories::new(5, 1 << 16, 1 << 20);
        histories.open_archive();
        let texts_of: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let earlier = |number: usize| Message {
            id: id(number),
            from: "ben",
            text: &texts_of[number],
            manner: Manner::Plain,
        };
        let unknown = Older {
            has_older: true,
            counted_from: id(3),
            ..Older::default()
        };
        histories.add_older(LOBBY, id(30), &unknown);
        let missed = |histories: &Histories, known| histories.since(LOBBY, id(known)).missed;
        assert_eq!(
            (missed(&histories, 30), missed(&histories, 29)),
            (Some(0), None)
        );
        say(&mut histories, LOBBY, 31, "31");
        assert!(!histories.page(LOBBY, PageEnd::Newest, 5).is_whole);
        assert_eq!(
            (missed(&histories, 30), missed(&histories, 29)),
            (Some(0), None)
        );
        let (messages, ids): (Vec<Message<'_>>, Vec<MessageId>) =
            ((25..=31).map(earlier).collect(), (10..25).map(id).collect());
        let older = Older {
            messages: &messages,
            ids: &ids,
            ..unknown
        };
        assert_eq!(histories.place_for_older(LOBBY), Some((Some(id(31)), 4)));
        histories.add_older(LOBBY, MessageId::ZERO, &older);
        assert_eq!(
            texts(histories.newest(LOBBY, 9)),
            ["27", "28", "29", "30", "31"]
        );
        assert_eq!(histories.bytes(), histories.bytes_counted());
        assert_eq!(
            [26, 25, 10].map(|known| missed(&histories, known)),
            [Some(0), Some(1), Some(16)]
        );
        assert_eq!(missed(&histories, 9), None, "before what is counted");
        say(&mut histories, LOBBY, 32, "32");
        assert_eq!(missed(&histories, 10), Some(17));
        // And where that is all there was.
        let all = Older {
            ids: &[id(7), id(8)],
            counted_from: id(3),
            ..Older::default()
        };
        histories.add_older(LOBBY, MessageId::ZERO, &all);
        assert_eq!(
            [3, 8].map(|known| missed(&histories, known)),
            [Some(20), Some(18)]
        );
        assert_eq!(missed(&histories, 2), None);
        assert_eq!(histories.since(LOBBY, MessageId::ZERO).missed, Some(20));
    }

    #[test]
    fn a_room_that_is_new_here_may_be_an_old_one_of_the_archive() {
        let mut histories = Histories::new(5, 1 << 16, 1 << 20);
        histories.open_archive();
        say(&mut histories, LOBBY, 1, "x");
        assert!(histories.page(LOBBY, PageEnd::Newest, 5).is_whole);
        histories.leave_room_to_archive();
        say(&mut histories, RoomId(1), 2, "x");
        assert!(!histories.page(RoomId(1), PageEnd::Newest, 5).is_whole);
        assert_eq!(histories.since(RoomId(1), MessageId::ZERO).missed, None);
        assert_eq!(histories.since(RoomId(1), id(2)).missed, Some(0));
    }

    #[test]
    fn what_is_taken_away_was_never_said() {
        let mut histories = Histories::new(5, 1 << 16, 1 << 20);
        (1..=7).for_each(|n| say(&mut histories, LOBBY, n, &n.to_string()));
        let taken = histories.take_away(|message, _| message == id(4) || message == id(7));
        assert_eq!(taken, [(LOBBY, vec![id(4), id(7)])]);
        assert_eq!(histories.bytes(), histories.bytes_counted());
        say(&mut histories, LOBBY, 8, "8");
        assert_eq!(texts(histories.newest(LOBBY, 9)), ["3", "5", "6", "8"]);
        assert_eq!(histories.since(LOBBY, id(5)).missed, Some(0));
        assert_eq!(histories.take_away(|_, from| from == "ben"), []);
        assert_eq!(histories.take_away(|_, from| from == "ann").len(), 1);
        assert_eq!(histories.newest(LOBBY, 9).len(), 0);
    }

    #[test]
    fn long_messages_leave_no_memory_to_short_ones() {
        let mut histories = Histories::new(20, 1 << 20, 1 << 30);
        let long = "x".repeat(4000);
        for room in 0..100 {
            (1..=20).for_each(|n| say(&mut histories, RoomId(room), n, &long));
            (21..=60).for_each(|n| say(&mut histories, RoomId(room), n, "x"));
        }
        let each = histories.bytes() / 100;
        assert!(each < LOOSE_BYTES_MAX + 4096, "{each} bytes");
    }

    #[test]
    fn a_room_takes_little_more_memory_than_what_it_remembers() {
        let mut histories = Histories::new(200, 1 << 20, 1 << 30);
        for number in 1..=2000 {
            say(&mut histories, LOBBY, number, &"x".repeat(1024));
            let said = number.min(200) * (1024 + "ann".len());
            let rest = histories.bytes() - size_of::<History>();
            // Its ids, and those of what is forgotten.
            assert!(rest <= said / 2 * 3 + 32 * 1024, "{number}: {rest}");
        }
    }

    #[test]
    fn the_room_that_is_silent_for_longest_forgets_first() {
        let mut histories = Histories::new(100, 10_000, 9500);
        let text = "x".repeat(900);
        let say = |histories: &mut Histories, room, number| {
            say(histories, RoomId(room), number, &text);
        };
        (1..4).for_each(|n| say(&mut histories, 1, n));
        (4..7).for_each(|n| say(&mut histories, 2, n));
        say(&mut histories, 1, 7);
        (8..11).for_each(|n| say(&mut histories, 3, n));
        let kept = [1, 2, 3].map(|room| histories.newest(RoomId(room), 100).len());
        assert_eq!(kept, [4, 0, 3]);
        assert_eq!(histories.since(RoomId(2), id(5)).missed, None, "some");
        assert!(histories.bytes() <= 9500);
    }

    #[test]
    fn a_room_that_is_gone_takes_its_memory_along() {
        let mut histories = Histories::new(10, 10_000, 10_000);
        say(&mut histories, LOBBY, 1, "hello");
        let closed = Fact {
            room: Some(Place {
                id: LOBBY,
                name: "lobby",
            }),
            id: id(2),
            what: What::Closed,
        };
        histories.hear(To::Room(LOBBY), &closed);
        assert_eq!(
            (histories.bytes(), histories.newest(LOBBY, 9).len()),
            (0, 0)
        );
    }
}
