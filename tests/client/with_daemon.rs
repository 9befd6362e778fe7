//! `chat-client` against the real `chatd`: what the two say to each other when nobody scripts it.

use crate::client_support::Client;
use crate::common::Daemon;
use rustix::process::Signal;

fn start(chatd: &Daemon, name: &str, arguments: &[&str]) -> Client {
    let address = chatd.address().to_string();
    Client::start(&[&[address.as_str(), name], arguments].concat())
}

#[test]
fn one_message_is_sent_and_its_round_trip_printed() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    let ended = start(&chatd, "ann", &["--send", "backup is done"]).wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let figure = ended.output.strip_prefix("delivered in ").unwrap();
    assert!(figure.ends_with(" ms\n"), "{ended:?}");
    ben.expect_line("<ann> backup is done");
    ben.expect_silence_until_pong();
}

#[test]
fn a_file_of_messages_is_sent_in_order_though_the_rate_holds_it_back() {
    let chatd = Daemon::start(&["--rate", "100", "--burst", "10"]);
    let mut ben = chatd.join("ben");
    let mut poster = start(&chatd, "ann", &["--send", "-"]);
    for number in 0..60 {
        poster.types(&format!("line {number}\n"));
    }
    poster.ends_input();
    let ended = poster.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(ended.output.lines().count(), 60, "{ended:?}");
    for number in 0..60 {
        ben.expect_line(&format!("<ann> line {number}"));
    }
    ben.expect_silence_until_pong();
}

#[test]
fn two_pipes_talk_and_show_the_room_alone() {
    let chatd = Daemon::start(&[]);
    let mut ann = start(&chatd, "ann", &["--room", "den"]);
    ann.shows("* welcome to den, ann (1 here: ann)\n");
    let mut ben = start(&chatd, "ben", &["--room", "den", "--commands"]);
    ann.shows("* ben joined (2 here)\n");
    ann.types("hello ben\n");
    ben.shows("<ann> hello ben\n");
    ben.types("//who are you\n/who\n");
    ann.shows("<ben> /who are you\n");
    ben.shows("= 2 here: ann, ben\n");
    ben.ends_input();
    let ended = ben.wait();
    ended.assert_left();
    let room = "* welcome to den, ben (2 here: ann, ben)\n<ann> hello ben\n= 2 here: ann, ben\n";
    assert_eq!(ended.output, room, "nothing but the room, own lines not");
    ann.types("exit\n");
    ann.ends_input();
    let ended = ann.wait();
    ended.assert_left();
    assert!(ended.output.ends_with("* ben left (1 here)\n"), "{ended:?}");
}

#[test]
fn a_poster_whose_name_is_taken_has_the_next_one() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let ended = start(&chatd, "Ann", &["--send", "//as it is"]).wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    ann.expect_line("<Ann-2> //as it is");
    ann.expect_silence_until_pong();
}

#[test]
fn names_that_the_server_refuses_are_one_line_and_exit_77() {
    let chatd = Daemon::start(&[]);
    let _ann = chatd.join("ann");
    for (name, part) in [
        ("bad name", "bad-name"),
        ("Ann", "name-in-use"),
        ("root", "bad-name"),
    ] {
        start(&chatd, name, &[]).wait().assert_one_line(77, part);
    }
}

#[test]
fn a_full_server_is_one_line_and_exit_77() {
    let chatd = Daemon::start(&["--max-clients", "1"]);
    let _ann = chatd.join("ann");
    let ended = start(&chatd, "ben", &["--send", "hello"]).wait();
    ended.assert_one_line(77, "server-full");
}

#[test]
fn a_server_that_stops_ends_a_client_that_does_not_come_back() {
    let chatd = Daemon::start(&[]);
    let client = start(&chatd, "ann", &["--no-reconnect"]);
    client.shows("* welcome to lobby");
    chatd.signal(Signal::TERM);
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.is_plain(), "{ended:?}");
}

#[test]
fn what_is_typed_while_the_server_is_away_is_said_when_it_is_back() {
    let mut chatd = Daemon::start(&[]);
    let address = chatd.address().to_string();
    let mut client = start(&chatd, "ann", &["--room", "den"]);
    client.shows("* welcome to den");
    chatd.signal(Signal::TERM);
    chatd.expect_exit(crate::common::PATIENCE);
    client.types("are you there?\n");
    let again = Daemon::spawn(crate::common::chatd_command(&["--listen", &address]), 1);
    let mut ben = again.join("ben");
    ben.say("/join den");
    loop {
        let line = ben.next_line();
        if line == "<ann> are you there?" {
            break;
        }
        assert!(line.starts_with('*'), "{line}");
    }
    client.ends_input();
    assert_eq!(client.wait().status.code(), Some(0));
}

/// What the server says of its key when it starts, with the flag by which a client trusts it.
fn pinned(chatd: &Daemon) -> [String; 2] {
    let line = chatd.expect_log(&["public key SHA256:"]);
    let (_, key) = line.split_once("SHA256:").unwrap();
    let key = key.split([',', ' ']).next().unwrap();
    ["--tls-pin".to_owned(), format!("SHA256:{key}")]
}

#[test]
fn over_tls_the_conversation_is_the_same() {
    let chatd = Daemon::start(&["--rate", "100", "--burst", "10"]);
    let [flag, key] = pinned(&chatd);
    let mut ben = chatd.join("ben");
    let mut ann = start(&chatd, "ann", &[&flag, &key]);
    ben.expect_line("* ann joined (2 here)");
    ben.say("hello ann");
    ann.shows("<ben> hello ann\n");
    // More than the server takes at once: it holds us back.
    for number in 0..60 {
        ann.types(&format!("line {number}\n"));
    }
    ann.ends_input();
    for number in 0..60 {
        ben.expect_line(&format!("<ann> line {number}"));
    }
    ben.expect_line("* ann left (1 here)");
    let ended = ann.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let ended = start(&chatd, "cyd", &[&flag, &key, "--send", "backup is done"]).wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    ben.expect_line("<cyd> backup is done");
}

#[test]
fn a_server_without_tls_says_so() {
    let chatd = Daemon::start(&["--tls", "off"]);
    let ended = start(&chatd, "ann", &["--tls"]).wait();
    ended.assert_one_line(76, "does not speak TLS");
}
