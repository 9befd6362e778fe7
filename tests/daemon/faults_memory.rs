//! Faults of memory and fairness (rows F31 to F43 of the faults): readers that stop, writers that
//! do not, and what is left behind when they are gone. Lines split anywhere (F39) are in
//! `protocol_bytes`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::process::{memory_bytes, memory_peak_bytes};
use crate::common::{Client, Daemon, Heard, News, Pair};

/// A member whose small buffer is soon full, since it does not read.
fn stalled(chatd: &Daemon, name: &str) -> Client {
    let mut client = Client::connect_narrow(chatd.address());
    client.say(name);
    client.expect_welcome();
    client
}

#[test]
fn f31_readers_that_stop_cost_little_and_are_cut() {
    const STALLED: usize = 20;
    let chatd = Daemon::start(&["--rate", "0", "--history", "0", "--stall-timeout", "1"]);
    let pair = Pair::start(&chatd);
    let mut talker = chatd.join("talker");
    let _stalled: Vec<_> = (0..STALLED)
        .map(|number| stalled(&chatd, &format!("s{number}")))
        .collect();
    pair.fault_begins();
    let memory = memory_peak_bytes(chatd.id());
    let text = "x".repeat(1000);
    let (mut said, mut gone) = (0, 0);
    while gone < STALLED {
        assert!(said < 100_000, "only {gone} were cut");
        for _ in 0..50 {
            said += 1;
            talker.say(&format!("#{said} {text}"));
        }
        for line in talker.lines_until_pong() {
            gone += News::of(&line).map_or(0, |news| news.left());
        }
        pair.hear_everything();
    }
    let memory = memory_peak_bytes(chatd.id()) - memory;
    eprintln!("f31: {STALLED} stalled readers cost {memory} bytes over {said} lines");
    assert!(memory < 16 << 20, "{memory} bytes");
    assert_eq!(pair.finish("f31").left(), STALLED);
}

/// A room of its own with a talker and a reader that stops, for as many bytes as one likes.
struct Den {
    talker: Client,
    reader: Client,
}

impl Den {
    fn open(chatd: &Daemon, number: usize) -> Den {
        let mut talker = chatd.join(&format!("t{number}"));
        let mut reader = stalled(chatd, &format!("s{number}"));
        for client in [&mut reader, &mut talker] {
            client.say(&format!("/join den{number}"));
            client.lines_until_pong();
        }
        Den { talker, reader }
    }

    fn say(&mut self, lines: usize) {
        let line = format!("{}\n", "x".repeat(4000));
        self.talker.send(line.repeat(lines).as_bytes());
        self.talker.expect_silence_until_pong();
    }

    /// Talks until the server holds this many bytes more for those who do not read.
    fn fill(&mut self, chatd: &Daemon, bytes: u64) {
        let wanted = queued(chatd) + bytes;
        for _ in 0..1000 {
            self.say(10);
            if queued(chatd) >= wanted {
                return;
            }
        }
        panic!("there are not {bytes} bytes more");
    }
}

/// Bytes that outboxes hold, each block once.
fn queued(chatd: &Daemon) -> u64 {
    chatd.statistic("queued unique bytes")
}

/// What one turn may add before it is counted.
const SLACK: u64 = 128 << 10;

const DENS: [&str; 8] = [
    "--rate",
    "0",
    "--history",
    "0",
    "--stall-timeout",
    "60",
    "--outbox-max",
    "1M",
];

#[test]
fn f32_when_all_outboxes_hold_too_much_the_furthest_behind_goes_first() {
    let chatd = Daemon::start(&[&DENS[..], &["--outbox-total-max", "2M"]].concat());
    let pair = Pair::start(&chatd);
    let mut dens: Vec<_> = (0..6).map(|number| Den::open(&chatd, number)).collect();
    pair.fault_begins();
    let memory = memory_peak_bytes(chatd.id());
    for den in &mut dens[..3] {
        den.fill(&chatd, 600_000);
    }
    let is_cut = |number: usize| {
        let name = format!("end \"s{number}\"");
        chatd.log_lines().iter().any(|line| line.contains(&name))
    };
    assert!(!(0..6).any(is_cut), "there is room for all of these");
    // Each of the next takes the place of the one who has been behind for longest.
    for next in 3..6 {
        let cut = next - 2;
        let start = Instant::now();
        while chatd.statistic("slow consumers cut") < cut as u64 {
            assert!(start.elapsed() < crate::common::PATIENCE, "nobody is cut");
            dens[next].say(10);
            let held = queued(&chatd);
            assert!(held <= (2 << 20) + SLACK, "{held} bytes are held");
        }
        let gone = cut - 1;
        let left = format!("* s{gone} left (1 here): too slow");
        dens[gone].talker.expect_line(&left);
    }
    let memory = memory_peak_bytes(chatd.id()) - memory;
    eprintln!("f32: {memory} bytes for --outbox-total-max 2M");
    assert!(memory < 66 << 20, "{memory} bytes");
    pair.finish("f32");
}

#[test]
fn f32_what_those_are_owed_who_have_left_counts_too() {
    // Much more than the kernel takes for who has left.
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--stall-timeout",
        "60",
        "--outbox-max",
        "4M",
        "--outbox-total-max",
        "4M",
    ]);
    let mut dens: Vec<_> = (0..4).map(|number| Den::open(&chatd, number)).collect();
    for den in &mut dens[..3] {
        den.fill(&chatd, 1_200_000);
        // From now on it has left; it is still owed everything, for five seconds.
        den.reader.half_close();
        den.talker.expect_prefix("* s");
    }
    // Until less is held though nobody reads: those who have left are let go of.
    let mut held = queued(&chatd);
    loop {
        // Nobody is cut for it who still is here: this hears of nothing.
        dens[3].say(10);
        let before = std::mem::replace(&mut held, queued(&chatd));
        assert!(held <= (4 << 20) + SLACK, "{held} bytes are held");
        if held + 500_000 < before {
            break;
        }
    }
    assert_eq!(chatd.statistic("slow consumers cut"), 0);
}

#[test]
fn f33_a_reader_that_sips_is_cut_for_the_oldest_byte() {
    let chatd = Daemon::start(&["--rate", "0", "--history", "0", "--stall-timeout", "1"]);
    let pair = Pair::start(&chatd);
    let mut talker = chatd.join("talker");
    let mut sipper = stalled(&chatd, "sipper");
    pair.fault_begins();
    let text = "x".repeat(1000);
    let mut said = 0;
    let start = Instant::now();
    while queued(&chatd) < 100_000 {
        assert!(
            start.elapsed() < crate::common::PATIENCE,
            "the sipper takes it all"
        );
        for _ in 0..100 {
            said += 1;
            talker.say(&format!("#{said} {text}"));
        }
        talker.lines_until_pong();
        pair.hear_everything();
    }
    let start = Instant::now();
    let mut sips = 0;
    let left = "* sipper left (3 here): too slow";
    while talker.hear_for(Duration::from_millis(50)) != Heard::Line(left.into()) {
        assert!(
            start.elapsed() < crate::common::PATIENCE,
            "{sips} sips saved it"
        );
        sipper.sip();
        sips += 1;
    }
    eprintln!("f33: cut after {:?} and {sips} sips", start.elapsed());
    assert!(sips > 1, "it did take something");
    assert_eq!(pair.finish("f33").leaves(), ["sipper"]);
}

#[test]
fn f34_floods_are_held_to_their_rate_and_a_quiet_talker_is_not_delayed() {
    const FLOODS: usize = 100;
    const LINES: usize = 60;
    const QUIET_LINES: usize = 40;
    let chatd = Daemon::start(&["--rate", "50", "--burst", "20", "--history", "0"]);
    let mut witness = chatd.join("witness");
    let mut quiet = chatd.join("quiet");
    quiet.say("/echo on");
    let mut floods = chatd.crowd("flood", FLOODS);
    quiet.lines_until_pong();
    let before = chatd.statistic("lines in");
    let start = Instant::now();
    for flood in &mut floods {
        let lines: String = (1..=LINES).map(|n| format!("#{n}\n")).collect();
        flood.send(lines.as_bytes());
    }
    let mut trips: Vec<_> = (0..QUIET_LINES)
        .map(|number| {
            let line = format!("own {number}");
            let start = Instant::now();
            quiet.say(&line);
            while quiet.next_line() != format!("<quiet> {line}") {}
            let trip = start.elapsed();
            // Within its own rate, so that what it waits for is the others.
            while quiet.hear_for(Duration::from_millis(20)) != Heard::Nothing {
                if start.elapsed() > Duration::from_millis(25) {
                    break;
                }
            }
            trip
        })
        .collect();
    let handled = chatd.statistic("lines in") - before;
    let seconds = start.elapsed().as_secs_f64();
    // Each may have spent its burst, and its rate since.
    let allowed = (FLOODS + 1) as f64 * (20.0 + 1.0 + 50.0 * seconds);
    assert!((handled as f64) < allowed, "{handled} lines in {seconds} s");
    trips.sort_unstable();
    let (p50, p99) = (trips[QUIET_LINES / 2], trips[QUIET_LINES * 99 / 100]);
    eprintln!("f34: own line back after p50 {p50:?}, p99 {p99:?} among {FLOODS} floods");
    // Behind the lines that are held back it would have come after all of them.
    let flooded = Duration::from_secs_f64((LINES - 20) as f64 / 50.0);
    assert!(p50 < flooded / 2, "{p50:?}, the floods take {flooded:?}");
    let mut numbers = vec![0; FLOODS];
    while numbers.iter().any(|&number| number < LINES) {
        let line = witness.next_line();
        let Some((flood, number)) = line
            .strip_prefix("<flood")
            .and_then(|line| line.split_once("> #"))
        else {
            continue;
        };
        let flood: usize = flood.parse().expect("whose it is");
        numbers[flood] += 1;
        assert_eq!(number, numbers[flood].to_string(), "of flood{flood}");
    }
    assert_eq!(
        chatd.statistic("clients"),
        FLOODS as u64 + 2,
        "nobody was cut"
    );
}

#[test]
fn f34_what_lies_beyond_a_rate_stays_in_the_kernel() {
    const FLOODS: usize = 200;
    let chatd = Daemon::start(&["--rate", "1", "--burst", "2", "--history", "0"]);
    let mut floods = chatd.crowd("flood", FLOODS);
    let memory = memory_bytes(chatd.id());
    let lines = "a line of which only one a second is handled\n".repeat(2000);
    for flood in &mut floods {
        flood.send(lines.as_bytes());
    }
    for flood in &mut floods {
        while !flood.next_line().starts_with("! slow-down") {}
    }
    let each = memory_bytes(chatd.id()).saturating_sub(memory) / FLOODS;
    eprintln!("f34: {each} bytes for each of {} that wait", lines.len());
    assert!(each < 12 << 10, "{each} bytes");
}

#[test]
fn f36_megabytes_without_a_newline_cost_no_memory() {
    const MEGABYTES: usize = 128;
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut endless = chatd.join("endless");
    let megabyte = vec![b'x'; 1 << 20];
    endless.send(&megabyte);
    endless.expect_refusal("line-too-long");
    let memory = memory_bytes(chatd.id());
    let start = Instant::now();
    for _ in 0..MEGABYTES {
        endless.send(&megabyte);
    }
    let during = memory_bytes(chatd.id()).saturating_sub(memory);
    endless.send(b"\n");
    endless.expect_silence_until_pong();
    let after = memory_bytes(chatd.id()).saturating_sub(memory);
    eprintln!(
        "f36: {during} bytes for {MEGABYTES} MiB in {:?}",
        start.elapsed()
    );
    assert!(during < 64 << 10 && after < 64 << 10, "{during}, {after}");
}

#[test]
fn f40_a_million_empty_lines_reach_nobody() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let pair = Pair::start(&chatd);
    let mut empty = chatd.join("empty");
    pair.fault_begins();
    let start = Instant::now();
    empty.send(&vec![b'\n'; 1_000_000]);
    let heard = empty.lines_until_pong();
    eprintln!("f40: a million in {:?}", start.elapsed());
    assert!(!heard.iter().any(|line| line.starts_with('!')));
    let talk = pair.finish("f40");
    assert_eq!(
        talk.events()
            .iter()
            .filter(|line| line.contains("empty"))
            .count(),
        1
    );
}

#[test]
fn f41_after_a_burst_an_idle_connection_costs_little() {
    const MEMBERS: usize = 500;
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--stall-timeout",
        "60",
        "--roster-max",
        "10",
    ]);
    // Whatever is made once is made for these.
    drop(chatd.crowd("first", 10));
    until_clients(&chatd, 0);
    let memory = memory_bytes(chatd.id());
    let mut members = chatd.crowd("m", MEMBERS);
    let text = "x".repeat(1000);
    for _ in 0..2 {
        for member in &mut members[..10] {
            // Half a line stays behind for a while, as a person's would.
            member.send(format!("{text}\n{text}").as_bytes());
        }
        for member in &mut members[..10] {
            member.send(b"\n");
        }
    }
    for member in &mut members {
        member.lines_until_pong();
    }
    let each = memory_bytes(chatd.id()).saturating_sub(memory) / MEMBERS;
    eprintln!("f41: {each} bytes for an idle connection after a burst");
    assert!(each < 2 << 10, "{each} bytes");
}

#[test]
fn f43_memory_is_flat_while_thousands_come_talk_and_leave() {
    const VISITS: usize = 16_000;
    let chatd = Daemon::start(&["--rate", "0", "--roster-max", "10"]);
    visit(&chatd, VISITS / 4);
    let memory = memory_bytes(chatd.id());
    let start = Instant::now();
    visit(&chatd, VISITS);
    let more = memory_bytes(chatd.id()).saturating_sub(memory);
    eprintln!(
        "f43: {more} bytes more after {VISITS} visits in {:?}",
        start.elapsed()
    );
    // For each, until 20 s have passed, when to look at it: 16 bytes in a list that grows in doublings.
    assert!(more < 1 << 20, "{more} bytes");
}

/// So many connect, say something and leave; no more than 20 are here at once.
fn visit(chatd: &Daemon, visits: usize) {
    const AT_ONCE: usize = 20;
    for round in 0..visits / AT_ONCE {
        // Each round from an address of its own, or the ports of one would be used up.
        let local = Ipv4Addr::new(127, 1, (round / 200) as u8, (round % 200 + 1) as u8);
        let mut visitors: Vec<_> = (0..AT_ONCE)
            .map(|_| Client::connect_from(IpAddr::V4(local), chatd.address()))
            .collect();
        for (number, visitor) in visitors.iter_mut().enumerate() {
            visitor.send(format!("v{number}\nhere I am\n").as_bytes());
        }
        for (number, mut visitor) in visitors.into_iter().enumerate() {
            visitor.lines_until_pong();
            match number % 2 {
                0 => visitor.reset(),
                _ => drop(visitor),
            }
        }
        until_clients(chatd, 0);
    }
}

/// Waits until so many have a name.
fn until_clients(chatd: &Daemon, count: usize) {
    // A name of its own each time: the one before may not be free yet.
    static WATCHERS: AtomicUsize = AtomicUsize::new(0);
    let deadline = Instant::now() + crate::common::PATIENCE;
    loop {
        let name = format!("watcher{}", WATCHERS.fetch_add(1, Ordering::Relaxed));
        let wanted = match count {
            0 => format!("* welcome to lobby, {name} (1 here: {name})"),
            _ => format!("* welcome to lobby, {name} ({} here", count + 1),
        };
        let mut watcher = chatd.connect();
        watcher.say(&name);
        let welcome = watcher.expect_welcome();
        watcher.reset();
        if welcome.starts_with(&wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{welcome}");
    }
}
