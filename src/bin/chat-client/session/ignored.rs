//! `Ignored`: those of whom the user wants to read nothing. Pure; owned by the session, kept by `run`.

use std::collections::BTreeSet;

/// See the file. Names are compared as far as a client can.
#[derive(Debug, Default)]
pub struct Ignored {
    /// In lower case.
    names: BTreeSet<String>,
}

impl Ignored {
    /// Those that were kept.
    pub fn of(names: &[String]) -> Self {
        let names = names.iter().map(|name| name.to_lowercase()).collect();
        Ignored { names }
    }

    /// Whether nothing of this one is to be read.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(&name.to_lowercase())
    }

    /// Adds one; whether it was none yet.
    pub fn add(&mut self, name: &str) -> bool {
        self.names.insert(name.to_lowercase())
    }

    /// Takes one away; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.names.remove(&name.to_lowercase())
    }

    /// All of them.
    pub fn all(&self) -> Vec<String> {
        self.names.iter().cloned().collect()
    }
}
