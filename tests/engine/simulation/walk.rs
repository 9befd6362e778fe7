//! The walk through one turn, in the order of its facts. What was read from whom is known, and how
//! many lines were handled then; what goes on by itself (lines that were held back, deadlines, who
//! is cut) is known by the facts it caused, and what caused none by where its answer stands. Part of
//! the world.

use std::collections::{BTreeMap, VecDeque};

use chatd::hub::{Record, Recorded};
use chatd::session::CloseReason;
use chatd::turn::Flush;

use super::ends::{is_late, stalled};
use super::heard::{Audience, Event, Happened};
use super::judge::prompt;
use super::operator;
use super::peer::State;
use super::world::{Outcome, World};

/// What was heard in a part of a turn.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    pub(crate) log: VecDeque<Event>,
    pub(crate) records: VecDeque<Record>,
}

/// What was done to the engine between the halves of a turn.
#[derive(Debug)]
pub(crate) enum Order {
    Admit,
    Refuse(usize, CloseReason),
    Kick {
        name: String,
        why: Option<String>,
        kicked: Option<String>,
    },
    Announce(String),
    Operator(operator::Order, operator::Done),
    ShutDown,
}

/// One turn, as it was seen from outside.
#[derive(Debug)]
pub(crate) struct Seen {
    /// How many lines of each connection were handled.
    pub(crate) lines: Vec<(usize, u64)>,
    pub(crate) start: Segment,
    pub(crate) orders: Vec<(Order, Segment)>,
    pub(crate) finish: Segment,
    pub(crate) closed: BTreeMap<usize, Closed>,
    /// Memory of all outboxes before the turn was laid out, at most.
    pub(crate) memory_bytes_max: usize,
}

impl Seen {
    /// Whether nothing happened but that somebody was written to.
    pub(crate) fn is_quiet(&self) -> bool {
        let is_flush = |event: &Event| {
            matches!(
                event,
                Event::Flush(_, Flush::Took(_) | Flush::Promised(_) | Flush::Blocked)
            )
        };
        self.lines.is_empty()
            && self.start.log.is_empty()
            && self.start.records.is_empty()
            && self.orders.is_empty()
            && self.finish.log.iter().all(is_flush)
            && self.finish.records.is_empty()
    }
}

impl Seen {
    /// Whether somebody came, went or has another name.
    pub(crate) fn moves_somebody(&self) -> bool {
        let orders = self.orders.iter().map(|(_, segment)| segment);
        let mut segments = orders.chain([&self.start, &self.finish]);
        let is_move = |event: &Event| match event {
            Event::Fact(heard) => matches!(
                heard.what,
                Happened::Entered { .. } | Happened::Parted | Happened::Renamed { .. }
            ),
            _ => false,
        };
        segments.any(|segment| !segment.records.is_empty() || segment.log.iter().any(is_move))
            || !self.orders.is_empty()
    }
}

/// What the socket's side knows of a connection at its end.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) bytes_out: u64,
    pub(crate) owed_bytes: usize,
    /// Some of it was promised.
    pub(crate) is_sealed: bool,
    pub(crate) lost: bool,
}

impl World {
    /// Walks through a turn. How many bytes were said in it.
    pub(crate) fn play(&mut self, seen: Seen) -> Result<usize, String> {
        for &(slot, count) in &seen.lines {
            self.peer(slot).budget = count;
        }
        let kept: usize = self
            .peers
            .iter()
            .flatten()
            .map(|peer| peer.input.bytes_max())
            .sum();
        let segments = [&seen.start, &seen.finish];
        let read = segments.iter().flat_map(|segment| &segment.log);
        let read: usize = read
            .map(|event| match event {
                Event::Fill(_, bytes, _) => bytes.len(),
                _ => 0,
            })
            .sum();
        let most = seen.memory_bytes_max + 2 * (kept + read);
        self.may_be_short = most > self.limits.outbox_total_bytes_max;
        self.open(seen.start);
        self.play_timeouts()?;
        self.play_reads()?;
        self.play_postponed()?;
        self.play_takeovers()?;
        self.run_unseen()?;
        self.close("the first half")?;
        if let Some(&(slot, _)) = seen
            .lines
            .iter()
            .find(|(slot, _)| self.peer_ref(*slot).budget > 0)
        {
            let next = self.peer_ref(slot).input.pending.front();
            return Err(format!(
                "slot {slot}: {next:?} was handled, but nothing came of it"
            ));
        }
        for slot in 0..self.peers.len() {
            if self.peers[slot].is_some() {
                self.warn(slot)?;
            }
        }
        for (order, segment) in seen.orders {
            self.open(segment);
            self.play_order(order)?;
            self.close("an order")?;
        }
        let kept: usize = self
            .peers
            .iter()
            .flatten()
            .map(|peer| peer.input.bytes_max())
            .sum();
        self.open(seen.finish);
        self.play_seal()?;
        let said_bytes = std::mem::take(&mut self.said_bytes);
        let memory_bytes_max = seen.memory_bytes_max + kept;
        self.check_cuts(memory_bytes_max)?;
        let is_pressed = memory_bytes_max > self.limits.outbox_total_bytes_max;
        self.play_flush(&seen.closed, is_pressed)?;
        self.close("the second half")?;
        self.obligations()?;
        Ok(said_bytes)
    }

    fn open(&mut self, segment: Segment) {
        self.log = segment.log;
        self.records = segment.records;
    }

    /// All that was heard must be explained by now.
    fn close(&mut self, part: &str) -> Outcome {
        while let Some(slot) = self.ended_silently() {
            self.end_silently(slot)?;
        }
        match (self.log.front(), self.records.front()) {
            (None, None) => Ok(()),
            left => Err(format!("{left:?} at the end of {part}, out of nowhere")),
        }
    }

    /// What goes on by itself, before anything is read.
    fn play_timeouts(&mut self) -> Outcome {
        self.play_prompts()?;
        loop {
            self.settle()?;
            match self.log.front() {
                None | Some(Event::Fill(..)) => break,
                Some(_) => self.play_unasked()?,
            }
        }
        while let Some(slot) = self.ended_silently().filter(|&slot| self.had_reason(slot)) {
            self.end_silently(slot)?;
            self.settle()?;
        }
        Ok(())
    }

    /// Whether somebody of whom no fact tells has ended before anything was read.
    fn had_reason(&self, slot: usize) -> bool {
        let peer = self.peer_ref(slot);
        let is_read = |event: &Event| matches!(event, Event::Fill(other, ..) if *other == slot);
        if peer.was_replaced() || self.is_asked_for(slot) {
            return false;
        }
        let foreseen = self.foresee(slot);
        if foreseen.has_facts {
            return false;
        }
        foreseen.quits
            || peer.input.door.awaits_answer()
            || peer.gone.is_some()
            || is_late(peer, self.now, &self.limits)
            || stalled(peer, self.now, self.limits.stall_timeout)
            || !(peer.failed || self.log.iter().any(is_read))
    }

    /// Whether somebody who comes in this turn asks for this one's place: then what it said last
    /// comes with that.
    fn is_asked_for(&self, slot: usize) -> bool {
        let mut asked = self.takeovers.iter();
        if asked.any(|takeover| takeover.old == slot) {
            return true;
        }
        let mut tokens = self.peer_ref(slot).tokens();
        let says_it = |other: usize, token: &str| {
            let mut input = self.peer_ref(other).input.clone();
            for event in &self.log {
                if let Event::Fill(from, bytes, _) = event
                    && *from == other
                {
                    input.feed(bytes);
                }
            }
            String::from_utf8_lossy(&input.unhandled()).contains(token)
        };
        // Who has a name of its own at once found the old one gone, unless that was read to its end before.
        let was_gone = |other: usize| {
            let is_read = |event: &Event| matches!(event, Event::Fill(from, ..) if *from == slot);
            let mut records = self.records.iter();
            let has_joined = records.any(|record| {
                matches!(record.what, Recorded::Joined(_))
                    && record
                        .session
                        .is_some_and(|session| session.slot() == other)
            });
            has_joined && !self.log.iter().any(is_read)
        };
        let comes = |&other: &usize| {
            let is_new = self.peer_ref(other).budget > 0 && self.member(other).is_none();
            is_new && !was_gone(other)
        };
        let others = (0..self.peers.len()).filter(|&other| self.peers[other].is_some());
        let others: Vec<usize> = others.filter(comes).collect();
        tokens.any(|token| others.iter().any(|&other| says_it(other, token)))
    }

    fn play_prompts(&mut self) -> Outcome {
        let (now, Some(timeout)) = (self.now, self.limits.prompt_timeout) else {
            return Ok(());
        };
        for slot in 0..self.peers.len() {
            let name_timeout = self.limits.name_timeout;
            let Some(peer) = self.peers[slot].as_mut() else {
                continue;
            };
            let is_new = matches!(peer.state, State::Naming { prompted: false });
            let has_time = peer.connected_at + name_timeout > now;
            if is_new && has_time && peer.bytes_in == 0 && peer.connected_at + timeout <= now {
                peer.state = State::Naming { prompted: true };
                self.tell(slot, &[prompt()])?;
            }
        }
        Ok(())
    }

    /// Handles every line that changes nothing for others, if its answer stands here.
    pub(crate) fn settle(&mut self) -> Outcome {
        for slot in 0..self.peers.len() {
            let Some(peer) = &self.peers[slot] else {
                continue;
            };
            if peer.stream.blind {
                // Nobody sees where its answers would stand.
                let foreseen = self.foresee(slot);
                if foreseen.comes_back && !foreseen.has_facts {
                    self.run_while(slot, |_| true)?;
                }
                continue;
            }
            while self.can_run(slot) && self.try_line(slot, false)? {}
            // If it is not told here, it is told later.
            let _ = self.greet(slot);
            let _ = self.warn_perhaps(slot);
        }
        Ok(())
    }

    pub(crate) fn can_run(&self, slot: usize) -> bool {
        let Some(peer) = &self.peers[slot] else {
            return false;
        };
        peer.budget > 0 && peer.is_live() && !peer.waits && !peer.input.pending.is_empty()
    }

    /// Handles lines of a connection as long as there are some and `goes_on` says so.
    pub(crate) fn run_while(&mut self, slot: usize, goes_on: impl Fn(&World) -> bool) -> Outcome {
        while self.can_run(slot) && goes_on(self) {
            self.run_line(slot, false)?;
        }
        Ok(())
    }

    /// The next thing that was heard is nobody's whose bytes were just read.
    pub(crate) fn play_unasked(&mut self) -> Outcome {
        if let Some(Event::Fact(heard)) = self.log.front()
            && let Happened::Churn { .. } = heard.what
            && let Some((_, name)) = &heard.room
            && let Some(key) = self.room_key(name)
        {
            return self.tell_churn(&key);
        }
        let Some(slot) = self.actor() else {
            return Err(format!("{:?} was heard, out of nowhere", self.log.front()));
        };
        let before = self.log.len();
        self.run_while(slot, |world| world.log.len() == before)?;
        if self.log.len() < before {
            let _ = self.warn_perhaps(slot);
            return Ok(());
        }
        if self.peer(slot).is_live() {
            match self.is_post_next() {
                true => self.play_post(slot)?,
                false => self.end_with_cause(slot)?,
            }
        }
        if self.log.len() < before {
            return Ok(());
        }
        Err(format!(
            "{:?} was heard, and slot {slot} did not do it",
            self.log.front()
        ))
    }

    /// What was handled of those who are blind, and caused nothing.
    fn run_unseen(&mut self) -> Outcome {
        for slot in 0..self.peers.len() {
            while self.can_run(slot) && self.peer(slot).stream.blind {
                self.run_unseen_line(slot)?;
            }
        }
        Ok(())
    }

    /// Who did what was heard next.
    pub(crate) fn actor(&self) -> Option<usize> {
        let heard = match self.log.front()? {
            Event::Fact(heard) => heard,
            _ => return self.arriving(),
        };
        match &heard.what {
            Happened::Said { from, .. } => self.find(from).or_else(|| self.posting()),
            Happened::Renamed { from, .. } | Happened::Private { from, .. } => self.find(from),
            Happened::Topic { by, .. } => self.find(by),
            Happened::Joined { who, .. } | Happened::Entered { who, .. } => {
                self.find(who).or_else(|| self.arriving())
            }
            Happened::Parted => match heard.to {
                Audience::Member(id) => self.slot_of(id),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn arriving(&self) -> Option<usize> {
        let mut records = self.records.iter();
        let joined = records.find(|record| matches!(record.what, Recorded::Joined(_)))?;
        joined.session.map(|session| session.slot())
    }

    /// Whether what was heard next was posted over HTTP.
    pub(crate) fn is_post_next(&self) -> bool {
        let Some(Event::Fact(heard)) = self.log.front() else {
            return false;
        };
        let is_said = matches!(heard.what, Happened::Said { .. });
        let slot = self.actor().filter(|_| is_said);
        slot.is_some_and(|slot| {
            let door = &self.peer_ref(slot).input.door;
            matches!(door, super::web::Door::Posting(_)) && door.awaits_answer()
        })
    }

    fn posting(&self) -> Option<usize> {
        let mut records = self.records.iter();
        let posted = records.find(|record| matches!(record.what, Recorded::Posted { .. }))?;
        posted.session.map(|session| session.slot())
    }
}
