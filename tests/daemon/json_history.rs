//! JSON lines: pages of the past, and coming back with `since`: nothing missed and nothing twice,
//! or it is said how much is missed. Coming back while the old connection is there is in
//! `json_resume`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::common::{Daemon, Program, hello, id_of, text_of};

/// An id that is given when all of this is long over.
const FUTURE: &str = "8000000000000-0";

/// Says so many lines in a room, `0` and on, and gives their ids.
fn say_numbers(program: &mut Program, room: &str, count: usize) -> Vec<String> {
    for number in 0..count {
        program.say_in(room, &number.to_string());
    }
    let heard = program.until_pong();
    let said = heard.iter().filter(|line| line["is"] == "said");
    let ids: Vec<String> = said.map(id_of).collect();
    assert_eq!(ids.len(), count);
    ids
}

/// Asks for a page; gives its texts and whether there is more.
#[track_caller]
fn page(program: &mut Program, room: &str, fields: Value) -> (Vec<String>, bool) {
    let mut line = fields;
    line["do"] = json!("history");
    line["room"] = json!(room);
    line["ref"] = json!("page");
    program.ask(line);
    let page = program.next();
    assert_eq!(
        (&page["is"], &page["ref"]),
        (&json!("page"), &json!("page")),
        "{page}"
    );
    assert_eq!(page["room"], room, "{page}");
    let messages = page["messages"].as_array().expect("messages");
    for message in messages {
        assert_eq!(
            (message.get("is"), message.get("room")),
            (None, None),
            "{message}"
        );
        assert_eq!(
            (message.get("past"), message.get("ref")),
            (None, None),
            "{message}"
        );
        assert!(
            message["at"].is_string() && message["from"].is_string(),
            "{message}"
        );
        id_of(message);
    }
    let more = page["more"].as_bool().expect("whether there is more");
    (messages.iter().map(text_of).collect(), more)
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn a_page_is_the_newest_or_before_or_after_an_id() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    assert_eq!(page(&mut bot, "lobby", json!({})), (vec![], false));
    let ids = say_numbers(&mut bot, "lobby", 120);
    let mut ask = |fields: Value| page(&mut bot, "lobby", fields);
    // 50, unless it is said how many.
    assert_eq!(ask(json!({})), (numbers(70..120), true));
    assert_eq!(ask(json!({"limit": 3})), (numbers(117..120), true));
    assert_eq!(ask(json!({"limit": 120})), (numbers(0..120), false));
    assert_eq!(ask(json!({"limit": 1000})), (numbers(0..120), false));
    assert_eq!(ask(json!({"limit": 1_000_000})), (numbers(0..120), false));
    assert_eq!(ask(json!({"before": ids[70]})), (numbers(20..70), true));
    assert_eq!(ask(json!({"before": ids[20]})), (numbers(0..20), false));
    assert_eq!(ask(json!({"before": ids[0]})), (vec![], false));
    assert_eq!(
        ask(json!({"before": ids[70], "limit": 70})),
        (numbers(0..70), false)
    );
    assert_eq!(ask(json!({"after": ids[70]})), (numbers(71..120), false));
    assert_eq!(
        ask(json!({"after": ids[10], "limit": 5})),
        (numbers(11..16), true)
    );
    assert_eq!(ask(json!({"after": ids[119]})), (vec![], false));
    assert_eq!(
        ask(json!({"after": "0-0", "limit": 2})),
        (numbers(0..2), true)
    );
    // By order, not by finding it: it need not be one of these.
    assert_eq!(
        ask(json!({"before": FUTURE, "limit": 1})),
        (numbers(119..120), true)
    );
    assert_eq!(
        ask(json!({"after": "1-5", "limit": 1})),
        (numbers(0..1), true)
    );
}

#[test]
fn every_message_is_in_exactly_one_of_the_pages() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    let ids = say_numbers(&mut bot, "lobby", 100);
    let mut seen = Vec::new();
    let mut before = FUTURE.to_owned();
    loop {
        bot.ask(json!({"do": "history", "room": "lobby", "before": before, "limit": 7}));
        let page = bot.next();
        let messages = page["messages"].as_array().expect("messages");
        before = id_of(&messages[0]);
        seen.splice(0..0, messages.iter().map(id_of));
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(seen, ids);
}

#[test]
fn a_page_says_what_manner_each_message_was_of() {
    let chatd = Daemon::start(&[]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    let mut ann = chatd.join("ann");
    bot.until_pong();
    ann.send(b"/me nods\nplain\n");
    ann.lines_until_pong();
    bot.until_pong();
    bot.ask(json!({"do": "post", "room": "lobby", "name": "cron", "text": "done"}));
    let said = bot.next();
    bot.next();
    bot.ask(json!({"do": "history", "room": "lobby"}));
    let page = bot.next();
    let messages = page["messages"].as_array().expect("messages");
    let flags = |message: &Value| {
        (
            message.get("action").cloned(),
            message.get("posted").cloned(),
        )
    };
    assert_eq!(flags(&messages[0]), (Some(json!(true)), None));
    assert_eq!(flags(&messages[1]), (None, None));
    assert_eq!(flags(&messages[2]), (None, Some(json!(true))));
    // It is the message that was heard.
    assert_eq!(
        (&messages[2]["id"], &messages[2]["at"]),
        (&said["id"], &said["at"])
    );
}

#[test]
fn a_page_is_only_of_rooms_one_is_in() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["ops"]);
    say_numbers(&mut ann, "ops", 3);
    let mut bot = chatd.enter("bot", &["lobby"]);
    for room in ["ops", "nowhere"] {
        for verb in ["history", "search"] {
            bot.ask(json!({"do": verb, "room": room, "text": "1", "ref": "1"}));
            let refused = bot.next();
            assert_eq!(
                (&refused["is"], &refused["ref"]),
                (&json!("refused"), &json!("1"))
            );
        }
    }
    bot.ask(json!({"do": "history", "room": "ops"}));
    bot.expect_refused("not-in-room");
    bot.ask(json!({"do": "join", "room": "ops"}));
    bot.until_pong();
    assert_eq!(page(&mut bot, "ops", json!({})), (numbers(0..3), false));
}

#[test]
fn what_there_is_not_is_no_history() {
    let chatd = Daemon::start(&[]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    bot.ask(json!({"do": "search", "room": "lobby", "text": "words", "limit": 5, "ref": "1"}));
    assert_eq!(bot.expect_refused("no-history")["ref"], "1");
    let chatd = Daemon::start(&["--history", "0"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    bot.say_in("lobby", "forgotten at once");
    bot.until_pong();
    bot.ask(json!({"do": "history", "room": "lobby", "ref": "2"}));
    assert_eq!(bot.expect_refused("no-history")["ref"], "2");
}

/// Comes in to the lobby from a known place; gives what it is told to have missed, and how much
/// more.
#[track_caller]
fn come_back(chatd: &Daemon, name: &str, since: &str) -> (Vec<String>, Value) {
    let mut program = chatd.program();
    program
        .ask(json!({"do": "enter", "name": name, "rooms": ["lobby"], "since": {"lobby": since}}));
    program.expect(hello());
    assert_eq!(program.next()["is"], "welcome");
    assert_eq!(program.next()["is"], "entered");
    let told = program.expect_past();
    program.expect_silence();
    told
}

#[test]
fn since_gives_every_later_message_once() {
    let chatd = Daemon::start(&["--rate", "0", "--history", "100", "--console"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    let ids = say_numbers(&mut bot, "lobby", 80);
    // More than the 20 that a newcomer is shown.
    assert_eq!(come_back(&chatd, "a", &ids[9]), (numbers(10..80), json!(0)));
    assert_eq!(
        come_back(&chatd, "b", &ids[78]),
        (numbers(79..80), json!(0))
    );
    assert_eq!(come_back(&chatd, "c", &ids[79]), (vec![], json!(0)));
    // As of the newest that there was when it came: `last` is a place even where nothing was said.
    assert_eq!(come_back(&chatd, "d", "0-0").0, numbers(0..80));
}

#[test]
fn last_is_a_place_to_come_back_to() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["lobby", "ops"]);
    let mut bot = chatd.program();
    bot.ask(json!({"do": "enter", "name": "bot", "rooms": ["lobby", "ops"]}));
    bot.expect(hello());
    bot.next();
    let lobby = bot.next()["last"].clone();
    bot.next();
    let ops = bot.next()["last"].clone();
    bot.next();
    assert_eq!((&lobby, &ops), (&json!("0-0"), &json!("0-0")));
    bot.ask(json!({"do": "quit"}));
    bot.until_closed();
    ann.until_pong();
    for (room, text) in [("lobby", "one"), ("ops", "two"), ("lobby", "three")] {
        ann.say_in(room, text);
    }
    ann.until_pong();
    let mut bot = chatd.program();
    // A room may be written otherwise where it is said what is known of it.
    bot.ask(
        json!({"do": "enter", "name": "bot", "rooms": ["OPS", "#lobby"],
        "since": {"lobby": lobby, "ops": ops, "elsewhere": "1-0"}}),
    );
    bot.expect(hello());
    bot.next();
    assert_eq!(bot.next()["room"], "ops");
    assert_eq!(bot.expect_past(), (vec!["two".into()], json!(0)));
    let entered = bot.next();
    assert_eq!(entered["room"], "lobby");
    assert_eq!(
        bot.expect_past(),
        (vec!["one".into(), "three".into()], json!(0))
    );
    // The newest now.
    ann.ask(json!({"do": "history", "room": "lobby", "limit": 1}));
    ann.next();
    ann.next();
    let page = ann.next();
    assert_eq!(page["messages"][0]["id"], entered["last"], "{page}");
}

#[test]
fn what_is_no_longer_in_memory_is_counted() {
    let chatd = Daemon::start(&["--rate", "0", "--history", "30"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    let ids = say_numbers(&mut bot, "lobby", 100);
    // Of those behind 49 the server has 70 to 99, so 50 to 69 are missed.
    assert_eq!(
        come_back(&chatd, "a", &ids[49]),
        (numbers(70..100), json!(20))
    );
    assert_eq!(
        come_back(&chatd, "b", &ids[0]),
        (numbers(70..100), json!(69))
    );
    assert_eq!(
        come_back(&chatd, "c", &ids[69]),
        (numbers(70..100), json!(0))
    );
    assert_eq!(
        come_back(&chatd, "d", &ids[68]),
        (numbers(70..100), json!(1))
    );
    // Without it, one is shown the last 20 and misses nothing.
    let mut newcomer = chatd.program();
    newcomer.ask(json!({"do": "enter", "name": "newcomer"}));
    newcomer.expect(hello());
    newcomer.next();
    newcomer.next();
    assert_eq!(newcomer.expect_past(), (numbers(80..100), json!(0)));
}

#[test]
fn of_an_id_older_than_anything_known_nobody_knows_how_much_is_missed() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    say_numbers(&mut bot, "lobby", 3);
    // From another run of the server.
    assert_eq!(
        come_back(&chatd, "a", "1600000000000-7"),
        (numbers(0..3), Value::Null)
    );
    // The same in a room where nothing was said yet.
    let mut bot = chatd.program();
    bot.ask(
        json!({"do": "enter", "name": "b", "rooms": ["den"], "since": {"den": "1600000000000-7"}}),
    );
    bot.expect(hello());
    bot.next();
    bot.next();
    assert_eq!(bot.expect_past(), (vec![], Value::Null));
}

#[test]
fn join_too_takes_up_where_one_was() {
    let chatd = Daemon::start(&["--rate", "0", "--history", "30"]);
    let mut ann = chatd.enter("ann", &["ops"]);
    let ids = say_numbers(&mut ann, "ops", 40);
    let mut bot = chatd.enter("bot", &["lobby"]);
    for (since, texts, missed) in [(39, 40..40, 0), (20, 21..40, 0), (5, 10..40, 4)] {
        bot.ask(json!({"do": "join", "room": "ops", "since": ids[since], "ref": "1"}));
        assert_eq!(bot.next()["is"], "entered");
        assert_eq!(bot.expect_past(), (numbers(texts), json!(missed)));
        bot.expect(json!({"is": "done", "ref": "1"}));
        bot.ask(json!({"do": "part", "room": "ops"}));
        bot.expect(json!({"is": "done"}));
    }
    bot.ask(json!({"do": "join", "room": "ops"}));
    bot.next();
    assert_eq!(bot.expect_past(), (numbers(20..40), json!(0)));
}

/// Others talk all the time while one comes and goes: what it heard live, and what it was told of
/// the time between, is every message once and in order.
#[test]
fn with_since_nothing_is_missed_and_nothing_comes_twice() {
    const VISITS: usize = 25;
    let chatd = Daemon::start(&["--rate", "0", "--history", "1000"]);
    let mut keeper = chatd.enter("keeper", &["lobby"]);
    let stop = AtomicBool::new(false);
    // The talker does not run further ahead than the server remembers.
    let known = AtomicUsize::new(0);
    let (all, heard) = std::thread::scope(|scope| {
        let talk = scope.spawn(|| {
            let mut talker = chatd.enter("talker", &["lobby"]);
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                if count < known.load(Ordering::Relaxed) + 500 {
                    talker.say_in("lobby", &count.to_string());
                    count += 1;
                }
                if count % 5 == 0 {
                    talker.until_pong();
                }
            }
            talker.until_pong();
            count
        });
        let mut heard: Vec<String> = Vec::new();
        let mut last = "0-0".to_owned();
        for visit in 0..VISITS {
            let mut program = chatd.program();
            program.ask(json!({"do": "enter", "name": "visitor", "since": {"lobby": last}}));
            // Live lines follow; some of them it hears, then it goes without a word.
            while heard.len() < 20 * (visit + 1) {
                let line = program.next();
                if line["is"] == "caught-up" {
                    assert_eq!(line["missed"], 0);
                }
                if line["is"] == "said" {
                    last = id_of(&line);
                    heard.push(text_of(&line));
                    known.store(heard.len(), Ordering::Relaxed);
                }
            }
            program.ask(json!({"do": "quit"}));
            // What comes before the end is not heard any more by who has gone.
            drop(program);
            let gone = |line: &Value| line["is"] == "left" && line["name"] == "visitor";
            let is_gathered = |line: &Value| line["is"] == "churn";
            while !keeper
                .until_pong()
                .iter()
                .any(|line| gone(line) || is_gathered(line))
            {
                // Its name is free when it has left.
            }
        }
        stop.store(true, Ordering::Relaxed);
        (talk.join().expect("the talker is unharmed"), heard)
    });
    assert!(all >= heard.len());
    assert_eq!(heard, numbers(0..heard.len()));
}
