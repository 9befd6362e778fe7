//! `FixedRooms`: the names of rooms that are always there where no others are to be; and the one that
//! always is. Only that they are good names; what follows from them is `rooms`'s. A plain value, made from a setting.

use std::fmt;

use super::claims::Claims;
use super::name::{BadName, Name};

/// The room that is always there, which everybody enters who names none.
pub const LOBBY: &str = "lobby";

/// Names that can be told apart, and from the lobby's, which is always there and may be among them.
#[derive(Debug, Clone)]
pub struct FixedRooms(Vec<Name>);

/// The first that is wrong with such names, in words for whoever chose them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadRooms {
    /// This one is no name.
    BadName(String, BadName),
    /// This one is there already, or looks like one that is.
    Alike(String),
}

impl FixedRooms {
    /// Rooms of these names, each with a `#` before it or not.
    ///
    /// # Errors
    /// [`BadRooms`]: one of them is no name, or cannot be told from another.
    pub fn read(given: &[String]) -> Result<FixedRooms, BadRooms> {
        let lobby = Name::parse(LOBBY).expect("the word lobby is a good name");
        let mut claims = Claims::new();
        claims.claim(&lobby, 0);
        let (mut names, mut has_lobby) = (vec![lobby], false);
        for given in given {
            let name = Name::parse(given.strip_prefix('#').unwrap_or(given))
                .map_err(|bad| BadRooms::BadName(given.clone(), bad))?;
            if name.is_same(&names[0]) && !std::mem::replace(&mut has_lobby, true) {
                continue;
            }
            if claims.is_claimed_alike(&name, |place: usize| &names[place]) {
                return Err(BadRooms::Alike(given.clone()));
            }
            claims.claim(&name, names.len());
            names.push(name);
        }
        names.remove(0);
        Ok(FixedRooms(names))
    }

    /// The names, without the lobby's.
    pub(super) fn into_names(self) -> Vec<Name> {
        self.0
    }
}

impl fmt::Display for BadRooms {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRooms::BadName(given, bad) => write!(to, "{given:?} is no name of a room: {bad}"),
            BadRooms::Alike(given) => write!(
                to,
                "{given:?} stands there twice, or looks like another room: choose names that differ"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_told_apart() {
        let read = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|&name| name.into()).collect();
            let names = FixedRooms::read(&given).map(FixedRooms::into_names);
            names.map(|names| names.iter().map(Name::to_string).collect::<Vec<_>>())
        };
        assert_eq!(read(&["ops", "#Dev", "lobby"]).unwrap(), ["ops", "Dev"]);
        assert_eq!(read(&["l\u{f6}we"]).unwrap(), ["l\u{f6}we"]);
        for alike in [
            ["ops", "OPS"],
            ["ops", "\u{43e}\u{440}\u{455}"],
            ["Lobby", "lobby"],
        ] {
            assert_eq!(read(&alike), Err(BadRooms::Alike(alike[1].into())));
        }
        for bad in ["", "a b", "admin", "10.0.0.1"] {
            assert!(matches!(read(&[bad]), Err(BadRooms::BadName(..))), "{bad}");
        }
    }
}
