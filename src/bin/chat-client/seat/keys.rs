//! `Keys`: the bytes of a terminal's keyboard → [`Key`]s. What a key does is not known here.
//! A library's parser would wait for the end of a sequence for ever, and so eat what is typed
//! behind a lone Escape. Here whatever is not a key's sequence is what it looks like: an Escape
//! that nothing follows at once is forgotten, and so is one before a text. Pure; owned by the seat.

use std::time::{Duration, Instant};

/// What was pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A character, or what is pressed together with Ctrl (`'\x03'` is Ctrl-C). Keys that have a
    /// sequence are what they are with Ctrl, where there is such a one: the arrow left is Ctrl-B.
    Char(char),
    /// A letter or digit pressed together with Alt.
    Alt(char),
    Up,
    Down,
    Delete,
    /// Text that was pasted, as it came: with its line breaks.
    Paste(String),
    /// A paste of more than a mebibyte.
    EndlessPaste,
}

/// A key's sequence comes in one piece: behind a pause, its start was no start.
pub const SEQUENCE_TIMEOUT: Duration = Duration::from_millis(50);
/// Bytes of a paste; more than that is no paste that somebody meant for a chat.
const PASTE_BYTES_MAX: usize = 1 << 20;
/// Bytes of a key's sequence. The longest of today have about ten.
const SEQUENCE_BYTES_MAX: usize = 32;

const ESC: char = '\x1b';

/// See the file.
#[derive(Default)]
pub struct Keys {
    state: State,
    /// The start of a character of several bytes.
    partial: Vec<u8>,
    /// What is being pasted; keys are no keys then.
    paste: Option<String>,
    last_at: Option<Instant>,
    found: Vec<Key>,
}

#[derive(Default)]
enum State {
    #[default]
    Ready,
    /// Behind ESC.
    Escape,
    /// Behind `ESC O`: a key of the keypad.
    Keypad,
    /// Behind `ESC [`, with all since ESC: a key with a name of several bytes.
    Sequence(String),
    /// Behind `ESC ]` or `ESC P`: no key, but the late answer to what a program before us asked.
    Answer,
}

impl Keys {
    /// The keys that these bytes complete, which came at `now`.
    pub fn read(&mut self, bytes: &[u8], now: Instant) -> Vec<Key> {
        let since = self
            .last_at
            .replace(now)
            .map(|at| now.saturating_duration_since(at));
        let is_pause = since.is_some_and(|since| since >= SEQUENCE_TIMEOUT);
        // The mark that ends a paste may come in pieces: it is nothing that somebody typed.
        if is_pause && self.paste.is_none() {
            self.state = State::Ready;
        }
        for byte in bytes {
            self.partial.push(*byte);
            match std::str::from_utf8(&self.partial) {
                Err(error) if error.error_len().is_none() => continue,
                _ => {}
            }
            let character =
                String::from_utf8_lossy(&std::mem::take(&mut self.partial)).into_owned();
            character.chars().for_each(|character| self.take(character));
        }
        std::mem::take(&mut self.found)
    }

    fn take(&mut self, character: char) {
        match std::mem::take(&mut self.state) {
            State::Ready => self.plain(character),
            State::Escape => self.behind_escape(character),
            State::Keypad => match character {
                'A'..='Z' | 'j'..='y' => self.cursor_key(character, false),
                _ => self.all_text("O", character),
            },
            State::Sequence(mut text) => match character {
                '0'..='?' if text.len() < SEQUENCE_BYTES_MAX => {
                    text.push(character);
                    self.state = State::Sequence(text);
                }
                // With `$` some terminals end those of keys that are held together with Shift.
                '@'..='~' | '$' => self.sequence(&text[1..], character),
                _ => self.all_text(&text, character),
            },
            State::Answer => match character {
                '\x07' => {}
                ESC => self.state = State::Escape,
                _ => self.state = State::Answer,
            },
        }
    }

    /// What looked like the start of a key's sequence was none.
    fn all_text(&mut self, start: &str, character: char) {
        start.chars().for_each(|character| self.plain(character));
        self.take(character);
    }

    fn behind_escape(&mut self, character: char) {
        match character {
            '[' => self.state = State::Sequence("[".to_owned()),
            'O' => self.state = State::Keypad,
            ']' | 'P' => self.state = State::Answer,
            // The end of such an answer.
            '\\' => {}
            'b' | 'f' | 'd' | '1'..='9' => self.key(Key::Alt(character)),
            '\x7f' | '\x08' => self.key(Key::Char('\x17')),
            _ => self.plain(character),
        }
    }

    /// A character that belongs to no sequence.
    fn plain(&mut self, character: char) {
        match &mut self.paste {
            _ if character == ESC => self.state = State::Escape,
            None if ('\u{80}'..='\u{9f}').contains(&character) => {}
            None => self.found.push(Key::Char(character)),
            // One more than what is taken says that there was more.
            Some(paste) if paste.len() > PASTE_BYTES_MAX => {}
            Some(paste) => {
                let is_text = !character.is_control() || matches!(character, '\r' | '\n' | '\t');
                paste.extend(is_text.then_some(character));
            }
        }
    }

    fn sequence(&mut self, text: &str, last: char) {
        let mut numbers = text.split(';').map(|number| number.parse().unwrap_or(0));
        let (first, second): (u16, u16) =
            (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        match (last, first) {
            ('~', 200) if self.paste.is_none() => self.paste = Some(String::new()),
            ('~', 201) => match self.paste.take() {
                Some(paste) if paste.len() <= PASTE_BYTES_MAX => self.key(Key::Paste(paste)),
                Some(_) => self.key(Key::EndlessPaste),
                None => {}
            },
            ('~', 1 | 7) => self.key(Key::Char('\x01')),
            ('~', 4 | 8) => self.key(Key::Char('\x05')),
            ('~', 3) => self.key(Key::Delete),
            ('~' | 'M', _) => {}
            // The second number says which other keys were held: 2 is Shift.
            _ => self.cursor_key(last, second > 2),
        }
    }

    fn cursor_key(&mut self, letter: char, is_by_word: bool) {
        self.key(match letter {
            'A' => Key::Up,
            'B' => Key::Down,
            'C' if is_by_word => Key::Alt('f'),
            'D' if is_by_word => Key::Alt('b'),
            'C' => Key::Char('\x06'),
            'D' => Key::Char('\x02'),
            'H' => Key::Char('\x01'),
            'F' => Key::Char('\x05'),
            'M' => Key::Char('\r'),
            _ => return,
        });
    }

    fn key(&mut self, key: Key) {
        if self.paste.is_none() {
            self.found.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &str) -> Vec<Key> {
        Keys::default().read(bytes.as_bytes(), Instant::now())
    }

    fn text(text: &str) -> Vec<Key> {
        text.chars().map(Key::Char).collect()
    }

    #[test]
    fn keys_of_several_terminals() {
        for (bytes, key) in [
            ("漢", Key::Char('漢')),
            ("\x1b[A", Key::Up),
            ("\x1bOA", Key::Up),
            ("\x1b[1;5D", Key::Alt('b')),
            ("\x1b[1;2D", Key::Char('\x02')),
            ("\x1b[1~", Key::Char('\x01')),
            ("\x1b[F", Key::Char('\x05')),
            ("\x1b[3~", Key::Delete),
            ("\x1b\x7f", Key::Char('\x17')),
            ("\x1b\r", Key::Char('\r')),
        ] {
            assert_eq!(keys(bytes), [key], "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_nothing_or_what_it_looks_like() {
        for bytes in [
            "\x1b",
            "\x1b[15~",
            "\x1b[3$",
            "\x1bOP",
            "\x1b[?1;2c",
            "\x1b]11;rgb:0/0/0\x07",
            "\x1b]11;rgb:0/0/0\x1b\\",
            "\u{9b}",
        ] {
            assert_eq!(keys(&format!("{bytes}/msg")), text("/msg"), "{bytes:?}");
        }
        assert_eq!(keys("\x1bq\x1b[/m\x1bO/"), text("q[/mO/"));
    }

    #[test]
    fn a_pause_ends_what_was_begun() {
        for start in ["\x1b", "\x1b[", "\x1b[1;", "\x1bO", "\x1b]", "\x1bP"] {
            let (mut keys, now) = (Keys::default(), Instant::now());
            assert_eq!(keys.read(start.as_bytes(), now), []);
            let found = keys.read(b"/msg ben", now + SEQUENCE_TIMEOUT);
            assert_eq!(found, text("/msg ben"), "{start:?}");
        }
    }

    #[test]
    fn keys_may_come_in_any_pieces() {
        let bytes = "é\x1b[1;5C漢\x1bOB\x1b[200~a\r\tb\x1b[201~x".as_bytes();
        let now = Instant::now();
        let whole = Keys::default().read(bytes, now);
        assert_eq!(whole.len(), 6, "{whole:?}");
        for split in 0..bytes.len() {
            let mut keys = Keys::default();
            let mut found = keys.read(&bytes[..split], now);
            found.extend(keys.read(&bytes[split..], now));
            assert_eq!(found, whole, "split at {split}");
        }
    }

    #[test]
    fn a_paste_is_text_whatever_it_holds() {
        let paste = |text: &str| vec![Key::Paste(text.to_owned())];
        let dirty = "\x1b[200~a\x03\x1b[A\x1b]0;t\x07\rb\x04\x1b[201~";
        assert_eq!(keys(dirty), paste("a\rb"));
        let endless = format!("\x1b[200~{}\x1b[201~x", "y".repeat(2 * PASTE_BYTES_MAX));
        assert_eq!(keys(&endless), [Key::EndlessPaste, Key::Char('x')]);
    }
}
