//! JSON lines: how a connection comes to speak them, the greeting, `enter`, and what may be asked
//! before it. Coming back (`since`, `resume`) is in `json_history` and `json_resume`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Daemon, ONLY_PEOPLE, Program, hello};

#[test]
fn hello_answers_the_first_line_whatever_it_is() {
    let chatd = Daemon::start(&[]);
    let cases: [(&str, Value); 7] = [
        (
            r#"{"do":"ping","ref":"1"}"#,
            json!({"is": "pong", "ref": "1"}),
        ),
        (
            r#"{"do":"fly","ref":"1"}"#,
            json!({"is": "refused", "code": "unknown-command", "ref": "1"}),
        ),
        ("{", json!({"is": "refused", "code": "bad-json"})),
        ("{}", json!({"is": "refused", "code": "bad-usage"})),
        (
            r#"{"do":"say","room":"lobby","text":"hello"}"#,
            json!({"is": "refused", "code": "bad-usage"}),
        ),
        (
            r#"{"do":"who","room":"lobby"}"#,
            json!({"is": "who", "room": "lobby", "here": 0, "names": [], "more": 0}),
        ),
        (
            r#"{"do":"rooms"}"#,
            json!({"is": "rooms", "rooms": [], "more": 0}),
        ),
    ];
    for (line, answer) in cases {
        let mut program = chatd.program();
        program.say(line);
        program.expect(hello());
        program.expect(answer);
        // It is said once.
        program.ask(json!({"do": "ping"}));
        program.expect(json!({"is": "pong"}));
    }
    let mut program = chatd.program();
    program.say(&format!("{{{}", "x".repeat(40_000)));
    program.expect(hello());
    program.expect_refused("line-too-long");
    program.expect_silence();
}

#[test]
fn hello_says_what_this_server_can_do() {
    let chatd = Daemon::start(&["--line-max", "1234", "--history", "0"]);
    let mut program = chatd.program();
    program.ask(json!({"do": "ping"}));
    let mut greeting = hello();
    greeting["line_max"] = json!(1234);
    greeting["history"] = json!(false);
    program.expect(greeting);
}

#[test]
fn a_program_enters_the_lobby_unless_it_says_more() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let mut bot = chatd.program();
    bot.ask(json!({"do": "enter", "name": "bot", "ref": "in"}));
    bot.expect(hello());
    let welcome = bot.next();
    assert_eq!(
        (&welcome["is"], &welcome["name"]),
        (&json!("welcome"), &json!("bot"))
    );
    assert_eq!(welcome["ref"], "in", "it is the answer: {welcome}");
    assert_eq!(welcome.get("motd"), None, "there is none: {welcome}");
    bot.expect(
        json!({"is": "entered", "room": "lobby", "topic": "", "here": 2,
        "names": ["ann", "bot"], "more": 0, "last": "0-0"}),
    );
    bot.expect(json!({"is": "caught-up", "room": "lobby", "missed": 0}));
    bot.expect_silence();
    ann.expect_line("* bot joined (2 here)");
}

#[test]
fn a_program_enters_the_rooms_that_it_names_or_none() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    // However a room is written, and however often.
    let mut bot = chatd.program();
    bot.ask(json!({"do": "enter", "name": "bot", "rooms": ["#ops", "lobby", "OPS", "Lobby"]}));
    bot.expect(hello());
    assert_eq!(bot.next()["is"], "welcome");
    for (room, names) in [("ops", json!(["bot"])), ("lobby", json!(["ann", "bot"]))] {
        let here = names.as_array().expect("names").len();
        bot.expect(
            json!({"is": "entered", "room": room, "topic": "", "here": here,
            "names": names, "more": 0, "last": "0-0"}),
        );
        bot.expect(json!({"is": "caught-up", "room": room, "missed": 0}));
    }
    bot.expect_silence();
    ann.expect_line("* bot joined (2 here)");
    ann.say("/rooms");
    ann.expect_lines(&["= lobby 2", "= ops 1", "= end"]);
    // In no room, one is a member all the same.
    let mut nowhere = chatd.program();
    nowhere.enter("nowhere", &[]);
    nowhere.expect_silence();
    ann.say("/who");
    ann.expect_line("= 2 here: ann, bot");
    ann.say("/msg nowhere hello");
    ann.expect_line("= sent to nowhere");
    nowhere.expect(json!({"is": "private", "from": "ann", "text": "hello"}));
}

#[test]
fn entered_tells_topic_names_and_what_was_said() {
    const MEMBERS: usize = 104;
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut crowd = chatd.crowd("m", MEMBERS);
    crowd[0].send(b"/topic plans\nfirst\n/me nods\n");
    crowd[0].lines_until_pong();
    let mut poster = chatd.program();
    poster.ask(json!({"do": "post", "room": "lobby", "name": "cron", "text": "done"}));
    poster.expect(hello());
    let last = poster.expect(json!({"is": "done"}))["id"].clone();
    let mut bot = chatd.program();
    bot.ask(json!({"do": "enter", "name": "bot"}));
    bot.expect(hello());
    bot.next();
    // In the order of folded names, a hundred of them.
    let mut names: Vec<String> = (0..MEMBERS).map(|number| format!("m{number}")).collect();
    names.push("bot".into());
    names.sort();
    bot.expect(
        json!({"is": "entered", "room": "lobby", "topic": "plans", "here": MEMBERS + 1,
        "names": names[..100], "more": 5, "last": last}),
    );
    bot.expect_all(&[
        json!({"is": "said", "room": "lobby", "from": "m0", "text": "first", "past": true}),
        json!({"is": "said", "room": "lobby", "from": "m0", "text": "nods", "action": true, "past": true}),
        json!({"is": "said", "room": "lobby", "from": "cron", "text": "done", "posted": true, "past": true, "id": last}),
        json!({"is": "caught-up", "room": "lobby", "missed": 0}),
    ]);
    bot.expect_silence();
}

#[test]
fn names_follow_the_rules_and_the_connection_stays() {
    let chatd = Daemon::start(&[]);
    let _ann = chatd.join("ann");
    let mut bot = chatd.program();
    bot.ask(json!({"do": "ping"}));
    bot.expect(hello());
    bot.expect(json!({"is": "pong"}));
    for (name, code) in [
        ("", "bad-name"),
        ("-bot", "bad-name"),
        ("a b", "bad-name"),
        ("operator", "bad-name"),
        ("the-operator", "bad-name"),
        ("10.0.0.1", "bad-name"),
        ("1790000000123-0", "bad-name"),
        ("b\u{1b}t", "bad-name"),
        ("b\nt", "bad-name"),
        ("a234567890123456789012345", "bad-name"),
        ("ann", "name-in-use"),
        ("ANN", "name-in-use"),
        ("Ann", "name-in-use"),
    ] {
        bot.ask(json!({"do": "enter", "name": name, "ref": name.len().to_string()}));
        let refused = bot.expect_refused(code);
        assert_eq!(
            refused["ref"],
            name.len().to_string(),
            "{name:?}: {refused}"
        );
    }
    bot.ask(json!({"do": "enter", "name": "bot", "rooms": []}));
    assert_eq!(bot.next()["is"], "welcome");
    bot.expect_silence();
}

#[test]
fn nobody_comes_in_by_half() {
    let chatd = Daemon::start(&["--rooms-per-member", "3"]);
    let mut ann = chatd.join("ann");
    let mut bot = chatd.program();
    bot.ask(json!({"do": "ping"}));
    bot.expect(hello());
    bot.expect(json!({"is": "pong"}));
    for (rooms, code) in [
        (json!(["lobby", "a b"]), "bad-name"),
        (json!(["lobby", ""]), "bad-name"),
        (json!(["a", "b", "c", "d"]), "too-many-rooms"),
        (json!("lobby"), "bad-usage"),
        (json!(["lobby", 5]), "bad-usage"),
        (json!({"lobby": "0-0"}), "bad-usage"),
    ] {
        bot.ask(json!({"do": "enter", "name": "bot", "rooms": rooms, "ref": "r"}));
        assert_eq!(bot.expect_refused(code)["ref"], "r", "{rooms}");
    }
    // Nobody has noticed, and the name is free.
    ann.expect_silence_until_pong();
    ann.say("/nick bot");
    ann.expect_line("* ann is now bot");
}

#[test]
fn who_is_in_cannot_enter_again() {
    let chatd = Daemon::start(&[]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    bot.ask(json!({"do": "enter", "name": "bob", "ref": "2"}));
    assert_eq!(bot.expect_refused("bad-usage")["ref"], "2");
    bot.ask(json!({"do": "who", "room": "lobby"}));
    bot.expect(json!({"is": "who", "room": "lobby", "here": 1, "names": ["bot"], "more": 0}));
}

#[test]
fn before_enter_one_may_post_ping_look_and_quit() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let mut bot = chatd.program();
    bot.ask(json!({"do": "ping", "ref": "1"}));
    bot.expect_all(&[hello(), json!({"is": "pong", "ref": "1"})]);
    for line in [
        json!({"do": "say", "room": "lobby", "text": "hello"}),
        json!({"do": "msg", "to": "ann", "text": "hello"}),
        json!({"do": "join", "room": "lobby"}),
        json!({"do": "part", "room": "lobby"}),
        json!({"do": "nick", "name": "bob"}),
        json!({"do": "topic", "room": "lobby", "text": "mine"}),
        json!({"do": "history", "room": "lobby"}),
    ] {
        let mut line = line;
        line["ref"] = line["do"].clone();
        bot.ask(line.clone());
        assert_eq!(bot.expect_refused("bad-usage")["ref"], line["do"], "{line}");
    }
    bot.ask(json!({"do": "who", "room": "lobby", "ref": "2"}));
    bot.expect(
        json!({"is": "who", "room": "lobby", "here": 1, "names": ["ann"], "more": 0, "ref": "2"}),
    );
    bot.ask(json!({"do": "rooms", "ref": "3"}));
    let rooms = json!([{"room": "lobby", "here": 1, "topic": ""}]);
    bot.expect(json!({"is": "rooms", "rooms": rooms, "more": 0, "ref": "3"}));
    bot.ask(json!({"do": "post", "room": "lobby", "name": "cron", "text": "done", "ref": "4"}));
    bot.expect(json!({"is": "done", "ref": "4"}));
    ann.expect_line("<cron> done");
    bot.ask(json!({"do": "quit", "reason": "nobody hears this"}));
    assert_eq!(bot.until_closed(), [] as [Value; 0]);
    ann.expect_silence_until_pong();
}

#[test]
fn without_entering_in_time_one_is_told_and_cut() {
    let chatd = Daemon::start(&["--name-timeout", "1"]);
    let start = Instant::now();
    let mut spoke = chatd.program();
    let mut silent = chatd.connect();
    // A blank alone could be the beginning of JSON: it has spoken, and no language is known yet.
    let mut halfway = chatd.connect();
    halfway.send(b"  ");
    spoke.ask(json!({"do": "ping"}));
    spoke.expect_all(&[hello(), json!({"is": "pong"})]);
    spoke.expect_ended("name-timeout");
    halfway.expect_refusal("name-timeout");
    assert!(
        start.elapsed() >= Duration::from_millis(950),
        "before its time"
    );
    // It may have been prompted; it is not told more.
    let lines = silent.lines_until_closed();
    assert!(!lines.iter().any(|line| line.starts_with('!')), "{lines:?}");
}

#[test]
fn fields_that_nobody_knows_are_ignored() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let mut bot = chatd.program();
    bot.say(
        r#"{"is":"x","do":"enter","name":"bot","rooms":["lobby"],"colour":{"a":[1,2,{"b":null}]},"password":"none is needed","limit":7,"ref":"1"}"#,
    );
    bot.expect(hello());
    let welcome = bot.next();
    assert_eq!(
        (&welcome["is"], &welcome["ref"]),
        (&json!("welcome"), &json!("1"))
    );
    bot.until_pong();
    ann.expect_line("* bot joined (2 here)");
    bot.say(r#"  { "text" : "hello" ,"x":-1.5e300,"room":"lobby", "do":"say" , "to":"ann" } "#);
    bot.expect_all(&[
        json!({"is": "said", "room": "lobby", "from": "bot", "text": "hello"}),
        json!({"is": "done"}),
    ]);
    ann.expect_line("<bot> hello");
    // A line of blanks alone is no line.
    bot.send(b"\n \t \r\n");
    bot.expect_silence();
}

/// What each stream is taken for, wherever it is split: the first bytes decide, once.
#[test]
fn every_split_of_the_first_bytes_gives_the_same_language() {
    const SPLITS_MAX: usize = 24;
    let chatd = Daemon::start(&[&["--rate", "0", "--history", "0"], ONLY_PEOPLE].concat());
    let mut barrier = chatd.enter("barrier", &[]);
    let json = ["{\"is\":\"hello\"", "{\"is\":\"pong\",\"ref\":\"x\"}"];
    let streams: [(&str, &[&str]); 8] = [
        (
            "{\"do\":\"ping\",\"ref\":\"x\"}\n{\"do\":\"quit\"}\n",
            &json,
        ),
        (
            " \t {\"do\":\"ping\",\"ref\":\"x\"}\r\n{\"do\":\"quit\"}\n",
            &json,
        ),
        (
            "{\n{\"do\":\"quit\"}\n",
            &[
                "{\"is\":\"hello\"",
                "{\"is\":\"refused\",\"code\":\"bad-json\"",
            ],
        ),
        // After a line without it, it is text: this is a name, and a bad one.
        (
            "\n{\"do\":\"ping\"}\n/quit\n",
            &["* chatd: type your name", "! bad-name "],
        ),
        ("-{\"do\":\"ping\"}\n/quit\n", &["! bad-name "]),
        // More blanks than any program writes.
        ("                 {\n/quit\n", &["! bad-name "]),
        (
            "GETTER\n/quit\n",
            &["* welcome to lobby, GETTER (1 here: GETTER)"],
        ),
        (
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            &[
                "HTTP/1.1 400 ",
                "Content-Type",
                "Connection",
                "",
                "! wrong-protocol ",
            ],
        ),
    ];
    for (stream, wanted) in streams {
        for place in 0..=stream.len().min(SPLITS_MAX) {
            let mut client = chatd.connect();
            let (first, second) = stream.as_bytes().split_at(place);
            client.send(first);
            // By then the first part was read.
            barrier.expect_silence();
            client.send(second);
            let heard = client.raw_until_closed();
            let heard = String::from_utf8(heard).expect("text");
            let lines: Vec<&str> = heard.lines().collect();
            assert_eq!(lines.len(), wanted.len(), "{stream:?} at {place}: {heard}");
            for (line, wanted) in lines.iter().zip(wanted) {
                assert!(line.starts_with(wanted), "{stream:?} at {place}: {heard}");
            }
        }
    }
}

#[test]
fn single_bytes_are_the_same_stream() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut barrier = chatd.enter("barrier", &["lobby"]);
    let mut bot = chatd.program();
    let stream = " {\"do\":\"enter\",\"name\":\"bot\",\"rooms\":[\"lobby\"]}\r\n{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"h\u{e9} \u{1f600}\",\"ref\":\"1\"}\n{\"do\":\"quit\"}";
    let mut heard = Vec::new();
    for byte in stream.as_bytes() {
        bot.send(&[*byte]);
        heard.extend(barrier.until_pong());
    }
    // An unfinished line at the end of the stream is a line.
    bot.half_close();
    let told = bot.until_closed();
    let kinds: Vec<&Value> = told.iter().map(|line| &line["is"]).collect();
    assert_eq!(
        kinds,
        ["hello", "welcome", "entered", "caught-up", "said", "done"]
    );
    assert_eq!(told[4]["text"], "h\u{e9} \u{1f600}");
    while heard.len() < 3 {
        heard.push(barrier.next());
    }
    let kinds: Vec<&Value> = heard.iter().map(|line| &line["is"]).collect();
    assert_eq!(kinds, ["joined", "said", "left"]);
    assert_eq!(heard[2]["cause"], "quit", "{heard:?}");
}

#[test]
fn a_full_house_is_told_in_text_whatever_the_language() {
    let chatd = Daemon::start(&["--max-clients", "1"]);
    let _one = chatd.enter("one", &["lobby"]);
    let mut two = chatd.connect();
    two.expect_refusal("server-full");
    two.expect_closed();
    let mut three: Program = chatd.program();
    // What it said meanwhile is no matter.
    three.send(b"{\"do\":\"ping\"}\n");
    let told = three.raw_until_closed();
    assert!(told.starts_with(b"! server-full "), "{told:?}");
}
