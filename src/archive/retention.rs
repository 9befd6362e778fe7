//! What is too old or too much to be kept: up to which message it goes. Pure arithmetic; when it is
//! done, and in which slices, is the store's business (`net/store`).

use std::time::Duration;

use crate::chat::MessageId;
use crate::time::WallTime;

/// By how much the two clocks may differ: a jump of the wall clock must not delete everything.
const CLOCKS_APART: Duration = Duration::from_secs(60 * 60);

/// Whether since the start the wall clock has gone further than time has, or less far.
pub fn clocks_are_apart(started: WallTime, now: WallTime, elapsed: Duration) -> bool {
    let expected = started
        .as_millis()
        .saturating_add(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
    let difference = expected.abs_diff(now.as_millis());
    Duration::from_millis(difference) > CLOCKS_APART
}

/// What is older than this is too old.
pub fn cutoff_for_age(now: WallTime, keep: Duration) -> MessageId {
    let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    let oldest = now.as_millis().saturating_sub(keep);
    MessageId::first_at(WallTime::from_millis(oldest))
}

/// Where so many bytes are too much for `bytes_max`, what is older than this goes: by the time
/// between the oldest and the newest message, as if as much was said at any time. Where that is
/// wrong the next look, which finds less, goes on from there. `None` if it is not too much.
pub fn cutoff_for_bytes(
    oldest: MessageId,
    newest: MessageId,
    bytes: u64,
    bytes_max: u64,
) -> Option<MessageId> {
    let excess = bytes.checked_sub(bytes_max).filter(|&excess| excess > 0)?;
    let span = i128::from(newest.to_i64()) - i128::from(oldest.to_i64());
    let part = span * i128::from(excess) / i128::from(bytes);
    let cutoff = i64::try_from(i128::from(oldest.to_i64()) + part + 1).ok()?;
    MessageId::from_i64(cutoff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(millis: u64) -> WallTime {
        WallTime::from_millis(millis)
    }

    #[test]
    fn a_jump_of_the_clock_is_seen_in_both_directions() {
        let hours = |count: u64| Duration::from_secs(count * 3600);
        let day = 24 * 3_600_000;
        assert!(!clocks_are_apart(wall(day), wall(2 * day), hours(24)));
        assert!(!clocks_are_apart(wall(day), wall(2 * day), hours(25)));
        assert!(clocks_are_apart(wall(day), wall(2 * day), hours(22)));
        assert!(clocks_are_apart(wall(day), wall(0), hours(0)));
    }

    #[test]
    fn the_older_part_goes_by_age_or_by_size() {
        let by_age = cutoff_for_age(wall(100_000), Duration::from_secs(40));
        assert_eq!(by_age.to_string(), "60000-0");
        assert_eq!(
            cutoff_for_age(wall(1), Duration::from_secs(40)),
            MessageId::ZERO
        );

        let id = |text: &str| text.parse::<MessageId>().unwrap();
        assert_eq!(cutoff_for_bytes(id("0-0"), id("1000-0"), 100, 100), None);
        let quarter = cutoff_for_bytes(id("0-0"), id("1000-0"), 400, 300).unwrap();
        assert_eq!(quarter.to_string(), "250-1");
        // However little it is, the oldest message goes.
        let least = cutoff_for_bytes(id("7-0"), id("7-0"), 301, 300).unwrap();
        assert!(least > id("7-0"));
    }
}
