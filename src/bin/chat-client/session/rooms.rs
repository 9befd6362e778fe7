//! `Rooms`: the rooms in which the user is or wants to be, in the order of their numbers, and the
//! one for which it types. Names are compared as far as a client can: what a room is called is the
//! server's to say. Pure; owned by the session.

use std::cmp::Ordering;

use super::room::Room;

/// Where to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Named(String),
    /// From 1 on.
    Number(usize),
    Next,
    Previous,
}

/// See the file.
#[derive(Debug, Default)]
pub struct Rooms {
    list: Vec<Room>,
    current: usize,
    /// The room that the user has asked to enter last, until it is there or goes elsewhere.
    ahead: Option<String>,
}

impl Rooms {
    /// Rooms that are to be entered.
    pub fn wanted(names: &[String]) -> Self {
        let mut rooms = Rooms::default();
        for name in names {
            if rooms.get(name).is_none() {
                rooms.list.push(Room::wanted(name));
            }
        }
        rooms
    }

    /// All of them.
    pub fn all(&self) -> &[Room] {
        &self.list
    }

    /// All of them, to be changed.
    pub fn all_mut(&mut self) -> &mut [Room] {
        &mut self.list
    }

    /// The one for which the user types; `None` before the first one is known.
    pub fn current(&self) -> Option<&Room> {
        self.list.get(self.current)
    }

    /// The room for which what is typed now is meant: the current one, or the one ahead.
    pub fn target(&self) -> Option<&str> {
        let current = self.current().map(|room| room.name.as_str());
        self.ahead.as_deref().or(current)
    }

    /// Whether this is the current one.
    pub fn is_current(&self, name: &str) -> bool {
        self.current().is_some_and(|room| room.is(name))
    }

    /// The room of this name.
    pub fn get(&self, name: &str) -> Option<&Room> {
        self.list.iter().find(|room| room.is(name))
    }

    /// The room of this name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Room> {
        self.list.iter_mut().find(|room| room.is(name))
    }

    /// The first one that has never been entered.
    pub fn first_wanted(&mut self) -> Option<&mut Room> {
        self.list.iter_mut().find(|room| !room.is_known())
    }

    /// The others in which something was said that the user may not have looked at: how many they
    /// are, and which of them call it.
    pub fn elsewhere(&self) -> (usize, Vec<&str>) {
        let with_news = self.list.iter().filter(|room| room.has_news);
        let (called, others): (Vec<&Room>, Vec<&Room>) = with_news.partition(|room| room.is_called);
        let called = called.iter().map(|room| room.name.as_str()).collect();
        (others.len(), called)
    }

    /// The user has asked to enter a room, and what it types next is meant for that one.
    pub fn head_for(&mut self, name: &str) {
        self.ahead = Some(name.to_owned());
    }

    /// Adds a room at the end. The user is in it at once if it was on its way there, by the name by
    /// which it asked.
    pub fn add(&mut self, name: &str, asked: &str) -> &mut Room {
        self.list.push(Room::wanted(name));
        let last = self.list.len() - 1;
        if self.ahead.as_deref() == Some(asked) {
            self.go_to(last);
        }
        &mut self.list[last]
    }

    /// The room that was asked for will not be entered.
    pub fn give_up(&mut self, asked: &str) {
        self.ahead.take_if(|ahead| ahead == asked);
    }

    /// Takes a room away; whether the user was in it, and is now in another.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(at) = self.list.iter().position(|room| room.is(name)) else {
            return false;
        };
        self.list.remove(at);
        let was_current = at == self.current;
        match at.cmp(&self.current) {
            Ordering::Less => self.current -= 1,
            Ordering::Equal => self.look_at(at.saturating_sub(1)),
            Ordering::Greater => {}
        }
        was_current
    }

    /// Goes to another room, if there is such a one.
    pub fn go(&mut self, step: &Step) -> bool {
        let count = self.list.len();
        let at = match step {
            Step::Named(name) => self.list.iter().position(|room| room.is(name)),
            Step::Number(number) => number.checked_sub(1).filter(|at| *at < count),
            Step::Next => (self.current + 1).checked_rem(count),
            Step::Previous => (self.current + count).saturating_sub(1).checked_rem(count),
        };
        at.map(|at| self.go_to(at)).is_some()
    }

    fn go_to(&mut self, at: usize) {
        self.ahead = None;
        self.look_at(at);
    }

    fn look_at(&mut self, at: usize) {
        self.current = at;
        if let Some(room) = self.list.get_mut(at) {
            (room.has_news, room.is_called) = (false, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(names: &[&str]) -> Rooms {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Rooms::wanted(&names)
    }

    #[test]
    fn one_goes_round_and_to_names_and_numbers() {
        let mut rooms = rooms(&["a", "b", "c", "A"]);
        for (step, there, name) in [
            (Step::Previous, true, "c"),
            (Step::Next, true, "a"),
            (Step::Named("B".to_owned()), true, "b"),
            (Step::Number(3), true, "c"),
            (Step::Number(4), false, "c"),
            (Step::Number(0), false, "c"),
            (Step::Named("d".to_owned()), false, "c"),
        ] {
            assert_eq!(rooms.go(&step), there, "{step:?}");
            assert_eq!(rooms.target(), Some(name), "{step:?}");
        }
        assert!(!Rooms::default().go(&Step::Next));
    }

    #[test]
    fn who_leaves_a_room_is_in_the_one_before() {
        let mut rooms = rooms(&["a", "b", "c"]);
        rooms.go(&Step::Number(2));
        assert!(!rooms.remove("a"));
        assert!(rooms.is_current("b"));
        assert!(!rooms.remove("c"));
        assert!(rooms.is_current("b"));
        rooms.add("d", "d");
        assert!(rooms.remove("b") && rooms.is_current("d"));
        assert!(rooms.remove("d") && rooms.current().is_none());
    }

    #[test]
    fn what_is_typed_is_meant_for_the_room_ahead() {
        let mut rooms = rooms(&["a"]);
        rooms.head_for("#B");
        assert_eq!(rooms.target(), Some("#B"));
        rooms.add("b", "#B");
        assert!(rooms.is_current("b"));
        rooms.head_for("c");
        rooms.go(&Step::Named("a".to_owned()));
        rooms.add("c", "c");
        assert_eq!(rooms.target(), Some("a"), "the user has gone elsewhere");
        rooms.head_for("d");
        rooms.give_up("d");
        assert_eq!(rooms.target(), Some("a"));
    }
}
