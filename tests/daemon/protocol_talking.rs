//! Talking: who hears a message, one's own lines, the one order, private messages, and that no
//! text can pass for a line of the server. Crowds are in `protocol_crowd`.

use crate::common::{Client, Daemon};

#[test]
fn everyone_else_in_the_room_gets_a_message() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    ann.say("hello there");
    ben.expect_line("<ann> hello there");
    cyd.expect_line("<ann> hello there");
    for client in [&mut ann, &mut ben, &mut cyd] {
        client.expect_silence_until_pong();
    }
}

#[test]
fn nobody_in_another_room_gets_it() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    cyd.say("/join den");
    cyd.expect_line("* welcome to den, cyd (1 here: cyd)");
    ann.expect_line("* cyd left (2 here)");
    ben.expect_line("* cyd left (2 here)");
    ann.say("hello there");
    ben.expect_line("<ann> hello there");
    cyd.expect_silence_until_pong();
    cyd.say("nobody here");
    cyd.expect_silence_until_pong();
    ann.expect_silence_until_pong();
    ben.expect_silence_until_pong();
}

#[test]
fn text_arrives_as_it_was_written() {
    const TEXTS: &[&str] = &[
        "two  blanks  within",
        " a blank before",
        " /quit",
        "a blank after ",
        "a\ttab",
        "Grüße, 你好, שלום, 👩‍👩‍👧 e\u{301}",
        "<ben> is this ben?",
        "%s %n {} \\n $(true) `true`",
        ":",
    ];
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for text in TEXTS {
        ann.say(text);
        ben.expect_line(&format!("<ann> {text}"));
    }
}

#[test]
fn no_text_can_pass_for_a_line_of_the_server() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for text in [
        "* ben left (1 here)",
        "= pong barrier-1",
        "! kicked",
        "-cyd- psst",
        "<cyd> hello",
    ] {
        ann.say(text);
        ben.expect_line(&format!("<ann> {text}"));
        ann.say(&format!("/msg ben {text}"));
        ann.expect_line("= sent to ben");
        ben.expect_line(&format!("-ann- {text}"));
    }
    ann.say("/quit ): * ben left");
    ben.expect_line("* ann left (1 here): \"): * ben left\"");
}

#[test]
fn a_slash_and_a_blank_is_a_message_like_any_other() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for text in ["/ quit", "/\tx", "/", "/ ", "/ /who"] {
        ann.say(text);
        ben.expect_line(&format!("<ann> {text}"));
    }
    ann.expect_silence_until_pong();
}

#[test]
fn a_reason_cannot_pass_for_that_of_a_kick() {
    let mut chatd = Daemon::start(&["--console"]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    ann.say("/quit kicked by the operator: too noisy");
    cyd.expect_line("* ann left (2 here): \"kicked by the operator: too noisy\"");
    chatd.type_line("/kick ben too noisy");
    let kicked = "* ben left (1 here): kicked by the operator: too noisy";
    assert_eq!(cyd.next_line(), kicked);
    ben.expect_line("* ann left (2 here): \"kicked by the operator: too noisy\"");
    ben.expect_refusal("kicked");
    // Nor can what looks like the end of the quotes.
    for reason in ["\"", "kicked\": kicked by the operator", ": too slow"] {
        let mut dan = chatd.join("dan");
        dan.say(&format!("/quit {reason}"));
        dan.expect_closed();
        cyd.expect_line("* dan joined (2 here)");
        cyd.expect_line(&format!("* dan left (1 here): \"{reason}\""));
    }
}

#[test]
fn a_private_message_never_goes_to_a_look_alike() {
    let chatd = Daemon::start(&[]);
    let [mut ian, mut lan_to_be] = chatd.join_all(["Ian", "ben"]);
    ian.say("/quit");
    ian.expect_closed();
    lan_to_be.expect_line("* Ian left (1 here)");
    lan_to_be.say("/nick lan");
    lan_to_be.expect_line("* ben is now lan");
    let mut cyd = chatd.join("cyd");
    lan_to_be.expect_line("* cyd joined (2 here)");
    // A capital i looks like a small l; whoever means the one who has gone reaches nobody.
    for name in ["Ian", "IAN", "ian", "1an"] {
        cyd.say(&format!("/msg {name} a secret"));
        cyd.expect_refusal("no-such-name");
    }
    cyd.say("/msg LAN hello");
    cyd.expect_line("= sent to lan");
    lan_to_be.expect_line("-cyd- hello");
    lan_to_be.expect_silence_until_pong();
    // But nobody can be called so beside it.
    let mut ian = chatd.connect();
    ian.say("Ian");
    ian.expect_refusal("name-in-use");
}

#[test]
fn two_slashes_send_one() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for (said, heard) in [
        ("//quit", "<ann> /quit"),
        ("//", "<ann> /"),
        ("///", "<ann> //"),
        ("// x", "<ann> / x"),
    ] {
        ann.say(said);
        ben.expect_line(heard);
    }
    ann.expect_silence_until_pong();
}

#[test]
fn with_echo_ones_own_lines_come_in_the_order_of_the_room() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.send(b"before\n/echo on\none\n/ping x\ntwo\n");
    ann.expect_lines(&["= echo on", "<ann> one", "= pong x", "<ann> two"]);
    ben.expect_lines(&["<ann> before", "<ann> one", "<ann> two"]);
    ben.say("three");
    ann.expect_line("<ben> three");
    ann.send(b"four\n/echo off\nfive\n");
    ann.expect_lines(&["<ann> four", "= echo off"]);
    ann.expect_silence_until_pong();
    ben.expect_lines(&["<ann> four", "<ann> five"]);
    ben.expect_silence_until_pong();
}

#[test]
fn echo_may_be_set_to_what_it_is() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    ann.send(b"/echo off\n/echo on\n/echo on\nx\n");
    ann.expect_lines(&["= echo off", "= echo on", "= echo on", "<ann> x"]);
    ann.expect_silence_until_pong();
}

#[test]
fn one_order_across_kinds() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    ann.send(
        b"one\n/msg ben two\nthree\n/who\n/nick anna\nfour\n/msg ben five\n/ping six\n/quit\n",
    );
    ben.expect_lines(&[
        "<ann> one",
        "-ann- two",
        "<ann> three",
        "* ann is now anna",
        "<anna> four",
        "-anna- five",
        "* anna left (2 here)",
    ]);
    cyd.expect_lines(&[
        "<ann> one",
        "<ann> three",
        "* ann is now anna",
        "<anna> four",
        "* anna left (2 here)",
    ]);
    ann.expect_lines(&[
        "= sent to ben",
        "= 3 here: ann, ben, cyd",
        "* ann is now anna",
        "= sent to ben",
        "= pong six",
    ]);
    ann.expect_closed();
}

#[test]
fn a_private_message_finds_its_reader_in_any_room() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    ben.say("/join den");
    ben.expect_line("* welcome to den, ben (1 here: ben)");
    ann.expect_line("* ben left (2 here)");
    cyd.expect_line("* ben left (2 here)");
    ann.say("/msg ben are you coming?");
    ann.expect_line("= sent to ben");
    ben.expect_line("-ann- are you coming?");
    ben.say("/msg ANN yes,  /soon");
    ben.expect_line("= sent to ann");
    ann.expect_line("-ben- yes,  /soon");
    for client in [&mut ann, &mut ben, &mut cyd] {
        client.expect_silence_until_pong();
    }
}

#[test]
fn a_private_message_to_oneself_is_allowed() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    ann.say("/msg ann remember");
    let mut lines = ann.next_lines(2);
    lines.sort();
    assert_eq!(lines, ["-ann- remember", "= sent to ann"]);
    ann.expect_silence_until_pong();
}

#[test]
fn a_private_message_to_nobody_is_refused() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let unnamed = chatd.connect();
    for name in ["cyd", "lobby", "server", "-", "be"] {
        ann.say(&format!("/msg {name} are you there?"));
        ann.expect_refusal("no-such-name");
    }
    ben.expect_silence_until_pong();
    drop(unnamed);
}

#[test]
fn a_private_message_for_one_who_left_reaches_no_look_alike() {
    let chatd = Daemon::start(&[]);
    let [mut ben, mut ian] = chatd.join_all(["ben", "Ian"]);
    ben.say("/msg IAN are you there?");
    ben.expect_line("= sent to Ian");
    ian.expect_line("-ben- are you there?");
    ian.say("/quit");
    ben.expect_line("* Ian left (1 here)");
    let mut lan = chatd.join("lan");
    ben.expect_line("* lan joined (2 here)");
    for name in ["Ian", "1an"] {
        ben.say(&format!("/msg {name} the secret"));
        ben.expect_refusal("no-such-name");
    }
    ben.say("/msg Lan hello");
    ben.expect_line("= sent to lan");
    lan.expect_line("-ben- hello");
    lan.expect_silence_until_pong();
}

#[test]
fn members_of_two_rooms_who_meet_agree_on_the_order() {
    let chatd = Daemon::start(&["--rate", "0", "--history", "0"]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    for client in [&mut ann, &mut ben, &mut cyd] {
        client.say("/echo on");
        client.expect_line("= echo on");
    }
    // All three write before anybody reads: whatever order the server chose, it chose one.
    for round in 0..50 {
        for client in [&mut ann, &mut ben, &mut cyd] {
            client.say(&format!("line {round}"));
        }
    }
    let seen: Vec<Vec<String>> = [&mut ann, &mut ben, &mut cyd]
        .map(|client: &mut Client| client.next_lines(150))
        .into();
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    for name in ["ann", "ben", "cyd"] {
        let of_name: Vec<_> = seen[0]
            .iter()
            .filter(|line| line.starts_with(&format!("<{name}>")))
            .cloned()
            .collect();
        let wanted: Vec<_> = (0..50)
            .map(|round| format!("<{name}> line {round}"))
            .collect();
        assert_eq!(of_name, wanted);
    }
}
