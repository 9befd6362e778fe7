//! What the server says at the end of a handshake and nobody waits for, the ticket of TLS 1.3, goes with the
//! answer to what came along, if something did; but nothing waits for an answer that does not come.

use std::io::ErrorKind;

use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};

use super::*;

/// A connection over this version, whose handshake the server ends with the next that it reads: this
/// comes along with it.
fn almost_done(version: &'static SupportedProtocolVersion, along: &[u8]) -> (Table, Ends) {
    let mut table = Table::speaking(Limits::default(), &[version]);
    let mut ends = table.open(0, Instant::now());
    table.fill(&mut ends);
    // In TLS 1.2 the client ends its part first.
    let is_1_2 = version.version == ProtocolVersion::TLSv1_2;
    while ends.client.is_handshaking() && !(is_1_2 && ends.client.wants_write()) {
        ends.hear();
    }
    ends.client.writer().write_all(along).unwrap();
    ends.send_pending();
    (table, ends)
}

/// Reads until the server has so much of what was said, which may be nothing.
fn until_done(table: &mut Table, ends: &mut Ends, along: &[u8]) {
    let mut heard = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    let is_done = |table: &Table, heard: &[u8]| {
        let connection = &table.streams.streams[0].connection;
        !connection.is_handshaking() && heard == along
    };
    while !is_done(table, &heard) {
        assert!(Instant::now() < deadline, "it never comes");
        table.streams.start_turn().for_each(drop);
        heard.extend(table.fill(ends).0);
    }
}

/// What has come so far: over loopback all that was written is there. The tickets in it, what was said,
/// and whether that is the end.
fn heard(ends: &mut Ends) -> (u32, Vec<u8>, bool) {
    ends.peer.set_nonblocking(true).unwrap();
    let mut plain = Vec::new();
    let mut is_end = false;
    loop {
        match ends.client.read_tls(&mut ends.peer) {
            Ok(1..) => is_end |= ends.client.process_new_packets().unwrap().peer_has_closed(),
            Ok(0) => break,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                break;
            }
        }
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = ends.client.reader().read(&mut buffer) {
            plain.extend_from_slice(&buffer[..count]);
        }
    }
    (ends.client.tls13_tickets_received(), plain, is_end)
}

#[test]
fn a_ticket_goes_out_at_once_when_nothing_came_along() {
    let (mut table, mut ends) = almost_done(&TLS13, b"");
    until_done(&mut table, &mut ends, b"");
    let (tickets, ..) = heard(&mut ends);
    assert!(tickets > 0);
}

#[test]
fn a_ticket_waits_for_the_answer_to_what_came_along() {
    let (mut table, mut ends) = almost_done(&TLS13, b"hello\n");
    until_done(&mut table, &mut ends, b"hello\n");
    table.streams.write_pending(ends.key, &mut ends.socket);
    assert_eq!(heard(&mut ends), (0, vec![], false));
    assert_eq!(flush(&mut table, &mut ends, b"you\n"), Flush::Took(4));
    let (tickets, answer, _) = heard(&mut ends);
    assert!(tickets > 0 && answer == b"you\n", "{tickets}, {answer:?}");
}

#[test]
fn a_ticket_goes_out_when_nothing_answers_what_came_along() {
    let (mut table, mut ends) = almost_done(&TLS13, b"hello\n");
    until_done(&mut table, &mut ends, b"hello\n");
    assert_eq!(heard(&mut ends).0, 0);
    // Nobody has said anything to it until it is read from again.
    assert_eq!(table.fill(&mut ends), (vec![], Fill::Exhausted));
    assert!(heard(&mut ends).0 > 0);
}

#[test]
fn a_connection_that_ends_while_a_ticket_waits_says_both() {
    let (mut table, mut ends) = almost_done(&TLS13, b"hello\n");
    until_done(&mut table, &mut ends, b"hello\n");
    table.streams.shut(ends.key, &mut ends.socket);
    let (tickets, plain, is_end) = heard(&mut ends);
    assert!(tickets > 0 && plain.is_empty() && is_end, "{tickets}");
}

/// In TLS 1.2 the client waits for the end of the handshake before it says anything.
#[test]
fn the_end_of_a_handshake_of_tls_1_2_waits_for_nothing() {
    let (mut table, mut ends) = almost_done(&TLS12, b"hello\n");
    until_done(&mut table, &mut ends, b"");
    heard(&mut ends);
    assert!(!ends.client.is_handshaking());
    ends.send_pending();
    until_done(&mut table, &mut ends, b"hello\n");
}
