//! What somebody must have been told, held against what was: line by line, in order. Part of the
//! world.

use std::fmt;
use std::rc::Rc;

use super::world::{Outcome, World};

/// What was laid into each outbox in one turn, by slot.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Whole lines without their ending.
    pub(crate) lines: Vec<Vec<String>>,
}

impl Observed {
    pub(crate) fn of(&self, slot: usize) -> &[String] {
        self.lines.get(slot).map_or(&[], Vec::as_slice)
    }
}

/// One line that somebody must be told.
#[derive(Clone, Copy)]
pub(crate) enum Expected<'a> {
    Exact(&'a str),
    /// `! code` and any words.
    Refusal(&'a str),
    /// `= /command` and any words.
    Help,
    /// Spoken for another program.
    Foreign(&'a str),
}

impl World {
    pub(crate) fn tell_room(&mut self, room: &str, except: Option<usize>, line: &str) -> Outcome {
        self.said_bytes += line.len() + 1;
        let members = self.rooms[room].members.clone();
        for slot in members {
            if Some(slot) != except {
                self.hear(slot, Expected::Exact(line))?;
            }
        }
        Ok(())
    }

    pub(crate) fn answer(&mut self, slot: usize, line: &str) -> Outcome {
        self.tell(slot, Expected::Exact(line))
    }

    pub(crate) fn tell(&mut self, slot: usize, expected: Expected<'_>) -> Outcome {
        self.said_bytes += expected.bytes_max();
        self.hear(slot, expected)
    }

    /// One more line that this one must have been told, behind those before.
    pub(crate) fn hear(&mut self, slot: usize, expected: Expected<'_>) -> Outcome {
        let observed = Rc::clone(&self.observed);
        let peer = self.peer(slot);
        peer.told_bytes += expected.bytes_max();
        if peer.blind {
            return Ok(());
        }
        let line = observed.of(slot).get(peer.explained);
        peer.explained += 1;
        match line {
            Some(line) if expected.fits(line) => Ok(()),
            Some(line) => Err(format!(
                "slot {slot} was told {line:?} instead of {expected}"
            )),
            None => Err(format!("slot {slot} was not told {expected}")),
        }
    }
}

impl Expected<'_> {
    fn fits(self, line: &str) -> bool {
        match self {
            Expected::Exact(text) | Expected::Foreign(text) => line == text,
            Expected::Help => line.starts_with("= /"),
            Expected::Refusal(code) => line
                .strip_prefix("! ")
                .and_then(|rest| rest.strip_prefix(code))
                .is_some_and(|rest| rest.starts_with(' ')),
        }
    }

    /// With its ending; where the words are free, more than they are.
    fn bytes_max(self) -> usize {
        match self {
            Expected::Exact(text) | Expected::Foreign(text) => text.len() + 1,
            Expected::Help | Expected::Refusal(_) => 300,
        }
    }
}

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Exact(text) | Expected::Foreign(text) => write!(f, "{text:?}"),
            Expected::Help => write!(f, "a line of help"),
            Expected::Refusal(code) => write!(f, "\"! {code} …\""),
        }
    }
}
