//! What a client has sent, as lines that are not handled yet. Owned by a peer of the shadow.

use std::collections::VecDeque;

use chatd::session::CloseReason;

use super::sniff::{self, First, Language};
use super::web::{self, Door, Ending, Request};

/// Something a client has sent that costs it its rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Line(Vec<u8>),
    TooLong,
    /// What stood before the end of the stream, without an ending of its own.
    LastLine(Vec<u8>),
}

/// What else came of bytes but lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Somebody speaks another protocol; what is said to it.
    Foreign(&'static [&'static str]),
    Request(Request),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    pub(crate) language: Option<Language>,
    pub(crate) door: Door,
    has_web: bool,
    /// Bytes that do not say yet which language they are, or an unfinished line.
    partial: Vec<u8>,
    skipping: bool,
    pub(crate) pending: VecDeque<Item>,
    pub(crate) ended: bool,
    line_bytes_max: usize,
}

impl Input {
    /// `line_bytes_max` is that of a line of text.
    pub(crate) fn new(line_bytes_max: usize, has_web: bool) -> Input {
        Input {
            line_bytes_max,
            has_web,
            ..Input::default()
        }
    }

    /// More bytes have come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<Came> {
        match &mut self.door {
            Door::None => {}
            Door::Posting(posting) => {
                let left = posting.body_bytes - posting.body.len();
                posting.body.extend(bytes.iter().take(left));
                return None;
            }
            Door::Request | Door::Reading(_) => return None,
            Door::Head(head) => {
                head.extend_from_slice(bytes);
                return self.enter();
            }
            Door::Frames(frames) => {
                let lines = frames.feed(bytes);
                self.ended |= frames.ending.is_some();
                self.split(&lines);
                return None;
            }
        }
        if self.language.is_some() {
            self.split(bytes);
            return None;
        }
        self.partial.extend_from_slice(bytes);
        match sniff::first(&self.partial, self.ended, self.has_web)? {
            First::Foreign(head) => Some(Came::Foreign(head)),
            First::Request => {
                self.door = Door::Head(std::mem::take(&mut self.partial));
                self.enter()
            }
            First::Speaks(language) => {
                self.language = Some(language);
                let bytes = std::mem::take(&mut self.partial);
                self.split(&bytes);
                None
            }
        }
    }

    /// Whether a request is whole; what comes behind one that makes it a WebSocket are frames.
    fn enter(&mut self) -> Option<Came> {
        let Door::Head(bytes) = &mut self.door else {
            return None;
        };
        let behind = bytes.split_off(web::end_of_head(bytes)?);
        let request = web::request(bytes);
        self.door = match &request {
            Request::Upgrade => {
                self.language = Some(Language::Json);
                Door::Frames(Box::default())
            }
            Request::Post(posting) => Door::Posting(Box::new(posting.clone())),
            Request::Read(reading) => Door::Reading(Box::new(reading.clone())),
            Request::Answered(_) => Door::Request,
        };
        self.feed(&behind);
        Some(Came::Request(request))
    }

    /// How its frames are over, if they are.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.door.frames().and_then(|frames| frames.ending)
    }

    /// Why it leaves, now that nothing more comes.
    pub(crate) fn reason_of_end(&self) -> CloseReason {
        match self.ending() {
            Some(Ending::Failed(_)) => CloseReason::WrongProtocol,
            _ => CloseReason::HungUp,
        }
    }

    /// What came before a connection broke, and is to be said in its time: lines, and nothing of how
    /// they end.
    pub(crate) fn feed_last(&mut self, bytes: &[u8]) {
        let ended = self.ended;
        if self.language.is_some() {
            let before = self.ending();
            self.feed(bytes);
            if let Door::Frames(frames) = &mut self.door {
                frames.is_broken |= frames.ending.is_some();
                frames.ending = before;
            }
        }
        self.ended = ended;
    }

    /// What has no end was cut short.
    pub(crate) fn drop_unfinished(&mut self) {
        self.partial.clear();
    }

    /// It has closed its side.
    pub(crate) fn end(&mut self) -> Option<Came> {
        self.ended = true;
        let foreign = self.feed(&[]);
        let line = std::mem::take(&mut self.partial);
        let is_framed = self.door.frames().is_some();
        if !line.is_empty() && foreign.is_none() && !is_framed {
            let line = without_return(&line).to_vec();
            self.pending.push_back(Item::LastLine(line));
        }
        foreign
    }

    /// Whether a whole line waits.
    pub(crate) fn has_line(&self) -> bool {
        matches!(self.pending.front(), Some(Item::Line(_) | Item::TooLong))
    }

    /// Whether a line waits whose end has come.
    pub(crate) fn has_whole_line(&self) -> bool {
        let lines = self
            .pending
            .iter()
            .filter(|item| !matches!(item, Item::LastLine(_)));
        lines.count() > usize::from(self.skipping)
    }

    /// How much of what it has sent may be kept.
    pub(crate) fn bytes_max(&self) -> usize {
        let bytes = |item: &Item| match item {
            Item::Line(line) | Item::LastLine(line) => line.len() + 1,
            // The longest that is sent.
            Item::TooLong => 10 * self.line_bytes_max + 200,
        };
        let lines: usize = self.pending.iter().map(bytes).sum();
        let body = match &self.door {
            Door::Posting(posting) => posting.body_bytes,
            _ => 0,
        };
        // Memory is asked for in steps, and up to 4 KiB of it may be loose.
        2 * (lines + body + 10 * self.line_bytes_max + 200) + 4096
    }

    /// All that is not handled yet, as it came, but for the ends of its lines.
    pub(crate) fn unhandled(&self) -> Vec<u8> {
        let lines = self.pending.iter().filter_map(|item| match item {
            Item::Line(line) | Item::LastLine(line) => Some(&line[..]),
            Item::TooLong => None,
        });
        lines
            .chain([&self.partial[..]])
            .collect::<Vec<_>>()
            .join(&b'\n')
    }

    pub(crate) fn forget(&mut self) {
        self.pending.clear();
        self.partial.clear();
    }

    fn split(&mut self, bytes: &[u8]) {
        let bytes_max = match self.language {
            Some(Language::Json) => 8 * self.line_bytes_max,
            _ => self.line_bytes_max,
        };
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
            let line = std::mem::take(&mut self.partial);
            if !std::mem::take(&mut self.skipping) {
                let line = without_return(&line);
                self.pending.push_back(if line.len() > bytes_max {
                    Item::TooLong
                } else {
                    Item::Line(line.to_vec())
                });
            }
        }
        self.partial.extend_from_slice(rest);
        if !self.skipping && without_return(&self.partial).len() > bytes_max {
            self.skipping = true;
            self.pending.push_back(Item::TooLong);
        }
        if self.skipping {
            self.partial.clear();
        }
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
