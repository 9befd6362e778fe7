//! What hostile or broken peers send over TLS: rows D04, D10 and D20 to D31 of the table of faults.
//! Those who do not read are in `tls_stalled`.

use std::time::{Duration, Instant};

use rustls::{AlertDescription, ContentType};

use crate::common::process::memory_bytes;
use crate::common::{Client, Daemon, Ended, TlsClient, TlsRecords, TlsTerms};

/// A ClientHello whose handshake message says that so many bytes follow, in one record.
fn endless_hello(record_bytes: u16, message_bytes: u32) -> Vec<u8> {
    let [_, a, b, c] = message_bytes.to_be_bytes();
    let [high, low] = record_bytes.to_be_bytes();
    let mut bytes = vec![0x16, 3, 1, high, low, 1, a, b, c];
    bytes.resize(5 + usize::from(record_bytes), 0);
    bytes
}

#[test]
fn d04_a_late_hello_is_heard_and_nothing_is_said_before_it() {
    let chatd = Daemon::start(&[]);
    let mut late = TlsClient::silent(chatd.address(), &TlsTerms::new());
    assert_eq!(late.hear_for(Duration::from_millis(1200)), Err(None));
    late.shake_hands();
    late.say("ann");
    late.expect_prefix("* welcome to lobby, ann");
}

#[test]
fn d10_neither_tls_in_tls_nor_other_records_are_ever_chat() {
    let chatd = Daemon::start(&[]);
    let mut outer = TlsClient::connect(chatd.address());
    let hello = TlsClient::silent(chatd.address(), &TlsTerms::new()).take_pending();
    outer.send(&hello);
    let (lines, end) = outer.lines_until_end();
    assert_eq!(end, Ended::InOrder);
    assert!(lines[0].starts_with("! wrong-protocol "), "{lines:?}");
    // An alert first, and a hello of SSL 2: neither begins as TLS does, and both are no names.
    for first in [
        &b"\x15\x03\x01\x00\x02\x02\x28\n"[..],
        b"\x80\x2e\x01\x00\x02\n",
    ] {
        let mut client = chatd.connect();
        client.send(first);
        client.half_close();
        client.raw_until_closed();
    }
}

#[test]
fn d20_a_hello_may_come_byte_by_byte() {
    let chatd = Daemon::start(&[]);
    let mut client = TlsClient::silent(chatd.address(), &TlsTerms::new());
    for byte in client.take_pending() {
        client.send_raw(&[byte]);
    }
    client.shake_hands();
    for byte in client.seal(b"ann\n") {
        client.send_raw(&[byte]);
    }
    client.expect_prefix("* welcome to lobby, ann");
}

#[test]
fn d20_a_handshake_that_stops_anywhere_is_gone_in_ten_seconds_from_its_accept() {
    let chatd = Daemon::start(&[]);
    let hello = TlsClient::silent(chatd.address(), &TlsTerms::new()).take_pending();
    let mut stopped = Vec::new();
    for length in (2..hello.len()).step_by(hello.len() / 12) {
        let mut client = TlsClient::silent(chatd.address(), &TlsTerms::new());
        client.send_raw(&hello[..length]);
        stopped.push(client);
    }
    let mut answered = TlsClient::silent(chatd.address(), &TlsTerms::new());
    answered.send_pending();
    stopped.push(answered);
    // A client that goes on all the time is no better.
    let mut dripping = TlsClient::silent(chatd.address(), &TlsTerms::new());
    let mut rest = hello.chunks(1);
    while dripping
        .hear_for(Duration::from_millis(100))
        .is_err_and(|end| end.is_none())
    {
        let byte = rest.next().expect("a hello has more than 150 bytes");
        dripping.try_send_raw(byte, Duration::from_secs(1));
    }
    for mut client in stopped {
        let address = client.address().to_string();
        let (_, end) = client.lines_until_end();
        assert_ne!(end, Ended::InOrder);
        chatd.expect_log(&["end without a name", &address, "no name in time", " 10."]);
    }
}

#[test]
fn d21_a_hello_without_end_is_cut_at_its_bound() {
    let chatd = Daemon::start(&[]);
    let in_large_records = endless_hello(16_000, 63_000).repeat(4);
    let in_small_records: Vec<u8> = endless_hello(4, 63_000)
        .into_iter()
        .chain([0x16, 3, 1, 0, 1, 0].repeat(16_000))
        .collect();
    for hello in [in_large_records, in_small_records] {
        let mut client = TlsClient::silent(chatd.address(), &TlsTerms::new());
        let address = client.address().to_string();
        client.try_send_raw(&hello, Duration::from_secs(5));
        chatd.expect_log(&["end without a name", &address, "TLS fault"]);
    }
}

#[test]
fn d21_hellos_that_stop_short_of_their_bound_cost_no_more_than_that() {
    const COUNT: usize = 100;
    /// 16 KiB for what comes, and what TLS takes for itself.
    const EACH_BYTES_MAX: usize = 26 << 10;
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    // What is made once for all.
    drop(TlsClient::connect(chatd.address()));
    ann.lines_until_pong();
    let before = memory_bytes(chatd.id());
    let hello = endless_hello(12_000, 63_000);
    let waiting: Vec<TlsClient> = (0..COUNT)
        .map(|_| {
            let mut client = TlsClient::silent(chatd.address(), &TlsTerms::new());
            client.send_raw(&hello);
            client
        })
        .collect();
    chatd.pass_accepting();
    ann.lines_until_pong();
    let each = memory_bytes(chatd.id()).saturating_sub(before) / COUNT;
    eprintln!("d21: {each} bytes for each of {COUNT}");
    assert!(each <= EACH_BYTES_MAX, "{each} bytes");
    drop(waiting);
}

#[test]
fn d23_a_flight_that_does_not_fit_is_written_in_pieces() {
    let chatd = Daemon::start(&[]);
    let terms = TlsTerms::new();
    let mut client = TlsClient::silent_and_narrow(chatd.address(), &terms, 1024);
    client.shake_hands();
    client.say("ann");
    client.expect_prefix("* welcome to lobby, ann");
}

#[test]
fn d24_an_end_within_the_handshake_ends_it() {
    let chatd = Daemon::start(&[]);
    // `close_notify` as a warning, in plain, in place of the rest; and just the end.
    for rest in [&[0x15, 3, 3, 0, 2, 1, 0][..], &[]] {
        let mut client = TlsClient::silent(chatd.address(), &TlsTerms::new());
        client.send_pending();
        client.send_raw(rest);
        client.half_close();
        let address = client.address().to_string();
        let (_, _) = client.lines_until_end();
        chatd.expect_log(&["end without a name", &address]);
    }
}

#[test]
fn d30_what_is_no_tls_is_answered_by_an_alert_and_ends_it() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    let spoilt = |client: &mut TlsClient| {
        let mut sealed = client.seal(b"spoilt\n");
        *sealed.last_mut().expect("a record") ^= 1;
        sealed
    };
    let not_a_record = |_: &mut TlsClient| b"GET / HTTP/1.1\r\n\r\n".to_vec();
    let oversized = |_: &mut TlsClient| {
        let mut record = vec![23, 3, 3, 0x48, 1];
        record.resize(5 + 0x4801, 0);
        record
    };
    type Spoil<'a> = &'a dyn Fn(&mut TlsClient) -> Vec<u8>;
    let cases: [(Spoil<'_>, AlertDescription); 3] = [
        (&spoilt, AlertDescription::BadRecordMac),
        (&not_a_record, AlertDescription::DecodeError),
        (&oversized, AlertDescription::DecodeError),
    ];
    for (number, (bytes, alert)) in cases.iter().enumerate() {
        let mut client = TlsClient::connect(chatd.address());
        client.say(&format!("ann{number}"));
        client.expect_prefix("* welcome to lobby, ann");
        client.lines_until_pong();
        let address = client.address().to_string();
        let bytes = bytes(&mut client);
        client.send_raw(&bytes);
        assert_eq!(client.expect_end(), Ended::Alert(*alert), "case {number}");
        chatd.expect_log(&["end \"ann", &address, "TLS fault ("]);
        ben.expect_prefix("* ann");
        let left = ben.next_line();
        assert!(left.ends_with("left (1 here): connection lost"), "{left}");
    }
}

#[test]
fn d31_a_key_update_on_an_idle_link_is_answered() {
    let chatd = Daemon::start(&[]);
    let mut client = TlsClient::connect(chatd.address());
    client.say("ann");
    client.expect_prefix("* welcome to lobby, ann");
    client.lines_until_pong();
    for _ in 0..3 {
        client.rustls.refresh_traffic_keys().expect("TLS 1.3");
        client.send_pending();
        // Nothing is owed to it, so what comes now is the answer.
        let deadline = Instant::now() + Duration::from_secs(10);
        assert!(client.expect_bytes(deadline), "the answer");
        client.lines_until_pong();
    }
}

#[test]
fn d31_a_renegotiation_is_refused_and_another_ends_it() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    let hello = TlsClient::silent(chatd.address(), &TlsTerms::tls12()).take_pending();
    let hello = &hello[5..];
    let mut ann = TlsRecords::connect_tls12(chatd.address());
    ann.say("ann");
    ben.expect_line("* ann joined (2 here)");
    ann.send(ContentType::Handshake, hello);
    ann.say("no harm done");
    ben.expect_line("<ann> no harm done");
    ann.send(ContentType::Handshake, hello);
    ann.say("never said");
    ben.expect_line("* ann left (1 here): connection lost");
    ann.expect_closed();
    chatd.expect_log(&["end \"ann\"", "TLS fault ("]);
    ben.expect_silence_until_pong();
}

#[test]
fn d31_empty_records_say_nothing_and_without_end_they_are_cut() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    for connect in [TlsRecords::connect, TlsRecords::connect_tls12] {
        let mut ann = connect(chatd.address());
        ann.say("ann");
        ben.expect_line("* ann joined (2 here)");
        // Some are allowed, since they hide how much is said; what is said ends the row.
        for _ in 0..3 {
            ann.send_often(20, ContentType::ApplicationData, &[]);
            ann.say("still here");
            ben.expect_line("<ann> still here");
        }
        ann.send_often(2000, ContentType::ApplicationData, &[]);
        ben.expect_line("* ann left (1 here): connection lost");
        ann.expect_closed();
    }
    chatd.expect_log(&["end \"ann\"", "TLS fault ("]);
}

#[test]
fn d31_key_updates_without_end_are_cut() {
    let chatd = Daemon::start(&[]);
    let mut client = TlsClient::connect(chatd.address());
    for _ in 0..33 {
        client.rustls.refresh_traffic_keys().expect("TLS 1.3");
    }
    client.send_pending();
    let (_, end) = client.lines_until_end();
    assert_ne!(end, Ended::InOrder);
    chatd.expect_log(&["end without a name", "TLS fault ("]);
}

#[test]
fn f57_a_client_of_plain_text_is_not_disturbed_by_the_first_byte_of_tls() {
    let chatd = Daemon::start(&[]);
    let mut client = Client::connect(chatd.address());
    client.send(b"\x16");
    client.send(b"ann\n");
    let line = client.next_line();
    assert!(
        line.starts_with("* welcome to lobby, ann") || line.starts_with("! bad-name"),
        "{line}"
    );
}
