//! [`View`]: what a conversation must keep, checked line by line as one member hears it (rows F84
//! to F87 of the faults): the roster is what joins and leaves make it, nobody speaks who is not
//! there, each sender's numbered lines come in order, none missing and none twice.
//! It reads no socket; whoever has a `Client` feeds it.

use std::collections::{HashMap, HashSet};

/// One member's picture of its room since its welcome.
#[derive(Debug)]
pub struct View {
    here: usize,
    present: HashSet<String>,
    /// Whether `present` is everybody: not if the roster of the welcome was cut, nor after joins
    /// and leaves were told together.
    is_complete: bool,
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
            is_complete: present.len() == here,
            present,
            numbers: HashMap::new(),
            events: Vec::new(),
        }
    }

    /// How many are here, by joins less leaves.
    pub fn here(&self) -> usize {
        self.here
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
        } else if let Some(news) = line.strip_prefix("* ") {
            self.hear_news(news);
        } else {
            return;
        }
        self.events.push(line.to_owned());
    }

    #[track_caller]
    fn hear_message(&mut self, name: &str, text: &str) {
        let known = !self.is_complete || self.present.contains(name);
        assert!(known, "{name} speaks and is not here: {:?}", self.present);
        let number = text.strip_prefix('#').map(|text| {
            let end = text.find(' ').unwrap_or(text.len());
            text[..end].parse::<u64>().expect("a number")
        });
        let Some(number) = number else { return };
        if let Some(last) = self.numbers.insert(name.to_owned(), number) {
            assert_eq!(number, last + 1, "the lines of {name}");
        }
    }

    #[track_caller]
    fn hear_news(&mut self, news: &str) {
        let Some((what, rest)) = news.split_once(" (") else {
            return;
        };
        let Some((here, _)) = rest.split_once(" here") else {
            return;
        };
        let Ok(here) = here.parse::<usize>() else {
            return;
        };
        if let Some((joined, left)) = what.split_once(" joined, ") {
            let left = left.strip_suffix(" left").expect("how many left");
            self.here += joined.parse::<usize>().expect("how many joined");
            self.here -= left.parse::<usize>().expect("how many left");
            self.is_complete = false;
        } else if let Some(name) = what.strip_suffix(" joined") {
            self.here += 1;
            let is_new = self.present.insert(name.to_owned());
            assert!(is_new, "{name} joined twice");
            self.numbers.remove(name);
        } else if let Some(name) = what.strip_suffix(" left") {
            self.here -= 1;
            let was_here = self.present.remove(name);
            assert!(
                was_here || !self.is_complete,
                "{name} left and was not here"
            );
        } else {
            return;
        }
        assert_eq!(self.here, here, "joins less leaves, at: {news}");
    }
}
