//! `Heard`: everything one connection has read, followed line by line. It holds each line to the
//! protocol and to its place: prompt first, histories whole, nothing after a last word. Not what
//! others were told at the same time: that is compared by the machine, which owns it.

use chatd::wire::reply::{News, Reply};

use crate::server_line;

/// Codes of the refusals that are the last word to a connection.
const LAST_WORDS: [&str; 7] = [
    "server-full",
    "too-many-from-your-address",
    "name-timeout",
    "too-slow",
    "kicked",
    "shutting-down",
    "wrong-protocol",
];

/// What the line that comes next may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Anything,
    /// So many messages of a history, then its end.
    History(usize),
    /// The rest of an HTTP answer.
    HttpHead,
    /// The last word to a browser.
    WrongProtocol,
    /// The last word was said.
    Nothing,
}

/// See the file.
#[derive(Debug)]
pub struct Heard {
    unfinished: Vec<u8>,
    expected: Expected,
    /// Messages of the room that were said while it listened, as `<name> text`.
    pub messages: Vec<Box<str>>,
    /// Private messages.
    pub privates: usize,
    /// Whether it was let in.
    pub welcomed: bool,
    /// Whether it was told what to do.
    pub prompted: bool,
    /// Lines of the protocol, of all kinds.
    pub lines: u64,
    /// The code of the last word, if there was one.
    pub last_word: Option<Box<str>>,
}

impl Default for Heard {
    fn default() -> Heard {
        Heard {
            unfinished: Vec::new(),
            expected: Expected::Anything,
            messages: Vec::new(),
            privates: 0,
            welcomed: false,
            prompted: false,
            lines: 0,
            last_word: None,
        }
    }
}

impl Heard {
    /// Takes bytes as they were read.
    ///
    /// # Panics
    /// When they cannot come from a good server.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.unfinished.extend_from_slice(bytes);
        let mut unfinished = std::mem::take(&mut self.unfinished);
        let mut start = 0;
        while let Some(length) = unfinished[start..].iter().position(|&byte| byte == b'\n') {
            self.hear_line(&unfinished[start..start + length]);
            start += length + 1;
        }
        unfinished.drain(..start);
        self.unfinished = unfinished;
    }

    /// Whether the last line that was begun is there as a whole.
    pub fn is_whole(&self) -> bool {
        self.unfinished.is_empty()
    }

    fn hear_line(&mut self, line: &[u8]) {
        self.lines += 1;
        match self.expected {
            Expected::Nothing => panic!("after the last word: {:?}", line.escape_ascii()),
            Expected::HttpHead => {
                // The server does not count them: they are no lines of the protocol.
                self.lines -= 1;
                if line == b"\r" {
                    self.expected = Expected::WrongProtocol;
                }
            }
            Expected::Anything if line == b"HTTP/1.1 400 Bad Request\r" => {
                assert!(!self.welcomed, "a member was taken for a browser");
                self.lines -= 1;
                self.expected = Expected::HttpHead;
            }
            _ => self.hear_reply(server_line::check(line)),
        }
    }

    fn hear_reply(&mut self, reply: Reply<'_>) {
        match (self.expected, reply) {
            (Expected::History(left @ 1..), Reply::Message { .. }) => {
                self.expected = Expected::History(left - 1);
                return;
            }
            (Expected::History(0), Reply::News(text)) => {
                assert_eq!(News::of(text), News::HistoryEnds);
                self.expected = Expected::Anything;
                return;
            }
            (Expected::History(left), _) => panic!("{left} messages are missing before {reply:?}"),
            (Expected::WrongProtocol, Reply::Refusal { code, .. }) => {
                assert_eq!(code, "wrong-protocol");
            }
            (Expected::WrongProtocol, _) => panic!("a browser is told {reply:?}"),
            _ => {}
        }
        match reply {
            Reply::Message { from, text } => {
                assert!(self.welcomed, "{from} is heard from outside");
                self.messages.push(format!("<{from}> {text}").into());
            }
            Reply::Private { .. } => {
                assert!(self.welcomed, "a private message to nobody");
                self.privates += 1;
            }
            Reply::News(text) => self.hear_news(text),
            Reply::Answer(_) => {}
            Reply::Refusal { code, .. } => {
                if LAST_WORDS.contains(&code) {
                    self.last_word = Some(code.into());
                    self.expected = Expected::Nothing;
                }
            }
        }
    }

    fn hear_news(&mut self, text: &str) {
        if text.starts_with("chatd: ") {
            assert_eq!(self.lines, 1, "the prompt is the first line");
            self.prompted = true;
            return;
        }
        match News::of(text) {
            News::Welcome { .. } => self.welcomed = true,
            News::HistoryBegins => {
                assert!(self.welcomed, "a history before the welcome");
                let count = text.split(' ').nth(1).and_then(|count| count.parse().ok());
                self.expected = Expected::History(count.expect("it says how many"));
            }
            News::HistoryEnds => panic!("the end of a history that did not begin"),
            News::Renamed { .. } | News::Other => assert!(self.welcomed, "news outside: {text:?}"),
        }
    }
}
