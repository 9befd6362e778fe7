//! UTF-8 that comes in pieces. Not a decoder, only a judge: it names the first byte that no text
//! can have there, and knows whether a character is unfinished. Part of the WebSocket reader.

use std::str;

/// What is known of the character that the last piece ended in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Utf8 {
    /// How many bytes it still needs; 0 between two characters.
    missing: u8,
    /// Where the next of them must lie, both ends included.
    least: u8,
    most: u8,
}

impl Utf8 {
    /// How many bytes of this piece can be text. If that is not all, this ends the stream.
    pub(super) fn possible_bytes(&mut self, piece: &[u8]) -> usize {
        let mut seen = 0;
        while self.missing > 0 && seen < piece.len() {
            if !self.accept(piece[seen]) {
                return seen;
            }
            seen += 1;
        }
        // The speed of memory for all but the last character, and that byte by byte: a character
        // that is cut off is no error here.
        let Err(error) = str::from_utf8(&piece[seen..]) else {
            return piece.len();
        };
        seen += error.valid_up_to();
        let impossible = piece[seen..].iter().position(|&byte| !self.accept(byte));
        impossible.map_or(piece.len(), |offset| seen + offset)
    }

    /// Whether the stream may end here.
    pub(super) fn is_complete(self) -> bool {
        self.missing == 0
    }

    /// Whether `byte` can come next (Unicode, table 3-7: no overlong forms, no surrogates, nothing
    /// beyond U+10FFFF; each shows in the second byte).
    fn accept(&mut self, byte: u8) -> bool {
        if self.missing > 0 {
            let is_possible = (self.least..=self.most).contains(&byte);
            *self = Utf8::expecting(self.missing - 1, 0x80, 0xBF);
            return is_possible;
        }
        *self = match byte {
            0x00..=0x7F => Utf8::default(),
            0xC2..=0xDF => Utf8::expecting(1, 0x80, 0xBF),
            0xE0 => Utf8::expecting(2, 0xA0, 0xBF),
            0xED => Utf8::expecting(2, 0x80, 0x9F),
            0xE1..=0xEF => Utf8::expecting(2, 0x80, 0xBF),
            0xF0 => Utf8::expecting(3, 0x90, 0xBF),
            0xF1..=0xF3 => Utf8::expecting(3, 0x80, 0xBF),
            0xF4 => Utf8::expecting(3, 0x80, 0x8F),
            _ => return false,
        };
        true
    }

    fn expecting(missing: u8, least: u8, most: u8) -> Utf8 {
        Utf8 {
            missing,
            least,
            most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream of these bytes is judged to be when it comes byte by byte: how many bytes are
    /// possible, and whether it may end behind them.
    fn bytewise(bytes: &[u8]) -> (usize, bool) {
        let mut utf8 = Utf8::default();
        let possible = bytes
            .iter()
            .take_while(|&&byte| utf8.possible_bytes(&[byte]) == 1);
        let possible = possible.count();
        (possible, possible == bytes.len() && utf8.is_complete())
    }

    #[test]
    fn any_start_of_a_character_is_judged_as_the_standard_library_does() {
        // The second byte decides; those behind it need only be continuations.
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for rest in [
                    &[][..],
                    &[0x80],
                    &[0xBF, 0x80],
                    &[0x80, 0x80, b'a'],
                    &[0x7F],
                    &[0x80, 0xC0],
                ] {
                    let bytes = [&[b'a', first, second], rest].concat();
                    let (possible, is_text) = bytewise(&bytes);
                    assert_eq!(is_text, str::from_utf8(&bytes).is_ok(), "{bytes:x?}");
                    assert_eq!(
                        Utf8::default().possible_bytes(&bytes),
                        possible,
                        "{bytes:x?}"
                    );
                    // What was possible is the beginning of some text, and one byte more is not.
                    assert!(is_beginning(&bytes[..possible]), "{bytes:x?}");
                    assert!(
                        possible == bytes.len() || !is_beginning(&bytes[..=possible]),
                        "{bytes:x?}"
                    );
                }
            }
        }
    }

    fn is_beginning(bytes: &[u8]) -> bool {
        str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
    }
}
