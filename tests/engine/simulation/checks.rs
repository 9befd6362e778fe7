//! What must hold at the end of every turn whatever was said: the engine and the shadow agree on who
//! is where, memory is bounded, nobody waits for ever or is overtaken, nothing spins; and what is
//! left at the end of all. Part of a simulation.

use std::collections::BTreeMap;
use std::time::Duration;

use chatd::hub::Recorded;
use chatd::session::SessionId;

use super::driver::Simulation;
use super::heard::Event;
use super::pacing::Took;
use super::peer::Peer;
use super::walk::Segment;
use super::web::Door;
use super::world::Outcome;

/// Turns that come at once and bring nothing: more than one is possible, since what was promised
/// may have become void.
const IDLE_TURNS_MAX: u32 = 3;

impl Simulation {
    /// Those that are there and can be read from, and since when; not who was held back meanwhile.
    pub(crate) fn ready(&mut self) -> BTreeMap<usize, u64> {
        let mut ready = BTreeMap::new();
        for slot in 0..self.network.sockets.len() {
            let wanted = self
                .turn
                .hub()
                .sessions()
                .wants_input(SessionId(slot as u32));
            let Some(socket) = self.network.get_mut(slot) else {
                continue;
            };
            socket.filled = false;
            if let Some(sealed) = &mut socket.sealed {
                sealed.promised_before = sealed.promised();
            }
            if !wanted || socket.ended_in.is_some() {
                socket.ready_since = None;
            }
            let is_ready = socket.readable && !socket.place_is_unknown;
            if let Some(since) = socket.ready_since.filter(|_| is_ready) {
                ready.insert(slot, since);
            }
        }
        ready
    }

    /// First come, first served: nobody is read from before somebody who has waited for longer. Who
    /// is put off, because its room has said enough, keeps its place.
    pub(crate) fn is_fair(&self, ready: &BTreeMap<usize, u64>, start: &Segment) -> Outcome {
        let mut read: Vec<usize> = Vec::new();
        for event in &start.log {
            if let Event::Fill(slot, ..) = event
                && ready.contains_key(slot)
                && !read.contains(slot)
            {
                read.push(*slot);
            }
        }
        // Who has ended is read from once more, if somebody takes its place.
        let has_ended = |slot: &usize| {
            let id = Some(SessionId(*slot as u32));
            let mut records = start.records.iter();
            records.any(|record| record.session == id && record.what == Recorded::Ended)
        };
        read.retain(|slot| !has_ended(slot));
        match read
            .windows(2)
            .find(|pair| ready[&pair[0]] > ready[&pair[1]])
        {
            None => Ok(()),
            Some(pair) => Err(format!(
                "slot {} was read from before slot {}, which has waited for longer",
                pair[0], pair[1]
            )),
        }
    }

    /// What the operator would see is what the shadow knows.
    pub(crate) fn engine_agrees(&mut self) -> Outcome {
        let mut known = Vec::new();
        for (slot, peer) in self.world.peers.iter().enumerate() {
            let Some(peer) = peer.as_ref().filter(|peer| Peer::is_live(peer)) else {
                continue;
            };
            let name = peer.member().map(|member| member.name.to_string());
            let keys = peer.member().map_or(&[][..], |member| &member.rooms);
            let mut rooms: Vec<String> = keys
                .iter()
                .map(|key| self.world.rooms[key].name.to_string())
                .collect();
            rooms.sort();
            known.push((slot, name, rooms));
        }
        let clients = self.turn.hub().overview().clients().map(|client| {
            let mut rooms: Vec<String> = client.rooms.iter().map(|&room| room.to_owned()).collect();
            rooms.sort();
            (client.session.slot(), client.name.map(str::to_owned), rooms)
        });
        let clients: Vec<_> = clients.collect();
        if clients != known || self.turn.hub().sessions().live() != known.len() {
            return Err(format!(
                "the engine has {clients:?}, there should be {known:?}"
            ));
        }
        let mut rooms: Vec<_> = self
            .turn
            .hub()
            .overview()
            .rooms()
            .map(|(name, here)| (name.to_owned(), here))
            .collect();
        let occupied = self
            .world
            .rooms
            .values()
            .filter(|room| !room.seats.is_empty());
        let mut known: Vec<_> = occupied
            .map(|room| (room.name.to_string(), room.seats.len()))
            .collect();
        rooms.sort();
        known.sort();
        if rooms != known {
            return Err(format!(
                "the engine has the rooms {rooms:?}, there should be {known:?}"
            ));
        }
        Ok(())
    }

    /// The memory of all outboxes as the engine counts it, which adds something for each block and
    /// each slice: here for each line, since there are not more of those.
    pub(crate) fn memory_bytes_max(&self) -> usize {
        const LINE_OVERHEAD: usize = 100;
        let sockets = self.network.sockets.iter().flatten();
        let lines: usize = sockets.map(|socket| socket.owed.len() + 2).sum();
        let blocks = lines + 2 * self.world.rooms.len() + 10;
        let unique = self.turn.hub().overview().statistics().unique_bytes;
        unique + unique / 16 + blocks * LINE_OVERHEAD
    }

    /// The memory of all outboxes: what the turns said of which somebody is still owed something,
    /// each counted once; and not over the bound by more than what came in this turn.
    pub(crate) fn memory_is_bounded(&mut self) -> Outcome {
        let statistics = self.turn.hub().overview().statistics();
        for (_, lines) in self.pinned.values_mut() {
            *lines = 0;
        }
        let (mut queued, mut owe_old) = (0, false);
        let turn = self.report.turns;
        for socket in self.network.sockets.iter().flatten() {
            queued += socket.owed_bytes();
            for line in &socket.owed {
                for turn in [Some(line.turn), line.copied_in].into_iter().flatten() {
                    self.pinned.entry(turn).or_default().1 += 1;
                }
            }
            let is_old = socket.owed.front().is_some_and(|line| line.turn < turn);
            owe_old |= socket.ended_in != Some(turn) && is_old;
        }
        let latest = self.pinned.get(&turn).map_or(0, |&(bytes, _)| bytes);
        self.pinned.retain(|_, (_, lines)| *lines > 0);
        let most = |bytes: usize| bytes + bytes / 4 + 64;
        let pinned: usize = self.pinned.values().map(|&(bytes, _)| most(bytes)).sum();
        let unique = statistics.unique_bytes;
        if statistics.queued_bytes != queued {
            return Err(format!(
                "{} bytes are counted as queued, {queued} are",
                statistics.queued_bytes
            ));
        }
        if unique > pinned {
            return Err(format!(
                "outboxes hold {unique} bytes of memory for {pinned} that are owed"
            ));
        }
        let bound = self.limits.outbox_total_bytes_max + most(latest);
        if unique > bound && owe_old {
            return Err(format!(
                "outboxes hold {unique} bytes of memory, more than {bound}"
            ));
        }
        Ok(())
    }

    /// Each answer to a ping is to one that was read, the newest at last, and nobody waits for one who
    /// reads.
    pub(crate) fn pings_are_answered(&mut self) -> Outcome {
        for slot in 0..self.network.sockets.len() {
            let Some(socket) = self.network.get_mut(slot) else {
                continue;
            };
            let (pongs, has_read_all) = (std::mem::take(&mut socket.pongs), socket.owed.is_empty());
            let peer = self.world.peer(slot);
            let is_heard = peer.is_live() && peer.gone.is_none();
            let Door::Frames(frames) = &mut peer.input.door else {
                continue;
            };
            for pong in pongs {
                let ping = frames.pings.iter().position(|ping| *ping == pong);
                let ping = ping.ok_or_else(|| format!("slot {slot} did not ping {pong:?}"))?;
                frames.pings.drain(..=ping);
            }
            if is_heard && has_read_all && !frames.pings.is_empty() {
                return Err(format!("slot {slot} waits for {:?}", frames.pings));
            }
        }
        Ok(())
    }

    /// No lost wake-up, and no turn after turn for nothing.
    pub(crate) fn nobody_is_forgotten(&mut self) -> Outcome {
        let deadline = self.turn.next_timeout();
        let at_once = deadline.is_some_and(|at| at <= self.now);
        for (slot, socket) in self.network.sockets.iter().enumerate() {
            let Some(socket) = socket else { continue };
            let id = SessionId(slot as u32);
            let hub = self.turn.hub();
            let (owed, wanted) = (
                hub.sessions().queued_bytes(id),
                hub.sessions().wants_input(id),
            );
            let peer = self.world.peers[slot].as_mut();
            let told_besides = peer.as_ref().map_or(0, |peer| peer.stream.told_besides());
            if let Some((lag, rooms)) = peer.and_then(Peer::lag_and_rooms) {
                let took = Took {
                    queued: owed,
                    taken: hub
                        .sessions()
                        .get(id)
                        .map_or(0, |session| session.outbox.bytes_taken()),
                    told_besides,
                    rooms,
                };
                lag.note(self.world.now, &took, &self.limits);
                self.report.slowed += u64::from(lag.slows(self.world.now));
            }
            if owed > self.limits.outbox_bytes_max && socket.ended_in.is_none() {
                return Err(format!("slot {slot} is over its bound and was not cut"));
            }
            if owed > 0 && socket.writable && !at_once {
                return Err(format!(
                    "slot {slot} takes bytes, is owed {owed}, and nobody will write"
                ));
            }
            if wanted && socket.readable && !at_once {
                return Err(format!(
                    "slot {slot} has something to read, and nobody will"
                ));
            }
            if !wanted && deadline.is_none() && owed == 0 {
                return Err(format!("slot {slot} is held back for ever"));
            }
            if socket.ended_in.is_some() && owed == 0 && !socket.shut && !at_once {
                return Err(format!(
                    "slot {slot} has ended, is owed nothing, and is not shut"
                ));
            }
            if wanted && self.world.peer(slot).input.has_line() {
                return Err(format!("slot {slot} has lines that nobody will handle"));
            }
        }
        let spins = at_once && !std::mem::take(&mut self.network.progress);
        self.idle_turns = if spins { self.idle_turns + 1 } else { 0 };
        if self.idle_turns > IDLE_TURNS_MAX {
            return Err("the loop spins".into());
        }
        Ok(())
    }

    /// Everybody is gone: nothing may be left.
    pub(crate) fn after_all(&mut self) -> Outcome {
        if let Some(slot) = self.network.sockets.iter().position(Option::is_some) {
            return Err(format!(
                "slot {slot} is still there, and nothing will ever happen"
            ));
        }
        self.now = self.now + Duration::from_secs(1);
        self.turn()?;
        let hub = self.turn.hub();
        let statistics = hub.overview().statistics();
        let left = (
            statistics.unique_bytes,
            statistics.queued_bytes,
            statistics.clients,
            statistics.rooms,
            hub.sessions().live(),
        );
        if left != (0, 0, 0, 0, 0) {
            return Err(format!("when all had gone there was left: {statistics:?}"));
        }
        Ok(())
    }
}
