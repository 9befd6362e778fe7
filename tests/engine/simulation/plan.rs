//! What a seed stands for: the limits of the server, and what its clients say. Only choices, in
//! the hands of one generator; nothing here knows the engine. Owned by a simulation.

use std::time::Duration;

use chatd::config::Limits;
use chatd::moderation::Kind;
use fastrand::Rng;
use serde_json::{Value, json};

use super::browser;
use super::operator::Order;
use super::sniff::Language;

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

/// What a client may know of the world.
#[derive(Debug)]
pub(crate) struct Known {
    /// The rooms that it is in.
    pub(crate) rooms: Vec<String>,
    /// Ids of messages.
    pub(crate) ids: Vec<String>,
    /// Names of programs, and by what they come back.
    pub(crate) tokens: Vec<(String, String)>,
}

pub(crate) fn name(rng: &mut Rng) -> &'static str {
    NAMES[rng.usize(..NAMES.len())]
}

fn room(rng: &mut Rng) -> &'static str {
    ROOMS[rng.usize(..ROOMS.len())]
}

/// What the operator does to people.
pub(crate) fn order(rng: &mut Rng) -> Order {
    let name = match rng.u32(..8) {
        0 => "server".to_owned(),
        _ => name(rng).to_owned(),
    };
    let kind = if rng.u32(..3) == 0 {
        Kind::Ban
    } else {
        Kind::Mute
    };
    match rng.u32(..6) {
        0..=1 => {
            let why = rng.bool().then(|| "too late".to_owned());
            Order::Close(room(rng).to_owned(), why)
        }
        2..=4 => {
            let is_short = kind == Kind::Ban || rng.bool();
            Order::Impose(kind, name, is_short.then(|| milliseconds(rng, 10, 1500)))
        }
        _ => Order::Lift(kind, name),
    }
}

pub(crate) fn milliseconds(rng: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_micros(rng.u64(from * 1000..=to * 1000))
}

pub(crate) fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

/// Small limits, so that each of them is reached.
pub(crate) fn limits(rng: &mut Rng) -> Limits {
    let outbox_bytes_max = pick(rng, &[1500, 4000, 16_000, 100_000, 100_000]);
    Limits {
        clients_max: pick(rng, &[2, 5, 30, 100]),
        name_timeout: milliseconds(rng, 20, 2000),
        prompt_timeout: rng.bool().then(|| milliseconds(rng, 1, 300)),
        stall_timeout: match rng.u32(..4) {
            0 => milliseconds(rng, 500, 2000),
            _ => milliseconds(rng, 5, 500),
        },
        drain_timeout: milliseconds(rng, 0, 200),
        flush_timeout: milliseconds(rng, 1, 200),
        linger_timeout: milliseconds(rng, 0, 50),
        outbox_bytes_max,
        outbox_total_bytes_max: pick(rng, &[2000, 6000, 20_000, 1_000_000, 1_000_000]),
        line_bytes_max: pick(rng, &[30, 60, 120, 400]),
        rate_lines_per_second: pick(rng, &[0, 0, 10, 50, 200, 1000]),
        burst_lines_max: pick(rng, &[1, 3, 10, 50]),
        byte_rate_bytes_per_second: pick(rng, &[0, 100, 2000, 20_000]),
        byte_burst_bytes_max: pick(rng, &[1, 200, 1000, 100_000]),
        history_lines_max: pick(rng, &[0, 1, 5, 20]),
        history_bytes_max: pick(rng, &[60, 2000, 100_000]),
        history_total_bytes_max: pick(rng, &[1500, 1 << 25, 1 << 25]),
        replay_messages_max: pick(rng, &[0, 1, 3, 20]),
        page_messages_max: pick(rng, &[2, 1000]),
        rooms_max: pick(rng, &[1, 2, 3, 1000, 1000]),
        rooms_per_member_max: pick(rng, &[1, 2, 3, 32]),
        topic_bytes_max: pick(rng, &[10, 300]),
        announce_members_max: pick(rng, &[1, 1, 2, 3, 6, 200, 200, 200, 200]),
        announce_burst: pick(rng, &[1, 2, 5, 20, 20]),
        announce_per_second: pick(rng, &[1, 5, 5, 100]),
        churn_interval: milliseconds(rng, 1, 700),
        welcome_names_max: pick(rng, &[1, 3, 20]),
        entered_names_max: pick(rng, &[1, 3, 100]),
        who_names_max: pick(rng, &[1, 4, 1000]),
        rooms_listed_max: pick(rng, &[1, 3, 100]),
        block_bytes_max: pick(rng, &[20, 100, outbox_bytes_max / 4, outbox_bytes_max]),
        read_bytes_max: pick(
            rng,
            &[
                1, 16, 16, 16, 64, 64, 300, 300, 300, 4096, 4096, 4096, 4096, 4096, 4096, 4096,
            ],
        ),
        turn_bytes_max: pick(rng, &[100, 1000, outbox_bytes_max * 3 / 8, 1 << 24]),
        answer_bytes_per_second: pick(rng, &[3000, 1 << 20, 1 << 20]),
        answer_burst_bytes_max: pick(rng, &[1, 5000, 4 << 20]),
        answers_per_turn_bytes_max: pick(rng, &[1, 1000, 256 << 10, 256 << 10]),
        write_bytes_max: pick(rng, &[10, 300, 1 << 20]),
        reads_per_turn_bytes_max: pick(rng, &[1, 20_000, 4 << 20]),
        lines_per_turn_max: pick(rng, &[1, 20, 16_000]),
        ..Limits::default()
    }
}

/// How a client begins.
pub(crate) fn first_bytes(rng: &mut Rng, speaks: Language, known: &Known) -> Vec<u8> {
    match (rng.u32(..100), speaks) {
        (0, _) => b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        (1, _) => b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        (2, _) => b"\x16\x03\x01\x02\x00\x01\xff".to_vec(),
        (3, _) => b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        (4..=5, _) => b"GET\n/help\nGETTER\n".to_vec(),
        (6..=7, _) => b"  \t             pat\n".to_vec(),
        (8..=9, Language::Text) => b"/quit\n".to_vec(),
        (10..=13, Language::Text) => b"\n\n/help\nPOST /x HTTP/1.1\r\nann\n".to_vec(),
        (17..=34, Language::Text) => {
            let (name, room) = (name(rng), room(rng));
            browser::post(rng, name, room)
        }
        (35..=44, Language::Text) => {
            let since = rng.bool().then(|| id(rng, known));
            browser::read(since.as_deref(), room(rng))
        }
        (14..=16, Language::Text) => {
            let bad = pick(rng, &BAD_NAMES);
            format!("{bad}\n{}\n", name(rng)).into_bytes()
        }
        (_, Language::Text) => format!("{}\n", name(rng)).into_bytes(),
        (_, Language::Json) => first_json(rng, known),
    }
}

fn first_json(rng: &mut Rng, known: &Known) -> Vec<u8> {
    let mut out = Vec::new();
    if rng.u32(..6) == 0 {
        out.extend_from_slice(b" \t");
    }
    match rng.u32(..30) {
        0 => out.extend_from_slice(b"{\"do\":\"quit\"}\n"),
        1 => out.extend_from_slice(b"{nonsense\n"),
        2..=4 => {
            let line = post(rng, "before");
            push(&mut out, &line);
        }
        5 => push(&mut out, &json!({ "do": "ping", "ref": "first" })),
        6 => push(
            &mut out,
            &json!({ "do": pick(rng, &["rooms", "nick", "say"]) }),
        ),
        7 => push(&mut out, &json!({ "do": "who", "room": room(rng) })),
        8 => push(&mut out, &json!({ "do": "history", "room": "lobby" })),
        9 => push(
            &mut out,
            &json!({ "do": "enter", "name": pick(rng, &BAD_NAMES) }),
        ),
        _ => {}
    }
    let entry = entry(rng, known);
    push(&mut out, &entry);
    out
}

fn entry(rng: &mut Rng, known: &Known) -> Value {
    let mut entry = json!({ "do": "enter", "name": name(rng), "ref": "enter" });
    if rng.u32(..4) > 0 {
        let names = (0..rng.usize(..4)).map(|_| match rng.u32(..30) {
            0 => pick(rng, &BAD_NAMES).to_owned(),
            1 => format!("#{}", room(rng)),
            _ => room(rng).to_owned(),
        });
        entry["rooms"] = names.collect();
    }
    if rng.u32(..3) == 0 {
        entry["since"] = json!({});
        for _ in 0..2 {
            entry["since"][room(rng)] = id(rng, known).into();
        }
    }
    if rng.u32(..3) == 0 && !known.tokens.is_empty() {
        let (name, token) = &known.tokens[rng.usize(..known.tokens.len())];
        entry["name"] = name.as_str().into();
        entry["resume"] = match rng.u32(..8) {
            0 => token[1..].into(),
            _ => token.as_str().into(),
        };
    }
    entry
}

fn id(rng: &mut Rng, known: &Known) -> String {
    match rng.choice(&known.ids) {
        Some(id) if rng.u32(..4) > 0 => id.clone(),
        _ => pick(rng, &["0-0", "1790000000000-0", "1790000001000-3"]).into(),
    }
}

pub(crate) fn post(rng: &mut Rng, text: &str) -> Value {
    let name = if rng.bool() { "cron" } else { name(rng) };
    json!({ "do": "post", "room": room(rng), "name": name, "text": text })
}

pub(crate) fn quit(is_json: bool) -> Vec<u8> {
    match is_json {
        true => b"\n{\"do\":\"quit\",\"reason\":\"bye\"}\n".to_vec(),
        false => b"\n/quit bye\n".to_vec(),
    }
}

/// What a client says next. `serial` makes every message another one.
pub(crate) fn bytes(
    rng: &mut Rng,
    serial: &mut u64,
    limits: &Limits,
    speaks: Language,
    known: &Known,
) -> Vec<u8> {
    let lines = match rng.u32(..20) {
        0 => rng.u32(2..=2 * limits.burst_lines_max.min(40)),
        1..=4 => rng.u32(2..=5),
        _ => 1,
    };
    let mut out = Vec::new();
    for _ in 0..lines {
        *serial += 1;
        match speaks {
            Language::Text => line(rng, *serial, limits, &mut out),
            Language::Json => json_line(rng, *serial, limits, known, &mut out),
        }
    }
    out
}

fn line(rng: &mut Rng, serial: u64, limits: &Limits, out: &mut Vec<u8>) {
    let text = match rng.u32(..100) {
        0..=32 => format!("m{serial} {}", words(rng, limits)),
        33..=34 => format!("/me m{serial} {}", words(rng, limits)),
        35..=36 => format!("/say /m{serial} {}", words(rng, limits)),
        37..=39 => format!("/topic t{serial} {}", words(rng, limits)),
        40 => "/topic".into(),
        41..=42 => format!("/history {}", pick(rng, &["", "1", "3", "100", "0", "x"])),
        43..=47 => format!("/msg {} p{serial} {}", name(rng), words(rng, limits)),
        48..=55 => format!("/join {}{}", pick(rng, &["", "", "#"]), room(rng)),
        56..=58 => format!("/nick {}", name(rng)),
        59..=62 => format!("/echo {}", pick(rng, &["on", "on", "off", "maybe"])),
        63..=66 => "/who".into(),
        67..=68 => format!("/WHO {}", room(rng)),
        69..=71 => "/rooms".into(),
        72..=78 => format!("/ping t{serial}"),
        79 => "/ping".into(),
        80 => "/help".into(),
        81 => format!("/quit q{serial} {}", words(rng, limits)),
        82 => "/quit".into(),
        83..=85 => pick(
            rng,
            &[
                "/who a b",
                "/join",
                "/nick",
                "/msg ann",
                "/msg",
                "/nope",
                "/",
                "/ x",
                "/nick -x",
                "/join server",
                "/search x",
                "/search",
            ],
        )
        .into(),
        86..=89 => pick(rng, &["", " \t"]).into(),
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

fn json_line(rng: &mut Rng, serial: u64, limits: &Limits, known: &Known, out: &mut Vec<u8>) {
    let here = match rng.choice(&known.rooms) {
        Some(own) if rng.u32(..5) > 0 => own.clone(),
        _ => format!("{}{}", pick(rng, &["", "#"]), room(rng)),
    };
    let text = format!("m{serial} {}", words(rng, limits));
    let mut line = match rng.u32(..100) {
        0..=34 => json!({ "do": "say", "room": here, "text": text }),
        35..=37 => json!({ "do": "say", "room": here, "text": text, "action": true }),
        38..=40 => post(rng, &text),
        41..=44 => json!({ "do": "msg", "to": name(rng), "text": text }),
        45..=52 => json!({ "do": "join", "room": room(rng) }),
        53..=54 => json!({ "do": "join", "room": room(rng), "since": id(rng, known) }),
        55..=59 => json!({ "do": "part", "room": here }),
        60..=62 => json!({ "do": "nick", "name": name(rng) }),
        63..=65 => json!({ "do": "topic", "room": here, "text": pick(rng, &[&*text, "", " "]) }),
        66..=68 => json!({ "do": "who", "room": here }),
        69..=70 => json!({ "do": "rooms" }),
        71..=76 => json!({ "do": "ping" }),
        77 => json!({ "do": "history", "room": here, "limit": rng.u32(..4) }),
        78 => json!({ "do": "history", "room": here, "before": id(rng, known), "limit": 2 }),
        79..=80 => json!({ "do": "history", "room": here, "after": id(rng, known) }),
        81 => json!({ "do": "quit", "reason": text }),
        82 => json!({ "do": "quit" }),
        83 => entry(rng, known),
        84..=85 => json!({ "do": pick(rng, &["nope", "say", "join", "enter", "echo"]) }),
        86 => json!({ "do": "say", "room": here, "text": pick(rng, &["", " "]) }),
        87 => json!({ "do": "say", "room": here, "text": "x".repeat(limits.line_bytes_max + 1) }),
        88..=89 => {
            out.extend_from_slice(pick(rng, &[&b"\n"[..], b" \r\n"]));
            return;
        }
        90..=91 => {
            out.extend(std::iter::repeat_n(
                b'x',
                8 * limits.line_bytes_max + rng.usize(..100),
            ));
            out.push(b'\n');
            return;
        }
        92..=94 => {
            out.extend_from_slice(pick(
                rng,
                &[&b"[1]\n"[..], b"{\"do\":\"ping\"} x\n", b"{]\n"],
            ));
            return;
        }
        _ => {
            json!({ "do": "say", "room": here, "text": "line\nfeed", "extra": [1, { "x": null }] })
        }
    };
    match rng.u32(..10) {
        0..=6 => line["ref"] = format!("r{serial}").into(),
        7 => line["ref"] = "long".repeat(17).into(),
        _ => {}
    }
    push(out, &line);
}

pub(crate) fn push(out: &mut Vec<u8>, line: &Value) {
    out.extend_from_slice(line.to_string().as_bytes());
    out.push(b'\n');
}

fn words(rng: &mut Rng, limits: &Limits) -> String {
    match rng.u32(..10) {
        0 => "größer 漢字 🙂".into(),
        1 => "tab\there \u{1b}[31m \u{85}x\u{2028}y".into(),
        2 => "z".repeat(rng.usize(..limits.line_bytes_max)),
        3 => "\"quotes\" \\ back".into(),
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
