//! `Keys`: the bytes of a terminal's keyboard → [`Key`]s. What a key does is not known here. The
//! sequences are taken apart by `vte`, the state machine of a terminal, used from the other side:
//! whatever comes, it stays bounded and finds back. Pure; owned by the seat.

use vte::{Params, Parser, Perform};

/// What a key press means to somebody who edits a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A character to insert.
    Character(char),
    /// Text that was pasted, as it came: with its line breaks.
    Paste(String),
    /// A paste of more than a mebibyte.
    EndlessPaste,
    /// Enter.
    Enter,
    /// Tab.
    Tab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// One character to the left.
    Left,
    /// One character to the right.
    Right,
    /// One word to the left.
    WordLeft,
    /// One word to the right.
    WordRight,
    /// To the start of the line.
    Home,
    /// To the end of the line.
    End,
    /// The line before in the history.
    Up,
    /// The line after in the history.
    Down,
    /// Deletes to the end of the line (Ctrl-K).
    KillToEnd,
    /// Deletes to the start of the line (Ctrl-U).
    KillToStart,
    /// Deletes the word before the cursor (Ctrl-W).
    KillWordLeft,
    /// Deletes the word behind the cursor (Alt-D).
    KillWordRight,
    /// Inserts what was deleted last by one of these (Ctrl-Y).
    Yank,
    /// Exchanges two characters (Ctrl-T).
    Transpose,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOrDelete,
    /// Ctrl-Z.
    Suspend,
    /// Ctrl-L.
    ClearScreen,
}

/// Bytes of a paste; more than that is no paste that somebody meant for a chat.
const PASTE_BYTES_MAX: usize = 1 << 20;

const ESC: u8 = 0x1b;
const DEL: u8 = 0x7f;
const DELETE: char = DEL as char;
const CANCEL: u8 = 0x18;
const CTRL_W: u8 = 0x17;

/// See the file.
#[derive(Default)]
pub struct Keys {
    parser: Parser,
    found: Found,
    last_byte: u8,
}

/// What has been made out so far.
#[derive(Default)]
struct Found {
    keys: Vec<Key>,
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    Ready,
    /// After `ESC O`, which begins the keys of a keypad and is, to `vte`, a sequence by itself.
    Keypad,
    Pasting(String),
}

impl Keys {
    /// The keys that these bytes complete.
    pub fn read(&mut self, bytes: &[u8]) -> Vec<Key> {
        for byte in bytes {
            // Alt-Backspace is no sequence to `vte`, which would wait for its end.
            match (self.last_byte, byte) {
                (ESC, &DEL) => self.parser.advance(&mut self.found, &[CANCEL, CTRL_W]),
                _ => self.parser.advance(&mut self.found, &[*byte]),
            }
            self.last_byte = *byte;
        }
        std::mem::take(&mut self.found.keys)
    }
}

impl Found {
    fn key(&mut self, key: Option<Key>) {
        self.keys.extend(key);
    }

    fn paste(&mut self, character: char) -> bool {
        let State::Pasting(text) = &mut self.state else {
            return false;
        };
        // One more than what is taken says that there was more.
        if text.len() <= PASTE_BYTES_MAX {
            text.push(character);
        }
        true
    }

    fn end_paste(&mut self) {
        if let State::Pasting(text) = std::mem::take(&mut self.state) {
            self.key(Some(match text.len() {
                ..=PASTE_BYTES_MAX => Key::Paste(text),
                _ => Key::EndlessPaste,
            }));
        }
    }
}

impl Perform for Found {
    fn print(&mut self, character: char) {
        if self.paste(character) {
            return;
        }
        if matches!(self.state, State::Keypad) {
            self.state = State::Ready;
            return self.key(cursor_key(character, false));
        }
        self.key(Some(match character {
            DELETE => Key::Backspace,
            other => Key::Character(other),
        }));
    }

    fn execute(&mut self, byte: u8) {
        if matches!(byte, b'\r' | b'\n' | b'\t') && self.paste(char::from(byte)) {
            return;
        }
        if matches!(self.state, State::Ready) {
            self.key(control_key(byte));
        }
    }

    fn csi_dispatch(&mut self, params: &Params, marks: &[u8], ignore: bool, action: char) {
        let mut numbers = params.iter().map(|param| param[0]);
        let (first, second) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        match (&self.state, action, first) {
            (State::Pasting(_), '~', 201) => self.end_paste(),
            (State::Pasting(_), ..) => {}
            _ if ignore || !marks.is_empty() => {}
            (_, '~', 200) => self.state = State::Pasting(String::new()),
            (_, '~', number) => self.key(numbered_key(number)),
            // The second number says which other keys were held: 2 and more.
            (_, action, _) => self.key(cursor_key(action, second > 2)),
        }
    }

    fn esc_dispatch(&mut self, marks: &[u8], _ignore: bool, byte: u8) {
        if !matches!(self.state, State::Ready) || !marks.is_empty() {
            return;
        }
        match byte {
            b'O' => self.state = State::Keypad,
            b'b' => self.key(Some(Key::WordLeft)),
            b'f' => self.key(Some(Key::WordRight)),
            b'd' => self.key(Some(Key::KillWordRight)),
            _ => {}
        }
    }
}

fn cursor_key(letter: char, by_word: bool) -> Option<Key> {
    Some(match letter {
        'A' => Key::Up,
        'B' => Key::Down,
        'C' if by_word => Key::WordRight,
        'D' if by_word => Key::WordLeft,
        'C' => Key::Right,
        'D' => Key::Left,
        'H' => Key::Home,
        'F' => Key::End,
        'M' => Key::Enter,
        _ => return None,
    })
}

fn numbered_key(number: u16) -> Option<Key> {
    Some(match number {
        1 | 7 => Key::Home,
        4 | 8 => Key::End,
        3 => Key::Delete,
        _ => return None,
    })
}

fn control_key(byte: u8) -> Option<Key> {
    Some(match byte {
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x03 => Key::Interrupt,
        0x04 => Key::EndOrDelete,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x08 => Key::Backspace,
        b'\t' => Key::Tab,
        b'\r' | b'\n' => Key::Enter,
        0x0b => Key::KillToEnd,
        0x0c => Key::ClearScreen,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x14 => Key::Transpose,
        0x15 => Key::KillToStart,
        CTRL_W => Key::KillWordLeft,
        0x19 => Key::Yank,
        0x1a => Key::Suspend,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &str) -> Vec<Key> {
        Keys::default().read(bytes.as_bytes())
    }

    #[test]
    fn text_and_keys_of_several_terminals() {
        assert_eq!(keys("aß漢"), ['a', 'ß', '漢'].map(Key::Character));
        for (bytes, key) in [
            ("\u{1b}[A", Key::Up),
            ("\u{1b}OA", Key::Up),
            ("\u{1b}[1;5D", Key::WordLeft),
            ("\u{1b}b", Key::WordLeft),
            ("\u{1b}[1;2D", Key::Left),
            ("\u{1b}[H", Key::Home),
            ("\u{1b}[1~", Key::Home),
            ("\u{1b}OH", Key::Home),
            ("\u{1b}[4~", Key::End),
            ("\u{1b}[3~", Key::Delete),
            ("\u{7f}", Key::Backspace),
            ("\u{8}", Key::Backspace),
            ("\u{1b}\u{7f}", Key::KillWordLeft),
            ("\r", Key::Enter),
            ("\n", Key::Enter),
            ("\u{3}", Key::Interrupt),
        ] {
            assert_eq!(keys(bytes), [key], "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_nothing() {
        for bytes in [
            "\u{1b}[15~",
            "\u{1b}[?1;2c",
            "\u{1b}]11;rgb:0/0/0\u{7}",
            "\u{1b}[I",
            "\0",
        ] {
            assert_eq!(keys(bytes), [], "{bytes:?}");
        }
        assert_eq!(keys("\u{1b}[24;80Ra"), [Key::Character('a')]);
    }

    #[test]
    fn keys_may_come_in_any_pieces() {
        let bytes = "é\u{1b}[1;5C漢\u{1b}OB\u{1b}[200~a\r\tb\u{1b}[201~x".as_bytes();
        let whole = Keys::default().read(bytes);
        assert_eq!(whole.len(), 6, "{whole:?}");
        for split in 0..bytes.len() {
            let mut keys = Keys::default();
            let mut found = keys.read(&bytes[..split]);
            found.extend(keys.read(&bytes[split..]));
            assert_eq!(found, whole, "split at {split}");
        }
    }

    #[test]
    fn a_paste_is_text_whatever_it_holds() {
        let paste = |text: &str| vec![Key::Paste(text.to_owned())];
        let dirty = "\u{1b}[200~a\u{3}\u{1b}[A\u{1b}]0;t\u{7}\rb\u{4}\u{1b}[201~";
        assert_eq!(keys(dirty), paste("a\rb"));
        assert_eq!(keys("\u{1b}[200~\u{1b}[201~"), paste(""));
        let endless = format!("\u{1b}[200~{}\u{1b}[201~x", "y".repeat(3 * PASTE_BYTES_MAX));
        assert_eq!(keys(&endless), [Key::EndlessPaste, Key::Character('x')]);
    }
}
