//! `OperatorSocket`: the operator's seat as a file: bound so that nobody else may ever open it, in
//! place of one that a server which was killed has left, and taken away at the end. Who sits there
//! is `operator_seat`'s business. Made by `main`; owned by the seats.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use mio::net::{UnixListener, UnixStream};
use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use socket2::{Domain, SockAddr, Socket, Type};

/// Those who connect before they are accepted.
const BACKLOG: i32 = 16;
/// Bytes of a path that a Unix socket can have (`sun_path`, with its end).
const PATH_BYTES_MAX: usize = 107;
/// Its owner alone may read and write.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A socket at which operators come. Its file is gone when it is dropped.
#[derive(Debug)]
pub struct OperatorSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file: another in its place is not ours to take away.
    file: (u64, u64),
}

/// Why there is no socket at this path.
#[derive(Debug)]
pub struct SocketError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    TooLong,
    NotASocket(&'static str),
    /// Somebody listens there.
    Taken,
    /// Somebody else's, of this user.
    NotOurs(u32),
    System(io::Error),
}

impl OperatorSocket {
    /// Listens at this path.
    ///
    /// # Errors
    /// The path cannot be had: something else is there, or somebody else.
    pub fn bind(path: &Path) -> Result<OperatorSocket, SocketError> {
        bind(path).map_err(|why| SocketError {
            path: path.to_owned(),
            why,
        })
    }

    /// Whether a socket could be at this path, as far as can be seen without making one.
    ///
    /// # Errors
    /// It could not.
    pub fn check(path: &Path) -> Result<(), SocketError> {
        look(path).map(|_| ()).map_err(|why| SocketError {
            path: path.to_owned(),
            why,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for OperatorSocket {
    fn drop(&mut self) {
        if file_at(&self.path).is_ok_and(|file| file == self.file) {
            // A file that stays does no harm: the next server sees that nobody listens.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl SocketError {
    /// Whether the settings are at fault, and not what is there at the moment.
    pub fn is_of_settings(&self) -> bool {
        matches!(self.why, Why::TooLong | Why::NotASocket(_))
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(to, "cannot have the operator's socket {path}: ")?;
        match &self.why {
            Why::TooLong => write!(
                to,
                "such a path has at most {PATH_BYTES_MAX} bytes; choose a shorter one"
            ),
            Why::NotASocket(what) => write!(to, "{what} is there; choose another path"),
            Why::Taken => write!(
                to,
                "somebody listens there already; choose another path, or end the other server"
            ),
            Why::NotOurs(user) => write!(
                to,
                "the one that is there belongs to user {user}; remove it, or choose another path"
            ),
            Why::System(error) => write!(to, "{error}; choose another path"),
        }
    }
}

impl std::error::Error for SocketError {}

fn bind(path: &Path) -> Result<OperatorSocket, Why> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = fs::File::open(folder.unwrap_or(Path::new("."))).map_err(Why::System)?;
    // Of two that start at once, one looks while the other is not yet listening: not so.
    flock(&folder, FlockOperation::NonBlockingLockExclusive).map_err(|_| Why::Taken)?;
    if look(path)? {
        fs::remove_file(path).map_err(Why::System)?;
    }
    let listener = listen(path).map_err(Why::System)?;
    Ok(OperatorSocket {
        listener,
        path: path.to_owned(),
        file: file_at(path).map_err(Why::System)?,
    })
}

/// Whether a socket is at this path at which nobody listens any more; none else may be there.
fn look(path: &Path) -> Result<bool, Why> {
    if path.as_os_str().as_bytes().len() > PATH_BYTES_MAX {
        return Err(Why::TooLong);
    }
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Why::System(error)),
    };
    let kind = found.file_type();
    if kind.is_dir() {
        return Err(Why::NotASocket("a folder"));
    } else if kind.is_symlink() {
        return Err(Why::NotASocket("a link"));
    } else if !kind.is_socket() {
        return Err(Why::NotASocket("another kind of file"));
    } else if found.st_uid() != rustix::process::geteuid().as_raw() {
        return Err(Why::NotOurs(found.st_uid()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        // Also one who has no time for us just now.
        _ => Err(Why::Taken),
    }
}

/// On Linux the file of a socket gets the mode that the socket itself has when it is bound: so there
/// is no moment in which somebody else may open it, and no mask of the whole process is touched.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    fchmod(socket.as_fd(), MODE)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(UnixListener::from_std(socket.into()))
}

fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.st_dev(), found.st_ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("chatd-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn it_is_its_owners_alone_and_gone_with_it() {
        let folder = folder("socket");
        let path = folder.join("operator");
        let socket = OperatorSocket::bind(&path).expect("a socket");
        let mode = fs::symlink_metadata(&path).expect("a file").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let taken = OperatorSocket::bind(&path).expect_err("somebody listens");
        assert!(!taken.is_of_settings(), "{taken}");
        // Left behind as by a server that was killed.
        let left = folder.join("left");
        fs::rename(&path, &left).expect("another place");
        drop(socket);
        assert!(left.exists(), "it is not where it was made");
        let again = OperatorSocket::bind(&left).expect("nobody listens there");
        drop(again);
        assert!(!left.exists());
        fs::remove_dir_all(folder).expect("nothing else is in it");
    }

    #[test]
    fn what_is_no_socket_stays_as_it_is() {
        let folder = folder("no-socket");
        let file = folder.join("file");
        fs::write(&file, "mine").expect("a file");
        let link = folder.join("link");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        let long = folder.join("x".repeat(PATH_BYTES_MAX));
        for (path, words) in [
            (&file, "another kind of file is there"),
            (&link, "a link is there"),
            (&folder, "a folder is there"),
            (&long, "at most 107 bytes"),
        ] {
            let error = OperatorSocket::bind(path).expect_err("none of these");
            assert!(error.is_of_settings());
            assert!(error.to_string().contains(words), "{error}");
            assert!(OperatorSocket::check(path).is_err());
        }
        assert_eq!(fs::read(&file).expect("it is still there"), b"mine");
        let nowhere = OperatorSocket::bind(&folder.join("no/such")).expect_err("no folder");
        assert!(!nowhere.is_of_settings(), "{nowhere}");
        fs::remove_dir_all(folder).expect("nothing else is in it");
    }
}
