//! One simulation: a hub, driven as `net::server` drives it, on a virtual clock and a virtual
//! network, with a crowd of seeded clients; and the shadow it is compared with, turn by turn.

use std::collections::BTreeMap;
use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::{AfterWrite, CloseReason, Hub};
use chatd::time::Time;
use fastrand::Rng;

use super::crowd::{Crowd, Event};
use super::explain::{Circumstances, Operation, Removal, explain};
use super::plan;
use super::socket::{Fill, Socket, Write, show};
use super::trace::{Report, Trace, story};
use super::view::View;
use super::world::{Outcome, World};

pub(crate) struct Simulation {
    pub(crate) rng: Rng,
    pub(crate) limits: Limits,
    pub(crate) now: Time,
    pub(crate) sockets: Vec<Option<Socket>>,
    pub(crate) crowd: Crowd,
    pub(crate) trace: Trace,
    pub(crate) hub: Hub,
    pub(crate) world: World,
    pub(crate) free: Vec<usize>,
    pub(crate) to_read: Vec<usize>,
    pub(crate) operations: Vec<Operation>,
    /// For each turn of which somebody is still owed something: bytes said in it, lines owed.
    pub(crate) pinned: BTreeMap<u64, (usize, usize)>,
    /// What was said in this turn to those who were lost before anybody could look.
    unseen_bytes: usize,
    pub(crate) progress: bool,
    pub(crate) idle_turns: u32,
    pub(crate) report: Report,
}

/// More turns than any simulation needs.
const TURNS_MAX: u64 = 200_000;
/// One gather-write of net.
const CHUNKS_MAX: usize = 64;

impl Simulation {
    pub(crate) fn new(seed: u64, trace: Trace) -> Simulation {
        let mut rng = Rng::with_seed(seed);
        let limits = plan::limits(&mut rng);
        let mut simulation = Simulation {
            crowd: Crowd::new(&mut rng),
            rng,
            now: Time::START,
            sockets: Vec::new(),
            trace,
            hub: Hub::new(limits.clone()),
            world: World::new(limits.clone()),
            limits,
            free: Vec::new(),
            to_read: Vec::new(),
            operations: Vec::new(),
            pinned: BTreeMap::new(),
            unseen_bytes: 0,
            progress: false,
            idle_turns: 0,
            report: Report::default(),
        };
        story!(simulation, "{:?}", simulation.limits);
        simulation
    }

    /// Lives until everybody is gone.
    pub(crate) fn run(&mut self) -> Outcome {
        self.crowd.gather(&mut self.rng);
        while let Some(at) = self.wakes_at() {
            let late = match self.rng.u32(..50) {
                0 => self.rng.u64(1..20_000),
                1..=10 => self.rng.u64(1..500),
                _ => self.rng.u64(1..3),
            };
            self.now = at.max(self.now) + Duration::from_micros(late);
            while let Some(event) = self.crowd.next_event(self.now) {
                self.progress = true;
                self.happen(event);
            }
            self.turn()?;
            if self.report.turns > TURNS_MAX {
                return Err("it never ends".into());
            }
        }
        self.after_all()
    }

    /// When the poll would return: never, if nothing can happen any more.
    fn wakes_at(&self) -> Option<Time> {
        if !self.to_read.is_empty() {
            return Some(self.now);
        }
        self.hub
            .next_deadline()
            .into_iter()
            .chain(self.crowd.next_at())
            .min()
    }

    pub(crate) fn turn(&mut self) -> Outcome {
        self.report.turns += 1;
        self.unseen_bytes = 0;
        story!(self, "turn {} at {:?}", self.report.turns, self.now);
        let oldest = self
            .sockets
            .iter()
            .map(|socket| Some(socket.as_ref()?.owed.front()?.since))
            .collect();
        let owed_bytes = self
            .sockets
            .iter()
            .map(|socket| socket.as_ref().map_or(0, Socket::owed_bytes))
            .collect();
        self.begin();
        self.read();
        self.accept();
        self.operate();
        let memory_bytes_max = self.memory_bytes_max();
        self.hub.end_turn();
        let mut dirty = Vec::new();
        self.hub.swap_dirty(&mut dirty);
        let mut circumstances = Circumstances {
            cut: Vec::new(),
            emptied: Vec::new(),
            oldest,
            owed_bytes,
            memory_bytes_max,
        };
        let (observed, rests) = self.observe(&dirty, &mut circumstances)?;
        let operations = std::mem::take(&mut self.operations);
        let is_quiet = matches!(&operations[..], [Operation::Begin(runs)] if runs.is_empty())
            && observed.lines.iter().all(Vec::is_empty)
            && circumstances.cut.is_empty();
        explain(
            &mut self.world,
            self.now,
            &operations,
            observed,
            &circumstances,
        )?;
        let unseen = std::mem::take(&mut self.unseen_bytes);
        self.pin(rests + unseen);
        if !is_quiet {
            self.hub_agrees()?;
        }
        for slot in dirty {
            self.flush(slot as usize)?;
        }
        while let Some(slot) = self.hub.take_joined() {
            let known = self.world.peers[slot as usize].as_ref();
            if !known.is_some_and(|peer| peer.seat().is_some() || peer.left_as.is_some()) {
                return Err(format!("slot {slot} joined, but has no name"));
            }
        }
        self.reap(memory_bytes_max > self.limits.outbox_total_bytes_max)?;
        self.hub.finish_turn();
        self.memory_is_bounded()?;
        self.nobody_is_forgotten()
    }

    fn begin(&mut self) {
        let counts: Vec<u64> = (0..self.sockets.len())
            .map(|slot| self.hub.lines_in(slot as u32))
            .collect();
        self.hub.begin_turn(self.now);
        let runs: Vec<(usize, u64)> = counts
            .iter()
            .enumerate()
            .map(|(slot, before)| (slot, self.hub.lines_in(slot as u32) - before))
            .filter(|&(_, count)| count > 0)
            .collect();
        self.progress |= !runs.is_empty();
        story!(self, "  begin: {runs:?}");
        self.operations.push(Operation::Begin(runs));
    }

    fn read(&mut self) {
        while let Some(slot) = self.hub.take_released() {
            if let Some(socket) = self.sockets[slot as usize].as_mut()
                && socket.readable
            {
                list(socket, slot as usize, &mut self.to_read);
            }
        }
        let mut reading = std::mem::take(&mut self.to_read);
        self.rng.shuffle(&mut reading);
        for slot in reading {
            self.read_one(slot);
        }
    }

    fn read_one(&mut self, slot: usize) {
        let Some(socket) = self.sockets[slot].as_mut() else {
            return;
        };
        socket.listed = false;
        if !socket.readable {
            return;
        }
        if !self.hub.wants_input(slot as u32) {
            self.report.held += 1;
            if socket.failed {
                self.hang_up(slot);
            }
            return;
        }
        if self.hub.wants_input_later(slot as u32) {
            return list(socket, slot, &mut self.to_read);
        }
        let (bytes, fill) = socket.fill(self.limits.read_bytes_max);
        if socket.readable {
            list(socket, slot, &mut self.to_read);
        }
        if !bytes.is_empty() {
            self.progress = true;
            let before = self.hub.lines_in(slot as u32);
            self.hub.receive(slot as u32, &bytes);
            let count = self.hub.lines_in(slot as u32) - before;
            self.report.lines_in += count;
            story!(self, "  {slot} sends {:?}: {count} handled", show(&bytes));
            self.operations.push(Operation::Receive(slot, bytes, count));
        }
        match fill {
            Fill::Open => {}
            Fill::Ended => self.half_close(slot),
            Fill::Lost => self.hang_up(slot),
        }
    }

    fn half_close(&mut self, slot: usize) {
        let before = self.hub.lines_in(slot as u32);
        self.hub.half_close(slot as u32);
        let count = self.hub.lines_in(slot as u32) - before;
        story!(self, "  {slot} ends its side: {count} handled");
        self.operations.push(Operation::HalfClose(slot, count));
    }

    fn hang_up(&mut self, slot: usize) {
        story!(self, "  {slot} is lost");
        let was_live = self
            .hub
            .clients()
            .any(|client| client.slot as usize == slot);
        if !was_live {
            // It was cut in this turn, perhaps, and what it was told of that lies with what others are.
            self.unseen_bytes += self.hub.queued_bytes(slot as u32);
        }
        self.hub.hang_up(slot as u32);
        if let Some(socket) = self.sockets[slot].as_mut() {
            socket.lost = true;
        }
        self.operations.push(Operation::HangUp(slot, was_live));
    }

    fn accept(&mut self) {
        for serial in self.crowd.take_waiting() {
            self.progress = true;
            self.report.connections += 1;
            let slot = self.free.pop().unwrap_or_else(|| {
                self.sockets.push(None);
                self.sockets.len() - 1
            });
            let refusal = if self.hub.live() >= self.limits.clients_max {
                Some(CloseReason::ServerFull)
            } else {
                (self.rng.u32(..40) == 0).then_some(CloseReason::TooManyFromAddress)
            };
            story!(self, "  {serial} connects to slot {slot}: {refusal:?}");
            let view = View::new(self.limits.announce_members_max < plan::CROWD_MAX);
            self.sockets[slot] = Some(Socket::new(serial, self.now, view, &mut self.rng));
            self.crowd.is_in(serial, slot, self.now, &mut self.rng);
            match refusal {
                None => {
                    self.hub.connect(slot as u32);
                    self.operations.push(Operation::Connect(slot));
                }
                Some(reason) => {
                    self.hub.refuse_connection(slot as u32, reason);
                    self.operations.push(Operation::Refuse(slot, reason));
                }
            }
        }
    }

    /// What the operator asked for since the turn before.
    fn operate(&mut self) {
        for event in self.crowd.take_orders() {
            story!(self, "  operator: {event:?}");
            match event {
                Event::Kick(name, why) => {
                    let done = self.hub.kick(&name, why.as_deref());
                    self.operations
                        .push(Operation::Kick(name, why, done.is_some()));
                }
                Event::Announce(text) => {
                    self.hub.announce(text.as_bytes());
                    self.operations.push(Operation::Announce(text));
                }
                _ => {
                    self.hub.shut_down();
                    self.operations.push(Operation::ShutDown);
                }
            }
        }
    }

    /// Net's flush of one connection.
    fn flush(&mut self, slot: usize) -> Outcome {
        if self.sockets[slot].is_none() {
            return Ok(());
        }
        let mut written = 0;
        while let Some(socket) = self.sockets[slot].as_mut().filter(|socket| socket.writable) {
            if self.hub.queued_bytes(slot as u32) == 0 {
                break;
            }
            if written >= self.limits.write_bytes_max {
                self.hub.mark_dirty(slot as u32);
                break;
            }
            let offered = self
                .hub
                .chunks(slot as u32)
                .take(CHUNKS_MAX)
                .collect::<Vec<_>>()
                .concat();
            match socket.write(offered.len(), &mut self.rng) {
                Write::Took(count) => {
                    self.progress = true;
                    written += count;
                    socket
                        .took(&offered[..count])
                        .map_err(|fault| format!("slot {slot}: {fault}"))?;
                    self.hub.consume(slot as u32, count);
                    self.crowd.will_read(socket, self.now, &mut self.rng);
                }
                Write::WouldBlock => socket.writable = false,
                Write::Spurious => {
                    socket.writable = false;
                    self.crowd.will_take(socket.serial, self.now, &mut self.rng);
                }
                Write::Lost => {
                    socket.writable = false;
                    self.hang_up(slot);
                }
            }
        }
        if written > 0 {
            story!(
                self,
                "  {slot} takes {written} bytes, {} are left",
                self.hub.queued_bytes(slot as u32)
            );
        }
        if self.hub.after_write(slot as u32) == AfterWrite::Shut {
            self.shut(slot)?;
        }
        Ok(())
    }

    fn shut(&mut self, slot: usize) -> Outcome {
        story!(self, "  {slot} is shut");
        let Some(socket) = self.sockets[slot].as_mut() else {
            return Ok(());
        };
        if socket.shut || !socket.owed.is_empty() {
            return Err(format!(
                "slot {slot} was shut twice, or with something owed"
            ));
        }
        socket.shut = true;
        self.crowd
            .sees_the_end(socket.serial, self.now, &mut self.rng);
        Ok(())
    }

    fn reap(&mut self, pressed: bool) -> Outcome {
        while let Some(slot) = self.hub.take_ended() {
            let socket = self.sockets[slot as usize].as_mut();
            let turn = self.report.turns;
            if socket.is_none_or(|socket| socket.ended_in.replace(turn).is_some()) {
                return Err(format!("slot {slot} has ended twice"));
            }
        }
        while let Some(slot) = self.hub.take_doomed() {
            let farewell = self.hub.remove(slot);
            let slot = slot as usize;
            let Some(socket) = self.sockets[slot].take() else {
                return Err(format!("slot {slot} is doomed twice"));
            };
            story!(self, "  {slot} is closed: {farewell:?}");
            self.progress = true;
            let removal = Removal {
                bytes_out: socket.bytes_out,
                owed_bytes: socket.owed_bytes(),
                lost: socket.lost,
                pressed,
                at: self.now,
            };
            if socket.ended_in.is_none() {
                return Err(format!("slot {slot} is closed, but has not ended"));
            }
            self.crowd.is_out(socket.serial, self.now, &mut self.rng);
            self.free.push(slot);
            self.operations
                .push(Operation::Remove(slot, farewell, removal));
        }
        Ok(())
    }
}

pub(crate) fn list(socket: &mut Socket, slot: usize, to_read: &mut Vec<usize>) {
    if !socket.listed {
        socket.listed = true;
        to_read.push(slot);
    }
}
