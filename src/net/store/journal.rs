//! `Journal`: what is not yet safe on the disk, in two files on tmpfs, so that it outlives the death
//! of the process and costs no wait; a third says whether something is missing in them. What its
//! records are is `archive`'s; when they are safe, the writer's. Owned by the handle: the loop alone
//! writes to it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use log::warn;
use rustix::fs::statfs;

use crate::archive::{Forget, without};

use super::folder::private_file;

/// The two files, of which one is written to.
#[derive(Debug)]
pub(super) struct Journal {
    files: [JournalFile; 2],
    active: usize,
    state: State,
    mark: Mark,
    has_warned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    On,
    /// It could not be written to; what it holds must be safe before it is tried again.
    OffUntil {
        end: u64,
    },
}

#[derive(Debug)]
struct JournalFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// The position behind the last record in it, of all that was ever handed over.
    end: u64,
}

/// What an earlier run has left.
#[derive(Debug)]
pub(super) struct Held {
    /// What the two files hold.
    pub(super) files: [Vec<u8>; 2],
    /// Whether they hold all that is not safe otherwise: they were there, and there was room in them.
    pub(super) is_whole: bool,
}

/// Says to a later run that something is missing: a file that is empty if not. Its length alone
/// says it, which needs no room.
#[derive(Debug)]
struct Mark {
    path: PathBuf,
    file: File,
    /// What is missing ends here, of all that was ever handed over.
    until: Option<u64>,
}

/// A file that is longer gives its turn to the other, if that is empty.
const TURN_BYTES: u64 = 16 << 20;

impl Journal {
    /// Opens or makes the files of this name: with what they hold.
    pub(super) fn open(folder: &Path, name: &str) -> io::Result<(Journal, Held)> {
        let paths = ["a", "b"].map(|turn| folder.join(format!("chatd-{name}.journal-{turn}")));
        let mut were_there = false;
        let mut read = |path: &Path| match fs::read(path) {
            Ok(bytes) => {
                were_there = true;
                Ok(bytes)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let held = [read(&paths[0])?, read(&paths[1])?];
        let (mark, was_marked) = Mark::open(folder.join(format!("chatd-{name}.journal-lacks")))?;
        let [first, second] = paths;
        let journal = Journal {
            files: [JournalFile::open(first)?, JournalFile::open(second)?],
            active: 0,
            state: State::On,
            mark,
            has_warned: false,
        };
        let held = Held {
            files: held,
            is_whole: were_there && !was_marked,
        };
        Ok((journal, held))
    }

    /// Writes these records, which reach to `end` of all that was ever handed over, `synced` of
    /// which is safe. What cannot be written is a warning, not an error: chat goes on.
    pub(super) fn append(&mut self, records: &[u8], end: u64, synced: u64) {
        self.note_synced(synced);
        if matches!(self.state, State::OffUntil { end } if synced < end) {
            self.mark.set(end);
            return;
        }
        self.state = match self.write(records, end, synced) {
            Ok(()) => State::On,
            Err(error) => {
                self.warn_once(&error);
                self.mark.set(end);
                let [first, second] = &self.files;
                State::OffUntil {
                    end: first.end.max(second.end),
                }
            }
        };
    }

    /// Messages are not handed over at all, so that they are in no journal: until
    /// [`note_gaps`](Journal::note_gaps) something is missing.
    pub(super) fn note_lost(&mut self) {
        self.mark.set(u64::MAX);
    }

    /// What was lost is counted in records that reach to `end` of all that was ever handed over.
    pub(super) fn note_gaps(&mut self, end: u64) {
        self.mark.until = self.mark.until.map(|_| end);
    }

    /// So much of all that was ever handed over is safe: nothing of it is missing any more.
    pub(super) fn note_synced(&mut self, synced: u64) {
        if self.lacks().is_some_and(|until| until <= synced) {
            self.mark.clear();
        }
    }

    /// Up to where something is missing in it, of all that was ever handed over.
    pub(super) fn lacks(&self) -> Option<u64> {
        self.mark.until
    }

    fn warn_once(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.has_warned, true) {
            let path = self.files[self.active].path.display();
            warn!(
                "history: the journal {path} cannot be written ({error}): while it cannot, a kill \
                 takes what was said last"
            );
        }
    }

    /// Takes what is to be forgotten out of it; `tombstone` is the record that says so, and goes
    /// first, so that whatever happens in between it is not forgotten to forget.
    pub(super) fn forget(&mut self, forget: &Forget<'_>, tombstone: &[u8], end: u64, synced: u64) {
        self.append(tombstone, end, synced);
        for file in &mut self.files {
            if let Err(error) = file.rewrite(|records| without(records, forget)) {
                let path = file.path.display();
                warn!("history: the journal {path} cannot be rewritten ({error})");
            }
        }
    }

    /// Empties it: all that it holds is safe.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.files.iter_mut().try_for_each(JournalFile::clear)?;
        self.mark.clear();
        Ok(())
    }

    /// Removes its files: there is nothing to recover.
    pub(super) fn remove(&self) {
        for path in self
            .files
            .iter()
            .map(|file| &file.path)
            .chain([&self.mark.path])
        {
            // One that stays is empty or recovered for nothing.
            let _ = fs::remove_file(path);
        }
    }

    /// The first of its files, for whoever says what is wrong with it.
    pub(super) fn path(&self) -> &Path {
        &self.files[0].path
    }

    /// Whether what is handed over now outlives a kill.
    pub(super) fn is_on(&self) -> bool {
        self.state == State::On
    }

    fn write(&mut self, records: &[u8], end: u64, synced: u64) -> io::Result<()> {
        for file in &mut self.files {
            if file.bytes > 0 && file.end <= synced {
                file.clear()?;
            }
        }
        let other = 1 - self.active;
        if self.files[self.active].bytes >= TURN_BYTES && self.files[other].bytes == 0 {
            self.active = other;
        }
        self.files[self.active].append(records, end)
    }
}

impl Mark {
    /// With whether the last run has left it set.
    fn open(path: PathBuf) -> io::Result<(Mark, bool)> {
        let file = private_file().open(&path)?;
        let was_set = file.metadata()?.len() > 0;
        let mark = Mark {
            path,
            file,
            until: None,
        };
        Ok((mark, was_set))
    }

    fn set(&mut self, until: u64) {
        let before = self.until;
        self.until = before.max(Some(until));
        if before.is_none() {
            // Where not even that can be done, nobody is told.
            let _ = self.file.set_len(1);
        }
    }

    fn clear(&mut self) {
        self.until = None;
        let _ = self.file.set_len(0);
    }
}

impl JournalFile {
    fn open(path: PathBuf) -> io::Result<JournalFile> {
        // Of a run that was killed while it rewrote this one.
        let _ = fs::remove_file(path.with_extension("new"));
        let file = private_file().write(false).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(JournalFile {
            path,
            file,
            bytes,
            end: 0,
        })
    }

    fn append(&mut self, records: &[u8], end: u64) -> io::Result<()> {
        if let Err(error) = self.file.write_all(records) {
            // Half a record would hide those behind it.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += records.len() as u64;
        self.end = end;
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.bytes = 0;
        Ok(())
    }

    fn rewrite(&mut self, change: impl FnOnce(&[u8]) -> Vec<u8>) -> io::Result<()> {
        if self.bytes == 0 {
            return Ok(());
        }
        let records = change(&fs::read(&self.path)?);
        let new = self.path.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private_file().write(false).append(true).open(&new)?;
        file.write_all(&records)?;
        fs::rename(&new, &self.path)?;
        self.bytes = records.len() as u64;
        self.file = file;
        Ok(())
    }
}

/// Whether files in this folder never wait for a disk.
pub(super) fn is_on_tmpfs(folder: &Path) -> bool {
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    statfs(folder).is_ok_and(|found| u64::try_from(found.f_type) == Ok(TMPFS_MAGIC))
}

/// The folder of this service, or of this user, that lies in memory and is there for as long as the
/// machine is up: `$RUNTIME_DIRECTORY` (systemd), else `$XDG_RUNTIME_DIR`.
pub fn runtime_folder() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let service = named("RUNTIME_DIRECTORY").and_then(|folders| {
        // There may be several, with colons between them.
        std::env::split_paths(&folders).next()
    });
    let folder = service.or_else(|| named("XDG_RUNTIME_DIR").map(PathBuf::from))?;
    is_on_tmpfs(&folder).then_some(folder)
}
