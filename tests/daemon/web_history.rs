//! `GET /rooms/ROOM`: what was said in a room, for scripts.

use serde_json::{Value, json};

use crate::common::http::{Answer, get};
use crate::common::{Daemon, id_of, text_of};

/// The texts of an answer, and its last line, which says that this is all.
#[track_caller]
fn past(answer: &Answer) -> (Vec<String>, Value) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let kind = answer.field("content-type").expect("a kind");
    assert!(kind.starts_with("application/x-ndjson"), "{kind}");
    let mut lines = answer.lines();
    let last = lines.pop().expect("a last line");
    assert_eq!(last["is"], "caught-up", "{last}");
    for line in &lines {
        assert_eq!(
            (&line["is"], &line["room"]),
            (&json!("said"), &json!("lobby"))
        );
        assert_eq!(line["past"], true, "{line}");
    }
    (lines.iter().map(text_of).collect(), last)
}

#[test]
fn the_past_of_a_room() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let mut ids = Vec::new();
    for number in 0..120 {
        ann.say_in("lobby", &number.to_string());
        ids.push(id_of(&ann.next()));
        ann.expect(json!({"is": "done", "id": ids[number]}));
    }
    let numbers = |range: std::ops::Range<usize>| -> Vec<String> {
        range.map(|number| number.to_string()).collect()
    };
    let room = |query: &str| past(&chatd.get(&format!("/rooms/lobby{query}")));
    let nothing_missed = json!({"is": "caught-up", "room": "lobby", "missed": 0});
    assert_eq!(room(""), (numbers(70..120), nothing_missed.clone()));
    assert_eq!(room("?limit=7").0, numbers(113..120));
    assert_eq!(room("?limit=0").0, numbers(0..0));
    assert_eq!(room("?limit=1000000").0, numbers(0..120));
    let since = |number: usize, more: &str| room(&format!("?since={}{more}", ids[number]));
    assert_eq!(since(99, ""), (numbers(100..120), nothing_missed.clone()));
    assert_eq!(since(9, "").0, numbers(10..60), "the oldest, page by page");
    assert_eq!(since(9, "&limit=3").0, numbers(10..13));
    assert_eq!(since(119, ""), (numbers(0..0), nothing_missed));
    let unknown = room("?since=1-0").1;
    assert_eq!(unknown["missed"], Value::Null, "{unknown}");
    for (target, status) in [
        ("/rooms/ops", 404),
        ("/rooms/", 404),
        ("/rooms/lobby/x", 404),
        ("/rooms/lobby?limit=x", 400),
        ("/rooms/lobby?limit=-1", 400),
        ("/rooms/lobby?since=yesterday", 400),
        ("/rooms/lobby?since=1-0&since=1-0", 400),
        ("/rooms/l%00bby", 404),
        ("/rooms/%23lobby", 200),
        ("/rooms/LOBBY?x=y", 200),
    ] {
        assert_eq!(chatd.get(target).status, status, "{target}");
    }
    let head = chatd.ask(&get("/rooms/lobby").replacen("GET", "HEAD", 1));
    assert_eq!(head.status, 200);
    let length = chatd.get("/rooms/lobby").body.len().to_string();
    assert_eq!(head.field("content-length"), Some(&*length));
    ann.expect_silence();
}

#[test]
fn where_no_history_is_kept_there_is_a_room_and_nothing_in_it() {
    let chatd = Daemon::start(&["--history", "0"]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    ann.say_in("lobby", "hello");
    ann.until_pong();
    let (texts, _) = past(&chatd.get("/rooms/lobby"));
    assert_eq!(texts, [] as [&str; 0]);
    assert_eq!(chatd.get("/rooms/other").status, 404);
}

#[test]
fn what_members_hear_and_what_is_read_later_is_the_same() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter_websocket("ann", &["lobby"]);
    ann.ask(json!({"do": "say", "room": "lobby", "text": "waves", "action": true}));
    let mut said = vec![ann.next()];
    ann.next();
    chatd.post("lobby?name=cron", "\"quoted\" \\ é \u{1f44b}");
    said.push(ann.next());
    let mut read = chatd.get("/rooms/lobby").lines();
    read.pop();
    for line in &mut read {
        line.as_object_mut().expect("an object").remove("past");
    }
    assert_eq!(read, said);
}
