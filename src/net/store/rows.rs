//! What is written into the tables, record by record, within whatever transaction there is. When that
//! is committed is the writer's business; what is read, `reading`'s.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Result, Row, Statement};

use crate::archive::{
    Forget, Record, ReservedId, Target, folded, kind_of, manner_of, message_sum, room_sum,
};
use crate::chat::{Message, MessageId};

/// What was forgotten: of each room its name and the ids.
pub(super) type Forgotten = Vec<(String, Vec<MessageId>)>;

/// Rooms by the name under which they were spoken of. It must be cleared when a transaction fails.
#[derive(Debug, Default)]
pub(super) struct RoomRows {
    known: HashMap<Box<str>, RoomKey>,
}

/// How a room is found in the tables.
#[derive(Debug, Clone)]
pub(super) struct RoomKey {
    pub(super) row: i64,
    pub(super) folded: Box<str>,
}

/// A row of the table of rooms.
#[derive(Debug, Clone)]
pub(super) struct RoomRow {
    pub(super) row: i64,
    pub(super) folded: String,
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) topic_id: MessageId,
    pub(super) complete_from: MessageId,
    /// Whether all of it is as it was written.
    pub(super) is_sound: bool,
}

/// The mark that what was deleted may still stand in the unused parts of the file.
pub(super) const MUST_REWRITE: &str = "must_rewrite";
/// More names than a server has rooms are not remembered.
const ROOMS_KNOWN_MAX: usize = 10_000;

const ROOM_COLUMNS: &str = "id, folded, name, topic, topic_id, complete_from, sum";

impl RoomRows {
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    /// The row of a room, which is made if it is not there.
    fn key(&mut self, database: &Connection, name: &str) -> Result<&RoomKey> {
        if !self.known.contains_key(name) {
            if self.known.len() >= ROOMS_KNOWN_MAX {
                self.known.clear();
            }
            let folded = folded(name);
            let row = match find_room(database, &folded)? {
                Some(room) => room.row,
                None => insert_room(database, &folded, name)?,
            };
            let folded = folded.into_boxed_str();
            self.known.insert(name.into(), RoomKey { row, folded });
        }
        Ok(&self.known[name])
    }
}

/// Writes records within one transaction.
pub(super) struct RowWriter<'c> {
    database: &'c Connection,
    rooms: &'c mut RoomRows,
    insert: Statement<'c>,
    messages: u64,
    forgotten: Vec<(MessageId, Forgotten)>,
}

impl<'c> RowWriter<'c> {
    pub(super) fn new(database: &'c Connection, rooms: &'c mut RoomRows) -> Result<RowWriter<'c>> {
        let insert = database.prepare(
            "INSERT OR IGNORE INTO message(room, id, kind, sum, sender, text) \
             VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        Ok(RowWriter {
            database,
            rooms,
            insert,
            messages: 0,
            forgotten: Vec::new(),
        })
    }

    /// Writes one record where it is missing.
    pub(super) fn write(&mut self, record: &Record<'_>) -> Result<()> {
        match *record {
            Record::Message { room, message } => self.write_message(room, &message),
            Record::Topic { room, id, text, .. } => self.write_topic(room, id, text),
            Record::Gap {
                room,
                after,
                before,
                count,
            } => {
                let row = self.rooms.key(self.database, room)?.row;
                write_gap(self.database, row, after, before, Some(count))
            }
            Record::Forget(forget) => {
                let forgotten = delete_forgotten(self.database, &forget)?;
                if !forgotten.is_empty() {
                    write_meta(self.database, MUST_REWRITE, "1")?;
                }
                self.forgotten.push((forget.at, forgotten));
                Ok(())
            }
        }
    }

    /// How many messages were written, and what was forgotten at which word of the operator.
    pub(super) fn finish(self) -> (u64, Vec<(MessageId, Forgotten)>) {
        (self.messages, self.forgotten)
    }

    fn write_message(&mut self, room: &str, message: &Message<'_>) -> Result<()> {
        let key = self.rooms.key(self.database, room)?;
        let written = self.insert.execute((
            key.row,
            message.id.to_i64(),
            kind_of(message.manner),
            message_sum(&key.folded, message),
            message.from,
            message.text,
        ))?;
        self.messages += written as u64;
        Ok(())
    }

    fn write_topic(&mut self, room: &str, id: MessageId, text: &str) -> Result<()> {
        let row = self.rooms.key(self.database, room)?.row;
        update_room(self.database, row, |room| {
            let is_newer = id > room.topic_id || !room.is_sound;
            if is_newer {
                text.clone_into(&mut room.topic);
                room.topic_id = id;
            }
            is_newer
        })
    }
}

/// A room, by its folded name.
pub(super) fn find_room(database: &Connection, folded: &str) -> Result<Option<RoomRow>> {
    let sql = format!("SELECT {ROOM_COLUMNS} FROM room WHERE folded=?1");
    database.query_row(&sql, [folded], read_room).optional()
}

/// All rooms.
pub(super) fn all_rooms(database: &Connection) -> Result<Vec<RoomRow>> {
    let mut rooms = database.prepare(&format!("SELECT {ROOM_COLUMNS} FROM room"))?;
    rooms.query_map([], read_room)?.collect()
}

fn read_room(row: &Row<'_>) -> Result<RoomRow> {
    let text = |column| match row.get_ref(column) {
        Ok(value) => value.as_str().unwrap_or_default().to_owned(),
        Err(_) => String::new(),
    };
    let id = |column| {
        let number = row
            .get_ref(column)
            .ok()
            .and_then(|value| value.as_i64().ok());
        number.and_then(MessageId::from_i64)
    };
    let (folded, name, topic) = (text(1), text(2), text(3));
    let (topic_id, complete_from) = (id(4), id(5));
    let sum = row.get_ref(6)?.as_i64().ok();
    let is_sound = match (topic_id, complete_from) {
        (Some(topic_id), Some(complete_from)) => {
            let expected = room_sum(&folded, &name, &topic, topic_id, complete_from);
            sum == Some(expected.into())
        }
        _ => false,
    };
    Ok(RoomRow {
        row: row.get(0)?,
        folded,
        name,
        topic: if is_sound { topic } else { String::new() },
        topic_id: topic_id.filter(|_| is_sound).unwrap_or_default(),
        complete_from: complete_from.filter(|_| is_sound).unwrap_or(MessageId::MAX),
        is_sound,
    })
}

fn insert_room(database: &Connection, folded: &str, name: &str) -> Result<i64> {
    let complete_from = complete_from(database)?;
    let sum = room_sum(folded, name, "", MessageId::ZERO, complete_from);
    database.execute(
        "INSERT INTO room(folded, name, topic, topic_id, complete_from, sum) VALUES(?1, ?2, '', 0, ?3, ?4)",
        (folded, name, complete_from.to_i64(), sum),
    )?;
    Ok(database.last_insert_rowid())
}

/// Changes a room where `change` says that it has.
pub(super) fn update_room(
    database: &Connection,
    row: i64,
    change: impl FnOnce(&mut RoomRow) -> bool,
) -> Result<()> {
    let sql = format!("SELECT {ROOM_COLUMNS} FROM room WHERE id=?1");
    let mut room = database.query_row(&sql, [row], read_room)?;
    if change(&mut room) {
        let (topic_id, complete_from) = (room.topic_id, room.complete_from);
        let sum = room_sum(
            &room.folded,
            &room.name,
            &room.topic,
            topic_id,
            complete_from,
        );
        database.execute(
            "UPDATE room SET topic=?2, topic_id=?3, complete_from=?4, sum=?5 WHERE id=?1",
            (
                row,
                &room.topic,
                topic_id.to_i64(),
                complete_from.to_i64(),
                sum,
            ),
        )?;
    }
    Ok(())
}

/// So many messages of a room between these two are missing; `None`: nobody knows how many. Of two
/// that begin alike the longer one is kept.
pub(super) fn write_gap(
    database: &Connection,
    room: i64,
    after: MessageId,
    before: MessageId,
    count: Option<u32>,
) -> Result<()> {
    database.execute(
        "INSERT INTO gap(room, after, before, count) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(room, after) \
         DO UPDATE SET before=excluded.before, count=excluded.count WHERE excluded.before>before",
        (room, after.to_i64(), before.to_i64(), count),
    )?;
    Ok(())
}

/// Deletes what is meant. All of a sender is a scan of everything: rare, and chat does not wait.
fn delete_forgotten(database: &Connection, forget: &Forget<'_>) -> Result<Forgotten> {
    let mut forgotten = Vec::new();
    let mut delete = database.prepare("DELETE FROM message WHERE room=?1 AND id=?2")?;
    for room in all_rooms(database)? {
        let ids = match forget.target {
            Target::One(id) => vec![id],
            Target::Sender(_) => ids_of_sender(database, room.row, forget)?,
        };
        let mut gone = Vec::new();
        for id in ids {
            if delete.execute((room.row, id.to_i64()))? > 0 {
                gone.push(id);
            }
        }
        if !gone.is_empty() {
            forgotten.push((room.name, gone));
        }
    }
    Ok(forgotten)
}

fn ids_of_sender(database: &Connection, room: i64, forget: &Forget<'_>) -> Result<Vec<MessageId>> {
    let mut said = database.prepare("SELECT id, sender FROM message WHERE room=?1 AND id<=?2")?;
    let mut rows = said.query((room, forget.at.to_i64()))?;
    let mut ids = Vec::new();
    // Most senders say more than one thing, and comparing names is work.
    let mut senders: HashMap<String, bool> = HashMap::new();
    while let Some(row) = rows.next()? {
        let Ok(sender) = row.get_ref(1)?.as_str() else {
            continue;
        };
        let is_meant = match senders.get(sender) {
            Some(&is_meant) => is_meant,
            None => {
                let is_meant = forget.is_sender(sender);
                senders.insert(sender.to_owned(), is_meant);
                is_meant
            }
        };
        if is_meant {
            ids.extend(row.get(0).ok().and_then(MessageId::from_i64));
        }
    }
    Ok(ids)
}

/// A message of the row `id, kind, sum, sender, text`, if it is as it was written.
pub(super) fn read_message<'r>(row: &'r Row<'_>, folded_room: &str) -> Option<Message<'r>> {
    let number = |column| row.get_ref(column).ok()?.as_i64().ok();
    let text = |column| row.get_ref(column).ok()?.as_str().ok();
    let message = Message {
        id: MessageId::from_i64(number(0)?)?,
        manner: manner_of(number(1)?)?,
        from: text(3)?,
        text: text(4)?,
    };
    (number(2)? == i64::from(message_sum(folded_room, &message))).then_some(message)
}

/// From when on everything is there that was said in a room of which nothing is known.
pub(super) fn complete_from(database: &Connection) -> Result<MessageId> {
    let kept = read_meta(database, "complete_from")?;
    let kept = kept.and_then(|text| text.parse::<ReservedId>().ok());
    Ok(kept.map_or(MessageId::MAX, |ReservedId(id)| id))
}

/// What is written down beside the tables, as text. What is no text is not there.
pub(super) fn read_meta(database: &Connection, key: &str) -> Result<Option<String>> {
    let read = |row: &Row<'_>| Ok(row.get_ref(0)?.as_str().ok().map(str::to_owned));
    let found = database.query_row("SELECT value FROM meta WHERE key=?1", [key], read);
    Ok(found.optional()?.flatten())
}

/// Writes that down.
pub(super) fn write_meta(database: &Connection, key: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value=?2";
    database.execute(sql, (key, value)).map(|_| ())
}
