//! The head of the PROXY protocol: any bytes in any pieces give the verdict of the whole; it is
//! there within the bounds, and stays; and what it says is what a model finds that takes the bytes
//! apart in another way.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use chatd::dialect::proxy::{Proxy, V1_BYTES_MAX, V2_BYTES_MAX, read};
use libfuzzer_sys::fuzz_target;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fuzz_target!(|bytes: &[u8]| {
    let mut verdict = Proxy::More;
    for length in 0..=bytes.len().min(2 * V2_BYTES_MAX) {
        let now = read(&bytes[..length]);
        if verdict == Proxy::More {
            verdict = now;
        }
        assert_eq!(now, verdict, "after {length} bytes");
        let is_text = bytes.starts_with(b"P");
        let bound = if is_text { V1_BYTES_MAX } else { V2_BYTES_MAX };
        assert!(
            now != Proxy::More || length < bound,
            "{length} bytes say nothing"
        );
    }
    assert_eq!(read(bytes), verdict);
    match verdict {
        Proxy::Source {
            address,
            bytes: head_bytes,
        } => {
            let head = &bytes[..head_bytes];
            assert_eq!(Some(Some(address)), model(head));
            // Not a byte earlier.
            assert_eq!(read(&head[..head_bytes - 1]), Proxy::More);
        }
        Proxy::Unknown { bytes: head_bytes } => assert_eq!(Some(None), model(&bytes[..head_bytes])),
        Proxy::More | Proxy::Bad => {
            for length in 0..=bytes.len().min(V2_BYTES_MAX) {
                assert_eq!(model(&bytes[..length]), None, "{length} bytes are a head");
            }
        }
    }
});

/// What exactly these bytes say as a head: a source, or that there is none to say. `None`: they are
/// no head.
fn model(head: &[u8]) -> Option<Option<SocketAddr>> {
    match head.strip_prefix(SIGNATURE) {
        Some(rest) => model_v2(rest),
        None => model_v1(head),
    }
}

fn model_v1(head: &[u8]) -> Option<Option<SocketAddr>> {
    let line = head
        .strip_suffix(b"\r\n")
        .filter(|line| !line.contains(&b'\n'))?;
    if head.len() > V1_BYTES_MAX {
        return None;
    }
    if line == b"PROXY UNKNOWN" || line.starts_with(b"PROXY UNKNOWN ") {
        return Some(None);
    }
    let line = String::from_utf8(line.to_vec()).ok()?;
    let words: Vec<&str> = line.split(' ').collect();
    let ["PROXY", family, source, destination, from, to] = words[..] else {
        return None;
    };
    let [source, destination]: [IpAddr; 2] = [source.parse().ok()?, destination.parse().ok()?];
    let is_family = match family {
        "TCP4" => source.is_ipv4() && destination.is_ipv4(),
        "TCP6" => source.is_ipv6() && destination.is_ipv6(),
        _ => false,
    };
    let [port, other]: [u16; 2] = [from.parse().ok()?, to.parse().ok()?];
    let is_plain = port.to_string() == from && other.to_string() == to;
    (is_family && is_plain).then(|| Some(SocketAddr::new(source, port)))
}

fn model_v2(rest: &[u8]) -> Option<Option<SocketAddr>> {
    let [command, family, high, low, body @ ..] = rest else {
        return None;
    };
    if body.len() != usize::from(*high) * 256 + usize::from(*low) || body.len() > V2_BYTES_MAX - 16
    {
        return None;
    }
    let port = |at: usize| Some(u16::from(*body.get(at)?) * 256 + u16::from(*body.get(at + 1)?));
    match (command, family) {
        (0x20, _) | (0x21, 0) => Some(None),
        (0x21, 0x31 | 0x32) => (body.len() >= 216).then_some(None),
        (0x21, 0x11 | 0x12) => {
            port(10)?;
            let ip = Ipv4Addr::new(body[0], body[1], body[2], body[3]);
            Some(Some(SocketAddr::new(ip.into(), port(8)?)))
        }
        (0x21, 0x21 | 0x22) => {
            port(34)?;
            let ip = u128::from_str_radix(
                &body[..16]
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>(),
                16,
            );
            Some(Some(SocketAddr::new(
                Ipv6Addr::from(ip.ok()?).into(),
                port(32)?,
            )))
        }
        _ => None,
    }
}
