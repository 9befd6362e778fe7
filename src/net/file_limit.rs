//! The limit of open files: raised as far as it goes, and what it leaves for clients.
//! Not what happens when it is reached while running (that is `accept`). Asked once, by `main`.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not for clients: standard streams, a few sockets to listen on, the poll, the
/// signals, the service manager, and some to answer those who are one too many.
pub const FILES_RESERVED: usize = 32;
/// Sockets to listen on for which the reserve has room; it grows by those beyond.
const LISTENERS_IN_RESERVE: usize = 4;
/// Clients for which it is worth to start.
const CLIENTS_MIN: usize = 32;

/// Fewer open files are allowed than a server needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFewFiles {
    /// How many are.
    pub files_max: u64,
    /// How many it takes.
    pub files_min: usize,
}

impl fmt::Display for TooFewFiles {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "only {} open files are allowed, and chatd needs {} or more: \
             raise the limit (ulimit -n, or LimitNOFILE= in the unit)",
            self.files_max, self.files_min
        )
    }
}

impl std::error::Error for TooFewFiles {}

/// Raises the soft limit of open files to the hard one. The files that may then be open at once;
/// where the limit cannot be raised, that is the soft limit as it was.
pub fn raise() -> u64 {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    // Fails where a hard limit is above what the kernel now allows: then nothing has changed.
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => before.current,
    };
    now.unwrap_or(u64::MAX)
}

/// The clients that can be served at once where `wanted` are asked for, `files_max` files may be
/// open, and so many sockets listen or are kept for operators.
///
/// # Errors
/// When there are fewer files than a server needs.
pub fn clients_max(wanted: usize, files_max: u64, listeners: usize) -> Result<usize, TooFewFiles> {
    let reserved = FILES_RESERVED + listeners.saturating_sub(LISTENERS_IN_RESERVE);
    let files_min = reserved + CLIENTS_MIN;
    let files = usize::try_from(files_max).unwrap_or(usize::MAX);
    if files < files_min {
        return Err(TooFewFiles {
            files_max,
            files_min,
        });
    }
    Ok(wanted.min(files - reserved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_the_files_leave() {
        assert_eq!(clients_max(100, u64::MAX, 1), Ok(100));
        assert_eq!(clients_max(100, 132, 1), Ok(100));
        assert_eq!(clients_max(100, 131, 1), Ok(99));
        assert_eq!(clients_max(100, 64, 1), Ok(32));
        let refused = |files_max, files_min| {
            Err(TooFewFiles {
                files_max,
                files_min,
            })
        };
        assert_eq!(clients_max(100, 63, 1), refused(63, 64));
        assert_eq!(clients_max(100, 132, 14), Ok(90));
        assert_eq!(clients_max(100, 73, 14), refused(73, 74));
    }
}
