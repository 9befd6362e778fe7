//! The WebSocket reader: any bytes in any pieces are what a model says that sees all of them at
//! once, reads whole frames, and judges whole messages. The input is unmasked frames, which are
//! given masks first, so that the fuzzer sees through to what they say.
#![no_main]

use chatd::dialect::websocket::{CONTROL_BYTES_MAX, Input, Reader};
use chatd_fuzz::script::Script;
use libfuzzer_sys::fuzz_target;

/// What was found; pieces of text that follow one another are one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Text(Vec<u8>),
    End,
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
    Failed(u16),
}

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let steps: Vec<u8> = (0..script.below(8)).map(|_| script.byte()).collect();
    let stream = masked(script.rest());
    let expected = model(&stream);
    assert_eq!(read(&stream, &mut std::iter::repeat(usize::MAX)), expected);
    assert_eq!(read(&stream, &mut std::iter::repeat(1)), expected);
    let mut steps = steps.iter().map(|&step| 1 + usize::from(step)).cycle();
    assert_eq!(read(&stream, &mut steps), expected);
});

/// Puts the mask onto each payload whose length is told in the shortest form; what is no such frame
/// stays as it is.
fn masked(bytes: &[u8]) -> Vec<u8> {
    let mut stream = bytes.to_vec();
    let mut start = 0;
    while let Some(&second) = stream.get(start + 1) {
        let length = usize::from(second & 0x7F);
        let mask_at = match length {
            126 | 127 => break,
            _ => start + 2,
        };
        let Some(&[a, b, c, d]) = stream.get(mask_at..mask_at + 4) else {
            break;
        };
        let end = (mask_at + 4 + length).min(stream.len());
        for (byte, mask) in stream[mask_at + 4..end]
            .iter_mut()
            .zip([a, b, c, d].iter().cycle())
        {
            *byte ^= mask;
        }
        start = end;
    }
    stream
}

fn read(stream: &[u8], steps: &mut dyn Iterator<Item = usize>) -> Vec<Found> {
    let mut reader = Reader::default();
    let mut found: Vec<Found> = Vec::new();
    let mut stream = stream.to_vec();
    let mut rest = &mut stream[..];
    while !rest.is_empty() {
        let step = steps.next().unwrap_or(usize::MAX).min(rest.len());
        let (mut part, behind) = rest.split_at_mut(step);
        rest = behind;
        while let Some(input) = reader.next(&mut part) {
            match (input, found.last_mut()) {
                (input, Some(Found::Close(_) | Found::Failed(_))) => {
                    panic!("{input:?} behind the end")
                }
                (Input::Text([]), _) => panic!("a piece of nothing"),
                (Input::Text(piece), Some(Found::Text(before))) => before.extend(piece),
                (Input::Text(piece), _) => found.push(Found::Text(piece.to_vec())),
                (Input::End, _) => found.push(Found::End),
                (Input::Ping(payload), _) => found.push(Found::Ping(payload.bytes().to_vec())),
                (Input::Pong, _) => found.push(Found::Pong),
                (Input::Close(code), _) => found.push(Found::Close(code)),
                (Input::Failed(code), _) => found.push(Found::Failed(code)),
            }
        }
        assert!(part.is_empty(), "all is taken in");
    }
    found
}

/// What the stream is, by somebody who waits for whole heads, and judges the text of a message from
/// its beginning each time that something of it has come.
fn model(stream: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut message: Option<Vec<u8>> = None;
    let mut rest = stream;
    loop {
        let (first, payload_bytes, mask, behind) = match head(rest) {
            Ok(Some(head)) => head,
            Ok(None) => return found,
            Err(()) => return [found, vec![Found::Failed(1002)]].concat(),
        };
        let length = behind
            .len()
            .min(usize::try_from(payload_bytes).unwrap_or(usize::MAX));
        let (payload, next) = behind.split_at(length);
        let payload: Vec<u8> = payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(a, b)| a ^ b)
            .collect();
        let is_whole = length as u64 == payload_bytes;
        rest = next;
        let is_last = first & 0x80 != 0;
        match (first & 0x0F, &mut message) {
            (8..=10, _) if !is_whole => return found,
            (8, _) => return [found, vec![close(&payload)]].concat(),
            (9, _) => found.push(Found::Ping(payload)),
            (10, _) => found.push(Found::Pong),
            (2, None) => return [found, vec![Found::Failed(1003)]].concat(),
            (1, Some(_)) | (2, Some(_)) | (0, None) => {
                return [found, vec![Found::Failed(1002)]].concat();
            }
            _ => {
                let text = message.get_or_insert_default();
                let before = text.len();
                text.extend(payload);
                let possible = possible(text);
                if possible > before {
                    let piece = &text[before..possible];
                    match found.last_mut() {
                        Some(Found::Text(earlier)) => earlier.extend(piece),
                        _ => found.push(Found::Text(piece.to_vec())),
                    }
                }
                let is_unfinished = is_whole && is_last && std::str::from_utf8(text).is_err();
                if possible < text.len() || is_unfinished {
                    return [found, vec![Found::Failed(1007)]].concat();
                }
                if !is_whole {
                    return found;
                }
                if is_last {
                    found.push(Found::End);
                    message = None;
                }
            }
        }
    }
}

type Head<'a> = (u8, u64, [u8; 4], &'a [u8]);

/// The first byte of a frame, its length, its mask, and what is behind; `None` if its head is not
/// all there and may still be right.
fn head(bytes: &[u8]) -> Result<Option<Head<'_>>, ()> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let is_control = first & 8 != 0;
    if first & 0x70 != 0 || !matches!(first & 15, 0..=2 | 8..=10) || is_control && first & 0x80 == 0
    {
        return Err(());
    }
    let Some(&second) = bytes.get(1) else {
        return Ok(None);
    };
    if second & 0x80 == 0 || is_control && usize::from(second & 0x7F) > CONTROL_BYTES_MAX {
        return Err(());
    }
    let (length_bytes, least) = match second & 0x7F {
        126 => (2, 126),
        127 => (8, 65_536),
        _ => (0, 0),
    };
    let Some(long) = bytes.get(2..2 + length_bytes) else {
        return Ok(None);
    };
    let long = long.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    let length = if length_bytes == 0 {
        u64::from(second & 0x7F)
    } else {
        long
    };
    if length < least || length >> 63 != 0 {
        return Err(());
    }
    let rest = &bytes[2 + length_bytes..];
    Ok(rest
        .split_first_chunk()
        .map(|(&mask, behind)| (first, length, mask, behind)))
}

fn close(payload: &[u8]) -> Found {
    match payload {
        [] => Found::Close(None),
        [_] => Found::Failed(1002),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            match code {
                0..=999 | 1004..=1006 | 1015..=2999 | 5000.. => Found::Failed(1002),
                _ if std::str::from_utf8(reason).is_err() => Found::Failed(1007),
                _ => Found::Close(Some(code)),
            }
        }
    }
}

/// How many of these bytes are the beginning of some text.
fn possible(bytes: &[u8]) -> usize {
    let is_beginning = |length: &usize| match std::str::from_utf8(&bytes[..*length]) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    (valid..=bytes.len())
        .take_while(is_beginning)
        .last()
        .unwrap_or(valid)
}
