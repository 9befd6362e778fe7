//! One connection as the shadow sees it: the lines it has sent, its rate, how far it has come, who
//! it is. Owned by the world.

use std::rc::Rc;
use std::time::Duration;

use chatd::chat::MemberId;
use chatd::config::Limits;
use chatd::session::CloseReason;
use chatd::time::Time;

use super::ends::is_last_json;
use super::input::Input;
use super::pacing::Lag;
use super::sniff::Language;
use super::stream::Stream;

/// How far a connection has come.
#[derive(Debug)]
pub(crate) enum State {
    Naming {
        prompted: bool,
    },
    Chatting(Member),
    Ended {
        reason: CloseReason,
        at: Time,
        turn: u64,
    },
}

/// Who somebody is and where.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: Rc<str>,
    /// Its number, once a fact has shown it.
    pub(crate) id: Option<MemberId>,
    /// The keys of its rooms, in the order in which it came.
    pub(crate) rooms: Vec<Rc<str>>,
    pub(crate) echo: bool,
    /// By which it comes back, if it is a program.
    pub(crate) token: Option<Rc<str>>,
    /// By which it came back, and when, as long as nobody knows whether it was told the other.
    pub(crate) token_before: Option<(Rc<str>, Time)>,
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) state: State,
    pub(crate) connected_at: Time,
    /// When it last said something, without a name or with one.
    pub(crate) active_at: Time,
    /// It has posted without a name, and may go on so.
    pub(crate) has_posted: bool,
    pub(crate) left_as: Option<Rc<str>>,
    pub(crate) input: Input,
    pub(crate) greeted: bool,
    pub(crate) bytes_in: u64,
    pub(crate) lines_in: u64,
    pub(crate) throttle: Throttle,
    pub(crate) stream: Stream,
    pub(crate) lag: Lag,
    /// Lines that were handled in this turn and are not explained yet.
    pub(crate) budget: u64,
    /// It waits to take somebody's place.
    pub(crate) waits: bool,
    /// Its connection is gone; what it had sent is still said, until then, and then it leaves for
    /// this reason.
    pub(crate) gone: Option<(CloseReason, Time)>,
    /// Its lines were handled for the sake of somebody who then did not take its place: it learns
    /// that nothing holds it back when that would have been over.
    pub(crate) survived: bool,
    // What the socket's side knows.
    /// It was cut as too slow in this turn.
    pub(crate) was_cut: bool,
    /// Why it ended, if it was closed in this turn.
    pub(crate) fate: Option<CloseReason>,
    /// The kernel has said that the connection is broken.
    pub(crate) failed: bool,
    /// Since when it was owed its oldest byte when the turn began, and how many.
    pub(crate) oldest: Option<Time>,
    pub(crate) owed_bytes: usize,
}

impl Peer {
    pub(crate) fn new(now: Time, limits: &Limits, has_web: bool) -> Peer {
        Peer {
            state: State::Naming { prompted: false },
            connected_at: now,
            active_at: now,
            has_posted: false,
            left_as: None,
            input: Input::new(limits.line_bytes_max, has_web),
            greeted: false,
            bytes_in: 0,
            lines_in: 0,
            throttle: Throttle::new(limits),
            stream: Stream::default(),
            lag: Lag::default(),
            budget: 0,
            waits: false,
            gone: None,
            survived: false,
            was_cut: false,
            fate: None,
            failed: false,
            oldest: None,
            owed_bytes: 0,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }

    pub(crate) fn member(&self) -> Option<&Member> {
        match &self.state {
            State::Chatting(member) => Some(member),
            _ => None,
        }
    }

    /// By which somebody may prove to be it.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        let member = self.member().into_iter();
        member.flat_map(|member| {
            let before = member.token_before.iter().map(|(token, _)| &**token);
            member.token.as_deref().into_iter().chain(before)
        })
    }

    pub(crate) fn lag_and_rooms(&mut self) -> Option<(&mut Lag, &[Rc<str>])> {
        match &self.state {
            State::Chatting(member) => Some((&mut self.lag, &member.rooms)),
            _ => None,
        }
    }

    pub(crate) fn member_mut(&mut self) -> Option<&mut Member> {
        match &mut self.state {
            State::Chatting(member) => Some(member),
            _ => None,
        }
    }

    /// Whether somebody has taken its place in this turn.
    pub(crate) fn was_replaced(&self) -> bool {
        let last = self.stream.observed.last();
        self.fate == Some(CloseReason::Replaced)
            || last.is_some_and(|line| is_last_json(line, "replaced"))
    }

    /// What it is told in; text as long as nobody knows.
    pub(crate) fn language(&self) -> Language {
        self.input.language.unwrap_or(Language::Text)
    }
}

/// What the rates allow one connection.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    lines: Bucket,
    bytes: Bucket,
    pub(crate) warned: Warned,
}

/// Whether a connection was told that it is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warned {
    No,
    Yes,
    /// It took the place of one of which nobody saw what it was told.
    Unknown,
}

impl Throttle {
    pub(crate) fn new(limits: &Limits) -> Throttle {
        let bytes = match limits.rate_lines_per_second {
            0 => 0,
            _ => limits.byte_rate_bytes_per_second,
        };
        Throttle {
            lines: Bucket::new(limits.rate_lines_per_second, limits.burst_lines_max),
            bytes: Bucket::new(bytes as u32, limits.byte_burst_bytes_max as u32),
            warned: Warned::No,
        }
    }

    pub(crate) fn allows(&mut self, now: Time) -> bool {
        self.lines.allows(now) && self.bytes.allows(now)
    }

    /// How long it takes until what was said is forgotten.
    pub(crate) fn debt(&mut self, now: Time) -> Duration {
        self.bytes.refill(now);
        Duration::from_nanos((self.bytes.full - self.bytes.credit) as u64)
    }

    pub(crate) fn take_line(&mut self, now: Time) {
        if self.lines.is_full(now) && self.bytes.is_full(now) {
            self.warned = Warned::No;
        }
        self.lines.take(now, 1);
    }

    pub(crate) fn take_bytes(&mut self, now: Time, count: usize) {
        self.bytes.take(now, count as i64);
    }
}

/// A bucket of tokens, counted in nanoseconds of credit. One that costs nothing is no limit.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    credit: i64,
    full: i64,
    cost: i64,
    at: Time,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, burst: u32) -> Bucket {
        let cost = 1_000_000_000i64.checked_div(per_second.into()).unwrap_or(0);
        let full = cost * i64::from(burst);
        Bucket {
            credit: full,
            full,
            cost,
            at: Time::START,
        }
    }

    fn refill(&mut self, now: Time) {
        let passed = now.since(self.at).as_nanos() as i64;
        self.credit = self.full.min(self.credit.saturating_add(passed));
        self.at = now;
    }

    pub(crate) fn allows(&mut self, now: Time) -> bool {
        self.refill(now);
        self.cost == 0 || self.credit >= self.cost
    }

    fn is_full(&mut self, now: Time) -> bool {
        self.refill(now);
        self.credit == self.full
    }

    pub(crate) fn take(&mut self, now: Time, count: i64) {
        self.refill(now);
        self.credit -= count * self.cost;
    }
}
