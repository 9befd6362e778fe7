//! What can go wrong in a run, in words. A run with a fault has no figures:
//! a number from a conversation that lost a line means nothing.

use std::fmt;
use std::io;

/// Why a run has no result.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A system call failed.
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// TLS does not allow it.
    Tls {
        /// What was being done.
        doing: String,
        /// What rustls said.
        source: rustls::Error,
    },
    /// The server refused a connection or ended it.
    Refused {
        /// Number of the connection.
        connection: u32,
        /// The last words of the server, as far as they were read.
        words: String,
    },
    /// A line is not the one that was due: lost, repeated, out of order or changed.
    Mangled {
        /// Number of the connection.
        connection: u32,
        /// The line that was due.
        due: String,
        /// What came.
        found: String,
    },
    /// The bytes of a connection differ from those of another in the same room.
    Differs {
        /// Number of the connection.
        connection: u32,
        /// Which 64 KiB of the stream, from 0.
        block: u64,
    },
    /// Not everything arrived in time, or more than was sent.
    Incomplete {
        /// Number of the connection.
        connection: u32,
        /// What is missing or too much.
        what: String,
    },
    /// A server that was to be started did not come up.
    NoServer(String),
    /// Another thread has the fault.
    Elsewhere,
}

impl Fault {
    /// An I/O error with what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Fault {
        let doing = doing.into();
        move |source| Fault::Io { doing, source }
    }

    /// An error of rustls with what was being done.
    pub(crate) fn tls(doing: impl Into<String>) -> impl FnOnce(rustls::Error) -> Fault {
        let doing = doing.into();
        move |source| Fault::Tls { doing, source }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Io { doing, source } => write!(out, "{doing}: {source}"),
            Fault::Tls { doing, source } => write!(out, "{doing}: {source}"),
            Fault::Refused { connection, words } => {
                write!(
                    out,
                    "connection {connection} was refused or ended: {words:?}"
                )
            }
            Fault::Mangled {
                connection,
                due,
                found,
            } => write!(
                out,
                "connection {connection}: {due:?} was due, {found:?} came"
            ),
            Fault::Differs { connection, block } => write!(
                out,
                "connection {connection}: 64 KiB number {block} is not what others in the room received"
            ),
            Fault::Incomplete { connection, what } => {
                write!(out, "connection {connection}: {what}")
            }
            Fault::NoServer(why) => write!(out, "{why}"),
            Fault::Elsewhere => write!(out, "another thread failed"),
        }
    }
}
