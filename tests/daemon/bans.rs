//! Who is banned does not come in, whatever the door; who may be, until when, and how it is undone.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use serde_json::json;

use crate::common::http::{get, post};
use crate::common::{
    Client, Daemon, LONG_PATIENCE, PATIENCE, PROMPT, Pair, Program, ROOM_TO_TALK, chatd_command,
};

/// Connections of this machine say from where they come, but for those from other addresses of it.
const PROXIED: [&str; 3] = ["--console", "--proxy-from", "127.0.0.1"];

fn head_from(address: &str) -> String {
    let (family, to) = match address.contains(':') {
        true => ("TCP6", "2001:db8::1"),
        false => ("TCP4", "198.51.100.1"),
    };
    format!("PROXY {family} {address} {to} 40000 5001\r\n")
}

/// A connection from an address that a proxy has named, which has said this.
fn from(chatd: &Daemon, address: &str, says: &str) -> Client {
    let mut client = chatd.connect();
    client.send(format!("{}{says}", head_from(address)).as_bytes());
    client
}

/// A member from there, who has read its welcome.
#[track_caller]
fn member(chatd: &Daemon, address: &str, name: &str) -> Client {
    let mut client = from(chatd, address, &format!("{name}\n"));
    client.expect_prefix("* welcome to lobby, ");
    client
}

#[track_caller]
fn expect_banned(mut client: Client, line: &str) {
    client.expect_line(line);
    client.expect_closed();
}

/// From another address of this machine.
fn beside(chatd: &Daemon, last: u8) -> Client {
    let local = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    Client::connect_from(local, chatd.address())
}

#[test]
fn a_name_is_banned_with_its_address_until_it_is_lifted() {
    let mut chatd = Daemon::start(&PROXIED);
    let ann = member(&chatd, "192.0.2.7", "Ann");
    let mut ben = member(&chatd, "192.0.2.8", "ben");
    let mut eve = member(&chatd, "192.0.2.7", "eve");
    chatd.type_line("/ban ann for 1h too noisy");
    let said = chatd.expect_output(&["= banned "]);
    assert!(
        said.starts_with("= banned Ann and 192.0.2.7 until 20"),
        "{said}"
    );
    assert!(
        said.contains("Z, as number 1; 1 connection ended; 1 connection more"),
        "{said}"
    );
    assert!(said.contains("in memory alone"), "{said}");
    ann.lines_until_pong_or_end("! banned too noisy");
    ben.expect_line("* eve joined (3 here)");
    ben.expect_line("* Ann left (2 here): banned by the operator: too noisy");
    // What is said of the address is not meant for the others who come from it.
    eve.expect_prefix("* Ann left ");
    eve.expect_silence_until_pong();
    expect_banned(from(&chatd, "192.0.2.7", "zoe\n"), "! banned too noisy");
    for name in ["ANN", "Аnn"] {
        let mut other = from(&chatd, "192.0.2.9", &format!("{name}\n"));
        // The second mixes scripts.
        let line = other.next_line();
        assert!(
            line == "! banned too noisy" || line.starts_with("! bad-name "),
            "{line}"
        );
    }
    chatd.expect_log(&[
        "ban 1 of \"Ann\" and 192.0.2.7 by the console, until ",
        ": \"too noisy\"",
    ]);
    chatd.expect_log(&["1 connection refused as banned, the last from 192.0.2.7:40000"]);
    chatd.type_line("/bans");
    chatd.expect_output(&[
        "= 1 Ann and 192.0.2.7, until 20",
        "Z, by the console, too noisy",
    ]);
    chatd.type_line("/unban 2");
    chatd.expect_output(&["! no-such-ban there is no ban 2"]);
    chatd.type_line("/unban 1");
    chatd.expect_output(&["= ban 1 of Ann and 192.0.2.7 is lifted"]);
    chatd.expect_log(&["ban 1 of \"Ann\" and 192.0.2.7 lifted by the console"]);
    member(&chatd, "192.0.2.7", "ann");
}

trait EndWith {
    fn lines_until_pong_or_end(self, last: &str);
}

impl EndWith for Client {
    /// The last line of a connection that is closed behind it.
    #[track_caller]
    fn lines_until_pong_or_end(mut self, last: &str) {
        let lines = self.lines_until_closed();
        assert_eq!(lines.last().map(String::as_str), Some(last), "{lines:?}");
    }
}

#[test]
fn an_address_or_a_prefix_ends_all_who_come_from_there() {
    let mut chatd = Daemon::start(&PROXIED);
    let mut ben = member(&chatd, "198.51.100.8", "ben");
    for (number, (net, inside, outside)) in [
        ("192.0.2.0/24", "192.0.2.200", "192.0.3.1"),
        (
            "2001:db8:0:1::/64",
            "2001:db8:0:1:ffff::9",
            "2001:db8:0:2::9",
        ),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.8"),
    ]
    .into_iter()
    .enumerate()
    {
        let ann = member(&chatd, inside, "ann");
        let mut unnamed = from(&chatd, inside, "\n");
        unnamed.expect_line(PROMPT);
        let cyd = member(&chatd, outside, "cyd");
        chatd.type_line(&format!("/ban {net} number {number}"));
        let as_number = format!("as number {}; 2 connections ended", number + 1);
        chatd.expect_output(&["= banned ", &as_number]);
        let last = format!("! banned number {number}");
        ann.lines_until_pong_or_end(&last);
        unnamed.lines_until_pong_or_end(&last);
        expect_banned(from(&chatd, inside, "ann\n"), &last);
        let mut cyd = cyd;
        cyd.lines_until_pong();
        cyd.say("/quit");
        cyd.expect_closed();
    }
    assert!(!ben.lines_until_pong().is_empty());
    // An IPv6 address goes with all of its subscriber.
    let dan = member(&chatd, "2001:db8:0:7::1", "dan");
    chatd.type_line("/ban dan");
    chatd.expect_output(&[
        "= banned dan and 2001:db8:0:7::/64 for good, as number 4; 1 connection ended",
    ]);
    dan.lines_until_pong_or_end("! banned the operator has shut you out");
    expect_banned(
        from(&chatd, "2001:db8:0:7:9::9", "x\n"),
        "! banned the operator has shut you out",
    );
}

#[test]
fn what_would_shut_out_many_must_be_insisted_on() {
    let flags = [&PROXIED[..], &["--proxy-from", "10.9.0.1"]].concat();
    let mut chatd = Daemon::start(&flags);
    let mut ann = beside(&chatd, 2);
    ann.say("ann");
    ann.expect_welcome();
    let _ben = member(&chatd, "192.0.2.8", "ben");
    ann.expect_line("* ben joined (2 here)");
    for (words, why) in [
        ("0.0.0.0/0", "more than a /16; /ban! 0.0.0.0/0"),
        ("::/0", "more than a /32; /ban! ::/0"),
        ("127.0.0.0/8", "this machine itself; /ban! 127.0.0.0/8"),
        ("127.0.0.1", "this machine itself; /ban! 127.0.0.1"),
        ("::1", "this machine itself; /ban! ::1"),
        ("::ffff:127.0.0.1", "127.0.0.1: that is this machine itself"),
        (
            "10.9.0.0/16",
            "10.9.0.0/16: that is a proxy of --proxy-from 10.9.0.1/32",
        ),
        ("172.16.0.0/15", "172.16.0.0/15: that is more than a /16"),
        ("2001:db8::/31", "2001:db8::/31: that is more than a /32"),
        (
            "ann",
            "ann comes from 127.0.0.2, that is this machine itself; /ban! ann",
        ),
    ] {
        chatd.type_line(&format!("/ban {words} for 1h"));
        chatd.expect_output(&["! bad-usage ", why]);
    }
    chatd.type_line("/bans");
    chatd.expect_output(&["= end"]);
    ann.expect_silence_until_pong();
    // As it says.
    chatd.type_line("/kick ann");
    ann.expect_refusal("kicked");
    ann.expect_closed();
    chatd.type_line("/ban ann");
    chatd.expect_output(&["= banned ann for good, as number 1; 0 connections ended"]);
    let mut ann = beside(&chatd, 2);
    ann.say("ann");
    expect_banned(ann, "! banned the operator has shut you out");
    let mut cyd = beside(&chatd, 2);
    cyd.say("cyd");
    cyd.expect_welcome();
    chatd.type_line("/ban! cyd");
    chatd.expect_output(&["= banned cyd and 127.0.0.2 for good, as number 2; 1 connection ended"]);
    cyd.lines_until_pong_or_end("! banned the operator has shut you out");
    expect_banned(beside(&chatd, 2), "! banned the operator has shut you out");
    chatd.type_line("/ban! 0.0.0.0/0 for 1h all");
    chatd.expect_output(&[
        "= banned 0.0.0.0/0 until ",
        "as number 3; 1 connection ended",
    ]);
    expect_banned(beside(&chatd, 3), "! banned all");
}

#[test]
fn whatever_the_door_who_is_banned_reads_one_line_of_text() {
    let mut chatd = Daemon::start(&["--console"]);
    let mut program = Program::over(beside(&chatd, 2));
    program.enter("ann", &["lobby"]);
    let browser = beside(&chatd, 2).into_websocket(chatd.address());
    let mut browser = Program::over(browser);
    browser.enter("ben", &["lobby"]);
    let mut half = beside(&chatd, 2);
    half.send(b"GET / HTTP/1.1\r\nHost: loc");
    let mut half_post = beside(&chatd, 2);
    half_post.send(
        b"POST /rooms/lobby?name=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab",
    );
    // Both have come by the time this one is answered.
    let mut last = beside(&chatd, 2);
    last.say("/help");
    last.next_line();
    program.until_pong();
    chatd.type_line("/ban! 127.0.0.2 enough");
    chatd.expect_output(&["= banned 127.0.0.2 for good, as number 1; 5 connections ended"]);
    let told = json!({"is": "refused", "code": "banned", "text": "enough", "ends": true});
    let heard = program.until_closed();
    assert_eq!(heard.last(), Some(&told), "{heard:?}");
    let heard = browser.until_closed();
    assert_eq!(heard.last(), Some(&told), "{heard:?}");
    assert_eq!(browser.into_client().close_code(), Some(1008));
    // In the middle of a request a line of text would be a broken answer.
    assert_eq!(half.raw_until_closed(), b"");
    assert_eq!(half_post.raw_until_closed(), b"");
    for first in [
        "",
        "ann\n",
        "{\"do\":\"ping\"}\n",
        &get("/"),
        &get("/rooms/lobby"),
        &post("lobby?name=x", "hello"),
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03",
    ] {
        let mut client = beside(&chatd, 2);
        client.try_send(first.as_bytes());
        let told = client.raw_until_closed();
        assert_eq!(told, b"! banned enough\n", "{first:?}: {told:?}");
    }
}

#[test]
fn a_banned_name_is_refused_whoever_asks_for_it() {
    let mut chatd = Daemon::start(&["--console"]);
    chatd.type_line("/ban Ian no look-alikes");
    chatd.expect_output(&["= banned Ian for good, as number 1"]);
    let mut text = chatd.connect();
    text.say("lan");
    expect_banned(text, "! banned no look-alikes");
    let told = json!({"is": "refused", "code": "banned", "text": "no look-alikes", "ends": true});
    for line in [
        json!({"do": "enter", "name": "ian", "ref": "1"}),
        json!({"do": "post", "room": "lobby", "name": "IAN", "text": "x", "ref": "1"}),
    ] {
        let mut program = chatd.program();
        program.ask(line);
        let lines = program.until_closed();
        assert_eq!(lines.last(), Some(&told), "{lines:?}");
    }
    let answer = chatd.post("lobby?name=ian", "hello");
    assert_eq!(answer.status, 403);
    assert!(
        answer.body.starts_with("banned no look-alikes"),
        "{:?}",
        answer.body
    );
    // Who is here stays, under the name it has.
    let mut ben = chatd.join("ben");
    ben.say("/nick ian");
    ben.expect_refusal("bad-name");
    let mut cyd = chatd.enter("cyd", &["lobby"]);
    ben.expect_line("* cyd joined (2 here)");
    cyd.ask(json!({"do": "nick", "name": "lan"}));
    cyd.expect_refused("bad-name");
    ben.expect_silence_until_pong();
}

#[test]
fn a_ban_ends_by_itself() {
    let mut chatd = Daemon::start(&PROXIED);
    chatd.type_line("/ban 192.0.2.7 for 5s a moment");
    chatd.expect_output(&["= banned 192.0.2.7 until "]);
    expect_banned(from(&chatd, "192.0.2.7", "ann\n"), "! banned a moment");
    let start = Instant::now();
    loop {
        let line = from(&chatd, "192.0.2.7", "ann\n").next_line();
        if line.starts_with("* welcome") {
            break;
        }
        assert_eq!(line, "! banned a moment");
        assert!(start.elapsed() < LONG_PATIENCE, "it never ends");
    }
    chatd.type_line("/bans");
    chatd.expect_output(&["= end"]);
    assert!(
        !chatd
            .output_lines()
            .iter()
            .any(|line| line.starts_with("= 1 "))
    );
}

#[test]
fn words_that_are_wrong_ban_nobody() {
    let mut chatd = Daemon::start(&PROXIED);
    let _ann = member(&chatd, "192.0.2.7", "ann");
    let long_name = format!("/ban {}", "n".repeat(3000));
    let long_reason = format!("/ban ann {}", "r".repeat(301));
    for (line, answer) in [
        ("/ban", "! bad-usage write it so: /ban NAME"),
        ("/ban!", "! bad-usage write it so: /ban NAME"),
        ("/ban  ", "! bad-usage write it so: /ban NAME"),
        ("/ban ann for", "! bad-usage write it so: /ban NAME"),
        ("/ban ann for 0s", "! bad-usage write it so: /ban NAME"),
        ("/ban ann for 1hour", "! bad-usage write it so: /ban NAME"),
        (
            "/ban ann for 99999999999999999999d",
            "! bad-usage write it so: /ban NAME",
        ),
        ("/ban 10.0.0.0/33", "! bad-usage write it so: /ban NAME"),
        ("/ban 10.0.0.256", "! bad-name a name is not an IP address"),
        ("/ban \u{1b}[2J", "! bad-name "),
        ("/ban operator", "! bad-name this name is reserved"),
        (&long_name, "! bad-name a name has at most 24"),
        (
            &long_reason,
            "! line-too-long a reason has at most 300 bytes",
        ),
        ("/unban", "! bad-usage write it so: /unban N"),
        ("/unban ann", "! bad-usage write it so: /unban N"),
        ("/unban -1", "! bad-usage write it so: /unban N"),
        ("/unban 0", "! no-such-ban there is no ban 0"),
        (
            "/unban 4294967295",
            "! no-such-ban there is no ban 4294967295",
        ),
        ("/unban 4294967296", "! bad-usage write it so: /unban N"),
        ("/bans all", "! bad-usage write it so: /bans"),
    ] {
        let before = chatd.output_lines().len();
        chatd.type_line(line);
        chatd.type_line("/rooms");
        let mut answered = chatd.output_lines();
        let start = Instant::now();
        while answered[before..]
            .iter()
            .filter(|line| *line == "= end")
            .count()
            == 0
        {
            assert!(start.elapsed() < PATIENCE, "{line}: {answered:?}");
            std::thread::yield_now();
            answered = chatd.output_lines();
        }
        assert!(
            answered[before].starts_with(answer),
            "{line}: {:?}",
            answered[before]
        );
    }
    chatd.type_line("/ban ann \u{1b}[31mred\u{2028}\u{9b}");
    chatd.expect_output(&["= banned ann and 192.0.2.7"]);
    let told = from(&chatd, "192.0.2.7", "ann\n").next_line();
    assert_eq!(told, "! banned \u{fffd}[31mred\u{fffd}\u{fffd}");
}

#[test]
fn bans_and_mutes_outlive_a_kill() {
    let data = std::env::temp_dir().join(format!("chatd-bans-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    std::fs::create_dir_all(&data).unwrap();
    let start = || {
        let flags = ["--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
        let mut command = chatd_command(&[&PROXIED[..], &flags].concat());
        command
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("RUNTIME_DIRECTORY");
        Daemon::spawn(command, 1)
    };
    let mut chatd = start();
    let _ann = member(&chatd, "192.0.2.7", "ann");
    let _eve = member(&chatd, "192.0.2.66", "eve");
    for (line, answer) in [
        (
            "/ban ann for 1d too noisy",
            "= banned ann and 192.0.2.7 until ",
        ),
        (
            "/ban 198.51.100.0/24",
            "= banned 198.51.100.0/24 for good, as number 2",
        ),
        ("/ban ben for 1s", "= banned ben until "),
        ("/mute eve", "= muted eve and 192.0.2.66 for good"),
    ] {
        chatd.type_line(line);
        let said = chatd.expect_output(&[answer]);
        assert!(!said.contains("memory"), "{said}");
    }
    let restart = |chatd: &mut Daemon| {
        chatd.signal(crate::common::Signal::KILL);
        chatd.expect_exit(PATIENCE);
    };
    restart(&mut chatd);
    let mut chatd = start();
    chatd.expect_log(&["4 bans and mutes"]);
    expect_banned(from(&chatd, "192.0.2.7", "x\n"), "! banned too noisy");
    expect_banned(from(&chatd, "192.0.2.8", "ann\n"), "! banned too noisy");
    expect_banned(
        from(&chatd, "198.51.100.9", "x\n"),
        "! banned the operator has shut you out",
    );
    let mut eve = member(&chatd, "192.0.2.66", "zoe");
    eve.say("hello");
    eve.expect_refusal("muted");
    chatd.type_line("/bans");
    chatd.expect_output(&[
        "= 1 ann and 192.0.2.7, until 20",
        "by the console, too noisy",
    ]);
    chatd.expect_output(&["= 2 198.51.100.0/24, for good, by the console, no reason given"]);
    for (line, answer) in [
        ("/unban 2", "= ban 2 of 198.51.100.0/24 is lifted"),
        ("/unmute eve", "= the mute of eve and 192.0.2.66 is lifted"),
        ("/ban dan", "= banned dan for good, as number 4"),
    ] {
        chatd.type_line(line);
        chatd.expect_output(&[answer]);
    }
    restart(&mut chatd);
    let chatd = start();
    expect_banned(from(&chatd, "192.0.2.7", "x\n"), "! banned too noisy");
    let mut eve = member(&chatd, "192.0.2.66", "eve");
    eve.say("hello");
    eve.expect_silence_until_pong();
    member(&chatd, "198.51.100.9", "cyd");
    std::fs::remove_dir_all(data).unwrap();
}

#[test]
fn bans_max_bounds_them_and_many_are_found_as_one() {
    const BANS_MAX: usize = 10_000;
    let mut chatd = Daemon::start(&PROXIED);
    let mut ben = member(&chatd, "192.0.2.8", "ben");
    let line = |number: usize| format!("/ban 10.{}.{}.1 n{number}", number / 250, number % 250);
    for first in (0..BANS_MAX).step_by(500) {
        let lines: Vec<String> = (first..first + 500).map(line).collect();
        chatd.type_line(&lines.join("\n"));
        let last = format!("as number {}; ", first + 500);
        chatd.expect_output(&[&last]);
    }
    chatd.expect_output(&["= banned 10.39.249.1 for good, as number 10000; "]);
    chatd.type_line("/ban one-too-many");
    chatd.expect_output(&["! too-many there are 10000 bans already; lift one first"]);
    for number in [0, 4321, BANS_MAX - 1] {
        let address = format!("10.{}.{}.1", number / 250, number % 250);
        expect_banned(
            from(&chatd, &address, "x\n"),
            &format!("! banned n{number}"),
        );
    }
    member(&chatd, "10.0.0.2", "cyd");
    ben.expect_line("* cyd joined (2 here)");
    chatd.type_line("/bans");
    chatd.expect_output(&["= 10000 10.39.249.1, for good, by the console, n9999"]);
    let listed = |line: &&String| {
        line.ends_with(|c: char| c.is_ascii_digit()) && line.contains("by the console, n")
    };
    assert_eq!(chatd.output_lines().iter().filter(listed).count(), BANS_MAX);
    // The same again is no other; and where one was lifted, there is a place.
    chatd.type_line("/ban 10.0.0.1 for 1h again");
    chatd.expect_output(&["= banned 10.0.0.1 until ", "as number 1; "]);
    chatd.type_line("/unban 2");
    chatd.type_line("/ban one-more");
    chatd.expect_output(&["= banned one-more for good, as number 10001; "]);
    ben.lines_until_pong();
}

/// Somebody comes again and again from fifty addresses of one prefix, each of which is banned.
#[test]
fn a_flood_of_the_banned_harms_nobody_and_fills_no_log() {
    let mut chatd = Daemon::start(&[&ROOM_TO_TALK[..], &["--console"]].concat());
    let pair = Pair::start(&chatd);
    for last in 10..60 {
        chatd.type_line(&format!("/ban! 127.0.0.{last}"));
    }
    chatd.expect_output(&["= banned 127.0.0.59 for good, as number 50"]);
    pair.fault_begins();
    let start = Instant::now();
    for number in 0..2_000_u32 {
        let last = u8::try_from(10 + number % 50).unwrap();
        let mut client = beside(&chatd, last);
        let told = client.raw_until_closed();
        assert_eq!(
            told, b"! banned the operator has shut you out\n",
            "{number}"
        );
        assert!(start.elapsed() < LONG_PATIENCE);
    }
    pair.finish("BANS");
    let refused = chatd.statistics();
    assert!(refused.contains("banned 2000"), "{refused}");
    let lines = chatd.log_lines();
    let about = lines
        .iter()
        .filter(|line| line.contains("refused as banned"));
    assert!((1..8).contains(&about.count()), "{lines:?}");
    assert!(lines.len() < 120, "{} lines", lines.len());
}
