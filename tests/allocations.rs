//! What the engine allocates once it has seen its load for a while: nothing, neither for a line
//! nor for a delivery, in plain text as in JSON; at most a little for a turn that is a burst. Each
//! test drives the one [`Turn`](chatd::turn::Turn) with sockets that are memory through warm-up
//! turns, and then through hundreds that are counted (on this thread alone). Not what joining,
//! leaving, lists or refusals cost: they happen at the pace of people.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "common/in_memory.rs"]
mod in_memory;

use std::array;
use std::hint::black_box;
use std::time::Duration;

use allocation_counter::measure;
use chatd::config::Limits;

use in_memory::{InMemory, Language};

/// Until everything that grows on demand has grown.
const WARM_UP_TURNS: usize = 300;
const COUNTED_TURNS: usize = 500;
const MILLISECOND: Duration = Duration::from_millis(1);

fn text(_: u32) -> Language {
    Language::Text
}

fn json(_: u32) -> Language {
    Language::Json
}

fn mixed(slot: u32) -> Language {
    if slot.is_multiple_of(2) {
        Language::Text
    } else {
        Language::Json
    }
}

fn room(limits: Limits, members: u32, language: fn(u32) -> Language) -> InMemory {
    let mut server = InMemory::new(limits);
    server.enter(members, language);
    server.fill_history(1, &language(1).line("filling"));
    server
}

/// Allocations of many turns in which `say` says what comes in, after as many to get there.
/// `say` is given the number of the turn, and allocates nothing itself.
fn count(server: &mut InMemory, mut say: impl FnMut(&mut InMemory, usize)) -> Counted {
    server.settle();
    for turn in 0..WARM_UP_TURNS {
        say(server, turn);
    }
    let before = server.statistics();
    let allocations = measure(|| {
        for turn in WARM_UP_TURNS..WARM_UP_TURNS + COUNTED_TURNS {
            say(server, turn);
        }
    });
    let after = server.statistics();
    Counted {
        allocations: allocations.count_total,
        lines: after.lines_in - before.lines_in,
        deliveries: after.deliveries_out - before.deliveries_out,
    }
}

/// What was counted, and that there was something to count.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    allocations: u64,
    lines: u64,
    deliveries: u64,
}

/// So many lines and deliveries a turn, and no allocation.
fn counted(lines: usize, deliveries: usize) -> Counted {
    Counted {
        allocations: 0,
        lines: (lines * COUNTED_TURNS) as u64,
        deliveries: (deliveries * COUNTED_TURNS) as u64,
    }
}

/// No rate, so that a turn can hold as much as a test wants.
fn limits() -> Limits {
    Limits {
        rate_lines_per_second: 0,
        // Full after the warm-up: until then a history grows.
        history_lines_max: 20,
        ..Limits::default()
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(black_box(Box::new(1)))).count_total, 1);
}

#[test]
fn talk_with_echo_and_without_in_two_rooms_with_history() {
    let mut server = room(limits(), 20, text);
    for slot in 0..20 {
        if slot % 2 == 0 {
            server.pass(MILLISECOND, &[(slot, "/join attic\n")]);
        }
        if slot % 5 == 0 {
            server.pass(MILLISECOND, &[(slot, "/echo on\n")]);
        }
    }
    server.fill_history(2, b"filling\n");
    let long = [b"x".repeat(700), b"\nshort\n".to_vec()].concat();
    let found = count(&mut server, |server, _| {
        let input: [(u32, &[u8]); 5] = [
            (0, b"one\ntwo\r\nthree\n"),
            (1, b"gr\xc3\xbc\xc3\x9fe\n"),
            (2, b"not \xff utf-8, and \x1b[2J\n"),
            (5, &long),
            (6, b"//slash\n/ping 17\nfour\n"),
        ];
        server.pass(MILLISECOND, &input);
    });
    assert_eq!(found, counted(10, 3 * 10 + 9 + 9 + 2 * 10 + 2 * 9));
}

#[test]
fn programs_that_talk_in_two_rooms_with_history() {
    let mut server = room(limits(), 20, json);
    for slot in (0..20).filter(|slot| slot % 2 == 0) {
        server.pass(
            MILLISECOND,
            &[(slot, "{\"do\":\"join\",\"room\":\"attic\"}\n")],
        );
    }
    let said = |room: &str, text: &str| {
        format!("{{\"do\":\"say\",\"room\":\"{room}\",\"text\":\"{text}\",\"ref\":\"a-1\"}}\n")
    };
    let (short, attic) = (said("lobby", "short"), said("attic", "größer"));
    let long = said("lobby", &"x".repeat(700));
    server.fill_history(0, attic.as_bytes());
    let action = "{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"waves\",\"action\":true}\n";
    let found = count(&mut server, |server, _| {
        let input = [
            (0, attic.as_bytes()),
            (1, short.as_bytes()),
            (2, long.as_bytes()),
            (3, action.as_bytes()),
            (4, b"{\"do\":\"ping\",\"ref\":\"2\"}\n"),
        ];
        server.pass(MILLISECOND, &input);
    });
    // The speaker hears itself.
    assert_eq!(found, counted(5, 10 + 3 * 20));
}

#[test]
fn people_and_programs_in_one_room_with_history() {
    let mut server = room(limits(), 20, mixed);
    server.pass(MILLISECOND, &[(0, "/echo on\n")]);
    let said = [0, 1, 2, 3].map(|slot| (slot, mixed(slot).line("größer")));
    let found = count(&mut server, |server, _| {
        server.pass(MILLISECOND, &said);
    });
    assert_eq!(found, counted(4, 3 * 20 + 19));
}

#[test]
fn lines_that_come_in_parts() {
    for language in [text, json, mixed] {
        let mut server = room(limits(), 30, language);
        let says = |language: Language| {
            [
                language.line("in parts ".repeat(30).trim_end()),
                language.line("and the next"),
            ]
            .concat()
        };
        let (text, json) = (says(Language::Text), says(Language::Json));
        let stream = |slot| match language(slot) {
            Language::Text => &text,
            Language::Json => &json,
        };
        let found = count(&mut server, |server, turn| {
            // Every member is in the middle of a line at some time, and most of them at once.
            let cut = |slot, turn| stream(slot).split_at(turn * 7 % stream(slot).len());
            let to_end: [_; 30] = array::from_fn(|slot| (slot as u32, cut(slot as u32, turn).1));
            server.pass(MILLISECOND, &to_end);
            let next = turn + 1;
            let to_cut: [_; 30] = array::from_fn(|slot| (slot as u32, cut(slot as u32, next).0));
            server.pass(MILLISECOND, &to_cut);
        });
        let programs = (0..30)
            .filter(|&slot| language(slot) == Language::Json)
            .count();
        let lines = 30 * 2;
        let expected = counted(lines, lines * 29 + 2 * programs);
        assert_eq!(found, expected, "{programs} programs");
    }
}

#[test]
fn two_senders_with_256_lines_in_flight() {
    let mut server = room(limits(), 10, text);
    let lines = b"a line of some thirty characters\n".repeat(256);
    let found = count(&mut server, |server, _| {
        server.pass(MILLISECOND, &[(3, &lines), (4, &lines)]);
    });
    assert_eq!(found, counted(512, 512 * 9));
}

#[test]
fn readers_of_two_languages_and_two_senders_with_256_lines_in_flight() {
    let mut server = room(limits(), 10, |slot| match slot {
        3 | 4 => Language::Text,
        _ => mixed(slot),
    });
    let lines = b"a line of some thirty characters\n".repeat(256);
    let found = count(&mut server, |server, _| {
        server.pass(MILLISECOND, &[(3, &lines), (4, &lines)]);
    });
    assert_eq!(found, counted(512, 512 * 9));
}

#[test]
fn a_program_with_30_lines_in_flight() {
    for language in [json, mixed] {
        let mut server = room(limits(), 10, language);
        let lines = Language::Json
            .line("a line of some thirty characters")
            .repeat(30);
        let found = count(&mut server, |server, _| {
            server.pass(MILLISECOND, &[(3, &lines), (5, &lines)]);
        });
        assert_eq!(found, counted(60, 60 * 10));
    }
}

#[test]
fn a_sender_with_an_answer_to_each_of_256_lines_in_flight() {
    let text_lines = "a line\n/ping\n".repeat(256).into_bytes();
    let json_lines = Language::Json.line("a line").repeat(256);
    for (language, lines) in [(text as fn(u32) -> _, &text_lines), (json, &json_lines)] {
        let mut server = room(limits(), 10, language);
        if language(3) == Language::Text {
            server.pass(MILLISECOND, &[(3, "/echo on\n")]);
        }
        let found = count(&mut server, |server, _| {
            server.pass(MILLISECOND, &[(3, lines)]);
        });
        // Two slices a line: more than an outbox keeps room for once it is empty, so that it
        // doubles its way up in each turn.
        assert!(found.allocations <= 10 * COUNTED_TURNS as u64, "{found:?}");
        assert_eq!(found.deliveries, 256 * 10 * COUNTED_TURNS as u64);
    }
}

#[test]
fn messages_of_all_lengths_in_a_history_that_is_full_by_bytes() {
    for language in [text, json, mixed] {
        let limits = Limits {
            history_lines_max: 200,
            outbox_bytes_max: 64 << 10,
            ..limits()
        };
        let mut server = room(limits, 3, language);
        let long = Language::Text.line(&"x".repeat(4000));
        let short = language(1).line("short").repeat(20);
        let found = count(&mut server, |server, turn| {
            // Twenty short ones, then a long one, from a person or a program.
            if turn % 2 == 0 || language(0) == Language::Json {
                server.pass(MILLISECOND, &[(1, &short)]);
            } else {
                server.pass(MILLISECOND, &[(0, &long)]);
            }
        });
        assert_eq!(found.allocations, 0, "{found:?}");
        assert!(found.lines >= 10 * COUNTED_TURNS as u64, "{found:?}");
    }
}

#[test]
fn a_room_that_says_more_than_a_turn_may_hold() {
    for language in [text, mixed] {
        let limits = Limits {
            outbox_bytes_max: 64 << 10,
            ..limits()
        };
        let mut server = room(limits, 10, language);
        let lines = b"a line of some thirty characters\n".repeat(200);
        let found = count(&mut server, |server, _| {
            let people = [0, 2, 4, 6, 8].map(|slot| (slot, &lines));
            server.pass(MILLISECOND, &people);
        });
        // What was read and may not be handled yet is kept, once for each sender.
        assert!(found.allocations <= 5 * COUNTED_TURNS as u64, "{found:?}");
        assert!(found.lines > 50 * COUNTED_TURNS as u64, "{found:?}");
    }
}

#[test]
fn senders_above_their_rate() {
    for language in [text, json] {
        let limits = Limits {
            // At this rate it would take long to fill it.
            history_lines_max: 0,
            ..Limits::default()
        };
        let mut server = room(limits, 10, language);
        let lines = language(3)
            .line("a line of some thirty characters")
            .repeat(20);
        let found = count(&mut server, |server, _| {
            server.pass(MILLISECOND, &[(3, &lines), (4, &lines)]);
        });
        assert_eq!(found.allocations, 0, "{found:?}");
        assert!(found.lines > 0, "{found:?}");
    }
}

#[test]
fn readers_that_take_a_little_at_a_time() {
    for language in [text, json, mixed] {
        let mut server = room(limits(), 10, language);
        server.sockets.taken_bytes_max = 300;
        // Two of them are not taken at once in either language.
        let lines = language(3).line(&"in parts ".repeat(17)).repeat(2);
        let found = count(&mut server, |server, turn| {
            let input = [(3, &lines)];
            let input = if turn % 3 == 0 { &input[..] } else { &[] };
            server.pass(MILLISECOND, input);
        });
        // A block that somebody keeps is made as small as what it holds, and grows when it is used
        // again: a few for each of them (both languages, the answers), however many read.
        assert!(found.allocations <= 8 * found.lines, "{found:?}");
        assert!(found.deliveries > 0, "{found:?}");
    }
}
