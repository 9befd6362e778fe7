//! The PROXY protocol, versions 1 and 2: what a proxy writes in front of a connection to say where
//! it comes from. A pure function of its first bytes, whatever pieces they come in. Who may say
//! so, and for how long it is waited for, is not decided here.
//!
//! Source: "The PROXY protocol", versions 1 & 2 (haproxy, doc/proxy-protocol.txt), sections 2.1 and 2.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::{self, FromStr};

use memchr::memchr;

/// What the first bytes of a connection from a proxy say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxy {
    /// Nothing yet.
    More,
    /// Where the connection comes from.
    Source {
        /// The address that the proxy was reached from.
        address: SocketAddr,
        /// How long the head is: the connection itself begins behind it.
        bytes: usize,
    },
    /// It comes from the proxy itself, or from what has no address: the address of the socket is
    /// right.
    Unknown {
        /// How long the head is.
        bytes: usize,
    },
    /// They are no head.
    Bad,
}

/// The longest head of version 1, with its CRLF.
pub const V1_BYTES_MAX: usize = 107;
/// The longest head of version 2 that is read: the addresses, and what a proxy may add to them.
pub const V2_BYTES_MAX: usize = 536;

const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD_BYTES: usize = 16;

/// Reads the head that `bytes` begin with. What it says stays the same whatever comes behind, and
/// [`Proxy::More`] is said of fewer than [`V2_BYTES_MAX`] bytes only.
pub fn read(bytes: &[u8]) -> Proxy {
    if bytes.starts_with(V1_START) {
        read_v1(bytes)
    } else if bytes.starts_with(V2_START) {
        read_v2(bytes)
    } else if V1_START.starts_with(bytes) || V2_START.starts_with(bytes) {
        Proxy::More
    } else {
        Proxy::Bad
    }
}

/// A line such as `PROXY TCP4 192.0.2.1 198.51.100.1 40000 5001`.
fn read_v1(bytes: &[u8]) -> Proxy {
    let head = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(end) = memchr(b'\n', head) else {
        return if bytes.len() < V1_BYTES_MAX {
            Proxy::More
        } else {
            Proxy::Bad
        };
    };
    let bytes = end + 1;
    let Some(line) = head[V1_START.len()..end].strip_suffix(b"\r") else {
        return Proxy::Bad;
    };
    // Behind UNKNOWN may stand anything.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Proxy::Unknown { bytes };
    }
    let address = str::from_utf8(line).ok().and_then(v1_source);
    address.map_or(Proxy::Bad, |address| Proxy::Source { address, bytes })
}

/// The source in `TCP4 SOURCE DESTINATION SOURCE_PORT DESTINATION_PORT`, if all of that is right.
fn v1_source(line: &str) -> Option<SocketAddr> {
    let mut words = line.split(' ');
    let family = words.next()?;
    let [source, destination] = [words.next()?, words.next()?];
    let [source_port, destination_port] = [words.next()?, words.next()?];
    if words.next().is_some() {
        return None;
    }
    let ip = match family {
        "TCP4" => ip::<Ipv4Addr>(source, destination)?,
        "TCP6" => ip::<Ipv6Addr>(source, destination)?,
        _ => return None,
    };
    port(destination_port)?;
    Some(SocketAddr::new(ip, port(source_port)?))
}

fn ip<Address: FromStr + Into<IpAddr>>(source: &str, destination: &str) -> Option<IpAddr> {
    destination.parse::<Address>().ok()?;
    Some(source.parse::<Address>().ok()?.into())
}

/// A decimal number without a sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| is_plain)
}

/// Version 2, and a connection of the proxy's own, such as to see whether we live.
const LOCAL: u8 = 0x20;
/// Version 2, and a connection of somebody else.
const PROXY: u8 = 0x21;

/// Twelve bytes of signature, then version and command, family and transport, and the length of
/// what follows: addresses, and perhaps more, which is skipped.
fn read_v2(bytes: &[u8]) -> Proxy {
    let rest = &bytes[V2_START.len()..];
    let Some(&command) = rest.first() else {
        return Proxy::More;
    };
    if !matches!(command, LOCAL | PROXY) {
        return Proxy::Bad;
    }
    let Some(&[family, high, low]) = rest[1..].first_chunk() else {
        return Proxy::More;
    };
    let end = V2_HEAD_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if end > V2_BYTES_MAX {
        return Proxy::Bad;
    }
    let Some(body) = bytes.get(V2_HEAD_BYTES..end) else {
        return Proxy::More;
    };
    // What a proxy says of itself is to be skipped, whatever it is.
    if command == LOCAL {
        return Proxy::Unknown { bytes: end };
    }
    v2_source(family, body, end)
}

/// The family, and whether it came in a stream or in datagrams: each with the source first, then
/// the destination, then the ports in the same order.
fn v2_source(family: u8, body: &[u8], bytes: usize) -> Proxy {
    let address: Option<SocketAddr> = match family {
        0x00 => return Proxy::Unknown { bytes },
        // Paths of sockets on the proxy's machine.
        0x31 | 0x32 if body.len() >= 216 => return Proxy::Unknown { bytes },
        0x11 | 0x12 => body
            .first_chunk::<12>()
            .map(|&[a, b, c, d, _, _, _, _, high, low, ..]| {
                ([a, b, c, d], u16::from_be_bytes([high, low])).into()
            }),
        0x21 | 0x22 => body.first_chunk::<36>().and_then(|body| {
            let port = u16::from_be_bytes(*body[32..].first_chunk()?);
            Some((*body.first_chunk::<16>()?, port).into())
        }),
        _ => None,
    };
    address.map_or(Proxy::Bad, |address| Proxy::Source { address, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v1(rest: &str) -> Vec<u8> {
        format!("PROXY {rest}\r\n").into()
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [V2_START, &[command, family], &length, body].concat()
    }

    /// Checks what a head is, at once and after each of its bytes, whatever comes behind it.
    fn check(head: &[u8], expected: Proxy) {
        assert_eq!(read(head), expected, "{head:x?}");
        for length in 0..head.len() {
            let early = read(&head[..length]);
            let is_bad = early == Proxy::Bad && expected == Proxy::Bad;
            assert!(
                early == Proxy::More || is_bad,
                "{early:?} after {length} bytes of {head:x?}"
            );
        }
        for behind in ["\n", "ann\n", "PROXY UNKNOWN\r\n"] {
            let stream = [head, behind.as_bytes()].concat();
            assert_eq!(read(&stream), expected, "{stream:x?}");
        }
    }

    fn source(address: &str, head: &[u8]) -> Proxy {
        let (address, bytes) = (address.parse().unwrap(), head.len());
        Proxy::Source { address, bytes }
    }

    #[test]
    fn version_1_names_its_source() {
        let longest = "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                       ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535";
        let heads = [
            ("TCP4 192.0.2.1 198.51.100.1 40000 5001", "192.0.2.1:40000"),
            ("TCP4 255.255.255.255 0.0.0.0 0 0", "255.255.255.255:0"),
            ("TCP6 2001:db8::1 ::1 1 2", "[2001:db8::1]:1"),
            (longest, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ];
        for (text, address) in heads {
            let head = v1(text);
            check(&head, source(address, &head));
        }
        for text in [
            "UNKNOWN",
            "UNKNOWN ",
            "UNKNOWN ffff:: whatever \u{e9} this is",
        ] {
            let head = v1(text);
            check(&head, Proxy::Unknown { bytes: head.len() });
        }
        let longest = [b"PROXY UNKNOWN ", &[b'x'; 91][..], b"\r\n"].concat();
        check(
            &longest,
            Proxy::Unknown {
                bytes: V1_BYTES_MAX,
            },
        );
    }

    #[test]
    fn what_is_no_version_1_is_bad() {
        let texts = [
            "TCP4",
            "TCP5 1.2.3.4 1.2.3.4 1 2",
            "TCP4 1.2.3.4 1.2.3.4 1",
            "TCP4 1.2.3.4 1.2.3.4 1 2 3",
            "TCP4 1.2.3.4  1.2.3.4 1 2",
            "TCP4 1.2.3.4 1.2.3.4 1 2 ",
            "TCP4 1.2.3.4 1.2.3.4 +1 2",
            "TCP4 1.2.3.4 1.2.3.4 01 2",
            "TCP4 1.2.3.4 1.2.3.4 1 65536",
            "TCP4 1.2.3.4 1.2.3 1 2",
            "TCP4 01.2.3.4 1.2.3.4 1 2",
            "TCP4 ::1 ::1 1 2",
            "TCP6 1.2.3.4 1.2.3.4 1 2",
            "TCP6 fe80::1%1 ::1 1 2",
            "UNKNOWNS",
            "unknown",
            "",
        ];
        for text in texts {
            check(&v1(text), Proxy::Bad);
        }
        check(b"PROXY UNKNOWN\n", Proxy::Bad);
        check(b"PROXY\r\n", Proxy::Bad);
        check(b"proxy UNKNOWN\r\n", Proxy::Bad);
        check(b"GET / HTTP/1.1\r\n", Proxy::Bad);
        check(b"\xFF", Proxy::Bad);
        check(
            &[b"PROXY UNKNOWN ", &[b'x'; 92][..], b"\r\n"].concat(),
            Proxy::Bad,
        );
        check(&[b"PROXY ", &[b' '; 101][..]].concat(), Proxy::Bad);
    }

    #[test]
    fn version_2_names_its_source() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0x9C, 0x40, 0x13, 0x89];
        let v6: Vec<u8> = (0..36).collect();
        let v6_source = "[1:203:405:607:809:a0b:c0d:e0f]:8225";
        for transport in [1, 2] {
            let head = v2(0x21, 0x10 | transport, &v4);
            check(&head, source("192.0.2.1:40000", &head));
            let head = v2(0x21, 0x20 | transport, &v6);
            check(&head, source(v6_source, &head));
            let head = v2(0x21, 0x30 | transport, &[b'/'; 216]);
            check(&head, Proxy::Unknown { bytes: 232 });
        }
        // With what a proxy adds, up to the bound.
        let head = v2(0x21, 0x11, &[&v4[..], &[7; 508]].concat());
        check(&head, source("192.0.2.1:40000", &head));
        for (command, family, length) in [
            (0x21, 0, 0),
            (0x21, 0, 520),
            (0x20, 0, 0),
            (0x20, 0x11, 3),
            (0x20, 0xFF, 520),
        ] {
            let head = v2(command, family, &vec![0; length]);
            check(&head, Proxy::Unknown { bytes: head.len() });
        }
    }

    #[test]
    fn what_is_no_version_2_is_bad() {
        for command in (0..=u8::MAX).filter(|command| ![0x20, 0x21].contains(command)) {
            check(&v2(command, 0x11, &[0; 12]), Proxy::Bad);
        }
        for family in (1..=u8::MAX)
            .filter(|family| !(1..=3).contains(&(family >> 4)) || !(1..=2).contains(&(family & 15)))
        {
            check(&v2(0x21, family, &[0; 300]), Proxy::Bad);
        }
        for (family, length) in [(0x11, 11), (0x21, 35), (0x31, 215), (0x12, 0)] {
            check(&v2(0x21, family, &vec![0; length]), Proxy::Bad);
        }
        for length in [521, 65_535] {
            let head = v2(0x20, 0, &vec![0; length]);
            check(&head[..16], Proxy::Bad);
        }
        check(b"\r\n\r\n\0\r\nQUIT\r", Proxy::Bad);
    }
}
