//! What a seed stands for: the limits of the server, and what its clients say. Only choices, in
//! the hands of one generator; nothing here knows the hub. Owned by a simulation.

use std::time::Duration;

use chatd::config::Limits;
use fastrand::Rng;

const NAMES: [&str; 16] = [
    "ann", "Ann", "ben", "cyd", "dee", "eve", "fay", "gus", "hal", "jan", "kay", "ned", "pat",
    "sue", "ted", "zed",
];
const ROOMS: [&str; 5] = ["den", "attic", "Attic", "lobby", "hut"];
const BAD_NAMES: [&str; 6] = [
    "",
    "two words",
    "-dash",
    "server",
    "abcdefghabcdefghabcdefghx",
    "a\u{7}b",
];

/// Clients at once, at most.
pub(crate) const CROWD_MAX: usize = 30;

pub(crate) fn name(rng: &mut Rng) -> &'static str {
    NAMES[rng.usize(..NAMES.len())]
}

fn room(rng: &mut Rng) -> &'static str {
    ROOMS[rng.usize(..ROOMS.len())]
}

fn milliseconds(rng: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_micros(rng.u64(from * 1000..=to * 1000))
}

fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

/// Small limits, so that each of them is reached.
pub(crate) fn limits(rng: &mut Rng) -> Limits {
    let outbox_bytes_max = pick(rng, &[700, 1500, 4000, 16_000, 100_000]);
    let history_bytes_max = pick(rng, &[60, 2000, 100_000]);
    Limits {
        clients_max: pick(rng, &[2, 5, 30, 100]),
        name_timeout: milliseconds(rng, 20, 2000),
        prompt_timeout: milliseconds(rng, 1, 300),
        stall_timeout: milliseconds(rng, 5, 500),
        drain_timeout: milliseconds(rng, 0, 200),
        flush_timeout: milliseconds(rng, 1, 200),
        linger_timeout: milliseconds(rng, 0, 50),
        outbox_bytes_max,
        outbox_total_bytes_max: pick(rng, &[2000, 6000, 20_000, 1_000_000, 1_000_000]),
        line_bytes_max: pick(rng, &[30, 60, 120, 400]),
        rate_lines_per_second: pick(rng, &[0, 0, 10, 50, 200, 1000]),
        burst_lines_max: pick(rng, &[1, 3, 10, 50]),
        history_lines_max: pick(rng, &[0, 1, 5, 20]),
        history_bytes_max,
        announce_members_max: pick(rng, &[1, 1, 2, 3, 6, 200, 200, 200, 200]),
        churn_interval: milliseconds(rng, 1, 700),
        welcome_names_max: pick(rng, &[1, 3, 20]),
        who_names_max: pick(rng, &[1, 4, 1000]),
        rooms_listed_max: pick(rng, &[1, 3, 1000]),
        block_bytes_max: pick(rng, &[20, 100, outbox_bytes_max / 4, outbox_bytes_max]),
        read_bytes_max: pick(rng, &[1, 16, 300, 300, 4096, 4096, 4096, 4096]),
        write_bytes_max: pick(rng, &[10, 300, 1 << 20]),
        ..Limits::default()
    }
}

/// What the first line of a client is.
pub(crate) fn first_bytes(rng: &mut Rng) -> Vec<u8> {
    match rng.u32(..100) {
        0..=1 => b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        2 => b"\x16\x03\x01\x02\x00\x01\xff".to_vec(),
        3 => b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        4..=7 => b"/help\nann\n".to_vec(),
        8..=9 => b"/quit\n".to_vec(),
        10 => b"\nPOST /x HTTP/1.1\r\n".to_vec(),
        11..=13 => format!("{}\n{}\n", pick(rng, &BAD_NAMES), name(rng)).into_bytes(),
        _ => format!("{}\n", name(rng)).into_bytes(),
    }
}

/// What a client says next. `serial` makes every message another one.
pub(crate) fn bytes(rng: &mut Rng, serial: &mut u64, limits: &Limits) -> Vec<u8> {
    let lines = match rng.u32(..20) {
        0 => rng.u32(2..=2 * limits.burst_lines_max.min(40)),
        1..=4 => rng.u32(2..=5),
        _ => 1,
    };
    let mut out = Vec::new();
    for _ in 0..lines {
        *serial += 1;
        line(rng, *serial, limits, &mut out);
    }
    out
}

fn line(rng: &mut Rng, serial: u64, limits: &Limits, out: &mut Vec<u8>) {
    let text = match rng.u32(..100) {
        0..=39 => format!("m{serial} {}", words(rng, limits)),
        40..=45 => format!("/msg {} p{serial} {}", name(rng), words(rng, limits)),
        46..=54 => format!("/join {}", room(rng)),
        55..=57 => format!("/nick {}", name(rng)),
        58..=62 => format!("/echo {}", pick(rng, &["on", "on", "off", "maybe"])),
        63..=67 => "/who".into(),
        68..=69 => format!("/who {}", room(rng)),
        70..=72 => "/rooms".into(),
        73..=79 => format!("/ping t{serial}"),
        80 => "/ping".into(),
        81 => "/help".into(),
        82 => format!("/quit q{serial} {}", words(rng, limits)),
        83 => "/quit".into(),
        84..=85 => pick(
            rng,
            &[
                "/who a b",
                "/join",
                "/nick",
                "/msg ann",
                "/msg",
                "/nope",
                "/",
                "/nick -x",
                "/join server",
            ],
        )
        .into(),
        86..=89 => String::new(),
        90..=92 => "x".repeat(limits.line_bytes_max + rng.usize(..100)),
        93..=94 => format!("//slash{serial}"),
        95 => format!(
            "e{serial}{}",
            "y".repeat(limits.line_bytes_max.saturating_sub(12))
        ),
        _ => {
            out.extend_from_slice(format!("g{serial} ").as_bytes());
            garbage(rng, out);
            return;
        }
    };
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(if rng.u32(..8) == 0 { b"\r\n" } else { b"\n" });
}

fn words(rng: &mut Rng, limits: &Limits) -> String {
    match rng.u32(..10) {
        0 => "größer 漢字 🙂".into(),
        1 => "tab\there \u{1b}[31m \u{85}x\u{2028}y".into(),
        2 => "z".repeat(rng.usize(..limits.line_bytes_max)),
        _ => "w ".repeat(rng.usize(..8)),
    }
}

/// Anything but whole letters beyond ASCII, and without letters that look alike.
fn garbage(rng: &mut Rng, out: &mut Vec<u8>) {
    const BYTES: &[u8] = b"abcdefgh ABC/<*=!-_.\t\r\n\n\x00\x07\x1b\x7f\xff\xfe\xc0\x80";
    for _ in 0..rng.usize(1..40) {
        out.push(BYTES[rng.usize(..BYTES.len())]);
    }
}
