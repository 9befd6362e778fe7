//! What comes of a line as things stand: an answer alone, which changes nothing for anybody, or a
//! deed. Part of the world.

use std::rc::Rc;

use serde_json::{Value, json};

use super::asked::{Asked, Entry, Page};
use super::past::PageTold;
use super::sniff::{Language, is_name, key};
use super::words::{Refused, Words, names_text};
use super::world::World;

/// What comes of a line.
pub(crate) enum Verdict {
    Answer(Vec<Words>),
    Deed,
}

/// One that asks, and by what it knows the answer.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) slot: usize,
    pub(crate) reference: Option<&'a str>,
}

/// `/help` has one line for each.
const COMMANDS: usize = 14;

type Codes = Vec<&'static str>;

impl World {
    pub(crate) fn judge(&self, asker: Asker<'_>, asked: &Asked) -> Verdict {
        match self.try_judge(asker, asked) {
            Ok(verdict) => verdict,
            Err(codes) => Verdict::Answer(vec![self.refused(asker, codes)]),
        }
    }

    fn try_judge(&self, asker: Asker<'_>, asked: &Asked) -> Result<Verdict, Codes> {
        let slot = asker.slot;
        let answer =
            |text: String, json: Value| Ok(Verdict::Answer(vec![self.answer(asker, text, json)]));
        if self.is_unheard(slot, asked) {
            return Err(vec!["muted"]);
        }
        match asked {
            Asked::Nick(name) if self.is_banned(name) => return Err(vec!["bad-name"]),
            Asked::Post { .. } if self.ends_as_banned(asked) => return Ok(Verdict::Deed),
            Asked::Nothing => return Ok(Verdict::Answer(Vec::new())),
            Asked::Refused(codes) => return Err(codes.clone()),
            Asked::Help => {
                return Ok(Verdict::Answer(
                    (0..COMMANDS).map(|_| Words::Help).collect(),
                ));
            }
            Asked::Prompt => return Ok(Verdict::Answer(vec![prompt()])),
            Asked::Ping(None) => return answer("= pong".into(), json!({ "is": "pong" })),
            Asked::Ping(Some(token)) => {
                return answer(format!("= pong {token}"), json!({ "is": "pong" }));
            }
            Asked::Quit(_) => return Ok(Verdict::Deed),
            Asked::Enter(entry) => return self.judge_entry(slot, entry),
            Asked::Post { room, name, .. } => return self.judge_post(room, name),
            Asked::Rooms => return Ok(self.judge_rooms(asker)),
            Asked::Who(Some(room)) => {
                let key = self.room_key(room).ok_or(vec!["no-such-room"])?;
                return Ok(self.judge_who(asker, &key));
            }
            Asked::History(page) => return self.judge_page(asker, page),
            _ => {}
        }
        let member = self.member(slot).ok_or(vec!["bad-usage"])?;
        match asked {
            Asked::Say { room, .. } => self.room_of(slot, room.as_deref()).map(|_| Verdict::Deed),
            Asked::SetTopic { room, text } => {
                self.room_of(slot, room.as_deref())?;
                if text.len() > self.limits.topic_bytes_max {
                    return Err(vec!["line-too-long"]);
                }
                Ok(Verdict::Deed)
            }
            Asked::Part(room) => self.room_of(slot, Some(room)).map(|_| Verdict::Deed),
            Asked::Join { room, .. } => self.may_join(slot, room).map(|_| Verdict::Deed),
            Asked::Move(room) => {
                if !is_name(room) {
                    return Err(vec!["bad-name"]);
                }
                let from = self.room_of(slot, None)?;
                match self.room_key(room) {
                    Some(key) if key == from => Err(vec!["already-here"]),
                    Some(_) => Ok(Verdict::Deed),
                    None => self.has_place_for_room(Some(&from)).map(|()| Verdict::Deed),
                }
            }
            Asked::Nick(name) => {
                if !is_name(name) {
                    return Err(vec!["bad-name"]);
                }
                if self.find(name).is_some_and(|owner| owner != slot) {
                    return Err(vec!["name-in-use"]);
                }
                if *member.name == **name {
                    return answer(format!("= you are {name} already"), json!({ "is": "done" }));
                }
                Ok(Verdict::Deed)
            }
            Asked::Msg { to, .. } => match self.find(to) {
                Some(_) => Ok(Verdict::Deed),
                None => Err(vec!["no-such-name"]),
            },
            Asked::ShowTopic => {
                let room = &self.rooms[&self.room_of(slot, None)?];
                let text = match room.topic.is_empty() {
                    true => format!("= {} has no topic", room.name),
                    false => format!("= topic: \"{}\"", room.topic),
                };
                answer(text, Value::Null)
            }
            Asked::Who(None) => Ok(self.judge_who(asker, &self.room_of(slot, None)?)),
            // It changes nothing for anybody else.
            Asked::Echo(on) => answer(
                format!("= echo {}", if *on { "on" } else { "off" }),
                Value::Null,
            ),
            _ => unreachable!("{asked:?} needs no name"),
        }
    }

    fn judge_entry(&self, slot: usize, entry: &Entry) -> Result<Verdict, Codes> {
        if self.member(slot).is_some() {
            return Err(vec!["bad-usage"]);
        }
        let mut codes = Vec::new();
        if entry.rooms.len() > self.limits.rooms_per_member_max {
            codes.push("too-many-rooms");
        }
        if entry.rooms.iter().any(|(room, _)| !is_name(room)) {
            codes.push("bad-name");
        }
        let ends = self.is_banned(&entry.name);
        if codes.is_empty() && (ends || self.may_take_over(entry).is_some()) {
            return Ok(Verdict::Deed);
        }
        if !is_name(&entry.name) {
            codes.push("bad-name");
        } else if self.find(&entry.name).is_some() {
            codes.push("name-in-use");
        }
        if codes.is_empty() {
            Ok(Verdict::Deed)
        } else {
            Err(codes)
        }
    }

    /// Whose place the entry proves to be its own.
    pub(crate) fn may_take_over(&self, entry: &Entry) -> Option<usize> {
        let slot = self.find(&entry.name)?;
        let given = entry.resume.as_deref()?;
        let mut tokens = self.peer_ref(slot).tokens();
        tokens.any(|token| token == given).then_some(slot)
    }

    pub(crate) fn judge_post(&self, room: &str, name: &str) -> Result<Verdict, Codes> {
        let mut codes = Vec::new();
        if !is_name(name) || !is_name(room) {
            codes.push("bad-name");
        }
        if self.find(name).is_some() {
            codes.push("name-in-use");
        }
        if self.room_key(room).is_none() && self.has_place_for_room(None).is_err() {
            codes.push("too-many-rooms");
        }
        if codes.is_empty() {
            Ok(Verdict::Deed)
        } else {
            Err(codes)
        }
    }

    fn judge_rooms(&self, asker: Asker<'_>) -> Verdict {
        let mut rooms: Vec<_> = self
            .rooms
            .values()
            .filter(|room| !room.seats.is_empty())
            .collect();
        rooms.sort_by_key(|room| room.name.to_lowercase());
        let all = rooms.len();
        rooms.truncate(self.limits.rooms_listed_max);
        let more = all - rooms.len();
        let row = |(name, here): (&str, usize)| Words::Text(format!("= {name} {here}"));
        Verdict::Answer(match self.peer_ref(asker.slot).language() {
            Language::Text => {
                let mut lines: Vec<Words> = rooms
                    .iter()
                    .map(|room| row((&room.name, room.seats.len())))
                    .collect();
                if more > 0 {
                    lines.push(Words::Text(format!("= … and {more} more")));
                }
                lines.push(Words::Text("= end".into()));
                lines
            }
            Language::Json => {
                let rows = rooms.iter().map(|room| json!({ "room": *room.name, "here": room.seats.len(), "topic": room.topic }));
                let rooms: Vec<Value> = rows.collect();
                let answer = json!({ "is": "rooms", "rooms": rooms, "more": more });
                vec![Words::answer(answer, asker.reference)]
            }
        })
    }

    fn judge_who(&self, asker: Asker<'_>, key: &str) -> Verdict {
        let (here, names) = (
            self.rooms[key].seats.len(),
            self.names(key, self.limits.who_names_max),
        );
        let text = format!("= {}", names_text(here, &names));
        let json = json!({ "is": "who", "room": *self.rooms[key].name, "here": here, "names": names,
            "more": here - names.len() });
        Verdict::Answer(vec![self.answer(asker, text, json)])
    }

    fn judge_page(&self, asker: Asker<'_>, page: &Page) -> Result<Verdict, Codes> {
        if self.limits.history_lines_max == 0 {
            return Err(vec!["no-history"]);
        }
        if self.member(asker.slot).is_none() {
            return Err(vec!["bad-usage"]);
        }
        let key = self.room_of(asker.slot, page.room.as_deref())?;
        let room = &self.rooms[&key];
        let (least, most) = room.kept(&self.limits);
        Ok(Verdict::Answer(vec![Words::Page(PageTold {
            language: self.peer_ref(asker.slot).language(),
            room: Rc::clone(&room.name),
            reference: asker.reference.map(str::to_owned),
            messages: room.said.clone(),
            least,
            most,
            before: page.before,
            after: page.after,
            limit: page.limit.min(self.limits.page_messages_max),
            bytes_max: self.limits.outbox_bytes_max / 4,
        })]))
    }

    /// The room that a member means.
    pub(crate) fn room_of(&self, slot: usize, asked: Option<&str>) -> Result<Rc<str>, Codes> {
        let rooms = &self.member(slot).expect("it has a name").rooms;
        match asked {
            None if rooms.len() == 1 => Ok(Rc::clone(&rooms[0])),
            None => Err(vec!["bad-usage"]),
            Some(asked) => {
                let found = rooms.iter().find(|room| ***room == *key(asked));
                found.cloned().ok_or(vec!["not-in-room"])
            }
        }
    }

    pub(crate) fn may_join(&self, slot: usize, room: &str) -> Result<(), Codes> {
        let rooms = &self.member(slot).expect("it has a name").rooms;
        if !is_name(room) {
            return Err(vec!["bad-name"]);
        }
        if rooms.iter().any(|other| **other == *key(room)) {
            return Err(vec!["already-here"]);
        }
        if rooms.len() >= self.limits.rooms_per_member_max {
            return Err(vec!["too-many-rooms"]);
        }
        match self.room_key(room) {
            Some(_) => Ok(()),
            None => self.has_place_for_room(None),
        }
    }

    /// Whether there may be one more room, if this one is left.
    fn has_place_for_room(&self, leaving: Option<&str>) -> Result<(), Codes> {
        let closes = |key: &str| key != super::world::LOBBY && self.rooms[key].seats.len() == 1;
        let rooms = self.rooms.len() - usize::from(leaving.is_some_and(closes));
        if rooms < self.limits.rooms_max {
            Ok(())
        } else {
            Err(vec!["too-many-rooms"])
        }
    }

    pub(crate) fn refused(&self, asker: Asker<'_>, codes: Codes) -> Words {
        Words::Refused(Refused {
            language: self.peer_ref(asker.slot).language(),
            codes,
            reference: asker.reference.map(str::to_owned),
            ends: false,
        })
    }

    /// The same answer in the language of who asked.
    pub(crate) fn answer(&self, asker: Asker<'_>, text: String, json: Value) -> Words {
        match self.peer_ref(asker.slot).language() {
            Language::Text => Words::Text(text),
            Language::Json => Words::answer(json, asker.reference),
        }
    }
}

pub(crate) fn prompt() -> Words {
    Words::Text("* chatd: type your name and press Enter".into())
}
