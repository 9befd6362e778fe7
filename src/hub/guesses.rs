//! `Guesses`: how many wrong passwords came from where within a minute, and whether more are listened
//! to. Not what a password is. Owned by the gate.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::config::Limits;
use crate::session::AddressGroup;
use crate::time::Time;

/// How long wrong passwords of an address are remembered, from the first on.
const WINDOW: Duration = Duration::from_secs(60);

/// See the file.
#[derive(Debug)]
pub(super) struct Guesses {
    windows: HashMap<AddressGroup, Window>,
    /// In the order in which they end.
    ends: VecDeque<(Time, AddressGroup)>,
    /// Of all those together for which there was no place: whoever has that many addresses shall
    /// not have as many guesses for each.
    others: Window,
    wrong_max: u32,
    groups_max: usize,
}

/// The wrong passwords from one place in one minute.
#[derive(Debug, Clone, Copy)]
struct Window {
    wrong: u32,
    ends_at: Time,
}

impl Guesses {
    pub(super) fn new(limits: &Limits) -> Guesses {
        Guesses {
            windows: HashMap::new(),
            ends: VecDeque::new(),
            others: Window {
                wrong: 0,
                ends_at: Time::START,
            },
            wrong_max: limits.wrong_passwords_per_minute_max,
            groups_max: limits.wrong_password_groups_max,
        }
    }

    /// Whether a password from there is listened to; else from when on.
    pub(super) fn check(&mut self, group: AddressGroup, now: Time) -> Result<(), Time> {
        self.forget_past(now);
        let has_place = self.windows.len() < self.groups_max;
        let window = self.windows.get(&group);
        let window = window.or(Some(&self.others).filter(|_| !has_place));
        match window {
            Some(window) if window.wrong >= self.wrong_max => Err(window.ends_at),
            _ => Ok(()),
        }
    }

    /// A wrong one came from there. Whether no more are listened to now.
    pub(super) fn count(&mut self, group: AddressGroup, now: Time) -> bool {
        self.forget_past(now);
        let ends_at = now + WINDOW;
        let has_place = self.windows.len() < self.groups_max;
        let window = if has_place || self.windows.contains_key(&group) {
            let ends = &mut self.ends;
            self.windows.entry(group).or_insert_with(|| {
                ends.push_back((ends_at, group));
                Window { wrong: 0, ends_at }
            })
        } else {
            &mut self.others
        };
        if window.wrong == 0 {
            window.ends_at = ends_at;
        }
        window.wrong += 1;
        window.wrong >= self.wrong_max
    }

    fn forget_past(&mut self, now: Time) {
        while let Some(&(ends_at, group)) = self.ends.front()
            && ends_at <= now
        {
            self.ends.pop_front();
            self.windows.remove(&group);
        }
        if self.windows.is_empty() {
            // A storm of guesses is over: what it needed is not kept.
            self.windows.shrink_to(0);
            self.ends.shrink_to(0);
        }
        if self.others.ends_at <= now {
            self.others.wrong = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn ten_a_minute_from_one_place() {
        let mut guesses = Guesses::new(&Limits::default());
        let (here, there) = (AddressGroup(1), AddressGroup(2));
        for second in 0..10 {
            assert_eq!(guesses.check(here, at(second)), Ok(()));
            assert_eq!(guesses.count(here, at(second)), second == 9);
        }
        assert_eq!(guesses.check(here, at(59)), Err(at(60)));
        assert_eq!(guesses.check(there, at(59)), Ok(()));
        assert_eq!(guesses.check(here, at(60)), Ok(()), "its minute is over");
        assert!(guesses.windows.is_empty() && guesses.ends.is_empty());
    }

    #[test]
    fn whoever_has_many_addresses_shares_what_is_left() {
        let mut guesses = Guesses::new(&Limits {
            wrong_password_groups_max: 100,
            ..Limits::default()
        });
        let mut heard = 0;
        for number in 0..5000 {
            if guesses.check(AddressGroup(number), at(1)).is_ok() {
                guesses.count(AddressGroup(number), at(1));
                heard += 1;
            }
        }
        assert_eq!(heard, 110);
        assert!(guesses.windows.len() == 100 && guesses.ends.len() == 100);
        assert_eq!(
            guesses.check(AddressGroup(7), at(1)),
            Ok(()),
            "it has its own"
        );
        assert_eq!(guesses.check(AddressGroup(4999), at(1)), Err(at(61)));
        assert_eq!(guesses.check(AddressGroup(4999), at(61)), Ok(()));
        assert_eq!(guesses.windows.capacity(), 0);
    }
}
