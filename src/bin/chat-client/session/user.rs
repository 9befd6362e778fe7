//! What the user says and does: lines that are said, commands, going from room to room, leaving.
//! What the server makes of it is the siblings'.

use std::time::Instant;

use serde_json::{Value, json};

use super::rooms::Step;
use super::{Effect, Manner, Phase, Session};
use crate::ledger::Order;
use crate::lines::Kind;
use crate::typed::{self, Own, Typed};

impl Session {
    /// A line that the user typed, or of a pipe; without its ending.
    pub fn say_line(&mut self, line: &str, now: Instant) {
        let is_text = matches!(self.settings.manner, Manner::Pipe | Manner::Poster);
        if is_text || line.trim().is_empty() || self.is_asking() {
            return self.say_text(line, now);
        }
        self.number += 1;
        if self.settings.manner == Manner::Json {
            return self.say_json(line, now);
        }
        if matches!(line.trim_end(), "exit" | "end") {
            return self.end_of_input(now);
        }
        let typed = typed::read(line, self.target());
        self.is_partner_new &= matches!(typed, Ok(Typed::Own(Own::Reply(_))));
        match typed {
            Ok(Typed::Ask(request)) if request["do"] == "join" => {
                self.enter_room(line, request, now)
            }
            Ok(Typed::Ask(request)) => self.ask(line, request, now),
            Ok(Typed::Quit(farewell)) => self.leave_when_answered(farewell, now),
            Ok(Typed::Own(own)) => self.do_own(line, own, now),
            Err((code, words)) => self.refused(self.number, code, &words),
        }
    }

    /// A text of the user to say as it is, though it may look like a command; or what the user is
    /// asked for.
    pub fn say_text(&mut self, text: &str, now: Instant) {
        self.number += 1;
        match &self.phase {
            Phase::Naming { offer } => {
                let offer = offer.clone();
                return self.take_name(text.trim(), offer, now);
            }
            Phase::Away { .. } if text.trim().is_empty() && self.settings.manner.is_person() => {
                return self.connect();
            }
            _ if text.trim().is_empty() => return,
            Phase::Unlocking => return self.choose_password(text),
            Phase::Trusting { key } => return self.answer_trust(text.trim(), key.clone()),
            _ => {}
        }
        let mut request = typed::say(self.target(), text);
        if self.settings.manner == Manner::Poster {
            request["do"] = "post".into();
        }
        self.ask(text, request, now);
    }

    /// A text of the user to say in this room, wherever the user is by now.
    pub fn say_in(&mut self, room: &str, text: &str, now: Instant) {
        self.number += 1;
        self.ask(text, typed::say(room, text), now);
    }

    /// The user typed a line of which only this can be said: that it is too long.
    pub fn say_endless_line(&mut self) {
        self.number += 1;
        self.refused(self.number, "line-too-long", "it was not sent");
    }

    /// The user goes to another room that it is in.
    pub fn go(&mut self, step: &Step) -> bool {
        let there = self.rooms.go(step);
        if there {
            self.tell_room();
        }
        there
    }

    /// There are no more lines of the user.
    pub fn end_of_input(&mut self, now: Instant) {
        self.leave_when_answered(json!({"do": "quit"}), now);
    }

    /// The user wants to be gone, whatever is still unsaid: so many `untaken` lines of its input,
    /// and those that are not answered.
    pub fn interrupt(&mut self, untaken: usize, now: Instant) {
        self.leave(&json!({"do": "quit"}), untaken, now);
    }

    /// The user wants to be in one more room, or in one where it is.
    fn enter_room(&mut self, line: &str, request: Value, now: Instant) {
        let room = request["room"].as_str().unwrap_or_default().to_owned();
        if !self.go(&Step::Named(room.clone())) {
            self.rooms.head_for(&room);
            self.ask(line, request, now);
        }
    }

    /// A command that is the client's own.
    fn do_own(&mut self, line: &str, own: Own, now: Instant) {
        match own {
            Own::Help => typed::commands().for_each(|(usage, does)| {
                self.show(Kind::Answer, &format!("{usage:<14}  {does}"));
            }),
            Own::Topic => {
                let topic = self.rooms.current().and_then(|room| room.topic.as_ref());
                let topic = topic.map_or("no topic".into(), |topic| format!("topic: \"{topic}\""));
                self.show(Kind::Answer, &topic);
            }
            Own::Go(room) => {
                if !self.go(&Step::Named(room.clone())) {
                    let words = format!("you are not in {room}; /join {room} enters it");
                    self.refused(self.number, "not-in-room", &words);
                }
            }
            Own::Part(room) => self.part(line, room, now),
            Own::Reply(text) => self.reply(&text, now),
            Own::Ignore(None) => {
                let names = match self.ignored.all() {
                    names if names.is_empty() => "nobody".to_owned(),
                    names => names.join(", "),
                };
                self.show(Kind::Answer, &format!("ignored: {names}"));
            }
            Own::Ignore(Some(name)) => {
                if self.ignored.add(&name) {
                    self.effects
                        .push_back(Effect::KeepIgnored(self.ignored.all()));
                }
                let words = format!("nothing of {name} is shown; /unignore {name} ends that");
                self.show(Kind::Answer, &words);
            }
            Own::Unignore(name) => {
                if self.ignored.remove(&name) {
                    self.effects
                        .push_back(Effect::KeepIgnored(self.ignored.all()));
                }
                self.show(Kind::Answer, &format!("{name} is not ignored"));
            }
            Own::Quiet(is_quiet) => {
                self.is_quiet = is_quiet;
                let not = if is_quiet { "not " } else { "" };
                self.show(Kind::Answer, &format!("who comes and goes is {not}shown"));
            }
            Own::Clear => self.effects.push_back(Effect::ClearScreen),
        }
    }

    /// The user answers to whom it has spoken with alone last, if it can know who that is.
    fn reply(&mut self, text: &str, now: Instant) {
        let Some(to) = self.partner.clone() else {
            let words = "nobody has said anything to you alone";
            return self.refused(self.number, "nobody", words);
        };
        let is_to_another = |order: &Order| order.what() == "msg" && order.request["to"] != *to;
        let is_open = self.ledger.unheard().any(is_to_another);
        if std::mem::take(&mut self.is_partner_new) || is_open {
            let words = format!(
                "it was not sent: that is {to} now; /r again says it to {to}, /msg NAME TEXT to NAME"
            );
            return self.refused(self.number, "who-is-meant", &words);
        }
        let line = format!("/msg {to} {text}");
        self.ask(&line, json!({"do": "msg", "to": to, "text": text}), now);
    }

    /// The user leaves a room, but not the last one: it would then be nowhere.
    fn part(&mut self, line: &str, room: Option<String>, now: Instant) {
        let room = room.unwrap_or_else(|| self.target().to_owned());
        if self.rooms.get(&room).is_none() {
            let words = format!("you are not in {room}");
            return self.refused(self.number, "not-in-room", &words);
        }
        if self.rooms.all().len() == 1 {
            let words = "it is the only room you are in; /join another first, or /quit";
            return self.refused(self.number, "last-room", words);
        }
        self.ask(line, json!({"do": "part", "room": room}), now);
    }

    /// The user is in another room than before.
    pub(super) fn tell_room(&mut self) {
        let is_person = self.settings.manner.is_person();
        let Some(room) = self.rooms.current().filter(|_| is_person) else {
            return;
        };
        let topic = room.topic.as_ref();
        let topic = topic.map_or(String::new(), |topic| format!(": \"{topic}\""));
        let words = format!("now in {}{topic}", room.name);
        self.status(&words);
    }

    pub(super) fn ask(&mut self, line: &str, request: Value, now: Instant) {
        // `//text` is how the text `/text` is typed.
        let line = match request["do"].as_str() {
            Some("say") if request["action"] != true => request["text"].as_str().unwrap_or(line),
            _ => line,
        };
        self.ledger.push(self.number, line.to_owned(), request);
        if let Phase::Idle = self.phase {
            self.connect();
        }
        self.advance(now);
    }

    pub(super) fn leave_when_answered(&mut self, farewell: Value, now: Instant) {
        if self.settings.manner.is_person() {
            return self.leave(&farewell, 0, now);
        }
        self.farewell = Some(farewell);
        self.advance(now);
    }
}
