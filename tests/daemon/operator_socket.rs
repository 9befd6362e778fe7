//! `--operator-socket`: who may come, how many, what becomes of a seat that does not read, and the
//! file itself. What the words do is in `operator_words`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::common::operator_seat::{OperatorSeat, SocketFolder};
use crate::common::process::processor_time;
use crate::common::{Daemon, Heard, PATIENCE, Signal, chatd_command, run_to_end};

#[test]
fn a_line_goes_in_and_answers_come_out() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let mut seat = folder.sit();
    seat.ask("/rooms", "= lobby 2");
    seat.expect("= end");
    seat.ask("good evening", "= said to 2");
    for member in [&mut ann, &mut ben] {
        member.expect_line("* operator: good evening");
    }
    seat.type_bytes(b"/who l");
    seat.type_bytes(b"obby\r\n");
    seat.expect_prefix("= lobby ann 127.0.0.1:");
    seat.expect_prefix("= lobby ben 127.0.0.1:");
    seat.expect("= 2 connected");
    // Nothing is typed twice, nothing is said to nobody.
    ann.expect_silence_until_pong();
    ben.expect_silence_until_pong();
}

#[test]
fn what_was_typed_before_the_end_is_done_and_answered_before_the_seat_is_empty() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let mut seat = folder.sit();
    seat.type_bytes("/rooms\nhello\n".repeat(100).as_bytes());
    seat.type_bytes(b"/who");
    seat.ends_input();
    for _ in 0..100 {
        seat.expect("= lobby 1");
        seat.expect("= end");
        seat.expect("= said to 1");
        ann.expect_line("* operator: hello");
    }
    seat.expect_prefix("= lobby ann ");
    seat.expect("= 1 connected");
    seat.expect_closed();
    chatd.expect_log(&["operator 1 has left"]);
}

#[test]
fn several_sit_there_at_once_and_one_too_many_is_told() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut seats: Vec<OperatorSeat> = (0..8).map(|_| folder.sit()).collect();
    for seat in &mut seats {
        seat.ask("/rooms", "= end");
    }
    let mut ninth = folder.sit();
    ninth.expect("! server-full 8 operators sit here already");
    ninth.expect_closed();
    drop(seats.remove(3));
    chatd.expect_log(&["operator 4 has left"]);
    let mut ninth = folder.sit();
    ninth.ask("/rooms", "= end");
    seats[0].ask("/rooms", "= end");
}

#[test]
fn messages_are_shown_only_to_who_watches() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let (mut watching, mut other) = (folder.sit(), folder.sit());
    ann.say("before");
    ann.expect_silence_until_pong();
    watching.ask("/watch on", "= watch on");
    ann.say("hello\u{1b}[2J");
    let line = watching.next_line().unwrap();
    assert!(line.ends_with(" lobby <ann> hello\u{fffd}[2J"), "{line}");
    watching.ask("/watch off", "= watch off");
    ann.say("after");
    ann.expect_silence_until_pong();
    watching.ask("/rooms", "= lobby 1");
    other.ask("/rooms", "= lobby 1");
}

#[test]
fn who_does_not_read_is_cut_and_nobody_waits() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&["--rate", "0"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let mut stopped = folder.sit();
    let mut reader = folder.sit();
    stopped.ask("/watch on", "= watch on");
    let text = "x".repeat(4_000);
    let log = || chatd.log_lines().join("\n");
    let mut said = 0;
    while !log().contains("operator 1 is cut: it did not read") {
        assert!(said < 3_000, "12 MB wait for it");
        ann.say(&text);
        ben.expect_line(&format!("<ann> {text}"));
        said += 1;
    }
    assert!(said > 1_000, "it was cut after {said} messages");
    reader.ask("/rooms", "= lobby 2");
}

#[test]
fn who_reads_its_answers_late_loses_none() {
    let folder = SocketFolder::new();
    let _chatd = folder.start(&[]);
    let mut seat = folder.sit();
    const ASKED: usize = 1_000;
    let writer = seat.stream.get_ref().try_clone().unwrap();
    let typing = std::thread::spawn(move || {
        let (mut writer, help) = (writer, b"/help\n".repeat(ASKED));
        std::io::Write::write_all(&mut writer, &help).unwrap();
    });
    // Far more than lies in the kernel and what may wait.
    for _ in 0..ASKED {
        while seat.next_line().unwrap() != "= end" {}
    }
    typing.join().unwrap();
    seat.ask("/rooms", "= end");
}

#[test]
fn an_input_without_end_takes_neither_processor_nor_memory() {
    const WINDOW: Duration = Duration::from_secs(1);
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let mut ann = chatd.join("ann");
    let mut seat = folder.sit();
    let mut writer = seat.stream.get_ref().try_clone().unwrap();
    let typing =
        std::thread::spawn(
            move || {
                while std::io::Write::write_all(&mut writer, &[b'x'; 4096]).is_ok() {}
            },
        );
    seat.expect("! line-too-long that line is too long, nothing of it was done");
    let before = processor_time(chatd.id());
    assert_eq!(ann.hear_for(WINDOW), Heard::Nothing);
    let took = processor_time(chatd.id()) - before;
    eprintln!("{took:?} of a processor in {WINDOW:?}");
    assert!(took < WINDOW / 5, "{took:?} of a processor in {WINDOW:?}");
    seat.stream
        .get_ref()
        .shutdown(std::net::Shutdown::Both)
        .unwrap();
    typing.join().unwrap();
    ann.expect_silence_until_pong();
}

// The file

#[test]
fn the_file_is_its_owners_alone_and_gone_after_a_clean_stop() {
    let folder = SocketFolder::new();
    let mut chatd = folder.start(&[]);
    let found = fs::symlink_metadata(folder.socket()).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    chatd.signal(Signal::TERM);
    assert_eq!(chatd.expect_exit(PATIENCE).code(), Some(0));
    assert!(!fs::exists(folder.socket()).unwrap());
}

#[test]
fn what_a_killed_server_left_is_replaced_and_a_living_one_is_not() {
    let folder = SocketFolder::new();
    let mut killed = folder.start(&[]);
    killed.signal(Signal::KILL);
    killed.expect_exit(PATIENCE);
    let left = fs::symlink_metadata(folder.socket()).unwrap().ino();
    let chatd = folder.start(&[]);
    folder.sit().ask("/rooms", "= end");
    let second = run_to_end(chatd_command(&[
        "--listen",
        "127.0.0.1:0",
        "--operator-socket",
        &folder.socket(),
    ]));
    assert_eq!(second.code, Some(69), "{second:?}");
    assert_eq!(second.errors.lines().count(), 1, "{second:?}");
    assert!(
        second.errors.contains("somebody listens there"),
        "{second:?}"
    );
    folder.sit().ask("/rooms", "= end");
    let now = fs::symlink_metadata(folder.socket()).unwrap().ino();
    eprintln!("{left} was replaced by {now}");
    drop(chatd);
}

#[test]
fn what_is_no_place_for_a_socket_is_one_clear_line() {
    let folder = SocketFolder::new();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("file"), "mine").unwrap();
    fs::create_dir(path("folder")).unwrap();
    std::os::unix::fs::symlink(path("nowhere"), path("link")).unwrap();
    let foreign = UnixListener::bind(path("foreign")).unwrap();
    for (name, code, words) in [
        (path("file"), 78, "another kind of file is there"),
        (path("folder"), 78, "a folder is there"),
        (path("link"), 78, "a link is there"),
        (path(&"x".repeat(108)), 78, "at most 107 bytes"),
        (path("no/such"), 69, "No such file"),
        (path("foreign"), 69, "somebody listens there"),
    ] {
        let flags = ["--listen", "127.0.0.1:0", "--operator-socket", &name];
        let ended = run_to_end(chatd_command(&flags));
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert_eq!(ended.errors.lines().count(), 1, "{ended:?}");
        assert!(ended.errors.contains(words), "{ended:?}");
        let checked = run_to_end(chatd_command(&[&flags[..], &["--check"]].concat()));
        let is_of_settings = code == 78;
        assert_eq!(checked.code, Some(if is_of_settings { 78 } else { 0 }));
    }
    assert_eq!(fs::read(path("file")).unwrap(), b"mine");
    drop(foreign);
}

#[test]
fn what_another_user_has_left_is_not_replaced() {
    let folder = SocketFolder::new();
    let left = folder.socket();
    drop(UnixListener::bind(&left).unwrap());
    if std::os::unix::fs::chown(&left, Some(65_534), None).is_err() {
        return eprintln!("left out: only root can give a file to another user");
    }
    let flags = ["--listen", "127.0.0.1:0", "--operator-socket", &left];
    let ended = run_to_end(chatd_command(&flags));
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let words = "the one that is there belongs to user 65534";
    assert!(ended.errors.contains(words), "{ended:?}");
    assert!(fs::symlink_metadata(&left).is_ok());
}

#[test]
fn a_service_manager_names_the_folder() {
    let folder = SocketFolder::new();
    let mut command = chatd_command(&["--listen", "127.0.0.1:0"]);
    command.env("RUNTIME_DIRECTORY", folder.path());
    let chatd = Daemon::spawn(command, 1);
    folder.sit().ask("/rooms", "= end");
    drop(chatd);
    let mut command = chatd_command(&["--check"]);
    command.env("RUNTIME_DIRECTORY", folder.path());
    let checked = run_to_end(command);
    let wanted = format!("operator-socket = {}", folder.socket());
    assert!(
        checked.output.lines().any(|line| line == wanted),
        "{checked:?}"
    );
    let without = run_to_end(chatd_command(&["--check"]));
    assert!(!without.output.contains("operator-socket"), "{without:?}");
}
