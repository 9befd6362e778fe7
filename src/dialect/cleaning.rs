//! Clean text out of the bytes of a client: valid UTF-8 without control characters. One line in is
//! one line out, for every receiver, and no text drives a terminal. Pure functions for every
//! language of this folder. Not [`crate::clean`], by which a program guards its own terminal
//! against a server that it does not trust.

use std::borrow::Cow;

/// Makes clean text of a line: invalid UTF-8 and control characters become U+FFFD. A clean line,
/// which nearly every one is, is passed through as it lies; else `scratch` holds the result.
pub fn clean<'a>(line: &'a [u8], scratch: &'a mut String) -> &'a str {
    if let Some(text) = as_clean(line) {
        return text;
    }
    scratch.clear();
    push_clean(line, char::REPLACEMENT_CHARACTER, scratch);
    scratch
}

/// Makes clean text of a string that may hold line feeds, which become blanks. The rest is as in
/// [`clean`].
pub fn clean_string(given: Cow<'_, [u8]>) -> Cow<'_, str> {
    if let Cow::Borrowed(bytes) = given
        && let Some(text) = as_clean(bytes)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(given.len());
    push_clean(&given, ' ', &mut text);
    Cow::Owned(text)
}

/// What could end a line or drive a terminal: C0 except TAB, DEL, C1, and the two Unicode
/// separators.
pub fn is_control(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}')
}

fn as_clean(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (is_plain_ascii(bytes) || !text.chars().any(is_control)).then_some(text)
}

fn is_plain_ascii(bytes: &[u8]) -> bool {
    // Without an early end, so that the compiler can look at many bytes at once.
    bytes.iter().fold(true, |plain, &byte| {
        plain & ((byte.wrapping_sub(0x20) < 0x5f) | (byte == b'\t'))
    })
}

fn push_clean(bytes: &[u8], line_feed: char, out: &mut String) {
    let replaced = |c| match c {
        '\n' => line_feed,
        c if is_control(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    for chunk in bytes.utf8_chunks() {
        out.extend(chunk.valid().chars().map(replaced));
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: [(&[u8], &str); 6] = [
        (b"plain ~ text\twith tab", "plain ~ text\twith tab"),
        ("größer 漢字 🙂".as_bytes(), "größer 漢字 🙂"),
        (
            b"\x1b[31mred\x07\x7f\x00",
            "\u{fffd}[31mred\u{fffd}\u{fffd}\u{fffd}",
        ),
        (b"a\rb", "a\u{fffd}b"),
        (
            "a\u{85}b\u{2028}c\u{2029}d\u{9b}e".as_bytes(),
            "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e",
        ),
        (
            b"\xff\xfeok\xc0\xaf\xe2\x82",
            "\u{fffd}\u{fffd}ok\u{fffd}\u{fffd}\u{fffd}",
        ),
    ];

    #[test]
    fn text_is_cleaned() {
        for (given, expected) in CASES {
            assert_eq!(clean(given, &mut String::new()), expected);
            assert_eq!(clean_string(Cow::Borrowed(given)), expected);
            assert_eq!(clean_string(Cow::Owned(given.to_vec())), expected);
        }
    }

    #[test]
    fn a_line_feed_within_a_string_is_a_blank() {
        assert_eq!(clean_string(Cow::Borrowed(b"one\ntwo")), "one two");
        assert_eq!(clean(b"one\ntwo", &mut String::new()), "one\u{fffd}two");
    }
}
