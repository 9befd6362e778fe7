//! `End`: how a run of the client ended, as its exit code and the one line that says why.
//! Nobody prints here: the binary does.

use crate::clean::Clean;

/// Why the client is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The user left, or all that was given to send is sent.
    Left,
    /// Standard output took no more, for another reason than that its reader went away.
    OutputLost(Clean),
    /// The link was lost, and coming back was not wanted.
    LinkLost(Clean),
    /// The command line cannot be obeyed.
    Usage(Clean),
    /// No link came about.
    CannotConnect(Clean),
    /// Whatever answers there does not speak the chat line protocol.
    NotChat(Clean),
    /// The server refused this client, or what it was to send.
    Refused(Clean),
}

impl End {
    /// The exit code; from 64 on these are those of sysexits.h.
    pub fn code(&self) -> u8 {
        match self {
            End::Left => 0,
            End::OutputLost(_) | End::LinkLost(_) => 1,
            End::Usage(_) => 2,
            End::CannotConnect(_) => 69,
            End::NotChat(_) => 76,
            End::Refused(_) => 77,
        }
    }

    /// What there is to say about it, in one line; nothing about a good end.
    pub fn words(&self) -> Option<&Clean> {
        match self {
            End::Left => None,
            End::OutputLost(words)
            | End::LinkLost(words)
            | End::Usage(words)
            | End::CannotConnect(words)
            | End::NotChat(words)
            | End::Refused(words) => Some(words),
        }
    }
}
