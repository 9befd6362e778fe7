//! Takes out of what a speaking program receives what it alone is told: that each of its lines is
//! done. What is left is what everybody in the room receives. Owned by `intake`.

use super::fault::Fault;
use super::program::{self, Kind};

/// Passes whole lines, as many at once as there are.
#[derive(Debug)]
pub(crate) struct Sieve {
    is_framed: bool,
    unfinished: Vec<u8>,
    answers: u64,
}

impl Sieve {
    /// At the start of a stream of lines, or of frames.
    pub(crate) fn new(is_framed: bool) -> Self {
        Sieve {
            is_framed,
            unfinished: Vec::new(),
            answers: 0,
        }
    }

    /// Takes the next bytes; gives what all receive of the lines they complete.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        take: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.unfinished.is_empty() {
            let used = self.pass(bytes, take)?;
            self.unfinished.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.unfinished);
        whole.extend_from_slice(bytes);
        let used = self.pass(&whole, take)?;
        whole.drain(..used);
        self.unfinished = whole;
        Ok(())
    }

    /// How many lines were told to be done.
    pub(crate) fn answers(&self) -> u64 {
        self.answers
    }

    fn pass(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<usize, Fault> {
        let (mut passed, mut used) = (0, 0);
        while let Some(piece) = program::piece(&bytes[used..], self.is_framed) {
            let start = used;
            used += piece.bytes;
            if piece.kind() == Kind::Done {
                take(&bytes[passed..start])?;
                passed = used;
                self.answers += 1;
            }
        }
        take(&bytes[passed..used])?;
        Ok(used)
    }
}
