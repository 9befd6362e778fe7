//! Single stories of the turn, told by hand: in which order things are done and told, and who waits for
//! whom. What the simulation once found, each kept as a small test. (Ends: `ending_by_hand`; coming
//! back: `takeover_by_hand`.)

use std::time::Duration;

use chatd::config::Limits;
use chatd::session::{CloseReason, SessionId};
use chatd::time::Time;

use super::turn_stage::{Stage, at};

/// A room takes over the number of one that is gone, but not its deadline.
#[test]
fn a_room_under_a_used_number_waits_its_own_interval() {
    let mut stage = Stage::new(Limits {
        announce_members_max: 1,
        churn_interval: Duration::from_secs(1),
        ..Limits::default()
    });
    stage.connect(0, "ann\n/join den\n");
    stage.connect(1, "ben\n/join den\n/join lobby\n");
    stage.turn_at(at(0), |_| {});
    stage.said(0, "/join lobby\n");
    stage.say(0, "/join attic\n");
    stage.turn_at(at(500), |_| {});
    stage.say(1, "/join attic\n");
    stage.turn_at(at(600), |_| {});
    let told = |stage: &Stage| stage.heard_by(0).ends_with("* 1 joined (2 here)\n");
    stage.turn_at(at(1599), |_| {});
    assert!(!told(&stage), "{}", stage.heard_by(0));
    stage.turn_at(at(1600), |_| {});
    assert!(told(&stage), "{}", stage.heard_by(0));
}

/// What was said in a room in the turn in which it goes is in no outbox any more, nor in memory.
#[test]
fn a_room_that_is_gone_leaves_nothing_behind() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 0,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    let memory_after = |stage: &mut Stage, rounds: usize| {
        for _ in 0..rounds {
            stage.said(0, "/join den\n");
            stage.said(0, "to nobody\n/join lobby\n");
        }
        stage.turn.hub().overview().memory_bytes()
    };
    let before = memory_after(&mut stage, 5);
    let after = memory_after(&mut stage, 50);
    assert_eq!(after, before);
}

/// An answer comes behind all that was said before it in every room of who asked, and what is said
/// afterwards comes behind the answer.
#[test]
fn an_answer_comes_behind_the_lines_of_two_rooms() {
    let mut stage = Stage::new(Limits::default());
    stage.connect(0, "ann\n/join den\n");
    stage.connect(1, "ben\n");
    stage.connect(
        2,
        "{\"do\":\"enter\",\"name\":\"bot\",\"rooms\":[\"lobby\",\"den\"]}\n",
    );
    stage.turn();
    stage.turn();
    let before = stage.heard_by(2).len();
    stage.say(0, "in den\n");
    stage.say(1, "in lobby\n");
    stage.say(2, "{\"do\":\"ping\",\"ref\":\"1\"}\n");
    stage.say(1, "after\n");
    stage.turn_after(0);
    stage.said(0, "after\n");
    let heard: Vec<&str> = stage.heard_by(2)[before..].lines().collect();
    let places = ["in den", "in lobby", r#""pong","ref":"1""#].map(|part| {
        let place = heard.iter().position(|line| line.contains(part));
        place.unwrap_or_else(|| panic!("no {part} in {heard:#?}"))
    });
    assert!(places[..2].iter().max() < Some(&places[2]), "{heard:#?}");
    let after = heard.iter().rposition(|line| line.contains("after"));
    assert!(after > Some(places[2]), "{heard:#?}");
}

/// Who waits for a large answer is answered in the order of asking, however many ask.
#[test]
fn those_who_were_put_off_are_answered_first_come_first_served() {
    let mut stage = Stage::new(Limits {
        answers_per_turn_bytes_max: 1,
        ..Limits::default()
    });
    for (slot, name) in [(0, "ann\n"), (1, "ben\n"), (2, "cyd\n")] {
        stage.connect(slot, name);
        stage.turn_after(0);
        stage.turn_after(0);
    }
    let before = [0, 1, 2].map(|slot| stage.heard_by(slot).len());
    for slot in 0..3 {
        stage.say(slot, "/help\n");
    }
    for answered in 1..=3 {
        stage.turn_after(0);
        let is_answered = [0, 1, 2].map(|slot| stage.heard_by(slot as u32).len() > before[slot]);
        assert_eq!(is_answered, [0, 1, 2].map(|slot| slot < answered));
    }
}

/// Somebody talks faster than a reader takes it: the talker is held, not the reader cut, as long as
/// the reader gets on; and what a quiet member says is not held.
#[test]
fn a_talker_waits_for_a_reader_that_gets_on() {
    let limits = Limits {
        line_bytes_max: 128,
        outbox_bytes_max: 64 << 10,
        stall_timeout: Duration::from_secs(4),
        rate_lines_per_second: 0,
        ..Limits::default()
    };
    let mut stage = Stage::new(limits.with_derived());
    stage.connect(0, "loud\n");
    stage.connect(1, "slow\n");
    stage.connect(2, "quiet\n");
    stage.turn();
    stage.turn();
    let mut said = 0;
    for tick in 0..600 {
        // 100 kB a second are said, 20 kB are taken; 16 would be fast enough.
        let lines = (0..10).map(|_| {
            said += 1;
            format!("{said:0>99}\n")
        });
        let lines: String = lines.collect();
        stage.say(0, &lines);
        if tick % 50 == 49 {
            stage.say(2, "a word\n");
        }
        stage.take(1, 200);
        stage.turn_after(10);
        let heard = stage.heard_by(0).matches("<quiet> a word").count();
        assert_eq!(heard, (tick + 1) / 50, "a quiet one is not held");
    }
    assert_eq!(stage.turn.hub().sessions().live(), 3, "nobody is cut");
    assert!(
        stage.connection(0).to_read.len() > 100_000,
        "it was held back"
    );
    let (whole, _) = stage.heard_by(1).rsplit_once('\n').unwrap();
    let lines = whole.lines();
    let numbers = lines.filter_map(|line| line.strip_prefix("<loud> ")?.parse::<usize>().ok());
    let numbers: Vec<usize> = numbers.collect();
    assert!(numbers.len() > 900, "{} were heard", numbers.len());
    assert!(
        numbers.iter().copied().eq(1..=numbers.len()),
        "each once, in order"
    );
    // Now it takes nothing any more.
    for _ in 0..600 {
        stage.turn_after(10);
    }
    assert_eq!(stage.connection(1).closed, Some(CloseReason::TooSlow));
}

/// Somebody asks and asks and reads no answer: it is not read from any more, and not cut. Once it
/// reads, it is answered all.
#[test]
fn who_reads_no_answers_is_not_heard_until_it_does() {
    let mut stage = Stage::new(Limits {
        outbox_bytes_max: 8 << 10,
        rate_lines_per_second: 0,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.turn_after(0);
    stage.take(0, 0);
    let asked = 200;
    stage.say(0, &format!("/ping {:0>90}\n", 7).repeat(asked));
    for _ in 0..20 {
        stage.turn_after(0);
        let owed = stage.turn.hub().sessions().queued_bytes(SessionId(0));
        assert!(owed < (4 << 10) + 100, "{owed} bytes are owed");
    }
    assert_eq!(stage.turn.hub().sessions().live(), 1, "it is not cut");
    stage.connection(0).takes = None;
    stage.note(0, false, true);
    stage.turn_after(0);
    while stage.turn.next_timeout() == Some(Time::START) {
        stage.turn_after(0);
    }
    assert_eq!(stage.heard_by(0).matches("= pong ").count(), asked);
}

/// Who comes into the slot of a reader that was behind is a reader of its own.
#[test]
fn the_pace_of_a_reader_is_not_that_of_who_was_in_its_slot() {
    let limits = Limits {
        line_bytes_max: 128,
        outbox_bytes_max: 16 << 10,
        rate_lines_per_second: 0,
        ..Limits::default()
    };
    let mut stage = Stage::new(limits.with_derived());
    stage.connect(0, "loud\n");
    stage.connect(1, "slow\n");
    stage.turn();
    stage.turn();
    let much = format!("{:0>99}\n", 7).repeat(100);
    stage.connection(1).takes = Some(0);
    stage.said(0, &much);
    for _ in 0..40 {
        stage.turn_after(10);
    }
    // Between two looks at it, it takes everything and goes, and another comes.
    stage.connection(1).takes = None;
    stage.note(1, false, true);
    stage.end(1);
    stage.turn_after(0);
    assert_eq!(stage.connection(1).closed, Some(CloseReason::HungUp));
    stage.connect(1, "next\n");
    stage.connection(1).takes = Some(0);
    stage.turn_after(0);
    stage.say(0, &much);
    // A room says only so much in a turn.
    for _ in 0..10 {
        stage.turn_after(0);
    }
    assert_eq!(stage.connection(1).closed, None, "it has only come");
    assert_eq!(stage.turn.hub().sessions().live(), 2);
}

/// How long somebody has said nothing is what an operator sees: what clients ask of their own accord is
/// nothing said.
#[test]
fn who_only_gives_signs_of_life_says_nothing() {
    let mut stage = Stage::new(Limits::default());
    stage.connect(0, "ann\n");
    stage.connect(1, "{\"do\":\"enter\",\"name\":\"bot\"}\n");
    stage.turn_at(at(0), |_| {});
    let signs = [
        "/ping\n\n/who\n/rooms\n/topic\n/history\n",
        "{\"do\":\"ping\"}\n{\"do\":\"who\"}\n{\"do\":\"rooms\"}\n{\"do\":\"history\"}\n",
    ];
    let idle = |stage: &Stage| {
        let overview = stage.turn.hub().overview();
        let seconds = overview.clients().map(|client| client.idle.as_secs());
        seconds.collect::<Vec<u64>>()
    };
    for second in 1..=3 {
        stage.say(0, signs[0]);
        stage.say(1, signs[1]);
        stage.turn_at(at(1000 * second), |_| {});
        assert_eq!(idle(&stage), [second, second]);
    }
    assert!(stage.heard_by(0).contains("= pong"), "they were handled");
    stage.said(0, "hello\n");
    stage.said(1, "{\"do\":\"msg\",\"to\":\"ann\",\"text\":\"psst\"}\n");
    assert_eq!(idle(&stage), [0, 0]);
    // Of whom no name is known, it is counted from its coming.
    stage.connect(2, "\n");
    stage.turn_after(4000);
    stage.said(2, "\n");
    assert_eq!(idle(&stage), [3, 3, 4]);
}
