//! The rooms of the shadow: who is there, what was said, who came and went, and what that makes
//! everybody hear. Part of the world.

use std::collections::VecDeque;
use std::rc::Rc;

use chatd::config::Limits;
use chatd::time::Time;

use super::peer::Seat;
use super::rules;
use super::world::{LOBBY, Outcome, World};

#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) name: Rc<str>,
    pub(crate) members: Vec<usize>,
    history: VecDeque<Said>,
    history_bytes: usize,
    pub(crate) churn: Option<Churn>,
}

/// Joins and leaves that are to be told together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Churn {
    joined: usize,
    left: usize,
    pub(crate) since: Time,
}

#[derive(Clone, Debug)]
struct Said {
    line: Rc<str>,
    bytes: usize,
    /// Messages of one group may have been handled in any order: nobody could tell.
    group: u64,
}

impl World {
    pub(crate) fn arrive(&mut self, slot: usize) -> Outcome {
        let Some(seat) = self.peer(slot).seat().cloned() else {
            return Err(format!("slot {slot} has no seat"));
        };
        let (now, told_singly_max) = (self.now, self.limits.announce_members_max);
        let room = self.rooms.get_mut(&seat.room).expect("its room is there");
        room.members.push(slot);
        let here = room.members.len();
        if here <= told_singly_max && room.churn.is_none() {
            let line = format!("* {} joined ({here} here)", seat.name);
            self.tell_room(&seat.room, Some(slot), &line)?;
        } else {
            room.churn(now).joined += 1;
        }
        let known = self.rooms[&seat.room].churn;
        if let Some(seat) = self.peer(slot).seat_mut() {
            seat.known_churn = known.map_or((0, 0), |churn| (churn.joined, churn.left));
        }
        let names = self.names(&seat.room, self.limits.welcome_names_max);
        let room = &self.rooms[&seat.room];
        let welcome = format!("* welcome to {}, {} ({names})", room.name, seat.name);
        self.answer(slot, &welcome)?;
        self.tell_history(slot, &seat.room)
    }

    pub(crate) fn depart(&mut self, slot: usize, seat: &Seat, why: Option<&str>) -> Outcome {
        let (now, told_singly_max) = (self.now, self.limits.announce_members_max);
        let room = self.rooms.get_mut(&seat.room).expect("its room is there");
        let before = room.members.len();
        room.members.retain(|&member| member != slot);
        if before <= told_singly_max && room.churn.is_none() {
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            let line = format!("* {} left ({} here){why}", seat.name, before - 1);
            self.tell_room(&seat.room, None, &line)
        } else {
            room.churn(now).left += 1;
            Ok(())
        }
    }

    pub(crate) fn tell_churn(&mut self, room: &str) -> Outcome {
        let Some(found) = self.rooms.get_mut(room) else {
            return Ok(());
        };
        let Some(Churn { joined, left, .. }) = found.churn.take() else {
            return Ok(());
        };
        let members = found.members.clone();
        // The whole of it may be said to the room even if nobody is there who knows nothing of it.
        self.said_bytes += "* 1000 joined, 1000 left (1000 here)\n".len();
        for &slot in &members {
            let seat = self.peer(slot).seat_mut().expect("a member has a seat");
            // What came before it did, itself included, was in its welcome.
            let known = std::mem::take(&mut seat.known_churn);
            let (joined, left) = (joined - known.0, left - known.1);
            if joined + left > 0 {
                let here = members.len();
                self.answer(
                    slot,
                    &format!("* {joined} joined, {left} left ({here} here)"),
                )?;
            }
        }
        Ok(())
    }

    pub(crate) fn tell_history(&mut self, slot: usize, room: &str) -> Outcome {
        let mut lines: Vec<Rc<str>> = self.rooms[room].lines();
        if lines.is_empty() {
            return Ok(());
        }
        let blind = self.peer(slot).blind;
        let from = self.peer(slot).explained + 1;
        let to = from + lines.len();
        if !blind && let Some(seen) = self.observed.of(slot).get(from..to) {
            let (seen, room) = (seen.to_vec(), room.to_owned());
            self.rooms
                .get_mut(&*room)
                .expect("it was there")
                .adopt(&seen);
            lines = self.rooms[&*room].lines();
        }
        self.answer(slot, &format!("* last {} messages:", lines.len()))?;
        for line in lines {
            self.answer(slot, &line)?;
        }
        self.answer(slot, "* end of history")
    }

    pub(crate) fn names(&self, room: &str, shown_max: usize) -> String {
        let members = &self.rooms[room].members;
        let mut names: Vec<&str> = members
            .iter()
            .filter_map(|&slot| Some(&*self.peers[slot].as_ref()?.seat()?.name))
            .collect();
        names.sort_by_key(|name| name.to_lowercase());
        let more = names.len().saturating_sub(shown_max);
        names.truncate(shown_max);
        let more = if more > 0 {
            format!(", … and {more} more")
        } else {
            String::new()
        };
        let colon = if names.is_empty() { "" } else { ": " };
        let names = names.join(", ");
        format!("{} here{colon}{names}{more}", members.len())
    }

    pub(crate) fn make_room(&mut self, name: &str) {
        let room = Room {
            name: name.into(),
            members: Vec::new(),
            history: VecDeque::new(),
            history_bytes: 0,
            churn: None,
        };
        self.rooms.insert(rules::key(name).into(), room);
    }

    pub(crate) fn forget_empty(&mut self, room: &str) {
        if room != LOBBY
            && self
                .rooms
                .get(room)
                .is_some_and(|room| room.members.is_empty())
        {
            self.rooms.remove(room);
        }
    }
}

impl Room {
    pub(crate) fn churn(&mut self, now: Time) -> &mut Churn {
        self.churn.get_or_insert(Churn {
            joined: 0,
            left: 0,
            since: now,
        })
    }

    pub(crate) fn lines(&self) -> Vec<Rc<str>> {
        self.history.iter().map(|said| said.line.clone()).collect()
    }

    pub(crate) fn remember(&mut self, line: &str, bytes: usize, group: u64, limits: &Limits) {
        if limits.history_lines_max == 0 || bytes > limits.history_bytes_max {
            return;
        }
        self.history_bytes += bytes;
        self.history.push_back(Said {
            line: line.into(),
            bytes,
            group,
        });
        while self.history.len() > limits.history_lines_max
            || self.history_bytes > limits.history_bytes_max
        {
            let oldest = self.history.pop_front().expect("it is over its bound");
            self.history_bytes -= oldest.bytes;
        }
    }

    /// Takes over the order that somebody saw, as far as nobody could have told it before.
    pub(crate) fn adopt(&mut self, seen: &[String]) {
        for (place, line) in seen.iter().enumerate() {
            let found = self.history.iter().position(|said| *said.line == **line);
            if let Some(at) = found
                && at > place
                && self.history[at].group == self.history[place].group
            {
                let said = self.history.remove(at).expect("it was found");
                self.history.insert(place, said);
            }
        }
    }
}
