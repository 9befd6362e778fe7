//! What the engine is told of the world beside its sockets: the time of day, and bits that nobody
//! can guess. Two functions; they own nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::time::WallTime;

/// The time of day.
pub(super) fn wall_time() -> WallTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since_1970.map_or(0, |time| time.as_millis());
    WallTime::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// Bits of the kernel that nobody can guess.
pub(super) fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    let count = getrandom(&mut bytes, GetRandomFlags::empty());
    assert_eq!(
        count,
        Ok(bytes.len()),
        "the kernel gives so few random bytes at once"
    );
    bytes
}
