//! What the server answers to what the user asked for, and what it refuses. Here also ends what it
//! ends.

use std::time::{Duration, Instant};

use super::gap::PAGES;
use super::life::NAME_CHARACTERS_MAX;
use super::words::{figure, roster, with_code};
use super::{Code, Manner, OWN, Phase, Session};
use crate::ledger::Order;
use crate::lines::{Kind, Shown};
use crate::wire::Event;

/// How long after a loss our name may still be held by our own dead link: a server needs up to
/// a minute to notice that one has gone without a word, and our token may be older than its.
const GHOST_TIMEOUT: Duration = Duration::from_secs(120);
/// Names that a poster tries when its own is taken: `cron`, `cron-2` … `cron-99`.
const POSTER_NAMES_MAX: u32 = 99;

impl Session {
    pub(super) fn hear_answer(&mut self, event: Event, now: Instant) {
        let number = event.r#ref.as_ref().and_then(|number| number.parse().ok());
        let answered = number.and_then(|number| self.answer_to(number, now));
        let Some((order, round_trip)) = answered else {
            return;
        };
        let figure = figure(round_trip);
        match (event.is.as_str(), order.what()) {
            (_, "say" | "post") => self.show(Kind::Delivered, &format!("in {figure}")),
            (_, "msg") => {
                let to = order.request["to"].as_str().unwrap_or_default();
                self.partner = Some(to.to_owned());
                self.show(Kind::Answer, &format!("sent to {to}"));
            }
            ("pong", _) => self.show(Kind::Answer, &format!("pong in {figure}")),
            ("who", _) => self.show(Kind::Answer, &roster(&event)),
            ("rooms", _) => {
                self.listed = event.rooms.iter().map(|entry| entry.room.clone()).collect();
                for entry in &event.rooms {
                    let topic = entry.topic.as_ref().filter(|topic| !topic.is_empty());
                    let topic = topic.map_or(String::new(), |topic| format!(" \"{topic}\""));
                    let line = format!("{} {}{topic}", entry.room, entry.here);
                    self.show(Kind::Answer, &line);
                }
                self.show(Kind::Answer, "end");
            }
            ("page", _) => {
                let is_person = self.settings.manner.is_person();
                let is_empty = is_person && event.messages.is_empty();
                for past in event.messages {
                    if self.ignored.has(&past.from) {
                        continue;
                    }
                    self.show_event(Shown::past(past));
                }
                let end = if is_empty {
                    "end: nothing was found"
                } else {
                    "end"
                };
                self.show(Kind::Answer, end);
            }
            (_, "part") => {
                let room = order.request["room"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                self.show(Kind::Answer, &format!("you have left {room}"));
                self.drop_room(&room);
            }
            _ => {}
        }
        self.advance(now);
    }

    /// The order that is answered, and how long its answer took.
    pub(super) fn answer_to(&mut self, number: u64, now: Instant) -> Option<(Order, Duration)> {
        let (order, at) = self.ledger.answered(number)?;
        let round_trip = now.saturating_duration_since(at);
        self.round_trip = Some(round_trip);
        Some((order, round_trip))
    }

    pub(super) fn hear_refusal(&mut self, event: &Event, now: Instant) {
        let (code, words) = (event.code.as_str(), event.text.as_str());
        let is_notice = code == "slow-down";
        if event.r#ref.as_deref() == Some(PAGES) && !event.ends && !is_notice {
            return self.page_refused(code, now);
        }
        let number = event.r#ref.as_ref().and_then(|number| number.parse().ok());
        let refused = number.and_then(|number| self.ledger.answered(number));
        let is_name = matches!(code, "bad-name" | "name-in-use");
        let is_ghost = |at: Instant| now.saturating_duration_since(at) < GHOST_TIMEOUT;
        let is_ghost = code == "name-in-use" && self.away.since.is_some_and(is_ghost);
        let is_notice = is_notice || matches!(self.phase, Phase::Talking { .. });
        // The rooms of the server are all taken, or it has others: it does not let us into this one alone.
        let is_greeting = matches!(self.phase, Phase::Greeting { .. });
        let is_unentered = matches!(code, "too-many-rooms" | "no-such-room");
        let is_room = is_unentered && is_greeting && self.link.is_welcome;
        if event.ends {
            self.hear_end(code, words);
        } else if let Some((order, _)) = refused {
            self.order_refused(order, code, words);
            self.advance(now);
        } else if is_notice {
            if !matches!(event.r#ref.as_deref(), Some(OWN | PAGES)) {
                self.show(Kind::Refusal, &format!("{code} {words}"));
            }
        } else if is_room {
            self.show(Kind::Refusal, &format!("{code} {words}"));
            self.link.rooms_refused += 1;
            if self.link.rooms_refused >= self.rooms.all().len() {
                let why = format!("refused: {}", with_code(code, words));
                self.finish(Code::Refused, &why);
            } else if self.is_all_entered() {
                self.talk(now);
            }
        } else if is_ghost {
            let why = format!("our name is still held by the lost link ({words})");
            self.lose(why, now);
        } else if is_name && self.settings.manner.is_person() && self.identity.is_none() {
            self.show(Kind::Refusal, &format!("{code} {words}"));
            match self.settings.name.take() {
                Some(name) if code == "name-in-use" => self.ask_for_another_name(&name),
                _ => self.ask_for_name(),
            }
        } else if code == "wrong-password" && self.settings.manner.is_person() {
            self.show(Kind::Refusal, &format!("{code} {words}"));
            self.ask_for_password();
        } else {
            let why = format!("refused: {}", with_code(code, words));
            self.finish(Code::Refused, &why);
        }
    }

    /// The server ends the link, and says why.
    pub(super) fn hear_end(&mut self, code: &str, words: &str) {
        let why = with_code(code, words);
        let is_poster = self.settings.manner == Manner::Poster;
        let is_passing = matches!(code, "too-slow" | "shutting-down");
        if (is_passing || is_poster && code == "name-timeout") && self.identity.is_some() {
            self.link.cut = Some(why);
        } else {
            self.finish(Code::Refused, &format!("refused: {why}"));
        }
    }

    fn order_refused(&mut self, order: Order, code: &str, words: &str) {
        if order.what() == "post" && code == "name-in-use" && self.next_poster_name() {
            return self.ledger.put_back(order);
        }
        self.refused(order.number, code, words);
        let is_join = order.what() == "join";
        if let Some(asked) = order.request["room"].as_str().filter(|_| is_join) {
            self.rooms.give_up(asked);
            self.refuse_texts_for(asked);
        }
    }

    /// We are not in a room, or not any more.
    pub(super) fn drop_room(&mut self, room: &str) {
        let was_current = self.rooms.remove(room);
        self.refuse_texts_for(room);
        if was_current {
            self.tell_room();
        }
    }

    /// What was meant for a room in which we are not is said in no other.
    fn refuse_texts_for(&mut self, room: &str) {
        if self.rooms.get(room).is_some() {
            return;
        }
        for order in self.ledger.take_room(room) {
            self.refused(order.number, "not-in-room", "it was meant for that room");
        }
    }

    /// Takes the next name to try; whether there is one.
    fn next_poster_name(&mut self) -> bool {
        let (Some(base), Some(identity)) = (&self.settings.name, &mut self.identity) else {
            return false;
        };
        let tried = identity
            .name
            .rsplit_once('-')
            .filter(|_| identity.name != *base);
        let tried = tried
            .and_then(|(_, number)| number.parse().ok())
            .unwrap_or(1);
        let suffix = format!("-{}", tried + 1);
        let base = base.chars().take(NAME_CHARACTERS_MAX - suffix.len());
        identity.name = base.chain(suffix.chars()).collect();
        tried < POSTER_NAMES_MAX
    }
}
