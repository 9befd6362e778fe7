//! Where the client keeps things over sessions, and the small files there: names that are ignored.
//! What they mean is not known here.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const IGNORED: &str = "ignored";

/// A file of what the client remembers, whether it is there or not; `None` for a user without a
/// home.
pub fn file(name: &str) -> Option<PathBuf> {
    let folder = folder("XDG_STATE_HOME", ".local/state")?;
    Some(folder.join("chat-client").join(name))
}

/// A folder as the XDG Base Directory Specification names it: by a variable, or below the home.
pub fn folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let folder = |name| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    folder(variable).or_else(|| Some(folder("HOME")?.join(below_home)))
}

/// Makes the folder of a file, for the user alone.
pub fn make_folder_of(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The names that are ignored.
pub fn ignored() -> Result<Vec<String>, String> {
    let Some(path) = file(IGNORED) else {
        return Ok(Vec::new());
    };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Keeps the names that are ignored.
pub fn keep_ignored(names: &[String]) -> Result<(), String> {
    let path = file(IGNORED).ok_or("neither XDG_STATE_HOME nor HOME is set")?;
    let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
    write(&path, &lines).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    make_folder_of(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}
