//! `Gate`: who is outside while there is a password, and how far each of them has come: what it gave
//! for a name, how often it was wrong, from where it comes. Not what is answered (`admission`), nor
//! how often an address may be wrong (`guesses`). Without a password it holds nothing. Owned by the
//! core.

use std::collections::{HashMap, VecDeque};

use crate::config::Limits;
use crate::password::{GivenPassword, Password};
use crate::session::{AddressGroup, SessionId};
use crate::time::Time;

use super::guesses::Guesses;

/// What is kept of a name until the password is known, in bytes: what is longer is no name, and
/// this much of it is none either.
const NAME_BYTES_MAX: usize = 512;

/// See the file.
#[derive(Debug)]
pub(super) struct Gate {
    password: Option<Password>,
    outsiders: HashMap<SessionId, Outsider>,
    guesses: Guesses,
    tries_max: u32,
    /// Sessions whose next line gives a password, which waits until it is known from where.
    to_locate: VecDeque<SessionId>,
}

/// Somebody who has begun to come in.
#[derive(Debug, Default)]
struct Outsider {
    /// From where, once that was asked for.
    group: Option<AddressGroup>,
    /// How often it was wrong.
    wrong: u32,
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    /// It has shown nothing.
    #[default]
    Unknown,
    /// It gave this name, and is asked for the password.
    Asked(Box<str>),
    /// It knows the password.
    Proved,
}

/// Why somebody does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    /// It gave no password.
    NotGiven,
    /// It gave a wrong one; whether that was the last that is listened to from there.
    Wrong {
        /// See above.
        is_last_of_address: bool,
    },
    /// It is not listened to before this point.
    Unheard(Time),
}

impl Gate {
    /// An open one.
    pub(super) fn new(limits: &Limits) -> Gate {
        Gate {
            password: None,
            outsiders: HashMap::new(),
            guesses: Guesses::new(limits),
            tries_max: limits.wrong_passwords_max,
            to_locate: VecDeque::new(),
        }
    }

    /// Another password, for whoever comes from now on.
    pub(super) fn set_password(&mut self, password: Option<Password>) {
        self.password = password;
    }

    /// Whether there is a password.
    pub(super) fn is_closed(&self) -> bool {
        self.password.is_some()
    }

    /// The name that somebody has given who is asked for the password.
    pub(super) fn name_of(&self, id: SessionId) -> Option<&str> {
        match &self.outsiders.get(&id)?.stage {
            Stage::Asked(name) => Some(name),
            Stage::Unknown | Stage::Proved => None,
        }
    }

    /// Somebody is asked for the password, and gave this name before.
    pub(super) fn ask(&mut self, id: SessionId, name: &str) {
        let fits = |&(at, c): &(usize, char)| at + c.len_utf8() <= NAME_BYTES_MAX;
        let kept: String = name
            .char_indices()
            .take_while(fits)
            .map(|(_, c)| c)
            .collect();
        self.outsiders.entry(id).or_default().stage = Stage::Asked(kept.into());
    }

    /// Whether somebody comes in who gives this, or gave it before.
    pub(super) fn check(
        &mut self,
        id: SessionId,
        given: Option<GivenPassword<'_>>,
        now: Time,
    ) -> Result<(), Shut> {
        let outsider = self.outsiders.get(&id);
        let has_proved = outsider.is_some_and(|one| matches!(one.stage, Stage::Proved));
        if !self.is_closed() || (given.is_none() && has_proved) {
            return Ok(());
        }
        let given = given.ok_or(Shut::NotGiven)?;
        let group = outsider.and_then(|one| one.group);
        let outcome = self.check_from(group.unwrap_or_default(), given, now);
        let outsider = self.outsiders.entry(id).or_default();
        match outcome {
            Ok(()) => outsider.stage = Stage::Proved,
            Err(_) => outsider.wrong += 1,
        }
        outcome
    }

    /// Whether it was wrong as often as anybody may be.
    pub(super) fn has_had_its_tries(&self, id: SessionId) -> bool {
        let outsider = self.outsiders.get(&id);
        outsider.is_some_and(|outsider| outsider.wrong >= self.tries_max)
    }

    /// Whether this is the password, if it is listened to from there.
    pub(super) fn check_from(
        &mut self,
        group: AddressGroup,
        given: GivenPassword<'_>,
        now: Time,
    ) -> Result<(), Shut> {
        self.guesses.check(group, now).map_err(Shut::Unheard)?;
        let password = self.password.as_ref();
        if password.is_none_or(|password| password.is(given)) {
            return Ok(());
        }
        let is_last_of_address = self.guesses.count(group, now);
        Err(Shut::Wrong { is_last_of_address })
    }

    /// Whether it is to be found out first from where it comes.
    pub(super) fn wants_location(&self, id: SessionId) -> bool {
        let outsider = self.outsiders.get(&id);
        self.is_closed() && outsider.is_none_or(|outsider| outsider.group.is_none())
    }

    /// A session waits until that is found out.
    pub(super) fn wait_for_location(&mut self, id: SessionId) {
        self.to_locate.push_back(id);
    }

    /// Whether any does.
    pub(super) fn is_locating(&self) -> bool {
        !self.to_locate.is_empty()
    }

    /// A session that waits for it; where it comes from is to be noted with [`Gate::locate`].
    pub(super) fn next_to_locate(&mut self) -> Option<SessionId> {
        self.to_locate.pop_front()
    }

    /// Notes where a session comes from.
    pub(super) fn locate(&mut self, id: SessionId, group: AddressGroup) {
        self.outsiders.entry(id).or_default().group = Some(group);
    }

    /// It is inside.
    pub(super) fn let_in(&mut self, id: SessionId) {
        self.outsiders.remove(&id);
    }

    /// It is gone.
    pub(super) fn forget(&mut self, id: SessionId) {
        self.outsiders.remove(&id);
        self.to_locate.retain(|&other| other != id);
    }
}
