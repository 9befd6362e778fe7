//! What was laid into the outboxes in one turn, told from what lay there before; and that what a
//! client could read is made of whole, clean lines of the protocol. Part of a simulation.

use std::collections::BTreeSet;

use chatd::hub::Recorded;
use chatd::session::{CloseReason, SessionId};

use super::browser::UPGRADED;
use super::driver::Simulation;
use super::ends::{check_line, is_cut};
use super::heard::Event;
use super::peer::State;
use super::socket::{Owed, Socket};
use super::trace::story;
use super::walk::{Seen, Segment};
use super::wire::{self, Told, Unit, show};

impl Simulation {
    /// Tells the shadow what each connection was told in this turn. Bytes that lie with what was
    /// said though nobody was told them.
    pub(crate) fn observe(&mut self, seen: &Seen) -> Result<usize, String> {
        let orders = seen.orders.iter().map(|(_, segment)| segment);
        let segments: Vec<&Segment> = [&seen.start, &seen.finish]
            .into_iter()
            .chain(orders)
            .collect();
        let ends = |segment: &&Segment| -> Vec<usize> {
            let ends = segment.records.iter();
            let ends = ends.filter(|record| record.what == Recorded::Ended);
            ends.filter_map(|record| Some(record.session?.slot()))
                .collect()
        };
        let ended: BTreeSet<usize> = segments.iter().flat_map(ends).collect();
        // Only to be cut does somebody end as late as that.
        let cut_last = ends(&&seen.finish);
        let mut closed = std::mem::take(&mut self.network.closed);
        let mut copied = 0;
        for slot in 0..self.network.sockets.len() {
            if let Some(mut socket) = self.network.sockets[slot].take() {
                let how = (ended.contains(&slot), cut_last.contains(&slot), false);
                copied += self.observe_one(slot, &mut socket, how)?;
                self.network.sockets[slot] = Some(socket);
            }
        }
        for (slot, socket) in &mut closed {
            let how = (ended.contains(slot), cut_last.contains(slot), true);
            copied += self.observe_one(*slot, socket, how)?;
            for event in &seen.finish.log {
                if let Event::Close(other, summary) = event
                    && other == slot
                    && let Some(peer) = &mut self.world.peers[*slot]
                {
                    peer.fate = Some(summary.reason);
                }
            }
        }
        self.network.closed = closed;
        Ok(copied)
    }

    fn observe_one(
        &mut self,
        slot: usize,
        socket: &mut Socket,
        (has_ended, is_cut_last, is_gone): (bool, bool, bool),
    ) -> Result<usize, String> {
        let turn = self.report.turns;
        if has_ended && socket.ended_in.replace(turn).is_some() {
            return Err(format!("slot {slot} has ended twice"));
        }
        for late in socket.owed.iter_mut().filter(|unit| unit.is_late) {
            late.is_late = false;
            late.since = self.engine_now;
        }
        let peer = self.world.peer(slot);
        peer.failed = socket.failed;
        peer.fate = None;
        peer.was_cut = false;
        peer.oldest = socket.owed.front().map(|line| line.since);
        peer.owed_bytes = socket.owed_bytes();
        // Of somebody who was lost nobody knows what it was told; what was written to it is right
        // as far as it was owed before.
        let owes_nothing = self
            .turn
            .hub()
            .sessions()
            .queued_bytes(SessionId(slot as u32))
            == 0;
        let is_broken = socket.failed && socket.filled && owes_nothing;
        let is_lost = socket.lost || is_broken || peer.gone.is_some() || socket.has_failed();
        let is_blind = is_lost || (is_gone && !socket.shut);
        if is_blind {
            peer.stream.start(Vec::new(), true);
            if is_lost {
                socket.forget_owed();
            } else {
                let reason = match peer.state {
                    State::Ended { reason, .. } if !has_ended => Some(reason),
                    _ => None,
                };
                self.report.kept_ends += u64::from(socket.last_bytes.is_some());
                check_last_bytes(socket, reason).map_err(|it| format!("slot {slot}: {it}"))?;
                socket.bytes_out += std::mem::take(&mut socket.taken).len() as u64;
            }
            return Ok(0);
        }
        let (units, copied) = self
            .laid(slot, socket, has_ended, is_gone)
            .map_err(|fault| format!("slot {slot}: {fault}"))?;
        let was_cut = copied.is_some();
        self.report.cuts += u64::from(was_cut);
        let sealed = socket.sealed.as_ref();
        let is_promised = sealed.is_some_and(|sealed| sealed.promised_before > 0);
        self.report.promised_cuts += u64::from(was_cut && is_promised);
        let (lines, unheard) = self.owe(slot, socket, units)?;
        let peer = self.world.peer(slot);
        // Who has said its last frame is not told why it is cut.
        let was_cut = was_cut || (is_cut_last && peer.input.ending().is_some());
        peer.was_cut = was_cut;
        peer.stream.start(lines, was_cut);
        peer.stream.was_pinged = unheard > 0;
        socket
            .settle_taken()
            .map_err(|fault| format!("slot {slot}: {fault}"))?;
        Ok(copied.unwrap_or(0) + unheard)
    }

    /// This is owed from now on. The lines of it, and how many bytes the rest of it has.
    fn owe(
        &mut self,
        slot: usize,
        socket: &mut Socket,
        units: Vec<Unit>,
    ) -> Result<(Vec<String>, usize), String> {
        let mut lines = Vec::new();
        let mut unheard = 0;
        for unit in units {
            story!(self, "  {slot} is told {:?}", unit.told);
            let bytes = unit.bytes.len();
            let is_pong = matches!(unit.told, Told::Pong(_));
            // Two are not queued: it had to wait until the one before was written.
            let is_late = is_pong && socket.owed.iter().any(|unit| unit.is_pong);
            socket.owed.push_back(Owed {
                bytes: unit.bytes,
                turn: self.report.turns,
                copied_in: None,
                since: self.engine_now,
                is_pong,
                is_late,
            });
            match unit.told {
                Told::Line(line) => {
                    self.report.posts += u64::from(line.starts_with("HTTP/1.1 201 "));
                    let is_past = line.starts_with("HTTP/1.1 200 ") && line.contains("caught-up");
                    self.report.reads += u64::from(is_past);
                    check_line(&line).map_err(|fault| format!("slot {slot}: {fault}"))?;
                    lines.push(line);
                }
                Told::Pong(ping) => {
                    unheard += bytes;
                    self.report.pongs += 1;
                    socket.pongs.push(ping);
                }
                Told::Ping => unheard += bytes,
            }
        }
        self.report.lines_out += lines.len() as u64;
        Ok((lines, unheard))
    }

    /// The lines beyond those it was owed before; and if it was cut, how much of older ones was
    /// copied.
    fn laid(
        &self,
        slot: usize,
        socket: &mut Socket,
        has_ended: bool,
        is_gone: bool,
    ) -> Result<(Vec<Unit>, Option<usize>), String> {
        let before = socket.owed_bytes();
        let id = SessionId(slot as u32);
        let queued = if is_gone {
            0
        } else {
            self.turn.hub().sessions().queued_bytes(id)
        };
        let taken = socket.taken.len();
        if !has_ended && queued + taken == before {
            return Ok((Vec::new(), None));
        }
        let chunks = self
            .turn
            .hub()
            .sessions()
            .chunks(id)
            .take_while(|_| !is_gone);
        let all = std::iter::once(&socket.taken[..])
            .chain(chunks)
            .collect::<Vec<_>>()
            .concat();
        if all.len() != queued + taken {
            return Err("its bytes are counted wrongly".into());
        }
        let kept = socket.must_follow();
        let rest = socket.rest_of(kept);
        if let Some(new) = all.strip_prefix(&*socket.owed_contents()) {
            let units = socket.wire.units(new)?;
            let last = last_word(&units);
            if has_ended && last.is_some_and(|cut| !cut) && !rest.is_empty() {
                // It may have been cut, without a word since it never spoke.
                for unit in socket.owed.iter_mut().take(kept) {
                    unit.copied_in = Some(self.report.turns);
                }
            }
            return match (units.iter().any(is_cut_unit), last) {
                (false, _) => Ok((units, None)),
                (true, Some(_)) => Ok((units, Some(rest.len()))),
                (true, None) => Err(format!("it was cut, and told {units:?}")),
            };
        }
        let new = all.strip_prefix(&*rest).filter(|_| has_ended);
        let new = new.ok_or_else(|| {
            format!(
                "it is owed {:?}, not {:?}",
                show(&all),
                show(&socket.owed_contents())
            )
        })?;
        let units = socket.wire.units(new)?;
        if last_word(&units).is_none() {
            return Err(format!("it was cut, and told {units:?}"));
        }
        socket.owed.truncate(kept);
        // What is left of an older line was copied.
        for line in &mut socket.owed {
            line.turn = self.report.turns;
        }
        Ok((units, Some(all.len())))
    }
}

/// What is written to somebody after its end is all that it is owed then, and is not forgotten if it
/// says why it ended. `reason` is why, if that was in an earlier turn.
fn check_last_bytes(socket: &Socket, reason: Option<CloseReason>) -> Result<(), String> {
    let owed = socket.owed_contents();
    let Some(last_bytes) = &socket.last_bytes else {
        let is_told = reason.is_some_and(|reason| reason.refusal().is_some());
        return match is_told && owed.len() - socket.taken.len() <= 256 << 10 {
            true => Err(format!("{:?} is forgotten at its end", show(&owed))),
            false => Ok(()),
        };
    };
    let all = [&socket.taken[..], last_bytes].concat();
    let is_owed = match reason {
        Some(_) => all == owed,
        // It was cut just now: what was begun or promised follows, then why.
        None => all.starts_with(&socket.rest_of(socket.must_follow())),
    };
    match is_owed {
        true => Ok(()),
        false => Err(format!(
            "it ends with {:?}, not {:?}",
            show(&all),
            show(&owed)
        )),
    }
}

/// Whether these are all that somebody is told who is cut, and whether that is told with a word.
fn last_word(units: &[Unit]) -> Option<bool> {
    let is_close = |unit: &Unit| matches!(&unit.told, Told::Line(line) if wire::is_close(line));
    let is_head = |unit: &Unit| matches!(&unit.told, Told::Line(line) if line == UPGRADED);
    match units {
        [head, rest @ ..] if is_head(head) => last_word(rest),
        [] => Some(false),
        [close] if is_close(close) => Some(false),
        [cut] if is_cut_unit(cut) => Some(true),
        [cut, close] if is_cut_unit(cut) && is_close(close) => Some(true),
        _ => None,
    }
}

fn is_cut_unit(unit: &Unit) -> bool {
    matches!(&unit.told, Told::Line(line) if is_cut(line))
}
