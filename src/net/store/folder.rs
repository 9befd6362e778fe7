//! `Folder`: where history is kept. That only one server has it, how the files in it are called, and
//! how a broken one is put aside. What is in them is not its business.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::settings::StoreError;

/// Nobody but the server.
pub(super) const FILE_MODE: u32 = 0o600;

/// The folder, locked for as long as this value lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder.
    pub(super) fn open(path: &Path) -> Result<Folder, StoreError> {
        let fault = |error| StoreError::Folder(path.to_owned(), error);
        let lock = private_file().open(path.join("lock")).map_err(fault)?;
        match lock.try_lock() {
            Ok(()) => {
                let folder = Folder {
                    path: path.to_owned(),
                    _lock: lock,
                };
                // Of a run that was killed while it copied: no copy of what may be forgotten later.
                remove(&folder.successor()).map_err(fault)?;
                Ok(folder)
            }
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(fault(error)),
        }
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The database.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("history.db")
    }

    fn successor(&self) -> PathBuf {
        self.path.join("history.db.new")
    }

    /// An empty file that can take the place of the database.
    pub(super) fn make_successor(&self) -> io::Result<PathBuf> {
        let path = self.successor();
        remove(&path)?;
        private_file().create_new(true).open(&path)?;
        Ok(path)
    }

    /// Puts it in the place of the database, whose log must be empty, and which nobody may write to
    /// any more. Who still reads the old one reads that to its end.
    pub(super) fn put_successor(&self) -> io::Result<()> {
        let successor = self.successor();
        File::open(&successor)?.sync_all()?;
        for name in ["history.db-shm", "history.db-wal"] {
            remove(&self.path.join(name))?;
        }
        fs::rename(successor, self.database())?;
        File::open(&self.path)?.sync_all()
    }

    /// Renames the database and what belongs to it, so that a new one can take its place: under
    /// which name it is kept.
    pub(super) fn set_aside(&self) -> io::Result<PathBuf> {
        let date = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string();
        let database = self.database();
        let mut number = 0;
        let kept = loop {
            let name = match number {
                0 => format!("history.db.broken-{date}"),
                _ => format!("history.db.broken-{date}-{number}"),
            };
            let kept = self.path.join(name);
            if !fs::exists(&kept)? {
                break kept;
            }
            number += 1;
        };
        // The database last: whoever is killed in between does not give it another's log.
        for suffix in ["-shm", "-wal", ""] {
            let with_suffix = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
            match fs::rename(with_suffix(&database), with_suffix(&kept)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(kept)
    }
}

/// Removes a file that may be there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// How a file of ours is opened: made if it is not there, for nobody else to read.
pub(super) fn private_file() -> fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).create(true).mode(FILE_MODE);
    options
}
