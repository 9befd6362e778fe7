//! Names: any text is judged, with bounded results; what passes can be seen, and only as what it
//! is; its normal form is stable; what folds or looks alike shares a key; and who is called one is
//! called the other when they fold alike, not when they only look so.
#![no_main]

use chatd::chat::Name;
use chatd_fuzz::script::Script;
use chatd_fuzz::server_line::is_dangerous;
use libfuzzer_sys::fuzz_target;
use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::Profile;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;

/// No name has a character that comes to more in a key: 24 characters, each at most 18 in NFKD.
const KEY_CHARS_MAX: usize = 24 * 18;

const RESERVED: [&str; 11] = [
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

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let first_length = script.below(100);
    let first = String::from_utf8_lossy(script.bytes(first_length)).into_owned();
    let second = String::from_utf8_lossy(script.rest()).into_owned();
    let (Some(one), Some(other)) = (judge(&first), judge(&second)) else {
        return;
    };
    check_pair(&one, &other);
});

/// Parses a text and checks what comes of it.
fn judge(text: &str) -> Option<Name> {
    let name = match Name::parse(text) {
        Ok(name) => name,
        Err(bad) => {
            let words = bad.to_string();
            assert!(!words.contains(is_dangerous), "{words:?}");
            return None;
        }
    };
    let shown = name.as_str();
    assert!(shown.nfc().eq(text.nfc()), "{text:?} became {shown:?}");
    assert!((1..=Name::LENGTH_MAX).contains(&shown.chars().count()));
    assert!(shown.chars().all(is_visible), "{shown:?}");
    assert!(!shown.starts_with(is_combining_mark), "{shown:?}");
    assert!(shown.starts_with(char::is_alphanumeric), "{shown:?}");
    let keys: Vec<&str> = name.keys().collect();
    assert!((1..=2).contains(&keys.len()) && keys.first() != keys.get(1));
    for key in &keys {
        assert!(
            (1..=KEY_CHARS_MAX).contains(&key.chars().count()),
            "{key:?}"
        );
    }
    let again = Name::parse(shown).expect("what a name is shown as is that name");
    assert_eq!(again.as_str(), shown);
    assert!(again.keys().eq(name.keys()), "{shown:?}");
    assert!(again.is_same(&name), "{shown:?}");
    assert!(shown.parse::<std::net::IpAddr>().is_err(), "{shown:?}");
    check_reserved(shown);
    check_spellings(&name);
    check_doubles(&name);
    Some(name)
}

/// A character that shows something, or stands on one that does.
fn is_visible(c: char) -> bool {
    let default_ignorable = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    let plain = c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let letter = !c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c));
    !c.is_control() && !c.is_whitespace() && !default_ignorable && (plain || letter)
}

fn check_reserved(shown: &str) {
    let small = shown.to_ascii_lowercase();
    let without_number = |text: &str| {
        text.trim_end_matches(|c: char| c.is_ascii_digit())
            .to_owned()
    };
    for form in [&*small, shown] {
        for segment in form.split(['_', '-', '.']) {
            for text in [segment, &without_number(segment)] {
                for word in RESERVED {
                    assert!(!skeleton(text).eq(skeleton(word)), "{shown:?}");
                }
            }
        }
    }
}

/// Other ways to write a name are that name, whenever they are names at all.
fn check_spellings(name: &Name) {
    let shown = name.as_str();
    let decomposed: String = shown.nfd().collect();
    if let Ok(other) = Name::parse(&decomposed) {
        assert_eq!(other.as_str(), shown);
        assert!(other.keys().eq(name.keys()));
    } else {
        panic!("{shown:?} is a name, but not when it is decomposed");
    }
    let small = shown.to_lowercase();
    assert_alike(name, &small);
    // One more dot above is not seen; with other marks there, the tables are not asked for so much.
    if !shown.contains(is_combining_mark) {
        let dotted = shown.replace('i', "i\u{307}").replace('j', "j\u{307}");
        assert_alike(name, &dotted);
    }
    // Not every capital has a way back: that of ß is SS, which is another name.
    let capitals = shown.to_uppercase();
    if capitals.to_lowercase() == small {
        assert_alike(name, &capitals);
    }
    let swapped: String = shown.chars().map(swap_case).collect();
    if swapped.to_lowercase() == small {
        assert_alike(name, &swapped);
    }
}

/// Names that look like this one, which two random texts hardly ever do.
fn check_doubles(name: &Name) {
    let alike = [
        ("I", "l"),
        ("1", "l"),
        ("0", "O"),
        ("m", "rn"),
        ("o", "\u{3bf}"),
        ("a", "\u{430}"),
    ];
    for (one, other) in alike {
        for (from, to) in [(one, other), (other, one)] {
            if let Ok(double) = Name::parse(&name.as_str().replace(from, to)) {
                check_pair(name, &double);
            }
        }
    }
}

fn swap_case(c: char) -> char {
    let mut small = c.to_lowercase();
    let mut capital = c.to_uppercase();
    match (small.next(), small.next(), capital.next(), capital.next()) {
        (Some(small), None, _, _) if small != c => small,
        (_, _, Some(capital), None) => capital,
        _ => c,
    }
}

fn assert_alike(name: &Name, spelling: &str) {
    if let Ok(other) = Name::parse(spelling) {
        assert!(are_alike(name, &other), "{name} and {spelling} are alike");
    }
}

fn are_alike(one: &Name, other: &Name) -> bool {
    one.keys().any(|key| other.keys().any(|other| key == other))
}

/// Two names that the tables call alike share a key, and those that fold alike are the same.
fn check_pair(one: &Name, other: &Name) {
    assert_eq!(are_alike(one, other), are_alike(other, one));
    assert_eq!(one.is_same(other), other.is_same(one));
    assert!(!one.is_same(other) || one.keys().next() == other.keys().next());
    let (first, second) = (one.as_str(), other.as_str());
    let precis = UsernameCaseMapped::new();
    // A name is asked of PRECIS without marks where it is too strict; such names are left out.
    let folded = [first, second].map(|name| Some(precis.enforce(name).ok()?.replace('ς', "σ")));
    if let [Some(first), Some(second)] = folded {
        assert_eq!(one.is_same(other), first == second, "{one} and {other}");
    }
    if one.is_same(other) || skeleton(first).eq(skeleton(second)) {
        assert!(are_alike(one, other), "{one} and {other} are alike");
    }
}
