//! `Name`: what a person or a room is called, and the key by which two spellings are one name.
//! It says what is a good name, not whether it is free: that is the directory's to know.
//! Whoever is called so owns its `Name`; it never changes, a rename is a new one.
//!
//! # How names are compared
//! Two names are one when PRECIS folds them to the same text (`Ann`, `ann`: RFC 8265,
//! UsernameCaseMapped), or when they look the same as they are shown (`paypal`, `paypaI`: the
//! skeleton of UTS 39). "Or" is not transitive, a key is; so the key merges what the two rules
//! together force upon plain letters: `I` is `i` for the one and `l` for the other, hence
//! `i = I = l = 1`, `o = O = 0` and `m = rn`. It is folding, then the skeleton, then folding
//! again until nothing changes.
//!
//! The same logic over all scripts would go too far: the Greek `Ν` looks like `N`, its small
//! form `ν` like `v`, and `ben` would be `bev`. There the chain is cut: a small letter goes by
//! its own looks, and a name whose capitals make it look like another name in plain Latin
//! letters is refused ([`BadName::LookAlike`]; in small letters it is accepted). What holds:
//! - names that fold alike have one key;
//! - names that look alike in plain Latin letters (with or without the usual accents) have one key;
//! - names without capitals that look alike have one key, whatever their script.
//!
//! What is left open: capitals of two other scripts that look alike (`Гора` in Cyrillic, `Γορα`
//! in Greek).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::{Profile, Rules};
use precis_profiles::precis_core::{Error as PrecisError, UnexpectedError};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::{GeneralSecurityProfile, MixedScript, skeleton};

/// Words by which the server or everybody is meant. Nobody is called so, nor anything like it.
const RESERVED: [&str; 9] = [
    "server", "chatd", "operator", "admin", "root", "system", "everyone", "all", "here",
];

/// One character of a name in NFC comes from at most four characters of at most four bytes.
const TEXT_BYTES_MAX: usize = Name::LENGTH_MAX * 16;

/// UTS 39, 5.4: a longer run of marks on one letter is ornament that covers the lines around it.
const MARKS_ON_A_LETTER_MAX: usize = 4;

/// A good name of a person or a room. Equal names (`==`, `Hash`) have equal keys; how they are
/// typed may differ.
#[derive(Debug, Clone)]
pub struct Name {
    display: Box<str>,
    key: Box<str>,
}

impl Name {
    /// The longest name, in characters after normalization to NFC.
    pub const LENGTH_MAX: usize = 24;

    /// The name that `text` spells. White space around it is the caller's to trim. The work is
    /// bounded whatever the length of `text`.
    pub fn parse(text: &str) -> Result<Name, BadName> {
        if text.is_empty() {
            return Err(BadName::Empty);
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(BadName::TooLong);
        }
        let name = if text.is_ascii() {
            parse_ascii(text)?
        } else {
            parse_any(text)?
        };
        if is_reserved(&name) {
            return Err(BadName::Reserved);
        }
        Ok(name)
    }

    /// The name as it was typed, in NFC: for people to see.
    pub fn as_str(&self) -> &str {
        &self.display
    }

    /// What the name is compared by: two spellings of one name have the same key. Not for
    /// people to see.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.key == other.key
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

/// Why a text is not a name. Its `Display` is a sentence for people, on one line, without
/// anything from the text that could disturb a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadName {
    /// There is nothing.
    Empty,
    /// More than [`Name::LENGTH_MAX`] characters.
    TooLong,
    /// It starts with something else than a letter or a digit.
    Start,
    /// This character stands in no name, or not in this place (PRECIS has letters that need
    /// certain neighbours).
    Character(char),
    /// A control character or one that shows nothing: zero-width, direction control, filler.
    Invisible,
    /// The same mark twice, or too many marks, on one letter.
    Marks,
    /// Letters of more than one writing system.
    MixedScript,
    /// It mixes directions so that it would not be shown in the order of its characters
    /// (RFC 5893, section 2).
    Bidi,
    /// Its capitals make it look like a different name in Latin letters.
    LookAlike,
    /// A word by which the server or everybody is meant, or a look-alike of one.
    Reserved,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = Name::LENGTH_MAX;
        match *self {
            BadName::Empty => write!(f, "a name has at least one character"),
            BadName::TooLong => write!(f, "a name has at most {max} characters"),
            BadName::Start => write!(f, "a name starts with a letter or a digit"),
            BadName::Character(c) if c.is_whitespace() => write!(f, "a name has no spaces"),
            BadName::Character(c) if c.is_ascii_graphic() || is_plain_letter(c) => {
                write!(
                    f,
                    "{c} cannot stand in this name: use letters, digits, _ - ."
                )
            }
            BadName::Character(c) => write!(
                f,
                "U+{:04X} cannot stand in this name: use letters, digits, _ - .",
                u32::from(c)
            ),
            BadName::Invisible => write!(f, "a name has no invisible characters"),
            BadName::Marks => write!(f, "a letter of this name has too many marks"),
            BadName::MixedScript => write!(f, "a name has the letters of one script only"),
            BadName::Bidi => write!(
                f,
                "a name runs in one direction, and from right to left it starts with a letter and ends with a letter or digit"
            ),
            BadName::LookAlike => write!(
                f,
                "this name looks like another one in Latin letters: try small letters"
            ),
            BadName::Reserved => write!(f, "this name is reserved"),
        }
    }
}

impl std::error::Error for BadName {}

/// The quick way, for what most people type. PRECIS accepts every text that it accepts, and
/// its key is the one that [`key_of_folded`] would give; the tests hold the two together.
fn parse_ascii(text: &str) -> Result<Name, BadName> {
    if text.len() > Name::LENGTH_MAX {
        return Err(BadName::TooLong);
    }
    check_characters(text)?;
    let mut key = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            '0' => key.push('o'),
            '1' | 'i' => key.push('l'),
            'm' => key.push_str("rn"),
            other => key.push(other),
        }
    }
    Ok(Name {
        display: text.into(),
        key: key.into_boxed_str(),
    })
}

fn parse_any(text: &str) -> Result<Name, BadName> {
    let display: String = text.nfc().collect();
    if display.chars().count() > Name::LENGTH_MAX {
        return Err(BadName::TooLong);
    }
    check_characters(&display)?;
    check_marks(&display)?;
    let folded = precis_fold(&display)?;
    if !display.as_str().is_single_script() {
        return Err(BadName::MixedScript);
    }
    let key = key_of_folded(&folded);
    let looks: String = skeleton(&display).collect();
    if is_plain_latin(&looks) && key_of_folded(&looks) != key {
        return Err(BadName::LookAlike);
    }
    Ok(Name {
        display: display.into_boxed_str(),
        key: key.into_boxed_str(),
    })
}

fn is_plain_letter(c: char) -> bool {
    c.is_alphanumeric() && !is_combining_mark(c) && !is_invisible(c)
}

fn is_invisible(c: char) -> bool {
    c.is_control() || c.identifier_type() == Some(IdentifierType::Default_Ignorable)
}

/// Letters, digits, marks and `_ - .`, and what may come first.
fn check_characters(display: &str) -> Result<(), BadName> {
    for c in display.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') {
            continue;
        }
        if is_invisible(c) {
            return Err(BadName::Invisible);
        }
        if !c.is_alphanumeric() && !is_combining_mark(c) {
            return Err(BadName::Character(c));
        }
    }
    if display.starts_with(is_plain_letter) {
        Ok(())
    } else {
        Err(BadName::Start)
    }
}

/// Only marks that stack (they have a combining class) are counted: a syllable of Burmese has
/// five marks in good order, and none of them covers the next line.
fn check_marks(display: &str) -> Result<(), BadName> {
    let mut run = 0;
    let mut previous = None;
    for c in display.nfd() {
        run = match canonical_combining_class(c) {
            0 => 0,
            _ => run + 1,
        };
        if run > MARKS_ON_A_LETTER_MAX || (run > 1 && previous == Some(c)) {
            return Err(BadName::Marks);
        }
        previous = Some(c);
    }
    Ok(())
}

/// The UsernameCaseMapped profile step by step. Its last step, the Bidi rule, is given the text
/// without its marks: precis-profiles 0.2.0 takes a mark for the end of the label and so refuses
/// every name in Thaana and all vocalized Arabic and Hebrew. Marks are allowed anywhere after the
/// first character and change nothing else of the rule (RFC 5893, section 2).
fn precis_fold(display: &str) -> Result<String, BadName> {
    let profile = UsernameCaseMapped::new();
    let folded = profile
        .prepare(display)
        .and_then(|text| profile.case_mapping_rule(text))
        .and_then(|text| profile.normalization_rule(text))
        .map_err(bad_by_precis)?;
    let letters: String = folded.chars().filter(|c| !is_combining_mark(*c)).collect();
    match profile.directionality_rule(letters) {
        Ok(_) => Ok(folded.into_owned()),
        Err(_) => Err(BadName::Bidi),
    }
}

fn bad_by_precis(error: PrecisError) -> BadName {
    let info = match error {
        PrecisError::BadCodepoint(info) => Some(info),
        PrecisError::Unexpected(UnexpectedError::ContextRuleNotApplicable(info)) => Some(info),
        PrecisError::Unexpected(UnexpectedError::MissingContextRule(info)) => Some(info),
        _ => None,
    };
    let character = info.and_then(|info| char::from_u32(info.cp));
    BadName::Character(character.unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// The key of a text that is folded already, or of a skeleton.
fn key_of_folded(folded: &str) -> String {
    let twins = &*TWINS;
    let settled = settle(folded);
    let mut key = String::with_capacity(settled.len());
    for c in settled.chars() {
        match twins.get(&c) {
            Some(twin) => key.push_str(twin),
            None => key.push(c),
        }
    }
    // The dot of `i` and one more dot above it are shown as one; η looks like n̩, Η like H.
    key.replace("i\u{307}", "i")
        .replace("n\u{329}", "h")
        .replace('i', "l")
}

/// Skeleton and small letters in turn, until neither changes anything. In Unicode 18 the third
/// pass is the last that does; the bound is there for tables to come.
fn settle(text: &str) -> String {
    let mut text: Cow<'_, str> = Cow::Borrowed(text);
    for _ in 0..6 {
        // One small sigma: which of the two is typed depends on its place, not on the name.
        let small = text.to_lowercase().replace('ς', "σ");
        let next: String = skeleton(&small).collect();
        if next == text {
            break;
        }
        text = Cow::Owned(next);
    }
    text.into_owned()
}

/// Shapes of small letters whose capital looks like a Latin letter, with that letter: `ʙ` (the
/// shape of `в`) → `b`, because `В` looks like `B`. So `Вера` has the key of `Bepa` and of `вера`.
/// Shapes that are ASCII already keep themselves: that is where the chain is cut. Gathered
/// from the tables of Unicode once, on the first name that is not ASCII.
static TWINS: LazyLock<HashMap<char, String>> = LazyLock::new(|| {
    let mut twins = HashMap::new();
    let cased_scripts = '\u{80}'..='\u{1FFFF}';
    for capital in cased_scripts.filter(|c| c.is_uppercase()) {
        let small = settle(&capital.to_lowercase().collect::<String>());
        let looks = settle(&skeleton(capital.encode_utf8(&mut [0; 4])).collect::<String>());
        let mut shape = small.chars();
        let (Some(shape), None) = (shape.next(), shape.next()) else {
            continue;
        };
        // `ß` is the shape of the Greek β, but Strauß and Straub are two people.
        if shape.is_ascii() || shape == 'ß' || !looks.chars().all(|c| c.is_ascii_alphanumeric()) {
            continue;
        }
        twins.entry(shape).or_insert(looks);
    }
    twins
});

/// Whether a skeleton could be that of a name in ordinary Latin letters: ASCII, with no marks but
/// those that make up one letter of Unicode with it (`é`, not `b̄`).
fn is_plain_latin(skeleton: &str) -> bool {
    skeleton
        .chars()
        .filter(|c| !is_combining_mark(*c))
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && !skeleton.nfc().any(is_combining_mark)
}

static RESERVED_KEYS: LazyLock<[String; 9]> = LazyLock::new(|| RESERVED.map(key_of_folded));

fn is_reserved(name: &Name) -> bool {
    if !RESERVED_KEYS.iter().any(|key| **key == *name.key) {
        return false;
    }
    // `Ali` has the key of `all`, but is a person; `AIl` is no more than a look-alike.
    let has_i = name.display.contains(['i', 'I']);
    if *name.key == *"all" && has_i {
        let looks: String = skeleton(&name.display).collect();
        return ["all", "All", "ALL"].contains(&looks.as_str());
    }
    true
}
