//! What the lines of the server mean to the session: the greeting, what is said and what happens
//! in rooms, and what cannot come from a chat server. Answers are in `session/answers.rs`.

use std::time::Instant;

use serde_json::json;

use super::crowd::Crowd;
use super::gap::{PAGE_BYTES_MAX, PAGES, page_messages};
use super::room::Replay;
use super::words::{away_words, excerpt, mentions, news, roster, told_as_text};
use super::{Code, Effect, Identity, Manner, OWN, Phase, Room, Session};
use crate::lines::{Kind, Shown};
use crate::wire::{Event, Piece};

/// Bytes of a line of the server. Its longest honest one is a page of a hundred messages, unless we
/// have asked for longer ones.
const SERVER_LINE_BYTES_MAX: usize = 1 << 20;
/// Lines shown of a message of the day: as many as anybody scrolls back for.
const MOTD_LINES_MAX: usize = 500;

impl Session {
    /// Bytes of the server, as they came.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        (self.link.heard_at, self.link.asked_at) = (Some(now), None);
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
            Ok(event) if is_greeted => {
                self.pass_on(line, &event);
                self.hear_event(event, line.len(), now);
            }
            Ok(event) if event.is == "hello" => {
                self.pass_on(line, &event);
                self.hear_hello(&event, now);
            }
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
        // Without a disk there is nothing in pages but what is told in any case; and a program asks
        // for them itself.
        let is_paged = hello.search && self.settings.manner != Manner::Json;
        self.link.page_messages = is_paged.then(|| page_messages(hello.line_max));
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
                self.link.is_welcome = true;
                let (name, resume) = (event.name, event.resume);
                self.identity = Some(Identity { name, resume });
            }
            "entered" => self.hear_entered(event, now),
            "caught-up" => self.hear_caught_up(&event, now),
            "private" => self.hear_private(event),
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
        let name = event.room.as_deref().unwrap_or_default().to_owned();
        let number = self.ledger.join_sent();
        let joined = number.and_then(|number| self.answer_to(number, now));
        if let Some((order, _)) = &joined {
            let asked = order.request["room"].as_str().unwrap_or_default();
            self.ledger.rename_room(asked, &name);
            if self.rooms.get(&name).is_some() {
                self.rooms.give_up(asked);
            } else {
                self.rooms.add(&name, asked);
            }
        } else if self.rooms.get(&name).is_none() {
            let Some(room) = self.rooms.first_wanted() else {
                // From before the link was lost: it has been left, or is asked for again.
                return self.send(&json!({"do": "part", "room": name}), OWN);
            };
            // What the user called it is called otherwise by the server.
            let asked = std::mem::replace(&mut room.name, name.clone());
            self.ledger.rename_room(&asked, &name);
        }
        let own_name = self.own_name().to_owned();
        let Some(room) = self.rooms.get_mut(&name) else {
            return;
        };
        let roster = roster(&event);
        if room.name != name {
            self.ledger.rename_room(&room.name, &name);
            room.name.clone_from(&name);
        }
        room.replay = Some(Replay::new(event.last, room.last.is_some()));
        room.is_entered = true;
        room.topic = event.topic.filter(|topic| !topic.is_empty());
        room.set_names(event.names);
        let topic = room.topic.as_ref();
        let topic = topic.map(|topic| format!("topic: \"{topic}\""));
        let welcome = format!("welcome to {name}, {own_name} ({roster})");
        if self.away.since.is_none() {
            let lines = [Some(welcome), topic].into_iter().flatten();
            lines.for_each(|line| self.show_in(&name, Kind::News, &line));
        }
    }

    /// Whether nothing is missing of the rooms in which we want to be.
    pub(super) fn is_all_entered(&self) -> bool {
        let rooms = self.rooms.all();
        let is_there = |room: &&Room| room.is_entered && room.replay.is_none();
        rooms.iter().filter(is_there).count() + self.link.rooms_refused >= rooms.len()
    }

    pub(super) fn hear_said(&mut self, mut event: Event) {
        let is_own = self.own_name() == event.from;
        let is_called = !is_own && mentions(&event.text, self.own_name());
        let mut is_answer = false;
        let mut is_new = !event.past;
        let name = event.room.clone().unwrap_or_default();
        let is_current = self.rooms.is_current(&name);
        if let Some(room) = self.rooms.get_mut(&name) {
            if room.has_shown(&event.id) {
                return;
            }
            room.last = Some(event.id.clone());
            is_answer = is_own && self.ledger.heard(&room.name, &event);
            let replay = room.replay.as_mut().filter(|_| event.past);
            let is_continued = replay.as_ref().is_some_and(|replay| replay.is_continued);
            let is_left_out = event.past && !is_continued && self.settings.is_without_history;
            if self.ignored.has(&event.from) || is_left_out {
                return;
            }
            if let Some(replay) = replay {
                is_new = is_continued;
                let is_first = !std::mem::replace(&mut replay.is_headed, true);
                let header = if is_new {
                    (Kind::Rule, away_words(replay.count))
                } else {
                    (Kind::News, "said before:".to_owned())
                };
                if is_first {
                    self.show_in(&name, header.0, &header.1);
                }
            } else if !event.past {
                room.met(&event.from);
                self.note_speaker(&name, &event.from);
            }
        } else if event.past || self.ignored.has(&event.from) {
            // Of a room that we are leaving.
            return;
        }
        if is_answer && self.settings.manner != Manner::Seat {
            return;
        }
        if is_new
            && !is_own
            && !is_current
            && let Some(room) = self.rooms.get_mut(&name)
        {
            room.has_news = true;
            room.is_called |= is_called;
        }
        let kind = match is_own {
            true => Kind::Own,
            false if is_called => Kind::Mention,
            false => Kind::Said,
        };
        event.room.take_if(|_| is_current);
        self.show_event(Shown::spoken(kind, event));
        if is_new && is_called {
            self.effects.push_back(Effect::Call);
        }
    }

    /// Somebody speaks, whose coming is then to be told by name, and first.
    fn note_speaker(&mut self, name: &str, from: &str) {
        let Some((room, now)) = self.rooms.get_mut(name).zip(self.link.heard_at) else {
            return;
        };
        room.crowd.spoke(from, now);
        let words = room.crowd.has(from).then(|| room.crowd.tell(now));
        if let Some(words) = words.flatten() {
            self.show_in(name, Kind::News, &words);
        }
    }

    /// Tells of those who came and went, where it is time for that.
    pub(super) fn tell_crowds(&mut self, now: Instant) {
        let mut told = Vec::new();
        for room in self.rooms.all_mut() {
            let is_due = room.crowd.due().is_some_and(|due| due <= now);
            let words = if is_due { room.crowd.tell(now) } else { None };
            told.extend(words.map(|words| (room.name.clone(), words)));
        }
        told.iter()
            .for_each(|(room, words)| self.show_in(room, Kind::News, words));
    }

    fn hear_private(&mut self, event: Event) {
        if self.ignored.has(&event.from) {
            return;
        }
        let rooms = self.rooms.all().iter();
        let coming_to: Vec<String> = rooms
            .filter(|room| room.crowd.has(&event.from))
            .map(|room| room.name.clone())
            .collect();
        for name in coming_to {
            self.note_speaker(&name, &event.from);
        }
        let before = self.partner.replace(event.from.clone());
        self.is_partner_new |= before.is_some_and(|before| before != event.from);
        self.show_event(Shown::spoken(Kind::Private, event));
        self.effects.push_back(Effect::Call);
    }

    fn hear_news(&mut self, event: Event) {
        let is_rename = event.is == "renamed";
        if is_rename && self.own_name() == event.from {
            let rename = |identity: &mut Identity| identity.name.clone_from(&event.to);
            self.identity.as_mut().map(rename);
        }
        if is_rename && self.partner.as_ref() == Some(&event.from) {
            self.partner = Some(event.to.clone());
        }
        let is_sent_out = event.is == "left" && self.own_name() == event.name;
        let name = event.room.clone().unwrap_or_default();
        let room = self.rooms.get_mut(&name);
        let is_elsewhere = room.is_none() && event.room.is_some();
        if let Some(room) = room {
            learn(room, &event);
            let is_person = self.settings.manner.is_person();
            let now = self.link.heard_at.filter(|_| is_person);
            let is_hidden = self.ignored.has(&event.name) || is_person && self.is_quiet;
            let is_left_out = is_hidden && Crowd::is_coming(&event)
                || !is_sent_out && now.is_some_and(|now| room.crowd.takes(&event, now));
            if is_left_out && !is_sent_out {
                return;
            }
        }
        if is_rename && self.ignored.follow(&event.from, &event.to) {
            return;
        }
        // It comes for each room in which both of us are.
        let is_told = is_rename && {
            let renamed = Some((event.from.clone(), event.to.clone()));
            std::mem::replace(&mut self.renamed, renamed.clone()) == renamed
        };
        if let Some(text) = news(&event).filter(|_| !is_elsewhere && !is_told) {
            let news = Shown::of(Kind::News, &text);
            let room = event.room.and_then(|room| self.elsewhere(&room));
            self.show_event(Shown {
                at: event.at,
                room,
                ..news
            });
        }
        if is_sent_out && !is_elsewhere {
            // The room was closed. Where we are then, the server says next.
            self.rooms.remove(&name);
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
