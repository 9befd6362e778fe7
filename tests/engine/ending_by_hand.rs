//! Ends of connections, told by hand: what still comes behind them, who is cut for what, and what it is
//! told last. What the simulation once found, each kept as a small test.

use std::time::Duration;

use chatd::config::Limits;
use chatd::session::{CloseReason, SessionId};
use chatd::time::Time;

use super::turn_stage::{Stage, at};

/// `printf 'ann\n1\n2\n...' | nc -N` beyond the burst: lines and end are read in one go, the lines
/// are held back, and the end must wait for them.
#[test]
fn the_end_of_a_connection_waits_for_its_lines_that_are_held_back() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 10,
        burst_lines_max: 3,
        ..Limits::default()
    });
    stage.connect(0, "ben\n");
    stage.connect(1, "");
    stage.turn();
    stage.say(1, "ann\n1\n2\n3\n4\n/quit");
    stage.end(1);
    while stage.turn.hub().sessions().live() > 1 && stage.now < at(5000) {
        stage.turn();
    }
    stage.ends_with(
        0,
        "* ann joined (2 here)\n<ann> 1\n<ann> 2\n<ann> 3\n<ann> 4\n* ann left (1 here)\n",
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
    stage.connect(0, "ann\n1\n2\n");
    stage.turn();
    stage.said(0, "3\n");
    assert!(
        !stage.turn.hub().sessions().wants_input(SessionId(0)),
        "it is held"
    );
    stage.turn_at(stage.now, |hub| {
        assert!(hub.operator().kick("ann", None).is_some())
    });
    assert!(stage.heard_by(0).contains("! kicked "));
    assert_eq!(stage.connection(0).to_read, b"3\n");
    assert_eq!(stage.turn.next_timeout(), Some(Time::START), "at once");
    stage.turn();
    assert_eq!(stage.connection(0).to_read, b"");
}

/// Over the bound of all outboxes those go who are behind, not those who were told something now.
#[test]
fn nobody_is_cut_for_what_was_said_in_this_turn() {
    let mut stage = Stage::new(Limits {
        outbox_total_bytes_max: 10,
        ..Limits::default()
    });
    stage.connect(0, "ann\n/ping\n");
    stage.turn();
    assert_eq!(
        stage.heard_by(0),
        "* welcome to lobby, ann (1 here: ann)\n= pong\n"
    );
}

/// Nor for what was said while the turn before was written out.
#[test]
fn nobody_is_cut_for_a_leave_that_came_up_in_the_flush() {
    let mut stage = Stage::new(Limits {
        outbox_total_bytes_max: 10,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "ben\n");
    stage.turn();
    stage
        .turn
        .hub_mut()
        .handle_event(SessionId(1), chatd::hub::Event::Lost);
    stage.say(0, "/ping\n");
    stage.turn_after(1);
    stage.ends_with(0, "* ben left (1 here): connection lost\n= pong\n");
}

/// Short memory takes from who drains too, but not before its last line had a chance.
#[test]
fn who_ends_while_memory_is_short_is_still_told_why() {
    let mut stage = Stage::new(Limits {
        outbox_total_bytes_max: 10,
        stall_timeout: Duration::from_secs(60),
        prompt_timeout: None,
        ..Limits::default()
    });
    stage.connect(0, "\n");
    stage.take(0, 0);
    // A prompt that is not taken.
    stage.turn();
    assert!(stage.turn.hub().sessions().queued_bytes(SessionId(0)) > 0);
    stage.turn_at(at(20_000), |_| {});
    assert!(
        stage.heard_by(0).contains("! name-timeout "),
        "{}",
        stage.heard_by(0)
    );
}

/// Text and JSON in one room: each reads its own language and the same order, and one that is cut
/// in the middle of a line reads that line to its end and then why.
#[test]
fn who_is_cut_in_the_middle_of_a_line_reads_it_to_its_end() {
    let mut stage = Stage::new(Limits {
        stall_timeout: Duration::from_secs(1),
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "ben\n");
    stage.connect(2, "{\"do\":\"enter\",\"name\":\"bot\"}\n");
    stage.turn_after(1);
    stage.turn_after(1);
    stage.take(1, 5);
    stage.take(2, 20);
    stage.said(0, "hello there\n");
    stage.said(0, "never read\n");
    while stage.turn.hub().sessions().live() > 1 && stage.now < at(5000) {
        stage.turn();
    }
    stage.ends_with(
        1,
        "<ann> hello there\n! too-slow you did not read what was waiting for you; connect again\n",
    );
    let heard = stage.heard_by(2).lines().rev().take(2);
    let [last, before] = heard.collect::<Vec<_>>()[..] else {
        panic!("two lines were told");
    };
    assert!(
        before.starts_with(r#"{"is":"said","room":"lobby","#),
        "{before}"
    );
    assert!(
        before.ends_with(r#""from":"ann","text":"hello there"}"#),
        "{before}"
    );
    assert!(last.contains(r#""code":"too-slow""#), "{last}");
    assert!(last.ends_with(r#""ends":true}"#), "{last}");
    stage.turn();
    let heard = stage.heard_by(0);
    assert_eq!(heard.matches("left (").count(), 2, "{heard}");
    assert_eq!(heard.matches(": too slow\n").count(), 2, "{heard}");
}

/// Whose connection breaks while its lines are held back has them said in their time, as far as
/// there is time for that; then it leaves.
#[test]
fn what_was_sent_before_a_connection_broke_is_said() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 10,
        burst_lines_max: 1,
        drain_timeout: Duration::from_millis(250),
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "ben\n1\n2\n3\n4\n5\n");
    stage.turn_after(0);
    stage
        .turn
        .hub_mut()
        .handle_event(SessionId(1), chatd::hub::Event::Lost);
    while stage.turn.hub().sessions().live() > 1 && stage.now < at(5000) {
        stage.turn();
    }
    stage.ends_with(
        0,
        "* ben joined (2 here)\n<ben> 1\n<ben> 2\n* ben left (1 here): connection lost\n",
    );
    assert_eq!(
        stage.connection(1).closed,
        Some(CloseReason::ConnectionLost)
    );
}

/// That memory is short in the middle of a turn, until those go who are behind, is not held against
/// a burst that still lies in the kernel.
#[test]
fn what_was_sent_before_a_connection_broke_is_said_where_memory_is_short() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 10,
        burst_lines_max: 10,
        drain_timeout: Duration::from_secs(60),
        outbox_total_bytes_max: 24 << 10,
        read_bytes_max: 4 << 10,
        history_lines_max: 0,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "stopped\n");
    stage.connect(2, "ben\n");
    stage.turn_after(1);
    stage.turn_after(1);
    let lines: String = (0..130)
        .map(|number| format!("{number} behind me the door falls shut, and nobody opens it\n"))
        .collect();
    stage.take(1, 0);
    stage.say(0, &format!("{}\n", "x".repeat(4000)).repeat(8));
    stage.say(2, &lines);
    while !stage.turn.hub().is_short_of_memory() {
        assert!(stage.now < at(1000), "memory is never short");
        stage.turn_after(1);
    }
    let failed = chatd::turn::Event {
        readable: true,
        writable: true,
        failed: true,
    };
    stage.turn.note(SessionId(2), failed);
    while stage.turn.hub().sessions().live() > 1 && stage.now < at(60_000) {
        stage.turn();
    }
    let heard = stage.heard_by(0);
    assert_eq!(heard.matches("the door falls shut").count(), 130, "{heard}");
}

/// A machine that was asleep wakes up: who takes its bytes then is not cut for the time in between.
#[test]
fn a_loop_that_stood_still_cuts_nobody() {
    let mut stage = Stage::new(Limits {
        stall_timeout: Duration::from_secs(5),
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "ben\n");
    stage.turn();
    stage.turn();
    stage.take(1, 0);
    stage.said(0, "hello\n");
    // A reader that is as healthy as any: it took nothing since the whole machine was asleep.
    stage.connection(1).takes = None;
    stage.note(1, false, true);
    stage.say(0, "still there?\n");
    stage.turn_at(at(3_600_000), |_| {});
    stage.ends_with(1, "<ann> hello\n<ann> still there?\n");
    assert_eq!(stage.turn.hub().sessions().live(), 2);
    // Whoever does not take it has a second left, not an hour, and not nothing.
    stage.take(1, 0);
    stage.said(0, "and now?\n");
    stage.turn_at(at(2 * 3_600_000), |_| {});
    assert_eq!(
        stage.turn.hub().sessions().live(),
        2,
        "it has a second left"
    );
    stage.turn_after(1001);
    assert_eq!(stage.turn.hub().sessions().live(), 1);
    stage.ends_with(0, "* ben left (1 here): too slow\n");
}

/// A connection that only posts needs no name as long as it goes on, and is told so much later that
/// its time is over.
#[test]
fn who_goes_on_posting_needs_no_name() {
    let limits = Limits::default();
    let name_timeout = limits.name_timeout;
    let mut stage = Stage::new(limits);
    stage.connect(0, "ann\n");
    stage.connect(1, "");
    let post = "{\"do\":\"post\",\"room\":\"lobby\",\"name\":\"cron\",\"text\":\"done\"}\n";
    let pause = name_timeout.as_millis() as u64 * 3 / 4;
    for _ in 0..4 {
        stage.turn_after(pause);
        stage.said(1, post);
    }
    let posted = stage.heard_by(0).matches("<cron> done\n").count();
    assert_eq!(posted, 4, "{}", stage.heard_by(0));
    assert_eq!(stage.turn.hub().sessions().live(), 2);
    let last_post = stage.now;
    while stage.turn.hub().sessions().live() > 1 {
        stage.turn();
    }
    assert_eq!(stage.now, last_post + name_timeout);
    let last = stage.heard_by(1).lines().last().unwrap();
    assert!(last.contains(r#""code":"name-timeout""#), "{last}");
}

/// The kernel has no room for its last line until its place is wanted. Whoever has the socket then is
/// to write that, should the peer read again: the rest of the line it is in the middle of, and why.
#[test]
fn f88_who_takes_nothing_until_it_is_closed_is_still_owed_why() {
    for (enters, cut_off, why) in [
        ("ben\n", "<ann> one\n", "! too-slow "),
        (
            "{\"do\":\"enter\",\"name\":\"ben\"}\n",
            "\"text\":\"one\"}\n",
            r#"{"is":"refused","code":"too-slow","#,
        ),
    ] {
        let mut stage = Stage::new(Limits::default());
        stage.connect(0, "ann\n");
        stage.connect(1, enters);
        stage.turn();
        stage.connection(1).has_no_more_room = true;
        stage.connection(1).takes = Some(3);
        stage.said(0, "one\n");
        stage.said(0, "two\n");
        while stage.connection(1).closed.is_none() {
            stage.turn();
        }
        assert_eq!(stage.now, at(15_000), "cut after 10 s, closed 5 s later");
        let last_bytes = stage.connection(1).last_bytes.take().unwrap();
        let last = String::from_utf8(last_bytes).unwrap();
        let told = format!("{}{last}", stage.heard_by(1));
        let (before, end) = told.rsplit_once(cut_off).expect(&told);
        assert!(end.starts_with(why) && end.lines().count() == 1, "{told}");
        assert!(!before.contains("two"), "{told}");
    }
}

/// What was queued for somebody else's reasons may be much.
#[test]
fn who_is_owed_much_at_its_end_is_owed_nothing_behind_it() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 0,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "ben\n");
    stage.turn();
    stage.connection(1).has_no_more_room = true;
    stage.connection(1).takes = Some(0);
    for _ in 0..100 {
        stage.said(0, &format!("{}\n", "x".repeat(4000)));
    }
    stage.turn_at(stage.now, |hub| {
        assert!(hub.operator().kick("ben", None).is_some())
    });
    while stage.connection(1).closed.is_none() {
        stage.turn();
    }
    assert_eq!(stage.connection(1).closed, Some(CloseReason::Kicked));
    assert_eq!(stage.connection(1).last_bytes, None);
}
