//! `chat-client` comes back to a real `chatd` that has died and keeps its history on disk: what was
//! said is shown once to everybody, in order, however much of it there is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::client_support::{Client, Ended};
use crate::common::{Daemon, PATIENCE, chatd_command};
use rustix::process::Signal;

/// Where a server keeps what was said, and its journal; gone with the test.
struct Folders {
    data: PathBuf,
    journal: PathBuf,
}

impl Folders {
    fn new(test: &str) -> Folders {
        let name = format!("chatd-coming-back-{test}-{}", std::process::id());
        let memory = Path::new("/dev/shm");
        let temporary = std::env::temp_dir();
        let memory = if memory.is_dir() { memory } else { &temporary };
        let folders = Folders {
            data: temporary.join(format!("{name}-data")),
            journal: memory.join(format!("{name}-journal")),
        };
        for folder in [&folders.data, &folders.journal] {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder).unwrap();
        }
        folders
    }

    /// A server over these, with a memory that is shorter than any absence here. It takes a few
    /// hundred lines a second, so that nobody is away for more than are shown.
    fn start(&self, address: &str) -> Daemon {
        let mut command = chatd_command(&["--history", "20", "--rate", "300", "--byte-rate", "0"]);
        command.args(["--listen", address, "--tls", "off", "--data"]);
        command
            .arg(&self.data)
            .env("XDG_RUNTIME_DIR", &self.journal)
            .env_remove("RUNTIME_DIRECTORY");
        Daemon::spawn(command, 1)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in [&self.data, &self.journal] {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn kill(mut chatd: Daemon) {
    chatd.signal(Signal::KILL);
    chatd.expect_exit(PATIENCE);
}

fn numbered(word: &str, count: usize) -> String {
    (0..count)
        .map(|number| format!("{word} {number}\n"))
        .collect()
}

/// Everything that this one said was shown, in order, once, and nothing is in doubt.
#[track_caller]
fn assert_shown(ended: &Ended, from: &str, word: &str, count: usize) {
    let start = format!("<{from}> ");
    let shown = ended
        .output
        .lines()
        .filter_map(|line| line.strip_prefix(&start));
    let shown: Vec<&str> = shown.collect();
    let wanted = numbered(word, count);
    let wanted: Vec<&str> = wanted.lines().collect();
    let differs = shown
        .iter()
        .zip(&wanted)
        .position(|(shown, said)| shown != said);
    assert_eq!(shown, wanted, "they differ first at {differs:?}\n{ended:?}");
    for part in ["missed", "left out", "perhaps", "not delivered", "not sent"] {
        let said = [&ended.output, &ended.errors];
        assert!(
            !said.iter().any(|said| said.contains(part)),
            "{part}: {ended:?}"
        );
    }
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn a_server_killed_again_and_again_loses_and_doubles_nothing() {
    const LINES: usize = 2_000;
    let folders = Folders::new("killed");
    let mut chatd = folders.start("127.0.0.1:0");
    let address = chatd.address().to_string();
    let mut ann = Client::start(&[&address, "ann"]);
    ann.shows("* welcome to lobby");
    let mut ben = Client::start(&[&address, "ben"]);
    ann.shows("* ben joined");
    ann.types(&numbered("a", LINES));
    ben.types(&numbered("b", LINES));
    for number in [200, 650, 1_300] {
        ann.shows(&format!("<ben> b {number}\n"));
        kill(chatd);
        chatd = folders.start(&address);
    }
    let last = LINES - 1;
    ann.shows(&format!("<ben> b {last}\n"));
    ben.shows(&format!("<ann> a {last}\n"));
    ann.ends_input();
    ben.ends_input();
    assert_shown(&ann.wait(), "ben", "b", LINES);
    assert_shown(&ben.wait(), "ann", "a", LINES);
}

#[test]
fn what_was_said_in_other_lives_of_the_server_is_shown_where_it_belongs() {
    const LINES: usize = 2_500;
    let folders = Folders::new("lives");
    let chatd = folders.start("127.0.0.1:0");
    let address = chatd.address().to_string();
    let mut ann = Client::start(&[&address, "ann"]);
    ann.shows("* welcome to lobby");
    kill(chatd);
    ann.complains("trying again in");
    ann.types("said by ann\n");
    let elsewhere = folders.start("127.0.0.1:0");
    let mut ben = Client::start(&[&elsewhere.address().to_string(), "ben"]);
    ben.types(&numbered("b", LINES));
    ben.ends_input();
    assert_eq!(ben.wait().status.code(), Some(0));
    kill(elsewhere);
    let chatd = folders.start(&address);
    let mut cyd = chatd.join("cyd");
    loop {
        let line = cyd.next_line();
        if line == "<ann> said by ann" {
            break;
        }
        let is_expected = line.starts_with("* ") || line.contains("<ben> b ");
        assert!(is_expected, "{line}");
    }
    cyd.say("live");
    ann.shows("<cyd> live\n");
    ann.ends_input();
    let ended = ann.wait();
    assert_shown(&ended, "ben", "b", LINES);
    let heading = ended
        .output
        .find("messages while you were away\n<ben> b 0\n");
    let live = ended.output.find("<cyd> live");
    assert!(heading.is_some() && heading < live, "{ended:?}");
}

#[test]
fn in_several_rooms_nothing_is_missed_and_nothing_doubled() {
    const LINES: usize = 400;
    let folders = Folders::new("rooms");
    let mut chatd = folders.start("127.0.0.1:0");
    let address = chatd.address().to_string();
    let mut ann = Client::start(&[&address, "ann", "--room", "lobby", "--room", "dev"]);
    ann.shows("* welcome to lobby");
    ann.shows("[dev] * welcome to dev");
    let mut ben = Client::start(&[&address, "ben"]);
    let mut cyd = Client::start(&[&address, "cyd", "--room", "dev"]);
    ann.shows("* ben joined");
    ann.shows("* cyd joined");
    ben.types(&numbered("b", LINES));
    cyd.types(&numbered("c", LINES));
    for number in [60, 200] {
        ann.shows(&format!("<ben> b {number}\n"));
        kill(chatd);
        chatd = folders.start(&address);
    }
    let last = LINES - 1;
    ann.shows(&format!("<ben> b {last}\n"));
    ann.shows(&format!("[dev] <cyd> c {last}\n"));
    ann.ends_input();
    let mut ended = ann.wait();
    assert_shown(&ended, "ben", "b", LINES);
    ended.output = ended.output.replace("[dev] ", "");
    assert_shown(&ended, "cyd", "c", LINES);
}
