//! Coming back, told by hand: who takes whose place, and by which token. What the simulation once found,
//! each kept as a small test.

use chatd::config::Limits;
use chatd::time::Time;

use super::turn_stage::{Stage, at};

/// Somebody comes back while its old connection is still there: what that had sent and was held
/// back is said first, nobody hears of a leave, and the old one reads `replaced` as its last line.
#[test]
fn who_comes_back_takes_the_place_of_its_old_connection() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 1,
        burst_lines_max: 2,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(
        1,
        "{\"do\":\"enter\",\"name\":\"bot\",\"rooms\":[\"lobby\",\"den\"]}\n",
    );
    stage.turn();
    stage.turn();
    for text in ["one", "two", "three"] {
        stage.say(
            1,
            &format!("{{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"{text}\"}}\n"),
        );
    }
    stage.turn_after(0);
    stage.say(
        1,
        "{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"unread\"}\n",
    );
    let token = stage.token_of(1).to_owned();
    let entry =
        format!("{{\"do\":\"enter\",\"name\":\"bot\",\"rooms\":[],\"resume\":\"{token}\"}}\n");
    stage.connect(2, &entry);
    stage.turn_after(0);
    stage.ends_with(
        0,
        "* bot joined (2 here)\n<bot> one\n<bot> two\n<bot> three\n<bot> unread\n",
    );
    let last = stage.heard_by(1).lines().last().unwrap();
    assert!(last.contains(r#""code":"replaced""#), "{last}");
    let heard: Vec<&str> = stage.heard_by(2).lines().collect();
    let starts = [
        r#"{"is":"hello","#,
        r#"{"is":"welcome","name":"bot","resume":""#,
        r#"{"is":"entered","room":"lobby","#,
        r#"{"is":"caught-up","room":"lobby","missed":0}"#,
        r#"{"is":"entered","room":"den","#,
        r#"{"is":"caught-up","room":"den","missed":0}"#,
    ];
    assert_eq!(heard.len(), starts.len(), "{heard:#?}");
    for (line, start) in heard.iter().zip(starts) {
        assert!(line.starts_with(start), "{line} and not {start}");
    }
    assert_ne!(stage.token_of(2), token);
    stage.said(0, "welcome back\n");
    assert!(stage.heard_by(2).contains("welcome back"));
    assert!(!stage.heard_by(1).contains("welcome back"));
}

/// The old connection has renamed itself in its last lines, and closed its side: the new one gets
/// the name that is free now, and the old one's end is noticed.
#[test]
fn who_has_another_name_by_then_is_not_replaced() {
    let mut stage = Stage::new(Limits {
        rate_lines_per_second: 1,
        burst_lines_max: 1,
        ..Limits::default()
    });
    stage.connect(0, "ann\n");
    stage.connect(1, "{\"do\":\"enter\",\"name\":\"bot\"}\n");
    stage.turn_after(0);
    stage.said(1, "{\"do\":\"ping\"}\n");
    let token = stage.token_of(1).to_owned();
    stage.connect(
        2,
        &format!("{{\"do\":\"enter\",\"name\":\"bot\",\"resume\":\"{token}\"}}\n"),
    );
    stage.say(1, "{\"do\":\"nick\",\"name\":\"droid\"}\n");
    stage.end(1);
    stage.turn_after(0);
    stage.ends_with(0, "* bot is now droid\n* bot joined (3 here)\n");
    while stage.turn.hub().sessions().live() > 2 && stage.now < at(5000) {
        stage.turn();
    }
    stage.ends_with(0, "* droid left (2 here)\n");
}

/// Numbers of members are used again: the token of who has left proves nothing of who comes next.
#[test]
fn a_token_is_void_once_its_member_has_left() {
    let mut stage = Stage::new(Limits::default());
    stage.connect(0, "{\"do\":\"enter\",\"name\":\"bot\"}\n");
    stage.turn_after(0);
    let token = stage.token_of(0).to_owned();
    stage.said(0, "{\"do\":\"quit\"}\n");
    stage.connect(1, "ann\n");
    stage.turn_after(0);
    let entry = format!("{{\"do\":\"enter\",\"name\":\"ann\",\"resume\":\"{token}\"}}\n");
    stage.connect(2, &entry);
    stage.turn_after(0);
    let heard = stage.heard_by(2);
    assert!(heard.contains(r#""code":"name-in-use""#), "{heard}");
    assert_eq!(stage.turn.hub().sessions().live(), 2);
    stage.ends_with(1, "* welcome to lobby, ann (1 here: ann)\n");
}

/// Its return was put off, since the turn had given enough large answers; it takes its place in the
/// turn in which it is let in, and not only when something else happens.
#[test]
fn who_was_put_off_takes_its_place_at_once() {
    let mut stage = Stage::new(Limits {
        answers_per_turn_bytes_max: 1,
        ..Limits::default()
    });
    stage.connect(0, "{\"do\":\"enter\",\"name\":\"bot\"}\n");
    stage.turn();
    stage.turn();
    let token = stage.token_of(0).to_owned();
    stage.connect(1, "ann\n");
    let entry = format!("{{\"do\":\"enter\",\"name\":\"bot\",\"resume\":\"{token}\"}}\n");
    stage.connect(2, &entry);
    stage.turn_after(0);
    while stage.turn.next_timeout() == Some(Time::START) {
        stage.turn();
    }
    assert!(
        stage.heard_by(2).contains(r#""is":"welcome""#),
        "{}",
        stage.heard_by(2)
    );
}
