//! One story of everybody who hears what happens: members in each encoding, the past that is told
//! later, the board, the log's records. No sockets, no clock.

use chatd::archive::{Page, Reply};
use chatd::chat::MessageId;
use chatd::config::Limits;
use chatd::hub::Recorded;

use crate::web_stage::{Stage, frame};

/// A line as a message of a WebSocket, from a server.
fn framed(line: &str) -> Vec<u8> {
    let length = u16::try_from(line.len()).unwrap().to_be_bytes();
    match length {
        [0, length @ ..126] => [&[0x81, length], line.as_bytes()].concat(),
        _ => [&[0x81, 126], &length[..], line.as_bytes()].concat(),
    }
}

#[test]
fn whoever_listens_hears_it_and_in_its_own_language() {
    let mut stage = Stage::new(Limits::default());
    stage.turn.hub_mut().operator().turn_board_on();
    stage.connect(0, b"ben\n");
    stage.connect(1, b"eve\n");
    stage.connect(2, b"{\"do\":\"enter\",\"name\":\"bot\"}\n");
    stage.websocket(3);
    stage.say(3, &frame(0x81, b"{\"do\":\"join\",\"room\":\"lobby\"}"));
    for slot in 0..4 {
        stage.taken(slot);
    }
    stage.say(0, b"hello\n/nick dan\n");
    let taken = [1, 2, 3].map(|slot| stage.taken(slot));
    assert_eq!(taken[0], b"<ben> hello\n* ben is now dan\n");
    let lines = String::from_utf8(taken[1].clone()).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let [said, renamed] = lines[..] else {
        panic!("{lines:?}");
    };
    assert!(said.ends_with(r#""from":"ben","text":"hello"}"#), "{said}");
    assert!(renamed.contains(r#""is":"renamed""#), "{renamed}");
    assert_eq!(taken[2], [framed(said), framed(renamed)].concat());
    // Those who are told it without being there.
    let mut board = Vec::new();
    stage.turn.hub_mut().operator().take_board(&mut board);
    assert_eq!(board, b"lobby <ben> hello\n");
    stage.connect(4, b"GET /rooms/lobby HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let past = String::from_utf8(stage.taken(4)).unwrap();
    let told = said.replace("\"}", "\",\"past\":true}");
    assert!(past.contains(&told), "{past}");
    let mut recorded = Vec::new();
    while let Some(record) = stage.turn.hub_mut().poll_record() {
        recorded.push(record.what);
    }
    let renamed = Recorded::Renamed {
        from: "ben".into(),
        to: "dan".into(),
    };
    assert!(recorded.contains(&renamed), "{recorded:?}");
}

#[test]
fn what_could_not_be_kept_is_not_waited_for() {
    let limits = Limits {
        history_lines_max: 3,
        ..Limits::default()
    };
    let mut stage = Stage::new(limits);
    stage.turn.hub_mut().open_archive(MessageId::ZERO);
    stage.connect(0, b"{\"do\":\"enter\",\"name\":\"bot\"}\n");
    for number in 0..9 {
        let said = format!("{{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"number {number}\"}}\n");
        stage.say(0, said.as_bytes());
    }
    let told = String::from_utf8(stage.taken(0)).unwrap();
    let last = told.rsplit("\"id\":\"").next().unwrap();
    let last: MessageId = last.split('"').next().unwrap().parse().unwrap();
    let history = b"{\"do\":\"history\",\"room\":\"lobby\",\"after\":\"0-0\"}\n";
    let request = b"GET /rooms/lobby?since=0-0 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let page = |kept_to| Reply::Page(Page::empty(kept_to));
    // The disk knows the room, or has not heard of it, or has nothing left of it.
    let no_room = |kept_to| Reply::NoRoom { kept_to };
    for (slot, reply) in [(1, page as fn(_) -> _), (3, no_room)] {
        let mut ask = |slot, reply: &Reply| {
            if slot == 0 {
                stage.say(slot, history);
            } else {
                stage.connect(slot, request);
            }
            let hub = stage.turn.hub_mut();
            let (question, _) = hub.next_question().unwrap();
            hub.answer_question(question, reply);
            stage.say(0, b"");
            String::from_utf8(stage.taken(slot)).unwrap()
        };
        // It is behind.
        let behind = reply(MessageId::ZERO);
        let told = ask(0, &behind);
        assert!(told.contains("\"code\":\"busy\""), "{behind:?}: {told}");
        let told = ask(slot, &behind);
        assert!(told.starts_with("HTTP/1.1 503 "), "{behind:?}: {told}");
        // It had no room for what memory has forgotten.
        let kept = reply(last);
        let (told, answer) = (ask(0, &kept), ask(slot + 1, &kept));
        assert!(told.contains("\"more\":false"), "{kept:?}: {told}");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{kept:?}: {answer}");
        for told in [told, answer] {
            let has = |number| told.contains(&format!("number {number}"));
            assert!(has(6) && has(8) && !has(5), "{kept:?}: {told}");
        }
    }
}
