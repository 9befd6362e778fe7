//! What it costs to find lines in a stream ([`LineBuffer`]), to understand them, and to write what
//! was said, in text and in JSON. Throughput is in lines and in bytes as they came in (or go out).
//! Not what becomes of a line: see `fanout`.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use chatd::chat::{Answer, Fact, Manner, Place, RoomId, What};
use chatd::dialect::cleaning::clean;
use chatd::dialect::line::{LineBuffer, Piece};
use chatd::dialect::{Encoding, Reply, encode, encode_reply, json, text};
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};

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
    let mut group = criterion.benchmark_group("text, read");
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
                    let _ = black_box(text::read(clean(line, &mut scratch)));
                }
            });
        });
    }
    group.finish();
}

fn understanding_json(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("json, read");
    let kinds: [(&str, &[&str]); 5] = [
        (
            "ascii",
            &[
                r#"{"do":"say","room":"lobby","text":"the quick brown fox jumps over the lazy dog, and then once more","ref":"17"}"#,
            ],
        ),
        (
            "umlauts",
            &[
                r#"{"do":"say","room":"lobby","text":"zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich","ref":"17"}"#,
            ],
        ),
        (
            "escapes",
            &[
                r#"{"do":"say","room":"lobby","text":"a \"quote\", a bell \u0007, a colour \u001b[31m, half a pair \ud83d, and so on","ref":"17"}"#,
            ],
        ),
        (
            "commands",
            &[
                r#"{"do":"msg","to":"ann","text":"are you there?","ref":"1"}"#,
                r#"{"do":"join","room":"attic","since":"1790000000123-7","ref":"2"}"#,
                r#"{"do":"who","room":"lobby"}"#,
                r#"{"do":"ping","ref":"3"}"#,
                r#"{"do":"nosuch","ref":"4"}"#,
            ],
        ),
        ("no JSON", &["the quick brown fox jumps over the lazy dog"]),
    ];
    for (kind, samples) in kinds {
        let lines: Vec<&str> = samples.iter().copied().cycle().take(TEXT_LINES).collect();
        group.throughput(Throughput::ElementsAndBytes {
            elements: TEXT_LINES as u64,
            bytes: lines.iter().map(|line| line.len() as u64).sum(),
        });
        group.bench_function(kind, |bencher| {
            bencher.iter(|| {
                for line in black_box(&lines) {
                    let line = json::Line::read(line.as_bytes());
                    let _ = black_box((line.request(LINE_BYTES_MAX), line.reference()));
                }
            });
        });
    }
    group.finish();
}

/// What is said is written once for each language that is present; an answer, once for each line
/// of a program.
fn writing(criterion: &mut Criterion) {
    let id = "1790000000123-7".parse().unwrap();
    let said = |text| Fact {
        room: Some(Place {
            id: RoomId(0),
            name: "lobby",
        }),
        id,
        what: What::Said {
            from: "ann",
            text,
            manner: Manner::Plain,
        },
    };
    let texts = [
        (
            "ascii",
            "the quick brown fox jumps over the lazy dog, and then once more",
        ),
        (
            "umlauts",
            "zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich",
        ),
    ];
    for (name, encoding) in [("text", Encoding::Text), ("json", Encoding::Json)] {
        let mut group = criterion.benchmark_group(format!("{name}, write"));
        for (kind, text) in texts {
            let fact = said(text);
            bench_write(&mut group, kind, |out| {
                encode(encoding, black_box(&fact), out)
            });
        }
        if encoding == Encoding::Json {
            let done = Answer::Done(Some(id));
            bench_write(&mut group, "done", |out| {
                let reply = Reply::Answer(black_box(&done));
                encode_reply(encoding, &reply, Some("17"), out)
            });
        }
        group.finish();
    }
}

fn bench_write(
    group: &mut BenchmarkGroup<'_, WallTime>,
    kind: &str,
    write: impl Fn(&mut Vec<u8>) -> u32,
) {
    let mut out = Vec::new();
    assert_eq!(write(&mut out), 1);
    group.throughput(Throughput::ElementsAndBytes {
        elements: TEXT_LINES as u64,
        bytes: (TEXT_LINES * out.len()) as u64,
    });
    group.bench_function(kind, |bencher| {
        bencher.iter(|| {
            out.clear();
            for _ in 0..TEXT_LINES {
                write(&mut out);
            }
            black_box(out.len())
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = splitting, understanding, understanding_json, writing
}
criterion_main!(benches);
