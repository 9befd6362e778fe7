//! Fairness and bounds of the turn, told by hand: who is served when many want to be, what a burst
//! does to who reads, what those who do not read may cost. Sockets and clock are of our own making.
//! Not the crowd (that is `simulation`).

use std::time::Duration;

use chatd::config::Limits;

use super::fair_stage::Stage;

fn unbounded_rate() -> Limits {
    Limits {
        rate_lines_per_second: 0,
        ..Limits::default()
    }
}

#[test]
fn whoever_talks_most_everybody_is_served_as_often() {
    let mut stage = Stage::new(unbounded_rate());
    let talkers: Vec<usize> = (0..40)
        .map(|number| stage.enter_room(&format!("u{number}"), &format!("r{number}")))
        .collect();
    for _ in 0..20 {
        for &slot in &talkers {
            if stage.peers.0[slot].inbox.len() < 1 << 16 {
                stage.send(slot, &format!("/ping {}\n", "x".repeat(1000)).repeat(80));
            }
        }
        stage.pass();
    }
    let served: Vec<usize> = talkers
        .iter()
        .map(|&slot| stage.peers.0[slot].lines("= pong"))
        .collect();
    let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
    assert!(2 * least >= *most && *least > 0, "{served:?}");
}

#[test]
fn one_room_with_many_talkers_hears_all_of_them() {
    let mut stage = Stage::new(unbounded_rate());
    let reader = stage.enter("reader");
    let talkers: Vec<usize> = (0..12)
        .map(|number| stage.enter(&format!("u{number}")))
        .collect();
    let line = format!("{}\n", "x".repeat(1000));
    for _ in 0..100 {
        for &slot in &talkers {
            if stage.peers.0[slot].inbox.len() < 1 << 17 {
                stage.send(slot, &line.repeat(200));
            }
        }
        stage.pass();
    }
    let heard: Vec<usize> = (0..12)
        .map(|number| stage.peers.0[reader].lines(&format!("<u{number}> ")))
        .collect();
    let (least, most) = (heard.iter().min().unwrap(), heard.iter().max().unwrap());
    assert!(2 * least >= *most && *least > 0, "{heard:?}");
}

#[test]
fn large_answers_to_some_hold_up_nobody_else() {
    let limits = unbounded_rate();
    let answers_max = limits.answers_per_turn_bytes_max;
    let mut stage = Stage::new(limits);
    let filler = stage.enter("filler");
    for room in ["aa", "bb"] {
        stage.enter_room(&format!("keep{room}"), room);
        stage.send(filler, &format!("/join {room}\n"));
        stage.send(filler, &format!("{}\n", "y".repeat(4000)).repeat(20));
        (0..5).for_each(|_| stage.pass());
    }
    let hoppers: Vec<usize> = (0..100)
        .map(|number| stage.enter(&format!("h{number}")))
        .collect();
    let (quiet, friend) = (
        stage.enter_room("quiet", "den"),
        stage.enter_room("friend", "den"),
    );
    for turn in 0..100 {
        for &slot in &hoppers {
            if stage.peers.0[slot].inbox.len() < 1 << 10 {
                stage.send(slot, &"/join aa\n/join bb\n".repeat(100));
            }
            stage.peers.0[slot].heard.clear();
        }
        stage.send(quiet, "hello\n");
        stage.pass();
        assert_eq!(
            stage.peers.0[friend].lines("<quiet> "),
            turn + 1,
            "turn {turn}"
        );
        let answered: usize = hoppers
            .iter()
            .map(|&slot| stage.peers.0[slot].heard.len())
            .sum();
        // The one that passes the share is given whole, and small news come beside.
        assert!(
            answered < 2 * answers_max,
            "{answered} bytes in turn {turn}"
        );
    }
}

#[test]
fn who_asks_for_much_gets_so_much_a_second() {
    let limits = unbounded_rate();
    let (burst, rate) = (
        limits.answer_burst_bytes_max,
        limits.answer_bytes_per_second,
    );
    let mut stage = Stage::new(limits);
    let ann = stage.enter("ann");
    stage.send(ann, &format!("{}\n", "y".repeat(4000)).repeat(60));
    (0..5).for_each(|_| stage.pass());
    stage.peers.0[ann].heard.clear();
    stage.send(ann, &"/history 60\n".repeat(100));
    stage.pass_for(Duration::from_secs(1));
    let first = stage.peers.0[ann].heard.len();
    stage.pass_for(Duration::from_secs(5));
    let rest = stage.peers.0[ann].heard.len() - first;
    assert!((burst..burst + 2 * rate).contains(&first), "{first}");
    assert!((4 * rate..6 * rate).contains(&rest), "{rest}");
}

#[test]
fn a_burst_that_is_allowed_cuts_nobody_who_reads() {
    let mut stage = Stage::new(Limits::default());
    let reader = stage.enter("reader");
    // 12.5 MB a second.
    stage.peers.0[reader].takes_bytes = 12_500;
    let talkers: Vec<usize> = (0..5)
        .map(|number| stage.enter(&format!("t{number}")))
        .collect();
    for &slot in &talkers {
        stage.send(slot, &format!("{}\n", "z".repeat(4000)).repeat(98));
    }
    stage.pass_for(Duration::from_secs(12));
    for number in 0..5 {
        let lines = stage.peers.0[reader].lines(&format!("<t{number}> z"));
        assert_eq!(lines, 98, "of t{number}");
    }
    assert_eq!(stage.peers.0[reader].closed, None);
}

#[test]
fn of_fifty_who_burst_and_read_nobody_is_cut() {
    let mut stage = Stage::new(Limits::default());
    let all: Vec<usize> = (0..50)
        .map(|number| stage.enter(&format!("b{number}")))
        .collect();
    for &slot in &all {
        stage.peers.0[slot].takes_bytes = 12_500;
        stage.send(slot, &format!("{}\n", "z".repeat(4000)).repeat(20));
    }
    stage.pass_for(Duration::from_secs(10));
    for &slot in &all {
        assert_eq!(stage.peers.0[slot].closed, None, "b{slot}");
        assert_eq!(stage.peers.0[slot].lines("! too-slow"), 0, "b{slot}");
    }
}

#[test]
fn bursts_in_many_rooms_at_once_cut_nobody_who_reads_all_of_them() {
    let mut stage = Stage::new(Limits::default());
    let rooms = ["aa", "bb", "cc", "dd", "ee"];
    let reader = stage.enter_rooms("reader", &rooms);
    let talkers: Vec<usize> = (0..300)
        .map(|number| stage.enter_room(&format!("t{number}"), rooms[number % 5]))
        .collect();
    for &slot in &talkers {
        stage.send(slot, &format!("{}\n", "z".repeat(4000)).repeat(2));
    }
    stage.pass_for(Duration::from_secs(2));
    assert_eq!(stage.peers.0[reader].closed, None);
    let said = r#"{"is":"said""#;
    assert_eq!(stage.peers.0[reader].lines(said), 600);
}

#[test]
fn many_who_say_a_line_each_cut_nobody_who_reads() {
    let mut stage = Stage::new(Limits::default());
    let reader = stage.enter("reader");
    stage.peers.0[reader].takes_bytes = 12_500;
    let talkers: Vec<usize> = (0..400)
        .map(|number| stage.enter(&format!("t{number}")))
        .collect();
    for &slot in &talkers {
        stage.send(slot, &format!("{}\n", "z".repeat(4000)));
    }
    stage.pass_for(Duration::from_secs(1));
    assert_eq!(stage.peers.0[reader].closed, None);
    assert_eq!(stage.peers.0[reader].lines("<t"), 400);
}

#[test]
fn many_who_post_cut_nobody_who_reads() {
    let mut stage = Stage::new(Limits::default());
    let reader = stage.enter("reader");
    stage.peers.0[reader].takes_bytes = 12_500;
    let text = "z".repeat(4000);
    let posters: Vec<usize> = (0..400).map(|_| stage.connect()).collect();
    for slot in posters {
        let name = format!("p{slot}");
        stage.send(
            slot,
            &format!(r#"{{"do":"post","room":"lobby","name":"{name}","text":"{text}"}}"#),
        );
        stage.send(slot, "\n");
    }
    stage.pass_for(Duration::from_secs(1));
    assert_eq!(stage.peers.0[reader].closed, None);
    assert_eq!(stage.peers.0[reader].lines("<p"), 400);
}

#[test]
fn who_does_not_read_holds_nobody_and_is_cut_in_time() {
    let limits = Limits::default();
    let stall_timeout = limits.stall_timeout;
    let mut stage = Stage::new(limits);
    let reader = stage.enter("reader");
    let stopped = stage.enter("stopped");
    stage.peers.0[stopped].takes_bytes = 0;
    let talker = stage.enter("talker");
    stage.send(talker, &format!("{}\n", "z".repeat(4000)).repeat(60));
    stage.pass_for(Duration::from_secs(1));
    assert_eq!(stage.peers.0[reader].lines("<talker> z"), 60);
    stage.pass_for(stall_timeout);
    stage.peers.0[stopped].takes_bytes = usize::MAX;
    stage.pass_for(Duration::from_secs(1));
    assert_eq!(stage.peers.0[stopped].lines("! too-slow"), 1);
}

/// What is queued is shared by all who stopped; what talkers send meanwhile stays in the kernel.
#[test]
fn readers_that_stop_cost_what_one_of_them_is_owed_and_little_more() {
    let limits = unbounded_rate();
    let bound = limits.outbox_bytes_max + limits.history_bytes_max + (704 << 10);
    let mut stage = Stage::new(limits);
    let readers: Vec<usize> = (0..20).map(|n| stage.enter(&format!("r{n}"))).collect();
    let talkers: Vec<usize> = (0..10).map(|n| stage.enter(&format!("t{n}"))).collect();
    for &slot in &readers {
        stage.peers.0[slot].takes_bytes = 0;
    }
    for &slot in &talkers {
        stage.send(slot, &format!("{}\n", "z".repeat(1024)).repeat(256));
    }
    let mut most = 0;
    for _ in 0..1000 {
        stage.pass();
        most = most.max(stage.turn.hub().overview().memory_bytes());
    }
    assert!(most <= bound, "{most} bytes");
    assert_eq!(
        stage.turn.hub().sessions().live(),
        talkers.len(),
        "the others are cut"
    );
}

#[test]
fn a_quiet_line_passes_a_room_that_is_held() {
    let mut stage = Stage::new(unbounded_rate());
    let reader = stage.enter("reader");
    stage.peers.0[reader].takes_bytes = 500;
    let (loud, quiet) = (stage.enter("loud"), stage.enter("quiet"));
    let friend = stage.enter("friend");
    for round in 1..=100 {
        if stage.peers.0[loud].inbox.len() < 1 << 17 {
            stage.send(loud, &format!("{}\n", "z".repeat(4000)).repeat(50));
        }
        stage.pass_for(Duration::from_millis(10));
        stage.send(quiet, "hi\n");
        stage.pass();
        assert_eq!(stage.peers.0[friend].lines("<quiet> hi"), round);
    }
    assert_eq!(stage.peers.0[reader].closed, None);
    assert!(!stage.peers.0[loud].inbox.is_empty(), "it is held");
}

#[test]
fn all_that_readers_do_not_take_is_bounded_while_it_is_laid() {
    let limits = Limits {
        outbox_total_bytes_max: 4 << 20,
        turn_bytes_max: 1 << 20,
        ..unbounded_rate()
    };
    let bound = limits.outbox_total_bytes_max + 3 * limits.turn_bytes_max;
    let mut stage = Stage::new(limits);
    let all: Vec<usize> = (0..200)
        .map(|number| stage.enter_room(&format!("m{number}"), &format!("r{}", number / 2)))
        .collect();
    for &slot in &all {
        stage.peers.0[slot].takes_bytes = 0;
        stage.send(slot, &format!("{}\n", "z".repeat(4000)).repeat(50));
    }
    for turn in 0..300 {
        stage.pass();
        let held = stage.turn.hub().overview().statistics().unique_bytes;
        assert!(held <= bound, "{held} bytes after turn {turn}, of {bound}");
    }
}

#[test]
fn what_those_had_sent_whose_connection_is_gone_is_bounded() {
    let limits = Limits {
        outbox_total_bytes_max: 4 << 20,
        ..Limits::default()
    };
    let bound = 2 * limits.outbox_total_bytes_max;
    let mut stage = Stage::new(limits);
    let all: Vec<usize> = (0..100).map(|n| stage.enter(&format!("m{n}"))).collect();
    for &slot in &all {
        stage.send(slot, &format!("{}\n", "z".repeat(4000)).repeat(200));
        stage.peers.0[slot].is_broken = true;
        stage.note(slot, |event| event.failed = true);
    }
    for _ in 0..100 {
        stage.pass();
        let held = stage.turn.hub().overview().memory_bytes();
        assert!(held <= bound, "{held} bytes of {bound}");
    }
}

#[test]
fn what_came_before_a_reset_is_said_at_its_pace_and_then_the_name_is_free() {
    let limits = Limits {
        rate_lines_per_second: 10,
        burst_lines_max: 10,
        drain_timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    // All of them, or as many as there is time for.
    for (lines, said) in [(30, 30..=30), (200, 58..=64)] {
        let mut stage = Stage::new(limits.clone());
        let reader = stage.enter("reader");
        let ben = stage.enter("ben");
        let text: String = (0..lines)
            .map(|number| format!("line {number}\n"))
            .collect();
        stage.send(ben, &text);
        stage.peers.0[ben].is_broken = true;
        stage.note(ben, |event| {
            event.readable = true;
            event.failed = true;
        });
        stage.pass_for(Duration::from_secs(7));
        let heard = stage.peers.0[reader].lines("<ben> line");
        assert!(said.contains(&heard), "{heard} of {lines}");
        assert_eq!(stage.peers.0[reader].lines("* ben left"), 1);
        assert!(stage.peers.0[ben].closed.is_some());
    }
}
