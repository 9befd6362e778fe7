//! The database: how it is opened, what its versions are, and what an error of it calls for. Not what
//! is written and read (`rows`, `reading`).

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::warn;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::folder::{Folder, private_file};
use super::settings::StoreError;

/// `chtd`, in the header of the file: `file history.db` shows it.
const APPLICATION_ID: i64 = 0x6368_7464;
/// The steps from each version of the history to the next; a file of any of them is brought to the
/// last.
const MIGRATIONS: [&str; 2] = [include_str!("schema_1.sql"), include_str!("schema_2.sql")];
/// The last version that is known here.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;
/// Pages in the log that are moved into the database.
const LOG_PAGES: i64 = 4096;
/// How long somebody who works on the file with the `sqlite3` tool may be waited for.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// What an error of the database calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing was written; the same may work later: no room, read-only, busy.
    Retry,
    /// What was written last may be lost although a later sync succeeds: another handle, and all of
    /// it again since the last good sync.
    Reopen,
    /// The file is damaged.
    SetAside,
}

impl Remedy {
    pub(super) fn of(error: &rusqlite::Error) -> Remedy {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Remedy::SetAside,
            Some(
                ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OperationInterrupted,
            ) => Remedy::Retry,
            _ => Remedy::Reopen,
        }
    }
}

/// Opens the database for writing; makes it if it is not there, brings it to the last version, puts
/// it aside and makes a new one if it is damaged.
pub(super) fn open(folder: &Folder) -> Result<Connection, StoreError> {
    match open_as_it_is(&folder.database()) {
        Err(StoreError::Database(_, error)) if Remedy::of(&error) == Remedy::SetAside => {
            set_aside(folder, &error.to_string())?;
            open_as_it_is(&folder.database())
        }
        other => other,
    }
}

/// Puts a damaged database aside, and says so.
pub(super) fn set_aside(folder: &Folder, why: &str) -> Result<(), StoreError> {
    let database = folder.database();
    let kept = folder
        .set_aside()
        .map_err(|error| StoreError::Folder(database.clone(), error))?;
    warn!(
        "history: {} is damaged ({why}): it is kept as {}, and a new one begins",
        database.display(),
        kept.display()
    );
    Ok(())
}

pub(super) fn open_as_it_is(path: &Path) -> Result<Connection, StoreError> {
    let of_file = |error| StoreError::Folder(path.to_owned(), error);
    let of_database = |error| StoreError::Database(path.to_owned(), error);
    make(path).map_err(of_file)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(of_database)?;
    // Until it is known to be ours nothing of it changes.
    set_checkpoint_on_close(&connection, false).map_err(of_database)?;
    let found = check(&connection, path)?;
    prepare(&mut connection, found).map_err(of_database)?;
    {
        // Nobody else changes it meanwhile.
        let immediate = TransactionBehavior::Immediate;
        let _lock = connection
            .transaction_with_behavior(immediate)
            .map_err(of_database)?;
        write_log_again(path).map_err(of_file)?;
    }
    check_tables(&connection).map_err(of_database)?;
    set_checkpoint_on_close(&connection, true).map_err(of_database)?;
    Ok(connection)
}

/// Makes the file if it is not there; SQLite gives its other files the mode of this one. One that is
/// there is not touched: a process loses its locks on a file whenever it closes it, and without those
/// of the reader somebody else's `sqlite3` would take the log away when it ends.
fn make(path: &Path) -> io::Result<()> {
    match private_file().create_new(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Writes the log of the database over itself. After a sync that failed, in this run or in the one
/// before, all can be read and may yet be on no disk, and no later sync would change that: Linux takes
/// it for written.
fn write_log_again(path: &Path) -> io::Result<()> {
    let log = PathBuf::from(format!("{}-wal", path.display()));
    let file = match File::options().read(true).write(true).open(log) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut bytes = vec![0; 256 << 10];
    let mut place = 0;
    loop {
        let count = file.read_at(&mut bytes, place)?;
        if count == 0 {
            break;
        }
        file.write_all_at(&bytes[..count], place)?;
        place += count as u64;
    }
    if place > 0 { file.sync_all() } else { Ok(()) }
}

/// Moves what is in the log into the database when that is much. SQLite would do so by itself, but
/// tell nobody that a sync has failed in it.
pub(super) fn shorten_log(connection: &Connection) -> rusqlite::Result<()> {
    let look = "PRAGMA wal_checkpoint(NOOP)";
    let waiting = connection.query_row(look, [], |row| {
        Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?)
    })?;
    if waiting < LOG_PAGES {
        return Ok(());
    }
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        // There is time: the log holds it all.
        Err(error) if Remedy::of(&error) == Remedy::Retry => Ok(()),
        moved => moved,
    }
}

/// Whether the last to close the database moves what is in its log into it.
pub(super) fn set_checkpoint_on_close(
    connection: &Connection,
    does: bool,
) -> rusqlite::Result<bool> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !does)
}

/// The version of the file; 0 for one that was just made.
fn check(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let number = |sql| connection.query_row(sql, [], |row| row.get(0));
        Ok((
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
            number("SELECT count(*) FROM sqlite_schema")?,
        ))
    };
    let path = || PathBuf::from(path);
    match read().map_err(|error| StoreError::Database(path(), error))? {
        (0, 0, 0) => Ok(0),
        (APPLICATION_ID, found @ 1..=VERSION, _) => Ok(found),
        (APPLICATION_ID, found, _) if found > VERSION => Err(StoreError::Newer {
            path: path(),
            found,
            known: VERSION,
        }),
        _ => Err(StoreError::Foreign(path())),
    }
}

/// Whether all is there that is read and written: a damaged file may have lost a table or the name of
/// a column, which is no error that SQLite would call damage.
fn check_tables(connection: &Connection) -> rusqlite::Result<()> {
    for sql in [
        "SELECT key, value FROM meta",
        "SELECT id, folded, name, topic, topic_id, complete_from, sum FROM room",
        "SELECT room, id, kind, sum, sender, text FROM message",
        "SELECT room, after, before, count FROM gap",
        "SELECT kind, number, name, net, until, by, why, sum FROM ban",
    ] {
        connection.prepare(sql).map_err(|error| {
            if error.sqlite_error_code() != Some(ErrorCode::Unknown) {
                return error;
            }
            let damaged = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            rusqlite::Error::SqliteFailure(damaged, Some(error.to_string()))
        })?;
    }
    Ok(())
}

fn prepare(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    if found == 0 {
        // Before the first table, in this order.
        connection.execute_batch("PRAGMA auto_vacuum=INCREMENTAL")?;
    }
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    for (name, value) in [
        ("secure_delete", "ON"),
        ("wal_autocheckpoint", "0"),
        ("journal_size_limit", "67108864"),
    ] {
        connection.query_row(&format!("PRAGMA {name}={value}"), [], |_| Ok(()))?;
    }
    connection.execute_batch(
        "PRAGMA cache_size=-16384; PRAGMA synchronous=NORMAL; PRAGMA trusted_schema=OFF; \
         PRAGMA foreign_keys=OFF; PRAGMA temp_store=MEMORY;",
    )?;
    if found == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    let known = usize::try_from(found).unwrap_or_default();
    for step in &MIGRATIONS[known..] {
        transaction.execute_batch(step)?;
    }
    transaction.execute_batch(&format!(
        "PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={VERSION};"
    ))?;
    transaction.commit()
}

/// Opens it once more, with the errors of SQLite alone.
pub(super) fn reopen(folder: &Folder) -> rusqlite::Result<Connection> {
    open_as_it_is(&folder.database()).map_err(|error| match error {
        StoreError::Database(_, error) => error,
        other => {
            // As SQLite itself would call it.
            let cannot_open = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
            rusqlite::Error::SqliteFailure(cannot_open, Some(other.to_string()))
        }
    })
}

/// Opens the database for reading alone.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch("PRAGMA query_only=ON; PRAGMA trusted_schema=OFF;")?;
    // Only then its files are open.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}
