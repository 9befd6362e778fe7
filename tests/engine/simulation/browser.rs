//! What simulated clients send over the web door: requests, and lines in frames, with masks, cut into
//! any fragments, with pings and closes between them. Only choices, in the hands of one generator.
//! Part of the plan.

use fastrand::Rng;

/// What makes a connection a WebSocket, as a browser writes it.
pub(crate) const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: localhost:5001\r\nConnection: keep-alive, Upgrade\r\n\
     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What it is answered with: the key with the words of RFC 6455, 1.3, which gives this there, too.
pub(crate) const UPGRADED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A post, with its body, whole or not.
pub(crate) fn post(rng: &mut Rng, name: &str, room: &str) -> Vec<u8> {
    let name = if rng.bool() { "cron" } else { name };
    let mut body = Vec::new();
    for number in 0..rng.u32(..6) {
        let line: &[u8] = match rng.u32(..40) {
            0 => b"\xff",
            1 => b" ",
            2 => b"a\x1b[1m\r",
            3 => &[b'x'; 500],
            _ => b"posted",
        };
        body.extend_from_slice(line);
        body.extend_from_slice(format!(" {number}").as_bytes());
        body.push(b'\n');
    }
    // What is missing comes later, if it comes.
    let more = if rng.u32(..10) == 0 { 20 } else { 0 };
    let length = body.len() + more;
    let head = match rng.u32(..30) {
        0 => format!("POST /rooms/{room}?name={name} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        1 => format!(
            "POST /rooms/{room} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        ),
        _ => format!(
            "POST /rooms/{room}?name={name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        ),
    };
    let mut out = head.into_bytes();
    out.extend(body);
    out
}

/// A request for what was said in a room.
pub(crate) fn read(since: Option<&str>, room: &str) -> Vec<u8> {
    let query = since.map_or(String::new(), |id| format!("?since={id}"));
    format!("GET /rooms/{room}{query} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// A client pings no more often than it may for nothing.
const PINGS_MAX: u32 = 2;

/// Somebody who sends frames.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    pings: u32,
    /// A message was begun.
    in_message: bool,
}

impl Framer {
    /// Lines in messages: mostly one in each.
    pub(crate) fn messages(&mut self, rng: &mut Rng, lines: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut lines = lines.split_inclusive(|&byte| byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let mut message = line.to_vec();
            while rng.u32(..8) == 0 && lines.peek().is_some() {
                message.extend_from_slice(lines.next().unwrap_or_default());
            }
            // The end of the message is the end of the line.
            if message.ends_with(b"\n") {
                message.pop();
            }
            self.message(rng, &message, &mut out);
        }
        out
    }

    /// A piece of a message, without its end.
    pub(crate) fn half(&mut self, rng: &mut Rng) -> Vec<u8> {
        let mut out = Vec::new();
        let opcode = u8::from(!std::mem::replace(&mut self.in_message, true));
        frame(rng, opcode, b"half a li", &mut out);
        out
    }

    fn message(&mut self, rng: &mut Rng, text: &[u8], out: &mut Vec<u8>) {
        let fragments = [1, 1, 1, 2, 3][rng.usize(..5)];
        let mut rest = text;
        for fragment in 1..=fragments {
            let is_last = fragment == fragments;
            let count = if is_last {
                rest.len()
            } else {
                rng.usize(..=rest.len())
            };
            let (now, later) = rest.split_at(count);
            rest = later;
            let opcode = u8::from(!std::mem::replace(&mut self.in_message, !is_last));
            frame(rng, opcode | if is_last { 0x80 } else { 0 }, now, out);
            self.ping(rng, out);
        }
    }

    fn ping(&mut self, rng: &mut Rng, out: &mut Vec<u8>) {
        if rng.u32(..6) == 0 && self.pings < PINGS_MAX {
            self.pings += 1;
            frame(rng, 0x89, format!("ping {}", self.pings).as_bytes(), out);
        } else if rng.u32(..30) == 0 {
            frame(rng, 0x8a, b"unasked", out);
        }
    }
}

/// The end, as a client says it that keeps the rules, or one that does not.
pub(crate) fn last_frame(rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    match rng.u32(..12) {
        0 => out.extend_from_slice(b"\x81\x05hello"),
        1 => frame(rng, 0x82, b"binary", &mut out),
        2 => frame(rng, 0xc1, b"compressed", &mut out),
        3 => frame(rng, 0x80, b"of nothing", &mut out),
        4 => frame(rng, 0x81, b"{\"do\":\xff}", &mut out),
        5 => frame(rng, 0x88, b"x", &mut out),
        6 => frame(rng, 0x8b, b"", &mut out),
        7 => frame(rng, 0x88, b"", &mut out),
        8..=9 => frame(rng, 0x88, b"\x03\xe9going", &mut out),
        _ => frame(rng, 0x88, b"\x03\xe8", &mut out),
    }
    if rng.u32(..3) == 0 {
        frame(rng, 0x81, b"{\"do\":\"ping\"}", &mut out);
    }
    out
}

/// A frame with a mask (RFC 6455, 5.2).
pub(crate) fn frame(rng: &mut Rng, first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        length @ ..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = rng.u32(..).to_be_bytes();
    out.extend_from_slice(&mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    out.extend(masked.map(|(byte, mask)| byte ^ mask));
}
