//! Words that nobody is called by, since the server or everybody is meant by them, and how they are
//! told in disguise. Not who has which name: that is the directory's. Owned by `name`.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::looks::looks;

const WORDS: [&str; 11] = [
    "server",
    "chatd",
    "operator",
    "admin",
    "administrator",
    "moderator",
    "root",
    "system",
    "everyone",
    "all",
    "here",
];

/// No word has more letters at its end that digits are written for: `r007`.
const LAST_DIGITS_MAX: usize = 3;

const SEPARATORS: [char; 3] = ['_', '-', '.'];

/// What the words look like in small, Title and CAPITAL letters. `AIl` and `a11` look like one of
/// them and are refused; `Ali`, `ali` and `ALI` do not and are people.
static LOOKS: LazyLock<HashSet<Box<str>>> = LazyLock::new(|| {
    let spellings = WORDS.iter().flat_map(|word| {
        let (first, rest) = word.split_at(1);
        let title = first.to_ascii_uppercase() + rest;
        [(*word).to_owned(), title, word.to_ascii_uppercase()]
    });
    spellings.map(|word| looks(&word).into()).collect()
});

/// Whether any segment of a name between its separators is such a word. Whole segments only:
/// `rooted`, `Small` and `hereford` are people.
pub(super) fn is_reserved(folded: &str, display: &str) -> bool {
    let has_word = |text: &str| text.split(SEPARATORS).any(is_word_with_digits);
    has_word(folded) || display != folded && has_word(display)
}

/// Which of the digits at the end stand for letters (`al1`), and which only follow (`all1`), is
/// anybody's guess: every division is tried. Digits alone are a number.
fn is_word_with_digits(segment: &str) -> bool {
    let letters = segment.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let ends = letters..=segment.len().min(letters + LAST_DIGITS_MAX);
    letters > 0 && ends.into_iter().any(|end| is_word(&segment[..end]))
}

fn is_word(text: &str) -> bool {
    // One digit stands for two letters, and no word has both.
    looks_like_word(text, 'i') || text.contains('1') && looks_like_word(text, 'l')
}

fn looks_like_word(text: &str, one: char) -> bool {
    let plain = without_small_capitals(looks(&without_digits(text, one)));
    // Some letters (of Lisu) look like a separator.
    plain.split(SEPARATORS).any(|word| LOOKS.contains(word))
}

/// Digits as the letters that they are written for, where a word has those letters.
fn without_digits(text: &str, one: char) -> String {
    let letter = |digit| match digit {
        '0' => 'o',
        '1' => one,
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        other => other,
    };
    text.chars().map(letter).collect()
}

/// UTS 39 takes some small capitals for letters of their own, and small letters of Cyrillic and
/// Greek for some of them. Here are those that a word can be written with; `m` looks like `rn`.
fn without_small_capitals(looks: String) -> String {
    if looks.is_ascii() {
        return looks;
    }
    let mut plain = String::with_capacity(looks.len());
    for c in looks.chars() {
        match c {
            'ᴀ' => plain.push('a'),
            'ᴅ' => plain.push('d'),
            'ᴇ' => plain.push('e'),
            'ʜ' => plain.push('h'),
            'ʟ' => plain.push('l'),
            'ʍ' => plain.push_str("rn"),
            'ɴ' => plain.push('n'),
            'ᴘ' => plain.push('p'),
            'ʀ' => plain.push('r'),
            'ᴛ' => plain.push('t'),
            other => plain.push(other),
        }
    }
    plain
}
