//! The clients: what happens when on the virtual network. A queue of events on the virtual clock,
//! and the choices of each client. It knows sockets, not the hub. Part of a simulation.

use std::collections::BTreeMap;
use std::time::Duration;

use chatd::session::SessionId;
use chatd::time::Time;
use chatd::turn;
use fastrand::Rng;

use super::browser;
use super::bursts;
use super::driver::Simulation;
use super::operator;
use super::plan::{self, Known};
use super::sniff::Language;
use super::socket::{Reading, Socket};
use super::trace::story;
use super::wire::show;

/// Something that happens, to the client with this serial.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Connect,
    Act(u64),
    Arrive(u64, Vec<u8>),
    Fin(u64),
    Reset(u64),
    Read(u64),
    /// The socket takes bytes again.
    Takes(u64),
    /// The kernel says that there is something to read, and there is not.
    Nudge(u64),
    /// What arrives cannot be understood by what carries it.
    Fault(u64),
    Kick(String, Option<String>),
    Announce(String),
    Operator(operator::Order),
    ShutDown,
}

#[derive(Debug)]
pub(crate) struct Crowd {
    queue: BTreeMap<(Time, u64), Event>,
    events: u64,
    slots: BTreeMap<u64, usize>,
    serials: u64,
    waiting: Vec<u64>,
    orders: Vec<Event>,
    messages: u64,
    size: usize,
    /// How often clients still do something before all leave.
    acts_left: u32,
    /// They say much at once, to readers who may take it.
    pub(crate) is_loud: bool,
    closed: bool,
}

impl Crowd {
    pub(crate) fn new(rng: &mut Rng) -> Crowd {
        let size = match rng.u32(..10) {
            0..=5 => rng.usize(2..=6),
            6..=8 => rng.usize(5..=12),
            _ => rng.usize(10..=plan::CROWD_MAX),
        };
        Crowd {
            queue: BTreeMap::new(),
            events: 0,
            slots: BTreeMap::new(),
            serials: 0,
            waiting: Vec::new(),
            orders: Vec::new(),
            messages: 0,
            size,
            acts_left: rng.u32(15..=100),
            is_loud: rng.u32(..12) == 0,
            closed: false,
        }
    }

    /// Everybody sets out.
    pub(crate) fn gather(&mut self, rng: &mut Rng) {
        for _ in 0..self.size {
            self.plan(Time::START, rng.u64(..100_000), Event::Connect);
        }
        for _ in 0..rng.u32(..4) {
            let why = rng.bool().then(|| "be good".to_owned());
            let order = match rng.u32(..3) {
                0 => Event::Announce("hear, hear".into()),
                _ => Event::Kick(plan::name(rng).into(), why),
            };
            self.plan(Time::START, rng.u64(..3_000_000), order);
        }
        for _ in 0..rng.u32(..6) {
            let order = Event::Operator(plan::order(rng));
            self.plan(Time::START, rng.u64(..3_000_000), order);
        }
        if rng.u32(..6) == 0 {
            self.plan(Time::START, rng.u64(..2_000_000), Event::ShutDown);
        }
    }

    pub(crate) fn next_at(&self) -> Option<Time> {
        self.queue.first_key_value().map(|(&(at, _), _)| at)
    }

    pub(crate) fn next_event(&mut self, now: Time) -> Option<Event> {
        let (&(at, _), _) = self.queue.first_key_value()?;
        if at > now {
            return None;
        }
        self.queue.pop_first().map(|(_, event)| event)
    }

    /// Whether somebody connects, or the operator wants something.
    pub(crate) fn wakes(&self) -> bool {
        !self.waiting.is_empty() || !self.orders.is_empty()
    }

    pub(crate) fn take_waiting(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.waiting)
    }

    pub(crate) fn take_orders(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.orders)
    }

    pub(crate) fn is_in(&mut self, serial: u64, slot: usize, now: Time, rng: &mut Rng) {
        self.slots.insert(serial, slot);
        let wait = if rng.u32(..8) == 0 { 1_000_000 } else { 30_000 };
        self.plan(now, rng.u64(..wait), Event::Act(serial));
    }

    /// A connection was closed; somebody else may come.
    pub(crate) fn is_out(&mut self, serial: u64, now: Time, rng: &mut Rng) {
        self.slots.remove(&serial);
        if self.acts_left > 0 && rng.u32(..4) > 0 {
            self.plan(now, rng.u64(..50_000), Event::Connect);
        }
    }

    /// There is something for the client to read.
    pub(crate) fn will_read(&mut self, socket: &mut Socket, now: Time, rng: &mut Rng) {
        if !socket.will_read
            && socket.has_unread()
            && let Some(wait) = socket.reads_in(rng)
        {
            socket.will_read = true;
            self.plan(now, wait, Event::Read(socket.serial));
        }
    }

    pub(crate) fn will_take(&mut self, serial: u64, now: Time, rng: &mut Rng) {
        self.plan(now, rng.u64(..2000), Event::Takes(serial));
    }

    /// The server has shut its side.
    pub(crate) fn sees_the_end(&mut self, serial: u64, now: Time, rng: &mut Rng) {
        match rng.u32(..10) {
            0..=5 => self.plan(now, rng.u64(..40_000), Event::Fin(serial)),
            6 => self.plan(now, rng.u64(..40_000), Event::Reset(serial)),
            _ => {}
        }
    }

    pub(crate) fn plan(&mut self, now: Time, wait_microseconds: u64, event: Event) {
        self.events += 1;
        self.queue.insert(
            (now + Duration::from_micros(wait_microseconds), self.events),
            event,
        );
    }
}

impl Simulation {
    /// Something happens outside the server.
    pub(crate) fn happen(&mut self, event: Event) {
        let serial = match event {
            Event::Connect => {
                if !self.crowd.closed {
                    self.crowd.serials += 1;
                    self.crowd.waiting.push(self.crowd.serials);
                }
                return;
            }
            Event::ShutDown => {
                self.crowd.closed = true;
                self.crowd.waiting.clear();
                self.crowd.orders.push(event);
                return;
            }
            Event::Kick(..) | Event::Announce(_) | Event::Operator(_) => {
                self.crowd.orders.push(event);
                return;
            }
            Event::Act(serial)
            | Event::Arrive(serial, _)
            | Event::Fin(serial)
            | Event::Reset(serial)
            | Event::Read(serial)
            | Event::Takes(serial)
            | Event::Nudge(serial)
            | Event::Fault(serial) => serial,
        };
        let Some(&slot) = self.crowd.slots.get(&serial) else {
            return;
        };
        match event {
            Event::Act(_) => self.act(serial, slot),
            event => self.happen_to(slot, event),
        }
    }

    /// Something happens to a socket, of which the kernel tells the turn.
    fn happen_to(&mut self, slot: usize, event: Event) {
        match &event {
            Event::Arrive(_, bytes) => story!(self, "  [{slot}] arrives {:?}", show(bytes)),
            event => story!(self, "  [{slot}] {event:?}"),
        }
        let Some(socket) = self.network.get_mut(slot) else {
            return;
        };
        let mut told = turn::Event::default();
        match event {
            // Nothing comes over a connection that is broken.
            Event::Arrive(..) | Event::Fin(_) if socket.reset => {}
            Event::Arrive(_, bytes) => {
                socket.arrived.extend(bytes);
                told.readable = true;
            }
            Event::Fin(_) => {
                socket.fin = true;
                if let Some(sealed) = &mut socket.sealed {
                    sealed.is_truncated = self.rng.bool();
                }
                told.readable = true;
            }
            Event::Reset(_) => {
                socket.reset = true;
                told.failed = true;
            }
            Event::Read(_) => {
                socket.will_read = false;
                told.writable = socket.drain();
                self.crowd.will_read(socket, self.now, &mut self.rng);
            }
            Event::Fault(_) => {
                if let Some(sealed) = &mut socket.sealed {
                    sealed.is_faulty = true;
                }
                told.readable = true;
            }
            Event::Takes(_) => told.writable = true,
            _ => told.readable = true,
        }
        let is_new = !socket.readable && (told.readable || told.failed);
        socket.readable |= is_new;
        socket.writable |= told.writable || told.failed;
        socket.failed |= told.failed;
        if is_new {
            self.network.mark_ready(slot);
        }
        self.network.woken |= told != turn::Event::default();
        self.turn.note(SessionId(slot as u32), told);
    }

    /// A client does something, and decides when it will do the next thing.
    fn act(&mut self, serial: u64, slot: usize) {
        let Some(socket) = self.network.get_mut(slot).filter(|socket| socket.sending) else {
            return;
        };
        let rng = &mut self.rng;
        if self.crowd.acts_left == 0 {
            if rng.u32(..5) > 0 {
                socket.reading = Reading::AtOnce;
                self.crowd.will_read(socket, self.now, rng);
            }
            return self.leave(serial, slot);
        }
        self.crowd.acts_left -= 1;
        let (speaks, is_first) = (socket.speaks, !std::mem::replace(&mut socket.spoke, true));
        match rng.u32(..100) {
            _ if is_first => {
                let known = self.known(slot);
                let first = plan::first_bytes(&mut self.rng, speaks, &known);
                if self.is_framed(slot) {
                    self.send_raw(slot, browser::UPGRADE.as_bytes());
                }
                self.send(slot, &first);
            }
            0..=7 => {
                socket.reading = match rng.u32(..4) {
                    0 => Reading::NotAtAll,
                    1 => Reading::Slowly(rng.usize(1..100), rng.u64(10..5000)),
                    _ => Reading::AtOnce,
                };
                self.crowd.will_read(socket, self.now, rng);
            }
            8..=9 => return self.leave(serial, slot),
            10 if socket.sealed.is_some() && rng.bool() => {
                let arrival = socket.arrival.max(self.now);
                self.crowd.plan(arrival, 0, Event::Fault(serial));
            }
            11 => self.crowd.plan(self.now, 0, Event::Nudge(serial)),
            12..=14 => self.send_half(slot),
            15 if self.is_framed(slot) => self.send_last_frame(slot),
            _ => {
                let known = self.known(slot);
                let serials = &mut self.crowd.messages;
                let rng = &mut self.rng;
                let bytes = match self.crowd.is_loud && rng.u32(..3) == 0 {
                    true => bursts::burst(rng, serials, &self.limits, speaks, &known),
                    false => plan::bytes(rng, serials, &self.limits, speaks, &known),
                };
                self.send(slot, &bytes);
            }
        }
        let wait = [500, 5000, 50_000, 300_000][self.rng.usize(..4)];
        self.crowd
            .plan(self.now, self.rng.u64(..wait), Event::Act(serial));
    }

    /// What a client may know, or guess.
    fn known(&self, slot: usize) -> Known {
        let world = &self.world;
        let keys = world.member(slot).map_or(&[][..], |member| &member.rooms);
        let rooms = keys.iter().map(|key| world.rooms[key].name.to_string());
        let said = world.rooms.values().flat_map(|room| &room.said);
        let others = world.peers.iter().flatten();
        Known {
            rooms: rooms.collect(),
            ids: said.map(|said| said.id.to_string()).collect(),
            tokens: others
                .flat_map(|peer| {
                    let name = peer.member().map(|member| member.name.to_string());
                    let tokens = peer.tokens().map(str::to_owned);
                    tokens.map(move |token| (name.clone().unwrap_or_default(), token))
                })
                .collect(),
        }
    }

    /// One of the ways out.
    fn leave(&mut self, serial: u64, slot: usize) {
        if self.rng.u32(..3) == 0 {
            self.send_half(slot);
        }
        let way = self.rng.u32(..10);
        if way < 3 {
            let speaks = self.network.get_mut(slot).map(|socket| socket.speaks);
            self.send(slot, &plan::quit(speaks == Some(Language::Json)));
        } else if way < 7 && self.is_framed(slot) {
            self.send_last_frame(slot);
        }
        let Some(socket) = self.network.get_mut(slot) else {
            return;
        };
        socket.sending = false;
        let after = socket.arrival.max(self.now);
        match way {
            // Somebody who only quits, and waits for the end; but not for ever, since what it said
            // may not have been understood.
            0..=1 => self.crowd.plan(after, 30_000_000, Event::Fin(serial)),
            2..=7 => self.crowd.plan(after, 0, Event::Fin(serial)),
            _ => self
                .crowd
                .plan(self.now, self.rng.u64(..5000), Event::Reset(serial)),
        }
    }
}
