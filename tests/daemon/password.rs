//! A server with a password, in every language that comes in lines: who is asked for it, what is
//! refused, and that nothing shows what it is. Over HTTP it is in `password_web`.

use std::net::IpAddr;

use serde_json::json;

use super::files::Files;
use crate::common::{Client, Daemon, Program, Signal, TlsClient, chatd_command, hello, run_to_end};

const PASSWORD: &str = "open sesame";
const ASKED: &str = "* this server has a password: type it and press Enter";
const WRONG: &str = "! wrong-password that is not the password of this server";
const TOO_OFTEN: &str =
    "! wrong-password too many wrong passwords came from your address; try again in a minute";

/// A server whose password stands in a file with more than that.
pub(crate) fn start_with(name: &str, flags: &[&str]) -> (Files, Daemon) {
    let files = Files::new(name);
    let path = files.write("password", format!("{PASSWORD}\r\nnot this\n"));
    let chatd = Daemon::start(&[&["--password-file", &path], flags].concat());
    (files, chatd)
}

fn start(name: &str) -> (Files, Daemon) {
    start_with(name, &[])
}

/// The log never has the password, nor what was given for it.
#[track_caller]
pub(crate) fn expect_nothing_in_log(chatd: &Daemon, given: &[&str]) {
    let log = chatd.log_lines();
    for secret in given.iter().chain(&[PASSWORD]) {
        assert!(!log.iter().any(|line| line.contains(secret)), "{log:#?}");
    }
}

#[test]
fn a_person_is_asked_for_it_and_comes_in() {
    let (_files, chatd) = start("password-person");
    let mut ann = chatd.connect();
    ann.say("");
    ann.expect_line("* chatd: type your name and press Enter");
    ann.say(" ann ");
    ann.expect_line(ASKED);
    ann.say("  ");
    ann.expect_line(ASKED);
    ann.say("/help");
    let help = ann.next_lines(14);
    assert!(help.iter().all(|line| line.starts_with("= /")), "{help:?}");
    ann.say("sesame");
    ann.expect_line(WRONG);
    ann.say(PASSWORD);
    ann.expect_line("* welcome to lobby, ann (1 here: ann)");
    ann.expect_silence_until_pong();
    // A member is asked for nothing.
    ann.say("/join den");
    ann.expect_line("* welcome to den, ann (1 here: ann)");
    chatd.expect_log(&["wrong password from 127.0.0.1:"]);
    expect_nothing_in_log(&chatd, &["not this"]);
}

#[test]
fn all_at_once_and_byte_by_byte_is_the_same() {
    let (_files, chatd) = start("password-pieces");
    let mut ann = chatd.connect();
    ann.send(format!("ann\n{PASSWORD}\nhello\n/who\n").as_bytes());
    ann.expect_lines(&[
        ASKED,
        "* welcome to lobby, ann (1 here: ann)",
        "= 1 here: ann",
    ]);
    let mut ben = chatd.connect();
    for byte in format!("ben\r\n{PASSWORD}\r\n").as_bytes() {
        ben.send(&[*byte]);
    }
    ben.expect_lines(&[
        ASKED,
        "* welcome to lobby, ben (2 here: ann, ben)",
        "* last message, from MINUTE:",
        "<ann> hello",
        "* end of history",
    ]);
    ann.expect_line("* ben joined (2 here)");
    // The end of input behind it: all is said, then it leaves.
    let mut cron = chatd.connect();
    cron.send(format!("cron\n{PASSWORD}\nbackup done\n").as_bytes());
    cron.half_close();
    ben.expect_line("* cron joined (3 here)");
    ben.expect_line("<cron> backup done");
    ben.expect_line("* cron left (2 here)");
    // Nor is there another way through TLS.
    let mut sealed = TlsClient::connect(chatd.address());
    sealed.send(format!("sealed\n{PASSWORD}\n").as_bytes());
    sealed.expect_line(ASKED);
    sealed.expect_prefix("* welcome to lobby, sealed (3 here");
}

#[test]
fn who_is_outside_learns_nothing_of_who_is_inside() {
    let (_files, chatd) = start("password-outside");
    let mut ann = chatd.connect();
    ann.send(format!("ann\n{PASSWORD}\n").as_bytes());
    ann.expect_line(ASKED);
    ann.expect_welcome();
    let too_long = "x".repeat(600);
    for name in ["ann", "ANN", "admin", "/who", "a b", &too_long] {
        let mut other = chatd.connect();
        other.send(format!("{name}\n/quit\n").as_bytes());
        other.expect_line(ASKED);
        other.expect_closed();
    }
    // The name is looked at after it, and the next line is another name, without another password.
    let mut other = chatd.connect();
    other.send(format!("ann\n{PASSWORD}\n").as_bytes());
    other.expect_line(ASKED);
    other.expect_refusal("name-in-use");
    other.say(&too_long);
    other.expect_refusal("bad-name");
    other.say("ben");
    other.expect_welcome();
    ann.expect_line("* ben joined (2 here)");
    let mut third = chatd.connect();
    third.send(format!("{too_long}\n{PASSWORD}\n").as_bytes());
    third.expect_line(ASKED);
    third.expect_refusal("bad-name");
    ann.expect_silence_until_pong();
}

#[test]
fn the_third_wrong_one_ends_the_connection() {
    let (_files, chatd) = start("password-third");
    let mut eve = chatd.connect();
    eve.send(format!("eve\n1\n2\n3\n{PASSWORD}\n").as_bytes());
    eve.expect_lines(&[ASKED, WRONG, WRONG, WRONG]);
    chatd.expect_log_of_end(eve);
    chatd.expect_log(&["end without a name", "wrong passwords"]);
    // Hostile ones are wrong, and no more than that.
    let mut eve = chatd.connect();
    eve.say("eve");
    eve.expect_line(ASKED);
    eve.say(&"x".repeat(4096));
    eve.expect_line(WRONG);
    eve.say(&"x".repeat(4097));
    eve.expect_refusal("line-too-long");
    eve.send(format!("{PASSWORD}\0\n").as_bytes());
    eve.expect_line(WRONG);
    eve.send(b"\xff\xfe\n");
    eve.expect_line(WRONG);
    eve.expect_closed();
    expect_nothing_in_log(&chatd, &["xxx"]);
}

fn guess(mut client: Client, guess: &str) -> String {
    client.send(format!("eve\n{guess}\n").as_bytes());
    client.expect_line(ASKED);
    client.next_line()
}

#[test]
fn ten_a_minute_from_one_address_whatever_connections_they_come_by() {
    let (_files, chatd) = start("password-ten");
    let from = |last: u8| {
        let local = IpAddr::from([127, 0, 0, last]);
        Client::connect_from(local, chatd.address())
    };
    for number in 0..10 {
        assert_eq!(guess(from(7), &number.to_string()), WRONG);
    }
    chatd.expect_log(&["wrong password from 127.0.0.7:", "not listened to"]);
    // Unread, whether it is right or not, in whatever language.
    assert_eq!(guess(from(7), "wrong"), TOO_OFTEN);
    assert_eq!(guess(from(7), PASSWORD), TOO_OFTEN);
    let mut program = Program::over(from(7));
    program.ask(json!({"do": "enter", "name": "eve", "password": PASSWORD}));
    program.next();
    program.expect_refused("wrong-password");
    // So it is with the tries of one connection.
    let mut eve = from(7);
    eve.send(format!("eve\n1\n2\n{PASSWORD}\n").as_bytes());
    eve.expect_lines(&[ASKED, TOO_OFTEN, TOO_OFTEN]);
    eve.expect_refusal("wrong-password");
    eve.expect_closed();
    // Others come in.
    assert!(guess(from(8), PASSWORD).starts_with("* welcome to lobby, eve"));
}

#[test]
fn of_ipv6_a_network_is_one_address() {
    let (_files, chatd) = start_with("password-v6", &["--proxy-from", "127.0.0.1"]);
    let from = |address: &str| {
        let mut client = chatd.connect();
        client.send(format!("PROXY TCP6 {address} 2001:db8::1 40000 5001\r\n").as_bytes());
        client
    };
    for number in 0..10 {
        let address = format!("2001:db8:0:7::{number:x}");
        assert_eq!(guess(from(&address), "wrong"), WRONG);
    }
    assert_eq!(guess(from("2001:db8:0:7:ffff::1"), PASSWORD), TOO_OFTEN);
    let welcome = guess(from("2001:db8:0:8::1"), PASSWORD);
    assert!(welcome.starts_with("* welcome to lobby"), "{welcome}");
}

#[test]
fn a_program_gives_it_with_what_it_asks_for() {
    let (_files, chatd) = start("password-program");
    let mut greeting = hello();
    greeting["password"] = true.into();
    for mut program in [chatd.program(), chatd.websocket()] {
        program.ask(json!({"do": "ping", "ref": "1"}));
        program.expect_all(&[greeting.clone(), json!({"is": "pong", "ref": "1"})]);
        // None at all is no try.
        for line in [
            json!({"do": "enter", "name": "ann", "ref": "2"}),
            json!({"do": "enter", "name": "ann", "password": "", "ref": "2"}),
            json!({"do": "enter", "name": "ann", "resume": "0".repeat(64), "ref": "2"}),
            json!({"do": "post", "room": "lobby", "name": "ann", "text": "hi", "ref": "2"}),
        ] {
            program.ask(line);
            let refused = program.expect_refused("wrong-password");
            assert_eq!(refused["ref"], "2", "{refused}");
        }
        for line in [
            json!({"do": "rooms"}),
            json!({"do": "who", "room": "lobby"}),
            json!({"do": "say", "room": "lobby", "text": "hi"}),
            json!({"do": "history", "room": "lobby"}),
            json!({"do": "enter", "name": "ann", "password": 7}),
        ] {
            program.ask(line);
            program.expect_refused("bad-usage");
        }
        program.ask(json!({"do": "enter", "name": "ann", "password": "Open sesame"}));
        program.expect_refused("wrong-password");
        program.ask(json!({"do": "enter", "name": "admin", "password": PASSWORD}));
        program.expect_refused("bad-name");
        program.ask(json!({"do": "enter", "name": "ann", "password": PASSWORD, "ref": "3"}));
        program.expect(json!({"is": "welcome", "name": "ann", "ref": "3"}));
        assert_eq!(program.next()["is"], "entered");
        program.expect_past();
        program.ask(json!({"do": "rooms"}));
        assert_eq!(program.next()["is"], "rooms");
        // Who is inside has shown it.
        program.ask(json!({"do": "post", "room": "lobby", "name": "cron", "text": "hi"}));
        assert_eq!(program.next()["from"], "cron");
        assert_eq!(program.next()["is"], "done");
        program.ask(json!({"do": "quit"}));
        program.until_closed();
    }
    expect_nothing_in_log(&chatd, &["Open sesame"]);
}

#[test]
fn a_program_posts_with_it_and_has_three_tries() {
    let (_files, chatd) = start("password-post");
    let mut cron = chatd.program();
    let post = |password: &str| {
        json!({"do": "post", "room": "lobby", "name": "cron", "text": "done",
            "password": password})
    };
    cron.ask(post(PASSWORD));
    cron.next();
    assert_eq!(cron.next()["is"], "done");
    cron.ask(post("wrong"));
    cron.expect_refused("wrong-password");
    cron.ask(post(&"x".repeat(30_000)));
    cron.expect_refused("wrong-password");
    cron.ask(json!({"do": "enter", "name": "ann", "password": "\u{0}"}));
    cron.expect_ended("wrong-password");
}

#[test]
fn a_token_does_not_stand_for_it() {
    let (_files, chatd) = start("password-token");
    let mut ann = chatd.program();
    ann.ask(json!({"do": "enter", "name": "ann", "password": PASSWORD}));
    ann.next();
    let token = ann.next()["resume"].clone();
    let mut again = chatd.program();
    again.ask(json!({"do": "enter", "name": "ann", "resume": token}));
    again.next();
    again.expect_refused("wrong-password");
    again.ask(json!({"do": "enter", "name": "ann", "resume": token, "password": PASSWORD}));
    assert_eq!(again.next()["is"], "welcome");
    let rest = ann.until_closed();
    assert_eq!(rest.last().unwrap()["code"], "replaced", "{rest:?}");
}

#[test]
fn another_one_holds_from_the_signal_on_and_a_bad_file_changes_nothing() {
    let (files, chatd) = start("password-reload");
    let comes_in = |password: &str| {
        let mut client = chatd.connect();
        client.send(format!("ann\n{password}\n").as_bytes());
        client.expect_line(ASKED);
        client.next_line().starts_with("* welcome")
    };
    let mut inside = chatd.connect();
    inside.send(format!("inside\n{PASSWORD}\n").as_bytes());
    inside.expect_line(ASKED);
    inside.expect_welcome();
    files.write("password", "another");
    chatd.signal(Signal::HUP);
    let log = chatd.expect_log(&["password of ", "changed"]);
    assert!(!log.contains("another"), "{log}");
    assert!(comes_in("another") && !comes_in(PASSWORD));
    for (content, says) in [
        ("", "empty"),
        ("\nsecond line", "empty"),
        ("a\u{7}b", "bytes that nobody can type"),
        (&"x".repeat(129), "too long"),
    ] {
        files.write("password", content);
        chatd.signal(Signal::HUP);
        chatd.expect_log(&["the old password stays", says]);
        assert!(
            comes_in("another") && !comes_in(content.trim()),
            "{content:?}"
        );
    }
    std::fs::remove_file(files.path("password")).unwrap();
    chatd.signal(Signal::HUP);
    chatd.expect_log(&["the old password stays", "cannot read"]);
    assert!(comes_in("another"));
    inside.say("still here");
    assert!(
        inside
            .lines_until_pong()
            .iter()
            .all(|line| !line.starts_with('!'))
    );
    expect_nothing_in_log(&chatd, &["another"]);
}

#[test]
fn a_file_that_cannot_be_used_is_exit_78() {
    let files = Files::new("password-bad");
    let long = "x".repeat(129);
    let cases: [(&str, &[u8], &str); 8] = [
        ("empty", b"", "empty"),
        ("blank", b" \t \nsecret", "empty"),
        ("long", long.as_bytes(), "too long"),
        ("endless", &[b'x'; 100_000], "too long"),
        ("latin", b"caf\xe9\n", "bytes that nobody can type"),
        ("nul", b"se\0same", "bytes that nobody can type"),
        ("command", b"/Quit now", "is a command"),
        ("help", b"/help\n", "is a command"),
    ];
    for (name, content, says) in cases {
        let path = files.write(name, content);
        for more in [&["--listen", "127.0.0.1:0"][..], &["--check"]] {
            let flags = [&["--password-file", &path], more].concat();
            let ended = run_to_end(chatd_command(&flags));
            assert_eq!(ended.code, Some(78), "{name}: {ended:?}");
            assert!(ended.errors.contains(says), "{name}: {ended:?}");
            assert_eq!(ended.errors.lines().count(), 1, "{ended:?}");
            assert!(!ended.errors.contains("second"), "{ended:?}");
        }
    }
    for path in [files.path("none"), files.path("."), "/dev/zero".into()] {
        let ended = run_to_end(chatd_command(&["--check", "--password-file", &path]));
        assert_eq!(ended.code, Some(78), "{path}: {ended:?}");
        assert!(ended.errors.contains("cannot read"), "{ended:?}");
    }
    // The longest and the oddest that are good.
    for good in [
        "x".repeat(128),
        "/topic".into(),
        "\u{feff}sesame\r\n".into(),
        " ä\t".into(),
    ] {
        let path = files.write("good", &good);
        let ended = run_to_end(chatd_command(&["--check", "--password-file", &path]));
        assert_eq!(ended.code, Some(0), "{good:?}: {ended:?}");
        assert!(ended.output.contains(&format!("password-file = {path}")));
        assert!(!ended.output.contains(good.trim()), "{ended:?}");
    }
}
