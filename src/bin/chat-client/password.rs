//! [`Password`]: what a server wants to know of who comes in, as its user gives it: in a file, in the
//! environment, or typed when asked. It shows itself to nobody. Owned by the session.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

/// Where it may stand in the environment.
const VARIABLE: &str = "CHAT_PASSWORD";
/// Bytes of a file that are looked at: servers take far shorter ones.
const FILE_BYTES_MAX: u64 = 4096;

/// See the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// This text, if it is anything.
    pub fn of(text: &str) -> Option<Password> {
        (!text.is_empty()).then(|| Password(text.to_owned()))
    }

    /// What the command line or the environment says, if either does.
    ///
    /// # Errors
    /// A file that cannot be read, or that says nothing.
    pub fn given(file: Option<&Path>) -> Result<Option<Password>, String> {
        match file {
            Some(path) => Password::read(path).map(Some),
            None => Ok(std::env::var(VARIABLE)
                .ok()
                .and_then(|text| Password::of(&text))),
        }
    }

    /// The first line of a file.
    fn read(path: &Path) -> Result<Password, String> {
        let mut line = String::new();
        let read = File::open(path)
            .and_then(|file| BufReader::new(file.take(FILE_BYTES_MAX)).read_line(&mut line));
        read.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let password = Password::of(line.trim_end_matches(['\r', '\n']));
        password.ok_or(format!("{}: its first line is empty", path.display()))
    }

    /// Puts it into a request.
    pub fn join(&self, request: &mut Value) {
        request["password"] = self.0.as_str().into();
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Password")
    }
}
