//! `Claims`: whose each name is. Not what a good name is (`name`), nor what the names are of: the
//! rules have one of these for members and one for rooms.

use std::collections::HashMap;

use super::name::Name;

/// Every key of every claimed name, with the owner of the name. A key has one owner, so names
/// with different owners share none.
#[derive(Debug)]
pub(super) struct Claims<Owner> {
    owners: HashMap<Box<str>, Owner>,
}

impl<Owner: Copy + PartialEq> Claims<Owner> {
    pub(super) fn new() -> Claims<Owner> {
        Claims {
            owners: HashMap::new(),
        }
    }

    /// Who is called so: never who is only called alike. `name_of` gives the claimed name of an
    /// owner, so that no folded name is kept here beside its key.
    pub(super) fn owner_named<'n>(
        &self,
        name: &Name,
        name_of: impl FnOnce(Owner) -> Option<&'n Name>,
    ) -> Option<Owner> {
        // Whoever is called so has this key, and a key has one owner.
        let owner = *self.owners.get(name.folded_key())?;
        name_of(owner)?.is_same(name).then_some(owner)
    }

    /// Whether anybody has a name that is called or looks like this one: then it is not free.
    pub(super) fn is_claimed_alike(&self, name: &Name) -> bool {
        name.keys().any(|key| self.owners.contains_key(key))
    }

    /// Who has a name that is called or looks like this one; somebody who has several keys of it comes
    /// several times.
    pub(super) fn owners_alike(&self, name: &Name) -> impl Iterator<Item = Owner> {
        name.keys().filter_map(|key| self.owners.get(key).copied())
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
    }

    /// All keys of a name that was claimed are free from now on.
    pub(super) fn release(&mut self, name: &Name) {
        for key in name.keys() {
            let owner = self.owners.remove(key);
            debug_assert!(owner.is_some(), "{name} was not claimed");
        }
    }

    /// How many keys have an owner.
    #[cfg(test)]
    pub(super) fn keys_len(&self) -> usize {
        self.owners.len()
    }
}
