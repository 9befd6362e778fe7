//! From the text of a source to its code, tokens and paths: as much of the language as the rules
//! of `tidy` need, and no more (it does not know what a path means). Owned by `tidy`.

// From text to code.

/// A source whose comments, strings and test modules are blanked out, line for line.
pub(super) struct Code {
    pub(super) text: String,
    /// Lines that belonged to test modules.
    pub(super) test_lines: usize,
}

/// Blanks out comments and the contents of strings and characters; keeps every line feed.
pub(super) fn code_of(text: &str) -> Code {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = length_of_blank(rest, code.chars().next_back());
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let blank = rest[..length].chars();
            code.extend(blank.map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    Code {
        text: code,
        test_lines: 0,
    }
}

/// Bytes of the comment, string or character that `rest` starts with; 0 if it starts with none.
fn length_of_blank(rest: &str, before: Option<char>) -> usize {
    let after_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        length_of_block_comment(rest)
    } else if !after_word && let Some(length) = length_of_raw_string(rest) {
        length
    } else if rest.starts_with('"') {
        length_of_quoted(rest, '"')
    } else if rest.starts_with('\'') && is_character(rest) {
        length_of_quoted(rest, '\'')
    } else {
        0
    }
}

fn length_of_block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, `br"…"`.
fn length_of_raw_string(rest: &str) -> Option<usize> {
    let raw = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('r')?;
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    let body = raw[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len();
    Some(
        body.find(&end)
            .map_or(rest.len(), |at| start + at + end.len()),
    )
}

fn length_of_quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// Whether a `'` opens a character and not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut after = rest.chars().skip(1);
    after.next() == Some('\\') || after.next() == Some('\'')
}

/// Blanks out each item under `#[cfg(test)]`.
pub(super) fn without_tests(code: &Code) -> Code {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut text = code.text.clone().into_bytes();
    let all = tokens(code);
    let mut test_lines = 0;
    let mut at = 0;
    while at + MARK.len() < all.len() {
        let marked = all[at..]
            .iter()
            .zip(MARK)
            .all(|(token, mark)| token.text == mark);
        let end = if marked {
            end_of_item(&all, at + MARK.len())
        } else {
            None
        };
        let Some(end) = end else {
            at += 1;
            continue;
        };
        for byte in &mut text[all[at].offset..=all[end].offset] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        test_lines += all[end].line - all[at].line + 1;
        at = end + 1;
    }
    Code {
        text: String::from_utf8(text).expect("whole tokens were blanked"),
        test_lines,
    }
}

// From code to tokens and paths.

#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    /// A word, `::`, or a single other character.
    pub(super) text: &'a str,
    pub(super) line: usize,
    offset: usize,
}

impl Token<'_> {
    pub(super) fn is_word(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

pub(super) fn tokens(code: &Code) -> Vec<Token<'_>> {
    let text = &code.text;
    let mut found = Vec::new();
    let (mut line, mut offset) = (1, 0);
    while let Some(first) = text[offset..].chars().next() {
        let rest = &text[offset..];
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if in_word(first) {
            rest.find(|c| !in_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            let text = &rest[..length];
            found.push(Token { text, line, offset });
        }
        line += usize::from(first == '\n');
        offset += length;
    }
    found
}

/// The index of the `}` or `;` that ends the item which begins at `start`.
pub(super) fn end_of_item(tokens: &[Token], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.checked_sub(1)?;
                if depth == 0 && token.text == "}" {
                    return Some(at);
                }
            }
            ";" if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// A path somewhere in the code, a group of a `use` being as many paths as it has ends.
#[derive(Debug)]
pub(super) struct NamedPath<'a> {
    pub(super) parts: Vec<&'a str>,
    pub(super) line: usize,
}

pub(super) fn paths<'a>(tokens: &[Token<'a>]) -> Vec<NamedPath<'a>> {
    /// Words that may stand before `::` without being part of the path behind it.
    const NO_PARTS: &[&str] = &["use", "as", "in", "return", "dyn", "impl", "mut", "else"];
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].is_word() && !NO_PARTS.contains(&tokens[at].text) {
            at = read_path(tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads the path that starts at `at`, after `before`; gives the index of what follows it.
fn read_path<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    before: &[&'a str],
    found: &mut Vec<NamedPath<'a>>,
) -> usize {
    let mut parts = before.to_vec();
    let line = tokens[at].line;
    while at < tokens.len() {
        match tokens[at].text {
            "{" => return read_group(tokens, at + 1, &parts, found),
            text if tokens[at].is_word() || text == "*" => parts.push(text),
            // Generic arguments: `Vec::<u8>`. What stands in them is read as paths of its own.
            _ => break,
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token.text != "::") {
            break;
        }
        at += 1;
    }
    if !parts.is_empty() {
        found.push(NamedPath { parts, line });
    }
    at
}

/// Reads `a::b, c::{d, e}, …}` from behind its `{`.
fn read_group<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    before: &[&'a str],
    found: &mut Vec<NamedPath<'a>>,
) -> usize {
    while at < tokens.len() && tokens[at].text != "}" {
        at = match tokens[at].text {
            "as" => at + 2,
            _ if tokens[at].is_word() || tokens[at].text == "*" => {
                read_path(tokens, at, before, found)
            }
            _ => at + 1,
        };
    }
    at + 1
}
