//! How records lie one after another in the journal and in the queue: `len, crc32, kind, id, …`, all
//! numbers little-endian. [`encode`] writes one, [`Records`] reads them back up to the first that is
//! torn or damaged, and never panics whatever the bytes are. Where the bytes are kept is not its
//! business.
//!
//! ```text
//! len u32 │ crc32 u32 │ kind u8 │ id u64 │ other u64 │ count u32 │ room_len u8 │ sender_len u8 │ room │ sender │ text
//!         └ over all behind it ┘
//! ```
//! `len` counts what stands behind the checksum. A kind that is unknown is damage, too: what a later
//! version has written is not read by an earlier one, which refuses its database anyway.

use super::record::{Forget, Record, Target};
use crate::chat::{Manner, Message, MessageId};

/// What stands before the part that `len` counts.
const HEAD_BYTES: usize = 8;
/// What of that part is there in every record.
const FIXED_BYTES: usize = 1 + 8 + 8 + 4 + 1 + 1;
/// The longest record that is written or read: a name has at most 96 bytes, a line 64 KiB, which
/// may be a replacement character of three bytes for each of its own.
pub const RECORD_BYTES_MAX: usize = 256 << 10;

const SAID: u8 = 1;
const DONE: u8 = 2;
const POSTED: u8 = 3;
const TOPIC: u8 = 4;
const GAP: u8 = 5;
const FORGET_ONE: u8 = 6;
const FORGET_SENDER: u8 = 7;

/// The fields of a record, whatever its kind.
#[derive(Default, PartialEq)]
struct Fields<'a> {
    kind: u8,
    id: MessageId,
    other: MessageId,
    count: u32,
    room: &'a str,
    sender: &'a str,
    text: &'a str,
}

/// Appends one record. One that is too long for what a room, a sender or a text may be is cut to
/// nothing: it is not written, and that is `false`.
pub fn encode(record: &Record<'_>, out: &mut Vec<u8>) -> bool {
    let fields = fields_of(record);
    let (Ok(room_bytes), Ok(sender_bytes)) = (
        u8::try_from(fields.room.len()),
        u8::try_from(fields.sender.len()),
    ) else {
        return false;
    };
    let length = FIXED_BYTES + fields.room.len() + fields.sender.len() + fields.text.len();
    let Ok(stated) = u32::try_from(length) else {
        return false;
    };
    if HEAD_BYTES + length > RECORD_BYTES_MAX {
        return false;
    }
    let start = out.len();
    out.reserve(HEAD_BYTES + length);
    out.extend_from_slice(&stated.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(fields.kind);
    out.extend_from_slice(&fields.id.to_i64().to_le_bytes());
    out.extend_from_slice(&fields.other.to_i64().to_le_bytes());
    out.extend_from_slice(&fields.count.to_le_bytes());
    out.extend_from_slice(&[room_bytes, sender_bytes]);
    out.extend_from_slice(fields.room.as_bytes());
    out.extend_from_slice(fields.sender.as_bytes());
    out.extend_from_slice(fields.text.as_bytes());
    let sum = crc32fast::hash(&out[start + HEAD_BYTES..]);
    out[start + 4..start + HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
    true
}

fn fields_of<'a>(record: &Record<'a>) -> Fields<'a> {
    match *record {
        Record::Message { room, message } => Fields {
            kind: match message.manner {
                Manner::Plain => SAID,
                Manner::Action => DONE,
                Manner::Posted => POSTED,
            },
            id: message.id,
            room,
            sender: message.from,
            text: message.text,
            ..Fields::default()
        },
        Record::Topic { room, id, by, text } => Fields {
            kind: TOPIC,
            id,
            room,
            sender: by,
            text,
            ..Fields::default()
        },
        Record::Gap {
            room,
            after,
            before,
            count,
        } => Fields {
            kind: GAP,
            id: before,
            other: after,
            count,
            room,
            ..Fields::default()
        },
        Record::Forget(Forget { at, target }) => match target {
            Target::One(other) => Fields {
                kind: FORGET_ONE,
                id: at,
                other,
                ..Fields::default()
            },
            Target::Sender(sender) => Fields {
                kind: FORGET_SENDER,
                id: at,
                sender,
                ..Fields::default()
            },
        },
    }
}

/// The records that lie in these bytes, from the first on, up to the first that is not whole.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
    valid_bytes: usize,
}

impl<'a> Records<'a> {
    /// Reads `bytes`.
    pub fn new(bytes: &'a [u8]) -> Records<'a> {
        Records {
            bytes,
            valid_bytes: 0,
        }
    }

    /// How many bytes the records have that were read so far.
    pub fn valid_bytes(&self) -> usize {
        self.valid_bytes
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (record, length) = read(&self.bytes[self.valid_bytes..])?;
        self.valid_bytes += length;
        Some(record)
    }
}

/// The first record, and how many bytes it has with its head.
fn read(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let (&stated, rest) = bytes.split_first_chunk::<4>()?;
    let (&sum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(stated)).ok()?;
    if HEAD_BYTES.checked_add(length)? > RECORD_BYTES_MAX {
        return None;
    }
    let body = rest.get(..length)?;
    if crc32fast::hash(body) != u32::from_le_bytes(sum) {
        return None;
    }
    let fields = fields_in(body)?;
    let record = record_of(&fields)?;
    // A field that its kind does not have says that something else was meant.
    (fields_of(&record) == fields).then_some((record, HEAD_BYTES + length))
}

fn fields_in(body: &[u8]) -> Option<Fields<'_>> {
    let id = |bytes: [u8; 8]| MessageId::from_i64(i64::from_le_bytes(bytes));
    let (&[kind], rest) = body.split_first_chunk::<1>()?;
    let (&own, rest) = rest.split_first_chunk::<8>()?;
    let (&other, rest) = rest.split_first_chunk::<8>()?;
    let (&count, rest) = rest.split_first_chunk::<4>()?;
    let (&[room_bytes, sender_bytes], rest) = rest.split_first_chunk::<2>()?;
    let words = str::from_utf8(rest).ok()?;
    let (room, rest) = words.split_at_checked(room_bytes.into())?;
    let (sender, text) = rest.split_at_checked(sender_bytes.into())?;
    Some(Fields {
        kind,
        id: id(own)?,
        other: id(other)?,
        count: u32::from_le_bytes(count),
        room,
        sender,
        text,
    })
}

fn record_of<'a>(fields: &Fields<'a>) -> Option<Record<'a>> {
    let &Fields {
        kind,
        id,
        other,
        count,
        room,
        sender,
        text,
    } = fields;
    let said = |manner| Record::Message {
        room,
        message: Message {
            id,
            from: sender,
            text,
            manner,
        },
    };
    let forget = |target| Record::Forget(Forget { at: id, target });
    Some(match kind {
        SAID => said(Manner::Plain),
        DONE => said(Manner::Action),
        POSTED => said(Manner::Posted),
        TOPIC => Record::Topic {
            room,
            id,
            by: sender,
            text,
        },
        GAP => Record::Gap {
            room,
            after: other,
            before: id,
            count,
        },
        FORGET_ONE => forget(Target::One(other)),
        FORGET_SENDER => forget(Target::Sender(sender)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> MessageId {
        format!("{number}-{}", number % 7).parse().unwrap()
    }

    fn examples() -> Vec<Record<'static>> {
        let said = |number, text, manner| Record::Message {
            room: "lobby",
            message: Message {
                id: id(number),
                from: "ann",
                text,
                manner,
            },
        };
        vec![
            said(1, "hello", Manner::Plain),
            said(2, "", Manner::Action),
            said(3, "größer 👋", Manner::Posted),
            Record::Topic {
                room: "ops",
                id: id(4),
                by: "ben",
                text: "",
            },
            Record::Gap {
                room: "ops",
                after: id(4),
                before: id(9),
                count: 5,
            },
            Record::Forget(Forget {
                at: id(9),
                target: Target::One(id(2)),
            }),
            Record::Forget(Forget {
                at: id(9),
                target: Target::Sender("ann"),
            }),
        ]
    }

    fn encoded(records: &[Record<'_>]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for record in records {
            assert!(encode(record, &mut bytes));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn what_is_written_is_read() {
        let (bytes, _) = encoded(&examples());
        let mut records = Records::new(&bytes);
        let read: Vec<Record<'_>> = records.by_ref().collect();
        assert_eq!(read, examples());
        assert_eq!(records.valid_bytes(), bytes.len());
    }

    #[test]
    fn a_torn_tail_takes_only_its_own_record() {
        let (bytes, ends) = encoded(&examples());
        for length in 0..=bytes.len() {
            let whole = ends.iter().filter(|&&end| end <= length).count();
            let read: Vec<Record<'_>> = Records::new(&bytes[..length]).collect();
            assert_eq!(read, examples()[..whole], "{length} bytes");
        }
    }

    #[test]
    fn a_flipped_bit_ends_what_is_read_and_shows_nothing_else() {
        let (bytes, ends) = encoded(&examples());
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << bit;
                let whole = ends.iter().filter(|&&end| end <= place).count();
                let read: Vec<Record<'_>> = Records::new(&damaged).collect();
                assert_eq!(read, examples()[..whole], "bit {bit} of byte {place}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_not_written() {
        let long = "x".repeat(RECORD_BYTES_MAX);
        let mut bytes = Vec::new();
        for (room, text) in [("lobby", long.as_str()), (&long[..256], "x")] {
            let record = Record::Topic {
                room,
                id: id(1),
                by: "ann",
                text,
            };
            assert!(!encode(&record, &mut bytes));
        }
        assert!(bytes.is_empty());
    }
}
