//! What was laid into the outboxes in one turn, told from what lay there before; and that what a
//! client could read is made of whole, clean lines of the protocol. Part of a simulation.

use std::collections::BTreeSet;

use chatd::hub::Recorded;
use chatd::session::SessionId;

use super::driver::Simulation;
use super::ends::{check_line, is_cut};
use super::heard::Event;
use super::socket::{Owed, Socket, show};
use super::trace::story;
use super::walk::{Seen, Segment};

impl Simulation {
    /// Tells the shadow what each connection was told in this turn. Bytes that lie with what was
    /// said though nobody was told them.
    pub(crate) fn observe(&mut self, seen: &Seen) -> Result<usize, String> {
        let orders = seen.orders.iter().map(|(_, segment)| segment);
        let segments: Vec<&Segment> = [&seen.start, &seen.finish]
            .into_iter()
            .chain(orders)
            .collect();
        let records = segments.iter().flat_map(|segment| &segment.records);
        let ended: BTreeSet<usize> = records
            .filter(|record| record.what == Recorded::Ended)
            .filter_map(|record| Some(record.session?.slot()))
            .collect();
        let mut closed = std::mem::take(&mut self.network.closed);
        let mut copied = 0;
        for slot in 0..self.network.sockets.len() {
            if let Some(mut socket) = self.network.sockets[slot].take() {
                copied += self.observe_one(slot, &mut socket, ended.contains(&slot), false)?;
                self.network.sockets[slot] = Some(socket);
            }
        }
        for (slot, socket) in &mut closed {
            copied += self.observe_one(*slot, socket, ended.contains(slot), true)?;
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
        has_ended: bool,
        is_gone: bool,
    ) -> Result<usize, String> {
        let turn = self.report.turns;
        if has_ended && socket.ended_in.replace(turn).is_some() {
            return Err(format!("slot {slot} has ended twice"));
        }
        let peer = self.world.peer(slot);
        peer.failed = socket.failed;
        peer.fate = None;
        peer.was_cut = false;
        peer.oldest = socket.owed.front().map(|line| line.since);
        peer.owed_bytes = socket.owed_bytes();
        // Of somebody who was lost nobody knows what it was told; what was written to it is right
        // as far as it was owed before.
        let owes_nothing = self.turn.hub().queued_bytes(SessionId(slot as u32)) == 0;
        let is_broken = socket.failed && socket.filled && owes_nothing;
        let is_lost = socket.lost || is_broken || peer.gone.is_some();
        let is_blind = is_lost || (is_gone && !socket.shut);
        if is_blind {
            peer.stream.start(Vec::new(), true);
            if is_lost {
                socket.forget_owed();
            } else {
                socket.bytes_out += std::mem::take(&mut socket.taken).len() as u64;
            }
            return Ok(0);
        }
        let (lines, copied) = self
            .laid(slot, socket, has_ended, is_gone)
            .map_err(|fault| format!("slot {slot}: {fault}"))?;
        let was_cut = copied.is_some();
        self.report.cuts += u64::from(was_cut);
        self.report.lines_out += lines.len() as u64;
        for line in &lines {
            story!(self, "  {slot} is told {line:?}");
            check_line(line).map_err(|fault| format!("slot {slot}: {fault}"))?;
            socket.owed.push_back(Owed {
                bytes: format!("{line}\n").into_bytes(),
                turn,
                copied_in: None,
                since: self.engine_now,
            });
        }
        let peer = self.world.peer(slot);
        peer.was_cut = was_cut;
        peer.stream.start(lines, was_cut);
        socket
            .settle_taken()
            .map_err(|fault| format!("slot {slot}: {fault}"))?;
        Ok(copied.unwrap_or(0))
    }

    /// The lines beyond those it was owed before; and if it was cut, how much of older ones was
    /// copied.
    fn laid(
        &self,
        slot: usize,
        socket: &mut Socket,
        has_ended: bool,
        is_gone: bool,
    ) -> Result<(Vec<String>, Option<usize>), String> {
        let before = socket.owed_bytes();
        let id = SessionId(slot as u32);
        let queued = if is_gone {
            0
        } else {
            self.turn.hub().queued_bytes(id)
        };
        let taken = socket.taken.len();
        if !has_ended && queued + taken == before {
            return Ok((Vec::new(), None));
        }
        let chunks = self.turn.hub().chunks(id).take_while(|_| !is_gone);
        let all = std::iter::once(&socket.taken[..])
            .chain(chunks)
            .collect::<Vec<_>>()
            .concat();
        if all.len() != queued + taken {
            return Err("its bytes are counted wrongly".into());
        }
        let rest = socket.rest_of_line().to_vec();
        if let Some(new) = all.strip_prefix(&*socket.owed_contents()) {
            let lines = whole_lines(new)?;
            if has_ended && lines.is_empty() && !rest.is_empty() {
                // It may have been cut, without a word since it never spoke.
                socket.owed[0].copied_in = Some(self.report.turns);
            }
            return match lines.iter().any(|line| is_cut(line)) {
                false => Ok((lines, None)),
                true if lines.len() == 1 => Ok((lines, Some(rest.len()))),
                true => Err(format!("it was cut, and told {lines:?}")),
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
        let lines = whole_lines(new)?;
        if lines.len() > 1 || !lines.iter().all(|line| is_cut(line)) {
            return Err(format!("it was cut, and told {lines:?}"));
        }
        socket.owed.truncate(usize::from(!rest.is_empty()));
        // What is left of an older line was copied.
        for line in &mut socket.owed {
            line.turn = self.report.turns;
        }
        Ok((lines, Some(all.len())))
    }
}

fn whole_lines(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("not UTF-8: {:?}", show(bytes)))?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let whole = text
        .strip_suffix('\n')
        .ok_or_else(|| format!("not whole lines: {text:?}"))?;
    Ok(whole.split('\n').map(str::to_owned).collect())
}
