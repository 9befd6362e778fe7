//! `Log`: the file to which all that is shown is appended, with its dates. What is shown is the
//! session's. Owned by the run loop.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::tz::TimeZone;

use crate::lines::{Kind, Lines, Shown};

/// See the file.
#[derive(Debug)]
pub struct Log {
    file: File,
    lines: Lines,
}

impl Log {
    /// Opens the file, or makes it, for the user alone: private messages will stand in it.
    pub fn open(path: &Path) -> Result<Self, String> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path);
        let file = file.map_err(|error| format!("cannot log to {}: {error}", path.display()))?;
        let lines = Lines::dated(TimeZone::system());
        Ok(Log { file, lines })
    }

    /// Appends what there is to be read of this.
    pub fn write(&mut self, shown: &Shown) -> io::Result<()> {
        let mut line = String::new();
        if shown.kind != Kind::Delivered {
            self.lines.write(shown, &mut line);
        }
        self.file.write_all(line.as_bytes())
    }
}
