//! `Ignored`: those of whom the user wants to read nothing. Pure; owned by the session, kept by `run`.

use std::collections::BTreeSet;

/// See the file. Names are compared as far as a client can.
#[derive(Debug, Default)]
pub struct Ignored {
    /// In lower case.
    names: BTreeSet<String>,
    /// What some of them call themselves now: for this sitting, since the next one to be called so
    /// may be anybody.
    other_names: BTreeSet<String>,
}

/// More than anybody goes through to be read.
const OTHER_NAMES_MAX: usize = 100;

impl Ignored {
    /// Those that were kept.
    pub fn of(names: &[String]) -> Self {
        let names = names.iter().map(|name| name.to_lowercase()).collect();
        let other_names = BTreeSet::new();
        Ignored { names, other_names }
    }

    /// Whether nothing of this one is to be read.
    pub fn has(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.names.contains(&name) || self.other_names.contains(&name)
    }

    /// Somebody has another name; whether that is one of them.
    pub fn follow(&mut self, from: &str, to: &str) -> bool {
        let is_one = self.has(from);
        if is_one && self.other_names.len() < OTHER_NAMES_MAX {
            self.other_names.insert(to.to_lowercase());
        }
        is_one
    }

    /// Adds one; whether it was none yet.
    pub fn add(&mut self, name: &str) -> bool {
        self.names.insert(name.to_lowercase())
    }

    /// Takes one away; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.other_names.remove(&name) | self.names.remove(&name)
    }

    /// All of them, as they are kept.
    pub fn all(&self) -> Vec<String> {
        self.names.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_helps_for_this_sitting_alone_and_not_for_ever() {
        let mut ignored = Ignored::of(&["Eve".to_owned()]);
        assert!(ignored.follow("eve", "Mallory") && ignored.has("mallory"));
        assert!(!ignored.follow("ben", "bob") && !ignored.has("bob"));
        assert_eq!(ignored.all(), ["eve"]);
        assert!(ignored.remove("MALLORY") && !ignored.has("mallory"));
        for number in 0..1000 {
            ignored.follow("eve", &number.to_string());
        }
        assert_eq!(ignored.other_names.len(), OTHER_NAMES_MAX);
    }
}
