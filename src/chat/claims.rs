//! `Claims`: whose each name is. Not what a good name is (`name`), nor what the names are of: the
//! rules have one of these for members and one for rooms. The names themselves lie with their owners:
//! here is only what finds them, since every member has one.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::name::Name;

/// Every key of every claimed name, with the owner of the name. A key has one owner, so names
/// with different owners share none. Where a name is looked for, `name_of` gives the claimed name of an
/// owner.
#[derive(Debug)]
pub(super) struct Claims<Owner> {
    claims: HashTable<Claim<Owner>>,
    /// Seeded by chance, so that nobody can choose names that are found slowly.
    hasher: RandomState,
}

/// One key of an owner's name, which the owner's name is asked for.
#[derive(Debug, Clone, Copy)]
struct Claim<Owner> {
    owner: Owner,
    hash: KeyHash,
}

/// Half of what a key hashes to: more would only make every claim larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeyHash(u32);

impl KeyHash {
    /// The table takes a place from the lower bits, and from the highest what it compares first.
    fn spread(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.0)
    }
}

impl<Owner: Copy + PartialEq> Claims<Owner> {
    pub(super) fn new() -> Claims<Owner> {
        Claims {
            claims: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    /// Who is called so: never who is only called alike.
    pub(super) fn owner_named<'n>(
        &self,
        name: &Name,
        name_of: impl Fn(Owner) -> &'n Name,
    ) -> Option<Owner> {
        // Whoever is called so has this key, and a key has one owner.
        let owner = self.owner_of(name.folded_key(), &name_of)?;
        name_of(owner).is_same(name).then_some(owner)
    }

    /// Whether anybody has a name that is called or looks like this one: then it is not free.
    pub(super) fn is_claimed_alike<'n>(
        &self,
        name: &Name,
        name_of: impl Fn(Owner) -> &'n Name,
    ) -> bool {
        self.owners_alike(name, name_of).next().is_some()
    }

    /// Who has a name that is called or looks like this one; somebody who has several keys of it comes
    /// several times.
    pub(super) fn owners_alike<'n>(
        &self,
        name: &Name,
        name_of: impl Fn(Owner) -> &'n Name,
    ) -> impl Iterator<Item = Owner> {
        name.keys()
            .filter_map(move |key| self.owner_of(key, &name_of))
    }

    /// Whether `owner` may bear the name: nobody else has any of its keys.
    pub(super) fn is_free_for<'n>(
        &self,
        owner: Owner,
        name: &Name,
        name_of: impl Fn(Owner) -> &'n Name,
    ) -> bool {
        self.owners_alike(name, name_of).all(|other| other == owner)
    }

    /// All keys of the name are the owner's from now on. None of them has an owner yet; before a
    /// rename the old name is released.
    pub(super) fn claim(&mut self, name: &Name, owner: Owner) {
        for key in name.keys() {
            let hash = self.hash(key);
            let claim = Claim { owner, hash };
            self.claims
                .insert_unique(hash.spread(), claim, |claim| claim.hash.spread());
        }
    }

    /// All keys of a name that the owner has claimed are free from now on.
    pub(super) fn release(&mut self, name: &Name, owner: Owner) {
        for key in name.keys() {
            let hash = self.hash(key);
            // Where two keys of one owner have one hash, it is all the same which goes first.
            let is_it = |claim: &Claim<Owner>| claim.hash == hash && claim.owner == owner;
            let found = self.claims.find_entry(hash.spread(), is_it);
            debug_assert!(found.is_ok(), "{name} was not claimed");
            if let Ok(claim) = found {
                claim.remove();
            }
        }
    }

    /// The owner of a key.
    fn owner_of<'n>(&self, key: &str, name_of: impl Fn(Owner) -> &'n Name) -> Option<Owner> {
        let hash = self.hash(key);
        let has_key = |claim: &Claim<Owner>| {
            claim.hash == hash && name_of(claim.owner).keys().any(|other| other == key)
        };
        let found = self.claims.find(hash.spread(), has_key);
        found.map(|claim| claim.owner)
    }

    fn hash(&self, key: &str) -> KeyHash {
        // Cut to half of it.
        KeyHash(self.hasher.hash_one(key) as u32)
    }

    /// How many keys have an owner.
    #[cfg(test)]
    pub(super) fn keys_len(&self) -> usize {
        self.claims.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::id::MemberId;
    use super::*;

    fn names(words: &[&str]) -> Vec<Name> {
        words
            .iter()
            .map(|word| Name::parse(word).unwrap())
            .collect()
    }

    #[test]
    fn a_claim_is_small() {
        assert_eq!(size_of::<Claim<MemberId>>(), 8);
    }

    #[test]
    fn a_key_has_one_owner_until_the_name_is_released() {
        // The first is the second to the ear, and the third to the eye.
        let names = names(&["Ian", "ian", "lan"]);
        let name_of = |owner: usize| &names[owner];
        let mut claims = Claims::new();
        claims.claim(&names[0], 0);
        assert_eq!(claims.keys_len(), 2);
        assert_eq!(claims.owner_named(&names[1], name_of), Some(0));
        assert_eq!(claims.owner_named(&names[2], name_of), None);
        for (owner, name) in names.iter().enumerate() {
            assert!(claims.is_claimed_alike(name, name_of), "{name}");
            assert_eq!(claims.is_free_for(owner, name, name_of), owner == 0);
        }
        claims.release(&names[0], 0);
        claims.claim(&names[1], 1);
        claims.claim(&names[2], 2);
        assert_eq!(claims.owner_named(&names[0], name_of), Some(1));
        let alike: Vec<usize> = claims.owners_alike(&names[0], name_of).collect();
        assert_eq!(alike, [1, 2]);
    }

    #[test]
    fn thousands_are_found_and_gone_again() {
        let names: Vec<Name> = (0..5000)
            .map(|number| Name::parse(&format!("Guest{number}")).unwrap())
            .collect();
        let name_of = |owner: usize| &names[owner];
        let mut claims = Claims::new();
        for (owner, name) in names.iter().enumerate() {
            assert!(!claims.is_claimed_alike(name, name_of), "{name}");
            claims.claim(name, owner);
        }
        for (owner, name) in names.iter().enumerate() {
            assert_eq!(claims.owner_named(name, name_of), Some(owner));
        }
        for (owner, name) in names.iter().enumerate() {
            claims.release(name, owner);
            assert_eq!(claims.owner_named(name, name_of), None);
        }
        assert_eq!(claims.keys_len(), 0);
    }
}
