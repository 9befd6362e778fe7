//! What was said in a room before, as it is told to who comes and to who asks: which messages that
//! may be, and whether they are what is told. How much of the past is in memory is known only
//! within bounds, since what a message takes there is not the protocol's to say.

use std::rc::Rc;

use chatd::chat::{Manner, MessageId};
use serde_json::Value;

use super::sniff::Language;
use super::words::{said_json, said_text, stamp};

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) id: MessageId,
    pub(crate) from: Rc<str>,
    pub(crate) text: Rc<str>,
    pub(crate) manner: Manner,
}

/// What is told to who enters a room.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) language: Language,
    pub(crate) room: Rc<str>,
    /// Of what is to be told, all that there ever was.
    pub(crate) messages: Vec<Said>,
    /// At least so many of the last of them are in memory, and at most so many.
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) missed: Missed,
}

/// How what is not told is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missed {
    /// It is not missed.
    Nothing,
    Counted,
    /// Nobody knows how much it is.
    Unknown,
    /// It is counted, if the room still knows.
    Perhaps,
}

impl Past {
    pub(crate) fn fits(&self, lines: &[String]) -> Option<usize> {
        let (shown, used, missed) = match self.language {
            Language::Text => self.shown_text(lines)?,
            Language::Json => self.shown_json(lines)?,
        };
        let all = self.messages.len();
        let counted = missed == Some(all - shown);
        let is_right = match self.missed {
            Missed::Nothing => missed == Some(0),
            Missed::Counted => counted,
            Missed::Unknown => missed.is_none(),
            Missed::Perhaps => counted || missed.is_none(),
        };
        let bounds = self.least.min(all)..=self.most.min(all);
        (bounds.contains(&shown) && is_right).then_some(used)
    }

    /// How many messages are shown, in how many lines, and how many are said to be missing.
    fn shown_text(&self, lines: &[String]) -> Option<(usize, usize, Option<usize>)> {
        let head = lines.first().and_then(|line| line.strip_prefix("* last "));
        let Some((count, from)) = head.and_then(|head| head.split_once(", from ")) else {
            return Some((0, 0, Some(0)));
        };
        let shown = match count.split_once(' ') {
            None if count == "message" => 1,
            Some((count, "messages")) => count.parse().ok().filter(|&count: &usize| count > 1)?,
            _ => return None,
        };
        let messages = self.last(shown)?;
        if from != stamp(messages[0].id, "%Y-%m-%d %H:%M UTC:") {
            return None;
        }
        let told = lines.get(1..=shown)?;
        let fits = |(said, line): (&Said, &String)| *line == said.text();
        let is_end = lines.get(shown + 1)? == "* end of history";
        (messages.iter().zip(told).all(fits) && is_end).then_some((shown, shown + 2, Some(0)))
    }

    fn shown_json(&self, lines: &[String]) -> Option<(usize, usize, Option<usize>)> {
        let parsed = lines.iter().map(|line| serde_json::from_str::<Value>(line));
        let parsed: Vec<Value> = parsed
            .map_while(|line| {
                line.ok()
                    .filter(|line| line["past"] == true || is_end(line))
            })
            .collect();
        let shown = parsed.iter().position(is_end)?;
        let messages = self.last(shown)?;
        let fits = |(said, line): (&Said, &Value)| {
            let mut expected = said.json();
            expected["is"] = "said".into();
            expected["room"] = (*self.room).into();
            expected["past"] = true.into();
            *line == expected
        };
        let fields = parsed[shown].as_object()?;
        let is_end = fields.len() == 3 && fields["room"] == *self.room;
        let missed = fields.get("missed")?;
        let missed = missed
            .as_u64()
            .map(|missed| missed as usize)
            .or_else(|| missed.is_null().then_some(usize::MAX))?;
        let missed = Some(missed).filter(|&missed| missed < usize::MAX);
        let fits = messages.iter().zip(&parsed).all(fits) && is_end;
        fits.then_some((shown, shown + 1, missed))
    }

    fn last(&self, count: usize) -> Option<&[Said]> {
        let first = self.messages.len().checked_sub(count)?;
        Some(&self.messages[first..])
    }

    pub(crate) fn bytes_max(&self) -> usize {
        200 + self.messages.iter().map(Said::bytes_max).sum::<usize>()
    }
}

fn is_end(line: &Value) -> bool {
    line["is"] == "caught-up"
}

/// A page of the past, for who asked.
#[derive(Debug)]
pub(crate) struct PageTold {
    pub(crate) language: Language,
    pub(crate) room: Rc<str>,
    pub(crate) reference: Option<String>,
    /// All that was ever said.
    pub(crate) messages: Vec<Said>,
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) before: Option<MessageId>,
    pub(crate) after: Option<MessageId>,
    pub(crate) limit: usize,
    /// No answer may overflow an outbox.
    pub(crate) bytes_max: usize,
}

impl PageTold {
    pub(crate) fn fits(&self, lines: &[String]) -> Option<usize> {
        let mut kept = self.least..=self.most;
        kept.find_map(|kept| self.fits_with(lines, kept))
    }

    /// What the page shows if so many messages are in memory, and whether there are more. One is
    /// shown always; beyond, no more than may be.
    fn page(&self, kept: usize) -> (&[Said], bool) {
        let (messages, more) = self.page_of(kept);
        let mut left = self.bytes_max;
        let mut fits = |said: &&Said| {
            let rest = left.checked_sub(said.cost());
            left = rest.unwrap_or(0);
            rest.is_some()
        };
        let count = messages.len();
        let least = count.min(1);
        let shown = if self.after.is_some() {
            let fitting = messages.iter().take_while(&mut fits).count();
            &messages[..fitting.max(least)]
        } else {
            let fitting = messages.iter().rev().take_while(&mut fits).count();
            &messages[count - fitting.max(least)..]
        };
        (shown, more || shown.len() < count)
    }

    fn page_of(&self, kept: usize) -> (&[Said], bool) {
        let limit = self.limit;
        let kept = &self.messages[self.messages.len() - kept..];
        let index = |id: MessageId, or_equal: bool| {
            kept.partition_point(|said| said.id < id || (or_equal && said.id == id))
        };
        if let Some(after) = self.after {
            let first = index(after, true);
            let end = kept.len().min(first + limit);
            return (&kept[first..end], end < kept.len());
        }
        let end = self
            .before
            .map_or(kept.len(), |before| index(before, false));
        let first = end.saturating_sub(limit);
        (&kept[first..end], first > 0)
    }

    /// The same over HTTP: as the past of a room.
    pub(crate) fn fits_in_lines(&self, told: &[Value]) -> bool {
        let Some((end, told)) = told.split_last() else {
            return false;
        };
        let is_right = |kept: usize| {
            let messages = self.page(kept).0.iter().map(|said| {
                let mut line = said.json();
                line["is"] = "said".into();
                line["room"] = (*self.room).into();
                line["past"] = true.into();
                line
            });
            messages.eq(told.iter().cloned())
        };
        let is_whole = is_end(end) && end["room"] == *self.room && end.get("missed").is_some();
        is_whole && (self.least..=self.most).any(is_right)
    }

    fn fits_with(&self, lines: &[String], kept: usize) -> Option<usize> {
        let (messages, more) = self.page(kept);
        if self.language == Language::Text {
            let told = lines.get(..messages.len())?;
            let fits = |(said, line): (&Said, &String)| {
                let time = stamp(said.id, "%Y-%m-%dT%H:%M:%SZ");
                *line == format!("= {time} {}", said.text())
            };
            let is_end = lines.get(messages.len())? == "= end";
            let fits = messages.iter().zip(told).all(fits) && is_end;
            return fits.then_some(messages.len() + 1);
        }
        let line: Value = serde_json::from_str(lines.first()?).ok()?;
        let messages: Vec<Value> = messages.iter().map(Said::json).collect();
        let mut page = serde_json::json!({ "is": "page", "room": *self.room,
            "messages": messages, "more": more });
        if let Some(reference) = &self.reference {
            page["ref"] = reference.as_str().into();
        }
        (line == page).then_some(1)
    }

    pub(crate) fn bytes_max(&self) -> usize {
        200 + self.messages.iter().map(Said::bytes_max).sum::<usize>()
    }
}

impl Said {
    pub(crate) fn text(&self) -> String {
        said_text(&self.from, &self.text, self.manner)
    }

    fn json(&self) -> Value {
        said_json(self.id, &self.from, &self.text, self.manner)
    }

    /// What it takes in a page, by a generous reckoning.
    pub(crate) fn cost(&self) -> usize {
        128 + self.from.len() + 2 * self.text.len()
    }

    fn bytes_max(&self) -> usize {
        200 + self.from.len() + 2 * self.text.len()
    }
}
