//! Coming and going, as everybody is told of it. Part of the world.

use std::rc::Rc;

use chatd::chat::{Cause, MessageId};
use serde_json::json;

use super::asked::Entry;
use super::driver::joined;
use super::facts::{For, Id};
use super::heard::{Event, Happened};
use super::judge::Asker;
use super::past::{Missed, Past, Said};
use super::peer::{Member, State};
use super::room::{Room, Seat, total_is_narrow};
use super::sniff::Language;
use super::takeover::Takeover;
use super::words::Words;
use super::world::{LOBBY, Outcome, World};

/// What somebody who enters a room is told of what was said there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    /// The last few messages.
    Newest,
    /// What came behind this one.
    Since(MessageId),
    Nothing,
}

impl World {
    pub(crate) fn enter(&mut self, asker: Asker<'_>, entry: Entry) -> Outcome {
        let slot = asker.slot;
        if let Some(old) = self.may_take_over(&entry) {
            self.peer(slot).waits = true;
            self.takeovers.push_back(Takeover {
                old,
                new: slot,
                entry,
                reference: asker.reference.map(str::to_owned),
            });
            return Ok(());
        }
        let name: Rc<str> = entry.name.as_str().into();
        self.peer(slot).state = State::Chatting(Member {
            name: Rc::clone(&name),
            id: None,
            rooms: Vec::new(),
            echo: self.peer_ref(slot).language() == Language::Json,
            token: None,
            token_before: None,
        });
        self.welcome(asker)?;
        self.record(Some(slot), &joined(&name))?;
        for (room, since) in &entry.rooms {
            self.try_join(asker, room, *since)?;
        }
        Ok(())
    }

    /// A program is told its name and by what it comes back.
    pub(crate) fn welcome(&mut self, asker: Asker<'_>) -> Outcome {
        let slot = asker.slot;
        if self.peer(slot).language() == Language::Text {
            return Ok(());
        }
        let token: Rc<str> = match self.log.pop_front() {
            Some(Event::Token(token)) => token.into(),
            other => return Err(format!("{other:?} was heard instead of a token for {slot}")),
        };
        let welcome = json!({ "is": "welcome", "name": self.name(slot), "resume": *token });
        self.peer(slot).member_mut().expect("it has a name").token = Some(token);
        self.tell(slot, &[Words::answer(welcome, asker.reference)])
    }

    /// Enters a room, or is told why not. Somebody may name a room twice.
    pub(crate) fn try_join(
        &mut self,
        asker: Asker<'_>,
        room: &str,
        since: Option<MessageId>,
    ) -> Outcome {
        match self.may_join(asker.slot, room) {
            Ok(()) => self.join(asker.slot, room, since),
            Err(codes) if codes == ["already-here"] => Ok(()),
            Err(codes) => {
                let refused = self.refused(asker, codes);
                self.tell(asker.slot, &[refused])
            }
        }
    }

    pub(crate) fn join(&mut self, slot: usize, room: &str, since: Option<MessageId>) -> Outcome {
        let key = self.room_key(room).unwrap_or_else(|| self.make_room(room));
        self.arrive(slot, &key, since.map_or(Wish::Newest, Wish::Since))
    }

    pub(crate) fn change_room(&mut self, slot: usize, room: &str) -> Outcome {
        let from = self.room_of(slot, None).expect("it was judged");
        self.depart(slot, &from, Cause::Quit, None, Id::New)?;
        self.join(slot, room, None)?;
        self.close_if_empty(&from)
    }

    pub(crate) fn part(&mut self, slot: usize, key: &Rc<str>) -> Outcome {
        self.depart(slot, key, Cause::Quit, None, Id::New)?;
        self.close_if_empty(key)
    }

    pub(crate) fn arrive(&mut self, slot: usize, key: &Rc<str>, wish: Wish) -> Outcome {
        let (now, limits) = (self.now, self.limits.clone());
        let who = self.name(slot);
        let room = self.room(key);
        let here = room.seats.len() + 1;
        let id = if room.announces(here, now, &limits) {
            let what = Happened::Joined { who, here };
            Some(self.fact(&For::Room, Some(key), what, Id::New)?)
        } else {
            room.churn(now).joined += 1;
            None
        };
        self.room(key).seats.push(Seat {
            slot,
            known: (0, 0),
        });
        let member = self.peer(slot).member_mut().expect("it has a name");
        member.rooms.push(Rc::clone(key));
        self.show_room(slot, key, wish, Id::after(id))
    }

    /// Somebody is told that it is in a room, and what was said there.
    pub(crate) fn show_room(&mut self, slot: usize, key: &Rc<str>, wish: Wish, id: Id) -> Outcome {
        let language = self.peer(slot).language();
        let names_max = match language {
            Language::Text => self.limits.welcome_names_max,
            Language::Json => self.limits.entered_names_max,
        };
        let room = self.room(key);
        let known = room
            .churn
            .map_or((0, 0), |churn| (churn.joined, churn.left));
        for seat in room.seats.iter_mut().filter(|seat| seat.slot == slot) {
            seat.known = known;
        }
        let room = &self.rooms[key];
        let what = Happened::Entered {
            who: self.name(slot),
            here: room.seats.len(),
            names: self.names(key, names_max),
            topic: room.topic.clone(),
            last: room.last,
        };
        let past = self.past(language, key, wish);
        self.fact(&For::One(slot), Some(key), what, id)?;
        self.tell(slot, &[Words::Past(past)])
    }

    /// So much may be told of the past in answer to one request, which may concern many rooms.
    pub(crate) fn allow_replay(&mut self) {
        self.replay_left = self.limits.outbox_bytes_max / 4;
        self.replay_is_known = true;
    }

    fn past(&mut self, language: Language, key: &str, wish: Wish) -> Past {
        let room = &self.rooms[key];
        let (mut least, mut most) = room.kept(&self.limits);
        let mut messages = room.said.clone();
        match wish {
            Wish::Newest => {
                let limit = self.limits.replay_messages_max;
                (least, most) = (least.min(limit), most.min(limit));
            }
            Wish::Since(known) => messages.retain(|said| said.id > known),
            Wish::Nothing => messages.clear(),
        }
        let missed = match wish {
            Wish::Since(known) => self.missed(room, known),
            Wish::Newest | Wish::Nothing => Missed::Nothing,
        };
        let room = Rc::clone(&room.name);
        (least, most) = (least.min(messages.len()), most.min(messages.len()));
        let fitting = self.take_fitting(&messages[messages.len() - most..]);
        // What was told of a room before, of which that is not known, may have left more or less.
        if self.replay_is_known {
            (least, most) = (least.min(fitting), most.min(fitting));
        } else {
            least = 0;
        }
        self.replay_is_known &= least == most;
        Past {
            language,
            room,
            messages,
            least,
            most,
            missed,
        }
    }

    /// How many of the newest of these fit into what may still be told.
    fn take_fitting(&mut self, messages: &[Said]) -> usize {
        let mut fitting = 0;
        for said in messages.iter().rev() {
            let Some(left) = self.replay_left.checked_sub(said.cost()) else {
                self.replay_left = 0;
                break;
            };
            self.replay_left = left;
            fitting += 1;
        }
        fitting
    }

    /// What is known of what came behind this message.
    fn missed(&self, room: &Room, known: MessageId) -> Missed {
        let first = room.said.first().map_or(MessageId::ZERO, |said| said.id);
        if known == room.last {
            Missed::Counted
        } else if self.limits.history_lines_max == 0 {
            Missed::Unknown
        } else if known == MessageId::ZERO {
            Missed::Counted
        } else if !(first..=room.last).contains(&known) {
            Missed::Unknown
        } else if total_is_narrow(&self.limits) {
            Missed::Perhaps
        } else {
            Missed::Counted
        }
    }

    /// Somebody goes out of a room; those who stay are told.
    pub(crate) fn depart(
        &mut self,
        slot: usize,
        key: &Rc<str>,
        cause: Cause,
        reason: Option<&str>,
        id: Id,
    ) -> Result<MessageId, String> {
        let (now, limits) = (self.now, self.limits.clone());
        let who = self.name(slot);
        let id = self.fact(&For::One(slot), Some(key), Happened::Parted, id)?;
        let member = self.peer(slot).member_mut().expect("it has a name");
        member.rooms.retain(|other| other != key);
        let room = self.room(key);
        room.seats.retain(|seat| seat.slot != slot);
        let here = room.seats.len();
        if room.announces(here + 1, now, &limits) {
            let what = Happened::Left {
                who,
                here,
                cause,
                reason: reason.map(str::to_owned),
            };
            self.fact(&For::Room, Some(key), what, Id::Same(id))?;
        } else {
            room.churn(now).left += 1;
        }
        Ok(id)
    }

    /// A room that nobody is in is gone.
    pub(crate) fn close_if_empty(&mut self, key: &Rc<str>) -> Outcome {
        if **key == *LOBBY || !self.room(key).seats.is_empty() {
            return Ok(());
        }
        self.fact(&For::Room, Some(key), Happened::Closed, Id::New)?;
        self.rooms.remove(key);
        Ok(())
    }

    /// A room is told who came and went, as far as each does not know it.
    pub(crate) fn tell_churn(&mut self, key: &Rc<str>) -> Outcome {
        let now = self.now;
        let Some(churn) = self.room(key).churn.take() else {
            return Err(format!("nobody came to {key} or went"));
        };
        if churn.since + self.limits.churn_interval > now {
            return Err(format!("{key} is told too early who came and went"));
        }
        let here = self.rooms[key].seats.len();
        let what = |joined, left| Happened::Churn { joined, left, here };
        let mut newcomers: Vec<Seat> = self.rooms[key].seats.clone();
        newcomers.retain(|seat| seat.known != (0, 0));
        newcomers.sort_by_key(|seat| self.name(seat.slot).to_lowercase());
        for seat in &mut self.room(key).seats {
            seat.known = (0, 0);
        }
        let but = newcomers.iter().map(|seat| seat.slot).collect();
        let id = self.fact(
            &For::RoomBut(but),
            Some(key),
            what(churn.joined, churn.left),
            Id::New,
        )?;
        for Seat { slot, known } in newcomers {
            let (joined, left) = (churn.joined - known.0, churn.left - known.1);
            if joined + left > 0 {
                self.fact(&For::One(slot), Some(key), what(joined, left), Id::Same(id))?;
            }
        }
        Ok(())
    }
}
