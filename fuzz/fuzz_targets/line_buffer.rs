//! `LineBuffer` against a model that sees the whole stream at once: any bytes in any pieces give
//! the same lines, as early as they can be known, and no more is kept than the bound allows.
#![no_main]

use chatd::wire::line::{LineBuffer, Piece};
use chatd_fuzz::script::Script;
use libfuzzer_sys::fuzz_target;

/// A piece that owns its line.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Found {
    Line(Vec<u8>),
    TooLong,
}

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let line_bytes_max = script.below(20);
    let steps: Vec<u8> = (0..script.below(12)).map(|_| script.byte()).collect();
    let stream = script.rest();
    let mut reader = Reader {
        buffer: LineBuffer::default(),
        line_bytes_max,
        found: Vec::new(),
        seen: 0,
    };
    let mut rest = stream;
    let mut steps = steps.iter().cycle();
    while !rest.is_empty() {
        let step = steps.next().copied().unwrap_or(u8::MAX);
        let (part, behind) = rest.split_at(rest.len().min(1 + usize::from(step / 8)));
        rest = behind;
        reader.hear(stream, part, step % 8);
    }
    reader.end(stream);
});

struct Reader {
    buffer: LineBuffer,
    line_bytes_max: usize,
    found: Vec<Found>,
    /// Bytes of the stream that were handed over.
    seen: usize,
}

impl Reader {
    /// Hands a part over. `manner` 0 to 2: only so many lines are taken, what is behind them is
    /// kept, as the hub does for somebody who is held back; 3: the memory is taken away meanwhile.
    fn hear(&mut self, stream: &[u8], part: &[u8], manner: u8) {
        self.seen += part.len();
        let mut input = part;
        if manner < 3 {
            for _ in 0..manner {
                if !self.take(&mut input) {
                    return self.check(stream);
                }
            }
            return self.buffer.keep(input);
        }
        while self.take(&mut input) {}
        assert!(input.is_empty(), "what is no line yet is taken in");
        assert!(self.buffer.kept_bytes() <= self.line_bytes_max + 1);
        self.check(stream);
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
        self.found.push(owned(&piece));
        assert!(self.buffer.kept_bytes() + input.len() <= owed, "it grew");
        true
    }

    fn check(&self, stream: &[u8]) {
        let (mut expected, unfinished) = model(&stream[..self.seen], self.line_bytes_max);
        expected.extend(unfinished.filter(|piece| *piece == Found::TooLong));
        assert_eq!(self.found, expected, "after {} bytes", self.seen);
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

    fn end(mut self, stream: &[u8]) {
        while self.take(&mut &[][..]) {}
        self.check(stream);
        assert!(self.buffer.kept_bytes() <= self.line_bytes_max + 1);
        let last = self.buffer.finish(self.line_bytes_max);
        self.found.extend(last.as_ref().map(owned));
        assert_eq!(self.buffer.kept_bytes(), 0);
        assert_eq!(self.buffer.finish(self.line_bytes_max), None);
        let (mut expected, unfinished) = model(stream, self.line_bytes_max);
        expected.extend(unfinished);
        assert_eq!(self.found, expected);
    }
}

/// The whole lines of a stream, and what is unfinished at its end.
fn model(stream: &[u8], line_bytes_max: usize) -> (Vec<Found>, Option<Found>) {
    let mut lines: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
    let unfinished = lines.pop().filter(|line| !line.is_empty());
    let found = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.len() > line_bytes_max {
            true => Found::TooLong,
            false => Found::Line(line.to_vec()),
        }
    };
    (
        lines.into_iter().map(found).collect(),
        unfinished.map(found),
    )
}

fn owned(piece: &Piece<'_>) -> Found {
    match piece {
        Piece::Line(line) => Found::Line(line.to_vec()),
        Piece::TooLong => Found::TooLong,
    }
}
