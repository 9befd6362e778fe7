//! A virtual socket, the kernel's buffers on both ways included, and the readiness bits that net
//! would keep of it. It takes and gives bytes as unkindly as a kernel may. Owned by a simulation.

use std::collections::VecDeque;

use chatd::time::Time;
use fastrand::Rng;

use super::view::View;

/// One line that the hub owes a connection.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) turn: u64,
    /// When it was said.
    pub(crate) since: Time,
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
    // From the client.
    pub(crate) arrived: VecDeque<u8>,
    pub(crate) fin: bool,
    pub(crate) reset: bool,
    /// What the client sends later arrives later.
    pub(crate) arrival: Time,
    pub(crate) spoke: bool,
    pub(crate) sending: bool,
    // As net knows it.
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) failed: bool,
    pub(crate) listed: bool,
    pub(crate) lost: bool,
    /// The turn in which the hub said that it has ended.
    pub(crate) ended_in: Option<u64>,
    // To the client.
    in_flight: usize,
    capacity: usize,
    /// Of ten writes, so many take less than they could.
    short_writes: u32,
    pub(crate) reading: Reading,
    pub(crate) will_read: bool,
    pub(crate) shut: bool,
    pub(crate) owed: VecDeque<Owed>,
    pub(crate) head_offset: usize,
    pub(crate) bytes_out: u64,
    pub(crate) view: View,
}

/// What became of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    Open,
    Ended,
    Lost,
}

/// What became of a write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Write {
    Took(usize),
    /// It will say when it takes more.
    WouldBlock,
    /// It takes no more, though it could: it will say so soon.
    Spurious,
    Lost,
}

impl Socket {
    pub(crate) fn new(serial: u64, now: Time, view: View, rng: &mut Rng) -> Socket {
        let capacities = [1, 20, 200, 200, 2000, 2000, 2000, 100_000, 100_000];
        Socket {
            serial,
            arrived: VecDeque::new(),
            fin: false,
            reset: false,
            arrival: now,
            spoke: false,
            sending: true,
            readable: false,
            writable: true,
            failed: false,
            listed: false,
            lost: false,
            ended_in: None,
            in_flight: 0,
            capacity: capacities[rng.usize(..capacities.len())],
            short_writes: [0, 0, 3, 10][rng.usize(..4)],
            reading: Reading::AtOnce,
            will_read: false,
            shut: false,
            owed: VecDeque::new(),
            head_offset: 0,
            bytes_out: 0,
            view,
        }
    }

    /// Reads like `Conn::fill`: until `bytes_max`, the end, or nothing is left.
    pub(crate) fn fill(&mut self, bytes_max: usize) -> (Vec<u8>, Fill) {
        if self.reset {
            self.readable = false;
            return (Vec::new(), Fill::Lost);
        }
        let count = self.arrived.len().min(bytes_max);
        let bytes: Vec<u8> = self.arrived.drain(..count).collect();
        if count == bytes_max {
            return (bytes, Fill::Open);
        }
        self.readable = false;
        if self.fin {
            return (bytes, Fill::Ended);
        }
        (bytes, Fill::Open)
    }

    /// Takes some of `offered` bytes.
    pub(crate) fn write(&mut self, offered: usize, rng: &mut Rng) -> Write {
        // It may also break between the read and the write of one turn.
        self.reset |= rng.u32(..1000) == 0;
        if self.reset {
            return Write::Lost;
        }
        let space = self.capacity - self.in_flight;
        if space == 0 {
            return Write::WouldBlock;
        }
        let most = space.min(offered);
        if rng.u32(..10) >= self.short_writes {
            self.in_flight += most;
            return Write::Took(most);
        }
        let count = match rng.u32(..4) {
            0 => return Write::Spurious,
            1 => 1,
            _ => rng.usize(1..=most),
        };
        self.in_flight += count;
        Write::Took(count)
    }

    /// The client reads. Whether the server may write again, and whether there is more to read.
    pub(crate) fn drain(&mut self) -> (bool, bool) {
        let count = match self.reading {
            Reading::AtOnce => self.in_flight,
            Reading::Slowly(count, _) => count.min(self.in_flight),
            Reading::NotAtAll => 0,
        };
        self.in_flight -= count;
        (count > 0 && !self.writable, self.in_flight > 0)
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

    /// What the hub should still hold for this connection.
    pub(crate) fn owed_contents(&self) -> Vec<u8> {
        let mut all: Vec<u8> = self
            .owed
            .iter()
            .flat_map(|line| &line.bytes)
            .copied()
            .collect();
        all.drain(..self.head_offset);
        all
    }

    /// The rest of a line that was begun.
    pub(crate) fn rest_of_line(&self) -> &[u8] {
        match self.owed.front() {
            Some(line) if self.head_offset > 0 => &line.bytes[self.head_offset..],
            _ => &[],
        }
    }

    /// The hub says that these were written.
    pub(crate) fn took(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.bytes_out += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let line = self.owed.front().ok_or("more was written than is owed")?;
            let due = &line.bytes[self.head_offset..];
            let count = due.len().min(rest.len());
            if due[..count] != rest[..count] {
                return Err(format!(
                    "{:?} was written instead of {:?}",
                    show(rest),
                    show(due)
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

pub(crate) fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
