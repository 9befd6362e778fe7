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
use super::peer::{Peer, is_bad};
use super::plan;
use super::socket::{Fill, Owed, Socket, Write, show};
use super::view::View;
use super::world::{Observed, Outcome, World};

/// What a simulation has seen, for the report.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) turns: u64,
    pub(crate) connections: u64,
    pub(crate) lines_in: u64,
    pub(crate) lines_out: u64,
    pub(crate) cuts: u64,
    pub(crate) held: u64,
}

/// Where the story of a simulation goes.
#[derive(Debug)]
pub(crate) enum Trace {
    Off,
    /// Keeps the last lines.
    Tail(std::collections::VecDeque<String>),
    Print,
}

impl Trace {
    pub(crate) fn is_on(&self) -> bool {
        !matches!(self, Trace::Off)
    }
}

pub(crate) struct Simulation {
    pub(crate) rng: Rng,
    pub(crate) limits: Limits,
    pub(crate) now: Time,
    pub(crate) sockets: Vec<Option<Socket>>,
    pub(crate) crowd: Crowd,
    pub(crate) trace: Trace,
    pub(crate) hub: Hub,
    world: World,
    free: Vec<usize>,
    pub(crate) to_read: Vec<usize>,
    operations: Vec<Operation>,
    /// Something was done to the hub after the turn before ended.
    spoke_late: bool,
    before: Time,
    /// For each turn of which somebody is still owed something: bytes said in it, lines owed.
    pinned: BTreeMap<u64, (usize, usize)>,
    progress: bool,
    idle_turns: u32,
    pub(crate) report: Report,
}

/// More turns than any simulation needs.
const TURNS_MAX: u64 = 200_000;
/// Turns that come at once and bring nothing: more than one is possible, since what was promised
/// may have become void.
const IDLE_TURNS_MAX: u32 = 3;
/// One gather-write of net.
const CHUNKS_MAX: usize = 64;

macro_rules! story {
    ($simulation:expr, $($arguments:tt)*) => {
        if $simulation.trace.is_on() {
            $simulation.tell_story(format!($($arguments)*));
        }
    };
}
pub(crate) use story;

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
            spoke_late: false,
            before: Time::START,
            pinned: BTreeMap::new(),
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
            self.before = self.now;
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

    fn turn(&mut self) -> Outcome {
        self.report.turns += 1;
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
        explain(
            &mut self.world,
            self.now,
            operations,
            observed,
            &circumstances,
        )?;
        self.spoke_late = false;
        self.pin(rests);
        self.hub_agrees()?;
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
            let view = View::new(self.limits.roster_members_max < plan::CROWD_MAX);
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

    /// What was laid into the outboxes in this turn; and bytes of lines that were copied.
    fn observe(
        &mut self,
        dirty: &[u32],
        circumstances: &mut Circumstances,
    ) -> Result<(Observed, usize), String> {
        let mut observed = Observed {
            lines: vec![Vec::new(); self.sockets.len()],
        };
        let mut rests = 0;
        let since = (
            if self.spoke_late {
                self.before
            } else {
                self.now
            },
            self.now,
        );
        for slot in 0..self.sockets.len() {
            let Some(socket) = self.sockets[slot].as_mut().filter(|socket| !socket.lost) else {
                continue;
            };
            let queued = self.hub.queued_bytes(slot as u32);
            if queued == 0 {
                // Of one whose time is over everything is forgotten; it is closed in this turn, or
                // the bytes will be missed at its end.
                if !socket.owed.is_empty() {
                    circumstances.emptied.push(slot);
                }
                continue;
            }
            if !dirty.contains(&(slot as u32)) {
                if queued != socket.owed_bytes() {
                    return Err(format!(
                        "slot {slot} is owed something new, but is not dirty"
                    ));
                }
                continue;
            }
            let all = self.hub.chunks(slot as u32).collect::<Vec<_>>().concat();
            if all.len() != queued {
                return Err(format!("slot {slot}: its bytes are counted wrongly"));
            }
            let owed = socket.owed_contents();
            let new = match all.strip_prefix(&*owed) {
                Some(new) => new,
                None => {
                    // It was cut: only the rest of a begun line is kept.
                    let rest = socket.rest_of_line();
                    let new = all
                        .strip_prefix(rest)
                        .filter(|new| new.starts_with(b"! too-slow "));
                    let new = new.ok_or_else(|| {
                        format!(
                            "slot {slot} is owed {:?}, it was {:?}",
                            show(&all),
                            show(&owed)
                        )
                    })?;
                    let kept = usize::from(!rest.is_empty());
                    socket.owed.truncate(kept);
                    new
                }
            };
            let lines = whole_lines(new).map_err(|fault| format!("slot {slot}: {fault}"))?;
            if lines
                .last()
                .is_some_and(|line| line.starts_with("! too-slow "))
            {
                circumstances.cut.push(slot);
                self.report.cuts += 1;
                rests += all.len();
                for line in &mut socket.owed {
                    line.turn = self.report.turns;
                }
                if lines.len() > 1 {
                    return Err(format!("slot {slot} was cut and told {lines:?}"));
                }
            }
            for line in &lines {
                story_of(&mut self.trace, || format!("  {slot} is told {line:?}"));
                socket
                    .view
                    .hear(line)
                    .map_err(|fault| format!("slot {slot}: {fault}"))?;
                socket.owed.push_back(Owed {
                    bytes: format!("{line}\n").into_bytes(),
                    turn: self.report.turns,
                    since,
                });
            }
            self.report.lines_out += lines.len() as u64;
            if !circumstances.cut.contains(&slot) {
                observed.lines[slot] = lines;
            }
        }
        Ok((observed, rests))
    }

    fn pin(&mut self, rests: usize) {
        self.pinned
            .insert(self.report.turns, (self.world.said_bytes + rests, 0));
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
                    self.spoke_late = true;
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
            if socket.is_none_or(|socket| std::mem::replace(&mut socket.ended, true)) {
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
            };
            if !socket.ended {
                return Err(format!("slot {slot} is closed, but has not ended"));
            }
            self.crowd.is_out(socket.serial, self.now, &mut self.rng);
            self.free.push(slot);
            self.operations
                .push(Operation::Remove(slot, farewell, removal));
        }
        Ok(())
    }

    /// What the operator would see is what the shadow knows.
    fn hub_agrees(&mut self) -> Outcome {
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
    fn memory_bytes_max(&self) -> usize {
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
    fn memory_is_bounded(&mut self) -> Outcome {
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
            owe_old |= (socket.owed.front()).is_some_and(|line| line.turn < self.report.turns);
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
    fn nobody_is_forgotten(&mut self) -> Outcome {
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
    fn after_all(&mut self) -> Outcome {
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

    pub(crate) fn tell_story(&mut self, line: String) {
        story_of(&mut self.trace, || line);
    }
}

fn story_of(trace: &mut Trace, line: impl FnOnce() -> String) {
    const TAIL_LINES: usize = 80;
    match trace {
        Trace::Off => {}
        Trace::Print => println!("{}", line()),
        Trace::Tail(lines) => {
            if lines.len() == TAIL_LINES {
                lines.pop_front();
            }
            lines.push_back(line());
        }
    }
}

pub(crate) fn list(socket: &mut Socket, slot: usize, to_read: &mut Vec<usize>) {
    if !socket.listed {
        socket.listed = true;
        to_read.push(slot);
    }
}

/// Every line to a client: whole, clean, and its first byte says what it is.
fn whole_lines(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("not UTF-8: {:?}", show(bytes)))?;
    let Some(text) = text.strip_suffix('\n') else {
        return if text.is_empty() {
            Ok(Vec::new())
        } else {
            Err(format!("not whole lines: {text:?}"))
        };
    };
    let lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let is_foreign = lines
        .iter()
        .any(|line| line.starts_with("! wrong-protocol "));
    for line in &lines {
        let is_marked = line.starts_with(['<', '*', '-', '=', '!']);
        if !is_foreign && (!is_marked || line.contains(is_bad)) {
            return Err(format!("no line of the protocol: {line:?}"));
        }
    }
    Ok(lines)
}
