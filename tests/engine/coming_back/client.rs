//! A program that comes back, as `json.md` says how: it tells the last id it has seen, pages what the
//! server has no longer in memory, drops what it has, and says again what it does not find said. It
//! checks what it reads: nothing comes twice on a link, all of it in order.

use std::collections::{BTreeMap, VecDeque};

use chatd::chat::MessageId;
use serde_json::{Value, json};

/// Bytes that a link carries up and down before it is cut.
pub(crate) type Lifetime = [usize; 2];

pub(crate) const FOREVER: Lifetime = [usize::MAX; 2];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Entering,
    /// The past comes.
    Past,
    /// Pages come; what is said meanwhile is held.
    Paging,
    Here,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) slot: usize,
    unread: Vec<u8>,
    /// What it sends, and the server has not been given.
    pub(crate) unsent: Vec<u8>,
    stage: Stage,
    held: Vec<Value>,
    newest: Option<MessageId>,
    is_over: bool,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: String,
    token: Option<String>,
    /// From where on it has heard everything, and up to where.
    pub(crate) start: Option<MessageId>,
    last: MessageId,
    /// What was said since then: sender and text.
    pub(crate) record: BTreeMap<MessageId, (String, String)>,
    /// What it wants said, and has not seen said.
    pub(crate) unsaid: VecDeque<String>,
    /// How much of that was sent over this link.
    sent: usize,
    pub(crate) link: Option<Link>,
    lifetime: Lifetime,
    pub(crate) cuts: usize,
    pub(crate) pages: usize,
    pub(crate) unknown_gaps: usize,
}

fn id_of(line: &Value) -> MessageId {
    line["id"].as_str().unwrap().parse().unwrap()
}

impl Client {
    pub(crate) fn new(name: &str) -> Client {
        Client {
            name: name.to_owned(),
            token: None,
            start: None,
            last: MessageId::ZERO,
            record: BTreeMap::new(),
            unsaid: VecDeque::new(),
            sent: 0,
            link: None,
            lifetime: FOREVER,
            cuts: 0,
            pages: 0,
            unknown_gaps: 0,
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.unsaid.push_back(text.to_owned());
        self.send_unsaid();
    }

    /// So many bytes are carried yet, over this link and the next.
    pub(crate) fn cut_after(&mut self, lifetime: Lifetime) {
        self.lifetime = lifetime;
    }

    pub(crate) fn cut_now(&mut self) {
        self.link = None;
        self.cuts += 1;
        self.lifetime = FOREVER;
    }

    /// Whether it is there, and all it wanted said is.
    pub(crate) fn is_content(&self) -> bool {
        let is_here = self
            .link
            .as_ref()
            .is_some_and(|link| link.stage == Stage::Here);
        is_here && self.unsaid.is_empty()
    }

    /// A new link.
    pub(crate) fn connect(&mut self, slot: usize) {
        self.sent = 0;
        self.link = Some(Link {
            slot,
            unread: Vec::new(),
            unsent: Vec::new(),
            stage: Stage::Entering,
            held: Vec::new(),
            newest: None,
            is_over: false,
        });
        let mut entry = json!({"do": "enter", "name": self.name});
        if self.start.is_some() {
            entry["since"] = json!({"lobby": self.last.to_string()});
        }
        if let Some(token) = &self.token {
            entry["resume"] = json!(token);
        }
        self.send(&entry);
    }

    fn send(&mut self, line: &Value) {
        if let Some(link) = &mut self.link {
            link.unsent.extend(format!("{line}\n").bytes());
        }
    }

    /// What goes up, as far as the link carries it; then it may be cut.
    pub(crate) fn take_sent(&mut self) -> Vec<u8> {
        let Some(link) = &mut self.link else {
            return Vec::new();
        };
        let count = link.unsent.len().min(self.lifetime[0]);
        self.lifetime[0] -= if self.lifetime[0] == usize::MAX {
            0
        } else {
            count
        };
        let sent: Vec<u8> = link.unsent.drain(..count).collect();
        if self.lifetime[0] == 0 {
            self.cut_now();
        }
        sent
    }

    /// What comes down, as far as the link carries it.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        let count = bytes.len().min(self.lifetime[1]);
        self.lifetime[1] -= if self.lifetime[1] == usize::MAX {
            0
        } else {
            count
        };
        if let Some(link) = &mut self.link {
            link.unread.extend_from_slice(&bytes[..count]);
        }
        while let Some(line) = self.next_line() {
            self.hear(line);
        }
        if self.link.as_ref().is_some_and(|link| link.is_over) {
            self.link = None;
        } else if self.lifetime[1] == 0 {
            self.cut_now();
        }
    }

    fn next_line(&mut self) -> Option<Value> {
        let link = self.link.as_mut().filter(|link| !link.is_over)?;
        let end = link.unread.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = link.unread.drain(..=end).collect();
        Some(serde_json::from_slice(&line).unwrap())
    }

    fn hear(&mut self, line: Value) {
        let link = self.link.as_mut().unwrap();
        match line["is"].as_str().unwrap() {
            "welcome" => self.token = Some(line["resume"].as_str().unwrap().to_owned()),
            "entered" => {
                link.stage = Stage::Past;
                if self.start.is_none() {
                    self.last = line["last"].as_str().unwrap().parse().unwrap();
                    self.start = Some(self.last);
                }
            }
            "said" => {
                let id = id_of(&line);
                assert!(
                    link.newest < Some(id),
                    "{}: {line} comes again or late",
                    self.name
                );
                link.newest = Some(id);
                if link.stage == Stage::Here {
                    self.take(&line);
                } else {
                    link.held.push(line);
                }
            }
            "caught-up" => {
                self.unknown_gaps += usize::from(line["missed"].is_null());
                if line["missed"] == 0 {
                    self.catch_up();
                } else {
                    link.stage = Stage::Paging;
                    self.ask_for_page();
                }
            }
            "page" => self.hear_page(&line),
            "refused" => match line["code"].as_str().unwrap() {
                "busy" => self.ask_for_page(),
                // The server has not noticed yet that we were gone, or has told us so.
                "name-in-use" | "replaced" => link.is_over = true,
                _ => panic!("{}: {line}", self.name),
            },
            _ => {}
        }
    }

    fn ask_for_page(&mut self) {
        self.pages += 1;
        let limit = 1 + self.pages % 5;
        let after = self.last.to_string();
        self.send(&json!({"do": "history", "room": "lobby", "after": after, "limit": limit}));
    }

    fn hear_page(&mut self, page: &Value) {
        for message in page["messages"].as_array().unwrap() {
            assert!(id_of(message) > self.last, "{}: {page}", self.name);
            self.take(message);
        }
        // What it holds is in the pages, too, up to where they end.
        if page["more"] == true {
            self.ask_for_page();
        } else {
            self.catch_up();
        }
    }

    fn catch_up(&mut self) {
        let link = self.link.as_mut().unwrap();
        link.stage = Stage::Here;
        for line in std::mem::take(&mut link.held) {
            if id_of(&line) > self.last {
                self.take(&line);
            }
        }
        self.send_unsaid();
    }

    /// The next message of the room.
    fn take(&mut self, message: &Value) {
        let id = id_of(message);
        assert!(id > self.last, "{}: {message} is not the next", self.name);
        self.last = id;
        let text = |field: &str| message[field].as_str().unwrap().to_owned();
        if text("from") == self.name {
            let wanted = self.unsaid.pop_front();
            assert_eq!(
                wanted,
                Some(text("text")),
                "{}: it is said twice",
                self.name
            );
            self.sent = self.sent.saturating_sub(1);
        }
        self.record.insert(id, (text("from"), text("text")));
    }

    fn send_unsaid(&mut self) {
        if self
            .link
            .as_ref()
            .is_none_or(|link| link.stage != Stage::Here)
        {
            return;
        }
        let unsent: Vec<String> = self.unsaid.iter().skip(self.sent).cloned().collect();
        self.sent = self.unsaid.len();
        for text in unsent {
            self.send(&json!({"do": "say", "room": "lobby", "text": text}));
        }
    }
}
