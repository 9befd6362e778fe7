//! The whole hub, driven by a script: peers connect, send in any pieces, read as they please, shut
//! their side, break off; the operator speaks, throws out, stops the server; time goes on, and
//! slots are used again, all under limits so small that each is reached. What must hold is said in
//! `chatd_fuzz::machine`, and in the debug assertions of the hub.
#![no_main]

use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::CloseReason;
use chatd_fuzz::machine::{Machine, Order, SLOTS};
use chatd_fuzz::script::Script;
use chatd_fuzz::socket::Socket;
use libfuzzer_sys::fuzz_target;

const _: () = assert!(
    cfg!(debug_assertions),
    "the hub's own assertions are half of this target"
);

/// Longer scripts would only be slower.
const OPERATIONS_MAX: usize = 300;
/// More than anybody is ever owed.
const WIDE_OPEN: usize = 1 << 40;

const NAMES: [&str; 8] = [
    "ann",
    "Ann",
    "ben",
    "Ian",
    "lan",
    "öd",
    "иван",
    "ann-with-a-longer-name.2",
];

/// What peers say without the fuzzer having to find it.
const PHRASES: [&[u8]; 24] = [
    b"hello\n",
    b"x\r\n",
    b"\n",
    b"//who\n",
    b"/help\n",
    b"/who\n",
    b"/who den\n",
    b"/rooms\n",
    b"/join den\n",
    b"/join lobby\n",
    b"/join 1obby\n",
    b"/echo on\n",
    b"/echo off\n",
    b"/ping 1\n",
    b"/ping\n/ping\n/ping\n/ping\n",
    b"/quit\n",
    b"/quit so long\n",
    b"/quit",
    b"/nonsense\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01",
    b"\x1b[31m\xff\xc2\x85\n",
    b"a\nb\nc\nd\ne\nf\ng\nh\n",
    b"hell",
];

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let write_bytes_max = script.choice(&[1 << 20, 1, 3, 100]);
    let window = script.choice(&[WIDE_OPEN, WIDE_OPEN, 0, 50]);
    let mut player = Player {
        machine: Machine::new(limits(&mut script), write_bytes_max),
        window,
        said: 0,
    };
    for _ in 0..OPERATIONS_MAX {
        if script.is_over() {
            break;
        }
        player.operate(&mut script);
    }
    player.machine.run_down();
});

/// Limits as small as they come, and now and then as they are.
fn limits(script: &mut Script<'_>) -> Limits {
    let milliseconds = Duration::from_millis;
    Limits {
        clients_max: script.choice(&[6, 6, 3, 1]),
        name_timeout: milliseconds(script.choice(&[20_000, 400, 1])),
        prompt_timeout: milliseconds(script.choice(&[300, 0])),
        stall_timeout: milliseconds(script.choice(&[10_000, 1000, 1])),
        drain_timeout: milliseconds(script.choice(&[5000, 0])),
        flush_timeout: milliseconds(script.choice(&[5000, 0])),
        linger_timeout: milliseconds(script.choice(&[500, 0])),
        outbox_bytes_max: script.choice(&[1 << 20, 4096, 400, 100, 0]),
        outbox_total_bytes_max: script.choice(&[1 << 20, 2000, 300, 0]),
        line_bytes_max: script.choice(&[600, 128, 16, 5]),
        rate_lines_per_second: script.choice(&[0, 10, 1, 1000]),
        burst_lines_max: script.choice(&[100, 5, 1]),
        history_lines_max: script.choice(&[20, 3, 1, 0]),
        history_bytes_max: script.choice(&[256 << 10, 40, 0]),
        history_total_bytes_max: script.choice(&[1 << 20, 60, 0]),
        announce_members_max: script.choice(&[200, 2, 1, 0]),
        churn_interval: milliseconds(script.choice(&[1000, 0])),
        welcome_names_max: script.choice(&[20, 1, 0]),
        who_names_max: script.choice(&[1000, 1, 0]),
        rooms_listed_max: script.choice(&[1000, 1, 0]),
        block_bytes_max: script.choice(&[256 << 10, 200, 30, 1]),
        read_bytes_max: script.choice(&[4096, 64, 7, 1]),
        write_bytes_max: script.choice(&[1 << 20, 100, 1]),
        ..Limits::default()
    }
}

struct Player {
    machine: Machine,
    /// What a new peer takes before it reads again.
    window: usize,
    /// Lines that are like no other, so that their order shows.
    said: usize,
}

impl Player {
    fn operate(&mut self, script: &mut Script<'_>) {
        let slot = u32::from(script.byte()) % SLOTS;
        match script.byte() % 16 {
            0 | 1 => self.send(slot, |line| {
                line.extend_from_slice(script.choice(&NAMES).as_bytes())
            }),
            2 | 3 => {
                let phrase = script.choice(&PHRASES);
                self.send_bytes(slot, phrase);
            }
            4 => {
                let length = script.below(40);
                // The mark of the numbered lines, which are to be like no other.
                let bytes = script.bytes(length).iter().map(|&byte| match byte {
                    b'#' => b'%',
                    other => other,
                });
                self.send_bytes(slot, &bytes.collect::<Vec<u8>>());
            }
            5 => self.send_numbered(slot, 1 + script.below(8)),
            6 => {
                let command: &[u8] = script.choice(&[b"/nick ", b"/msg ", b"/join ", b"/who "]);
                let name = script.choice(&NAMES);
                self.send(slot, |line| {
                    line.extend_from_slice(command);
                    line.extend_from_slice(name.as_bytes());
                    if command == b"/msg " {
                        line.extend_from_slice(b" psst");
                    }
                });
            }
            7 => {
                let length = 3 * script.below(256);
                self.send_bytes(slot, &vec![b'a'; length]);
            }
            8 => self.machine.with_peer(slot, Socket::end),
            9 if script.below(2) == 0 => self.machine.order(Order::BreakOff(slot)),
            9 => self.machine.with_peer(slot, Socket::break_off),
            10 => {
                let bytes = script.choice(&[WIDE_OPEN, 0, 1, 10, 100, 1000]);
                self.machine.open_window(slot, bytes);
            }
            11 => self.order(slot, script),
            // The commonest thing is that time goes on.
            _ => self.turn(script),
        }
    }

    fn turn(&mut self, script: &mut Script<'_>) {
        let now = self.machine.now();
        let later = |milliseconds| now + Duration::from_millis(milliseconds);
        let at = match script.below(8) {
            0 | 1 => now,
            2 => later(1),
            3 => later(100),
            4 => later(1000),
            5 => later(20_000),
            _ => self.machine.next_turn().unwrap_or(now),
        };
        self.machine.turn(at);
    }

    fn order(&mut self, slot: u32, script: &mut Script<'_>) {
        let order = match script.below(8) {
            0..=2 => Order::Announce(script.choice(&PHRASES).to_vec()),
            3..=5 => {
                let why = script.choice(&[None, Some("enough"), Some("so")]);
                Order::Kick(script.choice(&NAMES).to_owned(), why.map(str::to_owned))
            }
            6 => Order::Refuse(
                slot,
                Socket::new(self.window),
                CloseReason::TooManyFromAddress,
            ),
            // Rarely: not much comes after it.
            _ if script.below(4) == 0 => Order::ShutDown,
            _ => return,
        };
        self.machine.order(order);
    }

    /// A line with an ending.
    fn send(&mut self, slot: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let mut line = Vec::new();
        write(&mut line);
        line.push(b'\n');
        self.send_bytes(slot, &line);
    }

    /// Some of these lines are pings.
    fn send_numbered(&mut self, slot: u32, count: usize) {
        for _ in 0..count {
            self.said += 1;
            let ping = if self.said.is_multiple_of(5) {
                "/ping "
            } else {
                ""
            };
            let line = format!("{ping}#{}\n", self.said);
            self.send_bytes(slot, line.as_bytes());
        }
    }

    /// The peer of a slot sends; where there is none, one connects first.
    fn send_bytes(&mut self, slot: u32, bytes: &[u8]) {
        if !self.machine.is_taken(slot) {
            let mut socket = Socket::new(self.window);
            socket.send(bytes);
            return self.machine.order(Order::Connect(slot, socket));
        }
        self.machine.with_peer(slot, |socket| socket.send(bytes));
    }
}
