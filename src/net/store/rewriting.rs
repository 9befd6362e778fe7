//! Taking what was deleted out of every byte of the database. SQLite overwrites a deleted row
//! (`secure_delete`), but not the copies that it left in unused parts of pages when it moved that row
//! from one page to another. So the database is copied, which takes a second for some hundred
//! megabytes and as much room; the copy takes its place. When that is due is the writer's business.

use std::io;
use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::folder::Folder;
use super::rows::{MUST_REWRITE, read_meta, write_meta};
use super::schema;
use super::settings::StoreError;
use super::shared::Shared;

/// How a rewriting ended.
pub(super) enum Rewritten {
    /// This connection is to the copy.
    Done(Connection),
    /// Nothing of the old one is needed to be there.
    NotNeeded(Connection),
    /// Somebody reads in the log of the database; in a moment it may be tried again.
    Later(Connection),
    /// It could not be copied: all is as it was.
    Failed(Connection, String),
    /// Nor is there a connection any more.
    Lost(String),
}

/// Copies the database if the mark says so.
pub(super) fn rewrite(folder: &Folder, connection: Connection, shared: &Shared) -> Rewritten {
    match read_meta(&connection, MUST_REWRITE) {
        Ok(Some(mark)) if mark == "1" => {}
        Ok(_) => return Rewritten::NotNeeded(connection),
        Err(error) => return Rewritten::Failed(connection, error.to_string()),
    }
    match truncate_log(&connection) {
        Ok(true) => {}
        Ok(false) => return Rewritten::Later(connection),
        Err(error) => return Rewritten::Failed(connection, error.to_string()),
    }
    if let Err(fault) = copy(folder, &connection) {
        return Rewritten::Failed(connection, fault);
    }
    drop(connection);
    let _files = shared.lock_files();
    let replaced = replace(folder);
    shared.progress.databases.fetch_add(1, Ordering::AcqRel);
    match replaced {
        Ok(connection) => Rewritten::Done(connection),
        Err(fault) => Rewritten::Lost(fault),
    }
}

fn copy(folder: &Folder, connection: &Connection) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let successor = folder.make_successor().map_err(told)?;
    let path = successor.to_str().ok_or("its path is no text")?;
    let copied = connection.execute("VACUUM INTO ?1", [path]);
    copied.map(|_| ()).map_err(|error| error.to_string())
}

fn replace(folder: &Folder) -> Result<Connection, String> {
    folder.put_successor().map_err(|error| error.to_string())?;
    let told = |error: StoreError| error.to_string();
    let connection = schema::open_as_it_is(&folder.database()).map_err(told)?;
    let marked = write_meta(&connection, MUST_REWRITE, "0");
    marked.map_err(|error| error.to_string())?;
    Ok(connection)
}

/// Moves all that is in the log into the database, and empties it. `false` while somebody reads.
pub(super) fn truncate_log(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let is_busy: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(is_busy == 0)
}
