//! `Words`: what is searched for, and whether a text holds it. Folded as names are: without regard
//! to case, to width and to how letters with marks are composed. Where the texts come from is not
//! its business.

use memchr::memmem;
use unicode_normalization::UnicodeNormalization;

/// The words of a search: a text must hold each of them, wherever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(Vec<String>);

/// So many words are looked for; those behind them change nothing.
const WORDS_MAX: usize = 16;

impl Words {
    /// The words of a text. `None` where there are none.
    pub fn parse(text: &str) -> Option<Words> {
        let mut folded = String::new();
        fold(text, &mut folded);
        let words = folded.split_whitespace().take(WORDS_MAX);
        let words: Vec<String> = words.map(str::to_owned).collect();
        (!words.is_empty()).then_some(Words(words))
    }

    /// Whether the text holds them. `scratch` is memory to fold it in, whatever it holds.
    pub fn are_in(&self, text: &str, scratch: &mut String) -> bool {
        fold(text, scratch);
        let has = |word: &String| memmem::find(scratch.as_bytes(), word.as_bytes()).is_some();
        self.0.iter().all(has)
    }
}

fn fold(text: &str, folded: &mut String) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
        return;
    }
    let small = text.nfkc().flat_map(char::to_lowercase);
    // As in names, one small sigma.
    folded.extend(small.nfc().map(|c| if c == 'ς' { 'σ' } else { c }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(words: &str, text: &str) -> bool {
        let mut scratch = "rest".into();
        Words::parse(words).unwrap().are_in(text, &mut scratch)
    }

    #[test]
    fn every_word_must_be_there_in_whatever_case_and_order() {
        assert!(finds("tea GREEN", "Is there any green Tea?"));
        assert!(!finds("tea black", "Is there any green Tea?"));
        assert!(finds("größe", "Die GRÖSSE? Die GRÖßE!"));
        assert!(finds("gro\u{308}ße", "größer"));
        assert!(finds("ΟΔΟΣ", "η οδος μας"));
        assert!(finds("ＡＢＣ", "abc"));
        assert_eq!(Words::parse(" \t "), None);
    }
}
