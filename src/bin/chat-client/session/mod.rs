//! `Session`: one user's conversation with a server, sans-IO. Bytes of the server, lines of the
//! user, the fate of links and `now` go in; [`Effect`]s come out, in order. No socket, no thread,
//! no clock: `run` does what the effects say. Here are its state and what the user does; the life
//! of its link is in `session/life.rs`, what the server's lines mean in `session/hear.rs`, how what
//! was missed is made up for in `session/gap.rs`.

mod gap;
mod hear;
mod life;
mod room;
#[cfg(test)]
mod tests;
mod types;
mod words;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::ledger::{Ledger, Order};
use crate::lines::{Kind, Shown};
use crate::typed::{self, Typed};
use crate::wire::{self, LineBuffer};
use life::Away;
pub use room::Room;
pub use types::{Code, Effect, End, LinkEnd, Manner, Phase, Settings, Standing};
use words::with_code;

/// Lines of the user that wait to be sent or answered; then no more are taken from it.
const UNANSWERED_LINES_MAX: usize = 128;
/// The room of newcomers, where the user has named none.
const FIRST_ROOM: &str = "lobby";
/// The `ref` of what the session itself asks; those of the user's lines are numbers.
const OWN: &str = "client";

/// What is known of the link that is up.
#[derive(Debug, Default)]
struct Link {
    lines: LineBuffer,
    /// Whether the server has said `hello` on it.
    is_greeted: bool,
    /// Messages to ask for in a page of the past, where the server keeps it on disk.
    page_messages: Option<usize>,
    /// Whether a page has been asked for.
    has_paged: bool,
    heard_at: Option<Instant>,
    /// Why the server is about to close it, if it said so.
    cut: Option<String>,
}

/// Who we are, as the server said. From the first time on there is a link to come back to.
#[derive(Debug)]
struct Identity {
    name: String,
    resume: Option<String>,
}

/// See the file. It has a method for each thing that can happen to a seat (a key, a line, a lost
/// link), since each of them depends on all that happened before; they lie in one file for each
/// side that it comes from.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    phase: Phase,
    link: Link,
    away: Away,
    identity: Option<Identity>,
    room: Option<Room>,
    ledger: Ledger,
    /// The user has no more to say: when everything is answered, we leave with this request.
    farewell: Option<Value>,
    /// Of the last line of input.
    number: u64,
    /// How it ends if it ends well.
    verdict: Code,
    round_trip: Option<Duration>,
    effects: VecDeque<Effect>,
}

impl Session {
    /// A session that has done nothing yet. `random` spreads the tries to come back.
    pub fn new(settings: Settings, random: fastrand::Rng) -> Self {
        Session {
            settings,
            phase: Phase::Idle,
            link: Link::default(),
            away: Away::new(random),
            identity: None,
            room: None,
            ledger: Ledger::default(),
            farewell: None,
            number: 0,
            verdict: Code::Left,
            round_trip: None,
            effects: VecDeque::new(),
        }
    }

    /// Begins: asks for a connection. A poster does when it has something to say.
    pub fn start(&mut self) {
        if self.settings.manner != Manner::Poster {
            self.connect();
        }
    }

    /// The next thing to do.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// How it ended, once it has.
    pub fn end(&self) -> Option<&End> {
        match &self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// How it stands.
    pub fn standing(&self) -> Standing<'_> {
        Standing {
            room: self.room.as_ref().map(|room| room.name.as_str()),
            phase: &self.phase,
            is_lost: self.away.since.is_some(),
            round_trip: self.round_trip,
        }
    }

    /// The room, once it is entered.
    pub fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// Whether a line of the user would be taken now.
    pub fn wants_line(&self) -> bool {
        let has_room = self.ledger.len() < UNANSWERED_LINES_MAX;
        self.farewell.is_none() && (has_room || self.is_asking())
    }

    /// A line that the user typed, or of a pipe; without its ending.
    pub fn say_line(&mut self, line: &str, now: Instant) {
        let is_text = matches!(self.settings.manner, Manner::Pipe | Manner::Poster);
        if is_text || line.trim().is_empty() || self.is_asking() {
            return self.say_text(line, now);
        }
        self.number += 1;
        if matches!(line.trim_end(), "exit" | "end") {
            return self.end_of_input(now);
        }
        match typed::read(line, self.target()) {
            Ok(Typed::Ask(request)) => self.ask(line, request, now),
            Ok(Typed::Quit(farewell)) => self.leave_when_answered(farewell, now),
            Ok(Typed::Help) => typed::commands().for_each(|(usage, does)| {
                self.show(Kind::Answer, &format!("{usage}  {does}"));
            }),
            Ok(Typed::Topic) => {
                let topic = self.room.as_ref().and_then(|room| room.topic.as_ref());
                let topic = topic.map_or("no topic".into(), |topic| format!("topic: \"{topic}\""));
                self.show(Kind::Answer, &topic);
            }
            Err((code, words)) => self.refused(self.number, code, &words),
        }
    }

    /// A text of the user to say as it is, though it may look like a command; or what the user is
    /// asked for.
    pub fn say_text(&mut self, text: &str, now: Instant) {
        self.number += 1;
        if text.trim().is_empty() {
            return;
        }
        match &self.phase {
            Phase::Naming => return self.choose_name(text.trim()),
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

    /// The user typed a line of which only this can be said: that it is too long.
    pub fn say_endless_line(&mut self) {
        self.number += 1;
        self.refused(self.number, "line-too-long", "it was not sent");
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

    /// What the user asked for and of which nothing has been heard, oldest first.
    pub fn unheard(&self) -> impl Iterator<Item = &str> {
        self.ledger.unheard()
    }

    /// Whether the user is asked something, which the next line answers.
    fn is_asking(&self) -> bool {
        matches!(
            self.phase,
            Phase::Naming | Phase::Unlocking | Phase::Trusting { .. }
        )
    }

    /// The room for which the user types.
    fn target(&self) -> &str {
        match self.ledger.joining() {
            Some((room, _)) => room,
            None => self.here(),
        }
    }

    /// The room in which we are, or will be.
    fn here(&self) -> &str {
        let known = self.room.as_ref().map(|room| room.name.as_str());
        known
            .or(self.settings.room.as_deref())
            .unwrap_or(FIRST_ROOM)
    }

    fn own_name(&self) -> &str {
        self.identity.as_ref().map_or("", |identity| &identity.name)
    }

    fn ask(&mut self, line: &str, request: Value, now: Instant) {
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

    /// Sends what may be sent, and leaves when the input is at its end and all of it is answered.
    fn advance(&mut self, now: Instant) {
        let name = self.own_name().to_owned();
        while let Phase::Talking { .. } = self.phase
            && let Some(order) = self.ledger.next_to_send(now)
        {
            let mut request = order.request.clone();
            if order.what() == "post" {
                request["name"] = name.as_str().into();
                self.add_password(&mut request);
            }
            let (line, number) = (order.line.clone(), order.number);
            let is_shown = order.what() != "say" && self.settings.manner == Manner::Seat;
            self.send(&request, &number.to_string());
            if is_shown {
                self.show(Kind::Asked, &line);
            }
        }
        let is_settled = matches!(self.phase, Phase::Talking { .. } | Phase::Idle);
        if self.ledger.len() > 0 || !is_settled {
            return;
        }
        if let Some(farewell) = self.farewell.clone() {
            self.leave(&farewell, 0, now);
        } else if self.settings.manner == Manner::Poster {
            // A link without a name is not kept by servers.
            self.effects.push_back(Effect::HangUp);
            self.phase = Phase::Idle;
        }
    }

    fn leave_when_answered(&mut self, farewell: Value, now: Instant) {
        if self.settings.manner.is_person() {
            return self.leave(&farewell, 0, now);
        }
        self.farewell = Some(farewell);
        self.advance(now);
    }

    /// A line of the user was refused, by the server or by us.
    fn refused(&mut self, number: u64, code: &str, words: &str) {
        if self.settings.manner.is_person() {
            return self.show(Kind::Refusal, &format!("{code} {words}"));
        }
        self.verdict = Code::Refused;
        self.status(&format!(
            "line {number} is refused: {}",
            with_code(code, words)
        ));
    }

    /// Of these nobody knows whether they were done, so they are not done again.
    fn give_up(&mut self, orders: Vec<Order>) {
        for Order { number, line, .. } in orders {
            if self.settings.manner.is_person() {
                self.status(&format!("perhaps sent, not sent again: {line}"));
                continue;
            }
            self.status(&format!(
                "line {number} is perhaps sent, not sent again: {line}"
            ));
            if self.verdict == Code::Left {
                self.verdict = Code::Lost;
            }
        }
    }

    fn send(&mut self, request: &Value, reference: &str) {
        let line = wire::line(request, reference);
        self.effects.push_back(Effect::Send(line));
    }

    fn show(&mut self, kind: Kind, text: &str) {
        self.show_event(Shown::of(kind, text));
    }

    fn show_event(&mut self, shown: Shown) {
        self.effects.push_back(Effect::Show(shown));
    }

    fn status(&mut self, words: &str) {
        self.show(Kind::Status, words);
    }
}
