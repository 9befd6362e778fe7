//! What is read from the tables: pages, what is found, what is missing. In steps, so that a long search
//! does not keep others waiting. Who asks, and from which thread, is `reader`'s business.

use rusqlite::{Connection, Result, Statement, params};

use crate::archive::{Ask, MESSAGES_MAX, Page, PageBuilder, Query, Reply, Words, folded};
use crate::chat::{MessageId, PageEnd};

use super::rows::{RoomRow, complete_from, find_room, read_message};

/// Rows that are looked at in one step: a few milliseconds.
const STEP_ROWS: usize = 10_000;

/// A question on its way to an answer.
#[derive(Debug)]
pub(super) struct Reading {
    query: Query,
    /// Of a search: what was found, and before which message it goes on.
    found: PageBuilder,
    before: MessageId,
    /// Rows that were left out since they are not as they were written.
    pub(super) bad_rows: u64,
}

/// In which order rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    OldestFirst,
    NewestFirst,
}

impl Reading {
    pub(super) fn new(query: Query) -> Reading {
        let messages_max = query.messages_max.min(MESSAGES_MAX);
        let before = match query.ask {
            Ask::Search { before, .. } => before.unwrap_or(MessageId::MAX),
            _ => MessageId::MAX,
        };
        Reading {
            found: PageBuilder::new(messages_max, query.bytes_max),
            query,
            before,
            bad_rows: 0,
        }
    }

    /// Goes on. `None` if there is more to do. Up to where things are kept it cannot know.
    pub(super) fn step(&mut self, database: &Connection) -> Result<Option<Reply>> {
        let folded = folded(&self.query.room);
        let Some(room) = find_room(database, &folded)? else {
            return self.without_room(database).map(Some);
        };
        match self.query.ask.clone() {
            Ask::Page(end) => self.page(database, &room, end).map(Some),
            Ask::Around(id) => self.around(database, &room, id).map(Some),
            Ask::Search { words, .. } => self.search(database, &room, &words),
            Ask::Older { before, ids_max } => {
                self.older(database, &room, before, ids_max).map(Some)
            }
            Ask::Missed { after, before } => {
                let missed = missed(database, &room, after, before)?;
                Ok(Some(Reply::Missed(missed)))
            }
        }
    }

    fn without_room(&self, database: &Connection) -> Result<Reply> {
        let Ask::Missed { after, .. } = self.query.ask else {
            return Ok(Reply::NoRoom {
                kept_to: MessageId::ZERO,
            });
        };
        let is_known = after >= complete_from(database)?;
        Ok(Reply::Missed(is_known.then_some(0)))
    }

    fn page(&mut self, database: &Connection, room: &RoomRow, end: PageEnd) -> Result<Reply> {
        let (after, before, order) = match end {
            PageEnd::Newest => (None, MessageId::MAX, Order::NewestFirst),
            PageEnd::Before(id) => (None, id, Order::NewestFirst),
            PageEnd::After(id) => (Some(id), MessageId::MAX, Order::OldestFirst),
        };
        let mut page = PageBuilder::new(
            self.query.messages_max.min(MESSAGES_MAX),
            self.query.bytes_max,
        );
        self.fill(database, room, (after, before), order, &mut page)?;
        let mut page = page.finish();
        page.room.clone_from(&room.name);
        if let Some(after) = after {
            let last = page.messages().next_back().map(|last| last.id);
            let last = last.filter(|_| page.more);
            page.not_kept = not_kept(database, room, after, last.unwrap_or(MessageId::MAX))?;
        }
        Ok(Reply::Page(page))
    }

    /// Half of it from the message on, the other half from before.
    fn around(&mut self, database: &Connection, room: &RoomRow, id: MessageId) -> Result<Reply> {
        let messages_max = self.query.messages_max.min(MESSAGES_MAX);
        let mut page = PageBuilder::new(messages_max / 2, self.query.bytes_max / 2);
        self.fill(database, room, (None, id), Order::NewestFirst, &mut page)?;
        let (mut page, mut later) = (
            page.finish(),
            PageBuilder::new(messages_max - messages_max / 2, self.query.bytes_max / 2),
        );
        let from = MessageId::from_i64(id.to_i64() - 1);
        let between = (from, MessageId::MAX);
        self.fill(database, room, between, Order::OldestFirst, &mut later)?;
        page.append(&later.finish());
        Ok(Reply::Page(page))
    }

    /// Adds messages between these two until the page is full.
    fn fill(
        &mut self,
        database: &Connection,
        room: &RoomRow,
        between: (Option<MessageId>, MessageId),
        order: Order,
        page: &mut PageBuilder,
    ) -> Result<()> {
        let mut said = prepare(database, order)?;
        self.bad_rows += fill(&mut said, room, between, page)?;
        Ok(())
    }

    /// What was said before this message: as it goes into memory, so it is not bounded as pages are.
    fn older(
        &mut self,
        database: &Connection,
        room: &RoomRow,
        before: MessageId,
        ids_max: usize,
    ) -> Result<Reply> {
        let mut page = PageBuilder::new(self.query.messages_max, self.query.bytes_max);
        self.fill(
            database,
            room,
            (None, before),
            Order::NewestFirst,
            &mut page,
        )?;
        let page = page.finish();
        let first = page.messages().next().map_or(before, |first| first.id);
        let (ids, more) = ids_before(database, room.row, first, ids_max)?;
        Ok(Reply::Older { page, ids, more })
    }

    fn search(
        &mut self,
        database: &Connection,
        room: &RoomRow,
        words: &Words,
    ) -> Result<Option<Reply>> {
        let mut said = database.prepare(
            "SELECT id, kind, sum, sender, text FROM message \
             WHERE room=?1 AND id<?2 ORDER BY id DESC LIMIT ?3",
        )?;
        let mut rows = said.query(params![room.row, self.before.to_i64(), STEP_ROWS as i64])?;
        let mut scratch = String::new();
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            let before = row.get_ref(0)?.as_i64().ok().and_then(MessageId::from_i64);
            if let Some(before) = before {
                self.before = before;
            }
            let Some(message) = read_message(row, &room.folded) else {
                self.bad_rows += 1;
                continue;
            };
            if words.are_in(message.text, &mut scratch) && !self.found.push(&message) {
                return Ok(Some(self.found()));
            }
        }
        Ok((seen < STEP_ROWS).then(|| self.found()))
    }

    fn found(&mut self) -> Reply {
        let none = PageBuilder::new(0, 0);
        Reply::Page(std::mem::replace(&mut self.found, none).finish())
    }
}

/// The newest messages of rooms, one room after the other.
pub(super) struct Tails<'c>(Statement<'c>);

impl Tails<'_> {
    pub(super) fn of(database: &Connection) -> Result<Tails<'_>> {
        prepare(database, Order::NewestFirst).map(Tails)
    }

    /// The newest messages of a room that are as they were written; how many are not.
    pub(super) fn read(
        &mut self,
        room: &RoomRow,
        messages_max: usize,
        bytes_max: usize,
    ) -> Result<(Page, u64)> {
        let mut page = PageBuilder::new(messages_max, bytes_max);
        let bad_rows = fill(&mut self.0, room, (None, MessageId::MAX), &mut page)?;
        Ok((page.finish(), bad_rows))
    }
}

/// The ids of at most so many messages of a room before this one, oldest first, and whether there are
/// more.
pub(super) fn ids_before(
    database: &Connection,
    room: i64,
    before: MessageId,
    ids_max: usize,
) -> Result<(Vec<MessageId>, bool)> {
    let mut said = database
        .prepare("SELECT id FROM message WHERE room=?1 AND id<?2 ORDER BY id DESC LIMIT ?3")?;
    let limit = i64::try_from(ids_max.saturating_add(1)).unwrap_or(i64::MAX);
    let mut rows = said.query(params![room, before.to_i64(), limit])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get_ref(0)?.as_i64().ok();
        ids.extend(id.and_then(MessageId::from_i64));
    }
    let more = ids.len() > ids_max;
    ids.truncate(ids_max);
    ids.reverse();
    Ok((ids, more))
}

/// What is said in a room between two messages, in this order.
fn prepare(database: &Connection, order: Order) -> Result<Statement<'_>> {
    let direction = match order {
        Order::OldestFirst => "ASC",
        Order::NewestFirst => "DESC",
    };
    database.prepare(&format!(
        "SELECT id, kind, sum, sender, text FROM message \
         WHERE room=?1 AND id>?2 AND id<?3 ORDER BY id {direction}"
    ))
}

/// Adds messages between these two until the page is full: how many are not as they were written.
fn fill(
    said: &mut Statement<'_>,
    room: &RoomRow,
    (after, before): (Option<MessageId>, MessageId),
    page: &mut PageBuilder,
) -> Result<u64> {
    let mut bad_rows = 0;
    let after = after.map_or(-1, MessageId::to_i64);
    let mut rows = said.query(params![room.row, after, before.to_i64()])?;
    while let Some(row) = rows.next()? {
        match read_message(row, &room.folded) {
            Some(message) => {
                if !page.push(&message) {
                    break;
                }
            }
            None => bad_rows += 1,
        }
    }
    Ok(bad_rows)
}

/// How many messages lie between these two, with those that could not be kept. `None` if that is
/// not known.
fn missed(
    database: &Connection,
    room: &RoomRow,
    after: MessageId,
    before: MessageId,
) -> Result<Option<u64>> {
    let Some(not_kept) = not_kept(database, room, after, before)? else {
        return Ok(None);
    };
    let there: i64 = database.query_row(
        "SELECT count(*) FROM message WHERE room=?1 AND id>?2 AND id<?3",
        params![room.row, after.to_i64(), before.to_i64()],
        |row| row.get(0),
    )?;
    Ok(Some(not_kept + u64::try_from(there).unwrap_or_default()))
}

/// How many messages between these two could not be kept. `None` if that is not known.
fn not_kept(
    database: &Connection,
    room: &RoomRow,
    after: MessageId,
    before: MessageId,
) -> Result<Option<u64>> {
    if after < room.complete_from {
        return Ok(None);
    }
    let mut gaps = database.prepare(
        "SELECT after>=?2 AND before<=?3, count FROM gap WHERE room=?1 AND before>?2 AND after<?3",
    )?;
    let mut rows = gaps.query(params![room.row, after.to_i64(), before.to_i64()])?;
    let mut not_kept = 0;
    while let Some(row) = rows.next()? {
        match (row.get(0)?, row.get::<_, Option<u32>>(1)?) {
            (true, Some(count)) => not_kept += u64::from(count),
            // One that is cut, or of which nobody knows.
            _ => return Ok(None),
        }
    }
    Ok(Some(not_kept))
}
