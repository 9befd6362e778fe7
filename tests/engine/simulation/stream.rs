//! Whether somebody is told what it must be, in the one order: what its rooms say comes room by
//! room in the order of the facts, and what it is answered comes behind all that they said before.
//! Owned by a peer of the shadow.

use std::rc::Rc;

use super::words::Words;
use super::world::Outcome;

/// What one connection was told in this turn, and what it should have been.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Whole lines without their ending.
    pub(crate) observed: Vec<String>,
    cursor: usize,
    /// What its rooms have said that is not found in the lines yet, and the room's key.
    pending: Vec<(Rc<str>, Rc<Words>)>,
    /// What it was told in this turn is forgotten: it was cut, or its connection is gone.
    pub(crate) blind: bool,
    /// It was told something that is no line among them, and before that what its rooms had said.
    pub(crate) was_pinged: bool,
    /// What it should have been told in this turn, in bytes.
    pub(crate) told_bytes: usize,
    /// So much of that was said in its rooms, at their pace.
    paced_bytes: usize,
}

impl Stream {
    /// A new turn: it was told these lines.
    pub(crate) fn start(&mut self, observed: Vec<String>, blind: bool) {
        self.observed = observed;
        self.cursor = 0;
        self.blind = blind;
        self.told_bytes = self
            .pending
            .iter()
            .map(|(_, words)| words.bytes_max())
            .sum();
        self.paced_bytes = 0;
    }

    /// What it should have been told in this turn besides what its rooms said at their pace.
    pub(crate) fn told_besides(&self) -> usize {
        self.told_bytes - self.paced_bytes
    }

    /// One of its rooms says something.
    pub(crate) fn hear(&mut self, room: &Rc<str>, words: &Rc<Words>, is_paced: bool) {
        self.told_bytes += words.bytes_max();
        self.paced_bytes += if is_paced { words.bytes_max() } else { 0 };
        if !self.blind {
            self.pending.push((Rc::clone(room), Rc::clone(words)));
        }
    }

    /// It is told this by itself. If it is not, nothing has happened here.
    pub(crate) fn tell(&mut self, words: &[Words]) -> Outcome {
        if !self.blind && !words.is_empty() {
            let (mut cursor, _) = self.find_pending()?;
            for words in words {
                let rest = &self.observed[cursor..];
                cursor += words.fits(rest).ok_or_else(|| {
                    let lines = &rest[..rest.len().min(4)];
                    format!("was told {lines:?} instead of {words:?}")
                })?;
            }
            self.cursor = cursor;
            self.pending.clear();
        }
        self.told_bytes += words.iter().map(Words::bytes_max).sum::<usize>();
        Ok(())
    }

    /// The turn is over: everything must have been told, and nothing else. `rooms` are those that
    /// spoke, in the order in which they first did, where that order is known.
    pub(crate) fn finish(&mut self, rooms: Option<&[Rc<str>]>) -> Outcome {
        let pending = std::mem::take(&mut self.pending);
        if self.blind {
            return Ok(());
        }
        self.pending = pending;
        let (cursor, order) = self.find_pending()?;
        self.pending.clear();
        if let Some(line) = self.observed.get(cursor) {
            return Err(format!("was told {line:?}, out of nowhere"));
        }
        let Some(rooms) = rooms.filter(|_| !self.was_pinged) else {
            return Ok(());
        };
        let place = |room: &Rc<str>| rooms.iter().position(|other| other == room);
        if !order.iter().map(place).is_sorted() {
            return Err(format!(
                "its rooms come as {order:?}, they spoke as {rooms:?}"
            ));
        }
        Ok(())
    }

    /// Where what is pending ends in the lines, and of which room each of its lines is.
    fn find_pending(&self) -> Result<(usize, Vec<Rc<str>>), String> {
        let mut rest: Vec<&(Rc<str>, Rc<Words>)> = self.pending.iter().collect();
        let mut order = Vec::new();
        let mut cursor = self.cursor;
        while !rest.is_empty() {
            let lines = &self.observed[cursor..];
            // The next of some room.
            let is_next = |&index: &usize| {
                let (room, words) = rest[index];
                let mut earlier = rest[..index].iter();
                earlier.all(|(other, _)| other != room) && words.fits(lines).is_some()
            };
            let Some(index) = (0..rest.len()).find(is_next) else {
                let line = lines.first();
                return Err(format!("was told {line:?} instead of {:?}", rest[0].1));
            };
            order.push(Rc::clone(&rest.remove(index).0));
            cursor += 1;
        }
        Ok((cursor, order))
    }
}
