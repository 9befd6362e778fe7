//! `Name`: what a person or a room is called, and the keys by which two spellings are one name.
//! It says what is a good name, not whether it is free: that is the directory's to know.
//! Whoever is called so owns its `Name`; it never changes, a rename is a new one.
//!
//! # How names are compared
//! *Who is called so* is asked with the folded name (`Ann`, `ann`: PRECIS, RFC 8265,
//! UsernameCaseMapped): what is for `ann` goes to Ann, and to nobody whose name only looks so.
//!
//! *Whether a name is free* is asked with more care: two names are one when they fold to the same
//! text or look the same as they are shown (`paypal`, `paypaI`: the skeleton of UTS 39). A name has
//! a key for each half of that "or":
//! - the folded key is the skeleton of the folded name;
//! - the look key is the skeleton of the name as it was typed. Without capitals it is mostly the
//!   folded key again, and then there is only one.
//!
//! Two names are one when they share a key, whichever it is. That is not transitive: `Ian` is
//! `ian` (they fold alike) and `lan` (they look alike), but `ian` and `lan` are two people, and so
//! are `Neil` and `Nell`. Therefore keys are claimed, not names put into classes: who bears a name
//! has all its keys, and a name is free when nobody has any of its keys.

use std::fmt;
use std::iter;

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::{Profile, Rules};
use precis_profiles::precis_core::{Error as PrecisError, UnexpectedError};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::{GeneralSecurityProfile, MixedScript};

use super::looks::{ascii_looks, unicode_looks};
use super::reserved;

/// One character of a name in NFC comes from at most four characters of at most four bytes.
const TEXT_BYTES_MAX: usize = Name::LENGTH_MAX * 16;

/// UTS 39, 5.4: a longer run of marks on one letter is ornament that covers the lines around it.
const MARKS_ON_A_LETTER_MAX: usize = 4;

/// A good name of a person or a room. Every member has one, so it lies in one piece of memory.
#[derive(Debug, Clone)]
pub struct Name {
    /// How it is shown; the folded name; the folded key; the look key. Each of the last three is
    /// left out where it is the one before it.
    parts: Box<str>,
    folded_start: u16,
    folded_key_start: u16,
    look_key_start: u16,
}

impl Name {
    /// The longest name, in characters after normalization to NFC.
    pub const LENGTH_MAX: usize = 24;

    /// The name that `text` spells. White space around it is the caller's to trim. The work is
    /// bounded whatever the length of `text`.
    ///
    /// # Errors
    /// [`BadName`] says why it is none.
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
        if is_address(name.folded()) {
            return Err(BadName::Address);
        }
        if is_message_id(name.folded()) {
            return Err(BadName::MessageId);
        }
        if reserved::is_reserved(name.folded(), name.as_str()) {
            return Err(BadName::Reserved);
        }
        Ok(name)
    }

    /// The name as it was typed, in NFC: for people to see.
    pub fn as_str(&self) -> &str {
        &self.parts[..self.folded_start.into()]
    }

    /// Whether who is called one is called the other: they fold to the same text. That they look
    /// alike is not enough.
    pub fn is_same(&self, other: &Name) -> bool {
        self.folded() == other.folded()
    }

    /// What the name is refused by, one key or two: of names that share any, only one is borne.
    /// The folded key comes first; names that fold alike have the same. Not for people to see.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let look_key = &self.parts[self.look_key_start.into()..];
        iter::once(self.folded_key()).chain(Some(look_key).filter(|key| !key.is_empty()))
    }

    /// The key that it shares with every name that it [`is_same`](Name::is_same) as.
    pub(super) fn folded_key(&self) -> &str {
        match &self.parts[self.folded_key_start.into()..self.look_key_start.into()] {
            "" => self.folded(),
            key => key,
        }
    }

    /// What two names share when they are one: not for people to see, but for what is kept.
    pub fn folded(&self) -> &str {
        match &self.parts[self.folded_start.into()..self.folded_key_start.into()] {
            "" => self.as_str(),
            folded => folded,
        }
    }

    fn new(display: &str, folded: &str, folded_key: &str, look_key: &str) -> Name {
        let unless_it_is = |earlier, part| if part == earlier { "" } else { part };
        let parts = [
            display,
            unless_it_is(display, folded),
            unless_it_is(folded, folded_key),
            unless_it_is(folded_key, look_key),
        ];
        let start = |part: usize| {
            let bytes: usize = parts[..part].iter().map(|part| part.len()).sum();
            u16::try_from(bytes).expect("24 characters fold to far less than 64 KiB")
        };
        Name {
            parts: parts.concat().into_boxed_str(),
            folded_start: start(1),
            folded_key_start: start(2),
            look_key_start: start(3),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    /// It can be read as an IP address.
    Address,
    /// It can be read as the id of a message.
    MessageId,
    /// A word by which the server or everybody is meant, or one in disguise.
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
            BadName::Address => write!(f, "a name is not an IP address"),
            BadName::MessageId => write!(f, "a name is not two numbers with - between them"),
            BadName::Reserved => write!(f, "this name is reserved"),
        }
    }
}

impl std::error::Error for BadName {}

/// The quick way, for what most people type. PRECIS accepts every text that it accepts, and the
/// keys are those of [`parse_any`]; the tests hold the two together.
fn parse_ascii(text: &str) -> Result<Name, BadName> {
    if text.len() > Name::LENGTH_MAX {
        return Err(BadName::TooLong);
    }
    check_characters(text)?;
    let folded = text.to_ascii_lowercase();
    Ok(Name::new(
        text,
        &folded,
        &ascii_looks(&folded),
        &ascii_looks(text),
    ))
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
    Ok(Name::new(
        &display,
        &folded,
        &unicode_looks(&folded),
        &unicode_looks(&display),
    ))
}

/// Four numbers with dots between them. An IPv6 address has colons, which no name has.
fn is_address(folded: &str) -> bool {
    folded.split('.').count() == 4 && folded.split('.').all(is_number)
}

/// As `1790000000123-0`.
fn is_message_id(folded: &str) -> bool {
    let halves = folded.split_once('-');
    halves.is_some_and(|(before, after)| is_number(before) && is_number(after))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
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
        if is_invisible(c) && !c.is_whitespace() {
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
///
/// The letters that PRECIS knows are those of Unicode 6.3, as in its IANA registry; later ones
/// (Adlam, the small letters of Cherokee) are unassigned to it, and refused.
fn precis_fold(display: &str) -> Result<String, BadName> {
    let profile = UsernameCaseMapped::new();
    let folded = profile
        .prepare(display)
        .and_then(|text| profile.case_mapping_rule(text))
        .and_then(|text| profile.normalization_rule(text))
        .map_err(bad_by_precis)?;
    let letters: String = folded.chars().filter(|c| !is_combining_mark(*c)).collect();
    match profile.directionality_rule(letters) {
        // One small sigma: which of the two is typed depends on its place, not on the name.
        Ok(_) => Ok(folded.replace('ς', "σ")),
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

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = (&'a str, &'a str, Vec<&'a str>);

    fn parts(parsed: &Result<Name, BadName>) -> Result<Parts<'_>, BadName> {
        match parsed {
            Ok(name) => Ok((name.as_str(), name.folded(), name.keys().collect())),
            Err(reason) => Err(*reason),
        }
    }

    #[test]
    fn the_quick_way_agrees_with_the_long_way() {
        for c in '\0'..='\x7f' {
            for text in [format!("{c}"), format!("a{c}"), format!("A{c}1")] {
                let (quick, long) = (parse_ascii(&text), parse_any(&text));
                assert_eq!(parts(&quick), parts(&long), "{text:?}");
            }
        }
        let letters: Vec<char> = ('!'..='~').collect();
        // What fails is in the message: it needs no seed to come again.
        let mut random = fastrand::Rng::new();
        let mut good = 0;
        for round in 0..20_000 {
            let length = random.usize(1..=28);
            let text: String = (0..length)
                .map(|_| match round % 4 {
                    0 => random.choice(&letters).copied().unwrap(),
                    _ => random
                        .choice(b"IiLl1oO0mMrRnN_-.zQ9")
                        .map(|byte| char::from(*byte))
                        .unwrap(),
                })
                .collect();
            let (quick, long) = (parse_ascii(&text), parse_any(&text));
            assert_eq!(parts(&quick), parts(&long), "{text:?}");
            good += usize::from(quick.is_ok());
        }
        assert!(good > 5_000, "only {good} good names were compared");
    }
}
