//! How a connection may end: its summary against what happened to it and what its peer has read.

use chatd::config::Limits;
use chatd::session::{CloseReason, ConnectionSummary};

use crate::socket::{Sending, Socket, Sockets};

/// Checks the summary of a connection.
///
/// # Panics
/// When it did not happen so.
pub fn check(socket: &Socket, summary: &ConnectionSummary, sockets: &Sockets) {
    assert_eq!(summary.bytes_in, socket.bytes_in);
    assert_eq!(summary.bytes_out, socket.bytes_out);
    assert!(summary.name.is_some() || !socket.heard.welcomed);
    let possible = match summary.reason {
        CloseReason::Quit | CloseReason::WrongProtocol => socket.bytes_in > 0,
        CloseReason::TooSlow => socket.was_behind || can_overflow(socket, &sockets.limits),
        CloseReason::HungUp => {
            // Who breaks off behind that is waited for, but not for long.
            assert!(
                summary.lines_in == socket.lines_in || socket.sending == Sending::Broken,
                "it said more than was handled"
            );
            socket.sending != Sending::Open
        }
        CloseReason::ConnectionLost => socket.sending == Sending::Broken,
        CloseReason::NameTimeout => summary.name.is_none(),
        CloseReason::Kicked => socket.kicked && summary.name.is_some(),
        CloseReason::Replaced => {
            check_replaced(socket, summary, &sockets.limits);
            socket.bytes_in > 0 && summary.name.is_some()
        }
        CloseReason::ServerFull | CloseReason::TooManyFromAddress => socket.refused,
        CloseReason::ShuttingDown => sockets.is_stopping,
        // There is neither a web door here, nor TLS, nor a limit of clients, nor a ban, and nobody sends so much.
        CloseReason::MadeRoom
        | CloseReason::Banned
        | CloseReason::Unfinished
        | CloseReason::Answered
        | CloseReason::TlsFault
        | CloseReason::HalfFrame
        | CloseReason::TlsRequired
        | CloseReason::WrongPassword => false,
    };
    assert!(possible, "{summary:?} of {socket:?}");
    // To a connection that is broken nothing can be said.
    if socket.shut && socket.sending != Sending::Broken {
        check_last_word(socket, summary, sockets);
    }
}

/// What it had sent comes before who takes its place, unless it did not read either.
fn check_replaced(socket: &Socket, summary: &ConnectionSummary, limits: &Limits) {
    let (lines, unread_bytes) = socket.come_by_end.unwrap_or_else(|| socket.come_by_now());
    // Reads of a byte each do not come to the end of much.
    if limits.outbox_bytes_max >= 1 << 20 && limits.read_bytes_max >= 64 {
        assert_eq!(unread_bytes, 0, "it had sent more");
        assert_eq!(summary.lines_in, lines, "it had said more");
    }
}

/// Whether one turn may be too much for somebody who reads everything: only when its outbox is
/// small; and before it said anything it was told no more than what to do.
fn can_overflow(socket: &Socket, limits: &Limits) -> bool {
    let most_in_a_turn = if socket.bytes_in == 0 { 100 } else { 1 << 20 };
    limits.outbox_bytes_max < most_in_a_turn
}

/// Somebody who has read everything has read why, and all that it was to hear before.
fn check_last_word(socket: &Socket, summary: &ConnectionSummary, sockets: &Sockets) {
    let heard = &socket.heard;
    assert!(heard.is_whole(), "the last line is not whole");
    let reason = summary.reason;
    let last_word = reason.refusal().map(|refusal| refusal.code());
    // Who never spoke goes without a word, unless it found no place.
    let may_be_silent = !socket.had_spoken && !reason.is_told_unasked();
    if !may_be_silent || heard.last_word.is_some() {
        assert_eq!(heard.last_word.as_deref(), last_word, "{summary:?}");
    }
    // A cut throws away what was counted with the lines before it.
    if reason != CloseReason::TooSlow {
        assert_eq!(summary.lines_out, heard.lines);
        heard.check_complete(&sockets.log);
    }
}
