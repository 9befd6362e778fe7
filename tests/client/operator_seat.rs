//! `chat-client --operator`: the operator's seat at a terminal and as a pipe, against a real server.

use std::process::Command as Process;

use crate::client_support::{Client, run};
use crate::common::operator_seat::SocketFolder;
use crate::common::{PATIENCE, Signal};
use crate::terminal_support::{Sitting, client};

fn sitting(folder: &SocketFolder) -> Sitting {
    let sitting = Sitting::start(client().args(["--operator", &folder.socket()]));
    sitting.sees_draft("");
    sitting
}

#[test]
fn what_comes_in_does_not_tear_what_is_typed() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let mut sitting = sitting(&folder);
    sitting.types("/watch on\r");
    sitting.sees_text("= watch on");
    sitting.types("half a li");
    sitting.sees_draft("half a li");
    for number in 0..30 {
        ann.say(&format!("message {number}"));
    }
    sitting.sees_text("[lobby] <ann> message 29");
    sitting.sees_draft("half a li");
    sitting.types("ne\r");
    sitting.sees_text("= said to 1");
    ann.expect_line("* operator: half a line");
    sitting.types("/kick ben\r");
    sitting.sees_text("! no-such-name nobody is called ben");
    assert_eq!(sitting.model().attacks(), [""; 0]);
    sitting.types("\u{4}");
    assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(0));
    ann.expect_silence_until_pong();
}

#[test]
fn it_is_left_by_the_same_ways_and_the_server_goes_on() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    for way in ["exit\r", "end\r", "\u{3}", "\u{4}"] {
        let mut sitting = sitting(&folder);
        sitting.types(way);
        let status = sitting.waits_and_finds_the_terminal_whole();
        assert_eq!(status.code(), Some(0), "{way:?}");
        ann.expect_silence_until_pong();
    }
}

#[test]
fn only_a_second_quit_stops_the_server() {
    let folder = SocketFolder::new();
    let mut chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let mut sitting = sitting(&folder);
    sitting.types("/quit\r");
    sitting.sees_text("/quit stops the server for everybody");
    ann.expect_silence_until_pong();
    sitting.types("/rooms\r");
    sitting.sees_text("= lobby 1");
    sitting.types("/quit\r/quit\r");
    ann.expect_refusal("shutting-down");
    ann.expect_closed();
    assert_eq!(chatd.expect_exit(PATIENCE).code(), Some(0));
    assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(0));
}

#[test]
fn a_pipe_has_its_answers_and_its_verdict() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let mut pipe = Client::start(&["--operator", &folder.socket()]);
    pipe.types("hello\n/rooms");
    pipe.ends_input();
    let ended = pipe.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(ended.output, "= said to 1\n= lobby 1\n= end\n", "{ended:?}");
    ann.expect_line("* operator: hello");
    let mut pipe = Client::start(&["--operator", &folder.socket()]);
    pipe.types("/kick ben\n/rooms\n");
    pipe.ends_input();
    let ended = pipe.wait();
    assert_eq!(ended.status.code(), Some(77), "{ended:?}");
    assert_eq!(ended.output, "= lobby 1\n= end\n", "{ended:?}");
    assert!(
        ended.errors.contains("! no-such-name nobody is called ben"),
        "{ended:?}"
    );
}

#[test]
fn a_seat_whose_server_goes_ends_with_a_word() {
    let folder = SocketFolder::new();
    let mut chatd = folder.start(&[]);
    let mut sitting = sitting(&folder);
    chatd.signal(Signal::KILL);
    chatd.expect_exit(PATIENCE);
    assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(1));
    assert!(
        sitting.shows("the server has closed the seat"),
        "{}",
        sitting.screen()
    );
    let socket = folder.socket();
    run(&["--operator", &socket]).assert_one_line(69, "nobody listens there");
    run(&["--operator", "/nowhere/at/all"]).assert_one_line(69, "nothing is there");
    let both = Process::new(env!("CARGO_BIN_EXE_chat-client"))
        .args(["--operator", &socket, "--send", "x"])
        .output()
        .unwrap();
    assert_eq!(both.status.code(), Some(2), "{both:?}");
}
