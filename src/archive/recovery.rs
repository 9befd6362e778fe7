//! `Recovery`: what the journal of a run that did not end cleanly is good for. It says which records
//! are to be inserted where they are missing; the database does that (`net/store`). And [`without`]:
//! a journal less what is to be forgotten.

use super::codec::{Records, encode};
use super::record::{Forget, Record};
use crate::chat::MessageId;

/// What the files of a journal hold, in whatever order the files come.
#[derive(Debug, Default)]
pub struct Recovery<'a> {
    /// Messages, topics and gaps to be inserted, in the order of their ids.
    pub records: Vec<Record<'a>>,
    /// What is to be forgotten, also of what is in the database.
    pub forgets: Vec<Forget<'a>>,
    /// The newest id; zero if there is none.
    pub last: MessageId,
    /// Bytes that could not be read: a torn tail, or damage and all behind it.
    pub unread_bytes: usize,
}

impl<'a> Recovery<'a> {
    /// Reads the files.
    pub fn of(files: &[&'a [u8]]) -> Recovery<'a> {
        let mut recovery = Recovery::default();
        for file in files {
            let mut records = Records::new(file);
            for record in records.by_ref() {
                recovery.last = recovery.last.max(record.id());
                match record {
                    Record::Forget(forget) => recovery.forgets.push(forget),
                    other => recovery.records.push(other),
                }
            }
            recovery.unread_bytes += file.len() - records.valid_bytes();
        }
        let Recovery {
            records, forgets, ..
        } = &mut recovery;
        records.retain(|record| !forgets.iter().any(|forget| is_taken(record, forget)));
        records.sort_by_key(Record::id);
        recovery
    }
}

/// The journal less the messages that are to be forgotten. The rest stays as it is, what cannot be
/// read is left out.
pub fn without(journal: &[u8], forget: &Forget<'_>) -> Vec<u8> {
    let mut left = Vec::with_capacity(journal.len());
    for record in Records::new(journal) {
        if !is_taken(&record, forget) {
            encode(&record, &mut left);
        }
    }
    left
}

fn is_taken(record: &Record<'_>, forget: &Forget<'_>) -> bool {
    match record {
        Record::Message { message, .. } => forget.takes(message.id, message.from),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Target;
    use crate::chat::{Manner, Message};

    fn id(number: u64) -> MessageId {
        format!("{number}-0").parse().unwrap()
    }

    fn said(number: u64, from: &'static str) -> Record<'static> {
        Record::Message {
            room: "lobby",
            message: Message {
                id: id(number),
                from,
                text: "x",
                manner: Manner::Plain,
            },
        }
    }

    fn journal(records: &[Record<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            encode(record, &mut bytes);
        }
        bytes
    }

    #[test]
    fn two_files_in_whatever_order_are_one_journal() {
        let (older, newer) = (
            journal(&[said(1, "ann"), said(2, "ben")]),
            journal(&[said(3, "ann"), said(4, "cyd")]),
        );
        let torn = &newer[..newer.len() - 1];
        let recovery = Recovery::of(&[torn, &older]);
        let ids: Vec<MessageId> = recovery.records.iter().map(Record::id).collect();
        assert_eq!(ids, [id(1), id(2), id(3)]);
        assert_eq!(recovery.last, id(3));
        assert_eq!(
            recovery.unread_bytes,
            torn.len() - journal(&[said(3, "ann")]).len()
        );
    }

    #[test]
    fn what_was_forgotten_does_not_come_back() {
        let forget = Forget {
            at: id(3),
            target: Target::Sender("Ann"),
        };
        let records = [
            said(1, "ann"),
            said(2, "ben"),
            Record::Forget(forget),
            said(4, "ann"),
        ];
        let bytes = journal(&records);
        let recovery = Recovery::of(&[&bytes]);
        let ids: Vec<MessageId> = recovery.records.iter().map(Record::id).collect();
        assert_eq!(ids, [id(2), id(4)]);
        assert_eq!(recovery.forgets, [forget]);

        let left = without(&bytes, &forget);
        let left: Vec<Record<'_>> = Records::new(&left).collect();
        assert_eq!(left, records[1..]);
    }
}
