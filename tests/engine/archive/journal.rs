//! What was said and is in the journal alone is there again after a kill, as far as the journal is
//! whole; and only that.

use std::fs;

use chatd::archive::{Ask, Reply};
use chatd::chat::{PageEnd, What};

use super::support::{Flips, Folder, Loop, id, never_committing, quick, tail_of};

/// A server that is killed after ten messages, a topic, and no commit.
fn killed() -> Folder {
    for _ in 0..20 {
        let killed = killed_once();
        let copy = killed.as_if_killed();
        for journal in copy.journals() {
            fs::write(journal, b"").unwrap();
        }
        // The writer commits also when it puts ids by, which may fall into this.
        if Loop::start(&quick(&copy)).recovered.rooms.is_empty() {
            return killed;
        }
    }
    panic!("the writer commits each time");
}

fn killed_once() -> Folder {
    let folder = Folder::new();
    let mut chat = Loop::start(&never_committing(&folder));
    chat.reserve(&folder, id(0));
    for number in 0..10 {
        chat.turn("lobby", id(number), "ann", &format!("text {number}"));
    }
    let topic = What::Topic {
        text: "tea",
        by: "ann",
    };
    chat.hear("lobby", id(10), topic);
    chat.end_turn();
    folder.as_if_killed()
}

fn expected(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("text {number}")).collect()
}

#[test]
fn what_is_in_the_journal_alone_is_there_after_a_kill() {
    let killed = killed();
    let mut again = Loop::start(&quick(&killed));
    assert!(!again.recovered.was_clean);
    assert!(again.recovered.last >= id(10));
    assert_eq!(again.recovered.from_journal, 11);
    assert_eq!(again.recovered.rooms[0].topic, "tea");
    assert_eq!(tail_of(&again.recovered, "lobby"), expected(10));
    assert_eq!(again.texts("lobby", PageEnd::Newest), expected(10));
    assert!(killed.journals().is_empty());
    // Killed at once again: it is on the disk now.
    let third = Loop::start(&quick(&killed.as_if_killed()));
    assert_eq!(tail_of(&third.recovered, "lobby"), expected(10));
    assert_eq!(third.recovered.from_journal, 0);
}

#[test]
fn a_kill_at_any_moment_loses_and_doubles_nothing() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    for number in 0..200 {
        chat.turn("lobby", id(number), "ann", &format!("text {number}"));
        if number % 20 != 19 {
            continue;
        }
        // The journal goes first: it changes in this thread alone, and what is not in it any more is
        // on the disk. A reader's index is nothing that outlives a process.
        let copy = Folder::new();
        for file in folder.journals().into_iter().chain(folder.files()) {
            let to = copy.path().join(file.file_name().unwrap());
            if !to.exists() && !file.to_str().unwrap().ends_with("-shm") {
                fs::copy(&file, to).unwrap();
            }
        }
        let again = Loop::start(&quick(&copy));
        let found = tail_of(&again.recovered, "lobby");
        assert_eq!(found, expected(usize::try_from(number).unwrap() + 1));
    }
}

#[test]
fn a_torn_tail_takes_the_last_message_alone() {
    let killed = killed();
    let [journal] = &killed.journals()[..] else {
        panic!("one journal");
    };
    let whole = fs::read(journal).unwrap();
    let mut counts = Vec::new();
    for length in (0..whole.len()).step_by(7) {
        let copy = killed.as_if_killed();
        fs::write(&copy.journals()[0], &whole[..length]).unwrap();
        let again = Loop::start(&quick(&copy));
        let found = tail_of(&again.recovered, "lobby");
        assert_eq!(found, expected(found.len()), "{length} bytes");
        counts.push(found.len());
    }
    assert!(counts.is_sorted());
    assert_eq!((counts[0], *counts.last().unwrap()), (0, 10));
}

#[test]
fn a_flipped_byte_of_the_journal_shows_no_wrong_message() {
    let killed = killed();
    let whole = fs::read(&killed.journals()[0]).unwrap();
    let mut flips = Flips::new(5);
    for place in flips.places(whole.len()) {
        let copy = killed.as_if_killed();
        let mut damaged = whole.clone();
        damaged[place] ^= flips.bits();
        fs::write(&copy.journals()[0], damaged).unwrap();
        let again = Loop::start(&quick(&copy));
        let found = tail_of(&again.recovered, "lobby");
        assert_eq!(found, expected(found.len()), "byte {place}, {flips}");
    }
}

#[test]
fn without_a_journal_it_is_said_that_something_may_be_missing() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    chat.turn("lobby", id(1), "ann", "hello");
    chat.until_kept(1);
    let killed = folder.as_if_killed();
    // A power cut takes what is on tmpfs.
    for file in killed.files() {
        if file.to_str().unwrap().contains(".journal-") {
            fs::remove_file(file).unwrap();
        }
    }
    let mut again = Loop::start(&quick(&killed));
    assert_eq!(tail_of(&again.recovered, "lobby"), ["hello"]);
    let ask = |after, before| Ask::Missed { after, before };
    let last = again.recovered.last;
    let reply = again.ask_of("lobby", ask(id(1), last), 1);
    assert_eq!(reply, Reply::Missed(None));
    let reply = again.ask_of("lobby", ask(id(0), id(1)), 1);
    assert_eq!(reply, Reply::Missed(Some(0)));
}

#[test]
fn two_files_take_turns_and_both_are_read() {
    let folder = Folder::new();
    let mut chat = Loop::start(&never_committing(&folder));
    chat.reserve(&folder, id(0));
    let long = "x".repeat(60_000);
    for number in 0..400 {
        chat.turn("lobby", id(number), "ann", &long);
    }
    assert_eq!(folder.journals().len(), 2);
    let again = Loop::start(&quick(&folder.as_if_killed()));
    assert_eq!(again.recovered.from_journal, 400);
    assert!(again.recovered.last >= id(399));
}

#[test]
fn the_journal_is_emptied_when_all_is_safe() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    for number in 0..5 {
        chat.turn("lobby", id(number), "ann", "hello");
        chat.until_kept(number + 1);
    }
    let bytes: u64 = folder
        .journals()
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    assert!(bytes < 100, "only what was said last is in it: {bytes}");
}
