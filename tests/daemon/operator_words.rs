//! The operator's words, at a seat of the operator's socket: what each does to members, and what is
//! answered to missing, wrong, huge and hostile ones.

use serde_json::json;

use crate::common::operator_seat::SocketFolder;
use crate::common::{Client, Daemon, PATIENCE, chatd_command};

#[test]
fn one_room_hears_what_is_said_to_it_alone() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let mut bot = chatd.enter("bot", &["den"]);
    let mut seat = folder.sit();
    seat.ask("/say #DEN tea  is up", "= said to 1 in DEN");
    let heard = bot.next();
    assert_eq!(heard["is"], "announcement");
    assert_eq!(
        (&heard["room"], &heard["text"]),
        (&json!("den"), &json!("tea  is up"))
    );
    seat.ask("/say lobby /who", "= said to 1 in lobby");
    ann.expect_line("* operator: /who");
    seat.ask("/say nowhere hi", "! no-such-room there is no room nowhere");
    ann.expect_silence_until_pong();
}

#[test]
fn who_is_connected_is_shown_by_room_and_by_address() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let mut eve = Client::connect_from([127, 9, 0, 7].into(), chatd.address());
    eve.say("eve\n/join den\nbuy\nbuy");
    eve.expect_welcome();
    eve.lines_until_pong();
    ann.lines_until_pong();
    let mut seat = folder.sit();
    let mut rows = |line: &str, count: &str| -> Vec<String> {
        let mut lines = seat.lines_until(line, count);
        lines.pop();
        let words = lines.iter().map(|line| line.split(' ').nth(2));
        words.map(|name| name.unwrap_or("").to_owned()).collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(rows("/who", "= 2 connected"), ["eve", "ann"]);
    assert_eq!(rows("/who #DEN", "= 1 connected"), ["eve"]);
    for from in ["127.9.0.7", "127.9.9.9/16", "::ffff:127.9.0.7"] {
        assert_eq!(rows(&format!("/who {from}"), "= 1 connected"), ["eve"]);
    }
    assert_eq!(rows("/who 127.0.0.0/8", "= 2 connected"), ["eve", "ann"]);
    assert_eq!(rows("/who 10.0.0.0/8", "= 0 connected"), none);
    assert_eq!(rows("/who ::/0", "= 0 connected"), none);
    // Who talks more than the others shows: name, command, twice, and a ping.
    let row = &seat.lines_until("/who den", "= 1 connected")[0];
    assert!(row.ends_with(", queued 0 bytes, 5 lines"), "{row}");
}

#[test]
fn what_came_of_reading_files_again_is_answered() {
    let folder = SocketFolder::new();
    let (password, motd) = (folder.path().join("password"), folder.path().join("motd"));
    std::fs::write(&password, "secret\n").unwrap();
    std::fs::write(&motd, "Be kind.\n").unwrap();
    let flags = [
        "--password-file",
        password.to_str().unwrap(),
        "--motd-file",
        motd.to_str().unwrap(),
    ];
    let chatd = folder.start(&flags);
    let mut seat = folder.sit();
    let mut reload = || seat.lines_until("/reload", "= end");
    let good = [
        format!("= password of {}: as it was", password.display()),
        format!("= message of the day of {}: 1 line", motd.display()),
        "= end".to_owned(),
    ];
    assert_eq!(reload(), good);
    std::fs::write(&password, "other\n").unwrap();
    std::fs::remove_file(&motd).unwrap();
    let lines = reload();
    let changed = format!("= password of {}: changed", password.display());
    assert_eq!(lines[0], changed);
    let stays = "! bad-file the old message of the day stays: cannot read ";
    assert!(lines[1].starts_with(stays), "{lines:?}");
    chatd.expect_log(&["the old message of the day stays: cannot read "]);
}

#[test]
fn one_member_is_told_something_alone() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let mut seat = folder.sit();
    seat.ask("/msg ANN please  stop", "= sent to ann");
    ann.expect_line("-operator- please  stop");
    seat.ask("/msg cyd hi", "! no-such-name nobody here is called cyd");
    ben.expect_silence_until_pong();
}

#[test]
fn the_topic_of_a_room_is_set_by_the_operator() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let mut seat = folder.sit();
    seat.ask("/topic lobby  be \u{1b}kind ", "= topic of lobby is set");
    ann.expect_line("* operator set the topic: \"be \u{fffd}kind\"");
    let mut ben = chatd.join("ben");
    ben.expect_line("* topic: \"be \u{fffd}kind\"");
    let long = "x".repeat(301);
    seat.ask(
        &format!("/topic lobby {long}"),
        "! line-too-long a topic has at most 300 bytes",
    );
    seat.ask("/topic den x", "! no-such-room there is no room den");
}

#[test]
fn a_room_that_is_closed_sends_everybody_to_the_lobby_and_says_why() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let mut seat = folder.sit();
    let mut ben = chatd.join("ben");
    ann.expect_line("* ben joined (2 here)");
    ben.say("/join den");
    ann.expect_line("* ben left (1 here)");
    ben.expect_prefix("* welcome to den, ben (");
    let mut bot = chatd.enter("bot", &["den"]);
    ben.expect_line("* bot joined (2 here)");
    let mut both = chatd.enter("both", &["den", "ops"]);
    ben.expect_line("* both joined (3 here)");
    assert_eq!(bot.next()["is"], "joined");
    seat.ask("/close #den too late", "= closed den, 3 were in it");
    ben.expect_line("* ben left (0 here): the operator closed the room: too late");
    ben.expect_prefix("* welcome to lobby, ben (");
    let left = bot.next();
    assert_eq!(
        (&left["is"], &left["name"]),
        (&json!("left"), &json!("bot"))
    );
    assert_eq!(
        (&left["cause"], &left["reason"]),
        (&json!("kicked"), &json!("too late"))
    );
    let entered = bot.next();
    assert_eq!(
        (&entered["is"], &entered["room"]),
        (&json!("entered"), &json!("lobby"))
    );
    // Who is in another room stays there.
    let left = both.next();
    assert_eq!(
        (&left["is"], &left["room"]),
        (&json!("left"), &json!("den"))
    );
    seat.ask("/rooms", "= lobby 3");
    seat.expect("= ops 1");
    seat.expect("= end");
    // It is a room as any other to who comes again.
    ben.lines_until_pong();
    ben.say("/join den");
    ben.expect_prefix("* welcome to den, ben (1 here: ben)");
    seat.ask("/close den", "= closed den, 1 were in it");
    ben.expect_line("* ben left (0 here): the operator closed the room");
    ben.expect_prefix("* welcome to lobby, ben (");
    seat.ask("/close den", "! no-such-room there is no room den");
    seat.ask(
        "/close lobby",
        "! bad-usage the lobby is always there, and cannot be closed",
    );
    chatd.expect_log(&["close \"den\" with 3 by operator 1: \"too late\""]);
}

#[test]
fn a_crowded_room_is_closed_and_nobody_is_lost() {
    const CROWD: usize = 300;
    let folder = SocketFolder::new();
    let chatd = folder.start(&["--announce-max", "10"]);
    let mut crowd = chatd.crowd("member", CROWD);
    for member in &mut crowd {
        member.say("/join den");
    }
    for member in &mut crowd {
        while !member.next_line().starts_with("* welcome to den, ") {}
    }
    let mut seat = folder.sit();
    seat.ask("/close den", "= closed den, 300 were in it");
    for member in &mut crowd {
        while !member.next_line().starts_with("* welcome to lobby, ") {}
        member.lines_until_pong();
    }
    seat.ask("/rooms", "= lobby 300");
}

#[test]
fn what_was_said_is_shown_and_taken_back() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let mut bot = chatd.enter("bot", &["lobby"]);
    ann.say("one");
    ann.say("two");
    ann.lines_until_pong();
    let mut seat = folder.sit();
    let lines = seat.lines_until("/history lobby 999999", "= end");
    let [one, two, _] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(
        one.ends_with(" <ann> one") && two.ends_with(" <ann> two"),
        "{lines:?}"
    );
    let id = two.split(' ').nth(1).unwrap();
    assert_eq!([&bot.next()["text"], &bot.next()["text"]], ["one", "two"]);
    seat.ask(&format!("/forget {id}"), "= 1 message was forgotten");
    let forgotten = bot.next();
    assert_eq!(
        (&forgotten["is"], &forgotten["ids"]),
        (&json!("forgotten"), &json!([id]))
    );
    seat.ask("/forget ann", "= 1 message was forgotten");
    seat.ask("/forget ann", "! no-such-name nothing of that is known");
    seat.ask("/history lobby", "= end");
    seat.ask(
        "/history nowhere",
        "! no-such-room there is no room nowhere",
    );
}

#[test]
fn numbers_reload_help_and_the_end() {
    let folder = SocketFolder::new();
    let mut chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let mut seat = folder.sit();
    seat.type_line("/stats");
    seat.expect_prefix("= statistics: clients 1, rooms 1, ");
    let lines = seat.lines_until("/reload", "= end");
    assert!(
        lines[0].starts_with("= nothing to read: no certificate"),
        "{lines:?}"
    );
    chatd.expect_log(&["asked to reload"]);
    let help = seat.lines_until("/help", "= end");
    for word in [
        "/say ROOM TEXT",
        "/close ROOM [REASON]",
        "/watch on|off",
        "/reload",
    ] {
        assert!(
            help.iter().any(|line| line.contains(word)),
            "{word} in {help:?}"
        );
    }
    seat.ask("/quit", "= draining 1 clients");
    ann.expect_refusal("shutting-down");
    ann.expect_closed();
    seat.expect_closed();
    assert_eq!(chatd.expect_exit(PATIENCE).code(), Some(0));
}

#[test]
fn wrong_words_are_answered_with_one_clear_line_and_do_nothing() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let mut seat = folder.sit();
    let huge = "y".repeat(4_000);
    let excerpt = "y".repeat(40);
    let long_name = format!("! no-such-name nobody is called {excerpt}");
    let cases = [
        (
            "/nope",
            "! unknown-command there is no /nope; /help shows the commands, //text says /text",
        ),
        (
            "/who a b",
            "! bad-usage write it so: /who [ROOM|ADDRESS[/BITS]]",
        ),
        (
            "/who 10.0.0.0/33",
            "! no-such-room there is no room 10.0.0.0/33",
        ),
        ("/who nowhere", "! no-such-room there is no room nowhere"),
        ("/who !?", "! no-such-room there is no room !?"),
        ("/rooms all", "! bad-usage write it so: /rooms"),
        ("/say", "! bad-usage write it so: /say ROOM TEXT"),
        ("/say lobby", "! bad-usage write it so: /say ROOM TEXT"),
        ("/msg", "! bad-usage write it so: /msg NAME TEXT"),
        ("/msg ann", "! bad-usage write it so: /msg NAME TEXT"),
        ("/topic", "! bad-usage write it so: /topic ROOM TEXT"),
        ("/topic lobby", "! bad-usage write it so: /topic ROOM TEXT"),
        ("/kick", "! bad-usage write it so: /kick NAME [REASON]"),
        (
            "/kick a.b.c.d/99",
            "! no-such-name nobody is called a.b.c.d/99",
        ),
        (
            "/kick \u{1b}[2J",
            "! no-such-name nobody is called \u{fffd}[2J",
        ),
        ("/close", "! bad-usage write it so: /close ROOM [REASON]"),
        ("/close ", "! bad-usage write it so: /close ROOM [REASON]"),
        ("/history", "! bad-usage write it so: /history ROOM [N]"),
        (
            "/history lobby 0",
            "! bad-usage write it so: /history ROOM [N]",
        ),
        (
            "/history lobby -1",
            "! bad-usage write it so: /history ROOM [N]",
        ),
        (
            "/history lobby 1 2",
            "! bad-usage write it so: /history ROOM [N]",
        ),
        (
            "/history lobby 99999999999999999999",
            "! bad-usage write it so: /history ROOM [N]",
        ),
        ("/forget", "! bad-usage write it so: /forget ID|NAME"),
        ("/forget a b", "! bad-usage write it so: /forget ID|NAME"),
        ("/forget 1-1", "! no-such-name nothing of that is known"),
        ("/stats now", "! bad-usage write it so: /stats"),
        ("/reload now", "! bad-usage write it so: /reload"),
        ("/watch", "! bad-usage write it so: /watch on|off"),
        ("/watch maybe", "! bad-usage write it so: /watch on|off"),
        ("/quit now", "! bad-usage write it so: /quit"),
        (&format!("/kick {huge}"), &long_name),
        (
            &"z".repeat(4_097),
            "! line-too-long that line is too long, nothing of it was done",
        ),
    ];
    for (line, answer) in cases {
        seat.ask(line, answer);
    }
    seat.type_bytes(b"/kick \xff\xfe\n");
    seat.expect("! no-such-name nobody is called \u{fffd}\u{fffd}");
    seat.type_bytes(b"\n  \n\0\n");
    seat.expect("= said to 2");
    for member in [&mut ann, &mut ben] {
        member.expect_line("* operator: \u{fffd}");
        member.expect_silence_until_pong();
    }
}

#[test]
fn the_console_has_the_same_words() {
    let mut chatd = Daemon::spawn(chatd_command(&["--console", "--listen", "127.0.0.1:0"]), 1);
    let mut ann = chatd.join("ann");
    chatd.type_line("/say lobby hello");
    chatd.expect_output(&["= said to 1 in lobby"]);
    ann.expect_line("* operator: hello");
    chatd.type_line("/watch off");
    chatd.expect_output(&["! bad-usage the console always shows what is said"]);
    chatd.type_line("/close den");
    chatd.expect_output(&["! no-such-room there is no room den"]);
    ann.expect_silence_until_pong();
}
