//! `Machine`: the hub and the sockets around it, turn by turn, as `net::server` drives it: reading,
//! accepting, the operator, the end of the turn, writing, reaping. The script says what peers do
//! and what time it is. After each turn the machine looks for what must not be: somebody who waits
//! for nothing, somebody who should have been cut, bytes nobody counts. Owned by the target.

use std::collections::HashMap;

use chatd::config::Limits;
use chatd::hub::{AfterWrite, CloseReason, Hub};
use chatd::time::Time;

use crate::socket::{Fill, Sending, Socket};

/// Connections at once: enough for a room, few enough that a script meets them again.
pub const SLOTS: u32 = 6;
/// Turns after which a hub that is left alone should long be at rest.
const TURNS_TO_REST_MAX: usize = 200_000;

/// What the operator, or who accepts, does in the next turn.
#[derive(Debug)]
pub enum Order {
    /// A connection was accepted.
    Connect(u32, Socket),
    /// A connection was accepted for which there is no place.
    Refuse(u32, Socket, CloseReason),
    /// Something is said to all rooms.
    Announce(Vec<u8>),
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
    hub: Hub,
    limits: Limits,
    now: Time,
    sockets: Vec<Option<Socket>>,
    orders: Vec<Order>,
    to_read: Vec<u32>,
    /// What one write takes at most.
    write_bytes_max: usize,
    stopping: bool,
    /// What was said in any room, in its order: how often, and where if only once.
    board: HashMap<Box<str>, Said>,
    board_bytes: Vec<u8>,
    said: usize,
}

#[derive(Debug, Clone, Copy)]
struct Said {
    times: usize,
    place: usize,
}

impl Machine {
    /// A hub with these limits, whose sockets take at most so much in one write.
    pub fn new(limits: Limits, write_bytes_max: usize) -> Machine {
        let mut hub = Hub::new(limits.clone());
        hub.turn_board_on();
        Machine {
            hub,
            limits,
            now: Time::START,
            sockets: (0..SLOTS).map(|_| None).collect(),
            orders: Vec::new(),
            to_read: Vec::new(),
            write_bytes_max,
            stopping: false,
            board: HashMap::new(),
            board_bytes: Vec::new(),
            said: 0,
        }
    }

    /// Adds an order for the next turn. Nobody is accepted where somebody is, or once the server
    /// stops.
    pub fn order(&mut self, order: Order) {
        if let Order::Connect(slot, _) | Order::Refuse(slot, ..) = order
            && (self.stopping || self.is_taken(slot))
        {
            return;
        }
        self.stopping |= matches!(order, Order::ShutDown);
        self.orders.push(order);
    }

    /// Whether there is a connection in a slot, or will be in the next turn.
    pub fn is_taken(&self, slot: u32) -> bool {
        let ordered = self.orders.iter().any(|order| {
            matches!(order, Order::Connect(other, _) | Order::Refuse(other, ..) if *other == slot)
        });
        ordered || self.sockets[slot as usize].is_some()
    }

    /// The peer of a slot does something; `act` says whether that makes the socket readable.
    pub fn with_peer(&mut self, slot: u32, act: impl FnOnce(&mut Socket) -> bool) {
        let Some(socket) = self.sockets[slot as usize].as_mut() else {
            return;
        };
        if act(socket) {
            self.note_readable(slot);
        }
    }

    /// The peer of a slot reads so many bytes, now or as they come; 0 is none from now on.
    pub fn open_window(&mut self, slot: u32, bytes: usize) {
        let Some(socket) = self.sockets[slot as usize].as_mut() else {
            return;
        };
        socket.window = match bytes {
            0 => 0,
            bytes => socket.window.saturating_add(bytes),
        };
        if socket.window > 0 && !socket.writable {
            socket.writable = true;
            self.hub.mark_dirty(slot);
        }
    }

    /// Now, as far as the hub knows.
    pub fn now(&self) -> Time {
        self.now
    }

    /// When the hub wants its next turn, if nothing happens.
    pub fn next_turn(&self) -> Option<Time> {
        if !self.to_read.is_empty() || !self.orders.is_empty() {
            return Some(self.now);
        }
        self.hub.next_deadline().map(|at| at.max(self.now))
    }

    /// One pass, as `Server::turn`.
    pub fn turn(&mut self, now: Time) {
        self.now = now.max(self.now);
        self.hub.begin_turn(self.now);
        self.read();
        for order in std::mem::take(&mut self.orders) {
            self.obey(order);
        }
        self.hub.end_turn();
        self.read_board();
        let taking = self.flush();
        while let Some(slot) = self.hub.take_joined() {
            assert!(
                self.sockets[slot as usize].is_some(),
                "{slot} joined and is not there"
            );
        }
        self.reap();
        self.hub.finish_turn();
        self.check_sockets(&taking);
        self.check_sums();
    }

    /// Everybody reads all they are owed, until nothing moves any more; then everybody ends.
    /// Nothing may be left.
    pub fn run_down(mut self) {
        self.rest();
        for slot in 0..SLOTS {
            self.with_peer(slot, Socket::end);
        }
        self.rest();
        assert!(
            self.sockets.iter().all(Option::is_none),
            "somebody stays for ever"
        );
        let left = self.hub.statistics();
        assert_eq!((self.hub.live(), left.clients, left.rooms), (0, 0, 0));
        assert_eq!((left.unique_bytes, left.queued_bytes), (0, 0));
    }

    fn rest(&mut self) {
        for slot in 0..SLOTS {
            self.open_window(slot, usize::MAX / 2);
        }
        for _ in 0..TURNS_TO_REST_MAX {
            let Some(at) = self.next_turn() else {
                let unread = self
                    .sockets
                    .iter()
                    .flatten()
                    .any(|socket| !socket.inbox.is_empty());
                return assert!(!unread, "somebody is not read from any more");
            };
            self.turn(at);
        }
        panic!("it never comes to rest");
    }

    fn note_readable(&mut self, slot: u32) {
        let Some(socket) = self.sockets[slot as usize].as_mut() else {
            return;
        };
        socket.readable = true;
        if socket.failed {
            socket.writable = true;
            self.hub.mark_dirty(slot);
        }
        self.list(slot);
    }

    fn list(&mut self, slot: u32) {
        if let Some(socket) = self.sockets[slot as usize].as_mut()
            && !std::mem::replace(&mut socket.listed, true)
        {
            self.to_read.push(slot);
        }
    }

    fn read(&mut self) {
        while let Some(slot) = self.hub.take_released() {
            let socket = self.sockets[slot as usize].as_ref();
            if socket.is_some_and(|socket| socket.readable) {
                self.list(slot);
            }
        }
        let mut reading = std::mem::take(&mut self.to_read);
        while let Some(slot) = reading.pop() {
            self.read_one(slot);
        }
    }

    fn read_one(&mut self, slot: u32) {
        let Some(socket) = self.sockets[slot as usize].as_mut() else {
            return;
        };
        socket.listed = false;
        if !socket.readable {
            return;
        }
        if !self.hub.wants_input(slot) {
            if socket.failed {
                self.hub.hang_up(slot);
            }
            return;
        }
        if self.hub.wants_input_later(slot) {
            return self.list(slot);
        }
        let (bytes, fill) = socket.fill(self.limits.read_bytes_max);
        let readable = socket.readable;
        if readable {
            self.list(slot);
        }
        if !bytes.is_empty() {
            self.hub.receive(slot, &bytes);
        }
        match fill {
            Fill::Open => {}
            Fill::Ended => self.hub.half_close(slot),
            Fill::Lost => self.hub.hang_up(slot),
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Connect(slot, socket) => {
                let full = self.hub.live() >= self.limits.clients_max;
                let refused = full.then_some(CloseReason::ServerFull);
                self.admit(slot, socket, refused);
            }
            Order::Refuse(slot, socket, reason) => self.admit(slot, socket, Some(reason)),
            Order::Announce(line) => self.hub.announce(&line),
            Order::Kick(name, why) => {
                let live = self.hub.live();
                let kicked = self.hub.kick(&name, why.as_deref()).is_some();
                let ended = live - self.hub.live();
                assert_eq!(ended, usize::from(kicked), "{name} was not ended once");
                // Which of them it was, only its farewell says.
                let sockets = self.sockets.iter_mut().flatten();
                sockets.for_each(|socket| socket.kicked |= kicked);
            }
            Order::BreakOff(slot) => self.with_peer(slot, Socket::break_off),
            Order::ShutDown => {
                self.hub.shut_down();
                assert_eq!(self.hub.live(), 0);
            }
        }
    }

    fn admit(&mut self, slot: u32, mut socket: Socket, refused: Option<CloseReason>) {
        socket.connected_at = self.now;
        socket.refused = refused.is_some();
        socket.heard.is_told_singly = self.limits.announce_members_max > SLOTS as usize;
        socket.readable = !socket.inbox.is_empty() || socket.sending != Sending::Open;
        let readable = socket.readable;
        self.sockets[slot as usize] = Some(socket);
        match refused {
            None => self.hub.connect(slot),
            Some(reason) => self.hub.refuse_connection(slot, reason),
        }
        if readable {
            self.note_readable(slot);
        }
    }

    /// Writes to everybody who is owed something; who took any of it.
    fn flush(&mut self) -> Vec<u32> {
        let mut dirty = Vec::new();
        self.hub.swap_dirty(&mut dirty);
        let mut taking = Vec::new();
        for slot in dirty {
            let Some(socket) = self.sockets[slot as usize].as_mut() else {
                continue;
            };
            let before = socket.bytes_out;
            flush_one(
                &mut self.hub,
                slot,
                socket,
                self.write_bytes_max,
                self.limits.write_bytes_max,
            );
            if socket.bytes_out > before {
                taking.push(slot);
            }
            if self.hub.after_write(slot) == AfterWrite::Shut {
                assert_eq!(
                    self.hub.queued_bytes(slot),
                    0,
                    "it was shut while it is owed something"
                );
                assert!(!socket.shut, "a side is shut once");
                socket.shut = true;
            }
        }
        taking
    }

    fn reap(&mut self) {
        while let Some(slot) = self.hub.take_ended() {
            let socket = self.sockets[slot as usize].as_mut();
            let socket = socket.expect("what ends is there until it is reaped");
            assert!(!socket.has_ended, "each connection ends once");
            socket.has_ended = true;
        }
        while let Some(slot) = self.hub.take_doomed() {
            let socket = self.sockets[slot as usize]
                .take()
                .expect("each connection is closed once");
            let farewell = self.hub.remove(slot).expect("what is doomed has a reason");
            crate::ending::check(&socket, &farewell, &self.limits, self.stopping);
            self.check_heard(&socket);
        }
    }

    fn read_board(&mut self) {
        let mut lines = std::mem::take(&mut self.board_bytes);
        self.hub.take_board(&mut lines);
        if lines.is_empty() {
            return self.board_bytes = lines;
        }
        let text = std::str::from_utf8(&lines).expect("the board is text");
        for line in text.lines() {
            let (_, message) = line.split_once(' ').expect("the room stands first");
            let said = self.board.entry(message.into()).or_insert(Said {
                times: 0,
                place: self.said,
            });
            said.times += 1;
            self.said += 1;
        }
        lines.clear();
        self.board_bytes = lines;
        let handled = self.hub.statistics().lines_in;
        assert!(self.said as u64 <= handled, "more was said than came in");
    }

    /// One line in is at most one message to each who hears it, and all hear them in one order.
    fn check_heard(&self, socket: &Socket) {
        let heard = &socket.heard;
        assert!(heard.privates as u64 <= self.hub.statistics().lines_in);
        let mut times: HashMap<&str, usize> = HashMap::new();
        let mut last_place = None;
        for message in &heard.messages {
            let said = self
                .board
                .get(message)
                .unwrap_or_else(|| panic!("nobody said {message:?}"));
            let heard = times.entry(message).or_default();
            *heard += 1;
            assert!(
                *heard <= said.times,
                "{message:?} was heard more often than said"
            );
            if said.times == 1 {
                assert!(
                    last_place < Some(said.place),
                    "{message:?} came out of order"
                );
                last_place = Some(said.place);
            }
        }
    }

    fn check_sockets(&mut self, taking: &[u32]) {
        let clients: Vec<(u32, bool)> = self
            .hub
            .clients()
            .map(|client| (client.slot, client.seat.is_some()))
            .collect();
        assert_eq!(clients.len(), self.hub.live());
        let deadline = self.hub.next_deadline();
        let now = self.now;
        for (slot, socket) in (0u32..).zip(&mut self.sockets) {
            let Some(socket) = socket else {
                assert_eq!(self.hub.queued_bytes(slot), 0);
                continue;
            };
            let owed = self.hub.queued_bytes(slot);
            if socket.readable && !socket.listed {
                assert!(
                    !self.hub.wants_input(slot) || deadline == Some(Time::START),
                    "slot {slot} is forgotten by the reader"
                );
                assert!(deadline.is_some(), "slot {slot} is held back for ever");
            }
            if owed > 0 {
                assert!(deadline.is_some(), "slot {slot} may stall for ever");
                assert!(
                    !socket.writable || deadline == Some(Time::START),
                    "a lost wake-up"
                );
            }
            socket.was_behind |= owed > 0;
            let said_goodbye = socket.shut && socket.was_told_end;
            assert!(
                !said_goodbye,
                "slot {slot}: both sides are shut, and it stays"
            );
            if owed == 0 || taking.contains(&slot) {
                socket.stuck_since = None;
            } else {
                socket.stuck_since.get_or_insert(now);
            }
            assert_eq!(
                socket.has_ended,
                !clients.iter().any(|(client, _)| *client == slot)
            );
            let Some(&(_, named)) = clients.iter().find(|(client, _)| *client == slot) else {
                assert!(deadline.is_some(), "slot {slot} lingers for ever");
                continue;
            };
            let waits = now.since(socket.connected_at);
            assert!(
                named || waits < self.limits.name_timeout,
                "slot {slot} has no name"
            );
            let stuck = socket.stuck_since.map(|since| now.since(since));
            assert!(
                stuck.is_none_or(|stuck| stuck < self.limits.stall_timeout),
                "slot {slot} stalls"
            );
            assert!(
                owed <= self.limits.outbox_bytes_max,
                "slot {slot} is owed {owed} bytes"
            );
        }
    }

    fn check_sums(&self) {
        let owed: usize = (0..SLOTS).map(|slot| self.hub.queued_bytes(slot)).sum();
        let statistics = self.hub.statistics();
        assert_eq!(statistics.queued_bytes, owed);
        assert!(
            owed > 0 || statistics.unique_bytes == 0,
            "blocks that nobody waits for"
        );
        let here: usize = self.hub.rooms().map(|(_, here)| here).sum();
        assert_eq!(here, statistics.clients);
    }
}

/// Writes to one as `net::conn` does, in pieces of at most `piece_max`.
fn flush_one(hub: &mut Hub, slot: u32, socket: &mut Socket, piece_max: usize, bytes_max: usize) {
    let mut written = 0;
    while socket.writable && hub.queued_bytes(slot) > 0 {
        if written >= bytes_max {
            return hub.mark_dirty(slot);
        }
        if socket.sending == Sending::Broken {
            socket.writable = false;
            return hub.hang_up(slot);
        }
        if socket.window == 0 {
            socket.writable = false;
            return;
        }
        let count = piece_max.min(socket.window).min(hub.queued_bytes(slot));
        let mut left = count;
        for chunk in hub.chunks(slot) {
            let taken = &chunk[..left.min(chunk.len())];
            socket.heard.hear(taken);
            left -= taken.len();
        }
        assert_eq!(left, 0, "fewer bytes than are counted");
        hub.consume(slot, count);
        socket.window -= count;
        socket.bytes_out += count as u64;
        written += count;
    }
}
