//! Single stories of the pure hub, told by hand: what the simulation once found, each kept as a
//! small test. Not the crowd, and no sockets.

use std::time::Duration;

use chatd::config::Limits;
use chatd::hub::Hub;
use chatd::time::Time;

/// A hub whose sockets take everything at once.
struct Stage {
    hub: Hub,
    now: Time,
    heard: Vec<String>,
}

impl Stage {
    fn new(limits: Limits) -> Stage {
        Stage {
            hub: Hub::new(limits),
            now: Time::START,
            heard: Vec::new(),
        }
    }

    /// One turn at the next deadline, or now; `read` is what comes in.
    fn turn(&mut self, read: impl FnOnce(&mut Hub)) {
        let at = self.hub.next_deadline().unwrap_or(self.now);
        self.turn_at(at.max(self.now), read);
    }

    fn turn_at(&mut self, now: Time, read: impl FnOnce(&mut Hub)) {
        self.now = now;
        self.hub.begin_turn(now);
        read(&mut self.hub);
        self.hub.end_turn();
        let mut dirty = Vec::new();
        self.hub.swap_dirty(&mut dirty);
        for slot in dirty {
            self.heard
                .resize_with(self.heard.len().max(slot as usize + 1), String::new);
            let bytes = self.hub.chunks(slot).collect::<Vec<_>>().concat();
            self.heard[slot as usize].push_str(std::str::from_utf8(&bytes).unwrap());
            self.hub.consume(slot, bytes.len());
            self.hub.after_write(slot);
        }
        while self.hub.take_ended().is_some() {}
        while let Some(slot) = self.hub.take_doomed() {
            self.hub.remove(slot);
        }
        self.hub.finish_turn();
    }

    fn heard_by(&self, slot: usize) -> &str {
        &self.heard[slot]
    }
}

/// `printf 'ann\n1\n2\n...' | nc -N` beyond the burst: lines and end are read in one go, the lines
/// are held back, and the end must wait for them.
#[test]
fn the_end_of_a_connection_waits_for_its_lines_that_are_held_back() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 10,
        burst_lines_max: 3,
        ..Limits::default()
    });
    stage.turn(|hub| {
        hub.connect(0);
        hub.connect(1);
        hub.receive(0, b"ben\n");
    });
    stage.turn(|hub| {
        hub.receive(1, b"ann\n1\n2\n3\n4\n/quit");
        hub.half_close(1);
    });
    while stage.hub.live() > 1 && stage.now < Time::after_start(Duration::from_secs(5)) {
        stage.turn(|_| {});
    }
    assert!(
        stage.heard_by(0).ends_with(
            "* ann joined (2 here)\n<ann> 1\n<ann> 2\n<ann> 3\n<ann> 4\n* ann left (1 here)\n"
        ),
        "{}",
        stage.heard_by(0)
    );
}

/// What lies unread in the kernel when a connection is closed becomes a reset, which destroys the
/// last line on its way: so it must be read, though nothing comes of it.
#[test]
fn who_ends_while_held_back_is_read_from_again() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 10,
        burst_lines_max: 1,
        ..Limits::default()
    });
    stage.turn(|hub| {
        hub.connect(0);
        hub.receive(0, b"ann\n1\n2\n");
    });
    assert!(!stage.hub.wants_input(0), "it is held back");
    let now = stage.now;
    stage.turn_at(now, |hub| assert!(hub.kick("ann", None).is_some()));
    assert!(stage.heard_by(0).contains("! kicked "));
    assert_eq!(stage.hub.next_deadline(), Some(Time::START), "at once");
    stage.turn(|hub| {
        assert_eq!(hub.take_released(), Some(0));
        assert!(hub.wants_input(0));
    });
}

/// Over the bound of all outboxes those go who are behind, not those who were told something now.
#[test]
fn nobody_is_cut_for_what_was_said_in_this_turn() {
    let mut stage = Stage::new(Limits {
        outbox_total_bytes_max: 10,
        ..Limits::default()
    });
    stage.turn(|hub| {
        hub.connect(0);
        hub.receive(0, b"ann\n/ping\n");
    });
    assert_eq!(
        stage.heard_by(0),
        "* welcome to lobby, ann (1 here: ann)\n= pong\n"
    );
}

/// A room takes over the number of one that is gone, but not its deadline.
#[test]
fn a_room_under_a_used_number_waits_its_own_interval() {
    let mut stage = Stage::new(Limits {
        announce_members_max: 1,
        churn_interval: Duration::from_secs(1),
        ..Limits::default()
    });
    let at = |milliseconds| Time::after_start(Duration::from_millis(milliseconds));
    stage.turn_at(at(0), |hub| {
        for slot in 0..2 {
            hub.connect(slot);
        }
        hub.receive(0, b"ann\n/join den\n");
        hub.receive(1, b"ben\n/join den\n/join lobby\n");
        hub.receive(0, b"/join lobby\n");
    });
    stage.turn_at(at(500), |hub| hub.receive(0, b"/join attic\n"));
    stage.turn_at(at(600), |hub| hub.receive(1, b"/join attic\n"));
    let told = |stage: &Stage| stage.heard_by(0).ends_with("* 1 joined, 0 left (2 here)\n");
    stage.turn_at(at(1599), |_| {});
    assert!(!told(&stage), "{}", stage.heard_by(0));
    stage.turn_at(at(1600), |_| {});
    assert!(told(&stage), "{}", stage.heard_by(0));
}

/// Nor for what was said while the turn before was written out.
#[test]
fn nobody_is_cut_for_a_leave_that_came_up_in_the_flush() {
    let mut stage = Stage::new(Limits {
        outbox_total_bytes_max: 10,
        ..Limits::default()
    });
    stage.turn(|hub| {
        for (slot, name) in [(0, "ann\n"), (1, "ben\n")] {
            hub.connect(slot);
            hub.receive(slot, name.as_bytes());
        }
    });
    stage.hub.hang_up(1);
    let later = stage.now + Duration::from_millis(1);
    stage.turn_at(later, |hub| hub.receive(0, b"/ping\n"));
    assert!(
        stage
            .heard_by(0)
            .ends_with("* ben left (1 here): connection lost\n= pong\n"),
        "{}",
        stage.heard_by(0)
    );
}

/// Short memory takes from who drains too, but not before its last line had a chance.
#[test]
fn who_ends_while_memory_is_short_is_still_told_why() {
    let mut stage = Stage::new(Limits {
        outbox_total_bytes_max: 10,
        stall_timeout: Duration::from_secs(60),
        ..Limits::default()
    });
    stage.turn(|hub| hub.connect(0));
    // A prompt that is not taken, since nothing is flushed here.
    let prompted = Time::after_start(Duration::from_secs(1));
    stage.hub.begin_turn(prompted);
    stage.hub.end_turn();
    stage.hub.finish_turn();
    assert!(stage.hub.queued_bytes(0) > 0);
    stage.turn_at(Time::after_start(Duration::from_secs(20)), |_| {});
    assert!(
        stage.heard_by(0).contains("! name-timeout "),
        "{}",
        stage.heard_by(0)
    );
}
