//! [`View`]: what a conversation must keep, checked line by line as one member hears it (rows F84
//! to F87 of the faults): the roster is what joins and leaves make it, told one by one or gathered,
//! nobody speaks who is not there, each sender's numbered lines come in order, none missing and none twice.
//! It reads no socket; whoever has a `Client` feeds it.

use std::collections::{HashMap, HashSet};

use super::News;

/// One member's picture of its room since its welcome.
#[derive(Debug)]
pub struct View {
    here: usize,
    /// How many were told to have left, by name or in a count.
    left: usize,
    present: HashSet<String>,
    /// Whether `present` is everybody: not if the roster of the welcome was cut, nor after joins
    /// and leaves were told together.
    is_complete: bool,
    /// Who has spoken without having been told to be here.
    unannounced: HashSet<String>,
    /// The number of each sender's last numbered line.
    numbers: HashMap<String, u64>,
    /// Every line that all members hear, in the order in which it came.
    events: Vec<String>,
}

impl View {
    /// From `* welcome to ROOM, NAME (3 here: ann, ben, cyd)`.
    #[track_caller]
    pub fn from_welcome(line: &str) -> View {
        let (_, roster) = line.rsplit_once(" (").expect("a roster");
        let (here, names) = roster.split_once(" here: ").expect("who is here");
        let names = names.strip_suffix(')').expect("the end of the roster");
        let here: usize = here.parse().expect("how many are here");
        let present: HashSet<_> = names.split(", ").map(str::to_owned).collect();
        View {
            here,
            left: 0,
            is_complete: present.len() == here,
            present,
            unannounced: HashSet::new(),
            numbers: HashMap::new(),
            events: Vec::new(),
        }
    }

    /// How many are here, by joins less leaves.
    pub fn here(&self) -> usize {
        self.here
    }

    /// Everybody who came has been told of: who has spoken was among them.
    #[track_caller]
    pub fn expect_all_announced(&self) {
        let some = &self.unannounced;
        assert!(
            some.is_empty(),
            "they have spoken and are not here: {some:?}"
        );
    }

    /// How many have left since the welcome, by name or in a count.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Messages, joins and leaves so far, in their order.
    pub fn events(&self) -> &[String] {
        &self.events
    }

    /// Takes in the next line.
    #[track_caller]
    pub fn hear(&mut self, line: &str) {
        if let Some(message) = line.strip_prefix('<') {
            let (name, text) = message.split_once("> ").expect("a name and a text");
            self.hear_message(name, text);
        } else if line.starts_with("* ") {
            self.hear_news(line);
        } else {
            return;
        }
        self.events.push(line.to_owned());
    }

    #[track_caller]
    fn hear_message(&mut self, name: &str, text: &str) {
        if self.is_complete && !self.present.contains(name) {
            // Its join may be among those that are gathered, and not told yet.
            self.unannounced.insert(name.to_owned());
        }
        let number = text.strip_prefix('#').map(|text| {
            let end = text.find(' ').unwrap_or(text.len());
            text[..end].parse::<u64>().expect("a number")
        });
        let Some(number) = number else { return };
        if let Some(last) = self.numbers.insert(name.to_owned(), number) {
            // It may have gone and come again among those who were counted.
            let is_again = !self.is_complete && number == 1;
            assert!(is_again || number == last + 1, "{name}: {last}, {number}");
        }
    }

    #[track_caller]
    fn hear_news(&mut self, line: &str) {
        let Some(news) = News::of(line) else { return };
        self.here = self.here + news.joined() - news.left();
        assert_eq!(self.here, news.here(), "joins less leaves, at: {line}");
        self.left += news.left();
        let unannounced = std::mem::take(&mut self.unannounced);
        assert!(
            unannounced.len() <= gathered_joins(news),
            "these have spoken and are not here: {unannounced:?}, at: {line}"
        );
        match news {
            News::Joined { name, .. } => {
                let is_new = self.present.insert(name.to_owned());
                assert!(is_new, "{name} joined twice");
                self.numbers.remove(name);
            }
            News::Left { name, .. } => {
                let was_here = self.present.remove(name);
                assert!(
                    was_here || !self.is_complete,
                    "{name} left and was not here"
                );
            }
            News::Gathered { left, .. } => {
                self.is_complete = false;
                if left > 0 {
                    // Whoever it was: known to be here are those who will be told by name.
                    self.present.clear();
                }
            }
        }
    }
}

fn gathered_joins(news: News<'_>) -> usize {
    match news {
        News::Gathered { joined, .. } => joined,
        News::Joined { .. } | News::Left { .. } => 0,
    }
}
