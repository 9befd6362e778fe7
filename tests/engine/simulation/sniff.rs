//! Which language the first bytes speak, and what names are, as the protocol says it. For the names
//! that the simulated clients use, which are ASCII without look-alikes; the full rules have tests of
//! their own. It shares no code with the dialects.

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Text,
    Json,
}

/// What the first bytes of a stream say; nothing yet if they are too few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    Speaks(Language),
    /// Another protocol, and what is said for its own eyes.
    Foreign(&'static [&'static str]),
    /// A request over HTTP, where that is understood.
    Request,
}

const HTTP_HEAD: [&str; 4] = [
    "HTTP/1.1 400 Bad Request\r",
    "Content-Type: text/plain; charset=utf-8\r",
    "Connection: close\r",
    "\r",
];
const METHODS: [&str; 10] = [
    "GET", "POST", "HEAD", "PUT", "PATCH", "OPTIONS", "DELETE", "CONNECT", "TRACE", "PRI",
];

pub(crate) fn first(bytes: &[u8], ended: bool, has_web: bool) -> Option<First> {
    let methods = METHODS.map(|word| (format!("{word} ").into_bytes(), &HTTP_HEAD[..]));
    let others = [&b"\x16\x03"[..], b"SSH-1.", b"SSH-2."].map(|word| (word.to_vec(), &[][..]));
    for (word, head) in methods.into_iter().chain(others) {
        if bytes.starts_with(&word) {
            let is_request = has_web && !head.is_empty();
            return Some(if is_request {
                First::Request
            } else {
                First::Foreign(head)
            });
        }
        if word.starts_with(bytes) && !ended {
            return None;
        }
    }
    let head = &bytes[..bytes.len().min(16)];
    match head.iter().find(|byte| !b" \t".contains(byte)) {
        Some(b'{') => Some(First::Speaks(Language::Json)),
        None if head.len() < 16 && !ended => None,
        _ => Some(First::Speaks(Language::Text)),
    }
}

const RESERVED: [&str; 9] = [
    "server", "chatd", "operator", "admin", "root", "system", "everyone", "all", "here",
];

/// Two spellings are one name when their keys are equal.
pub(crate) fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

pub(crate) fn is_name(text: &str) -> bool {
    (1..=24).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        && !RESERVED.contains(&&*key(text))
}

/// The protocol: every control character but TAB becomes U+FFFD.
pub(crate) fn is_control(c: char) -> bool {
    let code = u32::from(c);
    (code < 0x20 && c != '\t') || (0x7f..0xa0).contains(&code) || c == '\u{2028}' || c == '\u{2029}'
}

/// The protocol: invalid UTF-8 becomes U+FFFD, too; an LF within a text is a blank.
pub(crate) fn clean(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.chars()
        .map(|c| match c {
            '\n' => ' ',
            c if is_control(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}
