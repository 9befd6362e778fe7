//! Connections through a proxy that says from where they come (D11).

use crate::common::{Daemon, PATIENCE};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 5001\r\n";

fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let mut head = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    head.extend([0x20 | command, family]);
    head.extend(u16::try_from(addresses.len()).unwrap().to_be_bytes());
    head.extend(addresses);
    head
}

fn v2_tcp6() -> Vec<u8> {
    let source: std::net::Ipv6Addr = "2001:db8::9".parse().unwrap();
    let addresses = [&source.octets()[..], &[0; 16], &[0x9c, 0x40, 0x13, 0x89]].concat();
    v2(1, 0x21, &addresses)
}

#[test]
fn the_address_that_a_proxy_names_is_the_one_that_counts() {
    let flags = ["--proxy-from", "127.0.0.0/8", "--max-per-address", "1"];
    let heads = [
        (V1.to_vec(), "192.0.2.7:40000"),
        (v2_tcp6(), "[2001:db8::9]:40000"),
    ];
    for (number, (head, address)) in heads.iter().enumerate() {
        let chatd = Daemon::start(&flags);
        // In every split; what follows may come in the same segment.
        for place in (1..head.len()).step_by(7).chain([head.len()]) {
            let mut client = chatd.connect();
            client.send(&head[..place]);
            chatd.connect().reset();
            client.send(&head[place..]);
            client.send(format!("n{number}x{place}\n").as_bytes());
            client.expect_welcome();
            // So many come so fast that the log only counts the later ones.
            if place == 1 {
                chatd.expect_log(&[&format!("n{number}x{place}"), address]);
            }
            // One from that address is all there may be.
            let mut second = chatd.connect();
            second.send(&[&head[..], b"second\n"].concat());
            second.expect_refusal("too-many-from-your-address");
            client.say("/quit");
            client.expect_closed();
        }
    }
}

#[test]
fn a_proxy_may_speak_for_itself() {
    let chatd = Daemon::start(&["--proxy-from", "127.0.0.1"]);
    for head in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        v2(0, 0, &[]),
        v2(1, 0x31, &[7; 216]),
    ] {
        let mut client = chatd.connect();
        client.send(&[&head[..], b"ann\n"].concat());
        client.expect_welcome();
        chatd.expect_log(&["\"ann\" from 127.0.0.1:"]);
        client.say("/quit");
        client.expect_closed();
    }
}

#[test]
fn a_proxy_that_does_not_say_it_is_closed_without_a_word() {
    let chatd = Daemon::start(&["--proxy-from", "127.0.0.0/8"]);
    let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
    let mut huge = v2_tcp6();
    huge[14] = 0xff;
    for wrong in [
        &b"ann\nhello\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01",
        &long,
        &huge,
    ] {
        let mut client = chatd.connect();
        client.send(wrong);
        client.expect_closed();
        chatd.expect_log(&["no PROXY header"]);
    }
    let mut silent = chatd.connect();
    let start = std::time::Instant::now();
    silent.expect_closed();
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn from_anybody_else_it_is_never_obeyed() {
    let chatd = Daemon::start(&["--proxy-from", "192.0.2.0/24"]);
    let mut client = chatd.connect();
    client.send(&[V1, b"ann\n"].concat());
    client.expect_refusal("bad-name");
    client.expect_welcome();
    chatd.expect_log(&["\"ann\" from 127.0.0.1:"]);
}

#[test]
fn behind_the_header_every_door_is_open() {
    let chatd = Daemon::start(&["--proxy-from", "127.0.0.0/8"]);
    let mut browser = chatd.connect();
    browser.send(&[V1, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat());
    let page = browser.raw_until_closed();
    assert!(page.starts_with(b"HTTP/1.1 200 "), "{page:?}");
    let mut program = chatd.connect();
    program.send(&[V1, b"{\"do\":\"quit\"}\n"].concat());
    let told = program.raw_until_closed();
    assert!(told.starts_with(b"{\"is\":\"hello\""), "{told:?}");
}
