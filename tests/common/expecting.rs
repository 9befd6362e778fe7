//! What a [`Client`] expects to read next: lines, refusals, silence, the end. How it reads them is
//! `client`'s.

use std::time::Instant;

use super::client::{Client, Heard};
use super::{LONG_PATIENCE, PATIENCE, hide_stamp};

impl Client {
    /// The next line, whatever it is.
    pub fn next_line(&mut self) -> String {
        match self.hear_for(PATIENCE) {
            Heard::Line(line) => line,
            other => panic!("wanted a line, but: {other:?}"),
        }
    }

    /// The next `count` lines.
    pub fn next_lines(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next_line()).collect()
    }

    /// The next line must be exactly this one, with its time hidden (see [`hide_stamp`]).
    #[track_caller]
    pub fn expect_line(&mut self, wanted: &str) {
        match self.hear_for(PATIENCE) {
            Heard::Line(line) => assert_eq!(hide_stamp(&line), wanted),
            other => panic!("wanted `{wanted}`, but: {other:?}"),
        }
    }

    /// The next lines must be exactly these.
    #[track_caller]
    pub fn expect_lines(&mut self, wanted: &[&str]) {
        for line in wanted {
            self.expect_line(line);
        }
    }

    /// The next line must start like this; gives all of it.
    #[track_caller]
    pub fn expect_prefix(&mut self, wanted: &str) -> String {
        match self.hear_for(PATIENCE) {
            Heard::Line(line) if line.starts_with(wanted) => line,
            other => panic!("wanted a line that starts with `{wanted}`, but: {other:?}"),
        }
    }

    /// The next line must be `! code`, alone or with words behind it; gives all of it.
    #[track_caller]
    pub fn expect_refusal(&mut self, code: &str) -> String {
        let line = self.expect_prefix("! ");
        let said = line[2..].split(' ').next();
        assert_eq!(said, Some(code), "the code of `{line}`");
        line
    }

    /// The welcome to the lobby.
    #[track_caller]
    pub fn expect_welcome(&mut self) -> String {
        let line = self.next_line();
        assert!(line.starts_with("* welcome to lobby, "), "{line}");
        line
    }

    /// Asks `/ping` and gives all lines that came before its answer: whatever the server had
    /// handled for this connection before it handled the ping.
    #[track_caller]
    pub fn lines_until_pong(&mut self) -> Vec<String> {
        self.pings += 1;
        let token = format!("barrier-{}", self.pings);
        self.say(&format!("/ping {token}"));
        let pong = format!("= pong {token}");
        let mut lines = Vec::new();
        let start = Instant::now();
        loop {
            assert!(
                start.elapsed() < LONG_PATIENCE,
                "wanted `{pong}`: {lines:?}"
            );
            match self.hear_for(PATIENCE) {
                Heard::Line(line) if line == pong => return lines,
                Heard::Line(line) => lines.push(line),
                other => panic!("wanted `{pong}`, but: {other:?}"),
            }
        }
    }

    /// Nothing is on its way here. What another client did before counts only when the server is
    /// known to have handled it: let that client pass such a barrier first.
    #[track_caller]
    pub fn expect_silence_until_pong(&mut self) {
        let lines = self.lines_until_pong();
        assert!(lines.is_empty(), "wanted nothing, but: {lines:?}");
    }

    /// The server must close now, in good order, with nothing more to read.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let lines = self.lines_until_closed();
        assert!(
            lines.is_empty(),
            "wanted the connection closed, but: {lines:?}"
        );
    }

    /// All lines up to the close of the connection.
    #[track_caller]
    pub fn lines_until_closed(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < LONG_PATIENCE, "wanted the end: {lines:?}");
            match self.hear_for(PATIENCE) {
                Heard::Line(line) => lines.push(line),
                Heard::Closed => return lines,
                other => panic!("wanted the connection closed, but: {other:?}"),
            }
        }
    }
}
