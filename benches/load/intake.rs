//! What one receiver has received, and whether it is right: cheap, since the generator must not be
//! what is measured. Not the reading (that is `stream`). Owned by a member.

use super::fault::Fault;
use super::options::Check;
use super::parser::{Parser, Seen};
use super::progress::{BLOCK_BYTES, RoomProgress};
use super::sieve::Sieve;

/// The bytes of one receiver, from the first line on.
#[derive(Debug)]
pub(crate) struct Intake {
    number: u32,
    check: Check,
    parser: Option<Parser>,
    sieve: Option<Sieve>,
    digest: crc32fast::Hasher,
    lines: u64,
    position: u64,
}

impl Intake {
    /// At the start of the stream of connection `number`. With a parser it is followed line by
    /// line; with a sieve it also gets what only a speaker is told.
    pub(crate) fn new(
        number: u32,
        check: Check,
        parser: Option<Parser>,
        sieve: Option<Sieve>,
    ) -> Self {
        Intake {
            number,
            check,
            parser,
            sieve,
            digest: crc32fast::Hasher::new(),
            lines: 0,
            position: 0,
        }
    }

    /// Takes the next bytes, and checks what everybody in the room receives.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        room: &RoomProgress,
        on_line: &mut impl FnMut(Seen),
    ) -> Result<(), Fault> {
        let Some(mut sieve) = self.sieve.take() else {
            return self.examine(bytes, room, on_line);
        };
        let fed = sieve.feed(bytes, |bytes| self.examine(bytes, room, on_line));
        self.sieve = Some(sieve);
        fed
    }

    fn examine(
        &mut self,
        bytes: &[u8],
        room: &RoomProgress,
        on_line: &mut impl FnMut(Seen),
    ) -> Result<(), Fault> {
        match self.check {
            Check::Hash => self.digest(bytes, room)?,
            Check::Count => self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64,
            Check::Full => {}
        }
        if let Some(parser) = &mut self.parser {
            parser.feed(bytes, on_line)?;
        }
        if self.check != Check::Hash {
            self.position += bytes.len() as u64;
        }
        Ok(())
    }

    fn digest(&mut self, mut bytes: &[u8], room: &RoomProgress) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let left = (BLOCK_BYTES - self.position % BLOCK_BYTES) as usize;
            let (now, later) = bytes.split_at(left.min(bytes.len()));
            self.digest.update(now);
            self.position += now.len() as u64;
            if self.position.is_multiple_of(BLOCK_BYTES) {
                self.compare(self.position / BLOCK_BYTES - 1, room)?;
                self.digest.reset();
            }
            bytes = later;
        }
        Ok(())
    }

    fn compare(&self, block: u64, room: &RoomProgress) -> Result<(), Fault> {
        if room.agrees(block, self.digest.clone().finalize()) {
            return Ok(());
        }
        Err(Fault::Differs {
            connection: self.number,
            block,
        })
    }

    /// Compares the unfinished last block, once everything has arrived.
    pub(crate) fn compare_tail(&self, room: &RoomProgress) -> Result<(), Fault> {
        if self.check == Check::Hash && !self.position.is_multiple_of(BLOCK_BYTES) {
            self.compare(self.position / BLOCK_BYTES, room)?;
        }
        Ok(())
    }

    /// Bytes received since the start, of those that everybody receives.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Departures it was told of, if it is followed line by line.
    pub(crate) fn departed(&self) -> u64 {
        self.parser.as_ref().map_or(0, Parser::departed)
    }

    /// Lines of its own that it was told are done, if it is told so.
    pub(crate) fn answers(&self) -> Option<u64> {
        self.sieve.as_ref().map(Sieve::answers)
    }

    /// Its number among all connections of the run.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Line endings received, if they are counted.
    pub(crate) fn counted_lines(&self) -> Option<u64> {
        (self.check == Check::Count).then_some(self.lines)
    }
}
