//! The walk through one turn, in the order of its facts. What was read from whom is known, and how
//! many lines were handled then; what goes on by itself (lines that were held back, deadlines, who
//! is cut) is known by the facts it caused, and what caused none by where its answer stands. Part of
//! the world.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use chatd::hub::Record;
use chatd::session::{CloseReason, ConnectionSummary};
use chatd::time::Time;
use chatd::turn::{Fill, Flush};

use super::heard::{Audience, Event, Happened};
use super::judge::{Asker, prompt};
use super::peer::{Peer, State, Warned};
use super::words::Words;
use super::world::{LOBBY, Outcome, World};

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
        let is_flush =
            |event: &Event| matches!(event, Event::Flush(_, Flush::Took(_) | Flush::Blocked));
        self.start.log.is_empty()
            && self.start.records.is_empty()
            && self.orders.is_empty()
            && self.finish.log.iter().all(is_flush)
            && self.finish.records.is_empty()
    }
}

/// What the socket's side knows of a connection at its end.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) bytes_out: u64,
    pub(crate) owed_bytes: usize,
    pub(crate) lost: bool,
}

impl World {
    /// Walks through a turn. How many bytes were said in it.
    pub(crate) fn play(&mut self, seen: Seen) -> Result<usize, String> {
        for &(slot, count) in &seen.lines {
            self.peer(slot).budget = count;
        }
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
            || peer.gone.is_some()
            || is_late(peer, self.now, self.limits.name_timeout)
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
        let token = self.member(slot).and_then(|member| member.token.as_deref());
        let says_it = |other: usize, token: &str| {
            let mut said = self.peer_ref(other).input.unhandled();
            for event in &self.log {
                if let Event::Fill(from, bytes, _) = event
                    && *from == other
                {
                    said.extend_from_slice(bytes);
                }
            }
            String::from_utf8_lossy(&said).contains(token)
        };
        let comes =
            |other: &usize| self.peer_ref(*other).budget > 0 && self.member(*other).is_none();
        let others = (0..self.peers.len()).filter(|&other| self.peers[other].is_some());
        token.is_some_and(|token| others.filter(comes).any(|other| says_it(other, token)))
    }

    fn play_prompts(&mut self) -> Outcome {
        let (now, timeout) = (self.now, self.limits.prompt_timeout);
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
    fn settle(&mut self) -> Outcome {
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

    fn can_run(&self, slot: usize) -> bool {
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
    fn play_unasked(&mut self) -> Outcome {
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
            self.end_with_cause(slot)?;
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

    fn arriving(&self) -> Option<usize> {
        let mut records = self.records.iter();
        let joined =
            records.find(|record| matches!(record.what, chatd::hub::Recorded::Joined(_)))?;
        joined.session.map(|session| session.slot())
    }

    fn posting(&self) -> Option<usize> {
        let mut records = self.records.iter();
        let posted =
            records.find(|record| matches!(record.what, chatd::hub::Recorded::Posted { .. }))?;
        posted.session.map(|session| session.slot())
    }

    /// Everything that is read, and what comes of it.
    fn play_reads(&mut self) -> Outcome {
        while let Some(event) = self.log.front() {
            if !matches!(event, Event::Fill(..)) {
                self.play_unasked()?;
                continue;
            }
            self.settle()?;
            if self.is_takeover_next() {
                break;
            }
            let Some(Event::Fill(slot, bytes, fill)) = self.log.pop_front() else {
                break;
            };
            self.play_fill(slot, &bytes, fill)?;
        }
        Ok(())
    }

    fn play_fill(&mut self, slot: usize, bytes: &[u8], fill: Fill) -> Outcome {
        if self.peer(slot).stream.blind {
            // What was handled before was not seen.
            self.run_what_fits(slot)?;
        }
        let is_read_on = matches!(self.log.front(), Some(Event::Fill(next, ..)) if *next == slot);
        let peer = self.peer(slot);
        let is_held = peer.input.has_line()
            || peer.input.ended
            || peer.waits
            || (peer.survived && fill == Fill::Lost && !is_read_on);
        if peer.is_live() && is_held {
            if !peer.failed {
                return Err(format!("slot {slot} was read from although it has lines"));
            }
            // It is broken: this is the first of what is read then.
            self.log.push_front(Event::Fill(slot, bytes.to_vec(), fill));
            return self.after_fill(slot, Fill::Lost);
        }
        peer.bytes_in += bytes.len() as u64;
        if peer.is_live() {
            if let Some(head) = peer.input.feed(bytes) {
                self.end_foreign(slot, head)?;
            } else {
                self.run_what_fits(slot)?;
            }
        }
        self.after_fill(slot, fill)
    }

    /// What became of a socket, after what was read from it was handled.
    pub(crate) fn after_fill(&mut self, slot: usize, fill: Fill) -> Outcome {
        match fill {
            Fill::Full | Fill::Exhausted => {}
            Fill::Lost => {
                self.read_to_end(slot, World::keep_last)?;
                return self.hang_up(slot);
            }
            Fill::Ended if self.peer(slot).is_live() => {
                let is_held = self.peer(slot).input.has_line() || self.peer(slot).waits;
                if let Some(head) = self.peer(slot).input.end() {
                    return self.end_foreign(slot, head);
                }
                if is_held {
                    return Ok(());
                }
                self.run_what_fits(slot)?;
            }
            Fill::Ended => {}
        }
        self.after_run(slot)
    }

    /// Bytes that came before the connection broke: they are kept.
    fn keep_last(&mut self, slot: usize, bytes: &[u8], _: Fill) -> Outcome {
        let peer = self.peer(slot);
        peer.bytes_in += bytes.len() as u64;
        if peer.is_live() && peer.input.language.is_some() {
            peer.input.feed(bytes);
        }
        Ok(())
    }

    /// A connection is gone. What its member had sent before is still said in its time.
    fn hang_up(&mut self, slot: usize) -> Outcome {
        let until = self.now + self.limits.drain_timeout;
        let peer = self.peer(slot);
        if !peer.is_live() || peer.gone.is_some() {
            return Ok(());
        }
        if peer.member().is_none() || !peer.input.has_whole_line() {
            return self.end(slot, CloseReason::ConnectionLost, None);
        }
        let reason = match peer.input.ended {
            true => CloseReason::HungUp,
            false => CloseReason::ConnectionLost,
        };
        peer.gone = Some((reason, until));
        peer.stream.blind = true;
        Ok(())
    }

    /// Handles the next lines of a connection, up to where it was held back, which nobody can see:
    /// as long as what was heard next comes of them.
    pub(crate) fn run_what_fits(&mut self, slot: usize) -> Outcome {
        let now = self.now;
        while self.can_run(slot) {
            let is_last = !self.peer(slot).input.has_line();
            if !is_last && !self.peer(slot).throttle.allows(now) {
                break;
            }
            if self.try_line(slot, false)? {
                continue;
            }
            if self.actor() != Some(slot) && self.ended_silently() != Some(slot) {
                break;
            }
            self.run_line(slot, false)?;
        }
        let _ = self.greet(slot);
        let _ = self.warn_perhaps(slot);
        Ok(())
    }

    /// Those who were put off are answered, now that everybody else was served.
    fn play_postponed(&mut self) -> Outcome {
        self.settle()?;
        while matches!(self.log.front(), Some(Event::Fact(_) | Event::Token(_)))
            && self.takeovers.is_empty()
        {
            self.play_unasked()?;
            self.settle()?;
        }
        Ok(())
    }

    /// All that was handled of a connection is explained: it is told that it is held back, if it
    /// is; and if it has ended its side, it leaves.
    pub(crate) fn after_run(&mut self, slot: usize) -> Outcome {
        let peer = self.peer(slot);
        if peer.is_live() && peer.input.ended && peer.input.pending.is_empty() && !peer.waits {
            self.end(slot, CloseReason::HungUp, None)?;
        }
        Ok(())
    }

    /// If it is held back, it may be told so here.
    fn warn_perhaps(&mut self, slot: usize) -> Outcome {
        match &self.peers[slot] {
            // A last line that was put off is a line as any other.
            Some(peer) if !peer.input.pending.is_empty() => self.say_slow_down(slot),
            _ => Ok(()),
        }
    }

    /// If it is held back, it must have been told so by now.
    pub(crate) fn warn(&mut self, slot: usize) -> Outcome {
        match &self.peers[slot] {
            Some(peer) if peer.input.has_line() => self.say_slow_down(slot),
            _ => Ok(()),
        }
    }

    fn say_slow_down(&mut self, slot: usize) -> Outcome {
        let now = self.now;
        let peer = self.peer(slot);
        let is_held = peer.is_live() && !peer.waits && !peer.throttle.allows(now);
        let warned = peer.throttle.warned;
        if !is_held || warned == Warned::Yes {
            return Ok(());
        }
        let asker = Asker {
            slot,
            reference: None,
        };
        let words = self.refused(asker, vec!["slow-down"]);
        match (self.tell(slot, &[words]), warned) {
            (Ok(()), _) => self.peer(slot).throttle.warned = Warned::Yes,
            (Err(_), Warned::Unknown) => {}
            (Err(fault), _) => return Err(fault),
        }
        Ok(())
    }

    /// It speaks another protocol, and is told so for its own eyes.
    fn end_foreign(&mut self, slot: usize, head: &[&str]) -> Outcome {
        let head: Vec<Words> = head.iter().map(|&line| Words::Text(line.into())).collect();
        self.tell(slot, &head)?;
        self.end(slot, CloseReason::WrongProtocol, None)
    }

    /// It has ended, by no line of its own: why?
    pub(crate) fn end_with_cause(&mut self, slot: usize) -> Outcome {
        let (now, limits) = (self.now, self.limits.clone());
        let sealing = self.sealing;
        let peer = self.peer(slot);
        let is_over = |peer: &Peer| {
            peer.input.ended && peer.input.pending.is_empty() && peer.budget == 0 && !peer.waits
        };
        let is_late = |peer: &Peer| is_late(peer, now, limits.name_timeout);
        let is_over_at_last = |peer: &Peer| {
            let has_lines = peer.input.has_whole_line() || peer.budget > 0;
            peer.gone
                .is_some_and(|(_, until)| !has_lines || until <= now)
        };
        let is_stalled = |peer: &Peer| stalled(peer, now, limits.stall_timeout);
        let cut = peer.was_cut.then_some(CloseReason::TooSlow);
        let reason = peer.fate.or(cut).unwrap_or_else(|| {
            if let Some((reason, _)) = peer.gone {
                reason
            } else if is_over(peer) {
                CloseReason::HungUp
            } else if is_late(peer) {
                CloseReason::NameTimeout
            } else if sealing || is_stalled(peer) {
                CloseReason::TooSlow
            } else {
                CloseReason::ConnectionLost
            }
        });
        let has_cause = match reason {
            CloseReason::TooSlow => sealing || is_stalled(peer),
            CloseReason::HungUp | CloseReason::ConnectionLost if peer.gone.is_some() => {
                is_over_at_last(peer)
            }
            CloseReason::HungUp => is_over(peer),
            CloseReason::NameTimeout => is_late(peer),
            CloseReason::ConnectionLost => peer.failed,
            _ => false,
        };
        if !has_cause {
            return Err(format!("slot {slot} has ended ({reason}) without a cause"));
        }
        if sealing {
            self.cuts.push(slot);
        }
        self.end(slot, reason, None)
    }

    fn play_order(&mut self, order: Order) -> Outcome {
        match order {
            Order::Admit => Ok(()),
            Order::Refuse(slot, reason) => self.end(slot, reason, None),
            Order::Kick { name, why, kicked } => {
                let found = self.find(&name);
                if kicked != found.map(|slot| self.name(slot)) {
                    return Err(format!("kicking {name}: {kicked:?}, but it is {found:?}"));
                }
                match found {
                    Some(slot) => self.end(slot, CloseReason::Kicked, why.as_deref()),
                    None => Ok(()),
                }
            }
            Order::Announce(text) => {
                let what = Happened::Announcement { text };
                self.fact(&super::world::For::All, None, what, super::world::Id::New)?;
                Ok(())
            }
            Order::ShutDown => self.shut_down(),
        }
    }

    /// Everybody is told; nobody is told of the others' leaves.
    fn shut_down(&mut self) -> Outcome {
        // The last word is written in both languages, whoever hears it.
        self.said_bytes += 2 * 300;
        for slot in 0..self.peers.len() {
            let Some(peer) = self.peers[slot].as_mut().filter(|peer| peer.is_live()) else {
                continue;
            };
            peer.left_as = peer.member().map(|member| Rc::clone(&member.name));
            peer.state = State::Naming { prompted: true };
            self.last_word(slot, CloseReason::ShuttingDown)?;
        }
        self.rooms.clear();
        self.make_room(LOBBY);
        Ok(())
    }

    /// What was said is laid out: who is too slow is cut, and everybody has been told everything.
    fn play_seal(&mut self) -> Outcome {
        self.sealing = true;
        let is_plain = !matches!(self.log.front(), Some(Event::Fact(_)));
        while let Some(Event::Fact(_)) = self.log.front() {
            self.play_unasked()?;
        }
        while let Some(slot) = self
            .ended_silently()
            .filter(|&slot| !self.is_lost_now(slot))
        {
            self.end_silently(slot)?;
        }
        self.sealing = false;
        let spoke = std::mem::take(&mut self.spoke);
        let order = is_plain.then_some(&spoke[..]);
        for slot in 0..self.peers.len() {
            if let Some(peer) = &mut self.peers[slot] {
                peer.stream
                    .finish(order)
                    .map_err(|fault| format!("slot {slot} {fault}"))?;
            }
        }
        Ok(())
    }

    /// Whether somebody will be found lost when it is written to, and has not ended before that.
    fn is_lost_now(&self, slot: usize) -> bool {
        let mut events = self.log.iter();
        let is_lost =
            events.any(|event| matches!(event, Event::Flush(other, Flush::Lost) if *other == slot));
        is_lost && self.peer_ref(slot).fate != Some(CloseReason::TooSlow)
    }

    /// What is heard while everybody is written to: who is lost, who is done.
    fn play_flush(&mut self, closed: &BTreeMap<usize, Closed>, is_pressed: bool) -> Outcome {
        while let Some(event) = self.log.pop_front() {
            match event {
                Event::Flush(slot, Flush::Lost) => self.after_fill(slot, Fill::Lost)?,
                Event::Flush(..) => {}
                Event::Shut(slot) if !self.peer(slot).is_live() => {}
                Event::Close(slot, summary) => {
                    self.remove(slot, &summary, &closed[&slot], is_pressed)?
                }
                event => return Err(format!("{event:?} was heard, out of nowhere")),
            }
        }
        Ok(())
    }

    /// The end of a connection: once, with one reason, and with nothing owed unless it did not take
    /// it.
    fn remove(
        &mut self,
        slot: usize,
        summary: &ConnectionSummary,
        closed: &Closed,
        is_pressed: bool,
    ) -> Outcome {
        let (now, limits) = (self.now, &self.limits);
        let peer = self.peers[slot].take().ok_or("a slot was removed twice")?;
        let State::Ended { reason, at, turn } = peer.state else {
            return Err(format!(
                "slot {slot}: closed, {summary:?}, but it is {:?}",
                peer.state
            ));
        };
        let said = (
            summary.reason,
            summary.name.as_deref(),
            summary.lines_in,
            summary.bytes_in,
            summary.bytes_out,
        );
        let known = (
            reason,
            peer.left_as.as_deref(),
            peer.lines_in,
            peer.bytes_in,
            closed.bytes_out,
        );
        if said != known || summary.duration != now.since(peer.connected_at) {
            return Err(format!(
                "slot {slot}: the summary says {summary:?}, it was {known:?}"
            ));
        }
        let patience = match reason {
            CloseReason::ShuttingDown => limits.drain_timeout,
            _ => limits.flush_timeout,
        };
        // Where memory is short, one that drains goes too, but not in the turn in which it ended.
        let may_go = closed.lost || (is_pressed && turn < self.turn) || now >= at + patience;
        if closed.owed_bytes > 0 && !may_go {
            return Err(format!(
                "slot {slot}: closed ({reason}) with {} bytes owed",
                closed.owed_bytes
            ));
        }
        Ok(())
    }

    /// Nobody is cut who took its bytes in time and stayed under the limits.
    fn check_cuts(&mut self, memory_bytes_max: usize) -> Outcome {
        let limits = &self.limits;
        let cuts = std::mem::take(&mut self.cuts);
        // The others who were cut may have left after somebody was over its bound, or before.
        let leaves = cuts.len() * 160 * limits.rooms_per_member_max.min(8);
        for slot in cuts {
            let Some(peer) = &self.peers[slot] else {
                continue;
            };
            let owed = peer.owed_bytes + peer.stream.told_bytes + leaves;
            let is_pressed = memory_bytes_max > limits.outbox_total_bytes_max;
            if owed <= limits.outbox_bytes_max && !(is_pressed && peer.oldest.is_some()) {
                return Err(format!(
                    "slot {slot} was cut as too slow: it was owed {owed} of {} bytes, all together {memory_bytes_max} of {}",
                    limits.outbox_bytes_max, limits.outbox_total_bytes_max
                ));
            }
        }
        Ok(())
    }

    /// What must have happened by now.
    fn obligations(&self) -> Outcome {
        let (now, limits) = (self.now, &self.limits);
        for (slot, peer) in self.peers.iter().enumerate() {
            let Some(peer) = peer.as_ref().filter(|peer| peer.is_live()) else {
                continue;
            };
            if stalled(peer, now, limits.stall_timeout) {
                return Err(format!(
                    "slot {slot} has stalled since {:?} and was not cut",
                    peer.oldest
                ));
            }
            if let Some((_, until)) = peer.gone
                && (until < now || (peer.input.pending.is_empty() && !peer.survived))
            {
                return Err(format!("slot {slot} is gone and haunts its name"));
            }
            let is_naming = matches!(peer.state, State::Naming { .. });
            if is_naming && peer.connected_at + limits.name_timeout <= now {
                return Err(format!("slot {slot}: its time for a name is over"));
            }
        }
        for (name, room) in &self.rooms {
            if room
                .churn
                .is_some_and(|churn| churn.since + limits.churn_interval <= now)
            {
                return Err(format!("room {name} was not told who came and went"));
            }
        }
        Ok(())
    }
}

/// It has no name in time.
fn is_late(peer: &Peer, now: Time, timeout: Duration) -> bool {
    matches!(peer.state, State::Naming { .. }) && peer.connected_at + timeout <= now
}

/// What it is owed has lain too long.
fn stalled(peer: &Peer, now: Time, timeout: Duration) -> bool {
    peer.oldest.is_some_and(|oldest| oldest + timeout <= now)
}

/// Whether this is the last line of somebody who was cut as too slow.
pub(crate) fn is_cut(line: &str) -> bool {
    line.starts_with("! too-slow ") || is_last_json(line, "too-slow")
}

/// Whether this is the last line that a program is told, with this code.
pub(crate) fn is_last_json(line: &str, code: &str) -> bool {
    let start = format!(r#"{{"is":"refused","code":"{code}","#);
    line.starts_with(&start) && line.contains(r#","ends":true"#)
}

/// Every line to a client: whole, clean, and its first byte says what it is.
pub(crate) fn check_line(line: &str) -> Outcome {
    let is_marked = line.starts_with(['<', '*', '-', '=', '!', '{']);
    let is_foreign = line.ends_with('\r') || line.starts_with("HTTP/") || line.contains(": ");
    if line.contains(|c| super::sniff::is_control(c) && c != '\r') || !(is_marked || is_foreign) {
        return Err(format!("no line of the protocol: {line:?}"));
    }
    Ok(())
}
