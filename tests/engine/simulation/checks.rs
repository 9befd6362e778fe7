//! What must hold at the end of every turn whatever was said: the hub and the shadow agree on who is
//! where, memory is bounded, nobody waits for ever, nothing spins; and what is left at the end of
//! all. Part of a simulation.

use std::time::Duration;

use super::driver::Simulation;
use super::peer::Peer;
use super::world::Outcome;

/// Turns that come at once and bring nothing: more than one is possible, since what was promised
/// may have become void.
const IDLE_TURNS_MAX: u32 = 3;

impl Simulation {
    /// What the operator would see is what the shadow knows.
    pub(crate) fn hub_agrees(&mut self) -> Outcome {
        let mut seats: Vec<(usize, Option<(String, String)>)> = Vec::new();
        for (slot, peer) in self.world.peers.iter().enumerate() {
            if let Some(peer) = peer.as_ref().filter(|peer| Peer::is_live(peer)) {
                let seat = peer.seat().map(|seat| {
                    (
                        self.world.rooms[&seat.room].name.to_string(),
                        seat.name.to_string(),
                    )
                });
                seats.push((slot, seat));
                if self.hub.queued_bytes(slot as u32) > self.limits.outbox_bytes_max {
                    return Err(format!("slot {slot} is over its bound and was not cut"));
                }
            }
        }
        let shown: Vec<_> = self
            .hub
            .clients()
            .map(|client| {
                (
                    client.slot as usize,
                    client
                        .seat
                        .map(|(room, name)| (room.to_owned(), name.to_owned())),
                )
            })
            .collect();
        if shown != seats || self.hub.live() != seats.len() {
            return Err(format!("the hub has {shown:?}, there should be {seats:?}"));
        }
        let mut rooms: Vec<_> = self
            .hub
            .rooms()
            .map(|(name, here)| (name.to_owned(), here))
            .collect();
        let mut known: Vec<_> = self
            .world
            .rooms
            .values()
            .filter(|room| !room.members.is_empty())
            .map(|room| (room.name.to_string(), room.members.len()))
            .collect();
        rooms.sort();
        known.sort();
        if rooms != known {
            return Err(format!(
                "the hub has the rooms {rooms:?}, there should be {known:?}"
            ));
        }
        Ok(())
    }

    /// The memory of all outboxes as the hub counts it, which adds something for each block and
    /// each slice: here for each line, since there are not more of those.
    pub(crate) fn memory_bytes_max(&self) -> usize {
        const LINE_OVERHEAD: usize = 100;
        let owed = self
            .sockets
            .iter()
            .flatten()
            .map(|socket| socket.owed.len() + 2);
        let blocks = owed.sum::<usize>() + self.world.rooms.len() + 10;
        self.hub.statistics().unique_bytes + blocks * LINE_OVERHEAD
    }

    /// The memory of all outboxes: what the turns said of which somebody is still owed something,
    /// each counted once; and not over the bound by more than what came in this turn.
    pub(crate) fn memory_is_bounded(&mut self) -> Outcome {
        let statistics = self.hub.statistics();
        for (_, lines) in self.pinned.values_mut() {
            *lines = 0;
        }
        let (mut queued, mut owe_old) = (0, false);
        for socket in self.sockets.iter().flatten() {
            queued += socket.owed_bytes();
            for line in &socket.owed {
                self.pinned.entry(line.turn).or_default().1 += 1;
            }
            let turn = self.report.turns;
            owe_old |= socket.ended_in != Some(turn)
                && socket.owed.front().is_some_and(|line| line.turn < turn);
        }
        let latest = self
            .pinned
            .get(&self.report.turns)
            .map_or(0, |&(bytes, _)| bytes);
        self.pinned.retain(|_, (_, lines)| *lines > 0);
        let most: usize = self
            .pinned
            .values()
            .map(|(bytes, _)| bytes + bytes / 4 + 16)
            .sum();
        if statistics.queued_bytes != queued {
            return Err(format!(
                "{} bytes are counted as queued, {queued} are",
                statistics.queued_bytes
            ));
        }
        if statistics.unique_bytes > most {
            return Err(format!(
                "outboxes hold {} bytes of memory for {most} that are owed",
                statistics.unique_bytes
            ));
        }
        let bound = self.limits.outbox_total_bytes_max + latest + latest / 4 + 16;
        if statistics.unique_bytes > bound && owe_old {
            return Err(format!(
                "outboxes hold {} bytes of memory, more than {bound}",
                statistics.unique_bytes
            ));
        }
        Ok(())
    }

    /// No lost wake-up, and no turn after turn for nothing.
    pub(crate) fn nobody_is_forgotten(&mut self) -> Outcome {
        let deadline = self.hub.next_deadline();
        let at_once = deadline.is_some_and(|at| at <= self.now);
        for (slot, socket) in self.sockets.iter().enumerate() {
            let Some(socket) = socket else { continue };
            let owed = self.hub.queued_bytes(slot as u32);
            if owed > 0 && socket.writable && !at_once {
                return Err(format!(
                    "slot {slot} takes bytes, is owed {owed}, and nobody will write"
                ));
            }
            let wanted = self.hub.wants_input(slot as u32);
            if wanted && socket.readable && !socket.listed && !at_once {
                return Err(format!(
                    "slot {slot} has something to read, and nobody will"
                ));
            }
            if !wanted && deadline.is_none() {
                return Err(format!("slot {slot} is held back for ever"));
            }
            if socket.ended_in.is_some() && owed == 0 && !socket.shut && !at_once {
                return Err(format!(
                    "slot {slot} has ended, is owed nothing, and is not shut"
                ));
            }
            let waiting = self.world.peers[slot]
                .as_ref()
                .is_some_and(|peer| !peer.pending.is_empty());
            if wanted && waiting && self.operations.is_empty() {
                return Err(format!("slot {slot} has lines that nobody will handle"));
            }
        }
        let spins = at_once && !std::mem::take(&mut self.progress);
        self.idle_turns = if spins { self.idle_turns + 1 } else { 0 };
        if self.idle_turns > IDLE_TURNS_MAX {
            return Err("the loop spins".into());
        }
        Ok(())
    }

    /// Everybody is gone: nothing may be left.
    pub(crate) fn after_all(&mut self) -> Outcome {
        if let Some(slot) = self.sockets.iter().position(Option::is_some) {
            return Err(format!(
                "slot {slot} is still there, and nothing will ever happen"
            ));
        }
        self.now = self.now + Duration::from_secs(1);
        self.turn()?;
        let statistics = self.hub.statistics();
        let left = (
            statistics.unique_bytes,
            statistics.queued_bytes,
            statistics.clients,
            statistics.rooms,
            self.hub.live(),
        );
        if left != (0, 0, 0, 0, 0) {
            return Err(format!("when all had gone there was left: {statistics:?}"));
        }
        Ok(())
    }
}
