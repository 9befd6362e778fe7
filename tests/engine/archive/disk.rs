//! A disk that does not take what it is given: chat goes on, what has room is kept, what has not is
//! counted, and the history says where.

use std::fs;
use std::time::Duration;

use chatd::archive::{Ask, Level, Query, Reply, Target};
use chatd::chat::PageEnd;
use chatd::net::store::{StoreSettings, Ticket};
use chatd::time::Time;

use super::support::{Folder, Loop, id, id_now, never_committing, quick, tail_of};

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
fn what_has_no_room_is_known_to_be_missing_after_a_kill() {
    let folder = Folder::new();
    let mut chat = Loop::start(&small(&folder));
    chat.reserve(&folder, id(0));
    chat.turn("lobby", id(1), "ann", "on the disk");
    chat.until_kept(1);
    let sqlite = folder.sqlite();
    sqlite.execute_batch("BEGIN IMMEDIATE").unwrap();
    let long = "x".repeat(1000);
    for number in 2..100 {
        chat.turn("lobby", id(number), "ann", &long);
    }
    assert!(chat.status().lost > 40);
    let killed = folder.as_if_killed();
    // What is said now is counted in the journal, and the mark goes once that is on the disk.
    sqlite.execute_batch("COMMIT").unwrap();
    let lost = chat.status().lost;
    chat.until_kept(99 - lost);
    chat.turn("lobby", id(100), "ann", "after");
    chat.until_kept(100 - lost);
    chat.end_turn();
    let killed_later = folder.as_if_killed();

    let mut again = Loop::start(&quick(&killed));
    let room = &again.recovered.rooms[0];
    assert!(room.last < id(70), "{room:?}");
    assert!(room.counted_from > id(100), "{room:?}");
    let (after, before) = (room.last, again.recovered.last);
    let missed = |after| Ask::Missed { after, before };
    let reply = again.ask_of("lobby", missed(after), 1);
    assert_eq!(reply, Reply::Missed(None));
    let reply = again.ask_of("lobby", missed(id(80)), 1);
    assert_eq!(reply, Reply::Missed(None), "shown, and then others");

    let mut later = Loop::start(&quick(&killed_later));
    let reply = later.ask_of("lobby", missed(id(0)), 1);
    assert_eq!(reply, Reply::Missed(Some(100)));
}

/// A disk that takes nothing reserves no ids, and what is lost is in no journal.
#[test]
fn what_has_no_room_may_have_ids_beyond_all_that_is_known() {
    let folder = Folder::new();
    Loop::start(&quick(&folder)).stop();
    let sqlite = folder.sqlite();
    // As if the database were old.
    let old = "UPDATE meta SET value='1-0' WHERE key='complete_from'";
    sqlite.execute_batch(old).unwrap();
    let ago = |seconds| id_now(Duration::from_secs(seconds));
    sqlite
        .execute("DELETE FROM meta WHERE key='reserved_id'", [])
        .unwrap();
    let mut chat = Loop::start(&small(&folder));
    chat.turn("lobby", ago(60), "ann", "on the disk");
    chat.until_kept(1);
    sqlite.execute_batch("BEGIN IMMEDIATE").unwrap();
    let long = "x".repeat(1000);
    for number in 0..100 {
        let ago = Duration::from_millis(40_000 - 100 * number);
        chat.turn("lobby", id_now(ago), "ann", &long);
    }
    assert!(chat.status().lost > 40);
    let killed = folder.as_if_killed();
    sqlite.execute_batch("COMMIT").unwrap();
    let again = Loop::start(&quick(&killed));
    let room = &again.recovered.rooms[0];
    assert!(room.last < ago(32), "{:?}", room.last);
    assert!(room.counted_from > ago(29), "{:?}", room.counted_from);
}

/// Where a handle is given up, the disk may have lost what was committed since the last sync.
#[test]
fn what_may_be_lost_again_is_not_said_to_be_kept() {
    let folder = Folder::new();
    let mut before = Loop::start(&quick(&folder));
    before.turn("lobby", id(0), "ann", "synced");
    before.stop();
    let mut chat = Loop::start(&never_committing(&folder));
    chat.reserve(&folder, id(1));
    chat.turn("lobby", id(2), "ann", "committed");
    chat.turn("lobby", id(3), "ben", "to be forgotten");
    // Who asks has it committed, but not synced.
    assert_eq!(chat.page("lobby", PageEnd::Newest).kept_to, id(3));
    // No copy can be made without what is forgotten, which may be the disk's fault.
    let in_the_way = folder.path().join("history.db.new");
    fs::create_dir(in_the_way).unwrap();
    chat.forget_without_reply(Target::Sender("ben"));
    let query = Query {
        room: "lobby".into(),
        ask: Ask::Page(PageEnd::Newest),
        messages_max: 1,
        bytes_max: 1000,
    };
    chat.store.query(query, Ticket(99)).unwrap();
    let forgotten = Reply::Forgotten(vec![("lobby".into(), vec![id(3)])]);
    assert_eq!(chat.reply_to(Ticket(0)), forgotten);
    let page = chat.page("lobby", PageEnd::Newest);
    assert_eq!((page.len(), page.kept_to), (2, id(0)));
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
