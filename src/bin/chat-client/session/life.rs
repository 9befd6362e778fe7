//! The life of the session's link: made, greeted, lost, come back to, given up. What is said on
//! it is in the siblings.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::gap::Gap;
use super::words::counted;
use super::{Code, Effect, End, Link, LinkEnd, Manner, OWN, Phase, Room, Session};
use crate::password::Password;

/// From our first line until we are where we wanted to be.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// Without any sign of life though something of ours should have been answered.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Nothing has been heard for so long: we ask whether the server is still there. The kernel asks only
/// whether its machine is, or what stands between.
const SILENCE: Duration = Duration::from_secs(60);
/// From our leave to the end of the link.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(1);
/// A link that has held for this long was a good one: waits start anew.
const GOOD_LINK: Duration = Duration::from_secs(30);
/// Characters of a name.
pub(super) const NAME_CHARACTERS_MAX: usize = 24;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Coming back: 1, 2, 4 … 30 s, each shortened at random by up to half, so that all the clients of
/// a server that was restarted do not come back in the same moment.
#[derive(Debug)]
pub(super) struct Away {
    next_wait: Duration,
    random: fastrand::Rng,
    /// When the link was lost, until there is one again.
    pub since: Option<Instant>,
    /// Why, as it was last said.
    why: String,
}

impl Away {
    pub fn new(random: fastrand::Rng) -> Self {
        let (next_wait, since, why) = (FIRST_WAIT, None, String::new());
        Away {
            next_wait,
            random,
            since,
            why,
        }
    }

    fn wait(&mut self) -> Duration {
        let whole = self.next_wait;
        self.next_wait = (whole * 2).min(LONGEST_WAIT);
        whole.mul_f64(1.0 - self.random.f64() / 2.0)
    }
}

impl Session {
    /// The connection is made.
    pub fn link_up(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Connecting) {
            return self.effects.push_back(Effect::HangUp);
        }
        self.link = Link::default();
        self.phase = Phase::Greeting { since: now };
        let name = self.identity.as_ref().map(|identity| &identity.name);
        match name.or(self.settings.name.as_ref()) {
            Some(name) if self.settings.manner != Manner::Poster => {
                let enter = self.enter(name);
                self.send(&enter, OWN);
            }
            // Without a name, or a room to enter, we only want to know whether a chat is there.
            _ => self.send(&json!({"do": "ping"}), OWN),
        }
    }

    fn enter(&self, name: &str) -> Value {
        let mut enter = json!({"do": "enter", "name": name});
        let rooms = self.rooms.all();
        if !self.settings.rooms.is_empty() || rooms.iter().any(Room::is_known) {
            enter["rooms"] = rooms.iter().map(|room| room.name.as_str()).collect();
        }
        for room in rooms {
            if let Some(last) = &room.last {
                enter["since"][&room.name] = last.as_str().into();
            }
        }
        if let Some(token) = self
            .identity
            .as_ref()
            .and_then(|identity| identity.resume.as_ref())
        {
            enter["resume"] = token.as_str().into();
        }
        let password = self.settings.password.iter();
        password.for_each(|password| password.join(&mut enter));
        enter
    }

    /// The connection did not come about or is gone.
    pub fn link_down(&mut self, how: LinkEnd, now: Instant) {
        match self.phase {
            Phase::Connecting | Phase::Greeting { .. } | Phase::Talking { .. } => {}
            Phase::Leaving { .. } => return self.finish_as_left(),
            _ => return,
        }
        let is_unreachable = matches!(how, LinkEnd::Unreachable(_));
        let server = &self.settings.server;
        let why = match how {
            LinkEnd::Closed => format!("{server} closed the connection"),
            LinkEnd::Broken(why) => format!("the connection to {server} is lost ({why})"),
            LinkEnd::Refused(why) => return self.finish(Code::Refused, &why),
            LinkEnd::Stranger { key, why } => return self.ask_for_trust(key, &why),
            LinkEnd::Foreign(why) if self.identity.is_none() => {
                return self.finish(Code::NotChat, &why);
            }
            LinkEnd::Foreign(why) | LinkEnd::Unreachable(why) => why,
        };
        if self.identity.is_some() {
            let why = self.link.cut.take().unwrap_or(why);
            self.lose(why, now);
        } else if !self.hear_unfinished_line() {
            self.never_up(&why, is_unreachable);
        }
    }

    /// When [`Session::tick`] has something to do, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        let crowds = self.rooms.all().iter().filter_map(|room| room.crowd.due());
        self.link_deadline().into_iter().chain(crowds).min()
    }

    fn link_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Greeting { since } => {
                Some(self.gap().map_or(since + GREETING_TIMEOUT, Gap::deadline))
            }
            Phase::Away { until } | Phase::Leaving { until } => Some(until),
            Phase::Talking { .. } => {
                let heard_at = self.link.heard_at?;
                Some(match self.waits_since() {
                    Some(since) => since.max(heard_at) + ANSWER_TIMEOUT,
                    None => heard_at + SILENCE,
                })
            }
            _ => None,
        }
    }

    /// Since when an answer of the server is waited for.
    fn waits_since(&self) -> Option<Instant> {
        self.ledger.waits_since().or(self.link.asked_at)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        self.tell_crowds(now);
        if self.link_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        let server = &self.settings.server;
        match self.phase {
            Phase::Greeting { .. } => {
                if self.gap().is_some() {
                    return self.go_on_paging(now);
                }
                let why = format!("{server} has not greeted us within 10 s");
                if self.identity.is_some() {
                    return self.lose(why, now);
                }
                self.finish(Code::NotChat, &format!("{why}; is it a chat server?"));
            }
            Phase::Talking { .. } if self.waits_since().is_none() => {
                self.send(&json!({"do": "ping"}), OWN);
                self.link.asked_at = Some(now);
            }
            Phase::Talking { .. } => self.lose(format!("{server} has not answered for 30 s"), now),
            Phase::Away { .. } => self.connect(),
            Phase::Leaving { .. } => self.finish_as_left(),
            _ => {}
        }
    }

    pub(super) fn connect(&mut self) {
        self.phase = Phase::Connecting;
        self.effects.push_back(Effect::Connect);
    }

    /// The user was asked for a name, and says this.
    pub(super) fn take_name(&mut self, said: &str, offer: Option<String>, now: Instant) {
        match said {
            "" if offer.is_none() => {}
            "exit" | "end" | "/quit" => self.end_of_input(now),
            _ if said.starts_with('/') => self.status(
                "this is to be your name: letters, digits, - and _, up to 24 of them; \
                 commands come once you have one; Ctrl-D leaves",
            ),
            _ => {
                self.settings.name = Some(said.to_owned())
                    .filter(|said| !said.is_empty())
                    .or(offer);
                self.connect();
            }
        }
    }

    /// The user is to say a name.
    pub(super) fn ask_for_name(&mut self) {
        let server = &self.settings.server;
        let words = format!("chat on {server}: type your name and press Enter");
        self.ask_for_name_with(&words, None);
    }

    /// The user is to say another name than this one, which is taken.
    pub(super) fn ask_for_another_name(&mut self, taken: &str) {
        let start: String = taken.chars().take(NAME_CHARACTERS_MAX - 1).collect();
        let offer = format!("{start}_");
        let words = format!("type another name and press Enter; Enter alone takes {offer}");
        self.ask_for_name_with(&words, Some(offer));
    }

    fn ask_for_name_with(&mut self, words: &str, offer: Option<String>) {
        self.effects.push_back(Effect::HangUp);
        self.settings.name = None;
        self.phase = Phase::Naming { offer };
        self.status(words);
    }

    /// The server wants a password, and none is known, or it was wrong.
    pub(super) fn ask_for_password(&mut self) {
        let server = self.settings.server.clone();
        self.settings.password = None;
        if !self.settings.manner.is_person() {
            let advice = "give it with --password-file or in CHAT_PASSWORD";
            return self.finish(Code::Refused, &format!("{server} has a password: {advice}"));
        }
        self.effects.push_back(Effect::HangUp);
        self.phase = Phase::Unlocking;
        self.status(&format!(
            "{server} has a password: type it and press Enter; it is not shown"
        ));
    }

    /// The user has said the password.
    pub(super) fn choose_password(&mut self, password: &str) {
        self.settings.password = Password::of(password);
        self.connect();
    }

    /// Only the user can know whether this key is the server's: a person is asked. Without a link,
    /// since servers do not wait so long.
    fn ask_for_trust(&mut self, key: String, why: &str) {
        let server = self.settings.server.clone();
        if !self.settings.manner.is_person() {
            let advice = format!("its key is {key}; if that is right, say so with --tls-pin");
            let why = format!("{server} is not trusted: {why}; {advice}");
            return self.finish(Code::Refused, &why);
        }
        self.status(&format!("{server}: {why}; it has the key"));
        self.status(&key);
        self.status("is that the right one, for now and later? yes or no");
        self.phase = Phase::Trusting { key };
    }

    /// The user has said whether this is the server's key.
    pub(super) fn answer_trust(&mut self, answer: &str, key: String) {
        match answer.to_lowercase().as_str() {
            "y" | "yes" => {
                self.effects.push_back(Effect::Trust(key));
                self.connect();
            }
            "n" | "no" => {
                let why = format!("the key of {} is not trusted", self.settings.server);
                self.finish(Code::Refused, &why);
            }
            _ => self.status("yes or no?"),
        }
    }

    /// The greeting is over.
    pub(super) fn talk(&mut self, now: Instant) {
        if let Phase::Greeting { since } = self.phase {
            self.round_trip = Some(now.saturating_duration_since(since));
        }
        self.phase = Phase::Talking { since: now };
        let unentered = self.rooms.all().iter().filter(|room| !room.is_entered);
        let unentered: Vec<String> = unentered.map(|room| room.name.clone()).collect();
        for room in unentered {
            self.drop_room(&room);
        }
        let doubts = self.ledger.take_doubts();
        self.give_up(doubts);
        let is_back = self.away.since.take().is_some();
        let (name, here) = (self.own_name(), self.here());
        if is_back {
            let again = match self.ledger.len() as u64 {
                0 => String::new(),
                count => format!("; sending {} that waited", counted(count, "line")),
            };
            self.status(&format!("back in {here} as {name}{again}"));
        } else if self.settings.manner.is_person() {
            self.status(&format!(
                "you are {name} in {here}; /help lists commands, Ctrl-D leaves"
            ));
        }
        self.away.why.clear();
        self.advance(now);
    }

    /// The link is of no more use: comes back later, or ends.
    pub(super) fn lose(&mut self, why: String, now: Instant) {
        self.effects.push_back(Effect::HangUp);
        self.away.since.get_or_insert(now);
        if let Phase::Talking { since } = self.phase
            && now.saturating_duration_since(since) >= GOOD_LINK
        {
            self.away.next_wait = FIRST_WAIT;
        }
        for room in self.rooms.all_mut() {
            // It comes again, behind what has been shown.
            room.replay = None;
            room.is_entered = false;
            room.crowd.start_anew();
        }
        let given_up = self.ledger.lose();
        if !self.settings.comes_back {
            self.give_up(given_up);
            return self.finish(Code::Lost, &why);
        }
        let wait = self.away.wait();
        self.phase = Phase::Away { until: now + wait };
        // At a seat the time left is seen all the while, so only what is new is said.
        if self.settings.manner != Manner::Seat {
            self.status(&format!(
                "{why}; trying again in {:.1} s",
                wait.as_secs_f64()
            ));
        } else if self.away.why != why {
            self.status(&format!("{why}; Enter tries again at once"));
        }
        self.away.why = why;
        self.give_up(given_up);
        if self.settings.manner == Manner::Poster && self.ledger.len() == 0 {
            self.away.since = None;
            self.phase = Phase::Idle;
            self.advance(now);
        }
    }

    pub(super) fn leave(&mut self, farewell: &Value, untaken: usize, now: Instant) {
        if matches!(self.phase, Phase::Leaving { .. } | Phase::Ended(_)) {
            return;
        }
        let unanswered = self.ledger.unheard().count() as u64;
        let unsaid = unanswered + untaken as u64;
        if unsaid > 0 && self.settings.manner.is_person() {
            self.status(&format!("{} not answered", counted(unsaid, "line")));
        } else if unsaid > 0 {
            let perhaps = if unanswered > 0 { "perhaps " } else { "" };
            let lines = counted(unsaid, "line");
            self.status(&format!("{lines} {perhaps}not delivered"));
            if self.verdict == Code::Left {
                self.verdict = Code::Lost;
            }
        }
        match self.phase {
            Phase::Talking { .. } | Phase::Greeting { .. } => {
                self.send(farewell, OWN);
                let until = now + LEAVING_TIMEOUT;
                self.phase = Phase::Leaving { until };
            }
            _ => self.finish_as_left(),
        }
    }

    fn finish_as_left(&mut self) {
        self.effects.push_back(Effect::HangUp);
        let (code, words) = (self.verdict, None);
        self.phase = Phase::Ended(End { code, words });
    }

    pub(super) fn finish(&mut self, code: Code, why: &str) {
        self.effects.push_back(Effect::HangUp);
        self.phase = Phase::Ended(End::because(code, why));
    }

    /// The end of a link that never was one.
    fn never_up(&mut self, why: &str, is_unreachable: bool) {
        let here = ["127.", "localhost:", "[::1]:"];
        let is_here = here
            .iter()
            .any(|here| self.settings.server.starts_with(here));
        let advice = match is_unreachable {
            true if is_here => " To start a server here, type: chatd",
            true => "",
            false => " before it greeted us",
        };
        self.finish(Code::CannotConnect, &format!("{why}{advice}"));
    }
}
