//! [`OperatorSeat`]: somebody at the operator's socket of a server, as `nc -U` would be; and a folder
//! for such a socket. No expectation of a single test is here.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Daemon, PATIENCE};

/// A folder with a short name, gone with the test.
pub struct SocketFolder(PathBuf);

impl SocketFolder {
    pub fn new() -> SocketFolder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chatd-seat-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        SocketFolder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the socket is.
    pub fn socket(&self) -> String {
        self.0.join("operator").to_str().unwrap().to_owned()
    }

    /// A server with its operator's socket here.
    pub fn start(&self, flags: &[&str]) -> Daemon {
        let socket = self.socket();
        Daemon::start(&[&["--operator-socket", &socket], flags].concat())
    }

    pub fn sit(&self) -> OperatorSeat {
        OperatorSeat::at(&self.socket())
    }
}

impl Drop for SocketFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// See the file.
pub struct OperatorSeat {
    pub stream: BufReader<UnixStream>,
    /// What was typed and read, for a test that fails.
    transcript: Vec<String>,
}

impl OperatorSeat {
    pub fn at(socket: &str) -> OperatorSeat {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        OperatorSeat {
            stream: BufReader::new(stream),
            transcript: Vec::new(),
        }
    }

    pub fn type_line(&mut self, line: &str) {
        self.type_bytes(format!("{line}\n").as_bytes());
    }

    pub fn type_bytes(&mut self, bytes: &[u8]) {
        self.transcript
            .push(format!("> {}", String::from_utf8_lossy(bytes).trim_end()));
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// The next line; `None` at the end.
    pub fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.stream.read_line(&mut line).unwrap();
        let line = line.trim_end_matches('\n').to_owned();
        self.transcript.push(format!("< {line}"));
        (count > 0).then_some(line)
    }

    #[track_caller]
    pub fn expect(&mut self, wanted: &str) {
        assert_eq!(self.next_line().as_deref(), Some(wanted));
    }

    #[track_caller]
    pub fn expect_prefix(&mut self, wanted: &str) -> String {
        let line = self.next_line().unwrap_or_default();
        assert!(line.starts_with(wanted), "`{line}` instead of `{wanted}`");
        line
    }

    /// Types a line that is answered by this one.
    #[track_caller]
    pub fn ask(&mut self, line: &str, answer: &str) {
        self.type_line(line);
        self.expect(answer);
    }

    /// Types a line; the lines of the answer up to one that starts so, that one too.
    #[track_caller]
    pub fn lines_until(&mut self, line: &str, last: &str) -> Vec<String> {
        self.type_line(line);
        let mut lines = Vec::new();
        while let Some(line) = self.next_line() {
            let is_last = line.starts_with(last);
            lines.push(line);
            if is_last {
                return lines;
            }
        }
        panic!("no {last} among {lines:?}");
    }

    #[track_caller]
    pub fn expect_closed(&mut self) {
        assert_eq!(self.next_line(), None);
    }

    pub fn ends_input(&mut self) {
        self.stream.get_ref().shutdown(Shutdown::Write).unwrap();
    }
}

impl Drop for OperatorSeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("at the seat:\n  {}", self.transcript.join("\n  "));
        }
    }
}
