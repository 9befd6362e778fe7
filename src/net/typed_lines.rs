//! `TypedLines`: what an operator types, as bytes that come → whole lines, no faster than a person
//! could mean them. The same for every seat; from where the bytes come is `console`'s and
//! `operator_seat`'s, each of which owns one.

use std::time::{Duration, Instant};

use crate::dialect::line::{LineBuffer, Piece};

/// Bytes of one read.
pub(super) const READ_BYTES_MAX: usize = 4096;
/// From one read to the next: who types does not notice, and an input without end takes neither
/// the processor nor the members' patience.
const READ_INTERVAL: Duration = Duration::from_millis(10);

/// A line, or that there was one over the bound.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Line(Vec<u8>),
    TooLong,
}

/// See the file.
#[derive(Debug)]
pub(super) struct TypedLines {
    lines: LineBuffer,
    line_bytes_max: usize,
    /// There may be whole lines among what was read.
    has_more: bool,
    /// Nothing more will come.
    is_ended: bool,
    next_read_at: Instant,
}

impl TypedLines {
    pub(super) fn new(line_bytes_max: usize, now: Instant) -> TypedLines {
        TypedLines {
            lines: LineBuffer::default(),
            line_bytes_max,
            has_more: false,
            is_ended: false,
            next_read_at: now,
        }
    }

    /// Whether it is time to read: what was read before is used up, and not a moment ago.
    pub(super) fn wants_bytes(&self, now: Instant) -> bool {
        !self.has_more && !self.is_ended && self.next_read_at <= now
    }

    /// When there is something to do, if more bytes are there already or not.
    pub(super) fn deadline(&self, has_bytes: bool) -> Option<Instant> {
        let is_due = self.has_more || has_bytes && !self.is_ended;
        is_due.then_some(self.next_read_at)
    }

    /// Bytes were read.
    pub(super) fn take(&mut self, bytes: &[u8], now: Instant) {
        self.lines.keep(bytes);
        self.has_more = true;
        self.next_read_at = now + READ_INTERVAL;
    }

    /// The input is at its end; an unfinished line is a line.
    pub(super) fn end(&mut self) {
        self.has_more = true;
        self.is_ended = true;
    }

    /// Whether all that ever came was given out.
    pub(super) fn is_over(&self) -> bool {
        self.is_ended && !self.has_more
    }

    /// The next line that is not blank.
    pub(super) fn next(&mut self) -> Option<Typed> {
        let is_blank = |typed: &Typed| match typed {
            Typed::Line(line) => line.iter().all(u8::is_ascii_whitespace),
            Typed::TooLong => false,
        };
        std::iter::from_fn(|| self.next_of_all()).find(|typed| !is_blank(typed))
    }

    fn next_of_all(&mut self) -> Option<Typed> {
        let owned = |piece: Piece<'_>| match piece {
            Piece::Line(line) => Typed::Line(line.to_vec()),
            Piece::TooLong => Typed::TooLong,
        };
        if !self.has_more {
            return None;
        }
        let whole = self.lines.next(&mut &b""[..], self.line_bytes_max);
        if let Some(piece) = whole.map(owned) {
            return Some(piece);
        }
        self.has_more = false;
        let rest = self
            .is_ended
            .then(|| self.lines.finish(self.line_bytes_max));
        rest.flatten().map(owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut TypedLines) -> Vec<Typed> {
        std::iter::from_fn(|| lines.next()).collect()
    }

    #[test]
    fn lines_come_whole_and_bounded_however_they_were_split() {
        let now = Instant::now();
        let line = |text: &str| Typed::Line(text.as_bytes().to_vec());
        let mut lines = TypedLines::new(8, now);
        lines.take(b"/wh", now);
        assert_eq!(all(&mut lines), []);
        assert!(!lines.wants_bytes(now), "not at once again");
        let later = now + READ_INTERVAL;
        assert!(lines.wants_bytes(later));
        lines.take(b"o\r\nhello\n\nx", later);
        assert_eq!(all(&mut lines), [line("/who"), line("hello")]);
        for _ in 0..1000 {
            lines.take(&[b'x'; READ_BYTES_MAX], later);
            for piece in all(&mut lines) {
                assert_eq!(piece, Typed::TooLong);
            }
        }
        assert!(lines.lines.memory_bytes() <= 4 * READ_BYTES_MAX);
        lines.take(b"\nlast", later);
        assert_eq!(all(&mut lines), []);
        assert!(!lines.is_over());
        lines.end();
        assert_eq!(all(&mut lines), [line("last")]);
        assert!(lines.is_over());
    }
}
