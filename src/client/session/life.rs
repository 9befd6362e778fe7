//! The life of the session's link: made, greeted, lost, come back to, given up. What is said on
//! it is in the siblings.

use std::time::{Duration, Instant};

use super::{
    Effect, Hearing, LinkEnd, Manner, Phase, SERVER_LINE_BYTES_MAX, Session, Stage, WhenLost,
};
use crate::clean::Clean;
use crate::client::end::End;
use crate::dialect::line::{LineBuffer, Piece};

/// From our name to the end of the greeting.
pub(super) const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// A link that has held for this long was a good one: waits start anew.
const GOOD_LINK: Duration = Duration::from_secs(30);

impl Session {
    /// The connection is made.
    pub fn link_up(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Connecting) {
            return self.effects.push_back(Effect::HangUp);
        }
        self.lines = LineBuffer::default();
        self.hearing = Hearing::Live;
        self.cut = None;
        let hello = self.hello();
        self.effects.push_back(Effect::Send(hello));
        let (stage, until) = (Stage::Naming, now + GREETING_TIMEOUT);
        self.phase = Phase::Greeting { stage, until };
    }

    /// The connection did not come about or is gone.
    pub fn link_down(&mut self, how: LinkEnd, now: Instant) {
        match self.phase {
            Phase::Connecting | Phase::Greeting { .. } if self.identity.is_none() => {
                let end = self.never_up(how);
                self.finish(end);
            }
            Phase::Connecting | Phase::Greeting { .. } | Phase::Talking { .. } => {
                let why = self.cut.take().unwrap_or_else(|| self.loss(how));
                self.lose(why, now);
            }
            Phase::Leaving { .. } => self.finish_as_left(),
            Phase::New | Phase::Away { .. } | Phase::Ended(_) => {}
        }
    }

    pub(super) fn connect(&mut self) {
        self.phase = Phase::Connecting;
        self.effects.push_back(Effect::Connect);
    }

    /// All we say before the server has answered, in one piece. `/echo on` is last because its
    /// answer is then the end of the greeting.
    fn hello(&self) -> Vec<u8> {
        let identity = self.identity.as_ref();
        let name = identity.map_or(&self.settings.name, |identity| &identity.name);
        let join = match &self.settings.room {
            Some(room) => format!("/join {room}\n"),
            None => String::new(),
        };
        format!("{name}\n{join}/echo on\n").into_bytes()
    }

    /// The link is of no more use: comes back later, or ends.
    pub(super) fn lose(&mut self, why: Clean, now: Instant) {
        self.effects.push_back(Effect::HangUp);
        self.lost_at.get_or_insert(now);
        if let Phase::Talking { since } = self.phase
            && now.saturating_duration_since(since) >= GOOD_LINK
        {
            self.backoff.reset();
        }
        let lost = self.ledger.lose();
        self.doubtful += lost.len();
        for line in lost.into_iter().rev() {
            self.waiting.push_front(line);
        }
        if self.settings.when_lost == WhenLost::GiveUp {
            return self.finish(End::LinkLost(why));
        }
        let wait = self.backoff.wait();
        self.say_lost(why, wait);
        self.phase = Phase::Away { until: now + wait };
    }

    /// At the seat the time left is seen all the while, so only what is new is said.
    fn say_lost(&mut self, why: Clean, wait: Duration) {
        if self.settings.manner != Manner::Seat {
            let seconds = wait.as_secs_f64();
            self.status(&format!("{why}; trying again in {seconds:.1} s"));
        } else if self.lost_why.as_ref() != Some(&why) {
            self.status(why.as_str());
        }
        self.lost_why = Some(why);
    }

    fn loss(&self, how: LinkEnd) -> Clean {
        let server = &self.settings.server;
        match how {
            LinkEnd::Unreachable(why) => why,
            LinkEnd::Closed => Clean::of(&format!("{server} closed the connection")),
            LinkEnd::Broken(why) => {
                Clean::of(&format!("the connection to {server} is lost ({why})"))
            }
        }
    }

    /// The end of a link that never was one.
    fn never_up(&mut self, how: LinkEnd) -> End {
        if let Some(Piece::Line(rest)) = self.lines.finish(SERVER_LINE_BYTES_MAX) {
            let rest = String::from_utf8_lossy(rest).into_owned();
            return self.not_chat_end(&rest);
        }
        match how {
            LinkEnd::Unreachable(why) if is_here(&self.settings.server) => {
                let why = format!("{why} To start a server here, type: chatd");
                End::CannotConnect(Clean::of(&why))
            }
            LinkEnd::Unreachable(why) => End::CannotConnect(why),
            LinkEnd::Closed | LinkEnd::Broken(_) => {
                let why = self.loss(how);
                End::CannotConnect(Clean::of(&format!("{why} before it greeted us")))
            }
        }
    }

    pub(super) fn greeting_timed_out(&mut self, now: Instant) {
        let (server, seconds) = (&self.settings.server, GREETING_TIMEOUT.as_secs());
        let why = format!("{server} has not greeted us within {seconds} s");
        if self.identity.is_some() {
            return self.lose(Clean::of(&why), now);
        }
        let why = format!("{why}; is it a chat server?");
        self.finish(End::NotChat(Clean::of(&why)));
    }
}

/// Whether the server is on this machine.
fn is_here(server: &str) -> bool {
    ["127.", "localhost:", "[::1]:"]
        .iter()
        .any(|here| server.starts_with(here))
}
