//! `Sanctions`: all bans, or all mutes: numbered, found by name and by address, and what of them is to
//! be written down. One that is over is not in force, and stays until its place is needed: so a clock
//! that was set wrong for a while ends nothing. Owned by the hub.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::chat::Name;
use crate::time::WallTime;

use super::nets::{Held, Nets};
use super::sanction::{Change, End, Kind, Sanction, Target};

/// See the file.
#[derive(Debug)]
pub struct Sanctions {
    kind: Kind,
    count_max: usize,
    list: BTreeMap<u32, Sanction>,
    names: HashMap<Box<str>, Held>,
    nets: Nets,
    /// The highest number that was given. None is given twice in one run: somebody may have read
    /// it, and mean the old one.
    last: u32,
    changes: Vec<Change>,
}

/// There are as many as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full(pub usize);

impl Sanctions {
    /// None, and no more than so many.
    pub fn new(kind: Kind, count_max: usize) -> Sanctions {
        Sanctions {
            kind,
            count_max,
            list: BTreeMap::new(),
            names: HashMap::new(),
            nets: Nets::default(),
            last: 0,
            changes: Vec::new(),
        }
    }

    /// Takes up one that an earlier run has left, if there is a place for it.
    pub fn recall(&mut self, sanction: Sanction) {
        self.last = self.last.max(sanction.number);
        if self.list.len() < self.count_max && sanction.kind == self.kind {
            self.take_out(sanction.number);
            self.insert(sanction);
        }
    }

    /// Puts one more against somebody; one against the same is replaced and leaves its number.
    ///
    /// # Errors
    /// As many as may be are in force.
    pub fn add(
        &mut self,
        target: Target,
        end: End,
        (by, why): (&str, Option<&str>),
        now: WallTime,
    ) -> Result<&Sanction, Full> {
        let number = match self.number_of(&target) {
            Some(number) => {
                self.take_out(number);
                number
            }
            None => {
                self.make_place(now)?;
                self.next_number()
            }
        };
        let sanction = Sanction {
            kind: self.kind,
            number,
            target,
            end,
            by: by.into(),
            why: why.map(Box::from),
        };
        self.changes.push(Change::Put(sanction.clone()));
        Ok(self.insert(sanction))
    }

    /// Lifts the one with this number. It, if there was one, over or not.
    pub fn remove(&mut self, number: u32) -> Option<Sanction> {
        let removed = self.take_out(number)?;
        self.changes.push(Change::Removed(self.kind, number));
        Some(removed)
    }

    /// The one in force against who asks for this name, or bears it.
    pub fn on_name(&self, name: &Name, now: WallTime) -> Option<&Sanction> {
        let keys = keys_of(self.kind, name);
        let held = keys.filter_map(|key| self.names.get(key)?.last());
        self.in_force_of(held.max().copied(), now)
    }

    /// The one in force against this address.
    pub fn on_address(&self, address: IpAddr, now: WallTime) -> Option<&Sanction> {
        self.in_force_of(self.nets.longest(address), now)
    }

    /// Whether one is against this address, in force or not.
    pub fn concerns(&self, address: IpAddr) -> bool {
        self.nets.longest(address).is_some()
    }

    /// Those in force, by number.
    pub fn in_force(&self, now: WallTime) -> impl Iterator<Item = &Sanction> {
        let all = self.list.values();
        all.filter(move |sanction| !sanction.end.is_over(now))
    }

    /// The number of one against who is called so, in force or not.
    pub fn number_against(&self, name: &Name) -> Option<u32> {
        let held = self.names.get(keys_of(self.kind, name).next()?)?;
        let mut numbers = held.iter().map(|&(_, number)| number);
        numbers.find(|number| self.list[number].target.is_named(name))
    }

    /// Whether there is none at all, in force or not.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What has changed since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn in_force_of(&self, held: Option<(End, u32)>, now: WallTime) -> Option<&Sanction> {
        let (_, number) = held.filter(|(end, _)| !end.is_over(now))?;
        self.list.get(&number)
    }

    /// The number of the one that is against just the same.
    fn number_of(&self, target: &Target) -> Option<u32> {
        let held = match (target.name(), target.net()) {
            (Some(name), _) => self.names.get(keys_of(self.kind, name).next()?),
            (None, Some(net)) => self.nets.get(net),
            (None, None) => None,
        };
        let mut numbers = held?.iter().map(|&(_, number)| number);
        numbers.find(|number| self.list[number].target.is_same(target))
    }

    fn next_number(&self) -> u32 {
        let free = || (1..).find(|number| !self.list.contains_key(number));
        let next = self.last.checked_add(1).or_else(free);
        next.expect("there are far more numbers than places")
    }

    /// Those that are over go, if there is no place else.
    fn make_place(&mut self, now: WallTime) -> Result<(), Full> {
        if self.list.len() < self.count_max {
            return Ok(());
        }
        let all = self.list.values();
        let over: Vec<u32> = all
            .filter(|sanction| sanction.end.is_over(now))
            .map(|sanction| sanction.number)
            .collect();
        for &number in &over {
            self.remove(number);
        }
        if over.is_empty() {
            return Err(Full(self.count_max));
        }
        Ok(())
    }

    fn insert(&mut self, sanction: Sanction) -> &Sanction {
        let Sanction { number, end, .. } = sanction;
        self.last = self.last.max(number);
        if let Some(name) = sanction.target.name() {
            for key in keys_of(self.kind, name) {
                let held = self.names.entry(key.into()).or_default();
                held.insert((end, number));
            }
        }
        if let Some(net) = sanction.target.net() {
            self.nets.insert(net, end, number);
        }
        self.list.entry(number).or_insert(sanction)
    }

    fn take_out(&mut self, number: u32) -> Option<Sanction> {
        let sanction = self.list.remove(&number)?;
        if let Some(name) = sanction.target.name() {
            for key in keys_of(self.kind, name) {
                if let Some(held) = self.names.get_mut(key) {
                    held.remove(&(sanction.end, number));
                    if held.is_empty() {
                        self.names.remove(key);
                    }
                }
            }
        }
        if let Some(net) = sanction.target.net() {
            self.nets.remove(net, sanction.end, number);
        }
        Some(sanction)
    }
}

/// By what a name is found. A banned name is one that nobody may ask for, and so are those that look like
/// it; a mute is against who is called so.
fn keys_of(kind: Kind, name: &Name) -> impl Iterator<Item = &str> {
    let (of_ban, of_mute) = match kind {
        Kind::Ban => (Some(name.keys()), None),
        Kind::Mute => (None, Some(name.folded())),
    };
    of_ban.into_iter().flatten().chain(of_mute)
}

#[cfg(test)]
mod tests;
