//! `Heard`: everything one connection has read, followed line by line. It holds each line to the
//! protocol and to its place: prompt first, histories whole, own lines only where they were asked
//! for and before the answer to a later ping, each number of members in step with who came and
//! went, nothing after a last word. Not what others were told: the machine compares that. Owned
//! by a socket.

use chatd::dialect::reply::{News, Reply};

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
    /// Whether each join and leave is told by itself, so that they can be counted.
    pub is_told_singly: bool,
    /// What it is called, and how many are in its room, as far as it knows.
    name: Box<str>,
    here: usize,
    /// Own lines come back.
    echo: bool,
    /// The number of the last ping that was answered.
    barrier: u64,
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
            is_told_singly: false,
            name: Box::default(),
            here: 0,
            echo: false,
            barrier: 0,
        }
    }
}

impl Heard {
    /// Takes bytes as they were read.
    ///
    /// # Panics
    /// When they cannot come from a good server.
    pub fn hear(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(length) = rest.iter().position(|&byte| byte == b'\n') {
            let mut line = std::mem::take(&mut self.unfinished);
            line.extend_from_slice(&rest[..length]);
            self.hear_line(&line);
            rest = &rest[length + 1..];
        }
        self.unfinished.extend_from_slice(rest);
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
            // The rest of it was what it did not read.
            (
                Expected::History(_),
                Reply::Refusal {
                    code: "too-slow", ..
                },
            ) => {}
            (Expected::History(left), _) => panic!("{left} messages are missing before {reply:?}"),
            (Expected::WrongProtocol, Reply::Refusal { code, .. }) => {
                assert_eq!(code, "wrong-protocol");
            }
            (Expected::WrongProtocol, _) => panic!("a browser is told {reply:?}"),
            _ => {}
        }
        match reply {
            Reply::Message { from, text } => {
                self.check_speaker(from, text);
                self.messages.push(format!("<{from}> {text}").into());
            }
            Reply::Private { .. } => {
                assert!(self.welcomed, "a private message to nobody");
                self.privates += 1;
            }
            Reply::News(text) => self.hear_news(text),
            Reply::Answer(text) => self.hear_answer(text),
            Reply::Refusal { code, .. } => {
                if LAST_WORDS.contains(&code) {
                    self.last_word = Some(code.into());
                    self.expected = Expected::Nothing;
                }
            }
        }
    }

    fn check_speaker(&self, from: &str, text: &str) {
        assert!(self.welcomed, "{from} is heard from outside");
        if *from == *self.name {
            assert!(self.echo, "its own line came back");
            let number = number(text).unwrap_or(u64::MAX);
            assert!(number >= self.barrier, "{text} came after a later ping");
        }
    }

    fn hear_answer(&mut self, text: &str) {
        match text.split_once(' ') {
            Some(("echo", onoff)) => self.echo = onoff == "on",
            Some(("pong", token)) => {
                if let Some(number) = number(token) {
                    assert!(number > self.barrier, "pings are answered in their order");
                    self.barrier = number;
                }
            }
            _ => {}
        }
    }

    fn hear_news(&mut self, text: &str) {
        if text.starts_with("chatd: ") {
            assert_eq!(self.lines, 1, "the prompt is the first line");
            self.prompted = true;
            return;
        }
        match News::of(text) {
            News::Welcome { name, .. } => {
                self.welcomed = true;
                self.name = name.into();
                let (_, here) = text.split_once(" (").expect("it says how many are here");
                self.here = leading_number(here);
            }
            News::HistoryBegins => {
                assert!(self.welcomed, "a history before the welcome");
                let (_, count) = text.split_once(' ').expect("it says how many");
                self.expected = Expected::History(leading_number(count));
            }
            News::HistoryEnds => panic!("the end of a history that did not begin"),
            News::Renamed { from, to } => {
                assert!(self.welcomed, "news outside: {text:?}");
                if *from == *self.name {
                    self.name = to.into();
                }
            }
            News::Other => self.hear_of_others(text),
        }
    }

    /// `ben joined (3 here)`, `ben left (2 here): too slow`, and what the operator says.
    fn hear_of_others(&mut self, text: &str) {
        assert!(self.welcomed, "news outside: {text:?}");
        let words: Vec<&str> = text.splitn(4, ' ').collect();
        let [name, verb @ ("joined" | "left"), here, _] = words[..] else {
            return;
        };
        if self.is_told_singly && !name.contains(':') {
            assert_ne!(*name, *self.name, "it hears of itself");
            self.here = match verb {
                "joined" => self.here + 1,
                _ => self.here - 1,
            };
            assert_eq!(leading_number(&here[1..]), self.here, "{text:?}");
        }
    }
}

/// The number of a line or a ping that is like no other.
fn number(text: &str) -> Option<u64> {
    text.strip_prefix('#')?.parse().ok()
}

/// The number that a text starts with.
fn leading_number(text: &str) -> usize {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().expect("a number stands here")
}
