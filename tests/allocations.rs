//! What the engine allocates once it has seen its load for a while: nothing, neither for a line
//! nor for a delivery; at most a little for a turn that is a burst. Each test drives a [`Hub`] as `net::server` does, without sockets, through
//! warm-up turns and then through a thousand that are counted (on this thread alone). Not what
//! joining, leaving, lists or refusals cost: they happen at the pace of people.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use allocation_counter::measure;
use chatd::config::Limits;
use chatd::hub::Hub;
use chatd::time::Time;

/// Until everything that grows on demand has grown.
const WARM_UP_TURNS: usize = 500;
const COUNTED_TURNS: usize = 1000;

/// A hub with members and what the server keeps beside it.
struct Chat {
    hub: Hub,
    now: Time,
    flushing: Vec<u32>,
    /// Bytes that each connection takes in a turn.
    taken_bytes_max: usize,
}

impl Chat {
    fn new(limits: Limits, members: u32) -> Chat {
        let mut chat = Chat {
            hub: Hub::new(limits.with_derived()),
            now: Time::START,
            flushing: Vec::new(),
            taken_bytes_max: usize::MAX,
        };
        for slot in 0..members {
            chat.hub.connect(slot);
            chat.turn(&[(slot, format!("member{slot}\n").as_bytes())]);
        }
        assert_eq!(chat.hub.statistics().clients, members as usize);
        chat
    }

    /// One turn, a millisecond after the one before. Who is held back is not read from.
    fn turn(&mut self, input: &[(u32, &[u8])]) {
        self.now = self.now + Duration::from_millis(1);
        self.hub.begin_turn(self.now);
        while self.hub.take_released().is_some() {}
        for &(slot, bytes) in input {
            if self.hub.wants_input(slot) {
                self.hub.receive(slot, bytes);
            }
        }
        self.hub.end_turn();
        self.hub.swap_dirty(&mut self.flushing);
        for index in 0..self.flushing.len() {
            self.write(self.flushing[index]);
        }
        while self.hub.take_joined().is_some() {}
        assert_eq!(self.hub.take_doomed(), None, "nobody is to be cut");
        self.hub.finish_turn();
    }

    /// Takes what there is to take; the rest is asked for again, as by a socket that is writable.
    fn write(&mut self, slot: u32) {
        let owed: usize = self.hub.chunks(slot).map(<[u8]>::len).sum();
        self.hub.consume(slot, owed.min(self.taken_bytes_max));
        self.hub.mark_dirty(slot);
        self.hub.after_write(slot);
    }

    /// Allocations of many turns in which `say` says what comes in, after as many to get there.
    /// `say` is given the number of the turn, and allocates nothing itself.
    fn count(&mut self, mut say: impl FnMut(&mut Chat, usize)) -> Counted {
        for turn in 0..WARM_UP_TURNS {
            say(self, turn);
        }
        let before = self.hub.statistics();
        let allocations = measure(|| {
            for turn in WARM_UP_TURNS..WARM_UP_TURNS + COUNTED_TURNS {
                say(self, turn);
            }
        });
        let after = self.hub.statistics();
        Counted {
            allocations: allocations.count_total,
            lines: after.lines_in - before.lines_in,
            deliveries: after.deliveries_out - before.deliveries_out,
        }
    }
}

/// What was counted, and that there was something to count.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    allocations: u64,
    lines: u64,
    deliveries: u64,
}

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
    let mut chat = Chat::new(limits(), 20);
    for slot in 0..20 {
        if slot % 2 == 0 {
            chat.turn(&[(slot, b"/join attic\n")]);
        }
        if slot % 5 == 0 {
            chat.turn(&[(slot, b"/echo on\n")]);
        }
    }
    let long = [b"x".repeat(700), b"\nshort\n".to_vec()].concat();
    let found = chat.count(|chat, _| {
        chat.turn(&[
            (0, b"one\ntwo\r\nthree\n"),
            (1, b"gr\xc3\xbc\xc3\x9fe\n"),
            (2, b"not \xff utf-8, and \x1b[2J\n"),
            (5, &long),
            (6, b"//slash\n/ping 17\nfour\n"),
        ]);
    });
    assert_eq!(found, counted(10, 3 * 10 + 9 + 9 + 2 * 10 + 2 * 9));
}

#[test]
fn lines_that_come_in_parts() {
    let mut chat = Chat::new(limits(), 100);
    let text = [b"in parts ".repeat(30), b"\nand the next\n".to_vec()].concat();
    let found = chat.count(|chat, turn| {
        // Every member is in the middle of a line at some time, and most of them at once.
        let from = turn * 7 % text.len();
        let (first, last) = (&text[from..], &text[..from]);
        for slot in 0..100 {
            chat.hub.receive(slot, first);
        }
        chat.turn(&[]);
        for slot in 0..100 {
            chat.hub.receive(slot, last);
        }
        chat.turn(&[]);
    });
    let lines = 100 * 2;
    assert_eq!(found, counted(lines, lines * 99));
}

#[test]
fn two_senders_with_256_lines_in_flight() {
    let mut chat = Chat::new(limits(), 10);
    let lines = b"a line of some thirty characters\n".repeat(256);
    let found = chat.count(|chat, _| chat.turn(&[(3, &lines), (4, &lines)]));
    assert_eq!(found, counted(512, 512 * 9));
}

#[test]
fn a_sender_with_echo_who_asks_for_an_answer_to_each_line() {
    let mut chat = Chat::new(limits(), 10);
    chat.turn(&[(3, b"/echo on\n")]);
    let lines = b"a line\n/ping\n".repeat(256);
    let found = chat.count(|chat, _| chat.turn(&[(3, &lines)]));
    // Two slices a line: more than an outbox keeps room for once it is empty, so that it doubles
    // its way up in each turn.
    assert!(found.allocations <= 10 * COUNTED_TURNS as u64, "{found:?}");
    assert_eq!(found.lines, 512 * COUNTED_TURNS as u64);
}

#[test]
fn messages_of_all_lengths_in_a_history_that_is_full_by_bytes() {
    let limits = Limits {
        history_lines_max: 200,
        outbox_bytes_max: 64 << 10,
        ..limits()
    };
    let mut chat = Chat::new(limits, 3);
    let stream = [b"x".repeat(4000), b"\n".to_vec(), b"short\n".repeat(20)].concat();
    let found = chat.count(|chat, _| chat.turn(&[(0, &stream)]));
    assert_eq!(found, counted(21, 21 * 2));
}

#[test]
fn a_room_that_says_more_than_a_turn_may_hold() {
    let limits = Limits {
        outbox_bytes_max: 64 << 10,
        ..limits()
    };
    let mut chat = Chat::new(limits, 10);
    let lines = b"a line of some thirty characters\n".repeat(200);
    let found = chat.count(|chat, _| chat.turn(&[0, 1, 2, 3, 4, 5].map(|slot| (slot, &lines[..]))));
    // What was read and may not be handled yet is kept, once for each sender.
    assert!(found.allocations <= 6 * COUNTED_TURNS as u64, "{found:?}");
    assert!(found.lines > 300 * COUNTED_TURNS as u64, "{found:?}");
}

#[test]
fn senders_above_their_rate() {
    let mut chat = Chat::new(Limits::default(), 10);
    let lines = b"a line of some thirty characters\n".repeat(20);
    let found = chat.count(|chat, _| chat.turn(&[(3, &lines), (4, &lines)]));
    assert_eq!(found.allocations, 0, "{found:?}");
    assert!(found.lines > 0, "{found:?}");
}

#[test]
fn readers_that_take_a_little_at_a_time() {
    let mut chat = Chat::new(limits(), 10);
    chat.taken_bytes_max = 100;
    let found = chat.count(|chat, turn| {
        let input: &[(u32, &[u8])] = if turn % 10 == 0 {
            &[(3, b"a line of some thirty characters\nand one more line\n")]
        } else {
            &[]
        };
        chat.turn(input);
    });
    assert_eq!(found.allocations, 0, "{found:?}");
}
