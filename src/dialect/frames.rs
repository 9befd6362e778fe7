//! Lines → frames of a WebSocket, where they lie: the lines of a program are written once, and
//! those of them that are for WebSockets are then framed, one frame a line, so that any range of
//! lines is a valid stream. What a frame is, is `websocket`'s.

use memchr::{memchr_iter, memrchr};

/// The first byte of a frame that is a whole message of text.
const TEXT: u8 = 0x81;

/// The longest head of a frame without a mask.
const HEAD_BYTES_MAX: usize = 10;

/// Puts each of the lines behind `from` into a frame of its own, without its LF. They are whole.
pub(super) fn frame_lines(out: &mut Vec<u8>, from: usize) {
    let lines = &out[from..];
    let mut start = 0;
    let mut framed_bytes = 0;
    for end in memchr_iter(b'\n', lines) {
        framed_bytes += head(end - start).1 + end - start;
        start = end + 1;
    }
    // From the last to the first: a head is longer than an LF, so nothing is overwritten that has
    // still to be moved.
    let mut end = out.len();
    out.resize(from + framed_bytes, 0);
    let mut to = out.len();
    while end > from {
        let last = end - 1;
        let start = memrchr(b'\n', &out[from..last]).map_or(from, |before| from + before + 1);
        let (head, head_bytes) = head(last - start);
        to -= last - start;
        out.copy_within(start..last, to);
        to -= head_bytes;
        out[to..to + head_bytes].copy_from_slice(&head[..head_bytes]);
        end = start;
    }
}

/// The head of a message of so many bytes, and how long it is.
fn head(bytes: usize) -> ([u8; HEAD_BYTES_MAX], usize) {
    let mut head = [0; HEAD_BYTES_MAX];
    head[0] = TEXT;
    match (u8::try_from(bytes), u16::try_from(bytes)) {
        (Ok(length), _) if length < 126 => {
            head[1] = length;
            (head, 2)
        }
        (_, Ok(length)) => {
            head[1] = 126;
            head[2..4].copy_from_slice(&length.to_be_bytes());
            (head, 4)
        }
        _ => {
            head[1] = 127;
            head[2..].copy_from_slice(&(bytes as u64).to_be_bytes());
            (head, HEAD_BYTES_MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::websocket;

    #[test]
    fn each_line_becomes_the_frame_that_it_would_be_alone() {
        let lengths = [0, 1, 125, 126, 3, 65_535, 65_536, 2];
        for skipped in 0..lengths.len() {
            let mut out = b"before".to_vec();
            let mut expected = out.clone();
            for &length in &lengths[skipped..] {
                let line = vec![b'a' + u8::try_from(length % 26).expect("a letter"); length];
                websocket::write_text(&line, &mut expected);
                out.extend_from_slice(&line);
                out.push(b'\n');
            }
            frame_lines(&mut out, 6);
            assert!(out == expected, "from the line number {skipped} on");
        }
        let mut none = b"before".to_vec();
        frame_lines(&mut none, 6);
        assert_eq!(none, b"before");
    }
}
