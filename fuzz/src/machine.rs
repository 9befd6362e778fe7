//! `Machine`: the [`Turn`] of the server and the sockets around it. The script says what peers and
//! the operator do and what time it is; between two deadlines the machine lets no time pass, unless
//! it is to play that the whole process was stopped. After each turn it looks for what must not be:
//! somebody who waits for nothing, somebody who should have been cut, bytes nobody counts; and
//! what peers hear is held against what happened (`log`, `heard`). Owned by the target.

use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::{Random, Recorded};
use chatd::session::{CloseReason, Phase, SessionId};
use chatd::time::{Time, WallTime};
use chatd::turn::{Event, Turn};

use crate::log::Log;
use crate::socket::{Sending, Socket, Sockets};

/// Connections at once: enough for a room, few enough that a script meets them again.
pub const SLOTS: u32 = 6;
/// Turns after which a server that is left alone should long be at rest.
const TURNS_TO_REST_MAX: usize = 200_000;
/// Any day.
const STARTED_AT_MILLIS: u64 = 1_790_000_000_000;

/// What the operator, or who accepts, does in the next turn.
#[derive(Debug)]
pub enum Order {
    /// A connection was accepted.
    Connect(u32, Socket),
    /// A connection was accepted for which there is no place.
    Refuse(u32, Socket, CloseReason),
    /// Something clean is said to everybody.
    Announce(String),
    /// Somebody is thrown out.
    Kick(String, Option<String>),
    /// The connection breaks after it was read, so that only writing finds it broken.
    BreakOff(u32),
    /// The server stops.
    ShutDown,
}

/// See the file.
#[derive(Debug)]
pub struct Machine {
    turn: Turn,
    sockets: Sockets,
    now: Time,
    /// How far the clock on the wall was put forward.
    wall_millis: u64,
    orders: Vec<Order>,
    board: Vec<u8>,
}

/// What the `number`th token that was given out looks like.
pub fn token(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

impl Machine {
    /// A server with these limits, whose sockets take at most so much in one write.
    pub fn new(limits: Limits, write_bytes_max: usize) -> Machine {
        let mut given = 0;
        let random = Random::new(move || {
            given += 1;
            [given; 32]
        });
        let mut turn = Turn::new(limits.clone(), random);
        turn.hub_mut().operator().turn_board_on();
        let (log, witness) = Log::new();
        turn.listen(witness);
        Machine {
            turn,
            sockets: Sockets::new(SLOTS, write_bytes_max, limits, log),
            now: Time::START,
            wall_millis: STARTED_AT_MILLIS,
            orders: Vec::new(),
            board: Vec::new(),
        }
    }

    /// Adds an order for the next turn. Nobody is accepted where somebody is, or once the server
    /// stops.
    pub fn order(&mut self, order: Order) {
        if let Order::Connect(slot, _) | Order::Refuse(slot, ..) = order
            && (self.sockets.is_stopping || self.is_taken(slot))
        {
            return;
        }
        self.sockets.is_stopping |= matches!(order, Order::ShutDown);
        self.orders.push(order);
    }

    /// Whether there is a connection in a slot, or will be in the next turn.
    pub fn is_taken(&self, slot: u32) -> bool {
        let ordered = self.orders.iter().any(|order| {
            matches!(order, Order::Connect(other, _) | Order::Refuse(other, ..) if *other == slot)
        });
        ordered || self.sockets.slots[slot as usize].is_some()
    }

    /// The peer of a slot does something; `act` says whether that makes the socket readable.
    pub fn with_peer(&mut self, slot: u32, act: impl FnOnce(&mut Socket) -> bool) {
        if let Some(socket) = self.sockets.slots[slot as usize].as_mut()
            && act(socket)
        {
            self.note_readable(slot);
        }
    }

    /// The peer of a slot reads so many bytes, now or as they come; 0 is none from now on.
    pub fn open_window(&mut self, slot: u32, bytes: usize) {
        let Some(socket) = self.sockets.slots[slot as usize].as_mut() else {
            return;
        };
        socket.window = match bytes {
            0 => 0,
            bytes => socket.window.saturating_add(bytes),
        };
        if socket.window > 0 && std::mem::take(&mut socket.is_blocked) {
            let event = Event {
                writable: true,
                ..Event::default()
            };
            self.turn.note(SessionId(slot), event);
        }
    }

    /// The clock on the wall is put forward, or back.
    pub fn put_wall_clock(&mut self, forward_millis: i32) {
        self.wall_millis = self
            .wall_millis
            .saturating_add_signed(forward_millis.into());
    }

    /// Lets time pass as it does for a server that runs: it has a turn whenever it wants one, and
    /// one at the end.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..TURNS_TO_REST_MAX {
            match self.next_turn() {
                Some(at) if at < end => self.one_turn(at),
                _ => return self.one_turn(end),
            }
        }
        panic!("it does not come to the end of {duration:?}");
    }

    /// Lets nothing happen but the turn that is wanted next, if one is.
    pub fn pass_to_next_turn(&mut self) {
        let at = self.next_turn().unwrap_or(self.now);
        self.one_turn(at);
    }

    /// The process is stopped for so long, whatever it had to do. That counts against nobody.
    pub fn pause(&mut self, duration: Duration) {
        for socket in self.sockets.slots.iter_mut().flatten() {
            socket.connected_at = socket.connected_at + duration;
            socket.stuck_since = socket.stuck_since.map(|since| since + duration);
        }
        self.one_turn(self.now + duration);
    }

    /// Everybody reads all they are owed, until nothing moves any more; then everybody ends.
    /// Nothing may be left.
    pub fn run_down(mut self) {
        self.rest();
        if !self.sockets.is_stopping {
            let sockets = self.sockets.slots.iter().flatten();
            sockets.for_each(|socket| socket.heard.check_complete(&self.sockets.log));
        }
        for slot in 0..SLOTS {
            self.with_peer(slot, Socket::end);
        }
        self.rest();
        let left = self.sockets.slots.iter().flatten().count();
        assert_eq!(left, 0, "somebody stays for ever");
        let left = self.turn.hub().overview().statistics();
        assert_eq!(
            (self.turn.hub().sessions().live(), left.clients, left.rooms),
            (0, 0, 0)
        );
        assert_eq!((left.unique_bytes, left.queued_bytes), (0, 0));
    }

    fn rest(&mut self) {
        for slot in 0..SLOTS {
            self.open_window(slot, usize::MAX / 2);
        }
        for _ in 0..TURNS_TO_REST_MAX {
            let Some(at) = self.next_turn() else {
                let mut sockets = self.sockets.slots.iter().flatten();
                let is_unread = sockets.any(|socket| !socket.inbox.is_empty());
                return assert!(!is_unread, "somebody is not read from any more");
            };
            self.one_turn(at);
        }
        panic!("it never comes to rest");
    }

    /// When the server wants its next turn, if nothing happens.
    fn next_turn(&self) -> Option<Time> {
        if !self.orders.is_empty() {
            return Some(self.now);
        }
        self.turn.next_timeout().map(|at| at.max(self.now))
    }

    fn one_turn(&mut self, now: Time) {
        self.now = now;
        let elapsed = u64::try_from(now.since(Time::START).as_millis()).unwrap_or(u64::MAX);
        let wall = WallTime::from_millis(self.wall_millis.saturating_add(elapsed));
        let taken: Vec<u64> = self.taken().collect();
        let sockets = self.sockets.slots.iter_mut().flatten();
        for socket in sockets.filter(|socket| !socket.has_ended) {
            socket.had_spoken = socket.bytes_in > 0;
        }
        self.turn.start(now, wall, &mut self.sockets);
        for order in std::mem::take(&mut self.orders) {
            self.obey(order);
        }
        self.turn.finish(&mut self.sockets, |_| {});
        self.take_records();
        self.sockets.log.catch_up();
        self.check_board();
        self.check_sockets(&taken);
        self.check_sums();
    }

    /// What each peer has taken so far.
    fn taken(&self) -> impl Iterator<Item = u64> {
        let sockets = self.sockets.slots.iter();
        sockets.map(|socket| socket.as_ref().map_or(0, |socket| socket.bytes_out))
    }

    fn note_readable(&mut self, slot: u32) {
        let Some(socket) = &self.sockets.slots[slot as usize] else {
            return;
        };
        let event = Event {
            readable: true,
            writable: false,
            failed: socket.sending == Sending::Broken,
        };
        self.turn.note(SessionId(slot), event);
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Connect(slot, socket) => {
                let is_full = self.turn.hub().sessions().live() >= self.sockets.limits.clients_max;
                let refused = is_full.then_some(CloseReason::ServerFull);
                self.admit(slot, socket, refused);
            }
            Order::Refuse(slot, socket, reason) => self.admit(slot, socket, Some(reason)),
            Order::Announce(text) => self.turn.hub_mut().operator().announce(&text),
            Order::Kick(name, reason) => {
                let hub = self.turn.hub_mut();
                let live = hub.sessions().live();
                let kicked = hub.operator().kick(&name, reason.as_deref()).is_some();
                let ended = live - hub.sessions().live();
                assert_eq!(ended, usize::from(kicked), "{name} was not ended once");
                // Which of them it was, only its summary says.
                let sockets = self.sockets.slots.iter_mut().flatten();
                sockets.for_each(|socket| socket.kicked |= kicked);
            }
            Order::BreakOff(slot) => self.with_peer(slot, Socket::break_off),
            Order::ShutDown => {
                self.turn.hub_mut().shut_down();
                assert_eq!(self.turn.hub().sessions().live(), 0);
            }
        }
    }

    fn admit(&mut self, slot: u32, mut socket: Socket, refused: Option<CloseReason>) {
        socket.connected_at = self.now;
        socket.refused = refused.is_some();
        let is_readable = !socket.inbox.is_empty() || socket.sending != Sending::Open;
        self.sockets.slots[slot as usize] = Some(socket);
        match refused {
            None => self.turn.admit(SessionId(slot)),
            Some(reason) => self.turn.refuse(SessionId(slot), reason, None),
        }
        if is_readable {
            self.note_readable(slot);
        }
    }

    fn take_records(&mut self) {
        while let Some(record) = self.turn.hub_mut().poll_record() {
            // What ended in this turn may be closed already.
            if let (Some(id), Recorded::Ended) = (record.session, record.what)
                && let Some(socket) = &mut self.sockets.slots[id.slot()]
            {
                socket.note_end();
            }
        }
    }

    /// The board has what was said, in its order.
    fn check_board(&mut self) {
        self.board.clear();
        self.turn.hub_mut().operator().take_board(&mut self.board);
        for line in self.board.split_inclusive(|&byte| byte == b'\n') {
            let line = std::str::from_utf8(line).expect("the board is text");
            let said = self.sockets.log.next_said();
            assert_eq!(line.strip_suffix('\n'), said.as_deref());
        }
        assert_eq!(self.sockets.log.next_said(), None, "not on the board");
    }

    fn check_sockets(&mut self, taken: &[u64]) {
        let hub = self.turn.hub();
        let clients: Vec<(SessionId, bool)> = hub
            .overview()
            .clients()
            .map(|client| (client.session, client.name.is_some()))
            .collect();
        assert_eq!(clients.len(), hub.sessions().live());
        let Sockets { slots, limits, .. } = &mut self.sockets;
        let next = self.turn.next_timeout();
        for (slot, socket) in (0u32..).zip(slots) {
            let owed = hub.sessions().queued_bytes(SessionId(slot));
            let Some(socket) = socket else {
                assert_eq!(owed, 0);
                continue;
            };
            assert!(
                owed == 0 || next.is_some(),
                "slot {slot} may stall for ever"
            );
            assert!(
                !socket.shut || owed == 0,
                "it was shut while it is owed something"
            );
            assert!(
                !(socket.shut && socket.was_told_end),
                "slot {slot}: both sides are shut, and it stays"
            );
            socket.was_behind |= owed > 0;
            if owed == 0 || socket.bytes_out > taken[slot as usize] {
                socket.stuck_since = None;
            } else {
                socket.stuck_since.get_or_insert(self.now);
            }
            let client = clients.iter().find(|(id, _)| id.0 == slot);
            assert_eq!(socket.has_ended, client.is_none());
            match client {
                None => assert!(next.is_some(), "slot {slot} lingers for ever"),
                Some(&(id, is_named)) => {
                    let session = hub.sessions().get(id).expect("the hub has it");
                    // Who goes on posting needs no name.
                    let is_posting = session.phase() == Phase::Posting;
                    let waits = self.now.since(socket.connected_at);
                    assert!(
                        is_named || is_posting || waits < limits.name_timeout,
                        "it has no name"
                    );
                    check_live(socket, owed, self.now, limits);
                }
            }
        }
    }

    fn check_sums(&self) {
        let hub = self.turn.hub();
        let owed: usize = (0..SLOTS)
            .map(|slot| hub.sessions().queued_bytes(SessionId(slot)))
            .sum();
        let statistics = hub.overview().statistics();
        assert_eq!(statistics.queued_bytes, owed);
        assert!(
            owed > 0 || statistics.unique_bytes == 0,
            "blocks that nobody waits for"
        );
        let named = hub
            .overview()
            .clients()
            .filter(|client| client.name.is_some())
            .count();
        assert_eq!(named, statistics.clients);
        let in_rooms: usize = hub
            .overview()
            .clients()
            .map(|client| client.rooms.len())
            .sum();
        let here: usize = hub.overview().rooms().map(|(_, here)| here).sum();
        assert_eq!(here, in_rooms);
    }
}

/// What holds for a connection that has not ended.
fn check_live(socket: &Socket, owed: usize, now: Time, limits: &Limits) {
    let stuck = socket.stuck_since.map(|since| now.since(since));
    assert!(
        stuck.is_none_or(|stuck| stuck < limits.stall_timeout),
        "it stalls"
    );
    assert!(owed <= limits.outbox_bytes_max, "it is owed {owed} bytes");
}
