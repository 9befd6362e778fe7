//! What the lines of the server mean to the session: the greeting, the room, answers, refusals,
//! and what cannot come from a chat server. No bytes and no link: those are the siblings'.

use std::time::{Duration, Instant};

use serde_json::json;

use super::gap::{PAGE_BYTES_MAX, PAGES, page_messages};
use super::room::{Replay, Room};
use super::words::{excerpt, figure, mentions, news, roster, told_as_text, with_code};
use super::{Code, Identity, Manner, OWN, Phase, Session};
use crate::ledger::Order;
use crate::lines::{Kind, Shown};
use crate::wire::{Event, Piece};

/// Bytes of a line of the server. Its longest honest one is a page of a hundred messages, unless we
/// have asked for longer ones.
const SERVER_LINE_BYTES_MAX: usize = 1 << 20;
/// How long after a loss our name may still be held by our own dead link: a server needs up to
/// a minute to notice that one has gone without a word, and our token may be older than its.
const GHOST_TIMEOUT: Duration = Duration::from_secs(120);
/// Names that a poster tries when its own is taken: `cron`, `cron-2` … `cron-99`.
const POSTER_NAMES_MAX: u32 = 99;
/// Lines shown of a message of the day: as many as anybody scrolls back for.
const MOTD_LINES_MAX: usize = 500;
/// Characters of a name.
const NAME_CHARACTERS_MAX: usize = 24;

impl Session {
    /// Bytes of the server, as they came.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.link.heard_at = Some(now);
        let mut lines = std::mem::take(&mut self.link.lines);
        let mut rest = bytes;
        while let Phase::Greeting { .. } | Phase::Talking { .. } = self.phase {
            let bytes_max = match self.link.has_paged {
                true => PAGE_BYTES_MAX,
                false => SERVER_LINE_BYTES_MAX,
            };
            match lines.next(&mut rest, bytes_max) {
                Some(Piece::Line(line)) => self.hear(line, now),
                Some(Piece::TooLong) => self.not_chat("sends a line without an end"),
                None => break,
            }
        }
        self.link.lines = lines;
    }

    /// The server leaves us with the start of a line, which says what it is. Whether it does.
    pub(super) fn hear_unfinished_line(&mut self) -> bool {
        let mut lines = std::mem::take(&mut self.link.lines);
        let Some(Piece::Line(line)) = lines.finish(SERVER_LINE_BYTES_MAX) else {
            return false;
        };
        self.not_chat(&excerpt(line));
        true
    }

    /// A line of the server, without its ending.
    fn hear(&mut self, line: &[u8], now: Instant) {
        let is_greeted = self.link.is_greeted;
        match serde_json::from_slice::<Event>(line) {
            Ok(event) if !event.is_bounded() => self.not_chat("gives a name without an end"),
            Ok(event) if is_greeted => self.hear_event(event, line.len(), now),
            Ok(event) if event.is == "hello" => self.hear_hello(&event, now),
            _ => match told_as_text(line).filter(|_| !is_greeted) {
                Some((code, words)) => self.hear_end(code, words),
                None => self.not_chat(&excerpt(line)),
            },
        }
    }

    fn not_chat(&mut self, what: &str) {
        let server = &self.settings.server;
        let why = format!("{server} does not speak chat: it {what}");
        self.finish(Code::NotChat, &why);
    }

    fn hear_hello(&mut self, hello: &Event, now: Instant) {
        self.link.is_greeted = true;
        // Without a disk there is nothing in pages but what is told in any case.
        self.link.page_messages = hello.search.then(|| page_messages(hello.line_max));
        match self.settings.name.clone() {
            None => self.ask_for_name(),
            Some(_) if hello.password && self.settings.password.is_none() => {
                self.ask_for_password();
            }
            Some(name) if self.settings.manner == Manner::Poster => {
                self.identity.get_or_insert(Identity { name, resume: None });
                self.talk(now);
            }
            Some(_) => {}
        }
    }

    fn hear_event(&mut self, event: Event, bytes: usize, now: Instant) {
        match event.is.as_str() {
            "welcome" => {
                let lines = event.motd.iter().flat_map(|motd| motd.lines());
                let lines = lines.take(MOTD_LINES_MAX);
                lines.for_each(|line| self.show(Kind::News, line));
                let (name, resume) = (event.name, event.resume);
                self.identity = Some(Identity { name, resume });
            }
            "entered" => self.hear_entered(event, now),
            "caught-up" => self.hear_caught_up(&event, now),
            "private" => self.show_event(Shown::spoken(Kind::Private, event)),
            "refused" => self.hear_refusal(&event, now),
            "page" if event.r#ref.as_deref() == Some(PAGES) => self.hear_page(event, now),
            "done" | "who" | "rooms" | "page" | "pong" => self.hear_answer(event, now),
            _ => {
                if let Some(event) = self.keep_back(event, bytes, now) {
                    self.hear_in_room(event);
                }
            }
        }
    }

    /// What was said, and news.
    pub(super) fn hear_in_room(&mut self, event: Event) {
        match event.is.as_str() {
            "said" => self.hear_said(event),
            _ => self.hear_news(event),
        }
    }

    fn hear_entered(&mut self, event: Event, now: Instant) {
        let name = event.room.as_deref().unwrap_or_default();
        let joined = self.ledger.joining().and_then(|(_, number)| number);
        let joined = joined.and_then(|number| self.answer_to(number, now));
        let room = match &joined {
            Some((order, _)) => order.request["room"].as_str().unwrap_or_default(),
            None => self.here(),
        };
        let (room, is_joined) = (room.to_owned(), joined.is_some());
        if !is_joined && self.room.as_ref().is_some_and(|room| !room.is(&event.room)) {
            // From before the link was lost, on the way from one room to another.
            return self.send(&json!({"do": "part", "room": name}), OWN);
        }
        self.ledger.rename_room(&room, name);
        if let Some(left) = self.room.take_if(|_| is_joined) {
            self.send(&json!({"do": "part", "room": left.name}), OWN);
        }
        let roster = roster(&event);
        let mut room = self.room.take().unwrap_or_default();
        room.replay = Some(Replay::new(event.last, room.last.is_some()));
        room.name = event.room.unwrap_or_default();
        room.topic = event.topic.filter(|topic| !topic.is_empty());
        room.set_names(event.names);
        let topic = room
            .topic
            .as_ref()
            .map(|topic| format!("topic: \"{topic}\""));
        let welcome = format!("welcome to {}, {} ({roster})", room.name, self.own_name());
        self.room = Some(room);
        if self.away.since.is_none() {
            let lines = [Some(welcome), topic].into_iter().flatten();
            lines.for_each(|line| self.show(Kind::News, &line));
        }
    }

    pub(super) fn hear_said(&mut self, mut event: Event) {
        let is_own = self.own_name() == event.from;
        let mut is_answer = false;
        let here = self.room.as_mut().filter(|room| room.is(&event.room));
        if let Some(room) = here {
            if room.has_shown(&event.id) {
                return;
            }
            event.room = None;
            room.last = Some(event.id.clone());
            is_answer = is_own && self.ledger.heard(&room.name, &event);
            if !event.past {
                room.met(&event.from);
            } else if let Some(replay) = room.replay.as_mut().filter(|replay| !replay.is_headed) {
                replay.is_headed = true;
                let is_continued = replay.is_continued;
                let words = ["said before:", "said meanwhile:"];
                self.show(Kind::News, words[usize::from(is_continued)]);
            }
        } else if event.past {
            // Of a room that we are leaving.
            return;
        }
        if is_answer && self.settings.manner != Manner::Seat {
            return;
        }
        let kind = match is_own {
            true => Kind::Own,
            false if mentions(&event.text, self.own_name()) => Kind::Mention,
            false => Kind::Said,
        };
        self.show_event(Shown::spoken(kind, event));
    }

    fn hear_answer(&mut self, event: Event, now: Instant) {
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
                self.show(Kind::Answer, &format!("sent to {to}"));
            }
            ("pong", _) => self.show(Kind::Answer, &format!("pong in {figure}")),
            ("who", _) => self.show(Kind::Answer, &roster(&event)),
            ("rooms", _) => {
                for entry in &event.rooms {
                    let topic = entry.topic.as_ref().filter(|topic| !topic.is_empty());
                    let topic = topic.map_or(String::new(), |topic| format!(" \"{topic}\""));
                    let line = format!("{} {}{topic}", entry.room, entry.here);
                    self.show(Kind::Answer, &line);
                }
                self.show(Kind::Answer, "end");
            }
            ("page", _) => {
                for past in event.messages {
                    self.show_event(Shown::past(past));
                }
                self.show(Kind::Answer, "end");
            }
            _ => {}
        }
        self.advance(now);
    }

    /// The order that is answered, and how long its answer took.
    fn answer_to(&mut self, number: u64, now: Instant) -> Option<(Order, Duration)> {
        let (order, at) = self.ledger.answered(number)?;
        let round_trip = now.saturating_duration_since(at);
        self.round_trip = Some(round_trip);
        Some((order, round_trip))
    }

    fn hear_refusal(&mut self, event: &Event, now: Instant) {
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
        if event.ends {
            self.hear_end(code, words);
        } else if let Some((order, _)) = refused {
            self.order_refused(order, code, words);
            self.advance(now);
        } else if is_notice {
            if !matches!(event.r#ref.as_deref(), Some(OWN | PAGES)) {
                self.show(Kind::Refusal, &format!("{code} {words}"));
            }
        } else if is_ghost {
            let why = format!("our name is still held by the lost link ({words})");
            self.lose(why, now);
        } else if is_name && self.settings.manner.is_person() && self.identity.is_none() {
            self.show(Kind::Refusal, &format!("{code} {words}"));
            self.ask_for_name();
        } else if code == "wrong-password" && self.settings.manner.is_person() {
            self.show(Kind::Refusal, &format!("{code} {words}"));
            self.ask_for_password();
        } else {
            let why = format!("refused: {}", with_code(code, words));
            self.finish(Code::Refused, &why);
        }
    }

    /// The server ends the link, and says why.
    fn hear_end(&mut self, code: &str, words: &str) {
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
        let asked = order.request["room"].as_str().filter(|_| is_join);
        let is_here = |asked: &str| asked.to_lowercase() == self.here().to_lowercase();
        if let Some(asked) = asked.filter(|asked| !is_here(asked)) {
            // What was meant for that room is said in no other.
            for order in self.ledger.take_room(asked) {
                self.refused(order.number, "not-in-room", "it was meant for that room");
            }
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

    fn hear_news(&mut self, event: Event) {
        if event.is == "renamed" && self.own_name() == event.from {
            let rename = |identity: &mut Identity| identity.name.clone_from(&event.to);
            self.identity.as_mut().map(rename);
        }
        let here = self.room.as_mut().filter(|room| room.is(&event.room));
        let is_elsewhere = here.is_none() && event.room.is_some();
        if let Some(room) = here {
            learn(room, &event);
        }
        if let Some(text) = news(&event).filter(|_| !is_elsewhere) {
            let news = Shown::of(Kind::News, &text);
            self.show_event(Shown {
                at: event.at,
                ..news
            });
        }
    }
}

/// What news of a room say about it.
fn learn(room: &mut Room, event: &Event) {
    match event.is.as_str() {
        "joined" => room.met(&event.name),
        "left" => room.gone(&event.name),
        "renamed" => {
            room.gone(&event.from);
            room.met(&event.to);
        }
        "topic" => room.topic = Some(event.text.clone()).filter(|text| !text.is_empty()),
        _ => {}
    }
}
