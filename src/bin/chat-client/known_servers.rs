//! The servers whose keys the user has trusted: a file with `HOST:PORT SHA256:…` in each line, for
//! the user to look at and to change. What a key is worth is not known here.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::flags::Address;
use crate::state;

/// The file, whether it is there or not; `None` for a user without a home.
pub fn file() -> Option<PathBuf> {
    state::file("known_servers")
}

/// The key that was trusted, if one was. A file that cannot be read is an error: the server may
/// stand in it.
pub fn key_of(server: &Address) -> Result<Option<String>, String> {
    let Some(path) = file() else {
        return Ok(None);
    };
    let (text, name) = (
        read(&path).map_err(|error| fault(&path, &error))?,
        name(server),
    );
    let mut lines = text
        .lines()
        .map(|line| line.split_once(' ').unwrap_or((line, "")));
    let found = lines.find(|(server, _)| *server == name);
    Ok(found.map(|(_, key)| key.trim().to_owned()))
}

/// Adds a server to the file.
pub fn remember(server: &Address, key: &str) -> Result<(), String> {
    let path = file().ok_or("neither XDG_STATE_HOME nor HOME is set")?;
    add(&path, &format!("{} {key}\n", name(server))).map_err(|error| fault(&path, &error))
}

fn add(path: &Path, line: &str) -> io::Result<()> {
    state::make_folder_of(path)?;
    let text = read(path)?;
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    // In one piece: another client may do the same.
    file.write_all(format!("{end}{line}").as_bytes())
}

fn read(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        outcome => outcome,
    }
}

fn name(server: &Address) -> String {
    server.to_string().to_lowercase()
}

fn fault(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
