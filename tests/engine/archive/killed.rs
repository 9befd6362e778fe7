//! A process that is really killed: what it had shown to anybody is there afterwards.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use chatd::archive::{Ask, Reply};
use chatd::chat::PageEnd;

use super::support::{Folder, Loop, id, never_committing, quick, tail_of};

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

const SMALL_FOLDER: &str = "TEST_ARCHIVE_SMALL_FOLDER";
const LONG_MESSAGES: u64 = 40;

/// No test, but a process whose files may not become long: more than goes into the journal is said,
/// and nothing is committed.
#[test]
fn child_without_room() {
    let Some(path) = std::env::var_os(SMALL_FOLDER) else {
        return;
    };
    let folder = Folder::of_another(path.into());
    let mut chat = Loop::start(&never_committing(&folder));
    chat.reserve(&folder, id(0));
    let long = "x".repeat(60_000);
    for number in 1..=LONG_MESSAGES {
        chat.turn("lobby", id(number), "ann", &long);
    }
    println!("shown, has a journal: {}", chat.status().has_journal);
    std::thread::park();
}

#[test]
fn what_a_kill_takes_while_the_journal_has_no_room_is_known_to_be_missing() {
    let folder = Folder::new();
    let arguments = [
        "--exact",
        "archive::killed::child_without_room",
        "--nocapture",
    ];
    // As on a full tmpfs, but that the limit is said to the process.
    let limited = r#"trap "" XFSZ; ulimit -f 2048; exec "$0" "$@""#;
    let mut child = Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .args(arguments)
        .env(SMALL_FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let shown = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("shown")));
    child.kill().unwrap();
    child.wait().unwrap();
    let shown = shown.expect("it has said everything").unwrap();
    assert!(shown.contains("has a journal: false"), "{shown}");

    let mut again = Loop::start(&quick(&folder));
    let kept = tail_of(&again.recovered, "lobby").len() as u64;
    assert!((5..LONG_MESSAGES).contains(&kept), "{kept}");
    let last = again.recovered.last;
    let mut missed = |after, before| again.ask_of("lobby", Ask::Missed { after, before }, 1);
    assert_eq!(missed(id(kept), last), Reply::Missed(None));
    assert!(again.recovered.rooms[0].counted_from > id(LONG_MESSAGES));
    // It is as ever from then on.
    let new = |number| {
        format!("{}-0", last.at().as_millis() + number)
            .parse()
            .unwrap()
    };
    again.turn("lobby", new(1), "ann", "hello");
    again.turn("lobby", new(2), "ann", "again");
    again.until_kept(2);
    let (after, before) = (new(1), new(3));
    let reply = again.ask_of("lobby", Ask::Missed { after, before }, 1);
    assert_eq!(reply, Reply::Missed(Some(1)));
    let marks = folder
        .files()
        .into_iter()
        .filter(|path| path.to_str().unwrap().ends_with("-lacks"));
    let bytes: Vec<u64> = marks
        .map(|path| fs::metadata(path).unwrap().len())
        .collect();
    assert_eq!(bytes, [0]);
    drop(again);
    let third = Loop::start(&quick(&folder));
    assert!(
        third.recovered.rooms[0].counted_from < new(1),
        "it is whole again"
    );
}
