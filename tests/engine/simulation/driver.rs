//! One simulation: the turn of the server on a virtual clock and a virtual network, with a crowd of
//! seeded clients; and the shadow it is compared with, turn by turn.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use chatd::config::Limits;
use chatd::dialect::http::Site;
use chatd::hub::{Arrival, Random, Record, Recorded};
use chatd::session::{CloseReason, SessionId};
use chatd::time::{Time, WallTime};
use chatd::turn::Turn;
use fastrand::Rng;

use super::bursts;
use super::crowd::{Crowd, Event};
use super::heard::{self, Log, Witness};
use super::network::Network;
use super::operator;
use super::plan;
use super::socket::Socket;
use super::trace::{Report, Trace, story};
use super::walk::{Closed, Order, Seen, Segment};
use super::world::{Outcome, World};

pub(crate) struct Simulation {
    pub(crate) rng: Rng,
    pub(crate) limits: Limits,
    pub(crate) now: Time,
    /// The time as the engine has it: without what the loop slept through.
    pub(crate) engine_now: Time,
    slept: Duration,
    wall: WallTime,
    wall_jump: i64,
    pub(crate) turn: Turn,
    pub(crate) network: Network,
    log: Log,
    pub(crate) crowd: Crowd,
    pub(crate) world: World,
    pub(crate) trace: Trace,
    pub(crate) free: Vec<usize>,
    /// For each turn of which somebody is still owed something: bytes said in it, lines owed.
    pub(crate) pinned: BTreeMap<u64, (usize, usize)>,
    pub(crate) idle_turns: u32,
    pub(crate) report: Report,
}

/// More turns than any simulation needs.
const TURNS_MAX: u64 = 200_000;
/// The wall clock when a simulation begins.
const WALL_START: i64 = 1_790_000_000_000;
/// A turn that begins later than this behind its time was kept from running.
const LATE_MIN: Duration = Duration::from_secs(1);

impl Simulation {
    pub(crate) fn new(seed: u64, trace: Trace) -> Simulation {
        let mut rng = Rng::with_seed(seed);
        let crowd = Crowd::new(&mut rng);
        let mut limits = plan::limits(&mut rng);
        if crowd.is_loud {
            bursts::suit(&mut limits, &mut rng);
        }
        let log = Log::default();
        let has_web = rng.u32(..3) > 0;
        // A browser would take a prompt for the answer to what it asks later.
        limits.prompt_timeout = limits.prompt_timeout.filter(|_| !has_web);
        let mut simulation = Simulation {
            crowd,
            turn: Turn::new(limits.clone(), random(rng.fork(), &log)),
            network: Network::new(rng.fork(), &log),
            rng,
            now: Time::START,
            engine_now: Time::START,
            slept: Duration::ZERO,
            wall: WallTime::default(),
            wall_jump: 0,
            log,
            trace,
            world: World::new(limits.clone(), has_web),
            limits,
            free: Vec::new(),
            pinned: BTreeMap::new(),
            idle_turns: 0,
            report: Report::default(),
        };
        let witness = Witness(Rc::clone(&simulation.log));
        simulation.turn.listen(Box::new(witness));
        if has_web {
            simulation.turn.hub_mut().open_web(Site::new([]));
        }
        story!(simulation, "{:?}", simulation.limits);
        simulation
    }

    /// Lives until everybody is gone.
    pub(crate) fn run(&mut self) -> Outcome {
        self.crowd.gather(&mut self.rng);
        while let Some(at) = self.wakes_at() {
            let late = match self.rng.u32(..500) {
                0 => self.rng.u64(1_000_000..60_000_000),
                1..=10 => self.rng.u64(1..20_000),
                11..=100 => self.rng.u64(1..500),
                _ => self.rng.u64(1..3),
            };
            self.now = at.max(self.now) + Duration::from_micros(late);
            if self.rng.u32(..300) == 0 {
                self.wall_jump = self.rng.i64(-20_000_000..20_000_000);
            }
            while let Some(event) = self.crowd.next_event(self.now) {
                self.happen(event);
            }
            if self.wakes_now() {
                self.turn()?;
            }
            if self.report.turns > TURNS_MAX {
                return Err("it never ends".into());
            }
        }
        self.after_all()
    }

    /// When the poll would return: never, if nothing can happen any more.
    fn wakes_at(&self) -> Option<Time> {
        self.turn
            .next_timeout()
            .into_iter()
            .chain(self.crowd.next_at())
            .min()
    }

    /// Whether the poll returns now: a client that only reads wakes nobody.
    fn wakes_now(&mut self) -> bool {
        let woken = std::mem::take(&mut self.network.woken) || self.crowd.wakes();
        self.network.progress |= woken;
        woken || self.turn.next_timeout().is_some_and(|at| at <= self.now)
    }

    pub(crate) fn turn(&mut self) -> Outcome {
        self.report.turns += 1;
        self.tell_time();
        story!(self, "turn {} at {:?}", self.report.turns, self.engine_now);
        let seen = self.see_turn()?;
        let copied = self.observe(&seen)?;
        // Most turns only write on what is owed.
        let is_quiet = seen.is_quiet() && !self.world.was_told_anything();
        let moves = seen.moves_somebody();
        if is_quiet {
            self.world.obligations()?;
        } else {
            let said_bytes = self.world.play(seen)?;
            self.pinned
                .insert(self.report.turns, (said_bytes + copied, 0));
        }
        for slot in std::mem::take(&mut self.world.survivors) {
            if let Some(socket) = self.network.get_mut(slot) {
                socket.place_is_unknown = true;
            }
        }
        for (slot, socket) in std::mem::take(&mut self.network.closed) {
            self.crowd.is_out(socket.serial, self.now, &mut self.rng);
            self.free.push(slot);
        }
        self.pings_are_answered()?;
        if moves {
            self.engine_agrees()?;
        }
        if !is_quiet || self.report.turns.is_multiple_of(8) {
            self.memory_is_bounded()?;
        }
        self.nobody_is_forgotten()
    }

    /// Time in which the loop did not run although something was due is left out: whoever that
    /// concerns has a second left.
    fn tell_time(&mut self) {
        let engine = self.now - self.slept;
        let due = self.turn.hub().next_timeout();
        let expected = due.map_or(engine, |due| due.max(self.engine_now));
        self.engine_now = if engine.since(expected) > LATE_MIN {
            let resumed = self.engine_now.max(expected - LATE_MIN);
            self.slept += engine.since(resumed);
            self.report.gaps += 1;
            resumed
        } else {
            engine.max(self.engine_now)
        };
        let millis = self.now.since(Time::START).as_millis() as i64;
        let millis = WALL_START + self.wall_jump + millis;
        self.wall = WallTime::from_millis(millis as u64);
        self.world.set_time(self.engine_now, self.wall);
    }

    /// One turn, written down.
    fn see_turn(&mut self) -> Result<Seen, String> {
        let slots = 0..self.network.sockets.len();
        let lines_in = |turn: &Turn, slot: usize| {
            let session = turn.hub().sessions().get(SessionId(slot as u32));
            session.map_or(0, |session| session.lines_in)
        };
        let before: Vec<u64> = slots
            .clone()
            .map(|slot| lines_in(&self.turn, slot))
            .collect();
        let ready = self.ready();
        self.turn.start(self.now, self.wall, &mut self.network);
        let start = self.segment();
        self.is_fair(&ready, &start)?;
        let counts = slots.map(|slot| (slot, lines_in(&self.turn, slot) - before[slot]));
        let lines: Vec<(usize, u64)> = counts.filter(|&(_, count)| count > 0).collect();
        self.network.progress |= !lines.is_empty();
        self.report.lines_in += lines.iter().map(|(_, count)| count).sum::<u64>();
        self.tell_segment("start", &start);
        story!(self, "  handled: {lines:?}");
        let mut orders = self.accept();
        orders.append(&mut self.operate());
        let held_bytes = self.network.held_bytes();
        self.turn.hub_mut().set_transport_bytes(held_bytes);
        let memory_bytes_max = self.memory_bytes_max() + held_bytes;
        self.turn.finish(&mut self.network, |_| {});
        let finish = self.segment();
        self.tell_segment("finish", &finish);
        if let Some(fault) = self.network.fault.take() {
            return Err(fault);
        }
        for event in start.log.iter().chain(&finish.log) {
            self.report.count(event);
        }
        let closed = self.see_closed();
        self.after_writes();
        Ok(Seen {
            lines,
            start,
            orders,
            finish,
            closed,
            memory_bytes_max,
        })
    }

    /// What was heard since the last time.
    fn segment(&mut self) -> Segment {
        let hub = self.turn.hub_mut();
        Segment {
            log: std::mem::take(&mut *self.log.borrow_mut()),
            records: std::iter::from_fn(|| hub.poll_record())
                .filter_map(followed)
                .collect(),
        }
    }

    fn tell_segment(&mut self, part: &str, segment: &Segment) {
        if !self.trace.is_on() {
            return;
        }
        let is_told = |event: &&heard::Event| !matches!(event, heard::Event::Flush(..));
        let fills: VecDeque<String> = segment
            .log
            .iter()
            .filter(is_told)
            .map(|event| match event {
                heard::Event::Fill(slot, bytes, fill) => {
                    format!("{slot} sends {:?}, {fill:?}", super::wire::show(bytes))
                }
                event => format!("{event:?}"),
            })
            .collect();
        for line in fills {
            story!(self, "  {part}: {line}");
        }
        for record in &segment.records {
            story!(self, "  {part}: {record:?}");
        }
    }

    fn accept(&mut self) -> Vec<(Order, Segment)> {
        let mut orders = Vec::new();
        for serial in self.crowd.take_waiting() {
            self.network.progress = true;
            self.report.connections += 1;
            let slot = self.free.pop().unwrap_or_else(|| {
                self.network.sockets.push(None);
                self.network.sockets.len() - 1
            });
            let refusal = if self.turn.hub().sessions().live() >= self.limits.clients_max {
                Some(CloseReason::ServerFull)
            } else {
                (self.rng.u32(..40) == 0).then_some(CloseReason::TooManyFromAddress)
            };
            story!(self, "  {serial} connects to slot {slot}: {refusal:?}");
            self.network.sockets[slot] = Some(Socket::new(
                serial,
                self.now,
                self.world.has_web,
                &mut self.rng,
            ));
            self.crowd.is_in(serial, slot, self.now, &mut self.rng);
            self.world.connect(slot).expect("the slot is free");
            let id = SessionId(slot as u32);
            let order = match refusal {
                None => {
                    self.turn.admit(id);
                    Order::Admit
                }
                Some(reason) => {
                    self.turn.refuse(id, reason, None);
                    Order::Refuse(slot, reason)
                }
            };
            orders.push((order, self.segment()));
        }
        orders
    }

    /// What the operator asked for since the turn before.
    fn operate(&mut self) -> Vec<(Order, Segment)> {
        let mut orders = Vec::new();
        for event in self.crowd.take_orders() {
            story!(self, "  operator: {event:?}");
            let hub = self.turn.hub_mut();
            let order = match event {
                Event::Kick(name, why) => {
                    let kicked = hub.operator().kick(&name, why.as_deref());
                    Order::Kick { name, why, kicked }
                }
                Event::Announce(text) => {
                    hub.operator().announce(&text);
                    Order::Announce(text)
                }
                Event::Operator(order) => {
                    let done = operator::operate(hub, &order);
                    Order::Operator(order, done)
                }
                _ => {
                    hub.shut_down();
                    Order::ShutDown
                }
            };
            orders.push((order, self.segment()));
        }
        orders
    }

    fn see_closed(&self) -> BTreeMap<usize, Closed> {
        let closed = self.network.closed.iter().map(|(slot, socket)| {
            // What is written now is not settled yet.
            let bytes_out = socket.bytes_out + socket.taken.len() as u64;
            let is_done = socket.shut;
            let owed_bytes = if is_done {
                0
            } else {
                socket.owed_bytes().saturating_sub(socket.taken.len())
            };
            let lost = socket.lost || socket.failed;
            (
                *slot,
                Closed {
                    bytes_out,
                    owed_bytes,
                    is_sealed: socket
                        .sealed
                        .as_ref()
                        .is_some_and(|sealed| sealed.promised_before > 0),
                    lost,
                },
            )
        });
        closed.collect()
    }

    /// What clients do about what was written to them.
    fn after_writes(&mut self) {
        for slot in std::mem::take(&mut self.network.spurious) {
            if let Some(socket) = self.network.get_mut(slot) {
                self.crowd.will_take(socket.serial, self.now, &mut self.rng);
            }
        }
        for slot in 0..self.network.sockets.len() {
            let Some(socket) = self.network.get_mut(slot) else {
                continue;
            };
            if std::mem::take(&mut socket.wrote) {
                let count = socket.taken.len();
                self.crowd.will_read(socket, self.now, &mut self.rng);
                story!(self, "  {slot} takes {count} bytes");
            }
            if let Some(socket) = self.network.get_mut(slot)
                && socket.shut
                && !std::mem::replace(&mut socket.saw_end, true)
            {
                self.crowd
                    .sees_the_end(socket.serial, self.now, &mut self.rng);
                story!(self, "  {slot} is shut");
            }
        }
    }
}

/// Tokens of a seed, each of which is heard.
fn random(mut rng: Rng, log: &Log) -> Random {
    let log = Rc::clone(log);
    Random::new(move || {
        let mut token = [0; 32];
        rng.fill(&mut token);
        let hex = token.iter().map(|byte| format!("{byte:02x}")).collect();
        log.borrow_mut().push_back(heard::Event::Token(hex));
        token
    })
}

/// What of a record the shadow follows: who came by which connection, and nothing of the rooms it
/// goes into and out of, which the facts say.
fn followed(record: Record) -> Option<Record> {
    let Record { session, what } = record;
    let what = match what {
        Recorded::Entered { .. } | Recorded::Left { .. } | Recorded::CameBack(_) => return None,
        Recorded::Joined(arrival) => joined(&arrival.name),
        other => other,
    };
    Some(Record { session, what })
}

/// That somebody has come under this name.
pub(crate) fn joined(name: &str) -> Recorded {
    Recorded::Joined(Arrival {
        name: name.into(),
        ..Arrival::default()
    })
}
