//! JSON lines: every bound of a line and of its fields, and lines that make no sense. Each is
//! refused by itself, and the connection stays.

use serde_json::{Value, json};

use crate::common::{Daemon, Program, hello};

/// Both a program in the lobby and one that has not entered.
fn programs(chatd: &Daemon) -> [Program; 2] {
    let mut outside = chatd.program();
    outside.ask(json!({"do": "ping"}));
    outside.expect_all(&[hello(), json!({"is": "pong"})]);
    [chatd.enter("bot", &["lobby"]), outside]
}

#[test]
fn what_is_no_object_is_bad_json() {
    let chatd = Daemon::start(&["--rate", "0"]);
    for mut program in programs(&chatd) {
        for line in [
            "{",
            "}",
            "{}}",
            "hello",
            "[]",
            "[\"say\",\"lobby\"]",
            "5",
            "null",
            "\"do\"",
            "{do:\"ping\"}",
            "{\"do\":\"ping\",}",
            "{\"do\":\"ping\"",
            "{\"do\":\"ping\"} {\"do\":\"ping\"}",
            "{'do':'ping'}",
            "{\"do\":\"ping\",\"x\":nul}",
            "\u{feff}{\"do\":\"ping\"}",
            "/quit",
        ] {
            program.say(line);
            let refused = program.expect_refused("bad-json");
            assert_eq!(refused.get("ref"), None, "{line}");
        }
        let deep = "[".repeat(10_000);
        program.say(&format!("{{\"do\":\"ping\",\"x\":{deep}"));
        program.expect_refused("bad-json");
        program.expect_silence();
    }
}

#[test]
fn what_nobody_knows_to_do_is_an_unknown_command() {
    let chatd = Daemon::start(&["--rate", "0"]);
    for mut program in programs(&chatd) {
        for verb in [
            "", "Say", "SAY", "say ", "kick", "hello", "s\u{1b}y", "\u{e9}",
        ] {
            program.ask(json!({"do": verb, "room": "lobby", "text": "x", "ref": "1"}));
            let refused = program.expect_refused("unknown-command");
            assert_eq!(refused["ref"], "1", "{verb}");
        }
        program.expect_silence();
    }
}

#[test]
fn missing_and_wrong_fields_are_bad_usage() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let [mut bot, mut outside] = programs(&chatd);
    let lines = [
        json!({}),
        json!({"text": "hello"}),
        json!({"do": null}),
        json!({"do": 5}),
        json!({"do": ["say"]}),
        json!({"do": "say"}),
        json!({"do": "say", "text": "x"}),
        json!({"do": "say", "room": "lobby"}),
        json!({"do": "say", "room": "lobby", "text": ""}),
        json!({"do": "say", "room": "lobby", "text": " \t\n"}),
        json!({"do": "say", "room": "lobby", "text": 5}),
        json!({"do": "say", "room": "lobby", "text": null}),
        json!({"do": "say", "room": ["lobby"], "text": "x"}),
        json!({"do": "say", "room": "lobby", "text": "x", "action": "yes"}),
        json!({"do": "post", "room": "lobby", "text": "x"}),
        json!({"do": "post", "name": "cron", "text": "x"}),
        json!({"do": "post", "room": "lobby", "name": "cron"}),
        json!({"do": "post", "room": "lobby", "name": "cron", "text": ""}),
        json!({"do": "msg", "text": "x"}),
        json!({"do": "msg", "to": "bot"}),
        json!({"do": "msg", "to": "bot", "text": " "}),
        json!({"do": "join"}),
        json!({"do": "join", "room": 1}),
        json!({"do": "join", "room": "ops", "since": "yesterday"}),
        json!({"do": "join", "room": "ops", "since": {"ops": "0-0"}}),
        json!({"do": "part"}),
        json!({"do": "nick"}),
        json!({"do": "nick", "name": {}}),
        json!({"do": "topic", "text": "x"}),
        json!({"do": "topic", "room": "lobby"}),
        json!({"do": "topic", "room": "lobby", "text": false}),
        json!({"do": "who", "room": 5}),
        json!({"do": "history"}),
        json!({"do": "history", "room": "lobby", "limit": "many"}),
        json!({"do": "history", "room": "lobby", "limit": -1}),
        json!({"do": "history", "room": "lobby", "limit": 1.5}),
        json!({"do": "history", "room": "lobby", "before": "x"}),
        json!({"do": "history", "room": "lobby", "after": 7}),
        json!({"do": "history", "room": "lobby", "before": "1-0", "after": "1-0"}),
        json!({"do": "search", "room": "lobby"}),
        json!({"do": "search", "text": "x"}),
        json!({"do": "quit", "reason": 5}),
        json!({"do": "enter"}),
        json!({"do": "enter", "name": 5}),
        json!({"do": "enter", "name": "x", "since": "0-0"}),
        json!({"do": "enter", "name": "x", "since": {"lobby": "x"}}),
        json!({"do": "enter", "name": "x", "resume": 5}),
        json!({"do": "ping", "ref": 5}),
        json!({"do": "ping", "ref": ["x"]}),
    ];
    for program in [&mut bot, &mut outside] {
        for line in &lines {
            let mut line = line.clone();
            let has_reference = line.get("ref").is_some();
            if !has_reference {
                line["ref"] = json!("r");
            }
            program.ask(line.clone());
            let refused = program.next();
            let answer = (&refused["is"], &refused["code"], refused.get("ends"));
            assert_eq!(
                answer,
                (&json!("refused"), &json!("bad-usage"), None),
                "{line}"
            );
            let reference = refused.get("ref");
            let wanted = json!("r");
            assert_eq!(reference, (!has_reference).then_some(&wanted), "{line}");
        }
        program.expect_silence();
    }
    bot.say_in("lobby", "still here");
    bot.expect(json!({"is": "said", "room": "lobby", "from": "bot", "text": "still here"}));
}

#[test]
fn a_field_that_is_null_is_not_there() {
    let chatd = Daemon::start(&[]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    bot.ask(json!({"do": "say", "room": "lobby", "text": "x", "action": null, "ref": null}));
    bot.expect(json!({"is": "said", "room": "lobby", "from": "bot", "text": "x"}));
    bot.expect(json!({"is": "done"}));
    bot.ask(json!({"do": "history", "room": "lobby", "before": null, "limit": null}));
    assert_eq!(bot.next()["is"], "page");
}

#[test]
fn a_ref_of_64_bytes_comes_back_and_a_longer_one_is_refused() {
    let chatd = Daemon::start(&[]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    for reference in [
        "",
        "x",
        &"x".repeat(64),
        &"\u{e9}".repeat(32),
        "\"\\/",
        "\u{1f600}",
    ] {
        bot.ask(json!({"do": "ping", "ref": reference}));
        bot.expect(json!({"is": "pong", "ref": reference}));
    }
    for reference in ["x".repeat(65), "\u{e9}".repeat(33), "x".repeat(5000)] {
        bot.ask(json!({"do": "say", "room": "lobby", "text": "x", "ref": reference}));
        let refused = bot.expect_refused("bad-usage");
        assert_eq!(refused.get("ref"), None, "{refused}");
    }
    // Whatever is in it, it is the same string, and no control character of it is in the line.
    let reference = "a\nb\r\u{1b}\u{7f}\u{9b}\u{2028}c";
    bot.ask(json!({"do": "ping", "ref": reference}));
    bot.expect(json!({"is": "pong", "ref": reference}));
}

#[test]
fn every_answer_has_the_ref() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut bot = chatd.program();
    let answers = [
        (json!({"do": "ping"}), "pong"),
        (json!({"do": "rooms"}), "rooms"),
        (json!({"do": "who", "room": "lobby"}), "who"),
        (
            json!({"do": "post", "room": "lobby", "name": "cron", "text": "x"}),
            "done",
        ),
        (
            json!({"do": "say", "room": "lobby", "text": "x"}),
            "refused",
        ),
        (json!({"do": "enter", "name": "bot"}), "welcome"),
        (json!({"do": "say", "room": "lobby", "text": "x"}), "done"),
        (json!({"do": "msg", "to": "bot", "text": "x"}), "done"),
        (json!({"do": "msg", "to": "nobody", "text": "x"}), "refused"),
        (json!({"do": "join", "room": "ops"}), "done"),
        (json!({"do": "join", "room": "ops"}), "refused"),
        (json!({"do": "part", "room": "ops"}), "done"),
        (json!({"do": "part", "room": "ops"}), "refused"),
        (json!({"do": "topic", "room": "lobby", "text": "x"}), "done"),
        (json!({"do": "nick", "name": "bob"}), "done"),
        (json!({"do": "nick", "name": "bob"}), "done"),
        (json!({"do": "nick", "name": "operator"}), "refused"),
        (json!({"do": "who", "room": "lobby"}), "who"),
        (json!({"do": "who", "room": "nowhere"}), "refused"),
        (json!({"do": "rooms"}), "rooms"),
        (json!({"do": "history", "room": "lobby"}), "page"),
        (
            json!({"do": "search", "room": "lobby", "text": "x"}),
            "refused",
        ),
        (json!({"do": "fly"}), "refused"),
        (json!({"do": "say"}), "refused"),
    ];
    for (number, (line, is)) in answers.into_iter().enumerate() {
        let mut line = line;
        let reference = format!("r{number}");
        line["ref"] = json!(reference);
        bot.ask(line.clone());
        let heard = bot.until_pong();
        let with_it: Vec<&Value> = heard
            .iter()
            .filter(|line| line["ref"] == *reference)
            .collect();
        assert_eq!(with_it.len(), 1, "{line} is answered once: {heard:?}");
        assert_eq!(with_it[0]["is"], is, "{line}");
        // Nothing that others hear too says it.
        let news = heard.iter().filter(|line| line.get("ref").is_some());
        assert_eq!(news.count(), 1, "{heard:?}");
    }
}

#[test]
fn a_line_has_eight_times_the_bound_of_a_text() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    let mut ann = chatd.join("ann");
    bot.until_pong();
    let padded = |text: &str, bytes: usize| {
        let line = json!({"do": "say", "room": "lobby", "text": text, "x": ""}).to_string();
        let (start, end) = line.split_at(line.len() - 2);
        format!("{start}{}{end}", " ".repeat(bytes - line.len()))
    };
    let longest = padded("fits", 8 * 4096);
    for end in ["\n", "\r\n"] {
        bot.send(format!("{longest}{end}").as_bytes());
        bot.expect(json!({"is": "said", "room": "lobby", "from": "bot", "text": "fits"}));
        bot.expect(json!({"is": "done"}));
        ann.expect_line("<bot> fits");
    }
    for bytes in [8 * 4096 + 1, 8 * 4096 + 2, 100_000, 1 << 20] {
        bot.send(format!("{}\n", padded("does not", bytes)).as_bytes());
        let refused = bot.expect_refused("line-too-long");
        assert_eq!(refused.get("ref"), None, "nothing of it was read");
    }
    // One without an end is refused before its end, once.
    bot.send(&[b"{\"do\":\"say\",\"x\":\"", &[b'x'; 40_000][..]].concat());
    bot.expect_refused("line-too-long");
    bot.send(&[&[b'y'; 100_000][..], b"\n"].concat());
    bot.expect_silence();
    ann.expect_silence_until_pong();
}

#[test]
fn a_text_has_the_bound_of_a_line_however_it_is_escaped() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    let mut ann = chatd.join("ann");
    bot.until_pong();
    // Six bytes of JSON for each of a text that fills the bound exactly.
    let escaped = |count: usize| {
        format!(
            "{{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"{}\",\"ref\":\"1\"}}",
            "\\u0041".repeat(count)
        )
    };
    bot.say(&escaped(4096));
    assert_eq!(bot.next()["text"], "A".repeat(4096));
    bot.expect(json!({"is": "done", "ref": "1"}));
    ann.expect_line(&format!("<bot> {}", "A".repeat(4096)));
    bot.say(&escaped(4097));
    assert_eq!(bot.expect_refused("line-too-long")["ref"], "1");
    for text in [
        "\"".repeat(4096),
        "\u{e9}".repeat(2048),
        "\u{1f600}".repeat(1024),
    ] {
        bot.say_in("lobby", &text);
        assert_eq!(bot.next()["text"], text);
        bot.next();
        ann.expect_line(&format!("<bot> {text}"));
        bot.say_in("lobby", &format!("{text}x"));
        bot.expect_refused("line-too-long");
    }
    for line in [
        json!({"do": "msg", "to": "ann", "text": "x".repeat(4097)}),
        json!({"do": "post", "room": "lobby", "name": "cron", "text": "x".repeat(4097)}),
    ] {
        bot.ask(line);
        bot.expect_refused("line-too-long");
    }
    ann.expect_silence_until_pong();
    bot.ask(json!({"do": "quit", "reason": "x".repeat(4097)}));
    bot.expect_refused("line-too-long");
}

#[test]
fn the_bound_follows_line_max() {
    let chatd = Daemon::start(&["--line-max", "128"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    bot.say_in("lobby", &"x".repeat(128));
    assert_eq!(bot.next()["is"], "said");
    bot.next();
    bot.say_in("lobby", &"x".repeat(129));
    bot.expect_refused("line-too-long");
    bot.say(&format!("{{\"do\":\"ping\"{}}}", " ".repeat(1024 - 14)));
    bot.expect(json!({"is": "pong"}));
    bot.say(&format!("{{\"do\":\"ping\"{}}}", " ".repeat(1025 - 13)));
    bot.expect_refused("line-too-long");
}

#[test]
fn a_topic_has_300_bytes() {
    let chatd = Daemon::start(&[]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    let longest = "\u{e9}".repeat(150);
    bot.ask(json!({"do": "topic", "room": "lobby", "text": longest}));
    bot.expect(json!({"is": "topic", "room": "lobby", "text": longest, "by": "bot"}));
    bot.expect(json!({"is": "done"}));
    bot.ask(json!({"do": "topic", "room": "lobby", "text": format!("{longest}x"), "ref": "1"}));
    assert_eq!(bot.expect_refused("line-too-long")["ref"], "1");
    bot.ask(json!({"do": "rooms"}));
    assert_eq!(bot.next()["rooms"][0]["topic"], longest);
}

#[test]
fn what_a_program_is_told_fits_its_outbox() {
    // A page of lines that escape to twice their size, in the smallest outbox there may be.
    let chatd = Daemon::start(&["--rate", "0", "--outbox-max", "32768"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    for _ in 0..20 {
        bot.say_in("lobby", &"\"".repeat(1000));
        bot.until_pong();
    }
    bot.ask(json!({"do": "history", "room": "lobby", "limit": 1000}));
    let page = bot.next();
    assert_eq!(page["is"], "page");
    assert!(!page["messages"].as_array().expect("messages").is_empty());
    bot.expect_silence();
    let mut other = chatd.enter("other", &["lobby"]);
    other.expect_silence();
    assert_eq!(chatd.statistic("slow consumers cut"), 0);
}
