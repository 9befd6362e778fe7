//! The server, its disk, its clients and their links; time passes turn by turn, and the server may die.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::Duration;

use chatd::chat::MessageId;
use chatd::config::Limits;
use chatd::hub::Random;
use chatd::session::{AddressGroup, ConnectionSummary, SessionId};
use chatd::time::{Time, WallTime};
use chatd::turn::{Event, Fill, Flush, Io, Turn};
use fastrand::Rng;

use super::client::Client;
use super::store::{Death, Said, Store};

/// When it begins; what is said bears this date.
const WALL_START: u64 = 1_790_000_000_000;
/// More turns than anybody needs to come back.
const TURNS_MAX: usize = 5_000;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clients: Vec<Client>,
    turn: Turn,
    sockets: Sockets,
    now: Time,
    /// Time since the first server began.
    elapsed: Duration,
    rng: Rng,
}

#[derive(Default)]
struct Sockets(Vec<Option<Socket>>);

#[derive(Default)]
struct Socket {
    input: Vec<u8>,
    output: Vec<u8>,
    /// The client is gone; the server may be told later.
    is_cut: bool,
    is_told: bool,
}

impl World {
    pub(crate) fn new(seed: u64, clients: usize) -> World {
        let mut rng = Rng::with_seed(seed);
        World {
            store: Store::new(rng.fork()),
            clients: (0..clients)
                .map(|number| Client::new(&format!("bot{number}")))
                .collect(),
            turn: new_turn(rng.fork()),
            sockets: Sockets::default(),
            now: Time::START,
            elapsed: Duration::ZERO,
            rng,
        }
        .opened()
    }

    fn opened(mut self) -> World {
        let hub = self.turn.hub_mut();
        self.store.recall(hub, self.now);
        self
    }

    /// The server is gone, and another is there at once.
    pub(crate) fn die(&mut self, death: Death) {
        for client in &mut self.clients {
            if client.link.is_some() {
                client.cut_now();
            }
        }
        self.store.die(death);
        self.sockets.0.clear();
        self.turn = new_turn(self.rng.fork());
        self.now = Time::START;
        let hub = self.turn.hub_mut();
        self.store.recall(hub, self.now);
    }

    pub(crate) fn pass(&mut self, turns: u32) {
        for _ in 0..turns {
            let millis = self.rng.u64(1..200);
            self.turn(Duration::from_millis(millis));
        }
    }

    /// Goes on until everybody is there and all is said.
    pub(crate) fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            if self.clients.iter().all(Client::is_content) {
                self.pass(3);
                return;
            }
            self.pass(1);
        }
        panic!("they never come back: {:#?}", self.clients);
    }

    /// What each holds is what was said since it came, in order, once; it may also hold what a power
    /// cut took.
    pub(crate) fn check(&self, case: &str) {
        for client in &self.clients {
            let start = client.start.unwrap();
            let name = &client.name;
            let is_lost = |said: &&Said| self.store.lost.contains(said);
            let since = self.store.all.iter().filter(|said| said.id > start);
            let (lost, kept): (Vec<&Said>, Vec<&Said>) = since.partition(is_lost);
            let mut record: BTreeMap<MessageId, &(String, String)> =
                client.record.iter().map(|(&id, said)| (id, said)).collect();
            for said in kept {
                let held = record.remove(&said.id);
                let is_held =
                    held.is_some_and(|(from, text)| (from, text) == (&said.from, &said.text));
                assert!(is_held, "{case}: {name} lacks {said:?}: {client:#?}");
            }
            let mut missing = lost.len();
            for said in lost {
                missing -= usize::from(record.remove(&said.id).is_some());
            }
            assert!(
                record.is_empty(),
                "{case}: {name} holds what nobody said: {record:?}"
            );
            let is_told = missing == 0 || client.unknown_gaps > 0;
            assert!(is_told, "{case}: {name} is not told of a gap");
        }
    }

    fn turn(&mut self, later: Duration) {
        self.now = self.now + later;
        self.elapsed += later;
        let wall = WallTime::from_millis(WALL_START + self.elapsed.as_millis() as u64);
        self.carry_up();
        let World { turn, sockets, .. } = self;
        turn.start(self.now, wall, sockets);
        self.store.answer(turn.hub_mut(), self.now);
        self.connect();
        let World {
            turn,
            sockets,
            store,
            ..
        } = self;
        store.take_questions(turn.hub_mut(), self.now);
        turn.finish(sockets, |recorder| store.keep(recorder));
        while turn.hub_mut().poll_record().is_some() {}
        self.carry_down();
    }

    /// What clients have sent is there; of some that are gone it is known.
    fn carry_up(&mut self) {
        for client in &mut self.clients {
            let Some(slot) = client.link.as_ref().map(|link| link.slot) else {
                continue;
            };
            let sent = client.take_sent();
            if let Some(socket) = &mut self.sockets.0[slot] {
                socket.input.extend(sent);
            }
        }
        let linked = |slot: usize| {
            let mut links = self
                .clients
                .iter()
                .filter_map(|client| client.link.as_ref());
            links.any(|link| link.slot == slot)
        };
        for (slot, socket) in self.sockets.0.iter_mut().enumerate() {
            let Some(socket) = socket else { continue };
            socket.is_cut |= !linked(slot);
            socket.is_told |= socket.is_cut && self.rng.u32(..4) == 0;
            if !socket.input.is_empty() || socket.is_told {
                let event = Event {
                    readable: true,
                    ..Event::default()
                };
                self.turn.note(SessionId(slot as u32), event);
            }
        }
    }

    fn connect(&mut self) {
        for client in &mut self.clients {
            if client.link.is_none() && self.rng.bool() {
                let sockets = &mut self.sockets.0;
                let free = sockets.iter().position(Option::is_none);
                let slot = free.unwrap_or(sockets.len());
                sockets.resize_with(sockets.len().max(slot + 1), || None);
                sockets[slot] = Some(Socket::default());
                client.connect(slot);
                self.turn.admit(SessionId(slot as u32));
            }
        }
    }

    fn carry_down(&mut self) {
        for client in &mut self.clients {
            let Some(slot) = client.link.as_ref().map(|link| link.slot) else {
                continue;
            };
            match &mut self.sockets.0[slot] {
                Some(socket) => client.receive(&std::mem::take(&mut socket.output)),
                None => client.link = None,
            }
        }
    }
}

fn new_turn(mut rng: Rng) -> Turn {
    let limits = Limits {
        history_lines_max: 5,
        // Now and then there is no place for even these: the room forgets all at once.
        history_total_bytes_max: if rng.bool() { 1 << 25 } else { 500 },
        replay_messages_max: 2,
        rate_lines_per_second: 0,
        byte_rate_bytes_per_second: 0,
        ..Limits::default()
    };
    let random = move || {
        let mut token = [0; 32];
        rng.fill(&mut token);
        token
    };
    Turn::new(limits.with_derived(), Random::new(random))
}

impl Sockets {
    fn get(&mut self, id: SessionId) -> &mut Socket {
        self.0[id.slot()].as_mut().expect("it is open")
    }
}

impl Io for Sockets {
    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        let socket = self.get(id);
        let count = socket.input.len().min(buffer.len());
        buffer[..count].copy_from_slice(&socket.input[..count]);
        socket.input.drain(..count);
        let fill = match (socket.input.is_empty(), socket.is_told) {
            (true, true) if count == 0 => Fill::Lost,
            (true, false) => Fill::Exhausted,
            _ => Fill::Full,
        };
        (count, fill)
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        let socket = self.get(id);
        if socket.is_told {
            return Flush::Lost;
        }
        let mut taken = 0;
        for chunk in chunks {
            socket.output.extend_from_slice(chunk);
            taken += chunk.len();
        }
        Flush::Took(taken)
    }

    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(u128::from(id.0))
    }

    fn shut(&mut self, _: SessionId) {}

    fn widen(&mut self, _: SessionId) -> bool {
        false
    }

    fn close(&mut self, id: SessionId, _: ConnectionSummary, _: Option<Vec<u8>>) {
        self.0[id.slot()] = None;
    }
}
