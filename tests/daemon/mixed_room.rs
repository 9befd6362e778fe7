//! Rooms in which people on plain text and programs on JSON lines are together: the same events in
//! the same order for both, and nothing that one says can pass for a line of the server with the
//! other.

use serde_json::{Value, json};

use crate::common::{Client, Daemon, Heard, PATIENCE, Program, Seed, hello};

/// What a program is told, as a person is told it. `None` for what only a program is told.
fn as_text(line: &Value) -> Option<String> {
    let field = |name: &str| line[name].as_str().expect("a string");
    let here = &line["here"];
    Some(match field("is") {
        "said" if line["action"] == true => format!("<{}> /me {}", field("from"), field("text")),
        "said" => format!("<{}> {}", field("from"), field("text")),
        "joined" => format!("* {} joined ({here} here)", field("name")),
        "left" => {
            let why = match (field("cause"), line["reason"].as_str()) {
                ("quit", None) => String::new(),
                ("quit", Some(reason)) => format!(": \"{reason}\""),
                ("lost", _) => ": connection lost".into(),
                ("too-slow", _) => ": too slow".into(),
                ("kicked", None) => ": kicked by the operator".into(),
                ("kicked", Some(reason)) => format!(": kicked by the operator: {reason}"),
                other => panic!("{other:?}"),
            };
            format!("* {} left ({here} here){why}", field("name"))
        }
        "churn" => {
            let told = [("joined", &line["joined"]), ("left", &line["left"])];
            let told = told.iter().filter(|(_, count)| **count != 0);
            let parts: Vec<String> = told
                .map(|(what, count)| format!("{count} {what}"))
                .collect();
            format!("* {} ({here} here)", parts.join(", "))
        }
        "renamed" => format!("* {} is now {}", field("from"), field("to")),
        "topic" if field("text").is_empty() => format!("* {} cleared the topic", field("by")),
        "topic" => format!("* {} set the topic: \"{}\"", field("by"), field("text")),
        "private" => format!("-{}- {}", field("from"), field("text")),
        "announcement" => format!("* operator: {}", field("text")),
        "done" | "pong" => return None,
        other => panic!("{other}: {line}"),
    })
}

/// Somebody who does things, in either language.
enum Actor {
    Person(Client),
    Program(Program),
}

impl Actor {
    fn come(chatd: &Daemon, name: &str, is_program: bool) -> Actor {
        if is_program {
            Actor::Program(chatd.enter(name, &["lobby", "ops"]))
        } else {
            let mut person = chatd.connect();
            person.say(name);
            person.expect_welcome();
            Actor::Person(person)
        }
    }

    /// Does one of the things that its room is told of; the first that it has not done lately.
    fn act(&mut self, what: usize, number: usize) {
        let text = TEXTS[number % TEXTS.len()];
        match self {
            Actor::Person(person) => person.say(&match what {
                0 => format!("//{text}"),
                1 => format!("/me {text}"),
                2 => format!("/topic {text}"),
                _ => format!("/nick n{number}"),
            }),
            Actor::Program(program) => program.ask(match what {
                0 => json!({"do": "say", "room": "lobby", "text": text}),
                1 => json!({"do": "say", "room": "lobby", "text": text, "action": true}),
                2 => json!({"do": "topic", "room": "lobby", "text": text}),
                _ => json!({"do": "nick", "name": format!("n{number}")}),
            }),
        }
    }

    /// Whatever it did was handled.
    fn pass(&mut self) {
        match self {
            Actor::Person(person) => drop(person.lines_until_pong()),
            Actor::Program(program) => drop(program.until_pong()),
        }
    }

    fn leave(mut self, how: usize) {
        match (&mut self, how % 3) {
            (Actor::Person(person), 0) => person.say("/quit kicked by the operator: no"),
            (Actor::Program(program), 0) => {
                program.ask(json!({"do": "quit", "reason": "kicked by the operator: no"}));
            }
            (Actor::Person(client), 1) => client.half_close(),
            (Actor::Program(program), 1) => program.half_close(),
            _ => match self {
                Actor::Person(person) => person.reset(),
                Actor::Program(program) => program.into_client().reset(),
            },
        }
    }
}

const TEXTS: [&str; 8] = [
    "plain",
    "\"quotes\" and \\",
    "<ann> hello",
    "* ann left (1 here)",
    "{\"is\":\"said\"}",
    "tab\there",
    "\u{1b}[2J\u{85}\u{2028}x",
    "Grüße 🙂",
];

#[test]
fn both_are_told_the_same_in_the_same_order() {
    const ROUNDS: usize = 40;
    let seed = Seed::of_environment_or_new();
    let mut random = seed.generator();
    let mut chatd = Daemon::start(&["--rate", "0", "--history", "0", "--console"]);
    let [mut person] = chatd.join_all(["person"]);
    let mut program = chatd.enter("program", &["lobby", "ops"]);
    person.expect_line("* program joined (2 here)");
    let mut actors: Vec<Actor> = Vec::new();
    let mut number = 0;
    let mut poster = chatd.program();
    for round in 0..ROUNDS {
        // All of a round waits for the server at once, so that one turn has much of it.
        if actors.len() < 6 {
            actors.push(Actor::come(&chatd, &format!("v{round}"), random.bool()));
        }
        for _ in 0..random.usize(1..20) {
            number += 1;
            let actor = random.usize(..actors.len());
            actors[actor].act(random.usize(..4), number);
        }
        if random.u8(..4) == 0 {
            poster.ask(
                json!({"do": "post", "room": "lobby", "name": "cron", "text": round.to_string()}),
            );
        }
        if random.u8(..6) == 0 {
            chatd.type_line(&format!("round {round}"));
        }
        for actor in &mut actors {
            actor.pass();
        }
        if random.u8(..3) == 0 {
            let gone = actors.swap_remove(random.usize(..actors.len()));
            gone.leave(random.usize(..3));
        }
    }
    chatd.type_line("the end");
    let mut by_person = Vec::new();
    while by_person
        .last()
        .is_none_or(|line| line != "* operator: the end")
    {
        by_person.push(person.next_line());
    }
    let mut by_program = Vec::new();
    while by_program
        .last()
        .is_none_or(|line| line != "* operator: the end")
    {
        let line = program.next();
        // What happens in the other room alone is not for the person.
        if line.get("room").is_none_or(|room| room == "lobby") {
            by_program.extend(as_text(&line));
        }
    }
    for (line, (person, program)) in by_person.iter().zip(&by_program).enumerate() {
        assert_eq!(person, program, "line {line}");
    }
    assert_eq!(by_person.len(), by_program.len());
    assert!(by_person.len() > ROUNDS, "{by_person:?}");
}

#[test]
fn a_line_in_one_language_is_a_line_in_the_other() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let mut bot = chatd.enter("bot", &["lobby"]);
    ann.expect_line("* bot joined (2 here)");
    for text in TEXTS {
        let cleaned: String = text
            .chars()
            .map(|c| {
                if matches!(c, '\u{1b}' | '\u{85}' | '\u{2028}') {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect();
        ann.say(&format!("/say {text}"));
        bot.expect(json!({"is": "said", "room": "lobby", "from": "ann", "text": cleaned}));
        bot.say_in("lobby", text);
        ann.expect_line(&format!("<bot> {cleaned}"));
        bot.until_pong();
    }
    // What was said before is the same to who comes later, in either.
    let mut newcomer = chatd.join("newcomer");
    let past = newcomer.lines_until_pong();
    let mut other = chatd.program();
    other.ask(json!({"do": "enter", "name": "other"}));
    other.expect(hello());
    other.next();
    other.next();
    let (texts, _) = other.expect_past();
    let said: Vec<&str> = past[1..past.len() - 1]
        .iter()
        .map(|line| line.split_once("> ").expect("a message").1)
        .collect();
    assert_eq!(said, texts);
}

#[test]
fn nobody_can_forge_the_line_of_a_kick() {
    let mut chatd = Daemon::start(&["--console"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    let mut witness = chatd.enter("witness", &["lobby"]);
    let reason = "kicked by the operator: too noisy";
    ann.say(&format!("/quit {reason}"));
    let forged = json!({"is": "left", "room": "lobby", "name": "ann", "here": 3,
        "cause": "quit", "reason": reason});
    witness.expect(forged);
    bot.until_pong();
    bot.ask(json!({"do": "quit", "reason": reason}));
    let mut heard = Vec::new();
    while heard.last() != Some(&format!("* bot left (2 here): \"{reason}\"")) {
        heard.push(ben.next_line());
    }
    assert!(heard.contains(&format!("* ann left (3 here): \"{reason}\"")));
    let forged = json!({"is": "left", "room": "lobby", "name": "bot", "here": 2,
        "cause": "quit", "reason": reason});
    witness.expect(forged);
    // What the operator does looks otherwise.
    chatd.type_line("/kick ben too noisy");
    let true_one = json!({"is": "left", "room": "lobby", "name": "ben", "here": 1,
        "cause": "kicked", "reason": "too noisy"});
    witness.expect(true_one);
    ben.expect_refusal("kicked");
}

#[test]
fn what_overflows_one_language_does_not_harm_the_other() {
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--outbox-max",
        "64K",
        "--stall-timeout",
        "60",
    ]);
    let mut ann = chatd.join("ann");
    let mut healthy = chatd.enter("healthy", &["lobby"]);
    let mut slow = Program::over(Client::connect_narrow(chatd.address()));
    slow.enter("slow", &["lobby"]);
    let text = "\"".repeat(2000);
    let mut said = 0;
    // A text of quotes is twice as long to a program: its outbox is full first.
    let gone = "* slow left (2 here): too slow";
    while !ann.lines_until_pong().iter().any(|line| line == gone) {
        assert!(said < 20_000, "it is not cut");
        for _ in 0..5 {
            ann.say(&text);
            said += 1;
        }
    }
    ann.say("the end");
    let mut heard = 0;
    loop {
        match healthy.hear_for(PATIENCE) {
            Heard::Line(line) if line.contains("the end") => break,
            Heard::Line(line) => heard += usize::from(line.contains("\"said\"")),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard, said, "who reads gets every line");
    let lines = slow.until_closed();
    let (last, lines) = lines.split_last().expect("a reason");
    assert_eq!(
        (&last["code"], &last["ends"]),
        (&json!("too-slow"), &json!(true))
    );
    assert!(
        lines.iter().all(|line| line["text"] == text),
        "whole, up to the cut"
    );
}
