//! A damaged database: no wrong message is ever shown, the server goes on with a new one, and the old
//! one is kept.

use std::fs;
use std::path::PathBuf;

use chatd::archive::{Ask, Reply};
use chatd::chat::PageEnd;

use super::support::{Flips, Folder, Loop, id, quick, tail_of, texts};

fn small_history() -> Folder {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    for number in 0..30 {
        let room = if number % 2 == 0 { "lobby" } else { "ops" };
        chat.say(room, id(number), "ann", &format!("text {number}"));
    }
    chat.end_turn();
    chat.until_kept(30);
    chat.stop();
    folder
}

/// Whether all that is shown was said so, there.
fn is_right(room: &str, number: u64, text: &str) -> bool {
    let expected_room = if number.is_multiple_of(2) {
        "lobby"
    } else {
        "ops"
    };
    room == expected_room && text == format!("text {number}")
}

#[test]
fn a_flipped_byte_of_the_database_shows_no_wrong_message() {
    let history = small_history();
    let whole = fs::read(history.database()).unwrap();
    let mut flips = Flips::new(23);
    let copy = history.as_if_killed();
    for place in flips.places(whole.len()) {
        // Most of the file is zero.
        if whole[place] == 0 && place % 8 != 0 && !flips.takes_all {
            continue;
        }
        let mut damaged = whole.clone();
        damaged[place] ^= flips.bits();
        for file in copy.files() {
            fs::remove_file(file).unwrap();
        }
        fs::write(copy.database(), damaged).unwrap();
        let started = Loop::try_start(&quick(&copy));
        let Ok(mut chat) = started else {
            // A header that is of another program, or of a later chatd.
            continue;
        };
        let what = format!("byte {place}, {flips}");
        let mut shown: Vec<(String, u64, String)> = Vec::new();
        for room in &chat.recovered.rooms {
            for message in room.tail.messages() {
                let number = message.id.at().as_millis() - id(0).at().as_millis();
                assert_eq!(message.from, "ann", "{what}");
                shown.push((room.name.clone(), number, message.text.to_owned()));
            }
        }
        for room in ["lobby", "ops"] {
            let ask = Ask::Page(PageEnd::Newest);
            if let Reply::Page(page) = chat.ask_of(room, ask, 100) {
                for message in page.messages() {
                    let number = message.id.at().as_millis() - id(0).at().as_millis();
                    shown.push((room.to_owned(), number, message.text.to_owned()));
                }
            }
        }
        for (room, number, text) in shown {
            assert!(
                is_right(&room, number, &text),
                "{what}: {room} {number} {text}"
            );
        }
    }
}

#[test]
fn a_row_that_is_not_as_it_was_written_is_left_out_and_counted() {
    let history = small_history();
    let sqlite = history.sqlite();
    sqlite
        .execute("UPDATE message SET text='lies' WHERE text='text 4'", [])
        .unwrap();
    drop(sqlite);
    let mut chat = Loop::start(&quick(&history));
    assert_eq!(chat.status().left_out, 1);
    let tail = tail_of(&chat.recovered, "lobby");
    assert_eq!(tail.len(), 14);
    assert_eq!(chat.texts("lobby", PageEnd::Newest), tail);
    assert_eq!(chat.status().left_out, 2);
}

#[test]
fn a_file_that_is_no_database_goes_aside_at_the_start() {
    let history = small_history();
    let mut bytes = fs::read(history.database()).unwrap();
    bytes[..100].fill(b'#');
    fs::write(history.database(), &bytes).unwrap();
    let mut chat = Loop::start(&quick(&history));
    assert!(chat.recovered.rooms.is_empty());
    chat.turn("lobby", id(100), "ann", "hello");
    chat.until_kept(1);
    assert_eq!(chat.texts("lobby", PageEnd::Newest), ["hello"]);
    let is_kept = |path: &PathBuf| path.to_str().unwrap().contains(".broken-2");
    let kept: Vec<_> = history.files().into_iter().filter(is_kept).collect();
    assert_eq!(fs::read(&kept[0]).unwrap(), bytes);
}

#[test]
fn a_database_that_breaks_while_it_serves_is_replaced() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    for number in 0..200 {
        chat.say("lobby", id(number), "ann", &"x".repeat(500));
    }
    chat.end_turn();
    chat.until_kept(200);
    // Nothing in the log, so that what is read is the file.
    let sqlite = folder.sqlite();
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    sqlite.query_row(checkpoint, [], |_| Ok(())).unwrap();
    drop(sqlite);
    let length = fs::metadata(folder.database()).unwrap().len();
    let file = fs::File::options()
        .write(true)
        .open(folder.database())
        .unwrap();
    let rubbish = vec![0xa5; usize::try_from(length).unwrap() - 4096];
    std::os::unix::fs::FileExt::write_all_at(&file, &rubbish, 4096).unwrap();
    // Who reads finds out, and so does who writes.
    let mut number = 1000;
    let ask = || Ask::Page(PageEnd::Newest);
    while chat.status().put_aside == 0 {
        number += 1;
        assert!(number < 3000, "nobody found out");
        let _ = chat.ask_of("lobby", ask(), 1000);
        chat.turn("lobby", id(number), "ann", "hello");
    }
    chat.turn("lobby", id(5000), "ann", "after");
    chat.until("written", |status| status.pending_bytes == 0);
    let Reply::Page(page) = chat.ask_of("lobby", ask(), 1000) else {
        panic!("a page");
    };
    assert_eq!(texts(&page).last().unwrap(), "after");
    assert!(page.messages().all(|message| message.id >= id(0)));
    chat.stop();
    let again = Loop::start(&quick(&folder));
    assert_eq!(tail_of(&again.recovered, "lobby").last().unwrap(), "after");
}
