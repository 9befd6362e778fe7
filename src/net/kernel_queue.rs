//! What the kernel still holds for a peer, and whether that peer acknowledges anything: TCP_INFO and
//! SIOCOUTQ and SIOCOUTQNSD (tcp(7)). One of two modules with `unsafe` (the other is `heap`): no crate that is kept gives these two without.
//! Nothing is decided here; `watch` asks.
#![allow(
    unsafe_code,
    reason = "two system calls that write into memory of known size; see each"
)]

use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// What the kernel says of the sending side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Acknowledging {
    /// Segments are under way that were not acknowledged.
    pub(super) is_owed: bool,
    /// How often in a row the peer was asked whether it has room again, without an answer.
    pub(super) probes_unanswered: u8,
    /// How long ago the last acknowledgement came.
    pub(super) last: Duration,
    /// How long ago the last data was sent, for the first time or again.
    pub(super) last_sent: Duration,
}

/// Bytes that were written to the socket and not acknowledged, sent or not.
///
/// # Errors
/// Those of ioctl(2).
pub(super) fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> io::Result<u64> {
    queued_bytes(socket, SIOCOUTQ)
}

/// Bytes that were written to the socket and not sent even once; the end of our side counts as one.
///
/// # Errors
/// Those of ioctl(2).
pub(super) fn unsent_bytes(socket: BorrowedFd<'_>) -> io::Result<u64> {
    queued_bytes(socket, SIOCOUTQNSD)
}

const SIOCOUTQ: libc::Ioctl = libc::TIOCOUTQ as libc::Ioctl;
/// Of `linux/sockios.h`; the crate has it for some targets only.
const SIOCOUTQNSD: libc::Ioctl = 0x894b;

fn queued_bytes(socket: BorrowedFd<'_>, request: libc::Ioctl) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: both requests write one int, to which the pointer leads for the time of the call; the
    // descriptor is open as long as it is borrowed.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut bytes) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Offsets of fields of `struct tcp_info` of Linux, which only ever grows at its end.
const PROBES: usize = 3;
const UNACKED: usize = 24;
const LAST_DATA_SENT: usize = 44;
const LAST_ACK_RECV: usize = 56;

/// Whether the peer acknowledges what it gets.
///
/// # Errors
/// Those of getsockopt(2).
pub(super) fn acknowledging(socket: BorrowedFd<'_>) -> io::Result<Acknowledging> {
    let mut info = [0u8; 104];
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` bytes to `info`, which has so many, any of which
    // may have any value, and one length to `length`; both live for the time of the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let field = |offset: usize| {
        let bytes = info[offset..offset + 4].try_into();
        u32::from_ne_bytes(bytes.expect("four bytes were taken"))
    };
    Ok(Acknowledging {
        is_owed: field(UNACKED) > 0,
        probes_unanswered: info[PROBES],
        last: Duration::from_millis(field(LAST_ACK_RECV).into()),
        last_sent: Duration::from_millis(field(LAST_DATA_SENT).into()),
    })
}
