//! How a text looks: what two names have in common that cannot be told apart. Not which names are
//! good, nor whose they are. A pure function, for `name` and `reserved`.

use unicode_security::skeleton;

/// The skeleton of UTS 39: texts that look the same have the same.
pub(super) fn looks(text: &str) -> String {
    if text.is_ascii() {
        ascii_looks(text)
    } else {
        unicode_looks(text)
    }
}

/// The tables go character by character and do not know that the dot of `i` and `j` and one more
/// dot above are shown as one (the small form of `İ` has both).
pub(super) fn unicode_looks(text: &str) -> String {
    let skeleton: String = skeleton(text).collect();
    skeleton.replace("i\u{307}", "i").replace("j\u{307}", "j")
}

/// [`looks`] for the ASCII that stands in names.
pub(super) fn ascii_looks(text: &str) -> String {
    let mut looks = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        match c {
            '0' => looks.push('O'),
            '1' | 'I' => looks.push('l'),
            'm' => looks.push_str("rn"),
            other => looks.push(other),
        }
    }
    looks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_looks_of_each_character_are_those_of_the_table() {
        let in_names = ('\0'..='\x7f').filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c));
        for c in in_names {
            let text = c.to_string();
            let table: String = skeleton(&text).collect();
            assert_eq!(ascii_looks(&text), table, "{c}");
        }
    }
}
