//! Chat over TLS, as somebody sees it who has a client for it: the same lines as in plain, in both
//! versions, in one room with plain members; and how connections end.

use std::io::Write;
use std::process::{Command, Stdio};

use rustls::ProtocolVersion;

use crate::common::{Client, Daemon, Ended, Heard, PATIENCE, TlsClient, TlsTerms};

#[test]
fn text_and_json_over_both_versions_meet_plain_members_in_one_room() {
    let chatd = Daemon::start(&[]);
    let mut plain = chatd.join("plain");
    for (name, terms, version) in [
        ("new", TlsTerms::new(), ProtocolVersion::TLSv1_3),
        ("old", TlsTerms::tls12(), ProtocolVersion::TLSv1_2),
    ] {
        let mut client = TlsClient::connect_with(chatd.address(), &terms);
        assert_eq!(client.version(), version);
        client.say(name);
        client.expect_prefix(&format!("* welcome to lobby, {name} (2 here: "));
        plain.expect_line(&format!("* {name} joined (2 here)"));
        client.lines_until_pong();
        client.say("hello");
        plain.expect_line(&format!("<{name}> hello"));
        plain.say("hello back");
        client.expect_line("<plain> hello back");
        let shown = if name == "new" { "TLS 1.3" } else { "TLS 1.2" };
        chatd.expect_log(&[&format!("join \"{name}\""), shown]);
        client.say("/quit");
        assert_eq!(client.expect_end(), Ended::InOrder);
        plain.expect_prefix(&format!("* {name} left"));
    }
    let mut program = TlsClient::connect(chatd.address());
    program.send(b"{\"do\":\"enter\",\"name\":\"prog\"}\n");
    program.expect_prefix("{\"is\":\"hello\"");
    program.send(b"{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"from json\"}\n");
    plain.expect_prefix("* prog joined");
    plain.expect_line("<prog> from json");
}

#[test]
fn a_protocol_that_chatd_speaks_is_agreed_on_and_another_is_refused() {
    let chatd = Daemon::start(&[]);
    for protocol in ["chatd", "http/1.1"] {
        let terms = TlsTerms::with_protocols(&["h2", protocol]);
        let client = TlsClient::connect_with(chatd.address(), &terms);
        assert_eq!(client.rustls.alpn_protocol(), Some(protocol.as_bytes()));
    }
    let mut client = TlsClient::silent(chatd.address(), &TlsTerms::with_protocols(&["h2"]));
    client.send_pending();
    let end = client.expect_end();
    let refused = rustls::AlertDescription::NoApplicationProtocol;
    assert_eq!(end, Ended::Alert(refused));
}

#[test]
fn where_http_was_agreed_on_nothing_is_ever_chat() {
    let chatd = Daemon::start(&["--name-timeout", "2"]);
    let terms = TlsTerms::with_protocols(&["h2", "http/1.1"]);
    // A browser that opened it in advance is told nothing, and is no person who says nothing.
    let mut unused = TlsClient::connect_with(chatd.address(), &terms);
    // What would be names of people, and a program's line, were it not agreed on.
    for said in ["ann\r\n\r\n", "POSTER / HTTP/1.1\r\n\r\n", "{}\r\n\r\n"] {
        let mut client = TlsClient::connect_with(chatd.address(), &terms);
        client.send(said.as_bytes());
        client.expect_prefix("HTTP/1.1 400 ");
        let (_, end) = client.lines_until_end();
        assert_eq!(end, Ended::InOrder, "{said:?}");
    }
    // The first bytes may come one by one.
    let mut client = TlsClient::connect_with(chatd.address(), &terms);
    for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" {
        client.send(&[*byte]);
    }
    client.expect_prefix("HTTP/1.1 200 ");
    assert_eq!(unused.expect_end(), Ended::InOrder);
    // Where chat was agreed on, or nothing, HTTP is still understood.
    for protocols in [&["chatd"][..], &[]] {
        let terms = TlsTerms::with_protocols(protocols);
        let mut client = TlsClient::connect_with(chatd.address(), &terms);
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.expect_prefix("HTTP/1.1 200 ");
        let mut client = TlsClient::connect_with(chatd.address(), &terms);
        client.say("ann");
        client.expect_prefix("* welcome to lobby, ann");
    }
}

#[test]
fn d25_all_lines_of_one_record_are_answered_although_nothing_follows() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut client = TlsClient::connect(chatd.address());
    client.say("ann");
    client.expect_prefix("* welcome to lobby, ann");
    // One record of nearly 16 KiB: four times what is read at once where there is a rate.
    let lines: String = (1..=160)
        .map(|number| format!("/ping {number:090}\n"))
        .collect();
    client.send(lines.as_bytes());
    for number in 1..=160 {
        client.expect_line(&format!("= pong {number:090}"));
    }
    let slow = Daemon::start(&["--rate", "1000", "--burst", "10"]);
    let mut client = TlsClient::connect(slow.address());
    client.say("ann");
    client.expect_prefix("* welcome to lobby, ann");
    client.send(lines.as_bytes());
    let mut answers = Vec::new();
    while answers.len() < 160 {
        let line = client.next_line();
        if !line.starts_with("! slow-down") {
            answers.push(line);
        }
    }
    assert_eq!(answers[159], format!("= pong {:090}", 160));
}

#[test]
fn d27_without_a_close_notify_whole_lines_count_and_an_unfinished_one_does_not() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    for (name, says_so) in [("cut", false), ("whole", true)] {
        let mut ann = TlsClient::connect(chatd.address());
        ann.say(name);
        ben.expect_line(&format!("* {name} joined (2 here)"));
        ann.send(b"hi\nhal");
        if says_so {
            let end = ann.seal_end();
            ann.send_raw(&end);
        }
        ann.half_close();
        ben.expect_line(&format!("<{name}> hi"));
        if says_so {
            ben.expect_line(&format!("<{name}> hal"));
        }
        ben.expect_prefix(&format!("* {name} left"));
        let (_, end) = ann.lines_until_end();
        assert_eq!(end, Ended::InOrder);
        chatd.expect_log(&[&format!("end \"{name}\""), "hung up"]);
    }
}

#[test]
fn d27_a_name_that_was_cut_short_is_none() {
    let chatd = Daemon::start(&[]);
    let mut ann = TlsClient::connect(chatd.address());
    ann.send(b"an");
    ann.half_close();
    let (_, end) = ann.lines_until_end();
    assert_eq!(end, Ended::InOrder);
    chatd.expect_log(&["end without a name", "hung up"]);
}

#[test]
fn d28_nothing_counts_behind_their_close_notify_and_nothing_stands_behind_ours() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    let mut ann = TlsClient::connect(chatd.address());
    ann.say("ann");
    ben.expect_line("* ann joined (2 here)");
    let said = ann.seal(b"last\n");
    let end = ann.seal_end();
    // What comes behind it is not even a record.
    ann.send_raw(&[said, end, b"never said\n".to_vec()].concat());
    ben.expect_line("<ann> last");
    ben.expect_prefix("* ann left");
    // All that ann is owed comes before the server's own end.
    let (lines, end) = ann.lines_until_end();
    assert_eq!(end, Ended::InOrder);
    assert!(lines[0].starts_with("* welcome to lobby, ann"), "{lines:?}");
    ben.expect_silence_until_pong();
}

#[test]
fn d28_the_last_word_is_followed_by_a_close_notify_and_the_end() {
    let mut chatd = Daemon::start(&["--console"]);
    let mut kicked = TlsClient::connect(chatd.address());
    kicked.say("ann");
    kicked.expect_prefix("* welcome to lobby, ann");
    chatd.type_line("/kick ann for good");
    let (lines, end) = kicked.lines_until_end();
    let last = lines.last().expect("a reason");
    assert!(last.starts_with("! kicked "), "{last}");
    assert_eq!(end, Ended::InOrder);
}

#[test]
fn where_tls_is_off_a_hello_is_a_foreign_protocol() {
    let chatd = Daemon::start(&["--tls", "off"]);
    let mut client = TlsClient::silent(chatd.address(), &TlsTerms::new());
    let hello = client.take_pending();
    let mut client = Client::connect(chatd.address());
    client.send(&hello);
    let line = client.next_line();
    assert!(line.starts_with("! wrong-protocol "), "{line}");
}

#[test]
fn only_tls_turns_plain_connections_away_but_not_from_this_machine() {
    let flags = ["--tls", "only", "--listen", "0.0.0.0:0"];
    let chatd = Daemon::start(&flags);
    let port = chatd.address().port();
    let near = ([127, 0, 0, 1], port).into();
    let mut plain = Client::connect(near);
    plain.say("near");
    chatd.expect_log(&["join \"near\""]);
    let Some(far) = own_address() else {
        return eprintln!("left out: this machine has no address but loopback");
    };
    let far = (far, port).into();
    let mut plain = Client::connect(far);
    plain.say("far");
    plain.expect_refusal("tls-required");
    plain.expect_closed();
    let mut program = Client::connect(far);
    program.say("{\"do\":\"enter\",\"name\":\"far\"}");
    let told = String::from_utf8(program.raw_until_closed()).expect("UTF-8");
    assert!(told.contains("\"tls-required\""), "{told}");
    let mut client = TlsClient::connect(far);
    client.say("far");
    client.expect_prefix("* welcome to lobby, far");
}

/// An address of this machine that is not loopback.
fn own_address() -> Option<std::net::IpAddr> {
    // No packet is sent: the kernel only chooses where from.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn who_finds_no_place_is_told_so_in_plain_text_without_a_handshake() {
    let chatd = Daemon::start(&["--max-clients", "1"]);
    let _ann = chatd.join("ann");
    let mut late = chatd.connect();
    assert!(
        matches!(late.hear_for(PATIENCE), Heard::Line(line) if line.starts_with("! server-full "))
    );
}

#[test]
fn openssl_talks() {
    let has_openssl = Command::new("openssl")
        .arg("version")
        .stdout(Stdio::null())
        .status();
    if !has_openssl.is_ok_and(|status| status.success()) {
        return eprintln!("left out: there is no openssl here");
    }
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    for version in ["-tls1_2", "-tls1_3"] {
        let mut openssl = Command::new("openssl")
            .args(["s_client", "-quiet", version, "-connect"])
            .arg(chatd.address().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting openssl");
        let input = openssl.stdin.as_mut().expect("it is piped");
        input.write_all(b"ann\nhi\n").expect("it reads");
        ben.expect_line("* ann joined (2 here)");
        ben.expect_line("<ann> hi");
        input.write_all(b"/quit\n").expect("it reads");
        ben.expect_prefix("* ann left");
        let told = openssl.wait_with_output().expect("its end");
        assert!(
            told.stdout.starts_with(b"* welcome to lobby, ann"),
            "{told:?}"
        );
        assert!(told.status.success(), "{told:?}");
    }
}
