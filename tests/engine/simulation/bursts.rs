//! A crowd that says much at once: under which limits, and what. Only choices, in the hands of one
//! generator. Part of the plan.

use chatd::config::Limits;
use fastrand::Rng;
use serde_json::json;

use super::plan::{Known, milliseconds, pick, post, push};
use super::sniff::Language;

/// Limits under which much can be said at once, as they are in relation to each other by default.
pub(crate) fn suit(limits: &mut Limits, rng: &mut Rng) {
    let outbox_bytes_max = pick(rng, &[16_000, 30_000]);
    *limits = Limits {
        stall_timeout: milliseconds(rng, 500, 2000),
        outbox_bytes_max,
        outbox_total_bytes_max: 1 << 20,
        line_bytes_max: pick(rng, &[60, 120, 190]),
        rate_lines_per_second: pick(rng, &[0, 200, 1000]),
        burst_lines_max: 50,
        byte_rate_bytes_per_second: pick(rng, &[2000, 20_000]),
        byte_burst_bytes_max: 10_000,
        rooms_max: 1000,
        block_bytes_max: outbox_bytes_max / 4,
        turn_bytes_max: outbox_bytes_max * 3 / 8,
        read_bytes_max: 4096,
        ..limits.clone()
    };
}

/// Much of the same, all at once.
pub(crate) fn burst(
    rng: &mut Rng,
    serial: &mut u64,
    limits: &Limits,
    speaks: Language,
    known: &Known,
) -> Vec<u8> {
    let room = rng.choice(&known.rooms).cloned();
    let long = "b".repeat(rng.usize(..limits.line_bytes_max - 20));
    let mut out = Vec::new();
    for _ in 0..rng.u32(10..=100) {
        *serial += 1;
        let text = format!("m{serial} {long}");
        match (speaks, &room) {
            (Language::Text, _) => out.extend_from_slice(format!("{text}\n").as_bytes()),
            (Language::Json, Some(room)) => {
                push(
                    &mut out,
                    &json!({ "do": "say", "room": room, "text": text }),
                );
            }
            (Language::Json, None) => {
                let line = post(rng, &text);
                push(&mut out, &line);
            }
        }
    }
    out
}
