//! How a store begins: the folder taken, the database opened, what a run that did not end cleanly has
//! left in its journal written down, and the last that was said in each room read. All of it before
//! any thread is there.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use log::{info, warn};
use rusqlite::{Connection, TransactionBehavior};

use crate::archive::{Page, Record, Recovery, ReservedId, folded};
use crate::chat::{FORGOTTEN_IDS_MAX, MessageId};
use crate::moderation::Sanction;

use super::folder::Folder;
use super::journal::{Held, Journal, is_on_tmpfs};
use super::reading::{Tails, ids_before};
use super::retention::wall_time;
use super::rows::{RoomRow, RoomRows, RowWriter, all_rooms, read_meta, write_gap, write_meta};
use super::sanctions;
use super::schema::{self, Remedy};
use super::settings::{StoreError, StoreSettings};

/// What is given back of earlier runs.
#[derive(Debug, Default)]
pub struct Recovered {
    /// No id up to this one may be given again.
    pub last: MessageId,
    /// The rooms of which anything is known, those first in which something was said last.
    pub rooms: Vec<RecoveredRoom>,
    /// Whether the last run ended cleanly, or there was none.
    pub was_clean: bool,
    /// The bans and mutes.
    pub sanctions: Vec<Sanction>,
    /// Messages, topics and gaps that were in the journal alone.
    pub from_journal: usize,
}

/// What is known of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredRoom {
    /// Its name, as it was shown.
    pub name: String,
    /// Its topic; empty if there is none.
    pub topic: String,
    /// The newest message; zero if there is none.
    pub last: MessageId,
    /// The last messages; none of a room that did not speak lately, and has them on disk alone.
    pub tail: Page,
    /// Ids of messages before those, oldest first, so that it is known how many they are.
    pub ids: Vec<MessageId>,
    /// Whether there are others before these, or nobody knows.
    pub has_older: bool,
    /// Whatever was said here since this id is kept, or is to come.
    pub counted_from: MessageId,
}

/// What the store is made of.
pub(super) struct Started {
    pub(super) folder: Folder,
    pub(super) connection: Connection,
    pub(super) journal: Journal,
    pub(super) journal_name: String,
    pub(super) recovered: Recovered,
    /// Rows that are not as they were written.
    pub(super) left_out: u64,
    pub(super) reserved: MessageId,
}

/// Takes the folder and all that is in it.
pub(super) fn start(settings: &StoreSettings) -> Result<Started, StoreError> {
    let folder = Folder::open(&settings.folder)?;
    let path = folder.database();
    let of_database = |error| StoreError::Database(path.clone(), error);
    let mut connection = schema::open(&folder)?;
    let (journal_name, was_clean) = match look_around(&mut connection) {
        Ok(found) => found,
        Err(error) => {
            connection = begin_anew(&folder, connection, error)?;
            look_around(&mut connection).map_err(of_database)?
        }
    };
    let (mut journal, held) = open_journal(settings, &folder, &journal_name)?;
    let recovery = Recovery::of(&held.files.each_ref().map(Vec::as_slice));
    let state = State {
        recovery: &recovery,
        was_clean,
        may_lack: !was_clean && !held.is_whole,
    };
    let found = match recover(&mut connection, &state, settings) {
        Ok(found) => found,
        Err(error) => {
            connection = begin_anew(&folder, connection, error)?;
            begin(&mut connection, &journal_name, recovery.last).map_err(of_database)?;
            recover(&mut connection, &state, settings).map_err(of_database)?
        }
    };
    let (recovered, left_out, reserved) = found;
    if let Err(error) = journal.clear() {
        return Err(StoreError::Folder(journal.path().to_owned(), error));
    }
    Ok(Started {
        folder,
        connection,
        journal,
        journal_name,
        recovered,
        left_out,
        reserved,
    })
}

/// A damaged database goes aside; any other error is one.
fn begin_anew(
    folder: &Folder,
    connection: Connection,
    error: rusqlite::Error,
) -> Result<Connection, StoreError> {
    if Remedy::of(&error) != Remedy::SetAside {
        return Err(StoreError::Database(folder.database(), error));
    }
    drop(connection);
    schema::set_aside(folder, &error.to_string())?;
    schema::open(folder)
}

/// Writes down in a new database what it must know of itself. Whatever was said up to
/// `complete_from` it does not have.
pub(super) fn begin(
    connection: &mut Connection,
    journal_name: &str,
    complete_from: MessageId,
) -> rusqlite::Result<()> {
    if read_meta(connection, "journal")?.is_some() {
        return Ok(());
    }
    let now = MessageId::first_at(wall_time());
    let complete_from = ReservedId(complete_from.max(now)).to_string();
    let transaction = connection.transaction()?;
    for (key, value) in [
        ("journal", journal_name),
        ("complete_from", &complete_from),
        ("clean_stop", "0"),
        ("version", env!("CARGO_PKG_VERSION")),
    ] {
        write_meta(&transaction, key, value)?;
    }
    transaction.commit()
}

/// The name of the journal, and whether the last run ended cleanly, or there was none.
fn look_around(connection: &mut Connection) -> rusqlite::Result<(String, bool)> {
    let is_name =
        |name: &String| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = read_meta(connection, "journal")?;
    let was_clean = name.is_none() || read_meta(connection, "clean_stop")?.as_deref() == Some("1");
    match name {
        Some(name) if is_name(&name) => Ok((name, was_clean)),
        other => {
            let name = new_name();
            match other {
                Some(_) => write_meta(connection, "journal", &name)?,
                None => begin(connection, &name, MessageId::ZERO)?,
            }
            Ok((name, was_clean))
        }
    }
}

/// 128 random bits: two servers never share a journal.
fn new_name() -> String {
    let mut bits = [0; 16];
    let flags = rustix::rand::GetRandomFlags::empty();
    let filled = rustix::rand::getrandom(&mut bits, flags);
    debug_assert_eq!(filled, Ok(bits.len()), "the kernel gives so few at once");
    bits.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn open_journal(
    settings: &StoreSettings,
    folder: &Folder,
    name: &str,
) -> Result<(Journal, Held), StoreError> {
    if let Some(memory) = &settings.journal_folder {
        match Journal::open(memory, name) {
            Ok(opened) => {
                warn_of_disk(memory);
                return Ok(opened);
            }
            Err(error) => warn!(
                "history: no journal can be kept in {} ({error})",
                memory.display()
            ),
        }
    }
    let beside = folder.path();
    warn_of_disk(beside);
    Journal::open(beside, name).map_err(|error| StoreError::Folder(PathBuf::from(beside), error))
}

fn warn_of_disk(folder: &Path) {
    if !is_on_tmpfs(folder) {
        warn!(
            "history: the journal is kept in {}, which is no tmpfs: a disk that hangs makes the \
             server hang",
            folder.display()
        );
    }
}

/// What is known of the last run.
struct State<'a> {
    recovery: &'a Recovery<'a>,
    was_clean: bool,
    /// There was a power cut, or no room for the journal: of what was said last in each room, the
    /// disk and the journal may lack something.
    may_lack: bool,
}

type Found = (Recovered, u64, MessageId);

/// Writes down what is missing, and reads the rest.
fn recover(
    connection: &mut Connection,
    state: &State<'_>,
    settings: &StoreSettings,
) -> rusqlite::Result<Found> {
    let recovery = state.recovery;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut known = RoomRows::default();
    // Something may be missing behind what the disk has, before what the journal has.
    let newest_on_disk = if state.may_lack {
        newest_by_room(&transaction)?
    } else {
        HashMap::new()
    };
    let mut rows = RowWriter::new(&transaction, &mut known)?;
    for record in &recovery.records {
        rows.write(record)?;
    }
    for forget in &recovery.forgets {
        rows.write(&Record::Forget(*forget))?;
    }
    let (written, _) = rows.finish();
    let reserved = read_meta(&transaction, "reserved_id")?;
    let reserved = reserved.and_then(|text| text.parse().ok());
    let reserved = reserved.map_or(MessageId::ZERO, |ReservedId(id)| id);
    let (mut rooms, left_out) = read_rooms(&transaction, settings)?;
    let (sanctions, bad) = sanctions::read_all(&transaction)?;
    if bad > 0 {
        warn!("history: {bad} bans or mutes are not as they were written, and do not hold");
    }
    let newest = rooms.first().map_or(MessageId::ZERO, |(_, room)| room.last);
    let last = reserved.max(recovery.last).max(newest);
    if state.may_lack {
        // Of what was lost, the ids may be beyond all that is known here.
        let before = MessageId::from_i64(last.to_i64() + 1).unwrap_or(last);
        let before = before.max(MessageId::first_at(wall_time()));
        for (row, room) in &mut rooms {
            let after = newest_on_disk.get(row).copied().unwrap_or_default();
            write_gap(&transaction, *row, after, before, None)?;
            room.counted_from = before;
        }
        // Whole rooms may be missing.
        let before = ReservedId(before).to_string();
        write_meta(&transaction, "complete_from", &before)?;
    }
    write_meta(&transaction, "clean_stop", "0")?;
    write_meta(&transaction, "version", env!("CARGO_PKG_VERSION"))?;
    transaction.commit()?;
    report(state, written);
    let recovered = Recovered {
        last,
        rooms: rooms.into_iter().map(|(_, room)| room).collect(),
        sanctions,
        was_clean: state.was_clean,
        from_journal: recovery.records.len(),
    };
    Ok((recovered, left_out + bad, reserved))
}

fn report(state: &State<'_>, written: u64) {
    if state.may_lack {
        warn!(
            "history: the last run ended without a whole journal: what was said last may be missing"
        );
    } else if !state.was_clean {
        info!("history: the last run was killed: {written} messages were in the journal alone");
    }
    if state.recovery.unread_bytes > 0 {
        let bytes = state.recovery.unread_bytes;
        warn!("history: {bytes} bytes at the end of the journal cannot be read");
    }
}

/// All rooms, those first in which something was said last, and with their last messages as many as
/// may be read before the server starts; and how many rows are not as they were written.
fn read_rooms(
    connection: &Connection,
    settings: &StoreSettings,
) -> rusqlite::Result<(Vec<(i64, RecoveredRoom)>, u64)> {
    let mut tails = Tails::of(connection)?;
    let gaps = ends_of_gaps(connection)?;
    let mut rooms = Vec::new();
    let mut left_out = 0;
    for row in all_rooms(connection)? {
        let (newest, _) = tails.read(&row, 1, usize::MAX)?;
        left_out += u64::from(!row.is_sound);
        let last = newest.messages().next().map(|message| message.id);
        if row.is_sound || last.is_some() {
            let mut room = recovered_room(&row, last.unwrap_or_default());
            if let Some(&end) = gaps.get(&row.row) {
                room.counted_from = room.counted_from.max(end);
            }
            rooms.push((row, room));
        }
    }
    // By what could be verified.
    rooms.sort_by_key(|(_, room)| Reverse(room.last));
    let mut messages_left = settings.start_messages_max;
    let mut bytes_left = settings.tail_bytes_max;
    for (row, room) in &mut rooms {
        let messages_max = settings.tail_messages_max.min(messages_left);
        if messages_max == 0 || bytes_left == 0 {
            break;
        }
        let (tail, bad) = tails.read(row, messages_max, bytes_left)?;
        left_out += bad;
        messages_left -= tail.len();
        bytes_left = bytes_left.saturating_sub(tail.bytes());
        room.has_older = tail.more || !row.is_sound;
        room.tail = tail;
    }
    // What is left of that is for ids: who comes back at once is told how much it has missed. Not
    // where more messages are to come into memory, since they come before all of which the id is known.
    let is_full = |room: &RecoveredRoom| room.tail.len() >= settings.tail_messages_max;
    let full = rooms.iter_mut().filter(|(_, room)| is_full(room));
    for (row, room) in full.filter(|(_, room)| room.tail.more) {
        let Some(first) = room.tail.messages().next() else {
            continue;
        };
        let ids_max = FORGOTTEN_IDS_MAX.min(messages_left);
        let (ids, more) = ids_before(connection, row.row, first.id, ids_max)?;
        messages_left -= ids.len();
        room.ids = ids;
        room.has_older = more || !row.is_sound;
    }
    let rooms = rooms.into_iter().map(|(row, room)| (row.row, room));
    Ok((rooms.collect(), left_out))
}

/// Of each room the end of the last of what is missing in it.
fn ends_of_gaps(connection: &Connection) -> rusqlite::Result<HashMap<i64, MessageId>> {
    let mut gaps = connection.prepare("SELECT room, max(before) FROM gap GROUP BY room")?;
    let mut rows = gaps.query([])?;
    let mut ends = HashMap::new();
    while let Some(row) = rows.next()? {
        let end = row.get_ref(1)?.as_i64().ok();
        if let Some(end) = end.and_then(MessageId::from_i64) {
            ends.insert(row.get(0)?, end);
        }
    }
    Ok(ends)
}

/// Of each room the newest message.
fn newest_by_room(connection: &Connection) -> rusqlite::Result<HashMap<i64, MessageId>> {
    let mut newest = connection
        .prepare("SELECT id, (SELECT max(id) FROM message WHERE room=room.id) FROM room")?;
    let rows = newest.query_map([], |row| {
        let newest = row.get_ref(1)?.as_i64().ok();
        Ok((row.get(0)?, newest.and_then(MessageId::from_i64)))
    })?;
    let found = rows.map(|row| row.map(|(room, id)| (room, id.unwrap_or_default())));
    found.collect()
}

fn recovered_room(row: &RoomRow, last: MessageId) -> RecoveredRoom {
    // Messages carry the folded name in their sums: where there are any, that is the right one.
    let has_name = row.is_sound || folded(&row.name) == row.folded;
    let name = if has_name { &row.name } else { &row.folded };
    RecoveredRoom {
        name: name.clone(),
        topic: row.topic.clone(),
        last,
        tail: Page::default(),
        ids: Vec::new(),
        has_older: last > MessageId::ZERO || !row.is_sound,
        counted_from: if row.is_sound {
            row.complete_from
        } else {
            last
        },
    }
}

/// Whether the whole database is in order, in a thread of its own: after a run that did not end
/// cleanly. What interrupts it.
pub(super) fn check_in_background(
    path: &Path,
    report: impl FnOnce(String) + Send + 'static,
) -> Option<rusqlite::InterruptHandle> {
    let connection = schema::open_to_read(path).ok()?;
    let interrupt = connection.get_interrupt_handle();
    let check = move || {
        let checked = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        match checked.map(|found: String| (found == "ok", found)) {
            Ok((true, _)) => info!("history: the database was checked and is in order"),
            Ok((false, found)) => report(found),
            Err(error) if Remedy::of(&error) == Remedy::SetAside => report(error.to_string()),
            // It was interrupted, or cannot be read now: who reads will find out.
            Err(_) => {}
        }
    };
    let thread = std::thread::Builder::new().name("history-check".into());
    thread.spawn(check).ok()?;
    Some(interrupt)
}
