//! What Tab completes: commands at the start of a line, names everywhere. Pure.

use rustyline::completion::longest_common_prefix;

use crate::typed;

/// What the word before the cursor may be completed to.
#[derive(Debug, PartialEq, Eq)]
pub struct Completion {
    /// Where in the line the word begins, in bytes.
    pub start: usize,
    /// What is to stand there instead of it, up to the cursor.
    pub text: String,
    /// What it may become, if that is still open.
    pub choices: Vec<String>,
}

/// The completion of the word before the cursor; `None` if there is none.
pub fn complete(line: &str, cursor: usize, names: &[String]) -> Option<Completion> {
    let before = &line[..cursor];
    let word = before.rsplit(char::is_whitespace).next().unwrap_or(before);
    let start = cursor - word.len();
    let is_command = start == 0 && word.starts_with('/');
    let commands = typed::commands().filter_map(|(usage, _)| usage.split(' ').next());
    let behind = if start == 0 && !is_command { ": " } else { " " };
    let typed = word.to_lowercase();
    let all: Vec<&str> = match is_command {
        true => commands.collect(),
        false => names.iter().map(String::as_str).collect(),
    };
    let fits = |choice: &&str| choice.to_lowercase().starts_with(&typed);
    let mut choices: Vec<String> = all.into_iter().filter(fits).map(str::to_owned).collect();
    choices.sort();
    if word.is_empty() || choices.is_empty() {
        return None;
    }
    if let [only] = choices.as_slice() {
        let (text, choices) = (format!("{only}{behind}"), Vec::new());
        return Some(Completion {
            start,
            text,
            choices,
        });
    }
    // What is typed may be longer, or written otherwise, than what the choices share.
    let common = longest_common_prefix(&choices).unwrap_or_default();
    let is_longer = common.chars().count() > word.chars().count();
    let text = if is_longer { common } else { word }.to_owned();
    Some(Completion {
        start,
        text,
        choices,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &str, names: &[&str]) -> Option<(String, usize)> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let found = complete(line, line.len(), &names)?;
        Some((
            format!("{}{}", &line[..found.start], found.text),
            found.choices.len(),
        ))
    }

    #[test]
    fn names_are_completed_and_at_the_start_addressed() {
        let names = ["ann", "Ben", "Äöü", "annika"];
        for (line, wanted) in [
            ("b", Some(("Ben: ", 0))),
            ("hello BE", Some(("hello Ben ", 0))),
            ("/msg b", Some(("/msg Ben ", 0))),
            ("ä", Some(("Äöü: ", 0))),
            ("hi\u{3000}b", Some(("hi\u{3000}Ben ", 0))),
            ("a", Some(("ann", 2))),
            ("annika ann", Some(("annika ann", 2))),
            ("x", None),
            ("ben ", None),
        ] {
            let wanted = wanted.map(|(line, count)| (line.to_owned(), count));
            assert_eq!(completed(line, &names), wanted, "{line:?}");
        }
    }

    #[test]
    fn commands_are_completed_at_the_start() {
        assert_eq!(completed("/W", &[]), Some(("/who ".to_owned(), 0)));
        assert_eq!(completed("/m", &[]), Some(("/m".to_owned(), 2)));
        assert_eq!(completed("say /w", &[]), None);
        assert_eq!(completed("//w", &[]), None);
    }
}
