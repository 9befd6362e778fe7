//! The facts of a turn, held against what the rules demand, one by one, in their order: each is what
//! it must be, for whom it must be, under an id that grows; and is then due to everybody whom it
//! concerns. Part of the world.

use std::rc::Rc;

use chatd::chat::{MemberId, MessageId};

use super::heard::{Audience, Event, Happened};
use super::sniff::Language;
use super::words::{self, Words};
use super::world::{Outcome, World};

/// Whom a fact is for.
#[derive(Debug)]
pub(crate) enum For {
    One(usize),
    Room,
    RoomBut(Vec<usize>),
    All,
}

/// Which id a fact has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Id {
    /// One that is greater than all before.
    New,
    /// That of a fact of the same deed.
    Same(MessageId),
}

impl Id {
    pub(crate) fn after(earlier: Option<MessageId>) -> Id {
        earlier.map_or(Id::New, Id::Same)
    }
}

impl World {
    /// The next thing that was heard must be this fact. It is due to whom it concerns from here on.
    pub(crate) fn fact(
        &mut self,
        to: &For,
        room: Option<&Rc<str>>,
        what: Happened,
        id: Id,
    ) -> Result<MessageId, String> {
        let expected = || format!("{what:?} to {to:?} in {room:?}");
        let heard = match self.log.pop_front() {
            Some(Event::Fact(heard)) => heard,
            other => return Err(format!("{other:?} was heard instead of {}", expected())),
        };
        let name = room.map(|key| Rc::clone(&self.rooms[key].name));
        if heard.what != what || heard.room.as_ref().map(|(_, name)| &**name) != name.as_deref() {
            return Err(format!("{heard:?} was heard instead of {}", expected()));
        }
        if let (Some(key), Some((number, _))) = (room, &heard.room) {
            let is_free = self.rooms.values().all(|room| room.id != Some(*number));
            let room = self.room(key);
            if is_free && room.id.is_none() {
                room.id = Some(*number);
            }
            if room.id != Some(*number) {
                return Err(format!("the room has another number in {heard:?}"));
            }
        }
        self.check_audience(to, room, &heard.to)
            .map_err(|fault| format!("{heard:?}: {fault}"))?;
        self.check_id(id, heard.id)?;
        match to {
            For::One(slot) => self.tell_fact(*slot, name.as_deref(), heard.id, &what)?,
            For::All => {
                // It is written in each encoding, whoever is there.
                for language in [Language::Text, Language::Json, Language::Json] {
                    let words = words::of_fact(language, None, heard.id, &what);
                    self.said_bytes += words.iter().map(Words::bytes_max).sum::<usize>();
                }
                for slot in 0..self.peers.len() {
                    if self.member(slot).is_some() {
                        self.tell_fact(slot, None, heard.id, &what)?;
                    }
                }
            }
            For::Room => self.hear(room, &[], heard.id, &what),
            For::RoomBut(but) => self.hear(room, but, heard.id, &what),
        }
        Ok(heard.id)
    }

    fn check_audience(&mut self, to: &For, room: Option<&Rc<str>>, heard: &Audience) -> Outcome {
        let number = room.and_then(|key| self.rooms[key].id);
        let is_right = match (to, heard) {
            (For::One(slot), Audience::Member(id)) => self.bind(*slot, *id),
            (For::Room, Audience::Room(id)) => number == Some(*id),
            (For::RoomBut(slots), Audience::RoomBut(id, members)) => {
                let mut but: Vec<_> = members.iter().map(|&id| self.slot_of(id)).collect();
                but.sort_unstable();
                let mut slots: Vec<_> = slots.iter().copied().map(Some).collect();
                slots.sort_unstable();
                number == Some(*id) && but == slots
            }
            (For::All, Audience::Everybody) => true,
            _ => false,
        };
        if is_right {
            Ok(())
        } else {
            Err(format!("it should be for {to:?}"))
        }
    }

    /// A member's number stays the same, and is nobody else's.
    fn bind(&mut self, slot: usize, id: MemberId) -> bool {
        let holder = self.slot_of(id);
        match self.peer(slot).member_mut() {
            Some(member) if holder.is_none() && member.id.is_none() => {
                member.id = Some(id);
                true
            }
            _ => holder == Some(slot),
        }
    }

    fn check_id(&mut self, expected: Id, id: MessageId) -> Outcome {
        let is_right = match expected {
            Id::New => {
                // Some were given to what nobody was told.
                let least = self.wall.max(self.last_id.at());
                let is_right = id > self.last_id && (least..=self.wall_max).contains(&id.at());
                self.last_id = id;
                is_right
            }
            Id::Same(earlier) => id == earlier,
        };
        if is_right {
            Ok(())
        } else {
            Err(format!(
                "the id {id} is wrong: {expected:?} at {:?}",
                self.wall
            ))
        }
    }

    /// A room has said something: it is due to its members, in both languages where both are there.
    fn hear(&mut self, room: Option<&Rc<str>>, but: &[usize], id: MessageId, what: &Happened) {
        let key = room.expect("it was said in a room");
        let is_paced = self.is_paced;
        let room = &self.rooms[key];
        let seats: Vec<usize> = room.seats.iter().map(|seat| seat.slot).collect();
        let name = Rc::clone(&room.name);
        for language in [Language::Text, Language::Json] {
            let speaks = |slot: &usize| self.peer_ref(*slot).language() == language;
            let there: Vec<usize> = seats.iter().copied().filter(speaks).collect();
            if there.is_empty() {
                continue;
            }
            // Lines in frames are written beside those that are not.
            let is_framed = |slot: &&usize| self.peer_ref(**slot).input.door.frames().is_some();
            let framed = there.iter().filter(is_framed).count();
            let encodings = if framed > 0 && framed < there.len() {
                2
            } else {
                1
            };
            if !self.spoke.contains(key) {
                self.spoke.push(Rc::clone(key));
            }
            for words in words::of_fact(language, Some(&name), id, what) {
                let words = Rc::new(words);
                self.said_bytes += encodings * words.bytes_max();
                for &slot in there.iter().filter(|slot| !but.contains(slot)) {
                    self.peer(slot).stream.hear(key, &words, is_paced);
                }
            }
        }
    }

    fn tell_fact(
        &mut self,
        slot: usize,
        room: Option<&str>,
        id: MessageId,
        what: &Happened,
    ) -> Outcome {
        let language = self.peer(slot).language();
        self.tell(slot, &words::of_fact(language, room, id, what))
    }
}
