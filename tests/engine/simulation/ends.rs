//! How connections end, and how a turn does: with what cause, in which order, and what must have
//! happened by then. Part of the walk through a turn.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use chatd::config::Limits;
use chatd::session::{CloseReason, ConnectionSummary};
use chatd::time::Time;
use chatd::turn::{Fill, Flush};

use super::facts::{For, Id};
use super::heard::{Event, Happened};
use super::peer::{Peer, State};
use super::walk::{Closed, Order};
use super::wire;
use super::words::Words;
use super::world::{LOBBY, Outcome, World};

impl World {
    pub(crate) fn play_order(&mut self, order: Order) -> Outcome {
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
                self.fact(&For::All, None, what, Id::New)?;
                Ok(())
            }
            Order::Operator(order, done) => self.play_wish(order, done),
            Order::ShutDown => self.shut_down(),
        }
    }

    /// Everybody is told; nobody is told of the others' leaves.
    fn shut_down(&mut self) -> Outcome {
        // The last word is written in each encoding, whoever hears it.
        self.said_bytes += 3 * 300;
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
    pub(crate) fn play_seal(&mut self) -> Outcome {
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
                // Who went out of its rooms was told before what they had said, in their order to it.
                let order = order.filter(|_| peer.is_live());
                peer.stream
                    .finish(order)
                    .map_err(|fault| format!("slot {slot} {fault}"))?;
            }
        }
        Ok(())
    }

    /// What is heard while everybody is written to: who is lost, who is done.
    pub(crate) fn play_flush(
        &mut self,
        closed: &BTreeMap<usize, Closed>,
        is_pressed: bool,
    ) -> Outcome {
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

    /// Whether somebody will be found lost when it is written to, and has not ended before that.
    fn is_lost_now(&self, slot: usize) -> bool {
        let mut events = self.log.iter();
        let is_lost =
            events.any(|event| matches!(event, Event::Flush(other, Flush::Lost) if *other == slot));
        is_lost && self.peer_ref(slot).fate != Some(CloseReason::TooSlow)
    }

    /// It speaks another protocol, and is told so for its own eyes.
    pub(crate) fn end_foreign(&mut self, slot: usize, head: &[&str]) -> Outcome {
        let head: Vec<Words> = head.iter().map(|&line| Words::Text(line.into())).collect();
        self.tell(slot, &head)?;
        self.end(slot, CloseReason::WrongProtocol, None)
    }

    /// It has ended, by no line of its own: why?
    pub(crate) fn end_with_cause(&mut self, slot: usize) -> Outcome {
        if self.peer(slot).input.door.awaits_answer() && !self.peer(slot).failed {
            return self.answer_in_time(slot);
        }
        let (now, limits) = (self.now, self.limits.clone());
        let sealing = self.sealing;
        let peer = self.peer(slot);
        let is_over = |peer: &Peer| {
            peer.input.ended && peer.input.pending.is_empty() && peer.budget == 0 && !peer.waits
        };
        let is_late = |peer: &Peer| is_late(peer, now, &limits);
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
                peer.input.reason_of_end()
            } else if is_late(peer) && peer.input.door.is_http() {
                CloseReason::Answered
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
                // Where memory is short, what it had sent is forgotten.
                is_over_at_last(peer) || sealing
            }
            CloseReason::HungUp | CloseReason::WrongProtocol => is_over(peer),
            CloseReason::NameTimeout | CloseReason::Answered => is_late(peer),
            CloseReason::ConnectionLost => peer.failed,
            _ => false,
        };
        if !has_cause {
            return Err(format!("slot {slot} has ended ({reason}) without a cause"));
        }
        if sealing && reason == CloseReason::TooSlow {
            self.cuts.push(slot);
        }
        if reason == CloseReason::Answered {
            return self.answer_request(slot, 408);
        }
        self.end(slot, reason, None)
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
        // A request that was whole when the fault came was answered, though nothing of that is written.
        let reason = match (reason, summary.reason) {
            (CloseReason::TlsFault, CloseReason::Answered) => CloseReason::Answered,
            (reason, _) => reason,
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
            CloseReason::Answered => limits.http_answer_timeout,
            _ => limits.flush_timeout,
        };
        // Where memory is short, one that drains goes too, but not in the turn in which it ended,
        // unless what it is owed is sealed.
        let may_go = closed.lost
            || (is_pressed && (turn < self.turn || closed.is_sealed))
            || now >= at + patience;
        if closed.owed_bytes > 0 && !may_go {
            return Err(format!(
                "slot {slot}: closed ({reason}) with {} bytes owed",
                closed.owed_bytes
            ));
        }
        Ok(())
    }

    /// Nobody is cut who took its bytes in time and stayed under the limits; and where all together
    /// hold too much, whoever is furthest behind goes first.
    pub(crate) fn check_cuts(&mut self, memory_bytes_max: usize) -> Outcome {
        let limits = &self.limits;
        let cuts = std::mem::take(&mut self.cuts);
        // The others who were cut may have left after somebody was over its bound, or before.
        let leaves = cuts.len() * 160 * limits.rooms_per_member_max.min(8);
        let is_pressed = memory_bytes_max > limits.outbox_total_bytes_max;
        let others = self.peers.iter().flatten();
        let others = others.filter(|peer| peer.is_live() && peer.gone.is_none());
        let furthest = others.filter_map(|peer| peer.oldest).min();
        for peer in cuts.iter().filter_map(|&slot| self.peers[slot].as_ref()) {
            let owed = peer.owed_bytes + peer.stream.told_bytes + leaves;
            if owed > limits.outbox_bytes_max {
                if !is_pressed && !stalled(peer, self.now, limits.stall_timeout) {
                    self.check_cut_of_reader(peer, peer.stream.told_besides() + leaves)?;
                }
                continue;
            }
            if !is_pressed || peer.oldest.is_none() {
                return Err(format!(
                    "{:?} was cut as too slow: it was owed {owed} of {} bytes, all together {memory_bytes_max} of {}",
                    peer.left_as, limits.outbox_bytes_max, limits.outbox_total_bytes_max
                ));
            }
            if furthest.is_some() && furthest < peer.oldest {
                return Err(format!(
                    "{:?} was cut for memory, but somebody is behind since {furthest:?}",
                    peer.left_as
                ));
            }
        }
        Ok(())
    }

    /// What must have happened by now.
    pub(crate) fn obligations(&self) -> Outcome {
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
            if is_late(peer, now, limits) {
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
pub(crate) fn is_late(peer: &Peer, now: Time, limits: &Limits) -> bool {
    let timeout = match peer.input.door.is_http() {
        true => limits.name_timeout.min(limits.http_head_timeout),
        false => limits.name_timeout,
    };
    let since = match peer.has_posted {
        true => peer.active_at,
        false => peer.connected_at,
    };
    matches!(peer.state, State::Naming { .. }) && since + timeout <= now
}

/// What it is owed has lain too long.
pub(crate) fn stalled(peer: &Peer, now: Time, timeout: Duration) -> bool {
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
    if wire::is_close(line) || line.contains("\r\n") {
        return Ok(());
    }
    let is_marked = line.starts_with(['<', '*', '-', '=', '!', '{']);
    let is_foreign = line.ends_with('\r') || line.starts_with("HTTP/") || line.contains(": ");
    if line.contains(|c| super::sniff::is_control(c) && c != '\r') || !(is_marked || is_foreign) {
        return Err(format!("no line of the protocol: {line:?}"));
    }
    Ok(())
}
