//! A disk that is a model: it answers when it likes, may fail, and a power cut takes what it was given
//! last. It is asked and told what the real one is (`net/store`).

use std::collections::VecDeque;

use chatd::archive::{Ask, PageBuilder, Query, Record, Recorder, Records, Reply};
use chatd::chat::{Manner, Message, MessageId, Older, PageEnd};
use chatd::hub::{Hub, QuestionId};
use chatd::time::Time;
use fastrand::Rng;

/// How the server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// By a signal: the journal is there.
    Killed,
    /// With its machine: what was not on the disk is gone.
    PowerCut,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) id: MessageId,
    pub(crate) from: String,
    pub(crate) text: String,
}

/// Who asked: the hub for somebody, or for its memory.
#[derive(Debug, Clone, Copy)]
enum Asker {
    Hub(QuestionId),
    Memory,
}

#[derive(Debug)]
pub(crate) struct Store {
    /// Whether it is slow, and fails.
    pub(crate) is_moody: bool,
    /// All that was ever said.
    pub(crate) all: Vec<Said>,
    /// What of it is on the disk, how much of that no power cut takes any more, and what is only in the
    /// journal.
    written: Vec<Said>,
    synced: usize,
    handed: Vec<Said>,
    /// What power cuts took.
    pub(crate) lost: Vec<Said>,
    /// From where on everything is here.
    counted_from: MessageId,
    last: MessageId,
    waiting: VecDeque<(Time, Asker, Query)>,
    rng: Rng,
}

impl Store {
    pub(crate) fn new(rng: Rng) -> Store {
        Store {
            is_moody: false,
            all: Vec::new(),
            written: Vec::new(),
            synced: 0,
            handed: Vec::new(),
            lost: Vec::new(),
            counted_from: MessageId::ZERO,
            last: MessageId::ZERO,
            waiting: VecDeque::new(),
            rng,
        }
    }

    /// Keeps what was recorded in a turn, before anybody is shown it.
    pub(crate) fn keep(&mut self, recorder: &mut Recorder) {
        self.last = self.last.max(recorder.last());
        for record in Records::new(recorder.bytes()) {
            if let Record::Message { message, .. } = record {
                let said = Said {
                    id: message.id,
                    from: message.from.to_owned(),
                    text: message.text.to_owned(),
                };
                self.all.push(said.clone());
                self.handed.push(said);
            }
        }
        recorder.clear();
        // A room of which nothing is left would be a new one, to everybody.
        if self.written.is_empty() {
            self.write_all();
        } else if self.rng.u32(..3) == 0 {
            let count = self.rng.usize(..=self.handed.len());
            self.written.extend(self.handed.drain(..count));
        }
        if self.rng.u32(..3) == 0 {
            self.synced = self.written.len();
        }
    }

    fn write_all(&mut self) {
        self.written.append(&mut self.handed);
        self.synced = self.written.len();
    }

    /// A sync has failed: what was written since the last is gone, and is to be written again.
    fn lose_what_is_not_synced(&mut self) {
        let mut lost = self.written.split_off(self.synced);
        lost.append(&mut self.handed);
        self.handed = lost;
    }

    /// What happens to it when the server dies.
    pub(crate) fn die(&mut self, death: Death) {
        self.waiting.clear();
        self.lose_what_is_not_synced();
        if death == Death::PowerCut {
            let kept = self.rng.usize(..=self.handed.len());
            self.lost.extend(self.handed.drain(kept..));
            self.counted_from = MessageId::from_i64(self.last.to_i64() + 1).unwrap();
        }
        self.write_all();
    }

    /// Gives a new server what it must know, and not all of what it wants to.
    pub(crate) fn recall(&mut self, hub: &mut Hub, now: Time) {
        hub.open_archive(self.last);
        let count = self.rng.usize(..=3.min(self.written.len()));
        let tail = &self.written[self.written.len() - count..];
        let messages: Vec<Message<'_>> = tail.iter().map(Said::message).collect();
        let older = Older {
            messages: &messages,
            ids: &[],
            has_older: count < self.written.len(),
            counted_from: self.counted_from,
        };
        let last = self.last_written();
        hub.recall().room("lobby", "", last, &older);
        if let Some(query) = hub.recall().question("lobby") {
            self.ask(Asker::Memory, query, now);
        }
    }

    /// Takes questions.
    pub(crate) fn take_questions(&mut self, hub: &mut Hub, now: Time) {
        while let Some((id, query)) = hub.next_question() {
            self.ask(Asker::Hub(id), query, now);
        }
    }

    fn ask(&mut self, asker: Asker, query: Query, now: Time) {
        let millis = match self.rng.u32(..20) {
            _ if !self.is_moody => 5,
            0 => 12_000,
            _ => self.rng.u64(..2_000),
        };
        let due = now + std::time::Duration::from_millis(millis);
        self.waiting.push_back((due, asker, query));
    }

    /// Gives the answers that are there, in whatever order they come.
    pub(crate) fn answer(&mut self, hub: &mut Hub, now: Time) {
        while let Some(place) = self.waiting.iter().position(|(due, ..)| *due <= now) {
            let (_, asker, query) = self.waiting.remove(place).unwrap();
            if self.is_moody && self.rng.u32(..6) == 0 {
                self.lose_what_is_not_synced();
            } else if !self.is_moody || self.rng.bool() {
                self.written.append(&mut self.handed);
            }
            let reply = if self.is_moody && self.rng.u32(..6) == 0 {
                Reply::Failed
            } else {
                self.read(&query)
            };
            match (asker, reply) {
                (Asker::Hub(id), reply) => hub.answer_question(id, &reply),
                (Asker::Memory, Reply::Older { page, ids, more }) => {
                    let messages: Vec<Message<'_>> = page.messages().collect();
                    let older = Older {
                        messages: &messages,
                        ids: &ids,
                        has_older: more,
                        counted_from: self.counted_from,
                    };
                    hub.recall().older("lobby", &older);
                }
                (Asker::Memory, _) => {}
            }
        }
    }

    fn page(&self, page: PageBuilder) -> Reply {
        let mut page = page.finish();
        page.kept_to = self.last_written();
        Reply::Page(page)
    }

    fn last_written(&self) -> MessageId {
        self.written.last().map_or(MessageId::ZERO, |said| said.id)
    }

    fn read(&self, query: &Query) -> Reply {
        let mut page = PageBuilder::new(query.messages_max, query.bytes_max);
        match query.ask {
            Ask::Page(PageEnd::After(after)) => {
                let later = self.written.iter().filter(|said| said.id > after);
                let _ = later.map(Said::message).all(|message| page.push(&message));
                self.page(page)
            }
            Ask::Page(end) => {
                let before = match end {
                    PageEnd::Before(before) => before,
                    _ => MessageId::MAX,
                };
                let older = self.written.iter().rev().filter(|said| said.id < before);
                let _ = older.map(Said::message).all(|message| page.push(&message));
                self.page(page)
            }
            Ask::Older { before, ids_max } => {
                let older = self.written.iter().filter(|said| said.id < before);
                let older: Vec<&Said> = older.collect();
                let _ = older.iter().rev().all(|said| page.push(&said.message()));
                let page = page.finish();
                let others = &older[..older.len() - page.len()];
                let ids = &others[others.len().saturating_sub(ids_max)..];
                Reply::Older {
                    page,
                    ids: ids.iter().map(|said| said.id).collect(),
                    more: ids.len() < others.len(),
                }
            }
            _ => panic!("nobody asks that here: {query:?}"),
        }
    }
}

impl Said {
    fn message(&self) -> Message<'_> {
        Message {
            id: self.id,
            from: &self.from,
            text: &self.text,
            manner: Manner::Plain,
        }
    }
}
