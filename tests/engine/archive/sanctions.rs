//! Bans and mutes on disk: there before it is said that they are, and whatever happens to the disk.

use std::fs;
use std::os::unix::fs::FileExt;

use chatd::archive::{Ask, Reply};
use chatd::chat::{Name, PageEnd};
use chatd::moderation::{Change, End, Kind, Sanction, Target};
use chatd::net::store::{Recovered, Ticket};
use chatd::time::WallTime;

use super::support::{Folder, Loop, id, never_committing, quick};

fn sanction(kind: Kind, number: u32, name: &str) -> Sanction {
    let net = format!("192.0.2.{number}/32").parse().unwrap();
    Sanction {
        kind,
        number,
        target: Target::of(Name::parse(name).ok(), Some(net)).unwrap(),
        end: End::At(WallTime::from_millis(1_790_000_000_123)),
        by: "console".into(),
        why: Some("größe".into()),
    }
}

fn put(number: u32, name: &str) -> Change {
    Change::Put(sanction(Kind::Ban, number, name))
}

fn keep(chat: &mut Loop, changes: Vec<Change>) -> Reply {
    let ticket = Ticket(1 << 40);
    chat.store.keep_sanctions(changes, ticket);
    chat.reply_to(ticket)
}

/// All of each that is kept, in words.
fn kept(recovered: &Recovered) -> Vec<String> {
    let words = |one: &Sanction| {
        let Sanction {
            kind,
            number,
            target,
            end,
            by,
            why,
        } = one;
        format!(
            "{kind:?} {number} {target} {:?} {by} {why:?}",
            end.at().map(WallTime::as_millis)
        )
    };
    recovered.sanctions.iter().map(words).collect()
}

#[test]
fn what_is_said_to_be_kept_outlives_a_kill() {
    let folder = Folder::new();
    let mut chat = Loop::start(&never_committing(&folder));
    let mute = Sanction {
        end: End::Never,
        why: None,
        ..sanction(Kind::Mute, 1, "Ann")
    };
    assert_eq!(
        keep(&mut chat, vec![put(1, "ann"), Change::Put(mute)]),
        Reply::Kept(true)
    );
    let killed = folder.as_if_killed();
    let first = "Ban 1 ann and 192.0.2.1 Some(1790000000123) console Some(\"größe\")";
    let second = "Mute 1 Ann and 192.0.2.1 None console None";
    let again = Loop::start(&quick(&killed));
    assert_eq!(kept(&again.recovered), [first, second]);
    // Replaced and lifted.
    let changes = vec![put(1, "ben"), Change::Removed(Kind::Mute, 1)];
    assert_eq!(keep(&mut chat, changes), Reply::Kept(true));
    chat.stop();
    let again = Loop::start(&quick(&folder));
    assert_eq!(kept(&again.recovered), [first.replace("ann", "ben")]);
}

#[test]
fn a_disk_that_refuses_is_said_and_tried_again() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    let sqlite = folder.sqlite();
    sqlite.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(keep(&mut chat, vec![put(1, "ann")]), Reply::Kept(false));
    // It is not asked again while it is known to refuse.
    assert_eq!(keep(&mut chat, vec![put(2, "ben")]), Reply::Kept(false));
    sqlite.execute_batch("COMMIT").unwrap();
    let count = || {
        let counted = sqlite.query_row("SELECT count(*) FROM ban", [], |row| row.get(0));
        counted.unwrap_or(0)
    };
    chat.until("kept after all", |_| count() == 2);
    assert_eq!(
        keep(&mut chat, vec![Change::Removed(Kind::Ban, 1)]),
        Reply::Kept(true)
    );
    assert_eq!(count(), 1);
}

#[test]
fn a_row_that_is_not_as_it_was_written_does_not_hold() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    for column in ["kind", "number", "name", "net", "until", "by", "why"] {
        keep(&mut chat, vec![put(1, "ann"), put(2, "ben")]);
        let killed = folder.as_if_killed();
        let value = match column {
            "kind" => "2",
            "number" | "until" => "7",
            "net" => "'192.0.2.99/32'",
            _ => "'zoe'",
        };
        let sql = format!("UPDATE ban SET {column}={value} WHERE number=1");
        killed.sqlite().execute_batch(&sql).unwrap();
        let mut again = Loop::start(&quick(&killed));
        assert_eq!(kept(&again.recovered).len(), 1, "{column}");
        assert!(
            kept(&again.recovered)[0].starts_with("Ban 2 ben"),
            "{column}"
        );
        assert_eq!(again.status().left_out, 1, "{column}");
    }
}

#[test]
fn a_database_that_takes_the_place_of_a_damaged_one_has_them_too() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    for number in 0..50 {
        chat.turn("lobby", id(number), "ann", &"x".repeat(500));
    }
    chat.until_kept(50);
    keep(&mut chat, vec![put(1, "ann"), put(2, "ben")]);
    // Nothing in the log, so that what is read is the file, of which all but the first page is spoilt.
    let sqlite = folder.sqlite();
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    sqlite.query_row(checkpoint, [], |_| Ok(())).unwrap();
    drop(sqlite);
    let mut damaged = fs::read(folder.database()).unwrap();
    damaged[4096..].fill(0xa5);
    let file = fs::File::options().write(true).open(folder.database());
    file.unwrap().write_all_at(&damaged, 0).unwrap();
    // Who writes finds out, and says no; so does who reads.
    while chat.status().put_aside == 0 {
        keep(&mut chat, vec![put(1, "ann")]);
        let _ = chat.ask_of("lobby", Ask::Page(PageEnd::Newest), 100);
    }
    assert_eq!(keep(&mut chat, vec![put(3, "cyd")]), Reply::Kept(true));
    chat.stop();
    let again = Loop::start(&quick(&folder));
    assert_eq!(kept(&again.recovered).len(), 3, "{:?}", again.recovered);
}
