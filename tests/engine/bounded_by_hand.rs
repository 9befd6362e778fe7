//! How much one turn does, told by hand: whatever thousands want at once, the loop comes round soon,
//! and what was left over is done in the turns that follow. Counted, not timed. Sockets and clock are
//! of our own making. Not who is served first (that is `fair_by_hand`).

use std::io::IoSlice;
use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::Random;
use chatd::session::{AddressGroup, CloseReason, ConnectionSummary, SessionId};
use chatd::time::{Time, WallTime};
use chatd::turn::{Event, Fill, Flush, Io, Turn};

/// What a call counts as at least (see the turn).
const READ_COST_BYTES: usize = 2 << 10;
const WRITE_COST_BYTES: usize = 4 << 10;

/// One connection.
#[derive(Default)]
struct Peer {
    inbox: Vec<u8>,
    heard: Vec<u8>,
    takes_nothing: bool,
    closed: Option<CloseReason>,
}

impl Peer {
    fn lines(&self, start: &str) -> usize {
        let heard = String::from_utf8_lossy(&self.heard);
        heard.lines().filter(|line| line.starts_with(start)).count()
    }
}

/// All connections, and what a turn did to them.
#[derive(Default)]
struct Peers {
    peers: Vec<Peer>,
    filled: Vec<SessionId>,
    flushed: Vec<SessionId>,
    closed: usize,
    /// How long the kernel takes for each call, and has taken for all.
    call_takes: Duration,
    clock: Time,
}

impl Io for Peers {
    fn time(&self) -> Time {
        self.clock
    }

    fn fill(&mut self, id: SessionId, buffer: &mut [u8]) -> (usize, Fill) {
        self.filled.push(id);
        self.clock = self.clock + self.call_takes;
        let inbox = &mut self.peers[id.slot()].inbox;
        let length = inbox.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(inbox.drain(..length)) {
            *place = byte;
        }
        if length == buffer.len() {
            (length, Fill::Full)
        } else {
            (length, Fill::Exhausted)
        }
    }

    fn flush(&mut self, id: SessionId, chunks: &[IoSlice<'_>]) -> Flush {
        self.flushed.push(id);
        self.clock = self.clock + self.call_takes;
        let peer = &mut self.peers[id.slot()];
        if peer.takes_nothing {
            return Flush::Blocked;
        }
        let before = peer.heard.len();
        for chunk in chunks {
            peer.heard.extend_from_slice(chunk);
        }
        Flush::Took(peer.heard.len() - before)
    }

    fn address_group(&mut self, id: SessionId) -> AddressGroup {
        AddressGroup(u128::from(id.0))
    }

    fn shut(&mut self, _: SessionId) {}

    fn widen(&mut self, _: SessionId) -> bool {
        false
    }

    fn close(&mut self, id: SessionId, summary: ConnectionSummary, _: Option<Vec<u8>>) {
        self.peers[id.slot()].closed = Some(summary.reason);
        self.closed += 1;
        self.clock = self.clock + self.call_takes;
    }
}

struct Stage {
    turn: Turn,
    peers: Peers,
    now: Time,
    turn_takes: Duration,
}

impl Stage {
    /// So many members in the lobby, `m0` and so on, who take everything.
    fn with_members(count: usize, limits: Limits) -> Stage {
        let mut stage = Stage {
            turn: Turn::new(limits.with_derived(), Random::new(|| [7; 32])),
            peers: Peers::default(),
            now: Time::START,
            turn_takes: Duration::from_millis(1),
        };
        for slot in 0..count {
            stage.connect();
            stage.send(slot, &format!("m{slot}\n"));
        }
        stage.pass_until_idle();
        // What was gathered of the joins is told.
        stage.now = stage.now + Duration::from_secs(2);
        stage.pass_until_idle();
        assert_eq!(stage.turn.hub().overview().statistics().clients, count);
        stage
    }

    fn connect(&mut self) {
        let slot = u32::try_from(self.peers.peers.len()).unwrap();
        self.peers.peers.push(Peer::default());
        self.start();
        self.turn.admit(SessionId(slot));
        self.turn.finish(&mut self.peers, |_| {});
    }

    fn send(&mut self, slot: usize, text: &str) {
        self.peers.peers[slot].inbox.extend(text.as_bytes());
        self.note(slot, |event| event.readable = true);
    }

    fn note(&mut self, slot: usize, set: impl FnOnce(&mut Event)) {
        let mut event = Event::default();
        set(&mut event);
        let id = SessionId(u32::try_from(slot).unwrap());
        self.turn.note(id, event);
    }

    fn start(&mut self) {
        self.now = self.now + self.turn_takes;
        self.peers.filled.clear();
        self.peers.flushed.clear();
        self.peers.closed = 0;
        let wall = WallTime::from_millis(1_790_000_000_000);
        self.turn.start(self.now, wall, &mut self.peers);
    }

    fn pass(&mut self) {
        self.start();
        self.turn.finish(&mut self.peers, |_| {});
        while self.turn.hub_mut().poll_record().is_some() {}
    }

    fn is_busy(&self) -> bool {
        self.turn.next_timeout() == Some(Time::START)
    }

    /// Turns, until none must follow at once. How many.
    fn pass_until_idle(&mut self) -> usize {
        self.pass();
        let mut turns = 1;
        while self.is_busy() {
            self.pass();
            turns += 1;
            assert!(turns < 100_000, "it never comes to rest");
        }
        turns
    }

    fn heard(&self, start: &str) -> Vec<usize> {
        let peers = self.peers.peers.iter();
        peers.map(|peer| peer.lines(start)).collect()
    }
}

fn with_writes(count: usize) -> Limits {
    Limits {
        rate_lines_per_second: 0,
        writes_per_turn_bytes_max: count * WRITE_COST_BYTES,
        ..Limits::default()
    }
}

#[test]
fn writes_per_turn_bytes_max_bounds_a_turn_and_the_next_goes_on() {
    let mut stage = Stage::with_members(101, with_writes(10));
    stage.send(100, "hello\n");
    for turn in 0..10 {
        stage.pass();
        let slots: Vec<usize> = stage.peers.flushed.iter().map(|id| id.slot()).collect();
        let expected: Vec<usize> = (10 * turn..10 * turn + 10).collect();
        assert_eq!(slots, expected, "in turn {turn}");
        assert_eq!(stage.is_busy(), turn < 9);
    }
    assert_eq!(stage.heard("<m100> hello")[..100], [1; 100]);
    // Of much, as many bytes.
    let line = "x".repeat(4000) + "\n";
    stage.send(100, &line.repeat(4));
    for _ in 0..100 {
        let before: usize = stage.peers.peers.iter().map(|peer| peer.heard.len()).sum();
        stage.pass();
        let after: usize = stage.peers.peers.iter().map(|peer| peer.heard.len()).sum();
        assert!(after - before <= 10 * WRITE_COST_BYTES + 4 * line.len() + 40);
    }
    assert_eq!(stage.heard("<m100> x")[..100], [4; 100]);
}

#[test]
fn turn_part_time_max_bounds_a_turn_in_which_the_kernel_takes_long() {
    let mut stage = Stage::with_members(100, with_writes(1000));
    stage.peers.call_takes = Duration::from_millis(1);
    let calls_max = 12;
    stage.send(99, "hello\n");
    for _ in 0..8 {
        stage.pass();
        assert_eq!(stage.peers.flushed.len(), calls_max);
        assert!(stage.is_busy());
    }
    stage.pass();
    assert_eq!(stage.heard("<m99> hello")[..99], [1; 99]);
    assert!(!stage.is_busy());
    // So does reading.
    for slot in 0..99 {
        stage.send(slot, "hi\n");
    }
    for turn in 0.. {
        stage.pass();
        assert!(stage.peers.filled.len() <= calls_max);
        if stage.heard("<m98> hi").iter().sum::<usize>() == 99 {
            break;
        }
        assert!(turn < 100, "it waits for ever");
    }
    // One call that takes longer than all of it is made all the same.
    stage.peers.call_takes = Duration::from_secs(1);
    stage.connect();
    stage.send(100, "late\n");
    stage.pass_until_idle();
    assert_eq!(stage.peers.peers[100].lines("* welcome"), 1);
}

#[test]
fn few_who_are_told_something_do_not_wait_for_thousands() {
    let mut stage = Stage::with_members(100, with_writes(10));
    for slot in [3, 99] {
        stage.send(slot, "/join quiet\n");
        stage.pass_until_idle();
    }
    stage.send(7, "hello\n");
    stage.pass();
    assert!(stage.is_busy());
    stage.send(3, "psst\n");
    stage.pass();
    assert_eq!(stage.peers.peers[99].lines("<m3> psst"), 1);
    // And those who wait go on meanwhile.
    assert_eq!(stage.peers.flushed.len(), 10);
    assert_eq!(stage.heard("<m7> hello").iter().sum::<usize>(), 10 + 9);
}

#[test]
fn thousands_who_are_told_something_in_every_turn_leave_half_of_it_to_those_who_wait() {
    let mut stage = Stage::with_members(100, with_writes(10));
    for slot in 0..20 {
        stage.send(slot, "/join busy\n");
        stage.pass_until_idle();
    }
    stage.send(99, "hello\n");
    let mut turns = 0;
    while stage.heard("<m99> hello").iter().sum::<usize>() < 79 {
        stage.send(0, "and on\n");
        stage.send(1, "and on\n");
        stage.pass();
        turns += 1;
        // Half of ten writes for 79, and the twenty get in between once or twice.
        assert!(turns < 30, "they wait for ever");
    }
}

#[test]
fn nobody_who_only_waits_for_its_turn_is_cut() {
    let limits = Limits {
        stall_timeout: Duration::from_millis(40),
        outbox_bytes_max: 64 << 10,
        outbox_total_bytes_max: 1 << 20,
        history_lines_max: 0,
        ..with_writes(2)
    };
    let mut stage = Stage::with_members(60, limits);
    // All were behind for a moment, so that it is looked at how long they are.
    for peer in &mut stage.peers.peers {
        peer.takes_nothing = true;
    }
    stage.send(59, "hello\n");
    stage.pass_until_idle();
    for slot in 0..60 {
        stage.peers.peers[slot].takes_nothing = false;
        stage.note(slot, |event| event.writable = true);
    }
    let line = "x".repeat(1000) + "\n";
    for slot in 0..10 {
        stage.send(slot, &line.repeat(50));
    }
    let turns = stage.pass_until_idle();
    assert!(turns > 300, "{turns} turns are no test of this");
    assert_eq!(
        stage.turn.hub().overview().statistics().slow_consumers_cut,
        0
    );
    assert_eq!(stage.peers.peers[59].lines("<m"), 10 * 50);
}

#[test]
fn who_hears_many_rooms_is_not_cut_while_it_waits_for_its_turn() {
    let limits = Limits {
        outbox_bytes_max: 256 << 10,
        history_lines_max: 0,
        ..with_writes(2)
    };
    let mut stage = Stage::with_members(60, limits);
    let rooms: Vec<String> = (0..8).map(|room| format!("r{room}")).collect();
    for (slot, room) in rooms.iter().enumerate() {
        stage.send(slot, &format!("/join {room}\n"));
        stage.pass_until_idle();
    }
    stage.connect();
    let entry = format!(
        r#"{{"do":"enter","name":"reader","rooms":["lobby","{}"]}}"#,
        rooms.join(r#"",""#)
    );
    stage.send(60, &(entry + "\n"));
    stage.pass_until_idle();
    // It is told what the lobby says after everybody else, and that takes a second.
    stage.turn_takes = Duration::from_millis(20);
    let line = "x".repeat(1000) + "\n";
    stage.send(59, &line.repeat(15));
    stage.pass();
    for slot in 0..8 {
        stage.send(slot, &line.repeat(60));
    }
    stage.pass_until_idle();
    assert_eq!(
        stage.turn.hub().overview().statistics().slow_consumers_cut,
        0
    );
    let heard = String::from_utf8_lossy(&stage.peers.peers[60].heard);
    assert_eq!(heard.matches(r#""is":"said""#).count(), 15 + 8 * 60);
}

#[test]
fn who_ends_while_memory_is_short_and_others_wait_is_still_told_why() {
    let limits = Limits {
        outbox_total_bytes_max: 1 << 20,
        outbox_bytes_max: 1 << 20,
        history_lines_max: 0,
        ..with_writes(2)
    };
    let mut stage = Stage::with_members(60, limits);
    let line = "x".repeat(4000) + "\n";
    for slot in 0..60 {
        stage.send(slot, &format!("/join r{}\n", slot / 2));
    }
    stage.pass_until_idle();
    for slot in 0..60 {
        stage.send(slot, &line.repeat(20));
    }
    let is_short = |stage: &Stage| stage.turn.hub().is_short_of_memory();
    while !is_short(&stage) {
        stage.pass();
    }
    stage.start();
    assert!(stage.turn.hub_mut().operator().kick("m59", None).is_some());
    stage.turn.finish(&mut stage.peers, |_| {});
    stage.pass_until_idle();
    assert_eq!(stage.peers.peers[59].lines("! kicked"), 1);
}

#[test]
fn while_thousands_wait_to_be_written_to_memory_stays_within_its_bound() {
    let limits = Limits {
        outbox_total_bytes_max: 4 << 20,
        outbox_bytes_max: 4 << 20,
        history_lines_max: 0,
        ..with_writes(10)
    }
    .with_derived();
    let mut stage = Stage::with_members(200, limits.clone());
    for slot in 0..200 {
        stage.send(slot, &format!("/join r{}\n", slot / 2));
    }
    stage.pass_until_idle();
    let line = "x".repeat(4000) + "\n";
    for slot in 0..200 {
        stage.send(slot, &line.repeat(100));
    }
    let mut most = 0;
    stage.pass();
    while stage.is_busy() {
        stage.pass();
        most = most.max(stage.turn.hub().overview().memory_bytes());
    }
    // What a turn says may come on top, and what is spare for the next.
    let bound = limits.outbox_total_bytes_max + limits.turn_bytes_max + (4 << 20);
    assert!(
        most > limits.outbox_total_bytes_max,
        "{most} bytes are no test of this"
    );
    assert!(most <= bound, "{most} bytes, the bound is {bound}");
    assert_eq!(
        stage.turn.hub().overview().statistics().slow_consumers_cut,
        0
    );
    assert_eq!(stage.heard("<m"), [100; 200]);
}

#[test]
fn reads_per_turn_bytes_max_bounds_a_turn_and_nobody_is_passed_over() {
    let limits = Limits {
        rate_lines_per_second: 0,
        reads_per_turn_bytes_max: 10 * READ_COST_BYTES,
        ..Limits::default()
    };
    let mut stage = Stage::with_members(100, limits);
    for slot in 0..100 {
        stage.send(slot, "hello\n");
    }
    for turn in 0..10 {
        assert!(turn == 0 || stage.is_busy());
        stage.pass();
        let slots: Vec<usize> = stage.peers.filled.iter().map(|id| id.slot()).collect();
        let expected: Vec<usize> = (10 * turn..10 * turn + 10).collect();
        assert_eq!(slots, expected, "in turn {turn}");
    }
    assert_eq!(stage.heard("<m"), [99; 100]);
}

#[test]
fn lines_per_turn_max_bounds_a_turn_whatever_the_lines_are() {
    let limits = Limits {
        rate_lines_per_second: 0,
        lines_per_turn_max: 1000,
        ..Limits::default()
    };
    let mut stage = Stage::with_members(3, limits);
    for (slot, line) in ["\n", "hi\n", "/nonsense\n"].into_iter().enumerate() {
        stage.send(slot, &line.repeat(5000));
    }
    let mut handled = stage.turn.hub().overview().statistics().lines_in;
    while stage.is_busy() {
        stage.pass();
        let so_far = stage.turn.hub().overview().statistics().lines_in;
        assert!(
            so_far - handled <= 1000,
            "{} lines in a turn",
            so_far - handled
        );
        handled = so_far;
    }
    assert_eq!(stage.heard("<m1> hi"), [5000, 0, 5000]);
    assert_eq!(stage.peers.peers[2].lines("! "), 5000);
}

#[test]
fn ends_per_turn_max_bounds_what_ends_in_a_turn_and_what_is_closed() {
    let limits = Limits {
        ends_per_turn_max: 10,
        ..Limits::default()
    };
    all_end_within(10, &limits, Duration::ZERO);
}

#[test]
fn turn_part_time_max_bounds_closing_too() {
    all_end_within(12, &Limits::default(), Duration::from_millis(1));
}

/// A hundred give no name in time; no turn closes more than so many, each of which takes so long.
fn all_end_within(closes_max: usize, limits: &Limits, call_takes: Duration) {
    let mut stage = Stage::with_members(0, limits.clone());
    for _ in 0..100 {
        stage.connect();
    }
    stage.pass_until_idle();
    stage.peers.call_takes = call_takes;
    stage.now = stage.now + limits.name_timeout;
    let (mut live, mut closed) = (100, 0);
    while closed < 100 {
        if !stage.is_busy() {
            stage.now = stage.turn.next_timeout().unwrap().max(stage.now);
        }
        stage.pass();
        let left = stage.turn.hub().sessions().live();
        assert!(
            live - left <= limits.ends_per_turn_max,
            "{} end in a turn",
            live - left
        );
        live = left;
        assert!(
            stage.peers.closed <= closes_max,
            "{} are closed",
            stage.peers.closed
        );
        closed += stage.peers.closed;
    }
    assert_eq!(live, 0);
    let mut peers = stage.peers.peers.iter();
    assert!(peers.all(|peer| peer.closed == Some(CloseReason::NameTimeout)));
}
