//! JSON lines: `say`, `post`, `msg`, and that text is text. Bounds and lines that make no sense are
//! in `json_bounds`.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::common::{Daemon, hello, id_of};

#[test]
fn what_is_said_comes_to_everybody_the_speaker_included_and_then_is_done() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    ann.expect(json!({"is": "joined", "room": "lobby", "name": "ben", "here": 2}));
    ann.ask(json!({"do": "say", "room": "lobby", "text": "hello", "ref": "1"}));
    let said = ann.expect(json!({"is": "said", "room": "lobby", "from": "ann", "text": "hello"}));
    ann.expect(json!({"is": "done", "id": id_of(&said), "ref": "1"}));
    // The same for all, its id and its time too.
    assert_eq!(ben.next(), said);
    ben.ask(json!({"do": "say", "room": "lobby", "text": "waves", "action": true}));
    let said =
        json!({"is": "said", "room": "lobby", "from": "ben", "text": "waves", "action": true});
    let said = ben.expect(said);
    ben.expect(json!({"is": "done", "id": id_of(&said)}));
    assert_eq!(ann.next(), said);
    ben.ask(json!({"do": "say", "room": "lobby", "text": "talks", "action": false}));
    ann.expect(json!({"is": "said", "room": "lobby", "from": "ben", "text": "talks"}));
}

#[test]
fn the_bytes_of_a_message_are_the_same_for_all() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    ann.until_pong();
    let starts = [ann.received().len(), ben.received().len()];
    ann.say_in("lobby", "\"h\u{e9}\" \\ \u{1f600}");
    ben.next();
    ann.next();
    let heard = &ben.received()[starts[1]..];
    assert!(heard.starts_with(b"{\"is\":\"said\""), "{heard:?}");
    assert_eq!(&ann.received()[starts[0]..][..heard.len()], heard);
}

#[test]
fn ids_grow_over_rooms_and_kinds_and_are_never_given_twice() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut ann = chatd.enter("ann", &["lobby", "ops"]);
    let mut ids = Vec::new();
    for number in 0..300 {
        let line = match number % 3 {
            0 => json!({"do": "say", "room": "lobby", "text": "x"}),
            1 => json!({"do": "say", "room": "ops", "text": "x"}),
            _ => json!({"do": "post", "room": "lobby", "name": "cron", "text": "x"}),
        };
        ann.ask(line);
    }
    for line in ann.until_pong() {
        if line["is"] == "said" {
            ids.push(id_of(&line));
        }
    }
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 300);
    let order = |id: &String| {
        let (ms, sequence) = id.split_once('-').expect("two parts");
        let number = |part: &str| part.parse::<u64>().expect("a number");
        (number(ms), number(sequence))
    };
    // The order of a room is that of its ids; and so is that of both, for one who said it all.
    assert!(ids.iter().map(order).is_sorted());
}

#[test]
fn text_is_text_whatever_it_looks_like() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    let mut ann = chatd.join("ann");
    bot.until_pong();
    for (text, json_text, plain_text) in [
        ("/quit", "/quit", "/quit"),
        ("//x", "//x", "//x"),
        ("/me x", "/me x", "/me x"),
        (" two  blanks ", " two  blanks ", " two  blanks "),
        ("a\ttab", "a\ttab", "a\ttab"),
        // An LF is a blank; every other control character is U+FFFD.
        ("two\nlines\n", "two lines ", "two lines "),
        ("a\r\nb", "a\u{fffd} b", "a\u{fffd} b"),
        (
            "\u{0}\u{1b}[2J\u{7f}\u{85}\u{9b}",
            "\u{fffd}\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}",
            "\u{fffd}\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}",
        ),
        ("\u{2028}\u{2029}", "\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}"),
        (
            "\"quoted\" \\ {\"do\":\"quit\"}",
            "\"quoted\" \\ {\"do\":\"quit\"}",
            "\"quoted\" \\ {\"do\":\"quit\"}",
        ),
        (
            "Grüße 你好 👩‍👩‍👧 e\u{301}",
            "Grüße 你好 👩‍👩‍👧 e\u{301}",
            "Grüße 你好 👩‍👩‍👧 e\u{301}",
        ),
    ] {
        bot.say_in("lobby", text);
        bot.expect(json!({"is": "said", "room": "lobby", "from": "bot", "text": json_text}));
        bot.next();
        ann.expect_line(&format!("<bot> {plain_text}"));
    }
    // And back: what is said in plain text is text to a program.
    for text in ["\"quoted\"", "back\\slash", "{\"do\":\"quit\"}", "tab\tbed"] {
        ann.say(text);
        bot.expect(json!({"is": "said", "room": "lobby", "from": "ann", "text": text}));
    }
    ann.say("/me nods");
    bot.expect(
        json!({"is": "said", "room": "lobby", "from": "ann", "text": "nods", "action": true}),
    );
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_the_line_is_said() {
    let chatd = Daemon::start(&[]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    for (text, wanted) in [
        (&b"a\xffb"[..], "a\u{fffd}b"),
        (b"caf\xc3", "caf\u{fffd}"),
        (b"\x1b[2J", "\u{fffd}[2J"),
        (b"\\ud83d", "\u{fffd}"),
        (b"\\ud83d\\ude42", "\u{1f642}"),
        (b"\\u001b\\u0085\\u2028", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"a\\u000ab", "a b"),
    ] {
        bot.send(
            &[
                b"{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"",
                text,
                b"\"}\n",
            ]
            .concat(),
        );
        let said = bot.next();
        assert_eq!(said["is"], "said", "{text:?}: {said}");
        let heard = said["text"].as_str().expect("a text");
        // How many a broken sequence becomes is no matter.
        let squeeze = |text: &str| {
            let mut characters: Vec<char> = text.chars().collect();
            characters.dedup_by(|a, b| a == b && *a == '\u{fffd}');
            characters
        };
        assert_eq!(squeeze(heard), squeeze(wanted), "{text:?}");
        assert_eq!(bot.next()["is"], "done");
    }
}

#[test]
fn one_speaks_only_in_rooms_one_is_in() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let mut ops = chatd.enter("ops", &["ops"]);
    for room in ["ops", "nowhere", "a b", ""] {
        ann.ask(json!({"do": "say", "room": room, "text": "hello", "ref": room}));
        assert_eq!(ann.expect_refused("not-in-room")["ref"], room);
    }
    // However it is written.
    for room in ["lobby", "#lobby", "LOBBY"] {
        ann.say_in(room, "hello");
        ann.expect(json!({"is": "said", "room": "lobby", "from": "ann", "text": "hello"}));
        ann.expect(json!({"is": "done"}));
    }
    ops.expect_silence();
}

#[test]
fn a_private_message_goes_to_one_member_alone() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let mut ben = chatd.enter("ben", &["ops"]);
    let mut cyd = chatd.join("cyd");
    ann.expect(json!({"is": "joined", "room": "lobby", "name": "cyd", "here": 2}));
    ann.ask(json!({"do": "msg", "to": "BEN", "text": "psst\n\u{1b}", "ref": "1"}));
    let done = ann.expect(json!({"is": "done", "ref": "1"}));
    let private =
        json!({"is": "private", "from": "ann", "text": "psst \u{fffd}", "id": id_of(&done)});
    ben.expect(private);
    ann.ask(json!({"do": "msg", "to": "cyd", "text": "/x"}));
    ann.expect(json!({"is": "done"}));
    cyd.expect_line("-ann- /x");
    cyd.say("/msg ann yes");
    cyd.expect_line("= sent to ann");
    ann.expect(json!({"is": "private", "from": "cyd", "text": "yes"}));
    // To oneself, too.
    ann.ask(json!({"do": "msg", "to": "ann", "text": "remember", "ref": "2"}));
    ann.expect_all(&[
        json!({"is": "private", "from": "ann", "text": "remember"}),
        json!({"is": "done", "ref": "2"}),
    ]);
    for to in ["nobody", "cyd ", "", "operator", "lobby"] {
        ann.ask(json!({"do": "msg", "to": to, "text": "x", "ref": to}));
        assert_eq!(ann.expect_refused("no-such-name")["ref"], to);
    }
    ben.expect_silence();
    cyd.expect_silence_until_pong();
}

#[test]
fn a_private_message_never_goes_to_a_look_alike() {
    let chatd = Daemon::start(&[]);
    let mut lan = chatd.enter("lan", &["lobby"]);
    let mut bot = chatd.enter("bot", &[]);
    for to in ["Ian", "1an", "IAN"] {
        bot.ask(json!({"do": "msg", "to": to, "text": "a secret", "ref": to}));
        assert_eq!(bot.expect_refused("no-such-name")["ref"], to);
    }
    lan.expect_silence();
    // Nor can one take such a name, or post under it.
    for line in [
        json!({"do": "nick", "name": "Ian"}),
        json!({"do": "post", "room": "lobby", "name": "Ian", "text": "x"}),
    ] {
        bot.ask(line);
        bot.expect_refused("name-in-use");
    }
    lan.expect_silence();
}

#[test]
fn a_post_is_said_without_a_join_or_a_leave() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let mut ben = chatd.join("ben");
    ann.expect(json!({"is": "joined", "room": "lobby", "name": "ben", "here": 2}));
    let mut poster = chatd.program();
    poster.ask(
        json!({"do": "post", "room": "lobby", "name": "cron", "text": "backup\ndone", "ref": "1"}),
    );
    poster.expect(hello());
    let done = poster.expect(json!({"is": "done", "ref": "1"}));
    let said = json!({"is": "said", "room": "lobby", "from": "cron", "text": "backup done",
        "posted": true, "id": id_of(&done)});
    ann.expect(said);
    ben.expect_line("<cron> backup done");
    // Again, and under another name; and then it may enter all the same, under any of them.
    poster.ask(json!({"do": "post", "room": "#LOBBY", "name": "cron2", "text": "again"}));
    poster.expect(json!({"is": "done"}));
    ben.expect_line("<cron2> again");
    poster.ask(json!({"do": "enter", "name": "cron"}));
    assert_eq!(poster.next()["is"], "welcome");
    let entered = poster.next();
    assert_eq!(entered["names"], json!(["ann", "ben", "cron"]));
    let (texts, _) = poster.expect_past();
    assert_eq!(texts, ["backup done", "again"]);
    ben.expect_line("* cron joined (3 here)");
    // Who is in may post too, under a name that nobody has; it hears it as all others do.
    poster
        .ask(json!({"do": "post", "room": "lobby", "name": "other", "text": "third", "ref": "3"}));
    poster.expect(
        json!({"is": "said", "room": "lobby", "from": "other", "text": "third", "posted": true}),
    );
    poster.expect(json!({"is": "done", "ref": "3"}));
    ben.expect_line("<other> third");
    ben.expect_silence_until_pong();
    for name in ["cron", "cron2", "other"] {
        chatd.expect_log(&["] post ", &format!("\"{name}\"")]);
    }
}

#[test]
fn the_name_of_a_post_is_nobodys() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let mut poster = chatd.program();
    poster.ask(json!({"do": "ping"}));
    poster.expect_all(&[hello(), json!({"is": "pong"})]);
    for (name, code) in [
        ("ann", "name-in-use"),
        ("Ann", "name-in-use"),
        ("\u{ff21}nn", "name-in-use"),
        ("operator", "bad-name"),
        ("admin_", "bad-name"),
        ("operat0r", "bad-name"),
        ("a b", "bad-name"),
        ("", "bad-name"),
        ("<ann>", "bad-name"),
        ("127.0.0.1", "bad-name"),
    ] {
        poster.ask(json!({"do": "post", "room": "lobby", "name": name, "text": "x", "ref": "1"}));
        assert_eq!(poster.expect_refused(code)["ref"], "1", "{name:?}");
    }
    poster.ask(json!({"do": "post", "room": "a b", "name": "cron", "text": "x"}));
    poster.expect_refused("bad-name");
    ann.expect_silence();
    // Not even its own: who is in says what it says with `say`.
    ann.ask(json!({"do": "post", "room": "lobby", "name": "ann", "text": "x"}));
    ann.expect_refused("name-in-use");
}

#[test]
fn a_post_may_be_the_only_thing_in_a_room() {
    let chatd = Daemon::start(&[]);
    let mut poster = chatd.program();
    poster.ask(json!({"do": "post", "room": "lobby", "name": "cron", "text": "nobody is here"}));
    poster.expect_all(&[hello(), json!({"is": "done"})]);
    // The lobby keeps it; a room that is made for it is gone again.
    poster.ask(json!({"do": "post", "room": "attic", "name": "cron", "text": "nor here"}));
    poster.expect(json!({"is": "done"}));
    poster.ask(json!({"do": "who", "room": "attic"}));
    poster.expect_refused("no-such-room");
    poster.ask(json!({"do": "rooms"}));
    poster.expect(json!({"is": "rooms", "rooms": [], "more": 0}));
    let mut ann = chatd.join("ann");
    ann.expect_lines(&[
        "* last message, from MINUTE:",
        "<cron> nobody is here",
        "* end of history",
    ]);
    ann.say("/join attic");
    ann.expect_line("* welcome to attic, ann (1 here: ann)");
    ann.expect_silence_until_pong();
}

#[test]
fn an_answer_comes_behind_everything_that_rooms_said_before() {
    let chatd = Daemon::start(&["--rate", "0", "--history", "0"]);
    let mut ann = chatd.enter("ann", &["lobby", "ops"]);
    let mut ben = chatd.enter("ben", &["lobby", "ops"]);
    ann.until_pong();
    for round in 0..50 {
        let room = ["lobby", "ops"][round % 2];
        ben.ask(json!({"do": "say", "room": room, "text": format!("b {round}"), "ref": "b"}));
        // Ben has seen proof that his line is placed.
        while ben.next()["ref"] != "b" {}
        ann.say_in(room, &format!("a {round}"));
        let reference = format!("r {round}");
        ann.ask(json!({"do": "ping", "ref": reference}));
        let said = |from: &str, text: String| json!({"is": "said", "room": room, "from": from, "text": text});
        ann.expect_all(&[
            said("ben", format!("b {round}")),
            said("ann", format!("a {round}")),
            json!({"is": "done"}),
            json!({"is": "pong", "ref": reference}),
        ]);
    }
}

#[test]
fn who_is_over_its_rate_waits_and_loses_nothing() {
    let chatd = Daemon::start(&["--rate", "20", "--burst", "20"]);
    let mut ann = chatd.join("ann");
    let mut bot = chatd.enter("bot", &["lobby"]);
    ann.expect_line("* bot joined (2 here)");
    let lines: String = (0..40)
        .map(|number| json!({"do": "say", "room": "lobby", "text": number.to_string(), "ref": number.to_string()}).to_string() + "\n")
        .collect();
    bot.send(lines.as_bytes());
    let heard = bot.until_pong();
    let refused: Vec<&Value> = heard
        .iter()
        .filter(|line| line["is"] == "refused")
        .collect();
    assert_eq!(refused.len(), 1, "it is said once: {refused:?}");
    assert_eq!(refused[0]["code"], "slow-down");
    assert_eq!(refused[0].get("ends"), None, "the connection stays");
    let done: Vec<&Value> = heard.iter().filter(|line| line["is"] == "done").collect();
    for (number, done) in done.iter().enumerate() {
        assert_eq!(done["ref"], number.to_string());
        ann.expect_line(&format!("<bot> {number}"));
    }
    assert_eq!(done.len(), 40);
}
