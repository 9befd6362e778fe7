//! A virtual socket, the kernel's buffers on both ways included. It takes and gives bytes as
//! unkindly as a kernel may. Owned by the network.

use std::collections::VecDeque;

use chatd::time::Time;
use chatd::turn::{Fill, Flush};
use fastrand::Rng;

use super::browser::Framer;
use super::sealed::Sealed;
use super::sniff::Language;
use super::wire::{self, Wire};

/// One line or frame that the engine owes a connection.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) turn: u64,
    /// The turn in which its rest may have been copied, since nothing else was owed any more.
    pub(crate) copied_in: Option<u64>,
    /// When it was said.
    pub(crate) since: Time,
    /// It is the answer to a ping.
    pub(crate) is_pong: bool,
    /// It was laid behind the writing of its turn, so it counts to the next.
    pub(crate) is_late: bool,
}

/// How a client reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    AtOnce,
    /// So many bytes, so many microseconds apart.
    Slowly(usize, u64),
    NotAtAll,
}

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) serial: u64,
    pub(crate) speaks: Language,
    /// It puts what it says into frames, if it is a WebSocket.
    pub(crate) framer: Option<Framer>,
    // From the client.
    pub(crate) arrived: VecDeque<u8>,
    pub(crate) fin: bool,
    pub(crate) reset: bool,
    /// What the client sends later arrives later.
    pub(crate) arrival: Time,
    pub(crate) spoke: bool,
    pub(crate) sending: bool,
    // As the turn was told.
    /// Reading may bring something.
    pub(crate) readable: bool,
    /// Writing may take something.
    pub(crate) writable: bool,
    pub(crate) failed: bool,
    pub(crate) widened: bool,
    /// It was read from in this turn.
    pub(crate) filled: bool,
    /// It was read from for the sake of somebody else while it waited for that itself.
    pub(crate) place_is_unknown: bool,
    /// Since when, counted in such events, if it was not held back meanwhile.
    pub(crate) ready_since: Option<u64>,
    // To the client.
    in_flight: usize,
    capacity: usize,
    /// Of ten writes, so many take less than they could.
    short_writes: u32,
    pub(crate) reading: Reading,
    pub(crate) will_read: bool,
    pub(crate) shut: bool,
    /// The client was told that.
    pub(crate) saw_end: bool,
    pub(crate) lost: bool,
    pub(crate) owed: VecDeque<Owed>,
    /// What comes behind that.
    pub(crate) wire: Wire,
    /// Answers to pings that were laid in this turn.
    pub(crate) pongs: Vec<Vec<u8>>,
    head_offset: usize,
    /// What carries it, if that is not the bytes as they are.
    pub(crate) sealed: Option<Sealed>,
    /// Something was written to it in this turn.
    pub(crate) wrote: bool,
    /// What was written in this turn.
    pub(crate) taken: Vec<u8>,
    pub(crate) bytes_out: u64,
    /// The turn in which it ended.
    pub(crate) ended_in: Option<u64>,
    /// What is to be written to it after it was closed.
    pub(crate) last_bytes: Option<Vec<u8>>,
}

impl Socket {
    pub(crate) fn new(serial: u64, now: Time, has_web: bool, rng: &mut Rng) -> Socket {
        let is_framed = has_web && rng.u32(..3) == 0;
        let capacities = [
            1, 20, 20, 200, 200, 200, 200, 2000, 2000, 2000, 2000, 2000, 100_000, 100_000, 100_000,
        ];
        Socket {
            serial,
            speaks: match is_framed || rng.bool() {
                true => Language::Json,
                false => Language::Text,
            },
            framer: is_framed.then(Framer::default),
            arrived: VecDeque::new(),
            fin: false,
            reset: false,
            arrival: now,
            spoke: false,
            sending: true,
            readable: false,
            writable: true,
            failed: false,
            widened: false,
            filled: false,
            place_is_unknown: false,
            ready_since: None,
            in_flight: 0,
            capacity: capacities[rng.usize(..capacities.len())],
            short_writes: [0, 0, 3, 10][rng.usize(..4)],
            reading: Reading::AtOnce,
            will_read: false,
            shut: false,
            saw_end: false,
            lost: false,
            owed: VecDeque::new(),
            wire: if has_web { Wire::Open } else { Wire::Lines },
            pongs: Vec::new(),
            head_offset: 0,
            sealed: (rng.u32(..4) == 0).then(Sealed::default),
            wrote: false,
            taken: Vec::new(),
            bytes_out: 0,
            ended_in: None,
            last_bytes: None,
        }
    }

    /// Reads until `bytes_max`, the end, or nothing is left. What came before a reset is still there.
    pub(crate) fn fill(&mut self, bytes_max: usize) -> (Vec<u8>, Fill) {
        let count = self.arrived.len().min(bytes_max);
        let bytes: Vec<u8> = self.arrived.drain(..count).collect();
        if count == bytes_max {
            return (bytes, Fill::Full);
        }
        self.readable = false;
        let sealed = self.sealed.as_mut();
        let fill = match (self.reset, self.fin, sealed) {
            (true, ..) => Fill::Lost,
            (_, _, Some(sealed)) if sealed.is_faulty && !sealed.has_failed => {
                sealed.fail();
                Fill::Faulty
            }
            (_, true, Some(sealed)) if sealed.is_truncated => Fill::Truncated,
            (_, true, _) => Fill::Ended,
            (_, false, _) => Fill::Exhausted,
        };
        self.lost |= self.reset;
        (bytes, fill)
    }

    /// Takes some of these bytes, or promises them.
    pub(crate) fn write(&mut self, offered: &[u8], rng: &mut Rng) -> Result<(Flush, bool), String> {
        let Some(sealed) = &mut self.sealed else {
            return Ok(self.write_plain(offered.len(), rng));
        };
        let unsent = sealed.seal(offered, rng)?;
        let promised = sealed.promised();
        let (flush, is_spurious) = self.write_plain(unsent, rng);
        let count = match flush {
            Flush::Took(count) => count,
            Flush::Lost => return Ok((flush, is_spurious)),
            Flush::Blocked | Flush::Promised(_) => 0,
        };
        let taken = self.sealed.as_mut().and_then(|sealed| sealed.sent(count));
        let has_room = self.in_flight < self.capacity;
        self.writable &= taken.is_some();
        Ok(match taken {
            Some(count) => (Flush::Took(count), is_spurious),
            None => (Flush::Promised(promised), is_spurious || has_room),
        })
    }

    /// Takes some of so many bytes. Whether it could have taken more, and will say so soon.
    fn write_plain(&mut self, offered: usize, rng: &mut Rng) -> (Flush, bool) {
        // It may also break between the read and the write of one turn.
        self.reset |= rng.u32(..1000) == 0;
        if self.reset {
            self.writable = false;
            self.lost = true;
            return (Flush::Lost, false);
        }
        let most = (self.capacity - self.in_flight).min(offered);
        if most == 0 {
            self.writable = false;
            return (Flush::Blocked, false);
        }
        let count = match rng.u32(..10) < self.short_writes {
            false => most,
            true => match rng.u32(..4) {
                0 => {
                    self.writable = false;
                    return (Flush::Blocked, true);
                }
                1 => 1,
                _ => rng.usize(1..=most),
            },
        };
        self.in_flight += count;
        self.wrote = true;
        (Flush::Took(count), false)
    }

    /// It has room for its last lines, once. Whether it takes more now.
    pub(crate) fn widen(&mut self) -> bool {
        self.capacity *= 2;
        self.writable = true;
        true
    }

    /// The client reads. Whether that makes room where there was none.
    pub(crate) fn drain(&mut self) -> bool {
        let count = match self.reading {
            Reading::AtOnce => self.in_flight,
            Reading::Slowly(count, _) => count.min(self.in_flight),
            Reading::NotAtAll => 0,
        };
        self.in_flight -= count;
        count > 0 && !self.writable
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.in_flight > 0
    }

    /// When the client reads next, in microseconds from now.
    pub(crate) fn reads_in(&self, rng: &mut Rng) -> Option<u64> {
        match self.reading {
            Reading::AtOnce => Some(rng.u64(1..500)),
            Reading::Slowly(_, apart) => Some(apart),
            Reading::NotAtAll => None,
        }
    }

    pub(crate) fn owed_bytes(&self) -> usize {
        self.owed.iter().map(|line| line.bytes.len()).sum::<usize>() - self.head_offset
    }

    /// What the engine should still hold for this connection.
    pub(crate) fn owed_contents(&self) -> Vec<u8> {
        self.rest_of(self.owed.len())
    }

    /// How many of the first units must follow whatever happens: those that were begun or promised,
    /// and the head without which no frame can be read.
    pub(crate) fn must_follow(&self) -> usize {
        let promised = self
            .sealed
            .as_ref()
            .map_or(0, |sealed| sealed.promised_before);
        let mut left = self.head_offset + promised;
        let is_head = |unit: &Owed| unit.bytes.starts_with(b"HTTP/1.1 101 ");
        let begun = self.owed.iter().take_while(|unit| {
            let is_begun = left > 0;
            left = left.saturating_sub(unit.bytes.len());
            is_begun
        });
        begun
            .count()
            .max(usize::from(self.owed.front().is_some_and(is_head)))
    }

    /// What it cannot read any more is nothing.
    pub(crate) fn has_failed(&self) -> bool {
        self.sealed.as_ref().is_some_and(|sealed| sealed.has_failed)
    }

    /// What is left of so many of the first units.
    pub(crate) fn rest_of(&self, units: usize) -> Vec<u8> {
        let units = self.owed.iter().take(units);
        let mut all = units
            .map(|unit| &unit.bytes[..])
            .collect::<Vec<_>>()
            .concat();
        all.drain(..self.head_offset.min(all.len()));
        all
    }

    /// Nobody will read what it is owed.
    pub(crate) fn forget_owed(&mut self) {
        self.bytes_out += self.taken.len() as u64;
        self.taken.clear();
        self.owed.clear();
        self.head_offset = 0;
    }

    /// What was written in this turn must be what was owed first.
    pub(crate) fn settle_taken(&mut self) -> Result<(), String> {
        let taken = std::mem::take(&mut self.taken);
        self.bytes_out += taken.len() as u64;
        let mut rest = &taken[..];
        while !rest.is_empty() {
            let line = self.owed.front().ok_or("more was written than is owed")?;
            let due = &line.bytes[self.head_offset..];
            let count = due.len().min(rest.len());
            if due[..count] != rest[..count] {
                return Err(format!(
                    "{:?} was written instead of {:?}",
                    wire::show(rest),
                    wire::show(due)
                ));
            }
            rest = &rest[count..];
            self.head_offset += count;
            if self.head_offset == line.bytes.len() {
                self.owed.pop_front();
                self.head_offset = 0;
            }
        }
        Ok(())
    }
}
