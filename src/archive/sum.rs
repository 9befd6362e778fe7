//! Checksums (CRC-32) of what lies in the database: SQLite has none, and a flipped bit would show a
//! wrong text in silence. Which columns there are is the database's business (`net/store`).

use std::fmt;
use std::str::FromStr;

use crc32fast::Hasher;

use crate::chat::{Manner, Message, MessageId};

/// How a message was said, as the number that is kept.
pub const fn kind_of(manner: Manner) -> i64 {
    match manner {
        Manner::Plain => 1,
        Manner::Action => 2,
        Manner::Posted => 3,
    }
}

/// What [`kind_of`] gave.
pub const fn manner_of(kind: i64) -> Option<Manner> {
    match kind {
        1 => Some(Manner::Plain),
        2 => Some(Manner::Action),
        3 => Some(Manner::Posted),
        _ => None,
    }
}

/// The checksum of a message. The room is in it by its folded name: a message that a damaged file
/// moves into another room is not shown there.
pub fn message_sum(folded_room: &str, message: &Message<'_>) -> u32 {
    let mut hasher = Hasher::new();
    let manner = kind_of(message.manner);
    add_number(&mut hasher, message.id.to_i64());
    add_number(&mut hasher, manner);
    for text in [folded_room, message.from, message.text] {
        add_text(&mut hasher, text);
    }
    hasher.finalize()
}

/// The checksum of what is kept of a room: its folded name, its name, its topic and since when it
/// is that, and from when on its messages are all there.
pub fn room_sum(
    folded: &str,
    name: &str,
    topic: &str,
    topic_id: MessageId,
    complete_from: MessageId,
) -> u32 {
    let mut hasher = Hasher::new();
    for text in [folded, name, topic] {
        add_text(&mut hasher, text);
    }
    add_number(&mut hasher, topic_id.to_i64());
    add_number(&mut hasher, complete_from.to_i64());
    hasher.finalize()
}

/// The checksum of a ban or mute: its kind and number, until when, and its texts.
pub fn sanction_sum(key: [i64; 2], until: Option<i64>, texts: [Option<&str>; 4]) -> u32 {
    let mut hasher = Hasher::new();
    for number in key {
        add_number(&mut hasher, number);
    }
    add_number(&mut hasher, i64::from(until.is_some()));
    add_number(&mut hasher, until.unwrap_or_default());
    for text in texts {
        add_number(&mut hasher, i64::from(text.is_some()));
        add_text(&mut hasher, text.unwrap_or_default());
    }
    hasher.finalize()
}

fn add_number(hasher: &mut Hasher, number: i64) {
    hasher.update(&number.to_le_bytes());
}

fn add_text(hasher: &mut Hasher, text: &str) {
    hasher.update(&text.len().to_le_bytes());
    hasher.update(text.as_bytes());
}

/// An id up to which all may have been given, as it is kept: a text with its own checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservedId(pub MessageId);

impl fmt::Display for ReservedId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0.to_string();
        write!(to, "{id} crc={:08x}", crc32fast::hash(id.as_bytes()))
    }
}

impl FromStr for ReservedId {
    type Err = crate::chat::NotAnId;

    fn from_str(text: &str) -> Result<ReservedId, Self::Err> {
        let id = text.split(' ').next().unwrap_or_default().parse()?;
        let reserved = ReservedId(id);
        if reserved.to_string() == text {
            Ok(reserved)
        } else {
            Err(crate::chat::NotAnId)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_id_is_read_only_as_it_was_written() {
        let reserved = ReservedId("1790000000123-7".parse().unwrap());
        let text = reserved.to_string();
        assert_eq!(text.parse(), Ok(reserved));
        for place in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[place] ^= 1;
            let damaged = String::from_utf8(damaged).unwrap();
            assert!(damaged.parse::<ReservedId>().is_err(), "{damaged}");
        }
    }

    #[test]
    fn each_part_of_a_message_is_in_its_sum() {
        let message = |id: &str, from, text, manner| Message {
            id: id.parse().unwrap(),
            from,
            text,
            manner,
        };
        let sums = [
            message_sum("ab", &message("1-0", "c", "d", Manner::Plain)),
            message_sum("a", &message("1-0", "bc", "d", Manner::Plain)),
            message_sum("ab", &message("1-1", "c", "d", Manner::Plain)),
            message_sum("ab", &message("1-0", "cd", "", Manner::Plain)),
            message_sum("ab", &message("1-0", "c", "d", Manner::Action)),
        ];
        for (place, sum) in sums.iter().enumerate() {
            assert!(!sums[..place].contains(sum));
        }
        for manner in [Manner::Plain, Manner::Action, Manner::Posted] {
            assert_eq!(manner_of(kind_of(manner)), Some(manner));
        }
    }
}
