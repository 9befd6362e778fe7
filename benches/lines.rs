//! What it costs to find lines in a stream ([`LineBuffer`]) and to understand them
//! (`text::clean`, `text::parse`). Throughput is in lines and in bytes as they came in. Not what
//! becomes of a line: see `fanout`.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use chatd::dialect::line::{LineBuffer, Piece};
use chatd::dialect::text;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const LINE_BYTES_MAX: usize = 4096;
/// More than the caches next to the core hold.
const STREAM_BYTES: usize = 1 << 20;
const TEXT_LINES: usize = 1000;

fn splitting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("split");
    for line_bytes in [16, 64, 500, 4000] {
        let line = [vec![b'x'; line_bytes], b"\n".to_vec()].concat();
        let stream = line.repeat(STREAM_BYTES / line.len());
        let lines = stream.len() / line.len();
        group.throughput(Throughput::ElementsAndBytes {
            elements: lines as u64,
            bytes: stream.len() as u64,
        });
        for piece_bytes in [100, 1460, 64 << 10] {
            let id = BenchmarkId::new(format!("{line_bytes} B lines"), piece_bytes);
            group.bench_function(id, |bencher| {
                let mut buffer = LineBuffer::default();
                bencher.iter(|| assert_eq!(split(&mut buffer, &stream, piece_bytes), lines));
            });
        }
    }
    group.finish();
}

/// How many lines there are in a stream that comes in pieces.
fn split(buffer: &mut LineBuffer, stream: &[u8], piece_bytes: usize) -> usize {
    let mut lines = 0;
    for mut piece in stream.chunks(piece_bytes) {
        while let Some(found) = buffer.next(&mut piece, LINE_BYTES_MAX) {
            assert!(matches!(black_box(found), Piece::Line(_)));
            lines += 1;
        }
    }
    lines
}

fn understanding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("clean and parse");
    let kinds: [(&str, &[&[u8]]); 4] = [
        (
            "ascii",
            &[b"the quick brown fox jumps over the lazy dog, and then once more"],
        ),
        (
            "umlauts",
            &["zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich".as_bytes()],
        ),
        (
            "dirty bytes",
            &[b"latin gr\xfc\xdfe, a bell \x07, a colour \x1b[31m, half a char \xe2\x82, and so on"],
        ),
        (
            "commands",
            &[b"/msg ann are you there?", b"/join attic", b"/who", b"/ping 17", b"/nosuch thing"],
        ),
    ];
    for (kind, samples) in kinds {
        let lines: Vec<&[u8]> = samples.iter().copied().cycle().take(TEXT_LINES).collect();
        group.throughput(Throughput::ElementsAndBytes {
            elements: TEXT_LINES as u64,
            bytes: lines.iter().map(|line| line.len() as u64).sum(),
        });
        group.bench_function(kind, |bencher| {
            let mut scratch = String::new();
            bencher.iter(|| {
                for line in black_box(&lines) {
                    let _ = black_box(text::parse(text::clean(line, &mut scratch)));
                }
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = splitting, understanding
}
criterion_main!(benches);
