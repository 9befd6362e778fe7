//! What one member can know from its own lines alone: who is in its room, from its welcome on, by
//! joins less leaves. It does not know the world; that is the point. Owned by a connection.

use std::collections::BTreeSet;

/// The room as one member has heard of it.
#[derive(Debug, Default)]
pub(crate) struct View {
    here: Option<usize>,
    /// Nobody knows the names after a list that was cut, or after joins that were only counted.
    names: Option<BTreeSet<String>>,
    /// Joins and leaves may be told later and together: names say nothing.
    crowded: bool,
}

impl View {
    /// `crowded` where a room may have more members than are told of singly.
    pub(crate) fn new(crowded: bool) -> View {
        View {
            crowded,
            ..View::default()
        }
    }

    /// One more line that this member was told.
    pub(crate) fn hear(&mut self, line: &str) -> Result<(), String> {
        let Some(news) = line.strip_prefix("* ") else {
            return Ok(());
        };
        if news.starts_with("welcome to ") {
            return self.welcome(news);
        }
        let words: Vec<&str> = news.splitn(4, ' ').collect();
        match words[..] {
            ["last", ..] | ["end", ..] | ["chatd:", ..] | ["operator:", ..] => Ok(()),
            [name, "joined", here, _] if here.starts_with('(') => {
                self.count(1, here, line)?;
                let is_new = self
                    .names
                    .as_mut()
                    .is_none_or(|names| names.insert(name.into()));
                check(is_new, line, "was here already")
            }
            [name, "left", here, _] if here.starts_with('(') => {
                self.count(-1, here, line)?;
                let was_here = self.names.as_mut().is_none_or(|names| names.remove(name));
                check(was_here, line, "was not here")
            }
            [from, "is", "now", to] => match &mut self.names {
                Some(names) => check(
                    names.remove(from) && names.insert(to.into()),
                    line,
                    "was not here, or is twice",
                ),
                None => Ok(()),
            },
            [joined, "joined,", left, here] => {
                let joined: isize = joined.parse().map_err(|_| "no count")?;
                let left: isize = left.parse().map_err(|_| "no count")?;
                let here = here.strip_prefix("left ").ok_or("no count")?;
                self.names = None;
                self.count(joined - left, here, line)
            }
            _ => Err(format!("news of no known kind: {line:?}")),
        }
    }

    fn welcome(&mut self, news: &str) -> Result<(), String> {
        let (here, names) = news
            .split_once(" (")
            .and_then(|(_, rest)| rest.strip_suffix(')')?.split_once(" here: "))
            .ok_or_else(|| format!("a welcome without a roster: {news:?}"))?;
        self.here = here.parse().ok();
        self.names = None;
        if !names.contains('…') {
            let names: BTreeSet<String> = names.split(", ").map(str::to_owned).collect();
            check(
                Some(names.len()) == self.here,
                news,
                "has another count than names",
            )?;
            self.names = Some(names).filter(|_| !self.crowded);
        }
        check(self.here.is_some(), news, "has no count")
    }

    fn count(&mut self, change: isize, here: &str, line: &str) -> Result<(), String> {
        let before = self.here.ok_or("news of a room before a welcome")?;
        let here = here.trim_start_matches('(').split(' ').next();
        self.here = here.and_then(|here| here.parse().ok());
        check(
            self.here == before.checked_add_signed(change),
            line,
            "does not follow from what was heard",
        )
    }
}

fn check(holds: bool, line: &str, what: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("{line:?}: {what}"))
    }
}
