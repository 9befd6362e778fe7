//! `chat-client` and a server with a password: where it takes it from, and that nobody sees it.

use std::fs;
use std::path::PathBuf;

use crate::client_support::{Client, Seated, command};
use crate::common::Daemon;
use crate::terminal_support::{Sitting, client, seat};

const PASSWORD: &str = "open sesame";

/// A server with a password, and the folder of its file.
struct Locked {
    chatd: Daemon,
    folder: PathBuf,
}

impl Locked {
    fn start(name: &str) -> Locked {
        let folder = std::env::temp_dir().join(format!("chat-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("password");
        fs::write(&path, format!("{PASSWORD}\n")).unwrap();
        let chatd = Daemon::start(&["--password-file", path.to_str().unwrap()]);
        Locked { chatd, folder }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn address(&self) -> String {
        self.chatd.address().to_string()
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_pipe_gives_it_from_a_file_or_the_environment() {
    let locked = Locked::start("pipe");
    let address = locked.address();
    let file = locked.file("mine", "open sesame\r\nmore\n");
    let mut ann = Client::start(&[&address, "ann", "--password-file", &file]);
    ann.shows("* welcome to lobby, ann (1 here: ann)\n");
    let mut ben = Client::spawn(command(&[&address, "ben"]).env("CHAT_PASSWORD", PASSWORD));
    ann.shows("* ben joined (2 here)\n");
    ben.ends_input();
    ben.wait().assert_left();
    for text in ["one", "two"] {
        let arguments = [&address, "cron", "--send", text, "--password-file", &file];
        let ended = Client::start(&arguments).wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ann.shows(&format!("<cron> {text}\n"));
    }
    ann.ends_input();
    ann.wait().assert_left();
}

#[test]
fn a_program_that_has_none_or_a_wrong_one_is_refused() {
    let locked = Locked::start("refused");
    let address = locked.address();
    let wrong = locked.file("wrong", "sesame");
    let empty = locked.file("empty", "\n");
    let none = locked.folder.join("none").to_str().unwrap().to_owned();
    let wrong = ["--password-file", &wrong];
    let cases: [(&[&str], i32, &str); 6] = [
        (&[], 77, "has a password: give it with --password-file"),
        (
            &["--send", "hi"],
            77,
            "has a password: give it with --password-file",
        ),
        (
            &wrong,
            77,
            "refused: that is not the password of this server",
        ),
        (&["--password-file", &empty], 2, "its first line is empty"),
        (&["--password-file", &none], 2, "cannot read"),
        (
            &["--send", "hi", "--password-file", wrong[1]],
            77,
            "that is not the password",
        ),
    ];
    for (arguments, code, says) in cases {
        let ended = Client::start(&[&[address.as_str(), "ann"], arguments].concat()).wait();
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {ended:?}");
        assert!(ended.errors.contains(says), "{arguments:?}: {ended:?}");
        assert!(!ended.errors.contains("sesame"), "{ended:?}");
    }
}

#[test]
fn at_a_seat_it_is_asked_and_not_shown() {
    let locked = Locked::start("seat");
    let mut ann = Sitting::start(seat(locked.chatd.address(), &[]));
    ann.sees_text("has a password: type it and press Enter");
    ann.sees_text("password>");
    ann.types("Open");
    ann.sees_text("password> ****");
    ann.types("\r");
    ann.sees_text("wrong-password that is not the password of this server");
    ann.types("\x1b[200~open sesame\x1b[201~");
    ann.sees_text("password> ***********");
    ann.types("\r");
    ann.sees_text("you are ann in lobby");
    // Nor does it come back with the lines that were typed before.
    ann.types("hello\r");
    ann.sees("what was said", |model| {
        model.rows().iter().any(|row| row.contains("<ann> hello"))
    });
    ann.types("\x1b[A\x1b[A\x1b[A");
    assert!(!ann.shows("esame") && !ann.shows("Open"));
    ann.types("\x03\x04");
    assert_eq!(ann.waits_and_finds_the_terminal_whole().code(), Some(0));
}

#[test]
fn it_is_asked_behind_the_name_and_can_be_left_there() {
    let locked = Locked::start("name");
    let address = locked.address();
    let mut ann = Sitting::start(client().args([address.as_str()]));
    ann.sees_text("your name>");
    ann.types("ann\r");
    ann.sees_text("password>");
    ann.types("\x04");
    assert_eq!(ann.waits_and_finds_the_terminal_whole().code(), Some(0));
}

#[test]
fn a_terminal_without_sequences_does_not_show_it_either() {
    let locked = Locked::start("dumb");
    let address = locked.address();
    let mut ann = Seated::start(command(&[&address, "ann"]).env("TERM", "dumb"));
    ann.complains("has a password: type it and press Enter");
    ann.types("open sesame\n");
    ann.complains("you are ann in lobby");
    ann.types("hello\nexit\n");
    let ended = ann.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(!ended.output.contains("sesame"), "{ended:?}");
    assert!(
        ended.output.contains("hello"),
        "what follows is seen: {ended:?}"
    );
}
