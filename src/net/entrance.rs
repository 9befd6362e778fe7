//! `Entrance`: the files that say what who comes in must know and is told: the password, the message
//! of the day. Read at the start, and again when the operator asks. What is done with what stands in
//! them is the hub's. Owned by `reloads`.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::chat::Command;
use crate::config::{Config, Limits};
use crate::dialect::cleaning::{self, is_control};
use crate::dialect::text;
use crate::hub::Hub;
use crate::password::{PASSWORD_BYTES_MAX, Password};

use super::reread::Reread;

/// See the file.
#[derive(Debug)]
pub struct Entrance {
    password: Option<(PathBuf, Password)>,
    motd: Option<(PathBuf, String)>,
    motd_bytes_max: usize,
}

/// A file that cannot be used; in one line, which never shows what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFile(String);

impl fmt::Display for BadFile {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for BadFile {}

/// What opens a file for reading and does not wait for whoever may write to it.
const NO_WAIT: i32 = OFlags::NONBLOCK.bits().cast_signed();
/// What Windows puts before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

impl Entrance {
    /// What stands in the files that the settings name.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn load(config: &Config) -> Result<Entrance, BadFile> {
        let motd_bytes_max = motd_bytes_max(&config.limits);
        let read_motd = |path: &Path| read_motd(path, motd_bytes_max);
        Ok(Entrance {
            password: read_if_given(config.password_file.as_ref(), read_password)?,
            motd: read_if_given(config.motd_file.as_ref(), read_motd)?,
            motd_bytes_max,
        })
    }

    /// From now on it holds for whoever comes.
    pub(super) fn open(&self, hub: &mut Hub) {
        let password = self.password.as_ref().map(|(_, password)| password.clone());
        let motd = self.motd.as_ref().map_or("", |(_, motd)| motd);
        hub.set_entrance(password, motd);
    }

    /// Reads the files again. Of one with any fault what it said before stays. What came of each.
    pub(super) fn reload(&mut self, hub: &mut Hub) -> Vec<Reread> {
        let mut came = Vec::new();
        if let Some((path, password)) = &mut self.password {
            came.push(match read_password(path) {
                Ok(new) => {
                    let is_new = new != *password;
                    let word = if is_new { "changed" } else { "as it was" };
                    *password = new;
                    Ok(format!("password of {}: {word}", path.display()))
                }
                Err(fault) => Err(format!("the old password stays: {fault}")),
            });
        }
        if let Some((path, motd)) = &mut self.motd {
            came.push(match read_motd(path, self.motd_bytes_max) {
                Ok(new) => {
                    let lines = new.lines().count();
                    let s = if lines == 1 { "" } else { "s" };
                    *motd = new;
                    let path = path.display();
                    Ok(format!("message of the day of {path}: {lines} line{s}"))
                }
                Err(fault) => Err(format!("the old message of the day stays: {fault}")),
            });
        }
        self.open(hub);
        came
    }
}

fn read_if_given<T>(
    path: Option<&PathBuf>,
    read: impl Fn(&Path) -> Result<T, BadFile>,
) -> Result<Option<(PathBuf, T)>, BadFile> {
    path.map(|path| Ok((path.clone(), read(path)?))).transpose()
}

/// The first line of a file.
fn read_password(path: &Path) -> Result<Password, BadFile> {
    let fault = |what: &dyn fmt::Display| BadFile(format!("{}: {what}", path.display()));
    // What does not end in so many bytes is too long, however long it is.
    let bytes = read_bytes(
        path,
        PASSWORD_BYTES_MAX + BYTE_ORDER_MARK.len_utf8() + "\r\n".len(),
    )?;
    let line = bytes
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // A character that the end of what was read has cut in two is none of a password that fits.
    let text = String::from_utf8_lossy(line);
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let password = Password::new(text).map_err(|bad| fault(&bad))?;
    if text.contains(|c| is_control(c) || c == char::REPLACEMENT_CHARACTER) {
        return Err(fault(
            &"its first line has bytes that nobody can type: use plain text",
        ));
    }
    let is_command = text::read(text)
        .is_ok_and(|request| matches!(request.command, Command::Help | Command::Quit(_)));
    if is_command {
        return Err(fault(
            &"its first line is a command, so nobody could give it: use another",
        ));
    }
    Ok(password)
}

/// All of a file, clean, without empty lines at its ends.
fn read_motd(path: &Path, bytes_max: usize) -> Result<String, BadFile> {
    let bytes = read_bytes(path, bytes_max + 1)?;
    if bytes.len() > bytes_max {
        let what = format!("it is too long: a message of the day has at most {bytes_max} bytes");
        return Err(BadFile(format!("{}: {what}", path.display())));
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let mut scratch = String::new();
    let lines = text.lines().map(|line| {
        let clean = cleaning::clean(line.as_bytes(), &mut scratch);
        clean.trim_end().to_owned()
    });
    let lines: Vec<String> = lines.collect();
    let is_empty = |line: &String| line.is_empty();
    let first = lines.iter().position(|line| !is_empty(line));
    let last = lines.iter().rposition(|line| !is_empty(line));
    let told = first
        .zip(last)
        .map_or(&[][..], |(first, last)| &lines[first..=last]);
    Ok(told.join("\n"))
}

/// The first bytes of a file. Only of one that lies there: to read another could take for ever.
fn read_bytes(path: &Path, bytes_max: usize) -> Result<Vec<u8>, BadFile> {
    let unreadable = |error| BadFile(format!("cannot read {}: {error}", path.display()));
    let file = File::options().read(true).custom_flags(NO_WAIT).open(path);
    let file = file.map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is no regular file")));
    }
    let mut bytes = Vec::new();
    let mut first = file.take(bytes_max as u64);
    first.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// No more than fits, in any language, into the smallest outbox beside all else that a welcome brings.
fn motd_bytes_max(limits: &Limits) -> usize {
    limits.motd_bytes_max.min(limits.outbox_bytes_max / 16)
}
