//! The commands, one after the other: what each answers, what it refuses, what the room sees.
//! `/msg` and `/echo` are in `protocol_talking`, `/quit` is in `protocol_leaving`.

use crate::common::Daemon;

#[test]
fn help_has_one_line_for_each_command() {
    const COMMANDS: &[&str] = &[
        "/echo", "/help", "/join", "/msg", "/nick", "/ping", "/quit", "/rooms", "/who",
    ];
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    ann.say("/help");
    let lines = ann.lines_until_pong();
    let mut listed: Vec<&str> = lines
        .iter()
        .map(|line| line.strip_prefix("= ").expect("an answer"))
        .map(|line| line.split_whitespace().next().expect("a command"))
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, COMMANDS);
}

#[test]
fn an_unknown_command_is_refused_and_never_sent() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for line in ["/identify hunter2", "/kick ben", "/", "/whoami", "/stats"] {
        ann.say(line);
        let refusal = ann.expect_refusal("unknown-command");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
    ann.expect_silence_until_pong();
    ben.expect_silence_until_pong();
}

#[test]
fn bad_arguments_are_refused() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for line in ["/join", "/nick", "/msg", "/msg ben", "/echo", "/echo maybe"] {
        ann.say(line);
        let refusal = ann.next_line();
        assert!(refusal.starts_with("! bad-usage "), "{line}: {refusal}");
    }
    ann.say("/who");
    ann.expect_line("= 2 here: ann, ben");
    ben.expect_silence_until_pong();
}

#[test]
fn ping_gives_its_token_back() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    ann.say("/ping");
    ann.expect_line("= pong");
    ann.say("/ping 17-é");
    ann.expect_line("= pong 17-é");
}

#[test]
fn ping_is_a_barrier() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for round in 0..20 {
        ben.say("/echo on");
        ben.expect_line("= echo on");
        // Ann's line is handled before Ben's ping, because Ben has seen proof of it.
        ann.say(&format!("a {round}"));
        ben.expect_line(&format!("<ann> a {round}"));
        ben.send(format!("b {round}\n/ping {round}\n").as_bytes());
        ben.expect_lines(&[&format!("<ben> b {round}"), &format!("= pong {round}")]);
        assert_eq!(ann.lines_until_pong(), [format!("<ben> b {round}")]);
    }
}

#[test]
fn who_lists_this_room_or_that_one() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    ann.say("/who");
    ann.expect_line("= 3 here: ann, ben, cyd");
    cyd.say("/join den");
    cyd.expect_line("* welcome to den, cyd (1 here: cyd)");
    ann.expect_line("* cyd left (2 here)");
    ben.expect_line("* cyd left (2 here)");
    ann.say("/who");
    ann.expect_line("= 2 here: ann, ben");
    for room in ["den", "DEN"] {
        ann.say(&format!("/who {room}"));
        ann.expect_line("= 1 here: cyd");
    }
    cyd.say("/who lobby");
    cyd.expect_line("= 2 here: ann, ben");
    for room in ["attic", "ann", "-", "server"] {
        ann.say(&format!("/who {room}"));
        ann.expect_refusal("no-such-room");
    }
}

#[test]
fn rooms_lists_those_with_members_in_order() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    ann.say("/rooms");
    ann.expect_lines(&["= lobby 3", "= end"]);
    cyd.say("/join Zoo");
    cyd.expect_line("* welcome to Zoo, cyd (1 here: cyd)");
    ben.say("/join den");
    ben.expect_lines(&["* cyd left (2 here)", "* welcome to den, ben (1 here: ben)"]);
    cyd.say("/rooms");
    cyd.expect_lines(&["= den 1", "= lobby 1", "= Zoo 1", "= end"]);
    ann.expect_lines(&["* cyd left (2 here)", "* ben left (1 here)"]);
    ann.say("/join den");
    ann.expect_line("* welcome to den, ann (2 here: ann, ben)");
    ann.say("/rooms");
    ann.expect_lines(&["= den 2", "= Zoo 1", "= end"]);
}

#[test]
fn join_leaves_one_room_and_enters_the_other() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    ann.say("/join den");
    ann.expect_line("* welcome to den, ann (1 here: ann)");
    ben.expect_line("* ann left (2 here)");
    cyd.expect_line("* ann left (2 here)");
    // A room is known by its folded name.
    ben.say("/join DEN");
    ben.expect_line("* welcome to den, ben (2 here: ann, ben)");
    ann.expect_line("* ben joined (2 here)");
    cyd.expect_line("* ben left (1 here)");
    ben.say("/join lobby");
    ben.expect_line("* welcome to lobby, ben (2 here: ben, cyd)");
    ann.expect_line("* ben left (1 here)");
    cyd.expect_line("* ben joined (2 here)");
    for client in [&mut ann, &mut ben, &mut cyd] {
        client.expect_silence_until_pong();
    }
}

#[test]
fn join_of_the_room_one_is_in_changes_nothing() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for room in ["lobby", "LOBBY"] {
        ann.say(&format!("/join {room}"));
        ann.expect_refusal("already-here");
    }
    ann.say("/who");
    ann.expect_line("= 2 here: ann, ben");
    ben.expect_silence_until_pong();
}

#[test]
fn room_names_follow_the_rules_of_names() {
    const BAD: &[&str] = &[
        "-den",
        "a234567890123456789012345",
        "d@n",
        "\u{434}en",
        "d\u{200b}n",
        "server",
        "*",
    ];
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for room in BAD {
        ann.say(&format!("/join {room}"));
        let refusal = ann.next_line();
        assert!(refusal.starts_with("! bad-name "), "{room:?}: {refusal}");
    }
    ben.expect_silence_until_pong();
    // A room may be called like a member, and looks-alike rooms are one room.
    ann.say("/join ben");
    ann.expect_line("* welcome to ben, ann (1 here: ann)");
    ben.expect_line("* ann left (1 here)");
    ben.say("/join b\u{435}n");
    ben.expect_refusal("bad-name");
    ben.say("/join BEN");
    ben.expect_line("* welcome to ben, ben (2 here: ann, ben)");
}

#[test]
fn a_room_is_gone_when_it_is_empty() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.send(b"/join den\nsomething said here\n/join lobby\n/who den\n/rooms\n/join Den\n");
    ann.expect_lines(&[
        "* welcome to den, ann (1 here: ann)",
        "* welcome to lobby, ann (2 here: ann, ben)",
    ]);
    ann.expect_refusal("no-such-room");
    // Made anew, it is called as it is now called, and remembers nothing.
    ann.expect_lines(&["= lobby 2", "= end", "* welcome to Den, ann (1 here: ann)"]);
    ann.expect_silence_until_pong();
    ben.expect_lines(&[
        "* ann left (1 here)",
        "* ann joined (2 here)",
        "* ann left (1 here)",
    ]);
    ben.expect_silence_until_pong();
}

#[test]
fn nick_is_told_to_the_room_oneself_included() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    cyd.say("/join den");
    cyd.expect_line("* welcome to den, cyd (1 here: cyd)");
    ann.expect_line("* cyd left (2 here)");
    ben.expect_line("* cyd left (2 here)");
    ann.say("/nick zoe");
    ann.expect_line("* ann is now zoe");
    ben.expect_line("* ann is now zoe");
    cyd.expect_silence_until_pong();
    ann.say("hello");
    ben.expect_line("<zoe> hello");
    ben.say("/who");
    ben.expect_line("= 2 here: ben, zoe");
    ben.say("/msg ann hello");
    ben.expect_refusal("no-such-name");
    ben.say("/msg zoe hello");
    ben.expect_line("= sent to zoe");
    ann.expect_line("-ben- hello");
    // The old name is free at once.
    cyd.say("/nick ann");
    cyd.expect_line("* cyd is now ann");
    ann.expect_silence_until_pong();
}

#[test]
fn nick_refuses_what_joining_refuses() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for name in ["ben", "BEN"] {
        ann.say(&format!("/nick {name}"));
        ann.expect_refusal("name-in-use");
    }
    for name in [
        "-ann",
        "server",
        "a@b",
        "\u{430}nn",
        "a234567890123456789012345",
    ] {
        ann.say(&format!("/nick {name}"));
        ann.expect_refusal("bad-name");
    }
    ben.expect_silence_until_pong();
    ann.say("still ann");
    ben.expect_line("<ann> still ann");
}

#[test]
fn nick_to_ones_own_name_may_change_its_case() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("/nick ann");
    ann.expect_line("= you are ann already");
    ben.expect_silence_until_pong();
    ann.say("/nick ANN");
    ann.expect_line("* ann is now ANN");
    ben.expect_line("* ann is now ANN");
    ben.say("/who");
    ben.expect_line("= 2 here: ANN, ben");
    let mut cyd = chatd.connect();
    cyd.say("ann");
    cyd.expect_refusal("name-in-use");
}
