//! `Session`: one user's conversation with a server, sans-IO. Bytes of the server, lines of the
//! user, the fate of links and `now` go in; [`Effect`]s come out, in order. No socket, no thread,
//! no clock: `run` does what the effects say. Here is its state; what the user does is in
//! `session/user.rs`, the life of its link in `session/life.rs`, what the server's lines mean in
//! `session/hear.rs` and `session/answers.rs`, how what was missed is made up for in
//! `session/gap.rs`.

mod answers;
mod crowd;
mod gap;
mod hear;
mod ignored;
mod life;
mod programs;
mod room;
mod rooms;
#[cfg(test)]
mod tests;
mod types;
mod user;
mod words;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ledger::{Ledger, Order};
use crate::lines::{Kind, Shown};
use crate::wire::{self, LineBuffer};
use ignored::Ignored;
use life::Away;
pub use room::Room;
pub use rooms::{Rooms, Step};
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
    /// Whether the name is ours on it.
    is_welcome: bool,
    /// Messages to ask for in a page of the past, where the server keeps it on disk.
    page_messages: Option<usize>,
    /// Whether a page has been asked for.
    has_paged: bool,
    /// The room of which pages are asked for now.
    paging: Option<String>,
    /// Rooms that this server does not let us into.
    rooms_refused: usize,
    heard_at: Option<Instant>,
    /// When it was asked whether it is still there, if nothing has been heard since.
    asked_at: Option<Instant>,
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
/// side that it comes from. Its fields are what outlives a link, and the link.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    phase: Phase,
    link: Link,
    away: Away,
    identity: Option<Identity>,
    rooms: Rooms,
    ledger: Ledger,
    /// The user has no more to say: when everything is answered, we leave with this request.
    farewell: Option<Value>,
    /// Of the last line of input.
    number: u64,
    /// How it ends if it ends well.
    verdict: Code,
    round_trip: Option<Duration>,
    ignored: Ignored,
    /// Who comes and goes is not to be told.
    is_quiet: bool,
    /// With whom the user has spoken alone last.
    partner: Option<String>,
    /// That was somebody else when the user said its last line.
    is_partner_new: bool,
    /// Rooms of the server, as they were last listed.
    listed: Vec<String>,
    /// Who has changed its name last, and how.
    renamed: Option<(String, String)>,
    effects: VecDeque<Effect>,
}

impl Session {
    /// A session that has done nothing yet. `random` spreads the tries to come back.
    pub fn new(settings: Settings, random: fastrand::Rng) -> Self {
        let first = [FIRST_ROOM.to_owned()];
        let rooms = match settings.rooms.as_slice() {
            [] => Rooms::wanted(&first),
            rooms => Rooms::wanted(rooms),
        };
        let ignored = Ignored::of(&settings.ignored);
        let is_quiet = settings.is_quiet;
        Session {
            settings,
            phase: Phase::Idle,
            link: Link::default(),
            away: Away::new(random),
            identity: None,
            rooms,
            ledger: Ledger::default(),
            farewell: None,
            number: 0,
            verdict: Code::Left,
            round_trip: None,
            ignored,
            is_quiet,
            partner: None,
            is_partner_new: false,
            listed: Vec::new(),
            renamed: None,
            effects: VecDeque::new(),
        }
    }

    /// One without a link of its own: how somebody stands who sits at this place, which is no room.
    pub fn without_link(settings: Settings, place: &str, now: Instant) -> Self {
        let mut session = Session::new(settings, fastrand::Rng::new());
        session.phase = Phase::Talking { since: now };
        session.rooms.add(place, place);
        session
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
            rooms: &self.rooms,
            phase: &self.phase,
            is_lost: self.away.since.is_some(),
            round_trip: self.round_trip,
        }
    }

    /// The rooms that it is in or comes back to.
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// Rooms of the server that are known and not entered.
    pub fn listed(&self) -> &[String] {
        &self.listed
    }

    /// Whether a line of the user would be taken now.
    pub fn wants_line(&self) -> bool {
        let has_room = self.ledger.len() < UNANSWERED_LINES_MAX;
        self.farewell.is_none() && (has_room || self.is_asking())
    }

    /// What the user asked for and of which nothing has been heard, oldest first: as it was typed, and
    /// the room for which it is, if that is not the one in which the user is.
    pub fn unheard(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        self.ledger.unheard().map(|order| {
            let room = order.room().filter(|room| !self.rooms.is_current(room));
            (room, order.line.as_str())
        })
    }

    /// With whom the user has spoken alone last.
    pub fn partner(&self) -> Option<&str> {
        self.partner.as_deref()
    }

    /// Whether the user is asked something, which the next line answers.
    fn is_asking(&self) -> bool {
        matches!(
            self.phase,
            Phase::Naming { .. } | Phase::Unlocking | Phase::Trusting { .. }
        )
    }

    /// The room for which the user types.
    fn target(&self) -> &str {
        self.rooms.target().unwrap_or(FIRST_ROOM)
    }

    /// The rooms in which we are, for the user to read.
    fn here(&self) -> String {
        let names = self.rooms.all().iter().map(|room| room.name.as_str());
        names.collect::<Vec<&str>>().join(", ")
    }

    fn own_name(&self) -> &str {
        self.identity.as_ref().map_or("", |identity| &identity.name)
    }

    /// Sends what may be sent, and leaves when the input is at its end and all of it is answered.
    fn advance(&mut self, now: Instant) {
        let name = self.own_name().to_owned();
        let password = self.settings.password.clone();
        while let Phase::Talking { .. } = self.phase
            && let Some(order) = self.ledger.next_to_send(now)
        {
            let mut request = order.request.clone();
            if order.what() == "post" {
                request["name"] = name.as_str().into();
                password
                    .iter()
                    .for_each(|password| password.join(&mut request));
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
        if self.settings.manner == Manner::Json && shown.kind != Kind::Status {
            return;
        }
        self.effects.push_back(Effect::Show(shown));
    }

    /// Shows something about a room.
    fn show_in(&mut self, room: &str, kind: Kind, text: &str) {
        let shown = Shown::of(kind, text);
        let room = self.elsewhere(room);
        self.show_event(Shown { room, ..shown });
    }

    /// The room, if it is not the one in which the user is: lines from there carry it.
    fn elsewhere(&self, room: &str) -> Option<String> {
        (!self.rooms.is_current(room)).then(|| room.to_owned())
    }

    fn status(&mut self, words: &str) {
        self.show(Kind::Status, words);
    }
}
