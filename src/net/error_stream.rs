//! `ErrorStream`: standard error as the log writes to it, which never makes the loop wait. What
//! nobody takes is lost and counted, since a log that comes late misleads. What is said, and how
//! fast, is not decided here: `log` is, which owns this.

use std::io::{self, Write};

use rustix::io::Errno;

use super::standard_stream::{StandardStream, is_passing};

/// Standard error, a line at a time.
#[derive(Debug)]
pub(super) struct ErrorStream {
    stream: StandardStream,
    /// A line that has no end yet.
    line: Vec<u8>,
    /// What is missing of a line of which a part was taken.
    rest: Vec<u8>,
    /// Lines lost since the last that was taken.
    lost: u64,
}

impl ErrorStream {
    pub(super) fn new() -> ErrorStream {
        ErrorStream {
            stream: StandardStream::error(),
            line: Vec::new(),
            rest: Vec::new(),
            lost: 0,
        }
    }

    /// A whole line: it goes out now, after the count of those that could not, or is lost too.
    fn emit(&mut self, line: &[u8]) {
        self.write_rest();
        if !self.rest.is_empty() {
            self.lost += 1;
            return;
        }
        if self.lost > 0 {
            let lost = self.lost;
            let note = format!("… {lost} lines of the log were lost here: nobody took them\n");
            self.rest.extend_from_slice(note.as_bytes());
        }
        self.rest.extend_from_slice(line);
        if self.write_rest() == 0 {
            self.rest.clear();
            self.lost += 1;
        } else {
            self.lost = 0;
        }
    }

    /// Writes what is left as far as it is taken without waiting; how many bytes that were.
    fn write_rest(&mut self) -> usize {
        let mut written = 0;
        while written < self.rest.len() {
            match self.stream.write(&self.rest[written..]) {
                Ok(count) => written += count,
                Err(Errno::AGAIN) => break,
                Err(error) if is_passing(error) => break,
                // It is gone for good, and there is nowhere to complain about the log.
                Err(_) => written = self.rest.len(),
            }
        }
        self.rest.drain(..written);
        written
    }
}

/// Takes everything and never fails: a line that nobody reads is counted, not an error.
impl Write for ErrorStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let mut line = std::mem::take(&mut self.line);
                self.emit(&line);
                line.clear();
                self.line = line;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
