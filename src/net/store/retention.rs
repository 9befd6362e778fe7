//! What is too old or too much is deleted, in slices. How much that is, is `archive`'s to say; when a
//! slice is due, and that nobody waits for it, the writer's.

use std::time::{Duration, Instant};

use log::{info, warn};
use rusqlite::{Connection, Result, params};

use crate::archive::{ReservedId, clocks_are_apart, cutoff_for_age, cutoff_for_bytes};
use crate::chat::MessageId;
use crate::time::WallTime;

use super::rows::{complete_from, update_room, write_meta};
use super::settings::StoreSettings;

/// When it is looked for what is to go.
#[derive(Debug)]
pub(super) struct Retention {
    keep_age: Duration,
    keep_bytes: u64,
    interval: Duration,
    next_at: Instant,
    started: (WallTime, Instant),
    is_resting: bool,
}

/// Rows that are deleted in one transaction.
const SLICE_ROWS: usize = 10_000;
/// Pages that are given back to the file system at a time.
const VACUUM_PAGES: u32 = 256;

impl Retention {
    pub(super) fn new(settings: &StoreSettings) -> Retention {
        let now = Instant::now();
        Retention {
            keep_age: settings.keep_age,
            keep_bytes: settings.keep_bytes,
            interval: settings.retention_interval,
            next_at: now + settings.retention_interval,
            started: (wall_time(), now),
            is_resting: false,
        }
    }

    /// When to look next.
    pub(super) fn due_at(&self) -> Instant {
        self.next_at
    }

    /// Deletes one slice, if it is time. `newest` is the last message that is there. Whether rooms
    /// may be gone.
    pub(super) fn go_on(
        &mut self,
        database: &mut Connection,
        newest: MessageId,
        now: Instant,
    ) -> Result<bool> {
        if now < self.next_at {
            return Ok(false);
        }
        self.next_at = now + self.interval;
        if self.rests(now) {
            return Ok(false);
        }
        let Some(cutoff) = self.cutoff(database, newest)? else {
            return Ok(false);
        };
        let deleted = delete_slice(database, cutoff)?;
        if deleted >= SLICE_ROWS {
            // There may be more, after what is to be committed.
            self.next_at = now;
        }
        if deleted > 0 {
            let sql = format!("PRAGMA incremental_vacuum({VACUUM_PAGES})");
            let mut vacuum = database.prepare(&sql)?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(deleted > 0)
    }

    fn rests(&mut self, now: Instant) -> bool {
        let (wall, started) = self.started;
        let is_resting = clocks_are_apart(wall, wall_time(), now - started);
        if is_resting != self.is_resting {
            if is_resting {
                warn!(
                    "history: the clock has jumped: nothing is deleted for its age until it is back"
                );
            } else {
                info!("history: the clock is back: what is too old is deleted again");
            }
        }
        self.is_resting = is_resting;
        is_resting
    }

    fn cutoff(&self, database: &Connection, newest: MessageId) -> Result<Option<MessageId>> {
        let number = |sql| database.query_row(sql, [], |row| row.get::<_, i64>(0));
        let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
        let bytes = pages.saturating_mul(number("PRAGMA page_size")?);
        let bytes = u64::try_from(bytes).unwrap_or_default();
        let oldest: Option<i64> = database.query_row(
            "SELECT min((SELECT min(id) FROM message WHERE message.room=room.id)) FROM room",
            [],
            |row| row.get(0),
        )?;
        let Some(oldest) = oldest.and_then(MessageId::from_i64) else {
            return Ok(None);
        };
        let by_age = cutoff_for_age(wall_time(), self.keep_age);
        let by_bytes = cutoff_for_bytes(oldest, newest, bytes, self.keep_bytes);
        let cutoff = by_bytes.map_or(by_age, |by_bytes| by_age.max(by_bytes));
        Ok((oldest < cutoff).then_some(cutoff))
    }
}

/// Deletes what is older than `cutoff`, at most a slice: how many rows.
fn delete_slice(database: &mut Connection, cutoff: MessageId) -> Result<usize> {
    let transaction = database.transaction()?;
    let rooms: Vec<i64> = transaction
        .prepare(
            "SELECT id FROM room WHERE EXISTS \
             (SELECT 1 FROM message WHERE message.room=room.id AND message.id<?1)",
        )?
        .query_map([cutoff.to_i64()], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let mut deleted = 0;
    for room in rooms {
        deleted += transaction.execute(
            "DELETE FROM message WHERE room=?1 AND id IN \
             (SELECT id FROM message WHERE room=?1 AND id<?2 ORDER BY id LIMIT ?3)",
            params![room, cutoff.to_i64(), (SLICE_ROWS - deleted) as i64],
        )?;
        update_room(&transaction, room, |room| {
            let is_later = room.complete_from < cutoff;
            room.complete_from = room.complete_from.max(cutoff);
            is_later
        })?;
        if deleted >= SLICE_ROWS {
            break;
        }
    }
    if complete_from(&transaction)? < cutoff {
        write_meta(
            &transaction,
            "complete_from",
            &ReservedId(cutoff).to_string(),
        )?;
    }
    transaction.execute("DELETE FROM gap WHERE before<=?1", [cutoff.to_i64()])?;
    transaction.execute(
        "DELETE FROM room WHERE coalesce(topic, '')='' \
         AND NOT EXISTS (SELECT 1 FROM message WHERE message.room=room.id) \
         AND NOT EXISTS (SELECT 1 FROM gap WHERE gap.room=room.id)",
        [],
    )?;
    transaction.commit()?;
    Ok(deleted)
}

/// What the clock on the wall says.
pub(super) fn wall_time() -> WallTime {
    let millis = jiff::Timestamp::now().as_millisecond();
    WallTime::from_millis(u64::try_from(millis).unwrap_or_default())
}
