//! Joining: the prompt, the first line as a name, which names are good, whose name it is,
//! the welcome and its roster, and those who come with another protocol. How long one may take is in `protocol_limits`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::{Client, Daemon, ONLY_PEOPLE, PATIENCE, PROMPT};

#[test]
fn where_only_people_connect_a_silent_one_is_prompted_once() {
    let chatd = Daemon::start(ONLY_PEOPLE);
    let start = Instant::now();
    let mut ann = chatd.connect();
    ann.expect_line(PROMPT);
    assert!(
        start.elapsed() >= Duration::from_millis(300),
        "the prompt came early"
    );
    chatd.pass_prompt_time();
    ann.say("ann");
    ann.expect_line("* welcome to lobby, ann (1 here: ann)");
    ann.expect_silence_until_pong();
}

#[test]
fn who_speaks_at_once_never_sees_the_prompt() {
    let chatd = Daemon::start(ONLY_PEOPLE);
    let mut ann = chatd.connect();
    ann.say("ann");
    ann.expect_line("* welcome to lobby, ann (1 here: ann)");
    chatd.pass_prompt_time();
    ann.expect_silence_until_pong();
}

#[test]
fn the_others_see_who_joined() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let mut ben = chatd.connect();
    ben.say("ben");
    ben.expect_line("* welcome to lobby, ben (2 here: ann, ben)");
    ann.expect_line("* ben joined (2 here)");
    let mut cyd = chatd.connect();
    cyd.say("cyd");
    cyd.expect_line("* welcome to lobby, cyd (3 here: ann, ben, cyd)");
    for other in [&mut ann, &mut ben] {
        other.expect_line("* cyd joined (3 here)");
        other.expect_silence_until_pong();
    }
    cyd.expect_silence_until_pong();
}

#[test]
fn the_roster_is_in_the_order_of_folded_names() {
    let chatd = Daemon::start(&[]);
    let [_zoe, _ben, _ann] = chatd.join_all(["Zoe", "ben", "Ann"]);
    let mut cyd = chatd.connect();
    cyd.say("cyd");
    cyd.expect_line("* welcome to lobby, cyd (4 here: Ann, ben, cyd, Zoe)");
    cyd.say("/who");
    cyd.expect_line("= 4 here: Ann, ben, cyd, Zoe");
}

#[test]
fn a_roster_longer_than_20_is_cut_and_counted() {
    let chatd = Daemon::start(&[]);
    let names: Vec<String> = (1..=23).map(|number| format!("n{number:02}")).collect();
    let first_20 = names[..20].join(", ");
    let mut members = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let mut member = chatd.connect();
        member.say(name);
        let here = place + 1;
        let welcome = member.expect_prefix(&format!("* welcome to lobby, {name} ({here} here: "));
        if here <= 20 {
            let all = names[..here].join(", ");
            assert!(welcome.ends_with(&format!(": {all})")), "{welcome}");
        } else {
            assert!(welcome.contains(&format!(": {first_20}")), "{welcome}");
            // Set off from the last name, which could else be thought to end in it.
            let more = format!(", … and {} more)", here - 20);
            assert!(welcome.ends_with(&more), "{welcome}");
            assert!(!welcome.contains("n21,"), "{welcome}");
        }
        members.push(member);
    }
}

#[test]
fn help_and_quit_work_before_a_name() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.connect();
    ann.say("/help");
    ann.say("ann");
    let mut answers = 0;
    loop {
        let line = ann.next_line();
        if !line.starts_with("= ") {
            assert_eq!(line, "* welcome to lobby, ann (1 here: ann)");
            break;
        }
        answers += 1;
    }
    assert_eq!(answers, 14, "one line for each command");

    let mut ben = chatd.connect();
    ben.say("/quit");
    ben.expect_closed();
    ann.expect_silence_until_pong();
}

#[test]
fn other_commands_before_a_name_are_no_names() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.connect();
    for line in [
        "/who",
        "/ping x",
        "/join den",
        "/nick ann",
        "//ann",
        "/",
        "/x",
    ] {
        ann.say(line);
        ann.expect_refusal("bad-name");
    }
    ann.say("ann");
    ann.expect_line("* welcome to lobby, ann (1 here: ann)");
}

#[test]
fn who_only_presses_enter_is_told_what_to_do() {
    let chatd = Daemon::start(ONLY_PEOPLE);
    let mut ann = chatd.connect();
    for nothing in ["\n", "\r\n", " \t \n"] {
        ann.send(nothing.as_bytes());
        ann.expect_line(PROMPT);
    }
    // Having been told so, it is not told so by itself.
    chatd.pass_prompt_time();
    ann.send(b"ann\r\n");
    ann.expect_line("* welcome to lobby, ann (1 here: ann)");
    ann.expect_silence_until_pong();
}

#[test]
fn bad_names_are_refused_and_the_next_line_is_tried() {
    const BAD: &[&str] = &[
        // Length: 1 to 24 characters.
        "a234567890123456789012345",
        "жжжжжжжжжжжжжжжжжжжжжжжжж",
        // The first character: a letter or a digit.
        "-ann",
        "_ann",
        ".ann",
        "*",
        "!ann",
        "<ann>",
        "\u{301}ann",
        // Letters, digits, marks and `_ - .` only.
        "ann lee",
        "ann@home",
        "ann,ben",
        "ann:",
        "ann>",
        "ann(1",
        "ann\tlee",
        "ann\u{7}",
        "ann\u{1b}[31m",
        "ann\u{85}",
        "ann\u{2028}",
        "ann\u{a0}lee",
        "😀",
        "ann😀",
        // What cannot be seen.
        "an\u{200b}n",
        "an\u{200d}n",
        "an\u{feff}n",
        "\u{202e}nna",
        "an\u{ad}n",
        // Scripts mixed: a Cyrillic а, a Greek ο.
        "\u{430}nn",
        "ann\u{3bf}",
        // Reserved, however they are written.
        "server",
        "chatd",
        "operator",
        "admin",
        "root",
        "system",
        "everyone",
        "all",
        "here",
        "Server",
        "ROOT",
        "rOOt",
    ];
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut ann = chatd.connect();
    for name in BAD {
        ann.say(name);
        let refusal = ann.next_line();
        assert!(refusal.starts_with("! bad-name "), "{name:?}: {refusal}");
    }
    ann.send(b"ann\xff\n");
    ann.expect_refusal("bad-name");
    ann.say("ann");
    ann.expect_line("* welcome to lobby, ann (1 here: ann)");
}

#[test]
fn good_names_are_taken_as_they_are_written() {
    const GOOD: &[&str] = &[
        "a",
        "7up",
        "42",
        "Ann",
        "b_c-d.e",
        "b4567890123456789012345z",
        "жжжжжжжжжжжжжжжжжжжжжжжж",
        "Ольга",
        "José",
        "Zoë7",
        "李四",
        "אבי",
        "Ωλ",
        "ram.",
    ];
    let chatd = Daemon::start(&[]);
    for name in GOOD {
        let mut client = chatd.connect();
        client.say(name);
        client.expect_line(&format!("* welcome to lobby, {name} (1 here: {name})"));
        client.say("/quit");
        client.expect_closed();
    }
}

/// Gives the refusal of `second` while `first` is there.
fn refusal_beside(first: &str, second: &str) -> String {
    let chatd = Daemon::start(&[]);
    let _first = chatd.join(first);
    let mut client = chatd.connect();
    client.say(second);
    let refusal = client.next_line();
    client.say("someone.else");
    client.expect_prefix("* welcome to lobby, someone.else (2 here: ");
    refusal
}

#[test]
fn a_taken_name_is_refused_and_the_next_line_is_tried() {
    assert_eq!(
        refusal_beside("ann", "ann"),
        "! name-in-use ann is taken, choose another"
    );
}

#[test]
fn names_that_fold_or_look_the_same_are_one_name() {
    const SAME: &[(&str, &str)] = &[
        ("ann", "Ann"),
        ("ANN", "ann"),
        ("José", "JOSÉ"),
        ("José", "Jose\u{301}"),
        // Cyrillic look-alikes, all of one script.
        ("ace", "\u{430}\u{441}\u{435}"),
        ("\u{440}\u{430}\u{440}\u{430}", "papa"),
        // Greek capital letters.
        ("KAT", "\u{39a}\u{391}\u{3a4}"),
        // Within a script: one and l, rn and m.
        ("paul1", "paull"),
        ("com", "corn"),
    ];
    for (first, second) in SAME {
        let refusal = refusal_beside(first, second);
        assert!(
            refusal.starts_with("! name-in-use "),
            "{second:?} beside {first:?}: {refusal}"
        );
    }
}

#[test]
fn a_look_alike_of_a_reserved_name_is_refused() {
    let chatd = Daemon::start(&[]);
    let mut client = chatd.connect();
    for name in ["a11", "\u{430}ll", "\u{455}\u{435}rver"] {
        client.say(name);
        let refusal = client.next_line();
        assert!(refusal.starts_with("! bad-name "), "{name:?}: {refusal}");
    }
}

#[test]
fn a_name_is_free_again_when_its_owner_has_left() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("/quit");
    ann.expect_closed();
    ben.expect_line("* ann left (1 here)");
    let mut cyd = chatd.connect();
    cyd.say("Ann");
    cyd.expect_line("* welcome to lobby, Ann (2 here: Ann, ben)");
}

#[test]
fn of_many_who_ask_for_one_name_exactly_one_gets_it() {
    const MANY: usize = 200;
    let chatd = Daemon::start(&[]);
    let mut clients: Vec<Client> = (0..MANY).map(|_| chatd.connect()).collect();
    for client in &mut clients {
        client.say("ann");
    }
    let mut winners = Vec::new();
    for (number, client) in clients.iter_mut().enumerate() {
        let line = client.next_line();
        if line.starts_with("* welcome") {
            winners.push(number);
        } else {
            assert_eq!(line, "! name-in-use ann is taken, choose another");
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?} all became ann");
    let mut winner = clients.swap_remove(winners[0]);
    winner.say("/quit");
    winner.expect_closed();
    let next = &mut clients[0];
    next.say("ann");
    next.expect_line("* welcome to lobby, ann (1 here: ann)");
}

#[test]
fn who_speaks_another_protocol_is_told_plainly() {
    let chatd = Daemon::start(ONLY_PEOPLE);
    let mut ann = chatd.join("ann");
    let greetings: [&[u8]; 2] = [b"SSH-2.0-OpenSSH_9.9\r\n", b"\x16\x03\x01\x02\x00\x01\0\n"];
    for greeting in greetings {
        let mut client = chatd.connect();
        client.send(greeting);
        client.expect_refusal("wrong-protocol");
        client.expect_closed();
    }
    let mut browser = TcpStream::connect(chatd.address()).expect("connecting");
    browser
        .set_read_timeout(Some(PATIENCE))
        .expect("a deadline");
    browser
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nhello\n")
        .expect("sending");
    let mut page = String::new();
    browser.read_to_string(&mut page).expect("an answer");
    assert!(page.starts_with("HTTP/1.1 400 "), "{page}");
    assert!(page.contains("! wrong-protocol "), "{page}");
    ann.expect_silence_until_pong();
}
