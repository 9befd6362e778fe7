//! `LineBuffer`: the bytes of a stream → bounded lines. It knows line endings and the bound,
//! nothing of what a line means. Each session (and each client) owns one.

use memchr::{memchr, memrchr};

use crate::size_class;

/// One thing that was found in the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A line, without its LF and without one CR before it.
    Line(&'a [u8]),
    /// A line that passed the bound. Said once, as soon as it is known; the rest of the
    /// line is skipped without being kept.
    TooLong,
}

/// Finds lines in a stream that arrives in any pieces. What it keeps between two calls is the
/// unfinished line, or whatever was handed to [`LineBuffer::keep`]. More than 20 methods: in which of its
/// ways it holds bytes is nobody else's to know.
#[derive(Debug, Default)]
pub struct LineBuffer {
    kept: Vec<u8>,
    /// Where the first line not yet given out starts in `kept`, and up to where `kept` is known to
    /// hold no LF (never less). In 32 bits, since every connection has one of these: what is kept is
    /// one line, and what came with it in one read.
    start: u32,
    scanned: Scanned,
}

/// Up to where was looked for an LF; in its highest bit, whether that is inside a line that was too
/// long, up to its LF: every connection has one of these, and a word more would cost as much as a
/// name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Scanned(u32);

const SKIPPING: u32 = 1 << 31;

impl Scanned {
    fn get(self) -> u32 {
        self.0 & !SKIPPING
    }

    fn set(&mut self, offset: u32) {
        debug_assert_eq!(offset & SKIPPING, 0, "less than 2 GiB is kept");
        self.0 = offset | self.0 & SKIPPING;
    }

    fn is_skipping(self) -> bool {
        self.0 & SKIPPING != 0
    }

    fn set_skipping(&mut self, skipping: bool) {
        self.0 = self.get() | if skipping { SKIPPING } else { 0 };
    }
}

/// A buffer that has more memory than that uses at least half of it.
const LOOSE_BYTES_MAX: usize = 4 << 10;

impl LineBuffer {
    /// The next line of what is kept followed by `input`, which is advanced past what was used.
    /// `None` when there is no further whole line: all of `input` has then been taken in.
    /// Lines hold at most `line_bytes_max` bytes without their ending.
    pub fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        line_bytes_max: usize,
    ) -> Option<Piece<'a>> {
        if self.scanned.is_skipping() && !self.skip(input) {
            return None;
        }
        if self.start() == self.kept.len() {
            self.clear();
            return self.next_of_input(input, line_bytes_max);
        }
        if let Some(length) = memchr(b'\n', &self.kept[self.scanned.get() as usize..]) {
            let (start, end) = (self.start(), self.scanned.get() as usize + length);
            self.mark(end + 1);
            return Some(finish(&self.kept[start..end], line_bytes_max));
        }
        self.scanned.set(offset(self.kept.len()));
        self.join_input(input, line_bytes_max)
    }

    /// Keeps `input` unread, behind what is kept already, for later calls of [`LineBuffer::next`].
    pub fn keep(&mut self, input: &[u8]) {
        self.reserve(input.len());
        self.kept.extend_from_slice(input);
    }

    /// The line that was given out last comes again, before everything else.
    pub fn put_back(&mut self, line: &[u8]) {
        if let Some(start) = self.start_of_last(line) {
            return self.mark(start);
        }
        let mut behind = LineBuffer::default();
        behind.reserve(line.len() + 1 + self.kept_bytes());
        for part in [line, b"\n", self.kept()] {
            behind.kept.extend_from_slice(part);
        }
        self.kept = behind.kept;
        self.mark(0);
    }

    /// Makes room for so many bytes more.
    fn reserve(&mut self, bytes: usize) {
        let needed = self.kept.len() + bytes;
        if needed > self.kept.capacity() {
            // Up to a usual line there are few sizes, so that what one session held serves any other.
            let capacity = if needed <= LOOSE_BYTES_MAX {
                size_class::doubled_capacity(needed)
            } else {
                size_class::capacity(needed)
            };
            self.kept.reserve_exact(capacity - self.kept.len());
        }
    }

    /// Where the line that was given out last lies, if it is still there.
    fn start_of_last(&self, line: &[u8]) -> Option<usize> {
        let given = self.kept[..self.start()].strip_suffix(b"\n")?;
        let given = given.strip_suffix(b"\r").unwrap_or(given);
        Some(given.strip_suffix(line)?.len())
    }

    /// Whether [`LineBuffer::next`] with this `input` would give out a line.
    pub fn has_line(&self, input: &[u8], line_bytes_max: usize) -> bool {
        let kept = &self.kept[self.start()..];
        let mut rest = [kept, input];
        if self.scanned.is_skipping() {
            match memchr(b'\n', kept) {
                Some(end) => rest[0] = &kept[end + 1..],
                None => match memchr(b'\n', input) {
                    Some(end) => rest = [&[], &input[end + 1..]],
                    None => return false,
                },
            }
        }
        rest.iter().any(|part| memchr(b'\n', part).is_some())
            || too_long(
                rest[0].len() + rest[1].len(),
                rest[1].last().or(rest[0].last()),
                line_bytes_max,
            )
    }

    /// The unfinished line at the end of the stream, if there is one.
    pub fn finish(&mut self, line_bytes_max: usize) -> Option<Piece<'_>> {
        if self.scanned.is_skipping() || self.start() == self.kept.len() {
            self.clear();
            return None;
        }
        let start = self.start();
        self.mark(self.kept.len());
        Some(finish(&self.kept[start..], line_bytes_max))
    }

    /// Drops the unfinished line at the end of the stream.
    pub fn drop_unfinished(&mut self) {
        let whole = memrchr(b'\n', self.kept()).map_or(0, |end| end + 1);
        self.kept.truncate(self.start() + whole);
        self.scanned.set(self.start);
    }

    /// What is kept and not yet given out.
    pub fn kept(&self) -> &[u8] {
        &self.kept[self.start()..]
    }

    /// Bytes kept and not yet given out.
    pub fn kept_bytes(&self) -> usize {
        self.kept.len() - self.start()
    }

    /// Memory that it holds, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.kept.capacity()
    }

    /// Gives back memory that held much and now holds little.
    pub fn give_back(&mut self) {
        let capacity = self.kept.capacity();
        if capacity > LOOSE_BYTES_MAX && self.kept_bytes() <= capacity / 2 {
            let mut kept = Vec::with_capacity(size_class::capacity(self.kept_bytes()));
            kept.extend_from_slice(self.kept());
            self.kept = kept;
            self.scanned.set(self.scanned.get() - self.start);
            self.start = 0;
        }
    }

    /// Takes the memory out of an empty buffer, so that an idle connection holds none.
    /// `None` while something is kept.
    pub fn take_spare(&mut self) -> Option<Vec<u8>> {
        if self.start() < self.kept.len() || self.kept.capacity() == 0 {
            return None;
        }
        self.clear();
        Some(std::mem::take(&mut self.kept))
    }

    /// Gives an empty buffer memory to keep things in. No-op if it has some.
    pub fn give_spare(&mut self, mut spare: Vec<u8>) {
        if self.kept.capacity() == 0 {
            spare.clear();
            self.kept = spare;
        }
    }

    /// Whether it would have to allocate in order to keep anything.
    pub fn wants_spare(&self) -> bool {
        self.kept.capacity() == 0
    }

    fn start(&self) -> usize {
        self.start as usize
    }

    /// Everything before `start` was given out, and nothing behind it was looked at.
    fn mark(&mut self, start: usize) {
        self.start = offset(start);
        self.scanned.set(self.start);
    }

    fn clear(&mut self) {
        self.kept.clear();
        self.mark(0);
    }

    /// Drops bytes up to and with the next LF; whether it was found.
    fn skip(&mut self, input: &mut &[u8]) -> bool {
        if let Some(end) = memchr(b'\n', &self.kept[self.start()..]) {
            self.mark(self.start() + end + 1);
            self.scanned.set_skipping(false);
            return true;
        }
        self.clear();
        match memchr(b'\n', input) {
            Some(end) => {
                *input = &input[end + 1..];
                self.scanned.set_skipping(false);
                true
            }
            None => {
                *input = &[];
                false
            }
        }
    }

    /// Nothing is kept: the line is given out of `input` itself, without a copy.
    fn next_of_input<'a>(
        &mut self,
        input: &mut &'a [u8],
        line_bytes_max: usize,
    ) -> Option<Piece<'a>> {
        let all = *input;
        if let Some(end) = memchr(b'\n', all) {
            *input = &all[end + 1..];
            return Some(finish(&all[..end], line_bytes_max));
        }
        *input = &[];
        if too_long(all.len(), all.last(), line_bytes_max) {
            self.scanned.set_skipping(true);
            return Some(Piece::TooLong);
        }
        self.keep(all);
        self.scanned.set(offset(self.kept.len()));
        None
    }

    /// An unfinished line is kept: completes it from `input`.
    fn join_input<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        line_bytes_max: usize,
    ) -> Option<Piece<'a>> {
        let all = *input;
        let end = memchr(b'\n', all);
        let part = &all[..end.unwrap_or(all.len())];
        *input = end.map_or(&[], |end| &all[end + 1..]);
        let length = self.kept_bytes() + part.len();
        if too_long(length, part.last().or(self.kept.last()), line_bytes_max) {
            self.clear();
            self.scanned.set_skipping(end.is_none());
            return Some(Piece::TooLong);
        }
        let start = self.start();
        self.keep(part);
        self.scanned.set(offset(self.kept.len()));
        end?;
        self.start = self.scanned.get();
        Some(finish(&self.kept[start..], line_bytes_max))
    }
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("what is kept stays far below 4 GiB")
}

/// Whether `length` bytes, the last of which may be a CR that belongs to the ending, pass the bound.
fn too_long(length: usize, last: Option<&u8>, line_bytes_max: usize) -> bool {
    length - usize::from(length > 0 && last == Some(&b'\r')) > line_bytes_max
}

fn finish(line: &[u8], line_bytes_max: usize) -> Piece<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > line_bytes_max {
        Piece::TooLong
    } else {
        Piece::Line(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the stream says when it is handed over in these parts.
    fn pieces(parts: &[&[u8]], line_bytes_max: usize) -> Vec<String> {
        let mut buffer = LineBuffer::default();
        let mut found = Vec::new();
        for part in parts {
            let mut input = *part;
            loop {
                let promised = buffer.has_line(input, line_bytes_max);
                let Some(piece) = buffer.next(&mut input, line_bytes_max) else {
                    assert!(!promised, "a line was promised");
                    break;
                };
                assert!(promised, "a line came that was not promised");
                found.push(show(&piece));
            }
            assert!(buffer.kept_bytes() <= line_bytes_max + 1);
        }
        found.extend(buffer.finish(line_bytes_max).map(|piece| show(&piece)));
        found
    }

    fn show(piece: &Piece<'_>) -> String {
        match piece {
            Piece::Line(line) => String::from_utf8_lossy(line).into_owned(),
            Piece::TooLong => "TOO LONG".into(),
        }
    }

    #[test]
    fn any_split_gives_the_same_lines() {
        let stream = b"ann\r\n\nhello there\n12345678\n123456789\n12345678\r\nand more than the bound\r\nx\r\ry\nend";
        let whole = pieces(&[stream], 8);
        assert_eq!(
            whole,
            [
                "ann", "", "TOO LONG", "12345678", "TOO LONG", "12345678", "TOO LONG", "x\r\ry",
                "end"
            ]
        );
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let parts = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(pieces(&parts, 8), whole, "split at {first} and {second}");
            }
        }
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(pieces(&single, 8), whole);
    }

    #[test]
    fn what_is_kept_comes_before_what_is_new() {
        let mut buffer = LineBuffer::default();
        buffer.keep(b"one\ntw");
        let mut input: &[u8] = b"o\nthree\n";
        let mut found = Vec::new();
        while let Some(piece) = buffer.next(&mut input, 10) {
            found.push(show(&piece));
        }
        assert_eq!(found, ["one", "two", "three"]);
        assert!(buffer.take_spare().is_some());
        assert!(buffer.wants_spare());
    }

    #[test]
    fn a_line_that_is_put_back_comes_again_and_costs_no_memory() {
        for end in ["\n", "\r\n"] {
            let stream: String = ["one", "", "three", "four", "five"]
                .map(|line| format!("{line}{end}"))
                .concat();
            for split in 0..stream.len() {
                let mut buffer = LineBuffer::default();
                buffer.keep(&stream.as_bytes()[..split]);
                let mut input = &stream.as_bytes()[split..];
                let mut found = Vec::new();
                while let Some(piece) = buffer.next(&mut input, 10) {
                    let Piece::Line(line) = piece else {
                        panic!("{piece:?}");
                    };
                    let line = line.to_vec();
                    for _ in 0..3 {
                        buffer.put_back(&line);
                        buffer.keep(std::mem::take(&mut input));
                        let before = buffer.memory_bytes();
                        buffer.put_back(&line);
                        let again = buffer.next(&mut input, 10).map(|piece| show(&piece));
                        assert_eq!(again.as_deref().map(str::as_bytes), Some(&*line));
                        assert!(buffer.memory_bytes() <= before.max(2 * stream.len()));
                        let again = buffer.next(&mut input, 10).map(|piece| show(&piece));
                        assert_eq!(again.as_deref().map(str::as_bytes), Some(&*line));
                    }
                    found.push(String::from_utf8(line).unwrap());
                }
                assert_eq!(found, ["one", "", "three", "four", "five"], "{split}");
            }
        }
    }

    #[test]
    fn memory_that_held_much_is_not_kept_for_little() {
        let mut buffer = LineBuffer::default();
        let many = "a line\n".repeat(10_000) + "unfini";
        buffer.keep(many.as_bytes());
        let (mut input, mut lines): (&[u8], u32) = (b"", 0);
        while buffer.next(&mut input, 100).is_some() {
            lines += 1;
            buffer.give_back();
            let (memory, kept) = (buffer.memory_bytes(), buffer.kept_bytes());
            assert!(memory <= LOOSE_BYTES_MAX || memory <= 2 * size_class::capacity(kept));
        }
        let mut input: &[u8] = b"shed\n";
        assert_eq!(
            buffer.next(&mut input, 100),
            Some(Piece::Line(b"unfinished"))
        );
        assert_eq!(lines, 10_000);
    }

    #[test]
    fn a_line_without_end_is_said_once_and_not_kept() {
        let mut buffer = LineBuffer::default();
        let chunk = [b'a'; 1000];
        let mut said = 0;
        for _ in 0..1000 {
            let mut input = &chunk[..];
            while let Some(piece) = buffer.next(&mut input, 4096) {
                assert_eq!(piece, Piece::TooLong);
                said += 1;
            }
            assert!(buffer.kept_bytes() <= 4097);
        }
        assert_eq!(said, 1);
        let mut input: &[u8] = b"\nok\n";
        assert_eq!(buffer.next(&mut input, 4096), Some(Piece::Line(b"ok")));
    }
}
