//! Pages, search, and how much is missing.

use chatd::archive::{Ask, Query, Reply, Words};
use chatd::chat::{MessageId, PageEnd};
use chatd::net::store::{Busy, QUESTIONS_MAX, Ticket};

use super::support::{Folder, Loop, id, quick, texts};

fn page(reply: Reply) -> (Vec<String>, bool) {
    match reply {
        Reply::Page(page) => (texts(&page), page.more),
        other => panic!("{other:?}"),
    }
}

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn hundred(folder: &Folder) -> Loop {
    let mut chat = Loop::start(&quick(folder));
    for number in 1..=100 {
        chat.say("lobby", id(number), "ann", &number.to_string());
    }
    chat.end_turn();
    chat.until_kept(100);
    chat
}

#[test]
fn pages_go_in_both_directions() {
    let folder = Folder::new();
    let mut chat = hundred(&folder);
    let mut ask = |end, limit| page(chat.ask_of("Lobby", Ask::Page(end), limit));
    assert_eq!(ask(PageEnd::Newest, 3), (numbers(98..=100), true));
    assert_eq!(ask(PageEnd::Before(id(50)), 4), (numbers(46..=49), true));
    assert_eq!(ask(PageEnd::Before(id(3)), 4), (numbers(1..=2), false));
    assert_eq!(ask(PageEnd::After(id(50)), 4), (numbers(51..=54), true));
    assert_eq!(ask(PageEnd::After(id(96)), 4), (numbers(97..=100), false));
    assert_eq!(
        ask(PageEnd::After(MessageId::ZERO), 2),
        (numbers(1..=2), true)
    );
    // An id that was never given is a place like any other.
    let between = MessageId::from_i64(id(50).to_i64() + 1).unwrap();
    assert_eq!(ask(PageEnd::After(between), 1), (numbers(51..=51), true));
    assert_eq!(ask(PageEnd::Newest, 0), (vec![], true));
    let (around, _) = page(chat.ask_of("lobby", Ask::Around(id(50)), 5));
    assert_eq!(around, numbers(48..=52));
    let nowhere = chat.ask_of("nowhere", Ask::Page(PageEnd::Newest), 5);
    // Of that nothing is to come, either.
    assert_eq!(nowhere, Reply::NoRoom { kept_to: id(100) });
}

#[test]
fn what_goes_into_memory_is_the_last_and_how_much_there_was_before() {
    let folder = Folder::new();
    let mut chat = hundred(&folder);
    let mut older = |before, ids_max, messages_max| match chat.ask_of(
        "Lobby",
        Ask::Older { before, ids_max },
        messages_max,
    ) {
        Reply::Older { page, ids, more } => (texts(&page), ids, more),
        other => panic!("{other:?}"),
    };
    let ids = |range: std::ops::RangeInclusive<u64>| range.map(id).collect::<Vec<_>>();
    let (all, none) = (MessageId::MAX, Vec::<String>::new());
    assert_eq!(older(all, 3, 2), (numbers(99..=100), ids(96..=98), true));
    assert_eq!(older(id(50), 9, 0), (none.clone(), ids(41..=49), true));
    assert_eq!(older(id(5), 2, 2), (numbers(3..=4), ids(1..=2), false));
    assert_eq!(older(id(1), 2, 2), (none, vec![], false));
}

#[test]
fn rooms_that_did_not_speak_lately_come_into_memory_after_the_start() {
    let folder = Folder::new();
    let mut chat = hundred(&folder);
    chat.turn("ops", id(101), "ben", "hello");
    chat.until_kept(101);
    chat.stop();
    let mut settings = quick(&folder);
    for (start_messages_max, lobby_tail) in [(0, 0), (1, 0), (10, 9), (500, 100)] {
        settings.start_messages_max = start_messages_max;
        let chat = Loop::start(&settings);
        let [ops, lobby] = &chat.recovered.rooms[..] else {
            panic!("{:?}", chat.recovered);
        };
        assert_eq!((ops.last, lobby.last), (id(101), id(100)));
        assert_eq!(ops.tail.len(), start_messages_max.min(1));
        assert_eq!(
            (ops.has_older, lobby.has_older),
            (start_messages_max == 0, lobby_tail < 100)
        );
        assert_eq!(lobby.tail.len(), lobby_tail);
        assert!(lobby.counted_from < id(1), "{lobby:?}");
        chat.stop();
    }
    // What may be read beside the last messages is for the ids of those before.
    settings.tail_messages_max = 20;
    for (start_messages_max, first_id) in [(21, None), (100, Some(2)), (500, Some(1))] {
        settings.start_messages_max = start_messages_max;
        let chat = Loop::start(&settings);
        let lobby = &chat.recovered.rooms[1];
        let ids: Vec<MessageId> = first_id.map_or(vec![], |first| (first..=80).map(id).collect());
        assert_eq!(lobby.tail.len(), 20);
        assert_eq!(lobby.ids, ids);
        assert_eq!(lobby.has_older, first_id != Some(1));
        chat.stop();
    }
    // Where there was no memory for all of those, the rest of them is to come before any ids.
    settings.tail_bytes_max = 300;
    let chat = Loop::start(&settings);
    let lobby = &chat.recovered.rooms[1];
    assert!((1..20).contains(&lobby.tail.len()), "{lobby:?}");
    assert!(lobby.ids.is_empty() && lobby.has_older, "{lobby:?}");
    chat.stop();
}

#[test]
fn a_page_keeps_to_its_bytes() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    let long = "x".repeat(1000);
    for number in 0..50 {
        chat.say("lobby", id(number), "ann", &long);
    }
    chat.end_turn();
    chat.until_kept(50);
    let query = Query {
        room: "lobby".into(),
        ask: Ask::Page(PageEnd::After(MessageId::ZERO)),
        messages_max: 1000,
        bytes_max: 10_000,
    };
    chat.store.query(query, Ticket(99)).unwrap();
    let Reply::Page(page) = chat.reply_to(Ticket(99)) else {
        panic!("a page");
    };
    assert!(page.bytes() <= 10_000 && page.len() > 5 && page.more);
    assert_eq!(page.messages().next().unwrap().id, id(0));
}

#[test]
fn search_finds_what_holds_all_words_newest_first_and_shows_it_oldest_first() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    for number in 0..25_000 {
        let text = if number % 5000 == 17 {
            format!("Green TEA {number}")
        } else {
            format!("nothing {number}")
        };
        chat.say("lobby", id(number), "ann", &text);
        if number % 1000 == 999 {
            chat.end_turn();
        }
    }
    chat.until_kept(25_000);
    let mut find = |before, limit| {
        let words = Words::parse("tea green").unwrap();
        page(chat.ask_of("lobby", Ask::Search { words, before }, limit))
    };
    let tea = |numbers: &[u64]| -> Vec<String> {
        numbers
            .iter()
            .map(|number| format!("Green TEA {number}"))
            .collect()
    };
    assert_eq!(find(None, 2), (tea(&[15_017, 20_017]), true));
    assert_eq!(find(Some(id(15_017)), 9), (tea(&[17, 5017, 10_017]), false));
    assert_eq!(find(Some(id(17)), 9), (vec![], false));
}

#[test]
fn how_much_is_missing_is_counted() {
    let folder = Folder::new();
    let mut chat = hundred(&folder);
    let mut missed = |room: &str, after, before| {
        let reply = chat.ask_of(room, Ask::Missed { after, before }, 1);
        match reply {
            Reply::Missed(missed) => missed,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(missed("lobby", id(10), id(21)), Some(10));
    assert_eq!(missed("lobby", id(100), MessageId::MAX), Some(0));
    assert_eq!(missed("other", id(10), MessageId::MAX), Some(0));
    // Before this database began.
    assert_eq!(missed("lobby", MessageId::ZERO, id(21)), None);
    assert_eq!(missed("other", MessageId::ZERO, id(21)), None);
}

#[test]
fn so_many_questions_wait_and_no_more() {
    let folder = Folder::new();
    let mut chat = hundred(&folder);
    let query = Query {
        room: "lobby".into(),
        ask: Ask::Page(PageEnd::Newest),
        messages_max: 1,
        bytes_max: 1000,
    };
    for number in 0..QUESTIONS_MAX {
        let asked = chat.store.query(query.clone(), Ticket(number as u64));
        assert_eq!(asked, Ok(()));
    }
    assert_eq!(chat.store.query(query.clone(), Ticket(1)), Err(Busy));
    let last = Ticket(QUESTIONS_MAX as u64 - 1);
    let (found, _) = page(chat.reply_to(last));
    assert_eq!(found, ["100"]);
    assert_eq!(chat.store.query(query, Ticket(1)), Ok(()));
}
