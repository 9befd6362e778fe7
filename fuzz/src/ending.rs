//! How a connection may end: its farewell against what happened to it and what its peer has read.

use chatd::config::Limits;
use chatd::hub::{CloseReason, Farewell};

use crate::socket::{Sending, Socket};

/// Checks the farewell of a connection. `stopping`: the server was told to stop.
///
/// # Panics
/// When it did not happen so.
pub fn check(socket: &Socket, farewell: &Farewell, limits: &Limits, stopping: bool) {
    assert_eq!(farewell.bytes_in, socket.bytes_in);
    assert_eq!(farewell.bytes_out, socket.bytes_out);
    assert!(farewell.name.is_some() || !socket.heard.welcomed);
    let possible = match farewell.reason {
        CloseReason::Quit | CloseReason::WrongProtocol => socket.bytes_in > 0,
        CloseReason::TooSlow => socket.was_behind || can_overflow(socket, limits),
        CloseReason::HungUp => {
            assert_eq!(
                farewell.lines_in, socket.lines_in,
                "it said more than was handled"
            );
            socket.sending != Sending::Open
        }
        CloseReason::ConnectionLost => socket.sending == Sending::Broken,
        CloseReason::NameTimeout => farewell.name.is_none(),
        CloseReason::Kicked => socket.kicked && farewell.name.is_some(),
        CloseReason::ServerFull | CloseReason::TooManyFromAddress => socket.refused,
        CloseReason::ShuttingDown => stopping,
    };
    assert!(possible, "{farewell:?} of {socket:?}");
    if socket.shut {
        check_last_word(socket, farewell);
    }
}

/// Whether one turn may be too much for somebody who reads everything: only when its outbox is
/// small; and before it said anything it was told no more than what to do.
fn can_overflow(socket: &Socket, limits: &Limits) -> bool {
    let most_in_a_turn = if socket.bytes_in == 0 { 100 } else { 1 << 20 };
    limits.outbox_bytes_max < most_in_a_turn
}

/// Somebody who has read everything has read why.
fn check_last_word(socket: &Socket, farewell: &Farewell) {
    let heard = &socket.heard;
    assert!(heard.is_whole(), "the last line is not whole");
    let last_word = farewell.reason.refusal().map(|refusal| refusal.code());
    assert_eq!(heard.last_word.as_deref(), last_word, "{farewell:?}");
    // A cut throws away what was counted with the lines before it.
    if farewell.reason != CloseReason::TooSlow {
        assert_eq!(farewell.lines_out, heard.lines);
    }
}
