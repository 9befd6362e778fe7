//! The whole turn, driven by a script: people and programs connect, send in any pieces, read as
//! they please, shut their side, break off, come back by their token; the operator speaks, throws
//! out, stops the server; time goes on, stands still while the process is stopped, the clock on the
//! wall is put; and slots are used again, all under limits so small that each is reached. What must
//! hold is said in `chatd_fuzz::machine` and `chatd_fuzz::heard`, and in the turn's own assertions.
#![no_main]

use std::time::Duration;

use chatd::config::Limits;
use chatd::dialect::cleaning::clean;
use chatd::session::CloseReason;
use chatd_fuzz::machine::{Machine, Order, SLOTS, token};
use chatd_fuzz::script::Script;
use chatd_fuzz::socket::Socket;
use libfuzzer_sys::fuzz_target;

const _: () = assert!(
    cfg!(debug_assertions),
    "the turn's own assertions are half of this target"
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

/// What people say without the fuzzer having to find it.
const PHRASES: [&[u8]; 28] = [
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
    b"/topic plans\n",
    b"/topic\n",
    b"/me waves\n",
    b"/history 3\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01",
    b"\x1b[31m\xff\xc2\x85\n",
    b"a\nb\nc\nd\ne\nf\ng\nh\n",
    b"hell",
];

/// What programs say.
const LINES: [&str; 24] = [
    r#"{"do":"say","room":"lobby","text":"hello"}"#,
    r#"{"do":"say","room":"lobby","text":"a \"b\" \u001b\n\ud800 c","action":true}"#,
    r#"{"do":"say","room":"den","text":"x"}"#,
    r#"{"do":"join","room":"den"}"#,
    r#"{"do":"join","room":"lobby","since":"0-0"}"#,
    r#"{"do":"join","room":"1obby"}"#,
    r#"{"do":"part","room":"lobby"}"#,
    r#"{"do":"part","room":"den"}"#,
    r#"{"do":"topic","room":"lobby","text":"plans"}"#,
    r#"{"do":"topic","room":"den","text":""}"#,
    r#"{"do":"who","room":"lobby"}"#,
    r#"{"do":"who","room":"den","ref":"w"}"#,
    r#"{"do":"rooms"}"#,
    r#"{"do":"history","room":"lobby"}"#,
    r#"{"do":"history","room":"den","before":"1790000000500-0","limit":2}"#,
    r#"{"do":"history","room":"lobby","after":"1790000000100-0","limit":1}"#,
    r#"{"do":"post","room":"den","name":"cron","text":"done"}"#,
    r#"{"do":"post","room":"shed","name":"Ann","text":"done"}"#,
    r#"{"do":"ping","ref":"p"}"#,
    r#"{"do":"quit","reason":"so long"}"#,
    r#"{"do":"quit"}"#,
    r#"{"do":"dance","ref":"x"}"#,
    r#"{"do":"say","room":5}"#,
    r#"{"do":"#,
];

/// The rooms to enter, and what is known of them.
const ENTRIES: [&str; 6] = [
    "",
    r#","rooms":[]"#,
    r#","rooms":["lobby","den"]"#,
    r#","rooms":["den","Den","shed"]"#,
    r#","rooms":["lobby"],"since":{"lobby":"0-0"}"#,
    r#","rooms":["lobby","den"],"since":{"lobby":"1790000000100-0","den":"1790000000200-1"}"#,
];

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let write_bytes_max = script.choice(&[1 << 20, 1, 3, 100]);
    let window = script.choice(&[WIDE_OPEN, WIDE_OPEN, 0, 50]);
    let mut player = Player {
        can_widen: script.below(2) == 0,
        machine: Machine::new(limits(&mut script), write_bytes_max),
        programs: [false; SLOTS as usize],
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
        prompt_timeout: script.choice(&[None, Some(300), Some(0)]).map(milliseconds),
        stall_timeout: milliseconds(script.choice(&[10_000, 1000, 1])),
        drain_timeout: milliseconds(script.choice(&[5000, 0])),
        flush_timeout: milliseconds(script.choice(&[5000, 0])),
        linger_timeout: milliseconds(script.choice(&[500, 0])),
        outbox_bytes_max: script.choice(&[1 << 20, 4096, 400, 100, 0]),
        outbox_total_bytes_max: script.choice(&[1 << 20, 2000, 300, 0]),
        line_bytes_max: script.choice(&[600, 128, 16, 5]),
        rate_lines_per_second: script.choice(&[0, 10, 1, 1000]),
        burst_lines_max: script.choice(&[100, 5, 1]),
        byte_rate_bytes_per_second: script.choice(&[0, 1000, 10]),
        byte_burst_bytes_max: script.choice(&[1000, 10]),
        history_lines_max: script.choice(&[20, 3, 1, 0]),
        history_bytes_max: script.choice(&[256 << 10, 100, 0]),
        history_total_bytes_max: script.choice(&[1 << 20, 600, 0]),
        announce_members_max: script.choice(&[200, 2, 1, 0]),
        announce_burst: script.choice(&[20, 1]),
        churn_interval: milliseconds(script.choice(&[1000, 0])),
        rooms_max: script.choice(&[1000, 2]),
        rooms_per_member_max: script.choice(&[32, 2, 1]),
        topic_bytes_max: script.choice(&[300, 2]),
        welcome_names_max: script.choice(&[20, 1, 0]),
        entered_names_max: script.choice(&[100, 1, 0]),
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
    /// Who speaks JSON.
    programs: [bool; SLOTS as usize],
    can_widen: bool,
    /// What a new peer takes before it reads again.
    window: usize,
    /// Requests that are like no other, so that their order shows.
    said: usize,
}

impl Player {
    fn operate(&mut self, script: &mut Script<'_>) {
        let slot = u32::from(script.byte()) % SLOTS;
        match script.byte() % 18 {
            0 | 1 => self.enter(slot, script),
            2 | 3 if self.is_program(slot) => {
                let line = script.choice(&LINES);
                self.send(slot, line);
            }
            2 | 3 => self.send_bytes(slot, script.choice(&PHRASES)),
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
            6 => self.send_about(slot, script),
            7 => {
                let text = "a".repeat(3 * script.below(256));
                match self.is_program(slot) {
                    false => self.send_bytes(slot, text.as_bytes()),
                    true => self.send(
                        slot,
                        &format!(r#"{{"do":"say","room":"lobby","text":"{text}"}}"#),
                    ),
                }
            }
            8 => self.machine.with_peer(slot, Socket::end),
            9 if script.below(2) == 0 => self.machine.order(Order::BreakOff(slot)),
            9 => self.machine.with_peer(slot, Socket::break_off),
            10 => {
                let bytes = script.choice(&[WIDE_OPEN, 0, 1, 10, 100, 1000]);
                self.machine.open_window(slot, bytes);
            }
            11 => self.order(slot, script),
            12 => self.be_stopped(script),
            // The commonest thing is that time goes on.
            _ => self.pass_time(script),
        }
    }

    fn is_program(&self, slot: u32) -> bool {
        self.programs[slot as usize]
    }

    /// A name is given. Who connects by that may be a program.
    fn enter(&mut self, slot: u32, script: &mut Script<'_>) {
        let name = script.choice(&NAMES);
        let choice = script.byte();
        if !self.machine.is_taken(slot) {
            self.programs[slot as usize] = choice >= 128;
        }
        if !self.is_program(slot) {
            return self.send(slot, name);
        }
        let rooms = ENTRIES[usize::from(choice) % ENTRIES.len()];
        let resume = match script.byte() {
            number @ 1..12 => format!(r#","resume":"{}""#, token(number)),
            _ => String::new(),
        };
        let line = format!(r#"{{"do":"enter","name":"{name}"{rooms}{resume}}}"#);
        self.send(slot, &line);
    }

    fn send_about(&mut self, slot: u32, script: &mut Script<'_>) {
        let name = script.choice(&NAMES);
        let choice = script.below(4);
        let line = match (self.is_program(slot), choice) {
            (false, 0) => format!("/nick {name}"),
            (false, 1) => format!("/msg {name} psst"),
            (false, 2) => format!("/join {name}"),
            (false, _) => format!("/who {name}"),
            (true, 0) => format!(r#"{{"do":"nick","name":"{name}","ref":"n"}}"#),
            (true, 1) => format!(r#"{{"do":"msg","to":"{name}","text":"psst"}}"#),
            (true, 2) => format!(r#"{{"do":"join","room":"{name}","ref":"j"}}"#),
            (true, _) => format!(r#"{{"do":"post","room":"den","name":"{name}","text":"x"}}"#),
        };
        self.send(slot, &line);
    }

    fn pass_time(&mut self, script: &mut Script<'_>) {
        let milliseconds = match script.below(8) {
            0 | 1 => 0,
            2 => 1,
            3 => 100,
            4 => 1000,
            5 => 20_000,
            _ => return self.machine.pass_to_next_turn(),
        };
        self.machine.pass(Duration::from_millis(milliseconds));
    }

    /// The process is stopped for a while, or the clock on the wall is put.
    fn be_stopped(&mut self, script: &mut Script<'_>) {
        match script.below(4) {
            0 => self.machine.pause(Duration::from_millis(900)),
            1 => self.machine.pause(Duration::from_secs(60)),
            2 => self.machine.put_wall_clock(-5000),
            _ => self.machine.put_wall_clock(100_000),
        }
    }

    fn order(&mut self, slot: u32, script: &mut Script<'_>) {
        let order = match script.below(8) {
            0..=2 => {
                let words = script.choice(&PHRASES);
                Order::Announce(clean(words, &mut String::new()).to_owned())
            }
            3..=5 => {
                let why = script.choice(&[None, Some("enough"), Some("so")]);
                Order::Kick(script.choice(&NAMES).to_owned(), why.map(str::to_owned))
            }
            6 => Order::Refuse(
                slot,
                Socket::new(self.window, self.can_widen),
                CloseReason::TooManyFromAddress,
            ),
            // Rarely: not much comes after it.
            _ if script.below(4) == 0 => Order::ShutDown,
            _ => return,
        };
        self.machine.order(order);
    }

    /// A line with an ending.
    fn send(&mut self, slot: u32, line: &str) {
        self.send_bytes(slot, format!("{line}\n").as_bytes());
    }

    /// Some of these lines are pings.
    fn send_numbered(&mut self, slot: u32, count: usize) {
        for _ in 0..count {
            self.said += 1;
            let number = self.said;
            let line = match (self.is_program(slot), number.is_multiple_of(5)) {
                (false, false) => format!("#{number}"),
                (false, true) => format!("/ping #{number}"),
                (true, false) => {
                    let text = format!(r##""text":"#{number}","ref":"#{number}""##);
                    format!(r#"{{"do":"say","room":"lobby",{text}}}"#)
                }
                (true, true) => format!(r##"{{"do":"ping","ref":"#{number}"}}"##),
            };
            self.send(slot, &line);
        }
    }

    /// The peer of a slot sends; where there is none, one connects first.
    fn send_bytes(&mut self, slot: u32, bytes: &[u8]) {
        if !self.machine.is_taken(slot) {
            let mut socket = Socket::new(self.window, self.can_widen);
            socket.send(bytes);
            return self.machine.order(Order::Connect(slot, socket));
        }
        self.machine.with_peer(slot, |socket| socket.send(bytes));
    }
}
