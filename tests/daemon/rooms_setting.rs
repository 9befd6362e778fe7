//! `--rooms`: only these exist, beside the lobby, and all the time; and topics that outlast the process.

use serde_json::json;

use super::files::Files;
use crate::common::{Daemon, chatd_command, run_to_end};

#[test]
fn only_these_rooms_exist_and_all_the_time() {
    let chatd = Daemon::start(&["--rooms", "ops,#Dev"]);
    let mut ann = chatd.join("ann");
    ann.say("/rooms");
    let rooms = ["= Dev 0", "= lobby 1", "= ops 0", "= end"];
    ann.expect_lines(&rooms);
    ann.say("/who ops");
    ann.expect_line("= 0 here");
    for other in ["den", "0ps", "dev2"] {
        ann.say(&format!("/join {other}"));
        ann.expect_refusal("no-such-room");
    }
    ann.say("/join a b");
    ann.expect_refusal("bad-usage");
    ann.say("/join dev");
    ann.expect_line("* welcome to Dev, ann (1 here: ann)");
    ann.say("/topic plans");
    ann.expect_line("* ann set the topic: \"plans\"");
    ann.say("hello");
    // Left by everybody, it is what it was.
    ann.say("/join lobby");
    ann.expect_line("* welcome to lobby, ann (1 here: ann)");
    ann.say("/rooms");
    ann.expect_lines(&rooms);
    ann.say("/join Dev");
    ann.expect_lines(&[
        "* welcome to Dev, ann (1 here: ann)",
        "* topic: \"plans\"",
        "* last message, from MINUTE:",
        "<ann> hello",
        "* end of history",
    ]);
    let mut program = chatd.program();
    program.ask(json!({"do": "enter", "name": "p", "rooms": ["den", "ops"], "ref": "1"}));
    program.next();
    assert_eq!(program.next()["is"], "welcome");
    let refused = program.expect_refused("no-such-room");
    assert_eq!(refused["ref"], "1", "{refused}");
    assert_eq!(program.next()["room"], "ops");
    program.expect_past();
    program.ask(json!({"do": "join", "room": "den"}));
    program.expect_refused("no-such-room");
    program.ask(json!({"do": "post", "room": "den", "name": "cron", "text": "hi"}));
    program.expect_refused("no-such-room");
    program.ask(json!({"do": "rooms"}));
    program.expect(json!({"is": "rooms", "more": 0, "rooms": [
        {"room": "Dev", "here": 1, "topic": "plans"},
        {"room": "lobby", "here": 0, "topic": ""},
        {"room": "ops", "here": 1, "topic": ""},
    ]}));
    assert_eq!(chatd.post("den?name=cron", "hi").status, 404);
    assert_eq!(chatd.post("DEV?name=cron", "hi").status, 201);
    assert_eq!(chatd.get("/rooms/den").status, 404);
    assert_eq!(chatd.get("/rooms/ops").status, 200);
    ann.expect_line("<cron> hi");
}

#[test]
fn a_topic_outlasts_the_process_and_rooms_that_are_not_named_stay_on_disk() {
    let files = Files::new("rooms-topic");
    let data = files.path("");
    let start = |rooms: &[&str]| Daemon::start(&[&["--data", &data], rooms].concat());
    let set = |chatd: &Daemon, room: &str| {
        let mut ann = chatd.join("ann");
        ann.lines_until_pong();
        ann.say(&format!("/join {room}"));
        ann.say(&format!("/topic of {room}"));
        ann.say("/quit");
        let lines = ann.lines_until_closed();
        let topic = format!("* ann set the topic: \"of {room}\"");
        assert!(lines.contains(&topic), "{lines:?}");
    };
    {
        let mut chatd = start(&[]);
        set(&chatd, "ops");
        set(&chatd, "den");
        chatd.signal(crate::common::Signal::TERM);
        chatd.expect_exit(crate::common::PATIENCE);
    }
    let chatd = start(&["--rooms", "ops,new"]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    ann.ask(json!({"do": "rooms"}));
    let topics = ["lobby", "new", "ops"].map(|room| {
        let topic = if room == "ops" { "of ops" } else { "" };
        json!({"room": room, "here": u8::from(room == "lobby"), "topic": topic})
    });
    ann.expect(json!({"is": "rooms", "rooms": topics, "more": 0}));
    ann.ask(json!({"do": "join", "room": "den"}));
    ann.expect_refused("no-such-room");
}

#[test]
fn names_that_are_none_or_cannot_be_told_apart_are_exit_78() {
    for (rooms, says) in [
        ("ops,admin", "\"admin\" is no name of a room"),
        ("a b", "\"a b\" is no name of a room"),
        ("ops,", "\"\" is no name of a room"),
        ("ops,OPS", "\"OPS\" stands there twice"),
        ("1obby", "looks like another room"),
    ] {
        let ended = run_to_end(chatd_command(&["--check", "--rooms", rooms]));
        assert_eq!(ended.code, Some(78), "{rooms}: {ended:?}");
        assert!(ended.errors.contains(says), "{rooms}: {ended:?}");
    }
    let flags = ["--check", "--rooms", "ops,lobby", "--rooms=dev"];
    let ended = run_to_end(chatd_command(&flags));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for room in ["ops", "lobby", "dev"] {
        assert!(
            ended.output.contains(&format!("rooms = {room}")),
            "{ended:?}"
        );
    }
}
