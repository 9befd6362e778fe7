//! Lines → frames of a WebSocket, where they lie: the lines of a program are written once, and
//! those of them that are for WebSockets are then framed, one frame a line, so that any range of
//! lines is a valid stream. What a frame is, is `websocket`'s.

use memchr::{memchr_iter, memrchr};

use super::websocket::text_head;

/// Puts each of the lines behind `from` into a frame of its own, without its LF. They are whole.
pub(super) fn frame_lines(out: &mut Vec<u8>, from: usize) {
    let lines = &out[from..];
    let mut start = 0;
    let mut framed_bytes = 0;
    for end in memchr_iter(b'\n', lines) {
        framed_bytes += text_head(end - start).1 + end - start;
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
        let (head, head_bytes) = text_head(last - start);
        to -= last - start;
        out.copy_within(start..last, to);
        to -= head_bytes;
        out[to..to + head_bytes].copy_from_slice(&head[..head_bytes]);
        end = start;
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
