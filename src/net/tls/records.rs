//! `Records`: where the records of a TLS stream end, which rustls does not say: so it is known how
//! much of an unfinished one is held, and for how long. It reads nothing but their lengths. Owned by
//! a TLS stream.

use std::io::{self, Read};
use std::time::Instant;

/// Kind, version and length stand before each record (RFC 8446, 5.1).
const HEADER_BYTES: usize = 5;
/// The most that one record takes, its header included (RFC 5246, 6.2.3).
pub(super) const RECORD_BYTES_MAX: usize = HEADER_BYTES + (16 << 10) + 2048;

/// How far a stream has come in its records.
#[derive(Debug, Default)]
pub(super) struct Records {
    header: [u8; HEADER_BYTES],
    /// Bytes that came of the unfinished record, its header included.
    held_bytes: usize,
    /// When the unfinished record was first seen to be unfinished.
    unfinished_since: Option<Instant>,
}

impl Records {
    /// These bytes came next.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.held_bytes < HEADER_BYTES {
                self.header[self.held_bytes] = first;
                self.held_bytes += 1;
                bytes = rest;
            } else {
                let count = (self.record_bytes() - self.held_bytes).min(bytes.len());
                self.held_bytes += count;
                bytes = &bytes[count..];
            }
            if self.held_bytes >= HEADER_BYTES && self.held_bytes == self.record_bytes() {
                self.held_bytes = 0;
                // What follows is another.
                self.unfinished_since = None;
            }
        }
    }

    /// Bytes of the unfinished record.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Takes note of when the record was begun that is unfinished at `now`.
    pub(super) fn note(&mut self, now: impl FnOnce() -> Instant) {
        if self.held_bytes > 0 {
            self.unfinished_since.get_or_insert_with(now);
        }
    }

    /// Since when a record is unfinished.
    pub(super) fn unfinished_since(&self) -> Option<Instant> {
        self.unfinished_since
    }

    /// Time in which nothing was read does not count.
    pub(super) fn leave_out(&mut self, stopped: std::time::Duration) {
        if let Some(since) = &mut self.unfinished_since {
            *since += stopped;
        }
    }

    fn record_bytes(&self) -> usize {
        let [_, _, _, high, low] = self.header;
        HEADER_BYTES + usize::from(u16::from_be_bytes([high, low]))
    }
}

/// What is read, seen on its way.
pub(super) struct Observed<'a, R> {
    pub(super) from: &'a mut R,
    pub(super) records: &'a mut Records,
}

impl<R: Read> Read for Observed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.records.pass(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body_bytes: u16) -> Vec<u8> {
        let [high, low] = body_bytes.to_be_bytes();
        let mut record = vec![23, 3, 3, high, low];
        record.resize(HEADER_BYTES + usize::from(body_bytes), 0xFF);
        record
    }

    #[test]
    fn what_is_held_is_the_same_in_every_split() {
        let stream = [record(0), record(1), record(300), record(7)].concat();
        let mut ends = [5, 11, 316, 328].into_iter().peekable();
        let mut start = 0;
        for length in 1..=stream.len() {
            if ends.next_if_eq(&length).is_some() {
                start = length;
            }
            for split in 0..=length {
                let mut records = Records::default();
                records.pass(&stream[..split]);
                records.pass(&stream[split..length]);
                assert_eq!(records.held_bytes(), length - start, "{split} of {length}");
            }
        }
    }

    #[test]
    fn each_record_has_its_own_beginning() {
        let (early, late) = {
            let now = Instant::now();
            (now, now + std::time::Duration::from_secs(9))
        };
        let mut records = Records::default();
        records.pass(&record(10)[..4]);
        records.note(|| early);
        records.pass(&record(10)[4..9]);
        records.note(|| late);
        assert_eq!(records.unfinished_since(), Some(early), "still the same");
        records.pass(&[&record(10)[9..], &record(3)[..1]].concat());
        records.note(|| late);
        assert_eq!(records.unfinished_since(), Some(late), "the next");
        records.pass(&record(3)[1..]);
        records.note(|| late);
        assert_eq!(records.unfinished_since(), None);
    }
}
