//! JSON lines: several rooms at once, and what is told of them: `join`, `part`, `nick`, `topic`,
//! `who`, `rooms`, `quit`, and each cause of a leave.

use serde_json::{Value, json};

use crate::common::{Client, Daemon, Program, Signal, hello};

fn said(room: &str, from: &str, text: &str) -> Value {
    json!({"is": "said", "room": room, "from": from, "text": text})
}

fn left(room: &str, name: &str, here: usize, cause: &str) -> Value {
    json!({"is": "left", "room": room, "name": name, "here": here, "cause": cause})
}

#[test]
fn join_is_told_in_order_and_then_done() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["ops"]);
    ann.say_in("ops", "before");
    ann.until_pong();
    let mut bot = chatd.enter("bot", &["lobby"]);
    bot.ask(json!({"do": "join", "room": "#OPS", "ref": "1"}));
    let entered = bot.next();
    assert_eq!(entered["is"], "entered", "{entered}");
    assert_eq!(
        (&entered["room"], &entered["here"], &entered["names"]),
        (&json!("ops"), &json!(2), &json!(["ann", "bot"]))
    );
    bot.expect_all(&[
        json!({"is": "said", "room": "ops", "from": "ann", "text": "before", "past": true, "id": entered["last"]}),
        json!({"is": "caught-up", "room": "ops", "missed": 0}),
        json!({"is": "done", "ref": "1"}),
    ]);
    ann.expect(json!({"is": "joined", "room": "ops", "name": "bot", "here": 2}));
    for (room, code) in [
        ("ops", "already-here"),
        ("OPS", "already-here"),
        ("a b", "bad-name"),
    ] {
        bot.ask(json!({"do": "join", "room": room, "ref": room}));
        assert_eq!(bot.expect_refused(code)["ref"], room);
    }
    ann.expect_silence();
    // Still in the first as well.
    bot.say_in("lobby", "both");
    bot.expect(said("lobby", "bot", "both"));
}

#[test]
fn own_lines_come_back_in_each_room_and_each_room_has_one_order() {
    const ROUNDS: usize = 40;
    let chatd = Daemon::start(&["--rate", "0", "--history", "0"]);
    let rooms = ["lobby", "ops", "den"];
    let mut members: Vec<Program> = ["ann", "ben", "cyd"]
        .iter()
        .map(|name| chatd.enter(name, &rooms))
        .collect();
    for member in &mut members {
        member.until_pong();
    }
    // All write before anybody reads.
    for round in 0..ROUNDS {
        for (number, member) in members.iter_mut().enumerate() {
            member.say_in(rooms[(round + number) % 3], &round.to_string());
        }
    }
    let mut seen: Vec<Vec<Value>> = Vec::new();
    for member in &mut members {
        let mut lines = Vec::new();
        while lines.len() < 3 * ROUNDS {
            let line = member.next();
            if line["is"] == "said" {
                lines.push(line);
            } else {
                assert_eq!(line["is"], "done", "{line}");
            }
        }
        seen.push(lines);
    }
    for room in rooms {
        let of_room = |lines: &[Value]| -> Vec<Value> {
            let lines = lines.iter().filter(|line| line["room"] == room);
            lines.cloned().collect()
        };
        let first = of_room(&seen[0]);
        assert_eq!(first.len(), ROUNDS);
        assert_eq!(of_room(&seen[1]), first, "two orders in {room}");
        assert_eq!(of_room(&seen[2]), first, "two orders in {room}");
        for name in ["ann", "ben", "cyd"] {
            let own = first.iter().filter(|line| line["from"] == name);
            let numbers: Vec<usize> = own
                .map(|line| {
                    line["text"]
                        .as_str()
                        .expect("text")
                        .parse()
                        .expect("a number")
                })
                .collect();
            assert!(numbers.is_sorted(), "{name} in {room}: {numbers:?}");
        }
    }
}

#[test]
fn part_leaves_one_room_and_stays_in_the_others() {
    let chatd = Daemon::start(&[]);
    let mut bot = chatd.enter("bot", &["lobby", "ops"]);
    let mut ann = chatd.enter("ann", &["lobby", "ops"]);
    bot.until_pong();
    bot.ask(json!({"do": "part", "room": "OPS", "ref": "1"}));
    bot.expect(json!({"is": "done", "ref": "1"}));
    ann.expect(left("ops", "bot", 1, "quit"));
    ann.say_in("ops", "gone?");
    ann.until_pong();
    bot.expect_silence();
    for room in ["ops", "nowhere"] {
        bot.ask(json!({"do": "part", "room": room}));
        bot.expect_refused("not-in-room");
        bot.say_in(room, "x");
        bot.expect_refused("not-in-room");
    }
    ann.say_in("lobby", "here");
    bot.expect(said("lobby", "ann", "here"));
    // And from the last: it is a member all the same, with its name.
    bot.ask(json!({"do": "part", "room": "lobby"}));
    bot.expect(json!({"is": "done"}));
    ann.until_pong();
    ann.ask(json!({"do": "msg", "to": "bot", "text": "psst"}));
    bot.expect(json!({"is": "private", "from": "ann", "text": "psst"}));
    bot.ask(json!({"do": "join", "room": "ops"}));
    assert_eq!(bot.next()["is"], "entered");
}

#[test]
fn a_rename_is_told_once_for_each_room() {
    let chatd = Daemon::start(&[]);
    let mut bot = chatd.enter("bot", &["lobby", "ops", "den"]);
    let mut ann = chatd.enter("ann", &["lobby", "ops"]);
    let mut ben = chatd.join("ben");
    bot.until_pong();
    ann.until_pong();
    bot.ask(json!({"do": "nick", "name": "bob", "ref": "1"}));
    let renamed = |room: &str| json!({"is": "renamed", "room": room, "from": "bot", "to": "bob"});
    let first = bot.expect(renamed("lobby"));
    for room in ["ops", "den"] {
        let next = bot.expect(renamed(room));
        assert_eq!(next["at"], first["at"], "it is one thing that happened");
    }
    bot.expect(json!({"is": "done", "ref": "1"}));
    ann.expect_all(&[renamed("lobby"), renamed("ops")]);
    ben.expect_line("* bot is now bob");
    ann.expect_silence();
    ben.expect_silence_until_pong();
    for (name, code) in [
        ("ann", "name-in-use"),
        ("ANN", "name-in-use"),
        ("admin1", "bad-name"),
    ] {
        bot.ask(json!({"do": "nick", "name": name}));
        bot.expect_refused(code);
    }
    // The one it has: nothing happens, and that is done.
    bot.ask(json!({"do": "nick", "name": "bob", "ref": "2"}));
    bot.expect(json!({"is": "done", "ref": "2"}));
    ann.expect_silence();
}

#[test]
fn a_leave_is_told_once_for_each_room() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["lobby", "ops", "den"]);
    let mut ben = chatd.join("ben");
    let mut bot = chatd.enter("bot", &["lobby", "ops"]);
    ann.until_pong();
    ben.expect_line("* bot joined (3 here)");
    bot.ask(json!({"do": "quit", "reason": "so\u{1b} long"}));
    assert_eq!(bot.until_closed(), [] as [Value; 0], "there is no answer");
    let gone = |room: &str, here: usize| {
        json!({"is": "left", "room": room, "name": "bot", "here": here, "cause": "quit",
            "reason": "so\u{fffd} long"})
    };
    ann.expect_all(&[gone("lobby", 2), gone("ops", 1)]);
    ben.expect_line("* bot left (2 here): \"so\u{fffd} long\"");
    ann.expect_silence();
    ben.expect_silence_until_pong();
}

#[test]
fn each_cause_of_a_leave_has_its_word() {
    let mut chatd = Daemon::start(&[
        "--console",
        "--rate",
        "0",
        "--history",
        "0",
        "--stall-timeout",
        "1",
    ]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let come = |ann: &mut Program, name: &str| -> Program {
        let program = chatd.enter(name, &["lobby"]);
        ann.expect(json!({"is": "joined", "room": "lobby", "name": name, "here": 2}));
        program
    };
    let mut quits = come(&mut ann, "quits");
    quits.ask(json!({"do": "quit"}));
    ann.expect(left("lobby", "quits", 1, "quit"));
    drop(come(&mut ann, "closes"));
    ann.expect(left("lobby", "closes", 1, "quit"));
    let mut half = come(&mut ann, "half");
    half.half_close();
    ann.expect(left("lobby", "half", 1, "quit"));
    let lost = come(&mut ann, "loses");
    // What is lost is told with a reset.
    lost.into_client().reset();
    ann.expect(left("lobby", "loses", 1, "lost"));
    let mut kicked = come(&mut ann, "noisy");
    let mut mute = come_again(&mut ann, &chatd);
    chatd.type_line("/kick noisy too \u{1b}loud");
    let mut gone = left("lobby", "noisy", 2, "kicked");
    gone["reason"] = json!("too \u{fffd}loud");
    ann.expect(gone);
    mute.until_pong();
    let word = loop {
        let line = kicked.next();
        if line["is"] == "refused" {
            break line;
        }
    };
    assert_eq!(
        (&word["code"], &word["ends"]),
        (&json!("kicked"), &json!(true))
    );
    assert!(
        word["text"]
            .as_str()
            .expect("words")
            .contains("too \u{fffd}loud")
    );
    chatd.type_line("/kick mute");
    ann.expect(left("lobby", "mute", 1, "kicked"));
    let mut slow = Program::over(Client::connect_narrow(chatd.address()));
    slow.enter("slow", &["lobby"]);
    ann.expect(json!({"is": "joined", "room": "lobby", "name": "slow", "here": 2}));
    let text = "x".repeat(4000);
    let mut cause = Value::Null;
    for _ in 0..10_000 {
        ann.say_in("lobby", &text);
        if let Some(gone) = ann
            .until_pong()
            .into_iter()
            .find(|line| line["is"] == "left")
        {
            cause = gone["cause"].clone();
            break;
        }
    }
    assert_eq!(cause, "too-slow");
    let heard = slow.until_closed();
    let last = heard.last().expect("a reason");
    assert_eq!(
        (&last["code"], &last["ends"]),
        (&json!("too-slow"), &json!(true))
    );
    chatd.signal(Signal::TERM);
    ann.expect_ended("shutting-down");
}

fn come_again(ann: &mut Program, chatd: &Daemon) -> Program {
    let program = chatd.enter("mute", &["lobby"]);
    ann.expect(json!({"is": "joined", "room": "lobby", "name": "mute", "here": 3}));
    program
}

#[test]
fn a_member_is_in_32_rooms_at_most() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let names: Vec<String> = (0..32).map(|number| format!("room{number:02}")).collect();
    let rooms: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bot = chatd.enter("bot", &rooms);
    bot.ask(json!({"do": "join", "room": "more", "ref": "1"}));
    assert_eq!(bot.expect_refused("too-many-rooms")["ref"], "1");
    // What is said in any comes, from each of them.
    for room in &rooms {
        bot.say_in(room, room);
    }
    let heard = bot.until_pong();
    for room in &rooms {
        let times = heard
            .iter()
            .filter(|line| line["is"] == "said" && line["room"] == *room);
        assert_eq!(times.count(), 1, "{room}");
    }
    // One more is refused as a whole when entering; and one less makes place for another.
    let mut other = chatd.program();
    let more: Vec<&str> = rooms.iter().copied().chain(["more"]).collect();
    other.ask(json!({"do": "enter", "name": "other", "rooms": more}));
    other.expect(hello());
    other.expect_refused("too-many-rooms");
    bot.ask(json!({"do": "part", "room": "room07"}));
    bot.expect(json!({"is": "done"}));
    bot.ask(json!({"do": "join", "room": "more"}));
    assert_eq!(bot.next()["is"], "entered");
    bot.until_pong();
    // A leave of all of them is one line for each to who shares them.
    let mut ann = chatd.enter("ann", &rooms[..5]);
    bot.until_pong();
    bot.ask(json!({"do": "quit"}));
    let heard: Vec<Value> = (0..5).map(|_| ann.next()).collect();
    for (line, room) in heard.iter().zip(&rooms) {
        assert_eq!(
            (&line["is"], &line["room"]),
            (&json!("left"), &json!(room)),
            "{heard:?}"
        );
    }
    ann.expect_silence();
}

#[test]
fn a_topic_is_told_to_all_and_then_done() {
    let chatd = Daemon::start(&[]);
    let mut bot = chatd.enter("bot", &["lobby", "ops"]);
    let mut ann = chatd.join("ann");
    bot.until_pong();
    bot.ask(json!({"do": "topic", "room": "lobby", "text": "plans\nfor \u{1b}", "ref": "1"}));
    bot.expect(json!({"is": "topic", "room": "lobby", "text": "plans for \u{fffd}", "by": "bot"}));
    bot.expect(json!({"is": "done", "ref": "1"}));
    ann.expect_line("* bot set the topic: \"plans for \u{fffd}\"");
    ann.say("/topic by ann");
    ann.expect_line("* ann set the topic: \"by ann\"");
    bot.expect(json!({"is": "topic", "room": "lobby", "text": "by ann", "by": "ann"}));
    // An empty one clears it.
    bot.ask(json!({"do": "topic", "room": "lobby", "text": "", "ref": "2"}));
    bot.expect(json!({"is": "topic", "room": "lobby", "text": "", "by": "bot"}));
    bot.expect(json!({"is": "done", "ref": "2"}));
    ann.expect_line("* bot cleared the topic");
    ann.say("/topic");
    ann.expect_line("= lobby has no topic");
    bot.ask(json!({"do": "topic", "room": "den", "text": "x"}));
    bot.expect_refused("not-in-room");
}

#[test]
fn who_and_rooms_are_answered_for_all_rooms() {
    let chatd = Daemon::start(&[]);
    let _ann = chatd.enter("ann", &["lobby", "ops"]);
    let _zed = chatd.enter("Zed", &["Attic", "ops"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    bot.ask(json!({"do": "topic", "room": "lobby", "text": "plans"}));
    bot.until_pong();
    bot.ask(json!({"do": "who", "room": "#OPS", "ref": "1"}));
    bot.expect(json!({"is": "who", "room": "ops", "here": 2, "names": ["ann", "Zed"], "more": 0, "ref": "1"}));
    bot.ask(json!({"do": "rooms", "ref": "2"}));
    bot.expect(json!({"is": "rooms", "rooms": [
        {"room": "Attic", "here": 1, "topic": ""},
        {"room": "lobby", "here": 2, "topic": "plans"},
        {"room": "ops", "here": 2, "topic": ""},
    ], "more": 0, "ref": "2"}));
    for room in ["nowhere", "a b", ""] {
        bot.ask(json!({"do": "who", "room": room}));
        bot.expect_refused("no-such-room");
    }
}

#[test]
fn long_answers_are_cut_and_counted() {
    const MEMBERS: usize = 1003;
    let chatd = Daemon::start(&["--rate", "0", "--name-timeout", "60"]);
    let mut bot = chatd.enter("bot", &[]);
    let _members = chatd.crowd("m", MEMBERS);
    bot.ask(json!({"do": "who", "room": "lobby"}));
    let who = bot.next();
    assert_eq!(
        (&who["is"], &who["here"], &who["more"]),
        (&json!("who"), &json!(MEMBERS), &json!(3))
    );
    assert_eq!(who["names"].as_array().map(Vec::len), Some(1000));
    // A hundred rooms, and how many there are beside.
    let names: Vec<String> = (0..30).map(|number| format!("r{number:03}")).collect();
    let _bots: Vec<Program> = (0..4)
        .map(|bot| {
            let rooms: Vec<String> = names.iter().map(|name| format!("{name}x{bot}")).collect();
            let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
            chatd.enter(&format!("bot{bot}"), &rooms)
        })
        .collect();
    bot.ask(json!({"do": "rooms"}));
    let rooms = bot.next();
    assert_eq!(rooms["rooms"].as_array().map(Vec::len), Some(100));
    assert_eq!(rooms["more"], 21, "the lobby and 120 less the 100");
    let first = json!({"room": "lobby", "here": MEMBERS, "topic": ""});
    assert_eq!(rooms["rooms"][0], first);
}

#[test]
fn joins_and_leaves_of_a_crowd_are_churn() {
    let chatd = Daemon::start(&["--rate", "0", "--announce-max", "1"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    let guests = chatd.crowd("g", 10);
    let (mut joined, mut here) = (0, 1);
    while joined < 10 {
        let line = bot.next();
        assert_eq!(line["is"], "churn", "{line}");
        assert_eq!(line["room"], "lobby");
        let count = |field: &str| line[field].as_u64().expect("both counts are there");
        joined += count("joined");
        here += count("joined") - count("left");
        assert_eq!(count("here"), here);
    }
    assert_eq!((joined, here), (10, 11));
    drop(guests);
    let mut left = 0;
    while left < 10 {
        let line = bot.next();
        assert_eq!(
            (&line["is"], &line["joined"]),
            (&json!("churn"), &json!(0)),
            "{line}"
        );
        left += line["left"].as_u64().expect("a count");
    }
    bot.expect_silence();
}

#[test]
fn what_the_operator_says_comes_once_whatever_rooms_one_is_in() {
    let mut chatd = Daemon::start(&["--console"]);
    let mut several = chatd.enter("several", &["lobby", "ops", "den"]);
    let mut nowhere = chatd.enter("nowhere", &[]);
    let mut ann = chatd.join("ann");
    several.until_pong();
    let mut outside = chatd.program();
    outside.ask(json!({"do": "ping"}));
    outside.expect_all(&[hello(), json!({"is": "pong"})]);
    chatd.type_line("back at \u{1b}[1mnoon\u{2028}");
    let text = "back at \u{fffd}[1mnoon\u{fffd}";
    let announcement = json!({"is": "announcement", "text": text});
    several.expect(announcement.clone());
    nowhere.expect(announcement);
    ann.expect_line(&format!("* operator: {text}"));
    several.expect_silence();
    nowhere.expect_silence();
    ann.expect_silence_until_pong();
    // Who has not entered is nobody yet.
    outside.expect_silence();
}
