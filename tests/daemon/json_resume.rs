//! JSON lines: `resume`, coming back while the old connection is still there. What the old one had
//! sent is said first; nobody else notices anything.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Daemon, Program, hello, id_of, token_of};

/// Asks to come back, as the first that is said on this connection.
fn ask_back(program: &mut Program, name: &str, token: &str, more: Value) {
    let mut line = json!({"do": "enter", "name": name, "resume": token});
    for (field, value) in more.as_object().expect("fields") {
        line[field] = value.clone();
    }
    program.ask(line);
    program.expect(hello());
}

/// The welcome of who has come back; gives the new token.
#[track_caller]
fn expect_welcome(program: &mut Program, name: &str) -> String {
    let welcome = program.next();
    assert_eq!(welcome["name"], name, "{welcome}");
    token_of(&welcome)
}

/// Back in a room, of which so many know; gives what was told of the past.
#[track_caller]
fn expect_entered(program: &mut Program, room: &str, here: usize) -> Vec<String> {
    let entered = program.next();
    assert_eq!(
        (&entered["is"], &entered["room"], &entered["here"]),
        (&json!("entered"), &json!(room), &json!(here)),
        "{entered}"
    );
    let (texts, missed) = program.expect_past();
    assert_eq!(missed, 0);
    texts
}

#[test]
fn who_comes_back_takes_its_place_and_nobody_notices() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let mut ben = chatd.enter("ben", &["lobby", "ops"]);
    let mut old = chatd.program();
    let token = old.enter("bot", &["lobby", "ops"]);
    ann.lines_until_pong();
    ben.until_pong();
    let mut new = chatd.program();
    ask_back(
        &mut new,
        "bot",
        &token,
        json!({"rooms": ["lobby", "ops"], "ref": "back"}),
    );
    old.expect_ended("replaced");
    let welcome = new.next();
    assert_eq!(welcome["ref"], "back", "{welcome}");
    assert_ne!(token_of(&welcome), token, "a new token");
    expect_entered(&mut new, "lobby", 3);
    expect_entered(&mut new, "ops", 2);
    new.expect_silence();
    ann.expect_silence_until_pong();
    ben.expect_silence();
    // And goes on in both.
    ben.say_in("ops", "still there?");
    new.expect(json!({"is": "said", "room": "ops", "from": "ben", "text": "still there?"}));
    new.say_in("lobby", "yes");
    ann.expect_line("<bot> yes");
    chatd.expect_log(&["end \"bot\"", "replaced"]);
    // One leave, when it leaves.
    new.ask(json!({"do": "quit"}));
    ann.expect_line("* bot left (2 here)");
    ann.expect_silence_until_pong();
}

#[test]
fn all_rooms_go_along_whatever_is_named() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["lobby", "ops", "den"]);
    let mut old = chatd.program();
    let token = old.enter("bot", &["lobby", "ops"]);
    ann.until_pong();
    // It names one it is in, leaves another unsaid, and asks for a further one.
    let mut new = chatd.program();
    ask_back(&mut new, "bot", &token, json!({"rooms": ["OPS", "den"]}));
    old.expect_ended("replaced");
    let token = expect_welcome(&mut new, "bot");
    expect_entered(&mut new, "lobby", 2);
    expect_entered(&mut new, "ops", 2);
    expect_entered(&mut new, "den", 2);
    new.expect_silence();
    ann.expect(json!({"is": "joined", "room": "den", "name": "bot", "here": 2}));
    ann.expect_silence();
    // Without any, it is in the same; the lobby is what one enters who names none.
    let mut third = chatd.program();
    ask_back(&mut third, "bot", &token, json!({"rooms": []}));
    new.expect_ended("replaced");
    expect_welcome(&mut third, "bot");
    for room in ["lobby", "ops", "den"] {
        expect_entered(&mut third, room, 2);
    }
    third.expect_silence();
    ann.expect_silence();
}

#[test]
fn what_the_old_one_had_sent_is_said_first() {
    const LINES: usize = 60;
    let chatd = Daemon::start(&["--rate", "20", "--burst", "20"]);
    let mut ann = chatd.join("ann");
    let mut old = chatd.program();
    let token = old.enter("bot", &["lobby"]);
    ann.expect_line("* bot joined (2 here)");
    // Far over its rate: some of it waits in the server, and most of it in the kernel, since the
    // server reads no more than 4 KiB of it before it stops.
    let padding = "x".repeat(500);
    let lines: String = (0..LINES)
        .map(|number| {
            let text = number.to_string();
            json!({"do": "say", "room": "lobby", "text": text, "x": padding}).to_string() + "\n"
        })
        .collect();
    let start = Instant::now();
    old.send(lines.as_bytes());
    let mut new = chatd.program();
    ask_back(
        &mut new,
        "bot",
        &token,
        json!({"rooms": ["lobby"], "since": {"lobby": "0-0"}}),
    );
    expect_welcome(&mut new, "bot");
    let texts = expect_entered(&mut new, "lobby", 2);
    let wanted: Vec<String> = (0..LINES).map(|number| number.to_string()).collect();
    assert_eq!(texts, wanted, "so it sends nothing twice");
    for text in &wanted {
        ann.expect_line(&format!("<bot> {text}"));
    }
    // The old one is told of its own lines, and then that it is over.
    let heard = old.until_closed();
    let last = heard.last().expect("a reason");
    assert_eq!(
        (&last["code"], &last["ends"]),
        (&json!("replaced"), &json!(true))
    );
    let said = heard.iter().filter(|line| line["is"] == "said").count();
    assert_eq!(said, LINES);
    // The rate goes along: what the old one took is its successor's to wait for, as it was told.
    new.say_in("lobby", "again");
    ann.expect_line("<bot> again");
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(1900),
        "40 lines beyond the burst cost {took:?}"
    );
    ann.expect_silence_until_pong();
}

#[test]
fn what_was_said_meanwhile_is_told_from_since() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let mut old = chatd.program();
    let token = old.enter("bot", &["lobby"]);
    ann.until_pong();
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        ann.say_in("lobby", text);
        ids.push(id_of(&old.next()));
    }
    let mut new = chatd.program();
    ask_back(&mut new, "bot", &token, json!({"since": {"lobby": ids[0]}}));
    let token = expect_welcome(&mut new, "bot");
    assert_eq!(expect_entered(&mut new, "lobby", 2), ["two", "three"]);
    old.expect_ended("replaced");
    // Without it, nothing: it has heard all that its member was told.
    let mut third = chatd.program();
    ask_back(&mut third, "bot", &token, json!({}));
    expect_welcome(&mut third, "bot");
    assert_eq!(expect_entered(&mut third, "lobby", 2), [""; 0]);
}

#[test]
fn a_token_is_good_once_and_a_wrong_one_is_name_in_use() {
    let chatd = Daemon::start(&[]);
    let mut first = chatd.program();
    let token = first.enter("bot", &["lobby"]);
    let mut ann = chatd.program();
    let anns = ann.enter("ann", &["lobby"]);
    let mut second = chatd.program();
    ask_back(&mut second, "bot", &token, json!({}));
    let fresh = expect_welcome(&mut second, "bot");
    expect_entered(&mut second, "lobby", 2);
    second.expect_silence();
    let mut thief = chatd.program();
    thief.ask(json!({"do": "ping"}));
    thief.expect_all(&[hello(), json!({"is": "pong"})]);
    let mut changed = fresh.clone().into_bytes();
    changed[0] = if changed[0] == b'0' { b'1' } else { b'0' };
    let changed = String::from_utf8(changed).expect("text");
    for wrong in [
        token.as_str(),
        &anns,
        &changed,
        "",
        &fresh[1..],
        &format!("{fresh}0"),
        "x",
    ] {
        thief.ask(json!({"do": "enter", "name": "bot", "resume": wrong, "ref": "1"}));
        let refused = thief.expect_refused("name-in-use");
        assert_eq!(refused["ref"], "1");
        assert_eq!(
            refused["text"], "bot is taken, choose another",
            "the same as without"
        );
    }
    // A look-alike's or another's name does not go with it.
    thief.ask(json!({"do": "enter", "name": "ann", "resume": fresh}));
    thief.expect_refused("name-in-use");
    second.expect_silence_but_news();
    // The right one still is.
    thief.ask(json!({"do": "enter", "name": "BOT", "resume": fresh}));
    assert_eq!(thief.next()["is"], "welcome");
    second.expect_ended("replaced");
}

#[test]
fn a_welcome_that_was_lost_on_its_way_locks_nobody_out() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let mut first = chatd.program();
    let token = first.enter("bot", &["lobby"]);
    ann.expect_line("* bot joined (2 here)");
    let mut seats = vec![first];
    for _ in 0..3 {
        // It asks as if it had never read the welcome of the one before.
        let mut next = chatd.program();
        ask_back(&mut next, "bot", &token, json!({}));
        expect_welcome(&mut next, "bot");
        expect_entered(&mut next, "lobby", 2);
        seats.last_mut().unwrap().expect_ended("replaced");
        seats.push(next);
    }
    ann.expect_silence_until_pong();
    seats.last_mut().unwrap().expect_silence();
    let mut late = chatd.program();
    ask_back(&mut late, "bot", &token, json!({}));
    late.expect_refused("name-in-use");
}

#[test]
fn a_token_that_nobody_holds_is_no_matter() {
    let chatd = Daemon::start(&[]);
    let mut first = chatd.program();
    let token = first.enter("bot", &["lobby"]);
    first.ask(json!({"do": "quit"}));
    first.until_closed();
    let mut ann = chatd.join("ann");
    let mut second = chatd.program();
    ask_back(&mut second, "bot", &token, json!({}));
    expect_welcome(&mut second, "bot");
    expect_entered(&mut second, "lobby", 2);
    ann.expect_line("* bot joined (2 here)");
    let mut third = chatd.program();
    ask_back(&mut third, "cyd", "any old thing", json!({"rooms": []}));
    expect_welcome(&mut third, "cyd");
}

#[test]
fn the_token_follows_a_rename() {
    let chatd = Daemon::start(&[]);
    let mut old = chatd.program();
    let token = old.enter("bot", &["lobby"]);
    old.ask(json!({"do": "nick", "name": "bob"}));
    old.until_pong();
    // Under the name it had it comes in as anybody, for that is free.
    let mut other = chatd.program();
    ask_back(&mut other, "bot", &token, json!({"rooms": []}));
    expect_welcome(&mut other, "bot");
    old.expect_silence();
    let mut new = chatd.program();
    ask_back(&mut new, "bob", &token, json!({"rooms": []}));
    expect_welcome(&mut new, "bob");
    expect_entered(&mut new, "lobby", 1);
    old.expect_ended("replaced");
}

#[test]
fn who_left_with_its_last_lines_is_not_taken_over() {
    let chatd = Daemon::start(&["--rate", "2", "--burst", "3"]);
    let mut ann = chatd.join("ann");
    let mut old = chatd.program();
    let token = old.enter("bot", &["lobby"]);
    ann.expect_line("* bot joined (2 here)");
    let say = json!({"do": "say", "room": "lobby", "text": "x"}).to_string();
    // What waits behind its rate ends in a leave.
    let lines =
        format!("{say}\n{say}\n{say}\n{say}\n{say}\n{{\"do\":\"quit\",\"reason\":\"bye\"}}\n");
    old.send(lines.as_bytes());
    let mut new = chatd.program();
    ask_back(&mut new, "bot", &token, json!({"rooms": ["lobby"]}));
    expect_welcome(&mut new, "bot");
    assert_eq!(new.next()["is"], "entered");
    for _ in 0..5 {
        ann.expect_line("<bot> x");
    }
    ann.expect_line("* bot left (1 here): \"bye\"");
    ann.expect_line("* bot joined (2 here)");
    let heard = old.until_closed();
    let replaced = heard.iter().find(|line| line["code"] == "replaced");
    assert_eq!(replaced, None, "it had left by itself");
}

#[test]
fn of_many_who_come_back_with_one_token_one_stays() {
    const MANY: usize = 30;
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let mut old = chatd.program();
    let token = old.enter("bot", &["lobby"]);
    ann.expect_line("* bot joined (2 here)");
    let mut many: Vec<Program> = (0..MANY).map(|_| chatd.program()).collect();
    chatd.pass_accepting();
    chatd.signal(crate::common::Signal::STOP);
    for program in &mut many {
        program.ask(json!({"do": "enter", "name": "bot", "resume": token}));
    }
    chatd.signal(crate::common::Signal::CONT);
    let mut welcome = 0;
    for program in &mut many {
        program.expect(hello());
        let answer = program.next();
        if answer["is"] == "welcome" {
            welcome += 1;
        } else {
            assert_eq!(answer["code"], "name-in-use", "{answer}");
        }
    }
    // The token is good until who came back by it has said something: each takes the place of the one before.
    assert!(welcome > 0);
    old.expect_ended("replaced");
    assert_eq!(chatd.statistic("clients"), 2);
    ann.expect_silence_until_pong();
}

#[test]
fn an_old_connection_that_reads_nothing_any_more_is_taken_over_too() {
    let chatd = Daemon::start(&["--rate", "0", "--stall-timeout", "60", "--outbox-max", "8M"]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let mut old = Program::over(crate::common::Client::connect_narrow(chatd.address()));
    let token = old.enter("bot", &["lobby"]);
    let text = "x".repeat(4000);
    let start = Instant::now();
    while chatd.statistic("queued unique bytes") < 100_000 {
        assert!(start.elapsed() < crate::common::PATIENCE, "it is read");
        for _ in 0..20 {
            ann.say_in("lobby", &text);
        }
        ann.until_pong();
    }
    let mut new = chatd.program();
    ask_back(&mut new, "bot", &token, json!({}));
    expect_welcome(&mut new, "bot");
    expect_entered(&mut new, "lobby", 2);
    new.say_in("lobby", "back");
    ann.expect(json!({"is": "said", "room": "lobby", "from": "bot", "text": "back"}));
    // It still has all it was owed, and the reason behind that.
    let heard = old.until_closed();
    assert_eq!(heard.last().expect("a reason")["code"], "replaced");
}
