//! `Claims`: whose each name is. Not what a good name is (`name`), nor what the names are of: the
//! directory owns one of these for its members and one for its rooms.

use std::collections::HashMap;

use super::name::Name;

/// Every key of every claimed name, with the owner of the name. A key has one owner, so names
/// with different owners share none.
#[derive(Debug)]
pub(super) struct Claims<Owner> {
    owners: HashMap<Box<str>, Owner>,
    /// A name may have two keys, so these are counted apart.
    names: usize,
}

impl<Owner: Copy + PartialEq> Claims<Owner> {
    pub(super) fn new() -> Claims<Owner> {
        Claims {
            owners: HashMap::new(),
            names: 0,
        }
    }

    /// How many names are claimed.
    pub(super) fn len(&self) -> usize {
        self.names
    }

    /// Who is called so; if nobody is, who has a name that looks so.
    pub(super) fn owner(&self, name: &Name) -> Option<Owner> {
        name.keys().find_map(|key| self.owners.get(key).copied())
    }

    /// Whether `owner` may bear the name: nobody else has any of its keys.
    pub(super) fn is_free_for(&self, owner: Owner, name: &Name) -> bool {
        let mut owners = name.keys().filter_map(|key| self.owners.get(key));
        owners.all(|&other| other == owner)
    }

    /// All keys of the name are the owner's from now on. None of them has an owner yet; before a
    /// rename the old name is released.
    pub(super) fn claim(&mut self, name: &Name, owner: Owner) {
        for key in name.keys() {
            let earlier = self.owners.insert(key.into(), owner);
            debug_assert!(earlier.is_none(), "{name} was not free");
        }
        self.names += 1;
    }

    /// All keys of a name that was claimed are free from now on.
    pub(super) fn release(&mut self, name: &Name) {
        for key in name.keys() {
            let owner = self.owners.remove(key);
            debug_assert!(owner.is_some(), "{name} was not claimed");
        }
        self.names -= 1;
    }

    /// How many keys have an owner.
    #[cfg(test)]
    pub(super) fn keys_len(&self) -> usize {
        self.owners.len()
    }
}
