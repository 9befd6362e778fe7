//! The limit of open files: raised as far as it goes, and what it leaves for clients.
//! Not what happens when it is reached while running (that is `server`). Asked once, by `main`.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not for clients: standard streams, sockets to listen on, the poll, the
/// signals, the service manager, and a few to answer those who are one too many.
pub const FILES_RESERVED: u64 = 32;
/// With fewer than this there would be hardly a client: better not to start.
pub const FILES_MIN: u64 = 64;

/// Fewer than [`FILES_MIN`] open files are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFewFiles {
    /// How many are.
    pub files_max: u64,
}

impl fmt::Display for TooFewFiles {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "only {} open files are allowed, and chatd needs {FILES_MIN} or more: \
             raise the limit (ulimit -n, or LimitNOFILE= in the unit)",
            self.files_max
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

/// The clients that can be served at once where `wanted` are asked for and `files_max` files
/// may be open.
///
/// # Errors
/// When there are fewer files than a server needs.
pub fn clients_max(wanted: usize, files_max: u64) -> Result<usize, TooFewFiles> {
    if files_max < FILES_MIN {
        return Err(TooFewFiles { files_max });
    }
    let left = usize::try_from(files_max - FILES_RESERVED).unwrap_or(usize::MAX);
    Ok(wanted.min(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_the_files_leave() {
        assert_eq!(clients_max(100, u64::MAX), Ok(100));
        assert_eq!(clients_max(100, 132), Ok(100));
        assert_eq!(clients_max(100, 131), Ok(99));
        assert_eq!(clients_max(100, 64), Ok(32));
        let refused = TooFewFiles { files_max: 63 };
        assert_eq!(clients_max(100, 63), Err(refused));
    }
}
