//! `Clean`: text that cannot drive a terminal. The client trusts no server (nor a file name or an
//! argument that it repeats): whatever it shows goes through here once more, in one place, and the
//! type says that it has. The operator's board shows messages so, too. Not the cleaning that the
//! server does for all its receivers, which leaves right-to-left marks to those who want them.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// Text without control characters, escape sequences, line breaks and bidi controls. Each of them
/// (an escape sequence as a whole) stands there as one U+FFFD. TAB stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clean(String);

impl Clean {
    /// Cleans a text.
    pub fn of(text: &str) -> Self {
        if !text.contains(is_dangerous) {
            return Clean(text.to_owned());
        }
        let mut clean = String::with_capacity(text.len());
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            if !is_dangerous(character) {
                clean.push(character);
                continue;
            }
            skip_sequence(character, &mut rest);
            clean.push(char::REPLACEMENT_CHARACTER);
        }
        Clean(clean)
    }

    /// Cleans a text and shows no more than its first `characters_max` characters.
    pub fn excerpt(text: &str, characters_max: usize) -> Self {
        let Clean(mut clean) = Clean::of(text);
        if let Some((end, _)) = clean.char_indices().nth(characters_max) {
            clean.truncate(end);
            clean.push('…');
        }
        Clean(clean)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Clean {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_dangerous(character: char) -> bool {
    match character {
        '\t' => false,
        '\u{2028}' | '\u{2029}' => true,
        // Bidi controls: marks, embeddings, overrides, isolates. They outlive the message that
        // holds them and turn round what stands beside it.
        '\u{061c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

/// Passes over what belongs to the escape sequence that `introducer` begins, if it begins one.
fn skip_sequence(introducer: char, rest: &mut Peekable<Chars<'_>>) {
    match introducer {
        '\u{1b}' => match rest.peek() {
            Some('[') => {
                rest.next();
                skip_parameters(rest);
            }
            Some(']' | 'P' | 'X' | '^' | '_') => {
                rest.next();
                skip_string(rest);
            }
            _ => skip_short(rest),
        },
        '\u{9b}' => skip_parameters(rest),
        '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(rest),
        _ => {}
    }
}

/// `ESC ( B`: intermediate bytes and a final one.
fn skip_short(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| matches!(c, ' '..='/')).is_some() {}
    rest.next_if(|c| matches!(c, '0'..='~'));
}

/// `CSI 31 m`: parameters, intermediate bytes and a final one.
fn skip_parameters(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    rest.next_if(|c| matches!(c, '@'..='~'));
}

/// `OSC … ST` and its like. One without an end is not passed over: then its text is harmless, and
/// to drop the rest of the line would hide what was said.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    let mut ahead = rest.clone();
    while let Some(character) = ahead.next() {
        let ended = match character {
            '\u{07}' | '\u{9c}' => true,
            '\u{1b}' => ahead.next_if_eq(&'\\').is_some(),
            _ => false,
        };
        if ended {
            *rest = ahead;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        Clean::of(text).to_string()
    }

    #[test]
    fn ordinary_text_stays() {
        for text in ["", "hello\tthere", "naïve שלום 👩‍🚀 漢字", "[31m is text"] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn sequences_go_as_a_whole() {
        assert_eq!(clean("a\u{1b}[1;31mred\u{1b}[0m"), "a\u{fffd}red\u{fffd}");
        assert_eq!(clean("a\u{1b}]0;title\u{7}b"), "a\u{fffd}b");
        assert_eq!(clean("a\u{1b}]52;c;eA==\u{1b}\\b"), "a\u{fffd}b");
        assert_eq!(clean("a\u{9b}2Jb"), "a\u{fffd}b");
        assert_eq!(clean("a\u{9d}0;x\u{9c}b"), "a\u{fffd}b");
        assert_eq!(clean("a\u{1b}(Bb"), "a\u{fffd}b");
        assert_eq!(clean("a\u{1b}"), "a\u{fffd}");
    }

    #[test]
    fn a_sequence_without_an_end_hides_nothing() {
        assert_eq!(clean("\u{1b}]0;what was said"), "\u{fffd}0;what was said");
        assert_eq!(clean("\u{1b}]0;a\u{1b}[2Jb"), "\u{fffd}0;a\u{fffd}b");
    }

    #[test]
    fn nothing_dangerous_is_left_whatever_comes() {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let pool: Vec<char> =
            "\u{1b}[]()P\\0;mJ a\r\n\u{7}\u{0}\u{7f}\u{85}\u{90}\u{9b}\u{9c}\u{2028}\u{202e}\u{2066}é"
                .chars()
                .collect();
        for _ in 0..5_000 {
            let text: String = (0..random.usize(0..20))
                .map(|_| pool[random.usize(0..pool.len())])
                .collect();
            let clean = clean(&text);
            assert!(
                !clean.contains(is_dangerous),
                "seed {seed} (pass it to with_seed): {text:?} → {clean:?}"
            );
        }
    }

    #[test]
    fn an_excerpt_is_cut_by_characters() {
        assert_eq!(Clean::excerpt("äöüß", 3).as_str(), "äöü…");
        assert_eq!(Clean::excerpt("äöü", 3).as_str(), "äöü");
    }
}
