//! What Tab completes: commands at the start of a line, rooms behind commands for rooms and behind
//! `#`, names everywhere else and behind `@`. Pure.

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

/// What is known of the conversation where one types: whom and what Tab knows.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Known {
    /// The room for which one types.
    pub target: String,
    /// With whom one has spoken alone last.
    pub partner: Option<String>,
    pub names: Vec<String>,
    pub rooms: Vec<String>,
}

/// Behind these stands a room.
const OF_ROOMS: [&str; 5] = ["/join", "/room", "/part", "/who", "/names"];

/// The completion of the word before the cursor; `None` if there is none.
pub fn complete(line: &str, cursor: usize, known: &Known) -> Option<Completion> {
    let before = &line[..cursor];
    let word = before.rsplit(char::is_whitespace).next().unwrap_or(before);
    let start = cursor - word.len();
    let command = before.split(' ').next().unwrap_or_default().to_lowercase();
    let is_of_rooms = start > 0 && OF_ROOMS.contains(&command.as_str());
    let commands = typed::commands().filter_map(|(usage, _)| usage.split(' ').next());
    let (sign, all): (&str, Vec<&str>) = match word.chars().next()? {
        '/' if start == 0 => ("", commands.collect()),
        '#' => ("#", known.rooms.iter().map(String::as_str).collect()),
        '@' => ("@", known.names.iter().map(String::as_str).collect()),
        _ if is_of_rooms => ("", known.rooms.iter().map(String::as_str).collect()),
        _ => ("", known.names.iter().map(String::as_str).collect()),
    };
    let is_address = start == 0 && sign.is_empty() && !word.starts_with('/');
    let behind = if is_address { ": " } else { " " };
    let typed = word[sign.len()..].to_lowercase();
    let fits = |choice: &&str| choice.to_lowercase().starts_with(&typed);
    let choices = all.into_iter().filter(fits);
    let mut choices: Vec<String> = choices.map(|choice| format!("{sign}{choice}")).collect();
    choices.sort();
    choices.dedup();
    if choices.is_empty() {
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
        let rooms = ["ops", "Annex"].map(str::to_owned).to_vec();
        let found = complete(
            line,
            line.len(),
            &Known {
                names,
                rooms,
                ..Known::default()
            },
        )?;
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
            ("@b", Some(("@Ben ", 0))),
            ("see @ANNI", Some(("see @annika ", 0))),
            ("x", None),
            ("ben ", None),
        ] {
            let wanted = wanted.map(|(line, count)| (line.to_owned(), count));
            assert_eq!(completed(line, &names), wanted, "{line:?}");
        }
    }

    #[test]
    fn rooms_are_completed_where_one_is_expected() {
        for (line, wanted) in [
            ("/join an", Some("/join Annex ")),
            ("/ROOM o", Some("/ROOM ops ")),
            ("see #o", Some("see #ops ")),
            ("/msg an", Some("/msg ann ")),
            ("an", Some("ann: ")),
        ] {
            let wanted = wanted.map(|line| (line.to_owned(), 0));
            assert_eq!(completed(line, &["ann"]), wanted, "{line:?}");
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
