//! Bans and mutes on the disk: the rows of their table, and which of them are not there yet as they are to
//! be. The writer commits them; whoever asked is told once they are synced. What they mean is
//! `moderation`'s.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result, Row, Statement, params};

use crate::archive::{Reply, sanction_sum};
use crate::chat::Name;
use crate::moderation::{Change, End, Kind, Sanction, Target};
use crate::time::WallTime;

use super::Ticket;
use super::shared::Shared;

/// What is handed to the writer at once: by whom, and what.
pub(super) type Handed = (Ticket, Vec<Change>);

type Key = (Kind, u32);

/// All that is to be on the disk. The writer has it whole, so that it can be written again to another
/// handle or another file.
#[derive(Debug, Default)]
pub(super) struct SanctionRows {
    all: BTreeMap<Key, Sanction>,
    /// Those that are not there as they are here.
    changed: BTreeSet<Key>,
    /// Nothing is known of what is there.
    is_unknown: bool,
    /// Who is to be told.
    waiting: Vec<Ticket>,
}

impl SanctionRows {
    /// Those that were read at the start.
    pub(super) fn new(recovered: &[Sanction]) -> SanctionRows {
        let all = recovered.iter().cloned();
        SanctionRows {
            all: all.map(|one| ((one.kind, one.number), one)).collect(),
            ..SanctionRows::default()
        }
    }

    pub(super) fn take(&mut self, handed: Vec<Handed>) {
        for (ticket, changes) in handed {
            self.waiting.push(ticket);
            for change in changes {
                let key = change.key();
                self.changed.insert(key);
                match change {
                    Change::Put(sanction) => self.all.insert(key, sanction),
                    Change::Removed(..) => self.all.remove(&key),
                };
            }
        }
    }

    /// What was written since the last sync may be lost, or the file is another.
    pub(super) fn write_all_again(&mut self) {
        self.is_unknown = true;
    }

    pub(super) fn needs_writing(&self) -> bool {
        self.is_unknown || !self.changed.is_empty() || !self.waiting.is_empty()
    }

    /// Writes what is not there yet, within whatever transaction there is.
    pub(super) fn write(&self, database: &Connection) -> Result<()> {
        if !self.needs_writing() {
            return Ok(());
        }
        if self.is_unknown {
            database.execute("DELETE FROM ban", [])?;
        }
        let mut insert = database.prepare(
            "INSERT OR REPLACE INTO ban(kind, number, name, net, until, by, why, sum) \
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let keys: Vec<&Key> = match self.is_unknown {
            true => self.all.keys().collect(),
            false => self.changed.iter().collect(),
        };
        for key in keys {
            match self.all.get(key) {
                Some(sanction) => write_row(&mut insert, sanction)?,
                None => {
                    let key = (number_of(key.0), key.1);
                    database.execute("DELETE FROM ban WHERE kind=?1 AND number=?2", key)?;
                }
            }
        }
        Ok(())
    }

    /// All of it is on the disk.
    pub(super) fn note_synced(&mut self, shared: &Shared) {
        self.changed.clear();
        self.is_unknown = false;
        self.tell(shared, true);
    }

    /// The disk does not take it now. It is tried again; nobody waits for that.
    pub(super) fn note_failed(&mut self, shared: &Shared) {
        self.tell(shared, false);
    }

    fn tell(&mut self, shared: &Shared, is_kept: bool) {
        for ticket in self.waiting.drain(..) {
            shared.reply(ticket, Reply::Kept(is_kept));
        }
    }
}

/// All that are there, and how many rows are not as they were written.
pub(super) fn read_all(database: &Connection) -> Result<(Vec<Sanction>, u64)> {
    let mut statement =
        database.prepare("SELECT kind, number, name, net, until, by, why, sum FROM ban")?;
    let mut rows = statement.query([])?;
    let (mut read, mut left_out) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        match read_row(row) {
            Some(sanction) => read.push(sanction),
            None => left_out += 1,
        }
    }
    Ok((read, left_out))
}

fn read_row(row: &Row<'_>) -> Option<Sanction> {
    let number = |column| row.get_ref(column).ok()?.as_i64_or_null().ok();
    let text = |column| row.get_ref(column).ok()?.as_str_or_null().ok();
    let (name, net, by, why) = (text(2)?, text(3)?, text(5)?, text(6)?);
    let (kind, own, until) = (number(0)??, number(1)??, number(4)?);
    let sum = sanction_sum([kind, own], until, [name, net, by, why]);
    if number(7)?? != i64::from(sum) {
        return None;
    }
    let name = match name {
        Some(name) => Some(Name::parse(name).ok()?),
        None => None,
    };
    let net = match net {
        Some(net) => Some(net.parse().ok()?),
        None => None,
    };
    Some(Sanction {
        kind: match kind {
            1 => Kind::Ban,
            2 => Kind::Mute,
            _ => return None,
        },
        number: u32::try_from(own).ok()?,
        target: Target::of(name, net)?,
        end: match until {
            Some(millis) => End::At(WallTime::from_millis(u64::try_from(millis).ok()?)),
            None => End::Never,
        },
        by: by?.into(),
        why: why.map(Box::from),
    })
}

fn write_row(insert: &mut Statement<'_>, sanction: &Sanction) -> Result<()> {
    let Sanction {
        kind,
        number,
        target,
        end,
        by,
        why,
    } = sanction;
    let (kind, number) = (number_of(*kind), i64::from(*number));
    let until = end.at().map(|at| at.as_millis().cast_signed());
    let name = target.name().map(Name::as_str);
    let net = target.net().map(|net| net.to_string());
    let texts = [name, net.as_deref(), Some(by), why.as_deref()];
    let sum = sanction_sum([kind, number], until, texts);
    let [name, net, by, why] = texts;
    let values = params![kind, number, name, net, until, by, why, sum];
    insert.execute(values).map(|_| ())
}

fn number_of(kind: Kind) -> i64 {
    match kind {
        Kind::Ban => 1,
        Kind::Mute => 2,
    }
}
