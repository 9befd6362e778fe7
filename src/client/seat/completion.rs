//! What Tab completes: commands at the start of a line, names everywhere. Who is here is learned
//! from what the seat shows. Pure; owned by the seat.

use crate::clean::Clean;
use crate::client::shown::Shown;
use crate::dialect::reply::News;
use crate::dialect::text::COMMANDS;

/// Names remembered; of a crowd, those that were met last.
const NAMES_MAX: usize = 2000;

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

/// The names of those who may be meant: oldest first.
#[derive(Debug, Default)]
pub struct Names(Vec<String>);

impl Names {
    /// Learns who is here from a thing that is shown.
    pub fn learn(&mut self, shown: &Shown) {
        match shown {
            Shown::Message { from, .. } | Shown::Private { from, .. } => self.met(from.as_str()),
            Shown::News(text) => self.learn_news(text),
            Shown::Answer(text) => self.learn_roster(text.as_str()),
            Shown::Asked(_)
            | Shown::Refusal { .. }
            | Shown::Delivered { .. }
            | Shown::Status(_) => {}
        }
    }

    /// The completion of the word before the cursor; `None` if there is none.
    pub fn complete(&self, line: &str, cursor: usize) -> Option<Completion> {
        let before = &line[..cursor];
        let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let start = (start..=cursor).find(|at| line.is_char_boundary(*at))?;
        let word = &before[start..];
        if word.is_empty() {
            return None;
        }
        if start == 0 && word.starts_with('/') {
            let commands = COMMANDS
                .iter()
                .filter_map(|(usage, _)| usage.split(' ').next());
            return completion(start, word, commands.map(str::to_owned).collect(), " ");
        }
        let behind = if start == 0 { ": " } else { " " };
        completion(start, word, self.0.clone(), behind)
    }

    fn learn_news(&mut self, text: &Clean) {
        let text = text.as_str();
        match News::of(text) {
            News::Welcome { .. } => {
                self.0.clear();
                self.learn_roster(text);
            }
            News::Renamed { from, to } => {
                self.gone(from);
                self.met(to);
            }
            News::HistoryBegins | News::HistoryEnds => {}
            News::Other => {
                let mut words = text.split(' ');
                match (words.next(), words.next()) {
                    (Some(name), Some("joined")) => self.met(name),
                    (Some(name), Some("left")) => self.gone(name),
                    _ => {}
                }
            }
        }
    }

    /// `3 here: ann, ben, cyd`, also within brackets.
    fn learn_roster(&mut self, text: &str) {
        let Some((_, names)) = text.split_once(" here: ") else {
            return;
        };
        for name in names.trim_end_matches(')').split(", ") {
            if !name.contains(' ') {
                self.met(name);
            }
        }
    }

    fn met(&mut self, name: &str) {
        self.gone(name);
        if self.0.len() == NAMES_MAX {
            self.0.remove(0);
        }
        self.0.push(name.to_owned());
    }

    fn gone(&mut self, name: &str) {
        self.0.retain(|known| known != name);
    }
}

fn completion(
    start: usize,
    word: &str,
    mut choices: Vec<String>,
    behind: &str,
) -> Option<Completion> {
    let typed = word.to_lowercase();
    choices.retain(|choice| choice.to_lowercase().starts_with(&typed));
    choices.sort();
    choices.dedup();
    if let [only] = choices.as_slice() {
        let text = format!("{only}{behind}");
        return Some(Completion {
            start,
            text,
            choices: Vec::new(),
        });
    }
    let common = common_start(&choices)?;
    // What is typed may be longer in bytes, or written otherwise, than what the choices share.
    let longer = common.chars().count() > word.chars().count();
    let text = if longer { common } else { word.to_owned() };
    Some(Completion {
        start,
        text,
        choices,
    })
}

fn common_start(choices: &[String]) -> Option<String> {
    let mut common = choices.first()?.clone();
    for choice in choices {
        let pairs = common.char_indices().zip(choice.chars());
        let same = pairs.take_while(|((_, one), other)| one == other).last();
        let end = same.map_or(0, |((at, character), _)| at + character.len_utf8());
        common.truncate(end);
    }
    Some(common)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(news: &[&str]) -> Names {
        let mut names = Names::default();
        for text in news {
            names.learn(&Shown::News(Clean::of(text)));
        }
        names
    }

    fn completed(names: &Names, line: &str) -> Option<(String, Vec<String>)> {
        let found = names.complete(line, line.len())?;
        let line = format!("{}{}", &line[..found.start], found.text);
        Some((line, found.choices))
    }

    fn whole(line: &str) -> Option<(String, Vec<String>)> {
        Some((line.to_owned(), Vec::new()))
    }

    #[test]
    fn names_are_learned_and_forgotten() {
        let mut names = names(&[
            "welcome to lobby, ann (3 here: ann, ben, cyd)",
            "dora joined (4 here)",
            "cyd left (3 here): connection lost",
            "ben is now bernd",
            "operator: zoe joined us (in spirit)",
        ]);
        assert_eq!(names.0, ["ann", "dora", "bernd"]);
        names.learn(&Shown::Answer(Clean::of("2 here: eve, fay")));
        assert_eq!(names.0.len(), 5);
        let welcome = Clean::of("welcome to den, ann (25 here: ann, … and 24 more)");
        names.learn(&Shown::News(welcome));
        assert_eq!(names.0, ["ann"]);
    }

    #[test]
    fn a_name_is_completed_and_at_the_start_addressed() {
        let names = names(&["welcome to lobby, ann (4 here: ann, Ben, Äöü, annika)"]);
        assert_eq!(completed(&names, "b"), whole("Ben: "));
        assert_eq!(completed(&names, "hello BE"), whole("hello Ben "));
        assert_eq!(completed(&names, "/msg b"), whole("/msg Ben "));
        assert_eq!(completed(&names, "ä"), whole("Äöü: "));
        assert_eq!(completed(&names, "x"), None);
        assert_eq!(completed(&names, "ben "), None);
        let open = vec!["ann".to_owned(), "annika".to_owned()];
        assert_eq!(completed(&names, "a"), Some(("ann".to_owned(), open)));
        assert_eq!(completed(&names, "hi\u{3000}b"), whole("hi\u{3000}Ben "));
    }

    #[test]
    fn commands_are_completed_at_the_start() {
        let names = Names::default();
        assert_eq!(completed(&names, "/w"), whole("/who "));
        assert_eq!(completed(&names, "/J"), whole("/join "));
        assert_eq!(completed(&names, "say /w"), None);
        assert_eq!(completed(&names, "//w"), None);
    }

    #[test]
    fn a_crowd_is_not_remembered_without_end() {
        let mut names = Names::default();
        for number in 0..2 * NAMES_MAX {
            names.met(&format!("user{number}"));
        }
        assert_eq!(names.0.len(), NAMES_MAX);
    }
}
