//! `Members`: everybody who has a name, by number and by name, and which names are free. Not who is
//! in which room (`presence`), nor what anybody is told. Owned by presence.

use slab::Slab;

use super::claims::Claims;
use super::fact::Refusal;
use super::id::MemberId;
use super::member::{Hears, Member};
use super::name::Name;
use super::room::Roster;

/// All members, by number and by name.
#[derive(Debug)]
pub(super) struct Members {
    members: Slab<Member>,
    names: Claims<MemberId>,
}

impl Members {
    /// Nobody.
    pub(super) fn new() -> Members {
        Members {
            members: Slab::new(),
            names: Claims::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn get(&self, member: MemberId) -> &Member {
        &self.members[member.slot()]
    }

    pub(super) fn get_mut(&mut self, member: MemberId) -> &mut Member {
        &mut self.members[member.slot()]
    }

    pub(super) fn name_of(&self, member: MemberId) -> &str {
        self.get(member).name.as_str()
    }

    /// The names of the first of those in a room, in alphabetical order.
    pub(super) fn names_of(&self, roster: &Roster, names_max: usize) -> Vec<&str> {
        let members = roster.members().iter().take(names_max);
        members.map(|&member| self.name_of(member)).collect()
    }

    /// The member that is called so. Not one whose name only looks so.
    pub(super) fn named(&self, name: &str) -> Option<MemberId> {
        let name = Name::parse(name).ok()?;
        self.names
            .owner_named(&name, |member| &self.get(member).name)
    }

    /// The name that is asked for, if nobody but `member` has it, or one that is like it.
    pub(super) fn free_name<'a>(
        &self,
        member: Option<MemberId>,
        asked: &'a str,
    ) -> Result<Name, Refusal<'a>> {
        let name = Name::parse(asked).map_err(Refusal::BadName)?;
        let name_of = |member: MemberId| &self.get(member).name;
        let is_free = match member {
            Some(member) => self.names.is_free_for(member, &name, name_of),
            None => !self.names.is_claimed_alike(&name, name_of),
        };
        if is_free {
            Ok(name)
        } else {
            Err(Refusal::NameInUse(asked))
        }
    }

    /// Gives somebody the name it asks for. It is in no room yet.
    pub(super) fn admit<'a>(
        &mut self,
        asked: &'a str,
        hears: Hears,
    ) -> Result<MemberId, Refusal<'a>> {
        let member = MemberId(
            u32::try_from(self.members.vacant_key()).expect("fewer members than u32 holds"),
        );
        let name = self.free_name(Some(member), asked)?;
        self.names.claim(&name, member);
        self.members.insert(Member::new(name, hears));
        Ok(member)
    }

    /// Gives a member another name, which is free for it. The name until then.
    pub(super) fn rename(&mut self, member: MemberId, name: Name) -> Name {
        let old = std::mem::replace(&mut self.get_mut(member).name, name);
        self.names.release(&old, member);
        let new = &self.members[member.slot()].name;
        self.names.claim(new, member);
        old
    }

    /// Somebody is gone, and its name is free.
    pub(super) fn remove(&mut self, member: MemberId) {
        let gone = self.members.remove(member.slot());
        self.names.release(&gone.name, member);
    }

    /// How many keys of names have an owner.
    #[cfg(test)]
    pub(super) fn keys_len(&self) -> usize {
        self.names.keys_len()
    }
}
