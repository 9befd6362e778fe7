//! TLS through the whole turn: members whose records are cut anywhere and spoilt, who end in every
//! way, read as they please and change their keys, in one room with somebody who speaks in plain.
//! What was sealed and came whole is said, once and in order, and nothing else; what is said comes
//! to them whole, and nothing behind the server's `close_notify`; nobody is forgotten, and nothing
//! is held that is not counted. The server's side is that of chatd: its modules are taken here as
//! they are, over sockets that are memory. Keys are drawn anew in each run, so an input may take a
//! slightly different course when it is run again.
#![no_main]
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "these modules have their tests and their table elsewhere"
)]

// What those modules call so is a module of the crate of all targets.
extern crate chatd_fuzz as mio;

#[path = "../../src/net/tls/connection.rs"]
mod connection;
#[path = "../../src/net/tls/records.rs"]
mod records;
#[path = "../../src/net/tls/share.rs"]
mod share;
#[path = "../../src/net/tls/state.rs"]
mod state;

use std::io::{IoSlice, Read, Write};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use chatd::config::{self, Limits};
use chatd::hub::Random;
use chatd::session::{AddressGroup, ConnectionSummary, SessionId, Transport};
use chatd::time::{Time, WallTime};
use chatd::turn::{self, Event, Fill, Flush, Io, Turn};
use chatd_fuzz::net::TcpStream;
use chatd_fuzz::script::Script;
use connection::TlsConnection;
use libfuzzer_sys::fuzz_target;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use share::Share;

/// Those over TLS; behind them comes the one in plain.
const MEMBERS: usize = 2;
const PLAIN: usize = MEMBERS;
const OPERATIONS_MAX: usize = 200;
/// Turns after which a server that is left alone should long be at rest.
const TURNS_TO_REST_MAX: usize = 20_000;
/// With more the server loses patience, as it should.
const KEYS_CHANGED_IDLY_MAX: u32 = 30;
/// More than is ever written.
const WIDE_OPEN: usize = 1 << 40;

/// Both ends of TLS.
struct Terms {
    server: Arc<ServerConfig>,
    /// By version, and by how large their records are.
    clients: [Arc<ClientConfig>; 4],
}

static TERMS: LazyLock<Terms> = LazyLock::new(|| {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("a pair");
    let client = |version, fragment_bytes_max| {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.max_fragment_size = fragment_bytes_max;
        Arc::new(config)
    };
    Terms {
        server: Arc::new(server),
        clients: [
            client(&TLS13, None),
            client(&TLS12, None),
            client(&TLS13, Some(32)),
            client(&TLS12, Some(64)),
        ],
    }
});

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let mut world = World::new(&mut script);
    for _ in 0..OPERATIONS_MAX {
        if script.is_over() {
            break;
        }
        world.operate(&mut script);
    }
    world.run_down();
});

/// How a member's way to the server has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It has not.
    None,
    /// By a `close_notify`.
    Closed,
    /// By the end of the stream alone.
    Cut,
    /// By a reset: what was under way may be lost.
    Broken,
}

/// The other side of a connection over TLS.
struct Member {
    client: ClientConnection,
    /// Sealed and not sent yet.
    to_send: Vec<u8>,
    /// Lines that it has said after its name, the end of which is sealed.
    said: u32,
    /// It is in the middle of a line.
    has_fragment: bool,
    /// How often it has changed its keys, and how often of that since it last said something.
    keys_changed: u32,
    keys_changed_idly: u32,
    end: End,
    /// It ended before hands were shaken.
    has_ended_early: bool,
    /// Something of what it sent was changed on its way.
    is_spoilt: bool,
    /// What it has read and has no end.
    unread: Vec<u8>,
    /// The last number that it has heard of the one in plain.
    heard: u32,
    has_fin: bool,
    has_fault: bool,
}

impl Member {
    /// Whether what it sent may not have come, or not as it was sent; or not have made sense: an end
    /// in plain, where the server waits for what is sealed.
    fn is_lossy(&self) -> bool {
        self.is_spoilt || self.has_ended_early || self.end == End::Broken
    }

    fn can_talk(&self) -> bool {
        self.end == End::None && !self.client.is_handshaking() && !self.has_fault
    }

    fn seal(&mut self, said: &[u8]) {
        self.keys_changed_idly = 0;
        self.client.set_buffer_limit(None);
        self.client.writer().write_all(said).expect("sealing");
        self.take_pending();
    }

    fn take_pending(&mut self) {
        while self.client.wants_write() {
            self.client
                .write_tls(&mut self.to_send)
                .expect("into memory");
        }
    }

    /// Takes what the server has sealed. Not after its own end, if what it sent was spoilt: what it
    /// then cannot understand it would answer with an alert, which rustls asserts never to follow a
    /// `close_notify`.
    fn hear(&mut self, mut sealed: &[u8]) {
        self.has_fault |= self.end == End::Closed && self.is_lossy();
        while !sealed.is_empty() && !self.has_fault {
            assert!(!self.has_fin, "something comes behind the close_notify");
            let count = self.client.read_tls(&mut sealed).expect("from memory");
            assert!(count > 0, "something comes behind the close_notify");
            match self.client.process_new_packets() {
                Ok(state) => self.has_fin = state.peer_has_closed(),
                Err(error) => {
                    assert!(self.is_lossy(), "the server sends no TLS: {error}");
                    self.has_fault = true;
                }
            }
            let mut plain = [0; 4096];
            while let Ok(length @ 1..) = self.client.reader().read(&mut plain) {
                self.unread.extend_from_slice(&plain[..length]);
            }
        }
        if !self.has_fault {
            self.take_pending();
        }
        let whole = self.unread.iter().rposition(|&byte| byte == b'\n');
        let lines: Vec<u8> = self.unread.drain(..whole.map_or(0, |at| at + 1)).collect();
        for line in std::str::from_utf8(&lines).expect("UTF-8").lines() {
            if let Some(number) = line.strip_prefix("<plain> #") {
                let number = number.parse().expect("a number");
                assert!(self.heard == 0 || self.heard + 1 == number, "{line}");
                self.heard = number;
            }
        }
    }
}

/// The server's side of a connection.
enum Wire {
    Plain(TcpStream),
    /// Its first bytes, of which there are less than two.
    New(TcpStream, Vec<u8>),
    Tls(TcpStream, Box<TlsConnection>),
}

impl Wire {
    fn socket(&mut self) -> &mut TcpStream {
        match self {
            Wire::Plain(socket) | Wire::New(socket, _) | Wire::Tls(socket, _) => socket,
        }
    }
}

/// What the turn reaches, in place of the tables of chatd.
struct Wires {
    wires: Vec<Option<Wire>>,
    share: Share,
    limits: Limits,
    /// What is to be noted in the next turn.
    ready: Vec<(SessionId, Event)>,
    /// What those can still read who were closed in this turn.
    left: Vec<(usize, Vec<u8>)>,
}

impl Wires {
    /// One step of a connection over TLS, and what follows from it.
    fn with_tls<T>(
        &mut self,
        id: SessionId,
        step: impl FnOnce(&mut TlsConnection, &mut TcpStream, &mut Share, &Limits) -> T,
    ) -> Option<T> {
        let Some(Wire::Tls(socket, connection)) = &mut self.wires[id.slot()] else {
            return None;
        };
        let result = step(connection, socket, &mut self.share, &self.limits);
        let effects = connection.take_effects();
        let mut ready = effects.ready;
        ready.readable |= effects.waits;
        if ready != Event::default() {
            self.ready.push((id, ready));
        }
        let held = connection.held_bytes();
        let bytes_max = 2 * (self.limits.tls_hello_bytes_max + records::RECORD_BYTES_MAX)
            + self.limits.tls_seal_drained_bytes_max;
        assert!(held <= bytes_max, "{held} bytes are held");
        Some(result)
    }

    /// The first bytes of a connection, of which it is known that they are those of TLS.
    fn begin(&mut self, id: SessionId) -> Option<Fill> {
        let limits = &self.limits;
        let wire = self.wires[id.slot()].as_mut()?;
        let Wire::New(socket, first) = wire else {
            return None;
        };
        // As `Conns` does: until the socket is exhausted, or that is enough.
        let mut more = [0; 64];
        let fill = loop {
            match socket.read(&mut more) {
                Ok(0) => break Fill::Ended,
                Ok(count) => first.extend_from_slice(&more[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    break Fill::Exhausted;
                }
                Err(_) => break Fill::Lost,
            }
            if first.len() >= more.len() {
                break Fill::Full;
            }
        };
        if first.len() < 2 {
            return Some(fill);
        }
        let server = &TERMS.server;
        let connection =
            TlsConnection::new(server, Instant::now(), first, fill, limits).expect("good terms");
        let socket = std::mem::take(socket);
        *wire = Wire::Tls(socket, Box::new(connection));
        None
    }
}

impl Io for Wires {
    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        if let Some(Wire::Plain(socket)) = &mut self.wires[id.slot()] {
            return match socket.read(buffer) {
                Ok(0) => (0, Fill::Ended),
                Ok(count) => (count, Fill::Full),
                Err(_) => (0, Fill::Exhausted),
            };
        }
        if let Some(fill) = self.begin(id) {
            return (0, fill);
        }
        self.with_tls(id, |tls, socket, share, limits| {
            let filled = tls.fill(socket, buffer, share, limits);
            tls.write_pending(socket);
            filled
        })
        .expect("it is there")
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        if let Some(flushed) = self.with_tls(id, |tls, socket, _, limits| {
            tls.flush(socket, chunks, limits, |socket, _| {
                if socket.outbox.is_empty() {
                    limits.tls_seal_drained_bytes_max
                } else {
                    limits.tls_seal_bytes_max
                }
            })
        }) {
            return flushed;
        }
        let socket = self.wires[id.slot()]
            .as_mut()
            .expect("it is there")
            .socket();
        match socket.write_vectored(chunks) {
            Ok(count) => Flush::Took(count),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Flush::Blocked,
            Err(_) => Flush::Lost,
        }
    }

    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(u128::from(id.0))
    }

    fn shut(&mut self, id: SessionId) {
        if self
            .with_tls(id, |tls, socket, _, _| tls.shut(socket))
            .is_none()
        {
            let socket = self.wires[id.slot()]
                .as_mut()
                .expect("it is there")
                .socket();
            // A broken connection says so when it is read.
            let _ = socket.shutdown(std::net::Shutdown::Write);
        }
    }

    fn must_linger(&self, id: SessionId) -> bool {
        match &self.wires[id.slot()] {
            Some(Wire::Tls(_, connection)) => connection.must_linger(),
            _ => false,
        }
    }

    fn transport(&self, id: SessionId) -> Transport {
        match &self.wires[id.slot()] {
            Some(Wire::Tls(..)) => Transport::Tls,
            _ => Transport::Plain,
        }
    }

    fn widen(&mut self, _: SessionId) -> bool {
        false
    }

    fn close(&mut self, id: SessionId, _: ConnectionSummary, last_bytes: Option<Vec<u8>>) {
        let gone = self.wires[id.slot()].take();
        let mut gone = gone.expect("each connection is closed once");
        // The kernel keeps what was written for who still reads; behind that comes what was not.
        let mut left: Vec<u8> = std::mem::take(&mut gone.socket().outbox).into();
        left.extend(match &mut gone {
            Wire::Tls(_, connection) => connection.seal_last(last_bytes.as_deref()),
            Wire::Plain(_) | Wire::New(..) => last_bytes.unwrap_or_default(),
        });
        self.left.push((id.slot(), left));
    }
}

/// Everything.
struct World {
    turn: Turn,
    wires: Wires,
    now: Time,
    members: Vec<Member>,
    /// Numbers that the one in plain has said.
    said: u32,
    /// What it has heard: the last number of each member, and what has no end.
    heard: [u32; MEMBERS],
    unread: Vec<u8>,
}

impl World {
    fn new(script: &mut Script<'_>) -> World {
        let limits = Limits {
            rate_lines_per_second: 0,
            history_lines_max: 0,
            tls_seal_bytes_max: script.choice(&[64 << 10, 100]),
            tls_seal_drained_bytes_max: script.choice(&[128 << 10, 200]),
            tls_seal_blocked_bytes_max: script.choice(&[16 << 10, 30]),
            read_bytes_max: script.choice(&[64 << 10, 5000, 100, 7]),
            ..Limits::default()
        }
        .with_derived();
        let time = script.choice(&[Duration::MAX, Duration::ZERO]);
        let window = script.choice(&[WIDE_OPEN, 0, 100]);
        let read_bytes_max = script.choice(&[usize::MAX, 1, 100]);
        let socket = |window, read_bytes_max| TcpStream {
            window,
            read_bytes_max,
            ..TcpStream::default()
        };
        let mut wires: Vec<_> = (0..MEMBERS)
            .map(|_| Some(Wire::New(socket(window, read_bytes_max), Vec::new())))
            .collect();
        wires.push(Some(Wire::Plain(socket(WIDE_OPEN, usize::MAX))));
        let members = (0..MEMBERS)
            .map(|number| {
                let terms = script.choice(&[0, 1, 2, 3]);
                let name = ServerName::try_from("localhost").expect("a name");
                let terms = Arc::clone(&TERMS.clients[terms]);
                let mut client = ClientConnection::new(terms, name).expect("good terms");
                let name = format!("m{number}\n");
                // Kept until hands are shaken.
                client.writer().write_all(name.as_bytes()).expect("a name");
                let mut member = Member {
                    client,
                    to_send: Vec::new(),
                    said: 0,
                    has_fragment: false,
                    keys_changed: 0,
                    keys_changed_idly: 0,
                    end: End::None,
                    has_ended_early: false,
                    is_spoilt: false,
                    unread: Vec::new(),
                    heard: 0,
                    has_fin: false,
                    has_fault: false,
                };
                member.take_pending();
                member
            })
            .collect();
        let mut world = World {
            turn: Turn::new(limits.clone(), Random::new(|| [7; 32])),
            wires: Wires {
                wires,
                share: Share::new(time),
                limits,
                ready: Vec::new(),
                left: Vec::new(),
            },
            now: Time::START,
            members,
            said: 0,
            heard: [0; MEMBERS],
            unread: Vec::new(),
        };
        for slot in 0..=PLAIN {
            world.turn.admit(SessionId(slot as u32));
        }
        world.say_in_plain("plain\n");
        world
    }

    fn operate(&mut self, script: &mut Script<'_>) {
        let slot = script.below(MEMBERS);
        match script.below(16) {
            0..=2 => self.say(slot, script.choice(&[1, 1, 5, 40])),
            3 => self.begin_line(slot),
            4..=7 => self.send(slot, script.choice(&[1, 2, 5, 30, 700, usize::MAX])),
            8 | 9 => self.open_window(slot, script.choice(&[1, 5, 30, 700, WIDE_OPEN])),
            10 => {
                let lines: Vec<u32> = (0..script.choice(&[1, 1, 10, 60])).collect();
                for _ in lines {
                    self.said += 1;
                    let line = format!("#{}\n", self.said);
                    self.say_in_plain(&line);
                }
            }
            11 => self.change_keys(slot),
            12 => self.end(slot, script.choice(&[End::Closed, End::Cut, End::Broken])),
            13 => self.spoil(slot, script.byte(), 1 + script.below(255) as u8),
            _ => {}
        }
        self.pass(self.now);
    }

    fn say(&mut self, slot: usize, lines: u32) {
        let member = &mut self.members[slot];
        if !member.can_talk() {
            return;
        }
        let mut text = String::new();
        for _ in 0..lines {
            member.said += 1;
            // What was begun is `#` and is gone on with.
            let begin = if std::mem::take(&mut member.has_fragment) {
                ""
            } else {
                "#"
            };
            text.push_str(&format!("{begin}{}\n", member.said));
        }
        member.seal(text.as_bytes());
    }

    fn begin_line(&mut self, slot: usize) {
        let member = &mut self.members[slot];
        if member.can_talk() && !std::mem::replace(&mut member.has_fragment, true) {
            member.seal(b"#");
        }
    }

    fn change_keys(&mut self, slot: usize) {
        let member = &mut self.members[slot];
        let may = member.can_talk() && member.keys_changed_idly < KEYS_CHANGED_IDLY_MAX;
        if may && member.client.refresh_traffic_keys().is_ok() {
            member.keys_changed += 1;
            member.keys_changed_idly += 1;
            member.take_pending();
        }
    }

    /// So many bytes of what is sealed come to the server.
    fn send(&mut self, slot: usize, count: usize) {
        let member = &mut self.members[slot];
        let count = count.min(member.to_send.len());
        let bytes: Vec<u8> = member.to_send.drain(..count).collect();
        if let Some(wire) = &mut self.wires.wires[slot] {
            let socket = wire.socket();
            if !socket.has_ended {
                socket.inbox.extend(bytes);
            }
        }
        if count > 0 {
            self.note(slot, true, false);
        }
    }

    fn end(&mut self, slot: usize, end: End) {
        if self.members[slot].end != End::None {
            return;
        }
        let member = &mut self.members[slot];
        member.end = end;
        member.has_ended_early = member.client.is_handshaking();
        if end == End::Closed {
            member.client.send_close_notify();
            member.take_pending();
        }
        if end == End::Broken {
            member.to_send.clear();
        } else {
            self.send(slot, usize::MAX);
        }
        if let Some(wire) = &mut self.wires.wires[slot] {
            let socket = wire.socket();
            socket.has_ended = true;
            socket.is_broken = end == End::Broken;
            let event = Event {
                readable: true,
                writable: false,
                failed: socket.is_broken,
            };
            self.turn.note(SessionId(slot as u32), event);
        }
    }

    /// A byte on its way is changed.
    fn spoil(&mut self, slot: usize, place: u8, by: u8) {
        let member = &mut self.members[slot];
        let length = member.to_send.len();
        if length > 0 && member.end == End::None {
            member.to_send[usize::from(place) % length] ^= by;
            member.is_spoilt = true;
        }
    }

    /// The member reads all that was written, and takes so much more.
    fn open_window(&mut self, slot: usize, bytes: usize) {
        let Some(wire) = &mut self.wires.wires[slot] else {
            return;
        };
        let socket = wire.socket();
        let sealed: Vec<u8> = socket.outbox.drain(..).collect();
        socket.window = socket.window.saturating_add(bytes);
        if std::mem::take(&mut socket.is_blocked) {
            let id = SessionId(slot as u32);
            self.wires
                .with_tls(id, |tls, socket, _, _| tls.write_pending(socket));
            self.note(slot, false, true);
        }
        self.members[slot].hear(&sealed);
    }

    fn say_in_plain(&mut self, line: &str) {
        if let Some(wire) = &mut self.wires.wires[PLAIN] {
            wire.socket().inbox.extend(line.as_bytes());
        }
        self.note(PLAIN, true, false);
    }

    fn note(&mut self, slot: usize, readable: bool, writable: bool) {
        let event = Event {
            readable,
            writable,
            failed: false,
        };
        self.turn.note(SessionId(slot as u32), event);
    }

    /// One turn.
    fn pass(&mut self, now: Time) {
        self.now = now;
        self.wires.share.start_turn();
        for (id, event) in std::mem::take(&mut self.wires.ready) {
            self.turn.note(id, event);
        }
        let elapsed = now.since(Time::START).as_millis() as u64;
        let wall = WallTime::from_millis(1_790_000_000_000 + elapsed);
        self.turn.start(now, wall, &mut self.wires);
        self.turn.finish(&mut self.wires, |_| {});
        while self.turn.hub_mut().poll_record().is_some() {}
        for (slot, sealed) in std::mem::take(&mut self.wires.left) {
            self.members[slot].hear(&sealed);
        }
        self.hear_in_plain();
    }

    /// What the one in plain is told.
    fn hear_in_plain(&mut self) {
        let Some(wire) = &mut self.wires.wires[PLAIN] else {
            return;
        };
        self.unread.extend(wire.socket().outbox.drain(..));
        let whole = self.unread.iter().rposition(|&byte| byte == b'\n');
        let lines: Vec<u8> = self.unread.drain(..whole.map_or(0, |at| at + 1)).collect();
        for line in std::str::from_utf8(&lines).expect("UTF-8").lines() {
            for slot in 0..MEMBERS {
                let Some(said) = line.strip_prefix(&format!("<m{slot}> #")) else {
                    continue;
                };
                let member = &self.members[slot];
                if said.is_empty() {
                    // Its last, which it has ended in good order.
                    assert_eq!(member.end, End::Closed, "half a line is said");
                    assert!(member.has_fragment, "{line}");
                    continue;
                }
                let number: u32 = said.parse().expect("what was said");
                assert_eq!(self.heard[slot] + 1, number, "{line}");
                assert!(number <= member.said, "{line}");
                self.heard[slot] = number;
            }
        }
    }

    /// Everything comes and is read; then everybody ends. Nothing may be left.
    fn run_down(mut self) {
        self.rest();
        for slot in 0..MEMBERS {
            let member = &self.members[slot];
            if !member.is_lossy() {
                assert_eq!(self.heard[slot], member.said, "something was not said");
            }
            if member.end == End::None && !member.is_spoilt {
                assert!(!member.client.is_handshaking(), "hands were not shaken");
                assert!(member.heard == 0 || member.heard == self.said, "not told");
                if let Some(Wire::Tls(_, connection)) = &self.wires.wires[slot]
                    && member.keys_changed == 0
                {
                    assert_eq!(connection.held_bytes(), 0, "something is held");
                }
            }
            let end = if slot == 0 { End::Closed } else { End::Cut };
            self.end(slot, end);
        }
        self.rest();
        for (slot, member) in self.members.iter().enumerate() {
            // Also where a fault was seen, the stream ends.
            assert!(self.wires.wires[slot].is_none(), "somebody stays for ever");
            assert!(member.has_fin || member.is_lossy(), "no close_notify");
        }
        assert_eq!(self.turn.hub().sessions().live(), 1);
    }

    fn rest(&mut self) {
        for _ in 0..TURNS_TO_REST_MAX {
            let mut moves = false;
            for slot in 0..MEMBERS {
                moves |= !self.members[slot].to_send.is_empty();
                self.send(slot, usize::MAX);
                if let Some(wire) = &mut self.wires.wires[slot] {
                    let socket = wire.socket();
                    socket.read_bytes_max = usize::MAX;
                    moves |= !socket.outbox.is_empty() || socket.is_blocked;
                }
                self.open_window(slot, WIDE_OPEN);
            }
            moves |= !self.wires.ready.is_empty();
            let next = self.turn.next_timeout().filter(|_| !moves);
            // The time for a name goes on for those who are not to give any.
            let is_idle = next.is_none_or(|at| at > self.now + Duration::from_secs(2));
            if !moves && is_idle {
                return;
            }
            self.pass(next.unwrap_or(self.now).max(self.now));
        }
        panic!("it never comes to rest");
    }
}
