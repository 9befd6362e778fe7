//! `StandardStream`: standard output or standard error, written to without ever waiting for who
//! reads it. What to do with what is not taken is not decided here: `printer` keeps it,
//! `error_stream` counts it. Owned by those two.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

/// Where the bytes go. Making the stream itself non-blocking would do it to every process that
/// shares it, such as the shell.
#[derive(Debug)]
pub(super) enum StandardStream {
    /// The same pipe or terminal, opened once more, so that not to wait concerns nobody else.
    Own(File),
    /// What cannot be opened again: a socket, a file (which has no reader to wait for), or
    /// somebody else's terminal. It is asked first whether it takes something.
    Shared(BorrowedFd<'static>),
}

/// What a socket that takes anything takes, without making the writer wait. A terminal may take
/// less, and nothing tells how much: then the writer waits for who reads it.
const SHARED_BYTES_MAX: usize = 512;

impl StandardStream {
    pub(super) fn output() -> StandardStream {
        StandardStream::over(rustix::stdio::stdout())
    }

    pub(super) fn error() -> StandardStream {
        StandardStream::over(rustix::stdio::stderr())
    }

    /// Writes as much as is taken now.
    ///
    /// # Errors
    /// [`Errno::AGAIN`] when that is nothing; what [`is_passing`] when it may be taken later; any
    /// other when it is gone for good.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let (stream, bytes) = match self {
            StandardStream::Own(file) => (file.as_fd(), bytes),
            StandardStream::Shared(stream) if is_writable(stream) => {
                (*stream, &bytes[..bytes.len().min(SHARED_BYTES_MAX)])
            }
            StandardStream::Shared(_) => return Err(Errno::AGAIN),
        };
        match rustix::io::retry_on_intr(|| rustix::io::write(stream, bytes))? {
            0 => Err(Errno::AGAIN),
            count => Ok(count),
        }
    }

    fn over(stream: BorrowedFd<'static>) -> StandardStream {
        reopen(stream).map_or(StandardStream::Shared(stream), StandardStream::Own)
    }
}

/// Whether an error of writing may pass: a disk that is full, a quota that is used up, a network
/// file system or a terminal that is away. Whoever repairs it does not start the server again.
pub(super) fn is_passing(error: Errno) -> bool {
    matches!(error, Errno::NOSPC | Errno::DQUOT | Errno::IO)
}

fn reopen(stream: BorrowedFd<'_>) -> Option<File> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(stream).ok()?.st_mode);
    if kind != FileType::Fifo && !rustix::termios::isatty(stream) {
        return None;
    }
    let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .ok()
        .map(File::from)
}

fn is_writable(stream: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::OUT)];
    // An error of poll is left for write to find.
    poll(&mut fds, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
}
