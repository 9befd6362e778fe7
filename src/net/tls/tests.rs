//! The bounds of TLS that a running server reaches only after long: with smaller ones, over sockets
//! of this process.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream as Peer};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use socket2::SockRef;

use crate::net::listener::SEND_BUFFER_BYTES;

use super::identity::{self, Identity};
use super::*;

mod ending;
mod reticence;

/// What connections need that the server has.
struct Table {
    streams: TlsStreams,
    client: Arc<ClientConfig>,
    listener: TcpListener,
}

/// Both ends of a connection.
struct Ends {
    key: TlsKey,
    socket: TcpStream,
    peer: Peer,
    client: ClientConnection,
}

const PATIENCE: Duration = Duration::from_secs(10);

impl Table {
    fn new(limits: Limits) -> Table {
        Table::speaking(limits, rustls::DEFAULT_VERSIONS)
    }

    /// With clients that speak these versions alone.
    fn speaking(limits: Limits, versions: &[&'static SupportedProtocolVersion]) -> Table {
        let pem = identity::make(vec!["localhost".into()], SystemTime::now()).unwrap();
        let identity = Identity::of_pem(&pem).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(identity.key.cert[0].clone()).unwrap();
        let client = ClientConfig::builder_with_provider(identity::provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(setup::server_config(&identity).unwrap());
        Table {
            streams: TlsStreams::new(config, &limits),
            client: Arc::new(client),
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    /// A connection whose hello has come.
    fn open(&mut self, owner: u32, accepted_at: Instant) -> Ends {
        self.open_with(owner, accepted_at, None)
    }

    /// The same, with these first bytes in place of a hello.
    fn open_with(&mut self, owner: u32, accepted_at: Instant, first: Option<&[u8]>) -> Ends {
        let peer = Peer::connect(self.listener.local_addr().unwrap()).unwrap();
        let (socket, _) = self.listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let buffered = SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER_BYTES);
        buffered.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::clone(&self.client), name).unwrap();
        let hello = pending(&mut client);
        let owner = SessionId(owner);
        let first = first.unwrap_or(&hello);
        let key = self
            .streams
            .open(owner, accepted_at, first, Fill::Exhausted)
            .unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        Ends {
            key,
            socket: TcpStream::from_std(socket),
            peer,
            client,
        }
    }

    /// One step of the server's side, as a turn does it.
    fn fill(&mut self, ends: &mut Ends) -> (Vec<u8>, Fill) {
        let mut buffer = vec![0; 4096];
        let (length, fill) = self.streams.fill(ends.key, &mut ends.socket, &mut buffer);
        self.streams.settle(ends.key, Instant::now);
        buffer.truncate(length);
        (buffer, fill)
    }

    fn shake_hands(&mut self, ends: &mut Ends) {
        self.fill(ends);
        while ends.client.is_handshaking() {
            ends.hear();
        }
        ends.send_pending();
        self.until(ends, |streams, key| {
            !streams.streams[key.0 as usize].connection.is_handshaking()
        });
    }

    /// Reads until that is so.
    fn until(&mut self, ends: &mut Ends, holds: impl Fn(&TlsStreams, TlsKey) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.streams, ends.key) {
            assert!(Instant::now() < deadline, "it never comes");
            // Each is a turn, in which there is time for handshakes.
            self.streams.start_turn().for_each(drop);
            self.fill(ends);
        }
    }
}

impl Ends {
    fn hear(&mut self) {
        self.client.read_tls(&mut self.peer).unwrap();
        self.client.process_new_packets().unwrap();
    }

    fn send_pending(&mut self) {
        let bytes = pending(&mut self.client);
        self.peer.write_all(&bytes).unwrap();
    }

    fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        self.client.writer().write_all(plain).unwrap();
        pending(&mut self.client)
    }
}

fn pending(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

#[test]
fn handshakes_share_the_turn_first_come_first_served_and_at_least_one() {
    let mut table = Table::new(Limits {
        tls_handshake_time_per_turn_max: Duration::ZERO,
        ..Limits::default()
    });
    let now = Instant::now();
    let mut all: Vec<Ends> = (0..3).map(|owner| table.open(owner, now)).collect();
    for turn in 0..3 {
        let noted: Vec<u32> = table.streams.start_turn().map(|(id, _)| id.0).collect();
        let wanted: Vec<u32> = (turn as u32..3).filter(|_| turn > 0).collect();
        assert_eq!(noted, wanted, "turn {turn}");
        for ends in &mut all[turn..] {
            assert_eq!(table.fill(ends).1, Fill::Exhausted);
        }
        for (number, ends) in all.iter().enumerate() {
            let connection = &table.streams.streams[ends.key.0 as usize].connection;
            assert_eq!(connection.is_waiting(), number > turn, "{number} in {turn}");
        }
        assert_eq!(table.streams.is_ready(), turn < 2);
    }
    for ends in &mut all {
        while ends.client.is_handshaking() {
            ends.hear();
        }
    }
}

/// A connection of owner 7 with all of a record but its last byte, which came one by one.
fn unfinished_record() -> (Table, Ends) {
    let mut table = Table::new(Limits::default());
    let mut ends = table.open(7, Instant::now());
    table.shake_hands(&mut ends);
    let sealed = ends.seal(b"hello\n");
    let held = sealed.len() - 1;
    for byte in &sealed[..held] {
        ends.peer.write_all(&[*byte]).unwrap();
    }
    table.until(&mut ends, |streams, _| streams.held_bytes() == held);
    (table, ends)
}

#[test]
fn d21_what_a_hello_without_end_holds_is_counted_bounded_and_given_back() {
    let limits = Limits::default();
    let bytes_max = limits.tls_hello_bytes_max;
    let mut table = Table::new(limits);
    // A message of 63,000 bytes in records of 1,000: each is read, and none is enough.
    let record = |first: &[u8]| {
        let mut record = vec![0x16, 3, 1, 0x03, 0xE8];
        record.extend_from_slice(first);
        record.resize(5 + 1000, 0);
        record
    };
    let first = record(&[1, 0, 0xF6, 0x18]);
    let mut ends = table.open_with(0, Instant::now(), Some(&first));
    let mut sent = first.len();
    table.until(&mut ends, |streams, _| streams.held_bytes() == sent);
    while sent + 1005 <= bytes_max {
        ends.peer.write_all(&record(&[])).unwrap();
        sent += 1005;
        table.until(&mut ends, |streams, _| streams.held_bytes() == sent);
    }
    ends.peer.write_all(&record(&[])).unwrap();
    table.until(&mut ends, |streams, key| {
        streams.streams[key.0 as usize].connection.fault().is_some()
    });
    assert!(table.streams.held_bytes() <= bytes_max + 4096);
    assert!(table.streams.close(ends.key, None).1.is_some());
    assert_eq!(table.streams.held_bytes(), 0);
}

#[test]
fn d33_a_record_must_be_whole_in_time() {
    let (mut table, _ends) = unfinished_record();
    let begun = Instant::now();
    let mut look_after = |seconds| {
        let now = begun + Duration::from_secs(seconds);
        table.streams.look(now, |_| true)
    };
    for seconds in 1..=29 {
        assert_eq!(look_after(seconds), []);
    }
    assert_eq!(look_after(31), [(SessionId(7), Expired::Record)]);
}

#[test]
fn time_in_which_the_process_stood_still_counts_against_no_record() {
    let (mut table, _ends) = unfinished_record();
    let begun = Instant::now();
    let mut look_after = |seconds| {
        let now = begun + Duration::from_secs(seconds);
        table.streams.look(now, |_| true)
    };
    assert_eq!(look_after(2), []);
    for seconds in 3600..=3624 {
        assert_eq!(look_after(seconds), []);
    }
    let expired = (3625..3630).find_map(|seconds| look_after(seconds).pop());
    assert_eq!(expired, Some((SessionId(7), Expired::Record)));
}

#[test]
fn time_in_which_a_session_is_not_read_from_counts_against_no_record() {
    let (mut table, _ends) = unfinished_record();
    let begun = Instant::now();
    let mut look_after = |seconds, is_read_from| {
        let now = begun + Duration::from_secs(seconds);
        table.streams.look(now, |_| is_read_from)
    };
    for seconds in 1..=100 {
        assert_eq!(look_after(seconds, false), []);
    }
    for seconds in 101..=129 {
        assert_eq!(look_after(seconds, true), []);
    }
    let expired = (130..135).find_map(|seconds| look_after(seconds, true).pop());
    assert_eq!(expired, Some((SessionId(7), Expired::Record)));
}

#[test]
fn what_is_sealed_is_bounded_and_promised_until_the_kernel_has_it() {
    let limits = Limits::default();
    let mut table = Table::new(limits.clone());
    let mut ends = table.open(0, Instant::now());
    table.shake_hands(&mut ends);
    let said = vec![b'x'; 1 << 20];
    let mut taken = 0;
    let flush = |table: &mut Table, ends: &mut Ends, taken: usize| {
        let chunks = [IoSlice::new(&said[taken..])];
        let flushed = table.streams.flush(ends.key, &mut ends.socket, &chunks);
        table.streams.settle(ends.key, Instant::now);
        flushed
    };
    let mut sealed_most = 0;
    // Until the kernel has enough of it.
    let promised = loop {
        match flush(&mut table, &mut ends, taken) {
            Flush::Took(count) => {
                let least = limits.tls_seal_blocked_bytes_max.min(said.len() - taken);
                assert!((least..=limits.tls_seal_drained_bytes_max).contains(&count));
                sealed_most = sealed_most.max(count);
                taken += count;
            }
            Flush::Promised(count) => break count,
            other => panic!("{other:?}"),
        }
        if taken == said.len() {
            taken = 0;
        }
    };
    assert!(sealed_most >= limits.tls_seal_bytes_max);
    assert!(promised <= limits.tls_seal_drained_bytes_max);
    assert!(table.streams.held_bytes() >= promised);
    assert_eq!(
        flush(&mut table, &mut ends, taken),
        Flush::Promised(promised)
    );
    // Once there is room the same bytes are taken, and then less is sealed at once.
    ends.peer.set_nonblocking(true).unwrap();
    let mut drain = [0; 64 << 10];
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "it is never taken");
        while matches!(ends.peer.read(&mut drain), Ok(1..)) {}
        match flush(&mut table, &mut ends, taken) {
            Flush::Took(count) => {
                assert_eq!(count, promised);
                break;
            }
            Flush::Promised(count) => assert_eq!(count, promised),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(table.streams.held_bytes(), 0);
    let next = flush(&mut table, &mut ends, 0);
    assert_eq!(next, Flush::Took(limits.tls_seal_blocked_bytes_max));
    let next = flush(&mut table, &mut ends, 0);
    let Flush::Took(count) = next else {
        panic!("{next:?}");
    };
    assert!(count >= limits.tls_seal_blocked_bytes_max, "{count}");
}

/// Until the turn is told that this connection takes bytes: the kernel may have said so before it
/// did.
fn until_told(table: &mut Table, ends: &mut Ends, step: impl Fn(&mut Table, &mut Ends)) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut told = table.streams.start_turn();
        if told.any(|(id, event)| id == SessionId(7) && event.writable) {
            return;
        }
        drop(told);
        assert!(Instant::now() < deadline, "the turn is never told");
        step(table, ends);
        table.streams.settle(ends.key, Instant::now);
    }
}

fn flush(table: &mut Table, ends: &mut Ends, said: &[u8]) -> Flush {
    let chunks = [IoSlice::new(said)];
    let streams = &mut table.streams;
    streams.flush(ends.key, &mut ends.socket, &chunks)
}

#[test]
fn what_is_to_be_written_during_the_handshake_follows_it() {
    let mut table = Table::new(Limits::default());
    let mut ends = table.open(7, Instant::now());
    assert_eq!(flush(&mut table, &mut ends, b"full\n"), Flush::Blocked);
    table.fill(&mut ends);
    while ends.client.is_handshaking() {
        ends.hear();
    }
    ends.send_pending();
    until_told(&mut table, &mut ends, |table, ends| {
        table.fill(ends);
    });
    assert_eq!(flush(&mut table, &mut ends, b"full\n"), Flush::Took(5));
}

#[test]
fn the_turn_is_told_when_the_kernel_has_what_was_sealed() {
    let mut table = Table::new(Limits::default());
    let mut ends = table.open(7, Instant::now());
    table.shake_hands(&mut ends);
    let said = vec![b'x'; 1 << 20];
    while let Flush::Took(_) = flush(&mut table, &mut ends, &said) {}
    ends.peer.set_nonblocking(true).unwrap();
    until_told(&mut table, &mut ends, |table, ends| {
        while matches!(ends.peer.read(&mut [0; 64 << 10]), Ok(1..)) {}
        table.streams.write_pending(ends.key, &mut ends.socket);
    });
    let taken = flush(&mut table, &mut ends, &said);
    assert!(matches!(taken, Flush::Took(_)), "{taken:?}");
}
