//! [`News`]: joins and leaves as a room is told them, one by one or gathered, so that a test can
//! count them whichever form the server chose. Not the roster that they make (that is `View`).

use super::Client;

/// One line about who came and who went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'a> {
    /// `* ann joined (3 here)`
    Joined {
        /// Who.
        name: &'a str,
        /// Members now.
        here: usize,
    },
    /// `* ann left (2 here): too slow`
    Left {
        /// Who.
        name: &'a str,
        /// Members now.
        here: usize,
        /// What stands behind the count, from the colon on; empty if there is nothing.
        why: &'a str,
    },
    /// `* 37 joined, 12 left (8412 here)`, or one part of it. No test has members whose names are
    /// numbers.
    Gathered {
        /// How many came.
        joined: usize,
        /// How many went.
        left: usize,
        /// Members now.
        here: usize,
    },
}

impl<'a> News<'a> {
    /// What a line says, if it is about that.
    #[track_caller]
    pub fn of(line: &'a str) -> Option<News<'a>> {
        let (what, rest) = line.strip_prefix("* ")?.split_once(" (")?;
        let (here, why) = rest.split_once(" here)")?;
        let here = here.parse().ok()?;
        if let Some((joined, left)) = what.split_once(" joined, ") {
            let left = left.strip_suffix(" left").expect("how many left");
            let (joined, left) = (part(joined), part(left));
            return Some(News::Gathered { joined, left, here });
        }
        let is_count = what.starts_with(|c: char| c.is_ascii_digit())
            && what
                .split(' ')
                .next()
                .is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(name) = what.strip_suffix(" joined") {
            return Some(if is_count {
                let (joined, left) = (part(name), 0);
                News::Gathered { joined, left, here }
            } else {
                News::Joined { name, here }
            });
        }
        let name = what.strip_suffix(" left")?;
        Some(if is_count {
            let (joined, left) = (0, part(name));
            News::Gathered { joined, left, here }
        } else {
            News::Left { name, here, why }
        })
    }

    /// Members now.
    pub fn here(&self) -> usize {
        match *self {
            News::Joined { here, .. } | News::Left { here, .. } | News::Gathered { here, .. } => {
                here
            }
        }
    }

    /// How many came.
    pub fn joined(&self) -> usize {
        match *self {
            News::Joined { .. } => 1,
            News::Left { .. } => 0,
            News::Gathered { joined, .. } => joined,
        }
    }

    /// How many went.
    pub fn left(&self) -> usize {
        match *self {
            News::Joined { .. } => 0,
            News::Left { .. } => 1,
            News::Gathered { left, .. } => left,
        }
    }
}

/// A part of a gathered line: it is left out if it is 0.
#[track_caller]
fn part(count: &str) -> usize {
    let count = count.parse().expect("a count");
    assert!(count > 0, "a part that is 0 is left out");
    count
}

/// How many came and went, as one member was told it, and in how many lines.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// How many came.
    pub joined: usize,
    /// How many went.
    pub left: usize,
    /// Members after the last of it.
    pub here: usize,
    /// Lines that told of it.
    pub lines: usize,
}

impl Counted {
    /// Takes in a line; whether it was news of this kind.
    #[track_caller]
    pub fn hear(&mut self, line: &str) -> bool {
        let Some(news) = News::of(line) else {
            return false;
        };
        if self.lines > 0 {
            let expected = self.here + news.joined() - news.left();
            assert_eq!(news.here(), expected, "joins less leaves, at: {line}");
        }
        self.joined += news.joined();
        self.left += news.left();
        self.here = news.here();
        self.lines += 1;
        true
    }
}

impl Client {
    /// Reads news until so many joins and leaves were told, and no more than these; any other line
    /// is a fault.
    #[track_caller]
    pub fn expect_joins_and_leaves(&mut self, joined: usize, left: usize) -> Counted {
        let mut counted = Counted::default();
        while counted.joined < joined || counted.left < left {
            let line = self.next_line();
            assert!(counted.hear(&line), "wanted news, but: {line}");
        }
        assert_eq!((counted.joined, counted.left), (joined, left));
        counted
    }
}
