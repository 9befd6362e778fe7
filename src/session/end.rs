//! Why connections end, and what there is to say about one that is gone. How a session ends is the
//! hub's doing.

use std::fmt;
use std::time::Duration;

use crate::chat::Cause;
use crate::dialect::Refusal;

/// Why a connection ended. Every connection has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// It said `/quit`.
    Quit,
    /// It closed its side.
    HungUp,
    /// The connection broke.
    ConnectionLost,
    /// It read too slowly.
    TooSlow,
    /// It kept much of what it sent unfinished, and that memory was needed.
    Unfinished,
    /// It gave no name.
    NameTimeout,
    /// It gave a wrong password as often as it may.
    WrongPassword,
    /// The operator threw it out.
    Kicked,
    /// The operator has shut it out.
    Banned,
    /// The same member came back on another connection.
    Replaced,
    /// It spoke another protocol.
    WrongProtocol,
    /// What it sent as TLS is none, or a part of it did not come in time.
    TlsFault,
    /// It began a frame of a WebSocket, and did not finish it in time.
    HalfFrame,
    /// It came without TLS, which is required here.
    TlsRequired,
    /// There was no place.
    ServerFull,
    /// There was no place for one more from its address.
    TooManyFromAddress,
    /// It said nothing, and its place was needed.
    MadeRoom,
    /// The server stopped.
    ShuttingDown,
    /// Its request over HTTP was answered.
    Answered,
}

impl CloseReason {
    /// All of them, in their order, each with its word for programs.
    pub const ALL: [(CloseReason, &str); CloseReason::Answered as usize + 1] = [
        (CloseReason::Quit, "quit"),
        (CloseReason::HungUp, "hung-up"),
        (CloseReason::ConnectionLost, "connection-lost"),
        (CloseReason::TooSlow, "too-slow"),
        (CloseReason::Unfinished, "unfinished"),
        (CloseReason::NameTimeout, "name-timeout"),
        (CloseReason::WrongPassword, "wrong-password"),
        (CloseReason::Kicked, "kicked"),
        (CloseReason::Banned, "banned"),
        (CloseReason::Replaced, "replaced"),
        (CloseReason::WrongProtocol, "wrong-protocol"),
        (CloseReason::TlsFault, "tls-fault"),
        (CloseReason::HalfFrame, "half-frame"),
        (CloseReason::TlsRequired, "tls-required"),
        (CloseReason::ServerFull, "server-full"),
        (CloseReason::TooManyFromAddress, "too-many-from-address"),
        (CloseReason::MadeRoom, "made-room"),
        (CloseReason::ShuttingDown, "shutting-down"),
        (CloseReason::Answered, "answered"),
    ];

    /// Its place in [`CloseReason::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Why its member left, as the others are told.
    pub fn cause(self) -> Cause {
        match self {
            CloseReason::ConnectionLost | CloseReason::TlsFault | CloseReason::HalfFrame => {
                Cause::Lost
            }
            CloseReason::TooSlow | CloseReason::Unfinished => Cause::TooSlow,
            CloseReason::Kicked => Cause::Kicked,
            CloseReason::Banned => Cause::Banned,
            CloseReason::ShuttingDown => Cause::Stopped,
            CloseReason::Quit
            | CloseReason::HungUp
            | CloseReason::Replaced
            | CloseReason::NameTimeout
            | CloseReason::WrongPassword
            | CloseReason::WrongProtocol
            | CloseReason::TlsRequired
            | CloseReason::ServerFull
            | CloseReason::TooManyFromAddress
            | CloseReason::MadeRoom
            | CloseReason::Answered => Cause::Quit,
        }
    }

    /// The last word for the connection itself, when it was the server that ended it.
    pub fn refusal(self) -> Option<Refusal<'static>> {
        match self {
            CloseReason::Quit
            | CloseReason::HungUp
            | CloseReason::ConnectionLost
            | CloseReason::MadeRoom
            | CloseReason::Answered
            | CloseReason::TlsFault
            | CloseReason::HalfFrame => None,
            CloseReason::TooSlow => Some(Refusal::TooSlow),
            CloseReason::Unfinished => Some(Refusal::LineTooLong),
            CloseReason::NameTimeout => Some(Refusal::NameTimeout),
            CloseReason::WrongPassword => Some(Refusal::WrongPassword),
            CloseReason::Kicked => Some(Refusal::Kicked(None)),
            CloseReason::Banned => Some(Refusal::Banned(None)),
            CloseReason::Replaced => Some(Refusal::Replaced),
            CloseReason::WrongProtocol => Some(Refusal::WrongProtocol),
            CloseReason::TlsRequired => Some(Refusal::TlsRequired),
            CloseReason::ServerFull => Some(Refusal::ServerFull),
            CloseReason::TooManyFromAddress => Some(Refusal::TooManyFromAddress),
            CloseReason::ShuttingDown => Some(Refusal::ShuttingDown),
        }
    }

    /// Whether its last word is said even to a connection that never spoke. To others nothing is
    /// written before they have: it could be a browser's, which would take it for an answer.
    pub fn is_told_unasked(self) -> bool {
        matches!(
            self,
            CloseReason::ServerFull | CloseReason::TooManyFromAddress | CloseReason::Banned
        )
    }
}

/// As the log has it.
impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::Quit => "quit",
            CloseReason::HungUp => "hung up",
            CloseReason::ConnectionLost => "connection lost",
            CloseReason::TooSlow => "too slow",
            CloseReason::Unfinished => "it kept much unfinished, and that memory was needed",
            CloseReason::NameTimeout => "no name in time",
            CloseReason::WrongPassword => "wrong passwords",
            CloseReason::Kicked => "kicked",
            CloseReason::Banned => "banned",
            CloseReason::Replaced => "replaced by another connection",
            CloseReason::WrongProtocol => "another protocol",
            CloseReason::TlsFault => "TLS fault",
            CloseReason::HalfFrame => "half a frame, not finished in time",
            CloseReason::TlsRequired => "TLS is required",
            CloseReason::ServerFull => "server full",
            CloseReason::TooManyFromAddress => "too many from its address",
            CloseReason::MadeRoom => "silent, and its place was needed",
            CloseReason::ShuttingDown => "shutting down",
            CloseReason::Answered => "answered",
        })
    }
}

/// What there is to say about a connection that is gone.
#[derive(Debug)]
pub struct ConnectionSummary {
    /// What it was called, if it ever had a name.
    pub name: Option<Box<str>>,
    /// Why it ended.
    pub reason: CloseReason,
    /// Lines that came from it.
    pub lines_in: u64,
    /// Bytes that came from it.
    pub bytes_in: u64,
    /// Lines it took.
    pub lines_out: u64,
    /// Bytes it took.
    pub bytes_out: u64,
    /// How long it was there.
    pub duration: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_place() {
        for (place, (reason, word)) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), place, "{word}");
        }
    }
}
