//! A disk that does not take what it is given: chat goes on, what has room is kept, what has not is
//! counted, and the history says where.

use std::fs;
use std::time::Duration;

use chatd::archive::{Ask, Level, Reply};
use chatd::chat::PageEnd;
use chatd::net::store::StoreSettings;
use chatd::time::Time;

use super::support::{Folder, Loop, id, quick, tail_of};

/// As [`quick`], with room for about fifty messages of 1,000 bytes.
fn small(folder: &Folder) -> StoreSettings {
    let mut settings = quick(folder);
    settings.pending_bytes_max = 50_000;
    settings
}

#[test]
fn a_disk_that_refuses_for_a_while_costs_nothing_while_there_is_room() {
    let folder = Folder::new();
    let mut chat = Loop::start(&small(&folder));
    let sqlite = folder.sqlite();
    sqlite.execute_batch("BEGIN IMMEDIATE").unwrap();
    for number in 0..20 {
        chat.turn("lobby", id(number), "ann", &format!("text {number}"));
    }
    chat.until("failing", |status| status.is_failing);
    chat.turn("lobby", id(20), "ann", "text 20");
    sqlite.execute_batch("COMMIT").unwrap();
    chat.until_kept(21);
    let status = chat.status();
    assert!(!status.is_failing && status.lost == 0);
    assert_eq!(chat.texts("lobby", PageEnd::Newest).len(), 21);
}

#[test]
fn what_has_no_room_is_counted_and_the_history_says_where() {
    let folder = Folder::new();
    let mut chat = Loop::start(&small(&folder));
    let sqlite = folder.sqlite();
    sqlite.execute_batch("BEGIN IMMEDIATE").unwrap();
    let long = "x".repeat(1000);
    for number in 0..100 {
        chat.turn("lobby", id(number), "ann", &long);
    }
    let lost = chat.status().lost;
    assert!((40..60).contains(&lost), "{lost}");
    // A disk that does not move holds nobody.
    chat.until("failing", |status| status.is_failing);
    let now = chat.now();
    assert_eq!(chat.store.level(now), Level::Stuck);
    sqlite.execute_batch("COMMIT").unwrap();
    chat.until_kept(100 - lost);
    assert_eq!(chat.store.level(now + Duration::from_secs(60)), Level::Even);
    chat.turn("lobby", id(200), "ann", "after");
    chat.until_kept(101 - lost);

    let ask = Ask::Missed {
        after: id(0),
        before: id(201),
    };
    // All hundred but the first, and the one behind.
    assert_eq!(chat.ask_of("lobby", ask, 1), Reply::Missed(Some(100)));
    let gaps: i64 = sqlite
        .query_row("SELECT sum(count) FROM gap", [], |row| row.get(0))
        .unwrap();
    assert_eq!(gaps, lost.cast_signed());
    let page = chat.page("lobby", PageEnd::Newest);
    assert_eq!(page.len() as u64, 101 - lost);
    // So what it lacks is not to come.
    assert_eq!(page.kept_to, id(200));
}

#[test]
fn senders_are_held_while_much_waits_and_the_disk_moves() {
    let folder = Folder::new();
    let mut settings = small(&folder);
    settings.commit_interval = Duration::from_secs(1000);
    let mut chat = Loop::start(&settings);
    let long = "x".repeat(1000);
    let at = |millis| Time::after_start(Duration::from_millis(millis));
    chat.say("lobby", id(0), "ann", &long);
    chat.end_turn();
    let now = chat.now();
    assert_eq!(chat.store.level(now), Level::Even);
    for number in 1..30 {
        chat.turn("lobby", id(number), "ann", &long);
    }
    let now = chat.now();
    assert_eq!(chat.store.level(now), Level::Behind);
    assert_eq!(chat.store.level(now + Duration::from_secs(2)), Level::Stuck);
    assert!(chat.status().behind >= Duration::from_secs(1) || now < at(1000));
}

#[test]
fn what_waits_at_the_end_is_written_down() {
    let folder = Folder::new();
    let mut settings = small(&folder);
    settings.commit_interval = Duration::from_secs(1000);
    let mut chat = Loop::start(&settings);
    chat.turn("lobby", id(1), "ann", "last words");
    chat.stop();
    let again = Loop::start(&quick(&folder));
    assert!(again.recovered.was_clean);
    assert_eq!(tail_of(&again.recovered, "lobby"), ["last words"]);
}

#[test]
fn the_log_of_the_database_is_moved_into_it_now_and_then() {
    const LOG_BYTES_MAX: u64 = 40 << 20;
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    let long = "x".repeat(4000);
    let mut most = 0;
    for number in 0..16_000 {
        chat.turn("lobby", id(number), "ann", &long);
        if number % 1000 == 999 {
            chat.until_kept(number + 1);
            let log = folder.path().join("history.db-wal");
            most = most.max(fs::metadata(log).unwrap().len());
        }
    }
    assert!(most < LOG_BYTES_MAX, "{most} bytes");
    let database = fs::metadata(folder.database()).unwrap().len();
    assert!(database > LOG_BYTES_MAX, "{database} bytes");
}
