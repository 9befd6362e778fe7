//! What things are called by number: members, rooms, messages. Not names, which people choose.
//! Plain values; whoever makes one owns its meaning.

use std::fmt;
use std::str::FromStr;

use crate::time::WallTime;

/// A member: somebody who has a name. Reused once the member has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u32);

/// A room. Reused once the room is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u32);

impl MemberId {
    /// As an index.
    pub fn slot(self) -> usize {
        self.0 as usize
    }
}

impl RoomId {
    /// As an index.
    pub fn slot(self) -> usize {
        self.0 as usize
    }
}

/// Which fact of all that this server ever told: milliseconds since 1970 and a counter within the
/// millisecond, shown as `MS-SEQ` (the shape and rule of the entry ids of Redis streams). Grows
/// over the whole server, whatever the wall clock does; its first half is the time of the fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MessageId(u64);

/// Bits of an id that count within a millisecond.
const SEQUENCE_BITS: u32 = 20;

impl MessageId {
    /// Before every id that is ever given: `0-0`.
    pub const ZERO: MessageId = MessageId(0);

    /// The greatest that there can be; none is ever given that is so late.
    pub const MAX: MessageId = MessageId(i64::MAX as u64);

    /// When it happened.
    pub fn at(self) -> WallTime {
        WallTime::from_millis(self.0 >> SEQUENCE_BITS)
    }

    /// The first that can be given at this time.
    pub const fn first_at(at: WallTime) -> MessageId {
        MessageId(at.as_millis() << SEQUENCE_BITS)
    }

    /// As one number, in the order of ids, never negative: for what is kept.
    pub const fn to_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// What [`to_i64`](Self::to_i64) gave. `None` for a number that is no id.
    pub fn from_i64(number: i64) -> Option<MessageId> {
        u64::try_from(number).ok().map(MessageId)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sequence = self.0 & ((1 << SEQUENCE_BITS) - 1);
        write!(f, "{}-{sequence}", self.0 >> SEQUENCE_BITS)
    }
}

/// A text that is no id of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnId;

impl FromStr for MessageId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<MessageId, NotAnId> {
        let (millis, sequence) = text.split_once('-').ok_or(NotAnId)?;
        let number = |digits: &str| {
            let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_plain
                .then(|| digits.parse::<u64>().ok())
                .flatten()
                .ok_or(NotAnId)
        };
        let (millis, sequence) = (number(millis)?, number(sequence)?);
        if millis >> (63 - SEQUENCE_BITS) > 0 || sequence >> SEQUENCE_BITS > 0 {
            return Err(NotAnId);
        }
        Ok(MessageId(millis << SEQUENCE_BITS | sequence))
    }
}

/// Gives out ids, each greater than the one before.
#[derive(Debug, Default)]
pub(super) struct MessageIds {
    last: MessageId,
    now: WallTime,
}

impl MessageIds {
    /// Ids that are given from now on are of this time, unless the wall clock went back.
    pub(super) fn set_time(&mut self, now: WallTime) {
        self.now = now;
    }

    /// The id of what happens next.
    pub(super) fn next(&mut self) -> MessageId {
        let first_of_now = self.now.as_millis() << SEQUENCE_BITS;
        self.last = MessageId(first_of_now.max(self.last.0 + 1));
        self.last
    }

    /// No id up to this one is given any more.
    pub(super) fn skip(&mut self, last: MessageId) {
        self.last = self.last.max(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_whatever_the_clock_does() {
        let mut ids = MessageIds::default();
        let mut given = Vec::new();
        for millis in [1000, 1000, 999, 1, 1001, 1001, 1000] {
            ids.set_time(WallTime::from_millis(millis));
            given.push(ids.next().to_string());
        }
        let expected = [
            "1000-0", "1000-1", "1000-2", "1000-3", "1001-0", "1001-1", "1001-2",
        ];
        assert_eq!(given, expected);
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for text in ["0-0", "1790000000123-0", "1790000000123-1048575"] {
            assert_eq!(text.parse::<MessageId>().unwrap().to_string(), text);
        }
        let id = "1790000000123-7".parse::<MessageId>().unwrap();
        assert_eq!(MessageId::from_i64(id.to_i64()), Some(id));
        assert_eq!(MessageId::from_i64(-1), None);
        assert!(MessageId::first_at(id.at()) < id && id < MessageId::MAX);
        let at = id.at();
        assert_eq!(at.as_millis(), 1_790_000_000_123);
        for wrong in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "+1-0",
            "1-1048576",
            "9999999999999999-0",
            "a-b",
            "1-2-3",
        ] {
            assert_eq!(wrong.parse::<MessageId>(), Err(NotAnId), "{wrong}");
        }
    }
}
