//! The thread that reads: it has a connection of its own, answers what is asked of the past, a step of
//! each question in turn, and lets the loop know. What an answer is, is `reading`'s.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use log::warn;
use rusqlite::Connection;

use crate::archive::Reply;

use super::Ticket;
use super::reading::Reading;
use super::schema::{Remedy, open_to_read};
use super::shared::{Progress, Shared};

/// What the thread has.
#[derive(Debug)]
pub(super) struct Reader {
    shared: Arc<Shared>,
    database: PathBuf,
    /// With which of all databases it was opened.
    connection: Option<(u64, Connection)>,
    readings: VecDeque<(Ticket, Reading)>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, database: PathBuf) -> Reader {
        Reader {
            shared,
            database,
            connection: None,
            readings: VecDeque::new(),
        }
    }

    /// Answers until the end.
    pub(super) fn run(mut self) {
        while let Some(asked) = self.shared.wait_to_read(!self.readings.is_empty()) {
            let must_reopen = &self.shared.progress.must_reopen;
            if must_reopen.swap(false, Ordering::AcqRel) {
                self.connection = None;
            }
            let asked = asked.into_iter();
            self.readings
                .extend(asked.map(|(ticket, query)| (ticket, Reading::new(query))));
            if let Some((ticket, reading)) = self.readings.pop_front() {
                self.go_on(ticket, reading);
            }
        }
    }

    fn go_on(&mut self, ticket: Ticket, mut reading: Reading) {
        let kept_before = Progress::id(&self.shared.progress.last_committed);
        let stepped = self
            .connection()
            .and_then(|connection| reading.step(connection));
        let left_out = std::mem::take(&mut reading.bad_rows);
        let progress = &self.shared.progress;
        // As before it was read, so that it holds of what is read; or less, where the disk has lost
        // something meanwhile.
        let kept_to = kept_before.min(Progress::id(&progress.last_committed));
        progress
            .rows_left_out
            .fetch_add(left_out, Ordering::Relaxed);
        match stepped {
            Ok(Some(mut reply)) => {
                match &mut reply {
                    Reply::Page(page) => page.kept_to = kept_to,
                    Reply::NoRoom { kept_to: told } => *told = kept_to,
                    _ => {}
                }
                self.shared.reply(ticket, reply);
            }
            Ok(None) => self.readings.push_back((ticket, reading)),
            Err(error) => {
                warn!("history: what was said cannot be read: {error}");
                let opened = self.connection.take().map(|(opened, _)| opened);
                if Remedy::of(&error) == Remedy::SetAside {
                    let current = progress.databases.load(Ordering::Acquire);
                    let database = opened.unwrap_or(current);
                    self.shared.report_damage(database, error.to_string());
                }
                self.shared.reply(ticket, Reply::Failed);
            }
        }
    }

    fn connection(&mut self) -> rusqlite::Result<&Connection> {
        let databases = &self.shared.progress.databases;
        let current = databases.load(Ordering::Acquire);
        let is_current = matches!(&self.connection, Some((opened, _)) if *opened == current);
        if !is_current {
            self.connection = None;
        }
        match &mut self.connection {
            Some((_, connection)) => Ok(connection),
            none => {
                let files = self.shared.lock_files();
                let current = databases.load(Ordering::Acquire);
                let connection = open_to_read(&self.database)?;
                drop(files);
                Ok(&none.insert((current, connection)).1)
            }
        }
    }
}
