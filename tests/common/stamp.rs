//! [`hide_stamp`]: the times in what the server says, checked and then put out of the way, so that
//! a test can say a whole line. Nothing else is changed in a line.

use jiff::{Timestamp, Zoned};

/// How far a time of the server may be from that of this process, which may have been waiting.
const SECONDS_MAX: i64 = 300;

/// A line with the word `MINUTE` or `SECOND` for a time that is right: as in
/// `* last 2 messages, from MINUTE:` and `= SECOND <ann> hello`. Other lines stay as they are.
#[track_caller]
pub fn hide_stamp(line: &str) -> String {
    if let Some(rest) = line.strip_prefix("* last ")
        && let Some((count, stamp)) = rest.split_once(", from ")
    {
        let minute = stamp.strip_suffix(" UTC:").expect("a time in UTC");
        check(&format!("{}:00Z", minute.replacen(' ', "T", 1)), 20);
        return format!("* last {count}, from MINUTE:");
    }
    if let Some(rest) = line.strip_prefix("= 2")
        && let Some((stamp, said)) = rest.split_once(' ')
        && said.starts_with('<')
    {
        check(&format!("2{stamp}"), 20);
        return format!("= SECOND {said}");
    }
    line.to_owned()
}

/// A time in RFC 3339 of so many characters, in UTC, and about now.
#[track_caller]
pub fn check(stamp: &str, length: usize) {
    assert!(stamp.ends_with('Z') && stamp.len() == length, "{stamp}");
    let told: Timestamp = stamp.parse().expect("a time");
    let apart = (told.as_second() - Zoned::now().timestamp().as_second()).abs();
    assert!(apart <= SECONDS_MAX, "{stamp} is {apart} s from now");
}
