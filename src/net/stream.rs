//! `Stream`: what a connection is carried by, told apart by its first two bytes. They are TLS's, or
//! they are handed on untouched: what is said over it is told apart by the session. And how bytes
//! are read. Owned by a connection.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::turn::Fill;

use super::tls::TlsKey;

/// What carries a connection. Eight bytes, since every connection has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Nothing was read or written yet.
    New(AcceptedAt),
    /// One byte was read, which TLS begins with.
    FirstByte(AcceptedAt),
    /// Bytes as they are. For good.
    Plain,
    /// TLS. For good.
    Tls(TlsKey),
}

/// When a connection was accepted: milliseconds since the server began to accept, which come again
/// after seven weeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AcceptedAt(u32);

impl AcceptedAt {
    pub(super) fn new(started_at: Instant, now: Instant) -> AcceptedAt {
        // Cut to what comes again.
        AcceptedAt((now - started_at).as_millis() as u32)
    }

    /// The moment, as seen from `now`, which is less than seven weeks later.
    pub(super) fn instant(self, started_at: Instant, now: Instant) -> Instant {
        let AcceptedAt(now_millis) = AcceptedAt::new(started_at, now);
        now - Duration::from_millis(now_millis.wrapping_sub(self.0).into())
    }
}

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Nothing yet.
    Unknown,
    Tls,
    Plain,
}

/// The first byte of a TLS record that holds a handshake, and of its version (RFC 8446, 5.1).
pub(super) const HANDSHAKE: u8 = 0x16;
const VERSION: u8 = 0x03;

/// What these first bytes of a connection say.
pub(super) fn beginning(first: &[u8]) -> Beginning {
    match first {
        [] | [HANDSHAKE] => Beginning::Unknown,
        [HANDSHAKE, VERSION, ..] => Beginning::Tls,
        _ => Beginning::Plain,
    }
}

/// Reads behind the first `length` bytes, until the buffer is full or the socket exhausted.
pub(super) fn read(socket: &mut impl Read, buffer: &mut [u8], mut length: usize) -> (usize, Fill) {
    while length < buffer.len() {
        match socket.read(&mut buffer[length..]) {
            Ok(0) => return (length, Fill::Ended),
            Ok(count) => length += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return (length, Fill::Exhausted);
            }
            Err(_) => return (length, Fill::Lost),
        }
    }
    (length, Fill::Full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_small() {
        assert_eq!(size_of::<Stream>(), 8);
    }

    #[test]
    fn a_moment_is_known_again_after_seven_weeks() {
        let started_at = Instant::now();
        for (accepted, now) in [(0, 0), (5, 12_000), (u64::from(u32::MAX) - 1, 1 << 32)] {
            let accepted = started_at + Duration::from_millis(accepted);
            let now = started_at + Duration::from_millis(now);
            let kept = AcceptedAt::new(started_at, accepted);
            assert_eq!(kept.instant(started_at, now), accepted);
        }
    }

    #[test]
    fn any_two_bytes_decide() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let is_tls = (first, second) == (0x16, 0x03);
                let wanted = if is_tls {
                    Beginning::Tls
                } else {
                    Beginning::Plain
                };
                assert_eq!(beginning(&[first, second]), wanted);
                let early = beginning(&[first]);
                assert!(early == wanted || early == Beginning::Unknown);
            }
        }
    }
}
