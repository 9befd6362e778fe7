//! A program that speaks JSON through us: what the server says it reads as it is, and what it says the
//! server gets, with a `ref` of ours, so that all of it is answered, over lost links too. No line is
//! shown to it otherwise.

use std::borrow::Cow;
use std::time::Instant;

use chatd::dialect::cleaning::clean_string;
use serde_json::Value;

use super::{Effect, Manner, OWN, Session};
use crate::wire::Event;

impl Session {
    /// A line of the program.
    pub(super) fn say_json(&mut self, line: &str, now: Instant) {
        match serde_json::from_str::<Value>(line) {
            Ok(request) if request["do"] == "quit" => self.leave_when_answered(request, now),
            Ok(mut request) if request.is_object() => {
                // As the server will give it back: by that it is known again.
                if let Some(text) = request["text"].as_str() {
                    let text = clean_string(Cow::Borrowed(text.as_bytes())).into_owned();
                    request["text"] = text.into();
                }
                self.ask(line, request, now);
            }
            _ => self.refused(self.number, "bad-json", "it is no JSON object"),
        }
    }

    /// A line of the server, for the program to read.
    pub(super) fn pass_on(&mut self, line: &[u8], event: &Event) {
        let is_ours = event.is == "pong" && event.r#ref.as_deref() == Some(OWN);
        if self.settings.manner != Manner::Json || is_ours {
            return;
        }
        let room = event.room.as_ref().and_then(|room| self.rooms.get(room));
        let replay = room.and_then(|room| room.replay.as_ref());
        let is_continued = replay.is_some_and(|replay| replay.is_continued);
        if event.past && !is_continued && self.settings.is_without_history {
            return;
        }
        let text = String::from_utf8_lossy(line);
        let number = event.r#ref.as_ref().and_then(|number| number.parse().ok());
        let request = number.and_then(|number| self.ledger.request(number));
        let told = request
            .map(|request| &request["ref"])
            .filter(|told| !told.is_null());
        let text = match (&event.r#ref, told) {
            // In a text it would stand with other quotes.
            (Some(ours), Some(told)) => {
                let ours = format!("\"ref\":\"{ours}\"");
                text.replacen(&ours, &format!("\"ref\":{told}"), 1)
            }
            _ => text.into_owned(),
        };
        self.effects.push_back(Effect::Line(text));
    }
}
