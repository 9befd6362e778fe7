//! What was said is there again after a stop; who may have the folder; which files are taken.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use chatd::archive::{Ask, Reply, ReservedId};
use chatd::chat::{Manner, MessageId, PageEnd, What};
use chatd::net::store::StoreError;

use super::support::{Folder, Loop, id, id_now, quick, tail_of, texts};

#[test]
fn what_was_said_is_there_after_a_stop() {
    let folder = Folder::new();
    let mut first = Loop::start(&quick(&folder));
    assert!(first.recovered.was_clean && first.recovered.rooms.is_empty());
    first.turn("Lobby", id(1), "ann", "hello");
    first.say("ops", id(2), "ben", "größe 👋");
    let action = What::Said {
        from: "ann",
        text: "waves",
        manner: Manner::Action,
    };
    first.hear("lobby", id(3), action);
    let topic = What::Topic {
        text: "tea",
        by: "ann",
    };
    first.hear("ops", id(4), topic);
    first.end_turn();
    first.until_kept(3);
    assert_eq!(first.texts("LOBBY", PageEnd::Newest), ["hello", "waves"]);
    first.stop();
    assert!(folder.journals().is_empty());

    let second = Loop::start(&quick(&folder));
    let recovered = &second.recovered;
    assert!(recovered.was_clean);
    assert_eq!(recovered.last, id(4));
    assert_eq!(tail_of(recovered, "Lobby"), ["hello", "waves"]);
    let [lobby, ops] = &recovered.rooms[..] else {
        panic!("{recovered:?}");
    };
    assert_eq!((lobby.last, ops.last), (id(3), id(2)));
    assert_eq!((lobby.topic.as_str(), ops.topic.as_str()), ("", "tea"));
    assert_eq!(texts(&ops.tail), ["größe 👋"]);
    let manners: Vec<Manner> = lobby
        .tail
        .messages()
        .map(|message| message.manner)
        .collect();
    assert_eq!(manners, [Manner::Plain, Manner::Action]);
}

#[test]
fn nobody_else_can_read_what_is_kept() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    chat.turn("lobby", id(1), "ann", "hello");
    chat.until_kept(1);
    for file in folder.files() {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file:?}");
    }
}

#[test]
fn a_folder_is_one_servers() {
    let folder = Folder::new();
    let first = Loop::start(&quick(&folder));
    let second = Loop::try_start(&quick(&folder)).err().unwrap();
    assert!(matches!(second, StoreError::Locked(_)), "{second}");
    assert_eq!(second.exit_code(), 69);
    let said = second.to_string();
    assert!(
        said.contains("another chatd") && !said.contains('\n'),
        "{said}"
    );
    first.stop();
    Loop::start(&quick(&folder)).stop();
}

#[test]
fn a_folder_must_be_there() {
    let folder = Folder::new();
    let mut settings = quick(&folder);
    settings.folder = folder.path().join("none");
    let none = Loop::try_start(&settings).err().unwrap();
    assert_eq!(none.exit_code(), 78);
    assert!(!settings.folder.exists());
}

#[test]
fn a_history_of_a_later_chatd_is_left_as_it_is() {
    let folder = Folder::new();
    Loop::start(&quick(&folder)).stop();
    let sqlite = folder.sqlite();
    sqlite
        .execute_batch("PRAGMA user_version=99; CREATE TABLE later(x)")
        .unwrap();
    drop(sqlite);
    let before = fs::read(folder.database()).unwrap();
    let refused = Loop::try_start(&quick(&folder)).err().unwrap();
    assert!(
        matches!(refused, StoreError::Newer { found: 99, .. }),
        "{refused}"
    );
    assert_eq!(refused.exit_code(), 78);
    assert_eq!(fs::read(folder.database()).unwrap(), before);
    // The folder is free again.
    let again = Loop::try_start(&quick(&folder)).err().unwrap();
    assert!(matches!(again, StoreError::Newer { .. }), "{again}");
}

#[test]
fn another_programs_database_is_left_as_it_is() {
    let folder = Folder::new();
    let sqlite = folder.sqlite();
    sqlite.execute_batch("CREATE TABLE cookies(x)").unwrap();
    drop(sqlite);
    let refused = Loop::try_start(&quick(&folder)).err().unwrap();
    assert!(matches!(refused, StoreError::Foreign(_)), "{refused}");
    assert_eq!(refused.exit_code(), 78);
}

#[test]
fn a_history_of_version_1_is_read_and_goes_on() {
    let folder = Folder::new();
    let sqlite = folder.sqlite();
    sqlite.execute_batch(include_str!("version_1.sql")).unwrap();
    drop(sqlite);
    let mut chat = Loop::start(&quick(&folder));
    let lobby = &chat.recovered.rooms[0];
    assert_eq!(
        (lobby.name.as_str(), lobby.topic.as_str()),
        ("Lobby", "tea")
    );
    assert_eq!(
        tail_of(&chat.recovered, "Lobby"),
        ["hello", "größe", "waves"]
    );
    assert_eq!(chat.status().left_out, 0);
    assert_eq!(chat.recovered.last.to_string(), "4000000000003-0");
    chat.turn("lobby", id(9), "ann", "again");
    chat.until_kept(1);
    let texts = chat.texts("lobby", PageEnd::Newest);
    assert_eq!(texts, ["hello", "größe", "waves", "again"]);
    chat.stop();
    // It is one of this version now, with a place for what came since.
    let sqlite = folder.sqlite();
    let version: i64 = sqlite
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    let bans: i64 = sqlite
        .query_row("SELECT count(*) FROM ban", [], |row| row.get(0))
        .unwrap();
    assert_eq!((version, bans), (2, 0));
    let check: String = sqlite
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn a_person_can_ask_with_sqlite() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    let at: MessageId = "4070908800123-5".parse().unwrap();
    chat.turn("Lobby", at, "ann", "hello");
    chat.until_kept(1);
    let row: (String, String, String, String, String) = folder
        .sqlite()
        .query_row(
            "SELECT at, room, sender, text, id FROM said WHERE sender='ann' AND at>='2098-12-31'",
            [],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            },
        )
        .unwrap();
    let (date, room, sender, text, id) = row;
    assert_eq!(date, "2099-01-01 00:00:00");
    let rest = [room, sender, text, id];
    assert_eq!(rest, ["Lobby", "ann", "hello", "4070908800123-5"]);
}

#[test]
fn ids_are_never_given_again_whatever_the_clock_says() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    // Nothing of what has these ids is kept; but they were shown.
    chat.reserve(&folder, id(0));
    let joined = What::Joined {
        who: "ben",
        here: 2,
    };
    chat.hear("lobby", id(7), joined);
    chat.end_turn();
    let killed = folder.as_if_killed();
    let again = Loop::start(&quick(&killed));
    assert!(again.recovered.last >= id(7));
    assert!(!again.recovered.was_clean);
    again.stop();
    // After a clean stop they go on where they were.
    chat.stop();
    assert_eq!(Loop::start(&quick(&folder)).recovered.last, id(7));
}

#[test]
fn what_is_too_old_or_too_much_is_deleted() {
    let day = Duration::from_secs(24 * 60 * 60);
    let folder = Folder::new();
    let mut settings = quick(&folder);
    settings.retention_interval = Duration::from_millis(30);
    settings.keep_age = 10 * day;
    let mut chat = Loop::start(&settings);
    for (days, text) in [(12, "oldest"), (11, "old"), (9, "new")] {
        chat.say("lobby", id_now(days * day), "ann", text);
    }
    chat.say("gone", id_now(11 * day), "ann", "old");
    chat.end_turn();
    chat.until_kept(4);
    let sqlite = folder.sqlite();
    let count = |sql| {
        sqlite
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    chat.until("deleted", |_| count("SELECT count(*) FROM message") == 1);
    assert_eq!(chat.texts("lobby", PageEnd::Newest), ["new"]);
    chat.until("the empty room gone", |_| {
        count("SELECT count(*) FROM room") == 1
    });
    // What was there before nobody knows any more.
    let missed = Ask::Missed {
        after: id_now(12 * day),
        before: MessageId::MAX,
    };
    for room in ["lobby", "gone"] {
        let reply = chat.ask_of(room, missed.clone(), 1);
        assert_eq!(reply, Reply::Missed(None), "{room}");
    }
    chat.stop();

    settings.keep_bytes = 200_000;
    let mut chat = Loop::start(&settings);
    let long = "x".repeat(500);
    for number in 0..1000 {
        chat.say(
            "lobby",
            id_now(day - number * Duration::from_secs(60)),
            "ann",
            &long,
        );
    }
    chat.end_turn();
    chat.until_kept(1000);
    chat.until("few", |_| {
        let pages = count("PRAGMA page_count") - count("PRAGMA freelist_count");
        pages * 4096 <= 200_000
    });
    let left = count("SELECT count(*) FROM message");
    assert!((50..350).contains(&left), "{left}");
    let newest = count("SELECT max(id) FROM message");
    assert!(newest > id_now(day).to_i64(), "the oldest go first");
}

/// SQLite syncs nothing where nothing changes, so that a sync of what was committed before must write
/// something itself, also while ids stand still.
#[test]
fn each_sync_writes_something() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    let sqlite = folder.sqlite();
    let mut reserved = MessageId::ZERO;
    for number in 0..4 {
        let same_millisecond = format!("{}-{number}", id(0).at().as_millis());
        chat.turn("lobby", same_millisecond.parse().unwrap(), "ann", "hello");
        chat.until_kept(number + 1);
        let sql = "SELECT value FROM meta WHERE key='reserved_id'";
        let text: String = sqlite.query_row(sql, [], |row| row.get(0)).unwrap();
        let ReservedId(now) = text.parse().unwrap();
        assert!(now > reserved, "{now} after {reserved}");
        reserved = now;
    }
}
