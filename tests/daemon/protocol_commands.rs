//! The commands, one after the other: what each answers, what it refuses, what the room sees.
//! `/msg` and `/echo` are in `protocol_talking`, `/quit` is in `protocol_leaving`.

use crate::common::Daemon;

#[test]
fn help_has_one_line_for_each_command() {
    const COMMANDS: [&str; 14] = [
        "/echo", "/help", "/history", "/join", "/me", "/msg", "/nick", "/ping", "/quit", "/rooms",
        "/say", "/search", "/topic", "/who",
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
    for line in ["/identify hunter2", "/kick ben", "/whoami", "/stats"] {
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
    for line in [
        "/join",
        "/nick",
        "/msg",
        "/msg ben",
        "/echo",
        "/echo maybe",
        "/me",
        "/say",
        "/search",
        "/history none",
        "/history 0",
        "/history 1 2",
        "/who lobby den",
    ] {
        ann.say(line);
        let refusal = ann.next_line();
        assert!(refusal.starts_with("! bad-usage "), "{line}: {refusal}");
    }
    ann.say("/who");
    ann.expect_line("= 2 here: ann, ben");
    ben.expect_silence_until_pong();
}

#[test]
fn commands_are_read_without_regard_to_case() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("/PING Up");
    ann.expect_line("= pong Up");
    ann.say("/Who");
    ann.expect_line("= 2 here: ann, ben");
    ann.say("/Msg ben psst");
    ann.expect_line("= sent to ben");
    ben.expect_line("-ann- psst");
    ann.say("/QUIT Bye");
    ben.expect_line("* ann left (1 here): \"Bye\"");
    // Before a name, too.
    let mut cyd = chatd.connect();
    cyd.say("/HELP");
    cyd.expect_prefix("= /help");
}

#[test]
fn a_hash_before_a_room_is_dropped() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("/join #den");
    ann.expect_line("* welcome to den, ann (1 here: ann)");
    ben.expect_line("* ann left (1 here)");
    ben.say("/who #den");
    ben.expect_line("= 1 here: ann");
    ann.say("/join #DEN");
    ann.expect_refusal("already-here");
    ann.say("/join ##den");
    ann.expect_refusal("bad-name");
}

#[test]
fn me_says_what_one_does_and_forges_nothing() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("/me waves to  ben ");
    ben.expect_line("<ann> /me waves to  ben");
    ann.say("/echo on");
    ann.expect_line("= echo on");
    ann.say("/me nods");
    ann.expect_line("<ann> /me nods");
    ben.expect_line("<ann> /me nods");
}

#[test]
fn say_says_it_whatever_it_starts_with() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for text in ["/quit", "//x", "/say it", "plain", "* ann left (1 here)"] {
        ann.say(&format!("/say {text}"));
        ben.expect_line(&format!("<ann> {text}"));
    }
    ann.expect_silence_until_pong();
}

#[test]
fn the_topic_is_shown_set_and_told_to_who_comes() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("/topic");
    ann.expect_line("= lobby has no topic");
    ann.say("/topic plans for  \"today\"");
    for client in [&mut ann, &mut ben] {
        client.expect_line("* ann set the topic: \"plans for  \"today\"\"");
    }
    ben.say("/topic");
    ben.expect_line("= topic: \"plans for  \"today\"\"");
    ben.say("hello");
    ann.expect_line("<ben> hello");
    let mut cyd = chatd.join("cyd");
    cyd.expect_lines(&[
        "* topic: \"plans for  \"today\"\"",
        "* last message, from MINUTE:",
        "<ben> hello",
        "* end of history",
    ]);
    // A topic is the room's, and goes with it.
    cyd.send(b"/join den\n/topic of the den\n/join lobby\n/join den\n/topic\n");
    cyd.expect_prefix("* welcome to den, cyd");
    cyd.expect_line("* cyd set the topic: \"of the den\"");
    cyd.expect_prefix("* welcome to lobby, cyd");
    cyd.expect_line("* topic: \"plans for  \"today\"\"");
    cyd.expect_prefix("* last message");
    cyd.expect_lines(&["<ben> hello", "* end of history"]);
    cyd.expect_prefix("* welcome to den, cyd");
    cyd.expect_line("= den has no topic");
}

#[test]
fn history_gives_the_last_messages_with_their_times() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("/history");
    ann.expect_line("= end");
    let said: String = (1..=30).map(|number| format!("line {number}\n")).collect();
    ann.send(said.as_bytes());
    ann.send(b"/me nods\n/msg ben not for the history\n");
    ann.expect_line("= sent to ben");
    ann.say("/history 2");
    ann.expect_lines(&["= SECOND <ann> line 30", "= SECOND <ann> /me nods", "= end"]);
    ben.lines_until_pong();
    ben.say("/history");
    for number in 12..=30 {
        ben.expect_line(&format!("= SECOND <ann> line {number}"));
    }
    ben.expect_lines(&["= SECOND <ann> /me nods", "= end"]);
    ben.say("/history 1000000");
    let lines = ben.lines_until_pong();
    assert_eq!(lines.len(), 32, "all there are, and the end");
    // Of this room alone.
    ben.send(b"/join den\n/history\n");
    ben.expect_lines(&["* welcome to den, ben (1 here: ben)", "= end"]);
}

#[test]
fn without_a_history_there_is_none_to_ask_for() {
    let chatd = Daemon::start(&["--history", "0"]);
    let mut ann = chatd.join("ann");
    ann.send(b"hello\n/history\n");
    ann.expect_refusal("no-history");
    // What is searched is the disk's.
    ann.say("/search hello");
    ann.expect_refusal("no-history");
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
fn a_look_alike_of_a_room_is_no_way_in_and_no_other_room() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("/join Ideas");
    ann.expect_line("* welcome to Ideas, ann (1 here: ann)");
    ben.expect_line("* ann left (1 here)");
    for alike in ["ldeas", "1deas", "1obby"] {
        ben.say(&format!("/join {alike}"));
        ben.expect_refusal("name-in-use");
        ben.say(&format!("/who {alike}"));
        ben.expect_refusal("no-such-room");
    }
    ben.say("/join IDEAS");
    ben.expect_line("* welcome to Ideas, ben (2 here: ann, ben)");
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
