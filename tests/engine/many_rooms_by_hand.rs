//! How much one turn does for those who are in many rooms, told by hand. Who ends leaves each of its
//! rooms, so it counts as many, whatever it ends for; what many rooms say is told to all of each. What
//! a turn has no time for is done in those that follow at once. Counted, not timed. (The measures of
//! everything else: `bounded_by_hand`.)

use chatd::config::Limits;
use chatd::session::CloseReason;
use chatd::time::Time;

use super::fair_stage::Stage;

const PROGRAMS: usize = 20;
const ROOMS: [&str; 5] = ["r0", "r1", "r2", "r3", "r4"];
/// So many of them end in a turn that has time for ten ends.
const ENDS_MAX: usize = 2;

/// Programs in five rooms each.
fn programs(limits: Limits) -> Stage {
    let mut stage = Stage::new(limits);
    for number in 0..PROGRAMS {
        stage.enter_rooms(&format!("m{number}"), &ROOMS);
    }
    assert_eq!(live(&stage), PROGRAMS);
    stage
}

fn with_few_ends() -> Limits {
    Limits {
        ends_per_turn_max: ENDS_MAX * ROOMS.len(),
        ..Limits::default()
    }
}

fn live(stage: &Stage) -> usize {
    stage.turn.hub().sessions().live()
}

/// Passes turns until all but the first have ended. Those who are left over in one are seen to in the
/// next, which nobody has to bring about.
fn pass_until_the_first_is_left(stage: &mut Stage, mut before_each: impl FnMut(&mut Stage)) {
    for _ in 0..5000 {
        let before = live(stage);
        before_each(stage);
        stage.pass();
        let ended = before - live(stage);
        assert!(ended <= ENDS_MAX, "{ended} have ended in one turn");
        if live(stage) == 1 {
            return;
        }
        let goes_on = stage.turn.next_timeout() == Some(Time::START);
        assert!(ended < ENDS_MAX || goes_on, "the others wait for ever");
    }
    panic!("{} have not ended", live(stage) - 1);
}

fn stop_reading(stage: &mut Stage) {
    for peer in &mut stage.peers.0[1..] {
        peer.takes_bytes = 0;
    }
}

fn say(stage: &mut Stage, text: &str) {
    say_in(stage, 0, "r0", text);
}

fn say_in(stage: &mut Stage, slot: usize, room: &str, text: &str) {
    let line = format!("{{\"do\":\"say\",\"room\":\"{room}\",\"text\":\"{text}\"}}\n");
    stage.send(slot, &line);
}

fn assert_closed(stage: &mut Stage, limits: &Limits, reason: CloseReason) {
    stage.pass_for(2 * limits.flush_timeout);
    let closed = stage.peers.0[1..].iter().map(|peer| peer.closed);
    assert_eq!(
        closed.collect::<Vec<_>>(),
        [Some(reason); PROGRAMS - 1],
        "each ends once, for its reason"
    );
}

#[test]
fn those_who_are_lost_at_once() {
    let limits = with_few_ends();
    let mut stage = programs(limits.clone());
    for slot in 1..PROGRAMS {
        stage.peers.0[slot].is_broken = true;
        stage.note(slot, |event| {
            event.readable = true;
            event.failed = true;
        });
    }
    pass_until_the_first_is_left(&mut stage, |_| {});
    assert_closed(&mut stage, &limits, CloseReason::ConnectionLost);
}

#[test]
fn those_who_stall_at_once() {
    let limits = with_few_ends();
    let mut stage = programs(limits.clone());
    stop_reading(&mut stage);
    say(&mut stage, "hello");
    stage.pass();
    stage.now = stage.now + limits.stall_timeout;
    pass_until_the_first_is_left(&mut stage, |_| {});
    assert_closed(&mut stage, &limits, CloseReason::TooSlow);
}

#[test]
fn those_whose_outboxes_overflow_at_once() {
    let limits = Limits {
        rate_lines_per_second: 0,
        outbox_bytes_max: 64 << 10,
        ..with_few_ends()
    };
    let mut stage = programs(limits.clone());
    stop_reading(&mut stage);
    let text = "x".repeat(3000);
    let mut turns = 0;
    pass_until_the_first_is_left(&mut stage, |stage| {
        if turns % 20 == 0 {
            say(stage, &text);
        }
        turns += 1;
    });
    assert_closed(&mut stage, &limits, CloseReason::TooSlow);
}

#[test]
fn those_who_are_cut_at_once_since_memory_is_short() {
    let limits = Limits {
        rate_lines_per_second: 0,
        outbox_bytes_max: 4 << 20,
        outbox_total_bytes_max: 1 << 20,
        ..with_few_ends()
    };
    let mut stage = programs(limits.clone());
    stop_reading(&mut stage);
    let text = "x".repeat(3000);
    pass_until_the_first_is_left(&mut stage, |stage| {
        if stage.peers.0[0].inbox.is_empty() {
            say(stage, &text);
        }
    });
    assert_closed(&mut stage, &limits, CloseReason::TooSlow);
}

/// Passes turns, in each of which at most two rooms are told something by a line that has this in it,
/// until all are.
fn pass_until_all_rooms_are_told(stage: &mut Stage, part: &str) {
    let told = |stage: &Stage| {
        let heard = String::from_utf8_lossy(&stage.peers.0[0].heard).into_owned();
        heard.lines().filter(|line| line.contains(part)).count()
    };
    let mut before = told(stage);
    let all = before + ROOMS.len();
    for turn in 0..3 {
        stage.pass();
        let now = told(stage);
        assert!(now - before <= 2, "{} rooms in turn {turn}", now - before);
        before = now;
        let goes_on = stage.turn.next_timeout() <= Some(stage.now);
        assert!(now == all || goes_on, "the others wait for ever");
    }
    assert_eq!(before, all);
}

#[test]
fn hearers_per_turn_max_bounds_what_many_rooms_say_in_a_turn() {
    let mut stage = programs(Limits {
        hearers_per_turn_max: PROGRAMS + 1,
        ..Limits::default()
    });
    for (slot, room) in ROOMS.into_iter().enumerate() {
        say_in(&mut stage, slot, room, "hey");
    }
    pass_until_all_rooms_are_told(&mut stage, "hey");
}

#[test]
fn hearers_per_turn_max_bounds_how_many_rooms_are_told_who_came_and_went() {
    let mut stage = programs(Limits {
        hearers_per_turn_max: PROGRAMS + 1,
        announce_members_max: 0,
        ..Limits::default()
    });
    stage.now = stage.now + Limits::default().churn_interval;
    let due = stage.turn.next_timeout();
    assert!(due <= Some(stage.now), "all came, and no room was told");
    pass_until_all_rooms_are_told(&mut stage, "churn");
}
