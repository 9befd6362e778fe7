//! One line of the server in plain text, as a client may rely on it: what every line is held to,
//! whoever wrote the texts in it. And what cleaning is held to, the server's and the client's.

use chatd::chat::Name;
use chatd::clean::Clean;

use crate::text_line::Reply;

/// What could end a line or drive a terminal, said once more and apart from `dialect::text`.
pub fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\n'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

/// What must not reach a terminal: [`is_control`], and what turns the direction of the text round.
pub fn is_dangerous(c: char) -> bool {
    is_control(c)
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Checks a line, given without its LF, and says what it is.
///
/// # Panics
/// When it is not a line that a server may send.
pub fn check(line: &[u8]) -> Reply<'_> {
    let text = std::str::from_utf8(line).expect("the server speaks UTF-8");
    assert!(!text.contains(is_control), "a control character: {text:?}");
    let reply = Reply::of(text).unwrap_or_else(|| panic!("no line of the protocol: {text:?}"));
    if let Reply::Message { from, text } | Reply::Private { from, text } = reply {
        let name = Name::parse(from).unwrap_or_else(|bad| panic!("{from:?} speaks: {bad}"));
        assert_eq!(name.as_str(), from, "a name is shown in its normal form");
        assert!(!text.is_empty(), "{from} says nothing");
    }
    reply
}

/// Checks what the client makes of any text before a person sees it.
///
/// # Panics
/// When something dangerous is left, or something harmless is not.
pub fn check_cleaning(text: &str) {
    let clean = Clean::of(text);
    assert!(
        !clean.as_str().contains(is_dangerous),
        "{text:?} → {clean:?}"
    );
    assert_eq!(Clean::of(clean.as_str()), clean, "clean text stays");
    if !text.contains(is_dangerous) {
        assert_eq!(clean.as_str(), text, "harmless text stays");
    }
    let excerpt = Clean::excerpt(text, 5);
    assert!(excerpt.as_str().chars().count() <= 6, "{excerpt:?}");
    assert!(!excerpt.as_str().contains(is_dangerous), "{excerpt:?}");
}
