//! `LineBuffer` against a model that sees the whole stream at once: any bytes in any pieces give
//! the same lines, as early as they can be known, and no more is kept than the bound allows.
#![no_main]

use chatd::dialect::line::{LineBuffer, Piece};
use chatd_fuzz::script::Script;
use libfuzzer_sys::fuzz_target;

/// A piece that owns its line.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Found {
    Line(Vec<u8>),
    TooLong,
}

/// What the stream holds, and how many bytes of it one must have seen to know.
#[derive(Debug)]
struct Expected {
    piece: Found,
    known_at: usize,
}

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let line_bytes_max = script.below(20);
    let steps: Vec<u8> = (0..script.below(12)).map(|_| script.byte()).collect();
    let stream = script.rest();
    let mut reader = Reader {
        buffer: LineBuffer::default(),
        line_bytes_max,
        expected: model(stream, line_bytes_max),
        found: 0,
        seen: 0,
    };
    let mut rest = stream;
    let mut steps = steps.iter().cycle();
    while !rest.is_empty() {
        let step = steps.next().copied().unwrap_or(u8::MAX);
        let (part, behind) = rest.split_at(rest.len().min(1 + usize::from(step / 8)));
        rest = behind;
        reader.hear(part, step % 8);
    }
    reader.end();
});

struct Reader {
    buffer: LineBuffer,
    line_bytes_max: usize,
    expected: Vec<Expected>,
    /// How many of these came.
    found: usize,
    /// Bytes of the stream that were handed over.
    seen: usize,
}

impl Reader {
    /// Hands a part over. `manner` 0 to 2: only so many lines are taken, what is behind them is
    /// kept, as the hub does for somebody who is held back; 3: the memory is taken away meanwhile.
    fn hear(&mut self, part: &[u8], manner: u8) {
        self.seen += part.len();
        let mut input = part;
        if manner < 3 {
            for _ in 0..manner {
                if !self.take(&mut input) {
                    return self.check();
                }
            }
            return self.buffer.keep(input);
        }
        while self.take(&mut input) {}
        assert!(input.is_empty(), "what is no line yet is taken in");
        assert!(self.buffer.kept_bytes() <= self.line_bytes_max + 1);
        self.check();
        if manner == 3 {
            self.change_memory();
        }
    }

    /// Takes one piece. Whether there was one.
    fn take(&mut self, input: &mut &[u8]) -> bool {
        let promised = self.buffer.has_line(input, self.line_bytes_max);
        let owed = self.buffer.kept_bytes() + input.len();
        let Some(piece) = self.buffer.next(input, self.line_bytes_max) else {
            assert!(!promised, "a line was promised and did not come");
            return false;
        };
        assert!(promised, "a line came that was not promised");
        let expected = self
            .expected
            .get(self.found)
            .map(|expected| &expected.piece);
        assert_eq!(Some(&owned(&piece)), expected, "piece {}", self.found);
        self.found += 1;
        assert!(self.buffer.kept_bytes() + input.len() <= owed, "it grew");
        true
    }

    /// Whatever can be known by now has come.
    fn check(&self) {
        if let Some(next) = self.expected.get(self.found) {
            assert!(next.known_at > self.seen, "{next:?} did not come");
        }
    }

    fn change_memory(&mut self) {
        let kept = self.buffer.kept_bytes();
        match self.buffer.take_spare() {
            Some(spare) => {
                assert!(kept == 0 && self.buffer.wants_spare());
                self.buffer.give_spare(spare);
            }
            None => self.buffer.give_spare(b"of somebody else\n".to_vec()),
        }
        assert_eq!(self.buffer.kept_bytes(), kept);
    }

    fn end(mut self) {
        while self.take(&mut &[][..]) {}
        self.check();
        assert!(self.buffer.kept_bytes() <= self.line_bytes_max + 1);
        let last = self.buffer.finish(self.line_bytes_max);
        let expected = self
            .expected
            .get(self.found)
            .map(|expected| &expected.piece);
        assert_eq!(last.as_ref().map(owned).as_ref(), expected);
        assert!(self.found + 1 >= self.expected.len(), "lines are missing");
        assert_eq!(self.buffer.kept_bytes(), 0);
        assert_eq!(self.buffer.finish(self.line_bytes_max), None);
    }
}

/// What a stream holds, by looking at all of it. An unfinished line at its end is known only when
/// nothing will follow, unless it is too long already.
fn model(stream: &[u8], line_bytes_max: usize) -> Vec<Expected> {
    let mut expected = Vec::new();
    let mut start = 0;
    for line in stream.split(|&byte| byte == b'\n') {
        let end = start + line.len();
        let bare = line.strip_suffix(b"\r").unwrap_or(line);
        let is_whole = end < stream.len();
        if bare.len() > line_bytes_max {
            // A CR there may belong to the ending.
            let delay = usize::from(line[line_bytes_max] == b'\r');
            let known_at = start + line_bytes_max + 1 + delay;
            let piece = Found::TooLong;
            expected.push(Expected { piece, known_at });
        } else if is_whole || !line.is_empty() {
            let known_at = if is_whole { end + 1 } else { usize::MAX };
            let piece = Found::Line(bare.to_vec());
            expected.push(Expected { piece, known_at });
        }
        start = end + 1;
    }
    expected
}

fn owned(piece: &Piece<'_>) -> Found {
    match piece {
        Piece::Line(line) => Found::Line(line.to_vec()),
        Piece::TooLong => Found::TooLong,
    }
}
