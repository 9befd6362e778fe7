//! A process that is really killed: what it had shown to anybody is there afterwards.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use chatd::chat::PageEnd;

use super::support::{Folder, Loop, id, quick, tail_of};

const FOLDER: &str = "TEST_ARCHIVE_FOLDER";

/// No test, but the process that is to be killed: it says something and tells what it has said.
#[test]
fn child() {
    let Some(path) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut settings = quick(&Folder::new());
    settings.folder = path.into();
    let mut chat = Loop::start(&settings);
    let first = std::env::var("TEST_ARCHIVE_FIRST").unwrap();
    for number in first.parse::<u64>().unwrap().. {
        chat.turn("lobby", id(number), "ann", &number.to_string());
        println!("shown {number}");
    }
}

#[test]
fn what_was_shown_before_a_kill_is_there_after_it() {
    let folder = Folder::new();
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut next = 0;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "archive::killed::child", "--nocapture"])
            .env(FOLDER, folder.path())
            .env("TEST_ARCHIVE_FIRST", next.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = rng.usize(1..2000);
        let output = BufReader::new(child.stdout.take().unwrap());
        let shown = output.lines().map_while(Result::ok).filter_map(|line| {
            let number = line.strip_prefix("shown ")?;
            number.parse::<u64>().ok()
        });
        let mut killed = Some(child);
        let mut last = 0;
        // What is still in the pipe was shown, too.
        for (count, number) in shown.enumerate() {
            last = number;
            if count + 1 >= lines
                && let Some(mut child) = killed.take()
            {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
        let mut again = Loop::start(&quick(&folder));
        let what = format!("round {round}, seed {seed}, {last} shown");
        assert!(!again.recovered.was_clean, "{what}");
        let newest = tail_of(&again.recovered, "lobby")
            .last()
            .unwrap()
            .parse::<u64>()
            .unwrap();
        assert!(newest == last || newest == last + 1, "{what}: {newest}");
        let mut found = Vec::new();
        let mut after = chatd::chat::MessageId::ZERO;
        loop {
            let page = again.page("lobby", PageEnd::After(after));
            let Some(end) = page.messages().next_back() else {
                break;
            };
            after = end.id;
            found.extend(
                page.messages()
                    .map(|message| message.text.parse::<u64>().unwrap()),
            );
        }
        let expected: Vec<u64> = (0..=newest).collect();
        assert_eq!(found, expected, "{what}");
        next = newest + 1;
        drop(again);
    }
    assert!(next > 8);
}
