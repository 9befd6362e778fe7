//! What a store is told before it starts, and why it does not start. Plain values.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The bounds and times of a store.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Where history is kept (`--data`). It must be there.
    pub folder: PathBuf,
    /// Where a journal outlives a kill but never waits for a disk; see
    /// [`runtime_folder`](super::runtime_folder). Without one it lies beside the history.
    pub journal_folder: Option<PathBuf>,
    /// What is older is forgotten.
    pub keep_age: Duration,
    /// What is more is forgotten, the oldest first.
    pub keep_bytes: u64,
    /// The last messages of a room that are given back at the start.
    pub tail_messages_max: usize,
    /// How much memory those of all rooms may take; rooms that were silent for longest get none.
    pub tail_bytes_max: usize,
    /// How many messages are given back before the server starts: it is to be there soon. What more
    /// there is can be asked for.
    pub start_messages_max: usize,
    /// What may wait for the disk, in bytes.
    pub pending_bytes_max: u64,
    /// How long a message may wait to be committed.
    pub commit_interval: Duration,
    /// How long what is committed may be lost in a power cut.
    pub sync_interval: Duration,
    /// How often is looked for what is too old or too much.
    pub retention_interval: Duration,
}

impl StoreSettings {
    /// The usual ones, for this folder.
    pub fn new(folder: PathBuf) -> StoreSettings {
        StoreSettings {
            folder,
            journal_folder: None,
            keep_age: Duration::from_secs(90 * 24 * 60 * 60),
            keep_bytes: 1 << 30,
            tail_messages_max: 200,
            tail_bytes_max: 32 << 20,
            start_messages_max: 16_384,
            pending_bytes_max: 64 << 20,
            commit_interval: Duration::from_millis(250),
            sync_interval: Duration::from_secs(1),
            retention_interval: Duration::from_secs(60),
        }
    }
}

/// Why a store does not start; its `Display` is one line.
#[derive(Debug)]
pub enum StoreError {
    /// Another server has the folder.
    Locked(PathBuf),
    /// A later version of chatd has written the history.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The last that is known here.
        known: i64,
    },
    /// It is a database, but not of chatd.
    Foreign(PathBuf),
    /// Something in the folder cannot be opened, read or written.
    Folder(PathBuf, io::Error),
    /// The database cannot be used.
    Database(PathBuf, rusqlite::Error),
}

impl StoreError {
    /// With which code the process ends for it, as in sysexits(3).
    pub fn exit_code(&self) -> u8 {
        const UNAVAILABLE: u8 = 69;
        const SETTINGS: u8 = 78;
        match self {
            StoreError::Locked(_) | StoreError::Database(..) => UNAVAILABLE,
            StoreError::Newer { .. } | StoreError::Foreign(_) | StoreError::Folder(..) => SETTINGS,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Locked(folder) => {
                write!(to, "another chatd is using --data {}", folder.display())
            }
            StoreError::Newer { path, found, known } => write!(
                to,
                "{} is of a later chatd (version {found} of the history, this one knows {known}); \
                 it was left as it is",
                path.display()
            ),
            StoreError::Foreign(path) => {
                write!(to, "{} is no history of chatd", path.display())
            }
            StoreError::Folder(path, error) => write!(to, "--data {}: {error}", path.display()),
            StoreError::Database(path, error) => {
                write!(to, "history {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for StoreError {}
