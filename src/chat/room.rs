//! `Room`: its roster and its history. Which rooms exist, and who is called what, is the
//! directory's business; it owns the rooms.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::name::Name;
use super::vocabulary::MemberId;

/// One room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: Name,
    pub(super) roster: Roster,
    pub(super) history: History,
    pub(super) churn: Churn,
    /// Which message of all was the last one here.
    pub(super) last_message: u64,
}

/// Joins and leaves of a large room that its members have not heard of yet.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Churn {
    pub(super) joined: u32,
    pub(super) left: u32,
    /// How often the room was told before.
    pub(super) told: u32,
}

impl Churn {
    pub(super) fn is_empty(self) -> bool {
        self.joined == 0 && self.left == 0
    }

    /// What of it came after `earlier`; nothing if the room was told in between.
    pub(super) fn since(self, earlier: Churn) -> Churn {
        match self.told == earlier.told {
            true => Churn {
                joined: self.joined - earlier.joined,
                left: self.left - earlier.left,
                ..self
            },
            false => self,
        }
    }
}

/// Who is in a room, kept in two orders: by slot for telling everybody something (dense, and in
/// the order in which sessions lie in memory), by name for showing.
#[derive(Debug, Default)]
pub(super) struct Roster {
    by_slot: Vec<MemberId>,
    by_name: Vec<MemberId>,
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.by_slot.len()
    }

    pub(super) fn by_slot(&self) -> &[MemberId] {
        &self.by_slot
    }

    pub(super) fn by_name(&self) -> &[MemberId] {
        &self.by_name
    }

    /// Adds a member, whose name `name_of` must know.
    pub(super) fn insert<'a>(&mut self, member: MemberId, name_of: impl Fn(MemberId) -> &'a Name) {
        if let Err(at) = self.by_slot.binary_search(&member) {
            self.by_slot.insert(at, member);
            let at = self.place(member, &name_of).unwrap_or_else(|at| at);
            self.by_name.insert(at, member);
        }
    }

    /// Removes a member, whose name `name_of` must still know.
    pub(super) fn remove<'a>(&mut self, member: MemberId, name_of: impl Fn(MemberId) -> &'a Name) {
        if let Ok(at) = self.by_slot.binary_search(&member) {
            self.by_slot.remove(at);
            if let Ok(at) = self.place(member, &name_of) {
                self.by_name.remove(at);
            }
        }
    }

    fn place<'a>(
        &self,
        member: MemberId,
        name_of: impl Fn(MemberId) -> &'a Name,
    ) -> Result<usize, usize> {
        let name = name_of(member);
        self.by_name.binary_search_by(|&other| {
            alphabetical(name_of(other), name).then_with(|| other.cmp(&member))
        })
    }
}

/// The order of names in a list: without regard to case.
pub(super) fn alphabetical(a: &Name, b: &Name) -> Ordering {
    let (a, b) = (a.as_str(), b.as_str());
    if a.is_ascii() && b.is_ascii() {
        let small = |byte: u8| byte.to_ascii_lowercase();
        return a.bytes().map(small).cmp(b.bytes().map(small));
    }
    let small = char::to_lowercase;
    a.chars().flat_map(small).cmp(b.chars().flat_map(small))
}

/// The last messages of a room, oldest first. Never joins and leaves. They lie in one piece of
/// memory: with one for each, short messages after long ones would either keep the memory of those
/// or cost allocations.
#[derive(Debug)]
pub struct History {
    lines_max: usize,
    bytes_max: usize,
    replay_max: usize,
    /// Names and texts one after another, behind what is forgotten.
    said: String,
    /// Bytes at the start of `said` that are of no message any more.
    forgotten: usize,
    messages: VecDeque<Lengths>,
}

/// Where a message ends that starts where the one before it ends.
#[derive(Debug)]
struct Lengths {
    from: usize,
    text: usize,
}

impl History {
    /// An empty one that keeps at most `lines_max` messages and `bytes_max` bytes of them, and shows
    /// `replay_max` of them to a member who joins.
    pub(super) fn new(lines_max: usize, bytes_max: usize, replay_max: usize) -> History {
        History {
            lines_max,
            bytes_max,
            replay_max,
            said: String::new(),
            forgotten: 0,
            messages: VecDeque::new(),
        }
    }

    /// Adds a message; the oldest go as the bounds ask.
    pub(super) fn push(&mut self, from: &Name, text: &str) {
        let from = from.as_str();
        let bytes = from.len() + text.len();
        if self.lines_max == 0 || bytes > self.bytes_max {
            return;
        }
        while self.messages.len() >= self.lines_max || self.bytes() + bytes > self.bytes_max {
            let Some(oldest) = self.messages.pop_front() else {
                break;
            };
            self.forgotten += oldest.from + oldest.text;
        }
        // Only then, so that on average no byte is moved more than once.
        if self.forgotten >= self.bytes() {
            self.said.drain(..self.forgotten);
            self.forgotten = 0;
        }
        self.said.push_str(from);
        self.said.push_str(text);
        self.messages.push_back(Lengths {
            from: from.len(),
            text: text.len(),
        });
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Who said what, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &self.said[self.forgotten..];
        self.messages.iter().map(move |lengths| {
            let (from, behind) = rest.split_at(lengths.from);
            let (text, behind) = behind.split_at(lengths.text);
            rest = behind;
            (from, text)
        })
    }

    /// The last of them, for a member who joins: how many, and who said what.
    pub fn replay(&self) -> (usize, impl Iterator<Item = (&str, &str)>) {
        let shown = self.len().min(self.replay_max);
        (shown, self.iter().skip(self.len() - shown))
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = History::new(self.lines_max, self.bytes_max, self.replay_max);
    }

    /// Bytes of the messages there are.
    pub(super) fn bytes(&self) -> usize {
        self.said.len() - self.forgotten
    }
}

/// The names of a roster, in alphabetical order, cut to a bound.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    pub(super) members: &'a [MemberId],
    pub(super) shown_max: usize,
    pub(super) directory: &'a super::Directory,
}

impl<'a> Names<'a> {
    /// How many there are, shown or not.
    pub fn here(&self) -> usize {
        self.members.len()
    }

    /// How many are not shown.
    pub fn more(&self) -> usize {
        self.members.len().saturating_sub(self.shown_max)
    }

    /// Those shown.
    pub fn shown(&self) -> impl Iterator<Item = &'a Name> + use<'a> {
        let directory = self.directory;
        self.members
            .iter()
            .take(self.shown_max)
            .filter_map(move |&member| directory.name_of(member))
    }
}

/// The rooms that have members, in alphabetical order, cut to a bound.
#[derive(Debug, Clone, Copy)]
pub struct RoomList<'a> {
    pub(super) directory: &'a super::Directory,
    pub(super) shown_max: usize,
}

impl<'a> RoomList<'a> {
    /// Name and number of members of each room shown, and how many rooms are not shown.
    pub fn shown(&self) -> (Vec<(&'a Name, usize)>, usize) {
        let mut rooms = self.directory.occupied_rooms();
        let shown = rooms.by_ref().take(self.shown_max).collect();
        (shown, rooms.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_the_last_messages_that_fit() {
        let ann = Name::parse("ann").unwrap();
        let texts: Vec<String> = (0..500usize).map(|n| "ü".repeat(n * 7 % 60)).collect();
        let mut history = History::new(8, 300, 8);
        for (index, text) in texts.iter().enumerate() {
            history.push(&ann, text);
            let mut expected = Vec::new();
            let mut bytes = 0;
            for text in texts[..=index].iter().rev().take(8) {
                bytes += 3 + text.len();
                if bytes > 300 {
                    break;
                }
                expected.insert(0, ("ann", text.as_str()));
            }
            assert!(history.iter().eq(expected), "after message {index}");
            assert_eq!(history.len(), history.iter().count());
            assert!(history.said.len() <= 3 * 300, "what is forgotten goes");
        }
    }

    #[test]
    fn a_message_that_never_fits_is_not_kept_and_costs_no_other() {
        let ann = Name::parse("ann").unwrap();
        let mut history = History::new(8, 20, 8);
        history.push(&ann, "short");
        history.push(&ann, &"long ".repeat(5));
        assert!(history.iter().eq([("ann", "short")]));
        let mut none = History::new(0, 20, 8);
        none.push(&ann, "short");
        assert!(none.is_empty());
    }
}
