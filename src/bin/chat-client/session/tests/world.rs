//! A server that is played, and the link between it and a session, which can be cut at any byte.

use std::collections::VecDeque;
use std::time::Instant;

use serde_json::{Value, json};

use super::super::{Effect, LinkEnd, Manner, Phase, Session, Settings};
use crate::lines::Kind;

/// One room, as the server keeps it.
#[derive(Default)]
pub(super) struct Server {
    /// Sender and text; the id is the place, from 1.
    pub log: Vec<(String, String)>,
    /// Ids up to this one are no longer in memory.
    pub forgotten: usize,
    /// The token of the member `ann`, while it is here.
    pub token: Option<String>,
    tokens: usize,
    /// Messages in a page of what is on disk; without a disk there are none.
    pub page_max: Option<usize>,
    /// Whether it cannot tell how many messages are missed.
    pub counts_not: bool,
    /// How many are missed by its own account, whatever is true.
    pub miscounts: Option<u64>,
    /// How many of the newest are not on disk, one less with each question.
    pub unwritten: usize,
    /// What ben says when the next page is asked for.
    pub interjections: VecDeque<&'static str>,
    /// How the next pages are refused; with no code it does not answer.
    pub refusals: VecDeque<&'static str>,
    /// Pages that were asked for.
    pub asked: usize,
}

/// One connection to it.
#[derive(Default)]
pub(super) struct Connection {
    unread: Vec<u8>,
    output: Vec<u8>,
    is_greeted: bool,
    is_entered: bool,
}

impl Server {
    pub fn said(&self, id: usize, is_past: bool) -> Value {
        let (from, text) = &self.log[id - 1];
        let id = id.to_string();
        json!({"is": "said", "room": "lobby", "id": id, "from": from, "text": text, "past": is_past})
    }

    fn say(&mut self, connection: &mut Connection, from: &str, text: &str) {
        self.log.push((from.to_owned(), text.to_owned()));
        if connection.is_entered {
            connection.tell(&self.said(self.log.len(), false));
        }
    }

    fn receive(&mut self, connection: &mut Connection, bytes: &[u8]) {
        connection.unread.extend_from_slice(bytes);
        while let Some(end) = connection.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = connection.unread.drain(..=end).collect();
            self.take(connection, &serde_json::from_slice(&line).unwrap());
        }
    }

    fn take(&mut self, connection: &mut Connection, line: &Value) {
        if !std::mem::replace(&mut connection.is_greeted, true) {
            let search = self.page_max.is_some();
            connection.tell(&json!({"is": "hello", "json": 1, "line_max": 9, "search": search}));
        }
        match line["do"].as_str().unwrap() {
            "enter" if self.token.is_some() && self.token.as_deref() != line["resume"].as_str() => {
                // Of a welcome that was lost on its way. Before long the server notices that.
                self.token = None;
                connection.tell(&json!({"is": "refused", "code": "name-in-use", "text": "taken"}));
            }
            "enter" => self.enter(connection, line["since"]["lobby"].as_str()),
            "say" => {
                self.say(connection, "ann", line["text"].as_str().unwrap());
                let id = self.log.len().to_string();
                connection.tell(&json!({"is": "done", "ref": line["ref"], "id": id}));
            }
            "history" => self.page(connection, line),
            "ping" => connection.tell(&json!({"is": "pong", "ref": line["ref"]})),
            "quit" => self.token = None,
            other => panic!("{other} is not for this server"),
        }
    }

    fn enter(&mut self, connection: &mut Connection, since: Option<&str>) {
        self.tokens += 1;
        self.token = Some(self.tokens.to_string());
        connection.tell(&json!({"is": "welcome", "name": "ann", "resume": self.token}));
        let last = self.log.len().to_string();
        let last = if self.log.is_empty() { "0-0" } else { &last };
        connection.tell(&json!({"is": "entered", "room": "lobby", "here": 1, "last": last}));
        let seen = since.map_or(0, |since| since.parse().unwrap_or(0));
        for id in seen.max(self.forgotten)..self.log.len() {
            connection.tell(&self.said(id + 1, true));
        }
        let missed = self.forgotten.saturating_sub(seen);
        let is_in_memory = missed == 0 && self.forgotten < self.log.len();
        let missed = (is_in_memory || !self.counts_not).then_some(missed as u64);
        let missed = self.miscounts.or(missed);
        connection.tell(&json!({"is": "caught-up", "room": "lobby", "missed": missed}));
        connection.is_entered = true;
    }

    fn page(&mut self, connection: &mut Connection, asked: &Value) {
        self.asked += 1;
        if let Some(text) = self.interjections.pop_front() {
            self.say(connection, "ben", text);
        }
        if let Some(code) = self.refusals.pop_front() {
            if !code.is_empty() {
                let text = "no page";
                let no = json!({"is": "refused", "code": code, "text": text, "ref": asked["ref"]});
                connection.tell(&no);
            }
            return;
        }
        let written = self.log.len() - self.unwritten;
        self.unwritten = self.unwritten.saturating_sub(1);
        let after: usize = asked["after"].as_str().unwrap().parse().unwrap_or(0);
        let limit = usize::try_from(asked["limit"].as_u64().unwrap()).unwrap();
        let end = written.min(after + limit.min(self.page_max.unwrap()));
        let messages = (after..end).map(|id| {
            let mut message = self.said(id + 1, false);
            message["at"] = "2026-11-21T12:00:00.123Z".into();
            message
        });
        let messages: Vec<Value> = messages.collect();
        connection.tell(&json!({"is": "page", "room": "lobby", "messages": messages,
            "more": end < written, "ref": asked["ref"]}));
    }
}

impl Connection {
    pub fn tell(&mut self, line: &Value) {
        self.output
            .extend_from_slice(format!("{line}\n").as_bytes());
    }
}

/// Bytes that a link still carries, up and down, before it is cut.
pub(super) type Lifetimes = [usize; 2];

pub(super) const FOREVER: Lifetimes = [usize::MAX; 2];

/// A session, its server, and what lies between.
pub(super) struct World {
    pub session: Session,
    pub server: Server,
    pub connection: Option<Connection>,
    pub lifetimes: Lifetimes,
    /// How often it was cut.
    pub cuts: usize,
    pub now: Instant,
    pub shown: Vec<(Kind, String)>,
}

impl World {
    pub fn new(manner: Manner) -> Self {
        let settings = Settings {
            server: "server:1".to_owned(),
            name: Some("ann".to_owned()),
            password: None,
            rooms: Vec::new(),
            manner,
            comes_back: true,
            is_without_history: false,
            ignored: Vec::new(),
            is_quiet: false,
        };
        let mut session = Session::new(settings, fastrand::Rng::with_seed(1));
        session.start();
        let mut world = World {
            session,
            server: Server::default(),
            connection: None,
            lifetimes: FOREVER,
            cuts: 0,
            now: Instant::now(),
            shown: Vec::new(),
        };
        world.settle();
        world
    }

    /// Does what the session asks for, and carries bytes, until nothing moves.
    pub fn settle(&mut self) {
        loop {
            while let Some(effect) = self.session.next_effect() {
                match effect {
                    Effect::Connect => {
                        self.connection = Some(Connection::default());
                        self.session.link_up(self.now);
                    }
                    Effect::HangUp => self.connection = None,
                    Effect::Trust(key) => panic!("nobody asks about {key}"),
                    Effect::Line(line) => self.shown.push((Kind::Answer, line)),
                    Effect::Call | Effect::ClearScreen | Effect::KeepIgnored(_) => {}
                    Effect::Show(shown) => self.shown.push((shown.kind, shown.text)),
                    Effect::Send(bytes) => self.carry_up(&bytes),
                }
            }
            let output = self
                .connection
                .as_mut()
                .map(|one| std::mem::take(&mut one.output));
            let Some(output) = output.filter(|output| !output.is_empty()) else {
                return;
            };
            let count = output.len().min(self.lifetimes[1]);
            self.lifetimes[1] -= count;
            // In pieces: no line needs to come whole.
            for piece in output[..count].chunks(7) {
                self.session.receive(piece, self.now);
            }
            if self.lifetimes[1] == 0 {
                self.cut();
            }
        }
    }

    fn carry_up(&mut self, bytes: &[u8]) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let count = bytes.len().min(self.lifetimes[0]);
        self.lifetimes[0] -= count;
        self.server.receive(connection, &bytes[..count]);
        if self.lifetimes[0] == 0 {
            self.cut();
        }
    }

    pub fn cut(&mut self) {
        self.connection = None;
        self.cuts += 1;
        self.lifetimes = FOREVER;
        self.session.link_down(LinkEnd::Closed, self.now);
    }

    pub fn say(&mut self, text: &str) {
        self.session.say_line(text, self.now);
        self.settle();
    }

    pub fn ben_says(&mut self, text: &str) {
        let mut absent = Connection::default();
        let connection = self.connection.as_mut().unwrap_or(&mut absent);
        self.server.say(connection, "ben", text);
        self.settle();
    }

    /// Lets time pass until there is a link, and all has come that is to come.
    pub fn come_back(&mut self) {
        while let Phase::Away { .. } | Phase::Greeting { .. } = self.session.phase {
            self.now = self.session.next_deadline().unwrap();
            self.session.tick(self.now);
            self.settle();
        }
    }

    /// The server dies, and is there again. What it has in memory is the newest so many messages.
    pub fn restart(&mut self, remembered: usize) {
        self.server.token = None;
        self.server.forgotten = self.server.log.len().saturating_sub(remembered);
        self.cut();
    }

    pub fn texts(&self) -> Vec<&str> {
        let is_said = |(kind, _): &&(Kind, String)| matches!(kind, Kind::Said | Kind::Own);
        self.shown
            .iter()
            .filter(is_said)
            .map(|(_, text)| text.as_str())
            .collect()
    }

    pub fn has_shown(&self, part: &str) -> bool {
        self.shown.iter().any(|(_, text)| text.contains(part))
    }
}
