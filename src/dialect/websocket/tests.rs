//! The codec against what RFC 6455 says of single streams, and against itself: any pieces give what
//! the whole gives. The whole suite of Autobahn is for `examples/websocket_echo.rs`.

use allocation_counter::measure;
use fastrand::Rng;

use super::*;

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut head = vec![first];
    match payload.len() {
        short @ 0..126 => head.push(0x80 | short as u8),
        middle @ 126..0x10000 => {
            head.push(0x80 | 126);
            head.extend((middle as u16).to_be_bytes());
        }
        long => {
            head.push(0x80 | 127);
            head.extend((long as u64).to_be_bytes());
        }
    }
    head.extend(MASK);
    let masked = payload
        .iter()
        .zip(MASK.iter().cycle())
        .map(|(byte, mask)| byte ^ mask);
    head.into_iter().chain(masked).collect()
}

/// An input that owns its bytes. Pieces of text that follow one another are one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Text(Vec<u8>),
    End,
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
    Failed(u16),
}

fn text(text: &str) -> Found {
    Found::Text(text.into())
}

/// What these parts of a stream are.
fn read<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Vec<Found> {
    let mut reader = Reader::default();
    let mut found: Vec<Found> = Vec::new();
    for part in parts {
        let mut part = part.to_vec();
        let mut bytes = &mut part[..];
        while let Some(input) = reader.next(&mut bytes) {
            let is_over = matches!(found.last(), Some(Found::Close(_) | Found::Failed(_)));
            assert!(!is_over, "{input:?} behind the end");
            match (input, found.last_mut()) {
                (Input::Text(piece), Some(Found::Text(before))) => before.extend(piece),
                (Input::Text(piece), _) => found.push(Found::Text(piece.to_vec())),
                (Input::End, _) => found.push(Found::End),
                (Input::Ping(payload), _) => found.push(Found::Ping(payload.bytes().to_vec())),
                (Input::Pong, _) => found.push(Found::Pong),
                (Input::Close(code), _) => found.push(Found::Close(code)),
                (Input::Failed(code), _) => found.push(Found::Failed(code)),
            }
        }
        assert!(bytes.is_empty(), "all is taken in");
    }
    found
}

fn check(frames: &[Vec<u8>], expected: &[Found]) {
    let stream = frames.concat();
    assert_eq!(read([&stream[..]]), expected, "{stream:x?}");
    assert_eq!(read(stream.chunks(1)), expected, "{stream:x?} byte by byte");
    for cut in 0..stream.len().min(300) {
        let (left, right) = stream.split_at(cut);
        assert_eq!(read([left, right]), expected, "{stream:x?} cut at {cut}");
    }
}

#[test]
fn messages_come_whole_and_in_pieces() {
    check(&[frame(0x81, b"Hello")], &[text("Hello"), Found::End]);
    check(&[frame(0x81, b"")], &[Found::End]);
    let two = [frame(0x81, b"one"), frame(0x81, "zwölf".as_bytes())];
    check(&two, &[text("one"), Found::End, text("zwölf"), Found::End]);
    let pieces = [
        frame(0x01, b"a \xE2\x82"),
        frame(0x89, b"there?"),
        frame(0x00, b""),
        frame(0x8A, b""),
        frame(0x80, b"\xAC b"),
    ];
    let expected = [
        Found::Text(b"a \xE2\x82".to_vec()),
        Found::Ping(b"there?".to_vec()),
        Found::Pong,
        Found::Text(b"\xAC b".to_vec()),
        Found::End,
    ];
    check(&pieces, &expected);
    for length in [125, 126, 127, 65_535, 65_536] {
        let line = "x".repeat(length);
        check(&[frame(0x81, line.as_bytes())], &[text(&line), Found::End]);
    }
}

#[test]
fn control_frames_keep_their_rules() {
    let payload = [b'p'; CONTROL_BYTES_MAX];
    check(
        &[frame(0x89, &payload), frame(0x89, b"")],
        &[Found::Ping(payload.to_vec()), Found::Ping(vec![])],
    );
    check(&[frame(0x89, &[b'p'; 126])], &[Found::Failed(1002)]);
    check(&[frame(0x09, b"")], &[Found::Failed(1002)]);
    let closes: [(&[u8], Found); 12] = [
        (b"", Found::Close(None)),
        (b"\x03\xE8", Found::Close(Some(1000))),
        (b"\x03\xE8bye", Found::Close(Some(1000))),
        (b"\x0F\xA0", Found::Close(Some(4000))),
        (b"\x03\xF4", Found::Close(Some(1012))),
        (b"\x03", Found::Failed(1002)),
        (b"\x03\xE7", Found::Failed(1002)),
        (b"\x03\xED", Found::Failed(1002)),
        (b"\x03\xF7", Found::Failed(1002)),
        (b"\x07\xD0", Found::Failed(1002)),
        (b"\x13\x88", Found::Failed(1002)),
        (b"\x03\xE8\xC3", Found::Failed(1007)),
    ];
    for (payload, expected) in closes {
        check(
            &[frame(0x88, payload), frame(0x81, b"dropped")],
            &[expected],
        );
    }
}

#[test]
fn what_breaks_the_rules_fails_with_its_code() {
    let protocol_errors: [&[u8]; 13] = [
        b"\x81\x05Hello",    // without a mask
        b"\xC1\x80\0\0\0\0", // RSV1: compressed
        b"\xA1\x80\0\0\0\0", // RSV2
        b"\x91\x80\0\0\0\0", // RSV3
        b"\x83\x80\0\0\0\0", // opcodes that are none
        b"\x8B\x80\0\0\0\0",
        b"\x80\x80\0\0\0\0", // the rest of no message
        b"\x00\x80\0\0\0\0",
        b"\x81\xFE\0\x7D\0\0\0\0", // a longer form than needed
        b"\x81\xFF\0\0\0\0\0\0\xFF\xFF",
        b"\x81\xFF\x80\0\0\0\0\0\0\0", // 2⁶³
        b"\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0", // a message within a message
    ];
    for stream in protocol_errors {
        check(&[stream.to_vec()], &[Found::Failed(1002)]);
    }
    check(&[frame(0x82, b"\x00")], &[Found::Failed(1003)]);
    check(
        &[frame(0x01, b""), frame(0x82, b"")],
        &[Found::Failed(1002)],
    );
}

#[test]
fn text_fails_at_the_first_byte_that_cannot_be() {
    check(
        &[frame(0x81, b"ab\xFFcd")],
        &[text("ab"), Found::Failed(1007)],
    );
    check(&[frame(0x81, b"\xC0")], &[Found::Failed(1007)]);
    // Nothing may be waited for: the frame is not whole.
    let surrogate = frame(0x81, b"\xED\xA0 and more");
    check(
        &[surrogate[..8].to_vec()],
        &[Found::Text(b"\xED".to_vec()), Found::Failed(1007)],
    );
    let across = [
        frame(0x01, b"\xF4"),
        frame(0x00, b"\x90"),
        frame(0x80, b"\x80\x80"),
    ];
    check(
        &across,
        &[Found::Text(b"\xF4".to_vec()), Found::Failed(1007)],
    );
    // Unfinished at the end.
    check(
        &[frame(0x81, b"a\xE2\x82")],
        &[Found::Text(b"a\xE2\x82".to_vec()), Found::Failed(1007)],
    );
    check(
        &[frame(0x01, b"\xC3"), frame(0x80, b"")],
        &[Found::Text(b"\xC3".to_vec()), Found::Failed(1007)],
    );
}

#[test]
fn binary_messages_are_given_out_where_they_are_wanted() {
    let mut reader = Reader::with_binary();
    let mut stream = [
        frame(0x82, b"\xFF\x00"),
        frame(0x81, b"t"),
        frame(0x81, b"\xFF"),
    ]
    .concat();
    let mut bytes = &mut stream[..];
    assert_eq!(reader.next(&mut bytes), Some(Input::Text(b"\xFF\x00")));
    assert_eq!(reader.next(&mut bytes), Some(Input::End));
    assert!(reader.is_binary());
    assert_eq!(reader.next(&mut bytes), Some(Input::Text(b"t")));
    assert!(!reader.is_binary());
    assert_eq!(reader.next(&mut bytes), Some(Input::End));
    assert_eq!(reader.next(&mut bytes), Some(Input::Failed(1007)));
}

#[test]
fn a_frame_is_unfinished_from_its_first_byte_to_its_last() {
    let mut reader = Reader::default();
    let frames = [
        frame(0x81, b"Hello"),
        frame(0x89, b"Hello"),
        frame(0x81, &[b'x'; 200]),
        frame(0x01, b""),
        frame(0x89, b"between two fragments"),
        frame(0x80, b"Hello"),
    ];
    for stream in frames {
        for (seen, byte) in stream.iter().enumerate() {
            let at = format!("{seen} bytes of {stream:x?}");
            assert_eq!(reader.is_within_frame(), seen > 0, "{at}");
            assert!(!reader.take_whole(), "{at}");
            let mut byte = [*byte];
            let mut bytes = &mut byte[..];
            while reader.next(&mut bytes).is_some() {}
        }
        assert!(!reader.is_within_frame());
        assert!(reader.take_whole());
    }
}

#[test]
fn a_message_costs_no_memory() {
    assert!(size_of::<Reader>() <= 168, "{} bytes", size_of::<Reader>());
    let mut reader = Reader::default();
    let mut head = frame(0x81, b"")[..1].to_vec();
    head.push(0xFF);
    head.extend(i64::MAX.to_be_bytes());
    head.extend([0; 4]);
    let mut piece = vec![b'x'; 1 << 16];
    let used = measure(|| {
        assert_eq!(reader.next(&mut &mut head[..]), None);
        for _ in 0..100 {
            let mut bytes = &mut piece[..];
            while reader.next(&mut bytes).is_some() {}
        }
    });
    assert_eq!(used.count_total, 0);
}

#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test says how it is replayed"
)]
fn random() -> Rng {
    let seed = std::env::var("TEST_WEBSOCKET_SEED")
        .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("to replay: TEST_WEBSOCKET_SEED={seed} cargo test --lib dialect::websocket");
    Rng::with_seed(seed)
}

/// Messages in frames, and what they say.
fn any_stream(random: &mut Rng) -> (Vec<u8>, Vec<Found>) {
    let (mut stream, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..random.usize(1..4) {
        let characters = random.choice([0, 3, 40, 200]).unwrap_or(0);
        let message: String = (0..characters).map(|_| random.char(..)).collect();
        let mut rest = message.as_bytes();
        let mut opcode = 1;
        loop {
            let is_last = random.bool();
            let length = if is_last {
                rest.len()
            } else {
                random.usize(..=rest.len())
            };
            let (piece, behind) = rest.split_at(length);
            stream.extend(frame(if is_last { 0x80 | opcode } else { opcode }, piece));
            match expected.last_mut() {
                _ if piece.is_empty() => {}
                Some(Found::Text(before)) => before.extend(piece),
                _ => expected.push(Found::Text(piece.to_vec())),
            }
            (rest, opcode) = (behind, 0);
            if is_last {
                break;
            }
            if random.bool() {
                let payload: Vec<u8> = (0..random.usize(..=125)).map(|_| random.u8(..)).collect();
                stream.extend(frame(0x89, &payload));
                expected.push(Found::Ping(payload));
            }
        }
        expected.push(Found::End);
    }
    (stream, expected)
}

/// The stream in pieces of any length.
fn any_parts<'s>(random: &mut Rng, mut stream: &'s [u8]) -> Vec<&'s [u8]> {
    let piece_bytes_max = random.choice([2, 20, 1000]).unwrap_or(1);
    let mut parts = Vec::new();
    while !stream.is_empty() {
        let (part, rest) = stream.split_at(random.usize(1..=piece_bytes_max).min(stream.len()));
        parts.push(part);
        stream = rest;
    }
    parts
}

#[test]
fn any_pieces_give_what_the_whole_gives() {
    let mut random = random();
    for _ in 0..1000 {
        let (mut stream, expected) = any_stream(&mut random);
        assert_eq!(read([&stream[..]]), expected);
        assert_eq!(read(any_parts(&mut random, &stream)), expected);
        // Whatever it means with a byte changed, it means that in any pieces.
        let place = random.usize(..stream.len());
        stream[place] ^= 1 << random.u8(..8);
        let whole = read([&stream[..]]);
        assert_eq!(read(any_parts(&mut random, &stream)), whole, "{stream:x?}");
        assert_eq!(read(stream.chunks(1)), whole, "{stream:x?}");
    }
}

#[test]
fn what_is_written_has_the_shortest_head() {
    let heads: [(usize, &[u8]); 6] = [
        (0, b"\x81\x00"),
        (125, b"\x81\x7D"),
        (126, b"\x81\x7E\x00\x7E"),
        (65_535, b"\x81\x7E\xFF\xFF"),
        (65_536, b"\x81\x7F\x00\x00\x00\x00\x00\x01\x00\x00"),
        (70_000, b"\x81\x7F\x00\x00\x00\x00\x00\x01\x11\x70"),
    ];
    for (length, head) in heads {
        let line: Vec<u8> = (0..length).map(|place| place as u8).collect();
        let mut written = b"before".to_vec();
        write_text(&line, &mut written);
        assert_eq!(written, [b"before", head, &line].concat());
    }
    let mut out = Vec::new();
    write_close(Some(1008), &mut out);
    write_close(None, &mut out);
    write_ping(&mut out);
    let mut ping = frame(0x89, b"abc");
    let Some(Input::Ping(payload)) = Reader::default().next(&mut &mut ping[..]) else {
        panic!("it is a ping");
    };
    write_pong(&payload, &mut out);
    assert_eq!(out, b"\x88\x02\x03\xF0\x88\x00\x89\x00\x8A\x03abc");
}

#[test]
fn a_frame_ends_where_the_next_begins() {
    let mut bytes = Vec::new();
    let mut ends = vec![0];
    for length in [0, 5, 125, 126, 3000, 65_535, 65_536, 1] {
        write_text(&vec![0x81; length], &mut bytes);
        ends.push(bytes.len());
    }
    for offset in 0..=bytes.len() {
        let expected = ends.iter().find(|&&end| end >= offset);
        assert_eq!(Some(&frame_end(&bytes, offset)), expected, "at {offset}");
    }
}

#[test]
fn the_key_is_answered_as_the_standard_shows() {
    let answer = accept_key("dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
