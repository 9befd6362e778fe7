//! What the kernel says of a socket, as the turn takes it. A function; it owns nothing.

use crate::turn::Event;

/// An end of the other side is something to read.
pub(super) fn of(event: &mio::event::Event) -> Event {
    Event {
        readable: event.is_readable() || event.is_read_closed(),
        writable: event.is_writable(),
        failed: event.is_error(),
    }
}
