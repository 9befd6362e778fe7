//! One connection as the shadow sees it: the lines it has sent, its rate, how far it has come.
//! Written from the protocol alone; it shares no code with the hub. Owned by the world.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::CloseReason;
use chatd::time::Time;

/// How far a connection has come.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Naming { prompted: bool },
    Chatting(Seat),
    Ended { reason: CloseReason, at: Time },
}

/// Who somebody is and where.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) name: Rc<str>,
    /// The key of its room.
    pub(crate) room: Rc<str>,
    pub(crate) echo: bool,
    /// Joins and leaves that its room had not been told when it came.
    pub(crate) known_churn: (usize, usize),
}

/// Something a client has sent that costs it its rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Clean text.
    Line(Rc<str>),
    /// What stood before the end of the stream, without an ending of its own.
    LastLine(Rc<str>),
    TooLong,
    LastTooLong,
}

#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) state: State,
    pub(crate) connected_at: Time,
    pub(crate) left_as: Option<Rc<str>>,
    pub(crate) pending: VecDeque<Item>,
    partial: Vec<u8>,
    skipping: bool,
    pub(crate) input_ended: bool,
    pub(crate) bytes_in: u64,
    pub(crate) lines_in: u64,
    pub(crate) bucket: Bucket,
    /// What it was told in this turn is forgotten: it was cut, or its connection is gone.
    pub(crate) blind: bool,
    /// How many of the lines that it was told in this turn are explained.
    pub(crate) explained: usize,
    /// What it should have been told in this turn.
    pub(crate) told_bytes: usize,
}

impl Peer {
    pub(crate) fn new(now: Time, limits: &Limits) -> Peer {
        Peer {
            state: State::Naming { prompted: false },
            connected_at: now,
            left_as: None,
            pending: VecDeque::new(),
            partial: Vec::new(),
            skipping: false,
            input_ended: false,
            bytes_in: 0,
            lines_in: 0,
            bucket: Bucket::new(limits),
            blind: false,
            explained: 0,
            told_bytes: 0,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }

    pub(crate) fn seat(&self) -> Option<&Seat> {
        match &self.state {
            State::Chatting(seat) => Some(seat),
            _ => None,
        }
    }

    pub(crate) fn seat_mut(&mut self) -> Option<&mut Seat> {
        match &mut self.state {
            State::Chatting(seat) => Some(seat),
            _ => None,
        }
    }

    /// Bytes that the hub was given.
    pub(crate) fn feed(&mut self, bytes: &[u8], line_bytes_max: usize) {
        self.bytes_in += bytes.len() as u64;
        if !self.is_live() {
            return;
        }
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
            let line = std::mem::take(&mut self.partial);
            if !std::mem::take(&mut self.skipping) {
                let line = without_return(&line);
                self.pending.push_back(if line.len() > line_bytes_max {
                    Item::TooLong
                } else {
                    Item::Line(clean(line))
                });
            }
        }
        self.partial.extend_from_slice(rest);
        if !self.skipping && without_return(&self.partial).len() > line_bytes_max {
            self.skipping = true;
            self.pending.push_back(Item::TooLong);
        }
        if self.skipping {
            self.partial.clear();
        }
    }

    /// It has closed its side.
    pub(crate) fn end_input(&mut self, line_bytes_max: usize) {
        if std::mem::replace(&mut self.input_ended, true) || !self.is_live() {
            return;
        }
        let line = std::mem::take(&mut self.partial);
        if line.is_empty() {
            return;
        }
        let line = without_return(&line);
        self.pending.push_back(if line.len() > line_bytes_max {
            Item::LastTooLong
        } else {
            Item::LastLine(clean(line))
        });
    }

    pub(crate) fn forget_input(&mut self) {
        self.pending.clear();
        self.partial.clear();
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The protocol: invalid UTF-8 and every control character but TAB become U+FFFD.
fn clean(line: &[u8]) -> Rc<str> {
    let text = String::from_utf8_lossy(line);
    let clean: String = text
        .chars()
        .map(|c| if is_bad(c) { '\u{fffd}' } else { c })
        .collect();
    clean.into()
}

pub(crate) fn is_bad(c: char) -> bool {
    let code = u32::from(c);
    (code < 0x20 && c != '\t') || (0x7f..0xa0).contains(&code) || c == '\u{2028}' || c == '\u{2029}'
}

/// A bucket of tokens, counted in microseconds of credit.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    credit: i64,
    full: i64,
    cost: i64,
    at: Time,
    warned: bool,
}

impl Bucket {
    fn new(limits: &Limits) -> Bucket {
        let rate = i64::from(limits.rate_lines_per_second);
        let cost = if rate == 0 { 0 } else { 1_000_000 / rate };
        let full = cost * i64::from(limits.burst_lines_max);
        Bucket {
            credit: full,
            full,
            cost,
            at: Time::START,
            warned: false,
        }
    }

    fn refill(&mut self, now: Time) {
        let passed = now.since(self.at).as_micros() as i64;
        self.credit = self.full.min(self.credit.saturating_add(passed));
        self.at = now;
    }

    pub(crate) fn allows(&mut self, now: Time) -> bool {
        self.refill(now);
        self.cost == 0 || self.credit >= self.cost
    }

    pub(crate) fn take(&mut self, now: Time) {
        self.refill(now);
        self.warned &= self.credit < self.full;
        self.credit -= self.cost;
    }

    /// Whether it is to be told now that it is held back.
    pub(crate) fn warn(&mut self) -> bool {
        !std::mem::replace(&mut self.warned, true)
    }

    /// When the next line may be handled.
    pub(crate) fn allows_at(&self) -> Time {
        let missing = (self.cost - self.credit).max(0);
        self.at + Duration::from_micros(missing as u64)
    }
}
