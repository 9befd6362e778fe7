//! Times of the wall clock as text, always UTC: for a language's lines, by the calendar of jiff.
//! Not the operator's board, which shows local time. Pure functions.

use std::fmt;

use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;

use crate::time::WallTime;

/// RFC 3339 with milliseconds, `2026-11-20T22:14:09.123Z`, as its `Display`.
#[derive(Debug, Clone, Copy)]
pub struct Rfc3339Millis(pub WallTime);

impl fmt::Display for Rfc3339Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", timestamp(self.0))
    }
}

/// `2026-11-20 22:14 UTC`, as its `Display`.
#[derive(Debug, Clone, Copy)]
pub struct Minutes(pub WallTime);

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        write_minutes(self.0, &mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// Appends `2026-11-20T22:14:09Z`: RFC 3339 with seconds.
pub fn write_seconds(at: WallTime, out: &mut Vec<u8>) {
    DateTimePrinter::new()
        .precision(Some(0))
        .print_timestamp(&timestamp(at), out)
        .expect("memory takes all");
}

/// Appends `2026-11-20 22:14 UTC`.
pub fn write_minutes(at: WallTime, out: &mut Vec<u8>) {
    BrokenDownTime::from(TimeZone::UTC.to_datetime(timestamp(at)))
        .format("%Y-%m-%d %H:%M UTC", out)
        .expect("a date and a time are there, and memory takes all");
}

/// Past the year 9999, where four digits and the calendar end, the last moment of it.
fn timestamp(at: WallTime) -> Timestamp {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: fn(WallTime, &mut Vec<u8>), millis: u64) -> String {
        let mut out = Vec::new();
        write(WallTime::from_millis(millis), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_utc_and_cut_not_rounded() {
        let millis = 1_795_212_849_999;
        assert_eq!(written(write_seconds, millis), "2026-11-20T22:14:09Z");
        assert_eq!(written(write_minutes, millis), "2026-11-20 22:14 UTC");
        let precise = Rfc3339Millis(WallTime::from_millis(millis)).to_string();
        assert_eq!(precise, "2026-11-20T22:14:09.999Z");
    }

    #[test]
    fn every_time_has_the_same_length() {
        for millis in [0, 1, 1000, 1_790_000_000_000, (1 << 43) - 1, u64::MAX] {
            let precise = Rfc3339Millis(WallTime::from_millis(millis)).to_string();
            assert_eq!(precise.len(), 24, "{millis}");
            assert_eq!(written(write_seconds, millis).len(), 20, "{millis}");
            assert_eq!(written(write_minutes, millis).len(), 20, "{millis}");
        }
    }
}
