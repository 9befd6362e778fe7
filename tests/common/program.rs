//! [`Program`]: one connection that speaks JSON lines, with a deadline on every wait. Each line of
//! the server is held against what is promised of all of them, as with a [`Client`], whose
//! transcript it prints when its test fails. Owned by the test that connected it.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Heard, Language};
use super::{Client, PATIENCE, stamp};

/// A program that is connected. What is not about JSON is its [`Client`]'s.
pub struct Program {
    client: Client,
    pings: u32,
}

impl Deref for Program {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Program {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// The greeting of a server without flags.
pub fn hello() -> Value {
    json!({"is": "hello", "server": "chatd", "version": env!("CARGO_PKG_VERSION"), "json": 1,
        "line_max": 4096, "history": true, "search": false, "password": false})
}

impl Program {
    /// Speaks JSON on a connection on which nothing was said yet.
    pub fn over(client: Client) -> Program {
        Program {
            client: client.speaking(Language::Json),
            pings: 0,
        }
    }

    /// The connection itself.
    pub fn into_client(self) -> Client {
        self.client
    }

    /// Sends an object as one line.
    pub fn ask(&mut self, line: Value) {
        self.client.say(&line.to_string());
    }

    /// Says something in a room.
    pub fn say_in(&mut self, room: &str, text: &str) {
        self.ask(json!({"do": "say", "room": room, "text": text}));
    }

    /// The next line, whatever it is.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        match self.client.hear_for(PATIENCE) {
            Heard::Line(line) => parse(&line),
            other => panic!("wanted a line, but: {other:?}"),
        }
    }

    /// The next line, if one comes in this time.
    pub fn next_within(&mut self, patience: Duration) -> Option<Value> {
        match self.client.hear_for(patience) {
            Heard::Line(line) => Some(parse(&line)),
            Heard::Closed | Heard::Reset | Heard::Nothing => None,
        }
    }

    /// The next line must be this one, see [`same`]; gives all of it.
    #[track_caller]
    pub fn expect(&mut self, wanted: Value) -> Value {
        match self.client.hear_for(PATIENCE) {
            Heard::Line(line) => {
                let line = parse(&line);
                assert_same(&line, &wanted);
                line
            }
            other => panic!("wanted {wanted}, but: {other:?}"),
        }
    }

    /// The next lines must be these.
    #[track_caller]
    pub fn expect_all(&mut self, wanted: &[Value]) {
        for wanted in wanted {
            self.expect(wanted.clone());
        }
    }

    /// The next line must be this refusal, after which the connection stays. Gives all of it.
    #[track_caller]
    pub fn expect_refused(&mut self, code: &str) -> Value {
        let line = self.next();
        assert_eq!(line["is"], "refused", "{line}");
        assert_eq!(line["code"], code, "{line}");
        assert_eq!(line.get("ends"), None, "{line}");
        let words = line["text"].as_str().expect("words for people");
        assert!(!words.is_empty(), "{line}");
        line
    }

    /// The next line must be this refusal, and the last; gives it.
    #[track_caller]
    pub fn expect_ended(&mut self, code: &str) -> Value {
        let line = self.expect(json!({"is": "refused", "code": code, "ends": true}));
        assert_eq!(self.until_closed(), [] as [Value; 0]);
        line
    }

    /// Asks for a pong and gives all that came before it.
    #[track_caller]
    pub fn until_pong(&mut self) -> Vec<Value> {
        self.pings += 1;
        let reference = format!("barrier-{}", self.pings);
        self.ask(json!({"do": "ping", "ref": reference}));
        let pong = json!({"is": "pong", "ref": reference});
        let mut lines = Vec::new();
        loop {
            let line = self.next();
            if line == pong {
                return lines;
            }
            lines.push(line);
        }
    }

    /// Nothing is on its way here; as [`Client::expect_silence_until_pong`].
    #[track_caller]
    pub fn expect_silence(&mut self) {
        let lines = self.until_pong();
        assert!(lines.is_empty(), "wanted nothing, but: {lines:?}");
    }

    /// Nothing is on its way here but who came and went.
    #[track_caller]
    pub fn expect_silence_but_news(&mut self) {
        let mut lines = self.until_pong();
        let news = ["joined", "left", "churn"].map(Value::from);
        lines.retain(|line| !news.contains(&line["is"]));
        assert!(lines.is_empty(), "wanted news alone, but: {lines:?}");
    }

    /// All lines up to the close of the connection.
    #[track_caller]
    pub fn until_closed(&mut self) -> Vec<Value> {
        let lines = self.client.lines_until_closed();
        lines.iter().map(|line| parse(line)).collect()
    }

    /// Takes a name, as the first that is said here, and enters these rooms. Reads all it is told
    /// on the way, and gives the token to come back with.
    #[track_caller]
    pub fn enter(&mut self, name: &str, rooms: &[&str]) -> String {
        self.ask(json!({"do": "enter", "name": name, "rooms": rooms}));
        let greeting = self.next();
        assert_eq!(greeting["is"], "hello", "{greeting}");
        self.expect_entry(name, rooms)
    }

    /// As [`Program::enter`] into the lobby, where something was said before.
    #[track_caller]
    pub fn enter_later(&mut self, name: &str) -> String {
        self.ask(json!({"do": "enter", "name": name}));
        self.expect_entry(name, &["lobby"])
    }

    fn expect_entry(&mut self, name: &str, rooms: &[&str]) -> String {
        let welcome = self.next();
        let token = token_of(&welcome);
        assert_eq!(welcome["name"], name, "{welcome}");
        for room in rooms {
            let entered = self.next();
            assert_eq!(entered["is"], "entered", "{entered}");
            assert_eq!(entered["room"], *room, "{entered}");
            self.expect_past();
        }
        token
    }

    /// What was said in a room before, up to where it is caught up; gives the texts, and what is
    /// said to be missed.
    #[track_caller]
    pub fn expect_past(&mut self) -> (Vec<String>, Value) {
        let mut texts = Vec::new();
        loop {
            let line = self.next();
            if line["is"] == "caught-up" {
                return (texts, line["missed"].clone());
            }
            assert_eq!(line["is"], "said", "{line}");
            assert_eq!(line["past"], true, "{line}");
            texts.push(text_of(&line));
        }
    }
}

/// The token in a welcome.
#[track_caller]
pub fn token_of(welcome: &Value) -> String {
    assert_eq!(welcome["is"], "welcome", "{welcome}");
    let token = welcome["resume"].as_str().expect("a token");
    // 256 bits, whatever they are written in.
    assert!(token.len() >= 43, "{welcome}");
    token.to_owned()
}

/// The text of a line that has one.
#[track_caller]
pub fn text_of(line: &Value) -> String {
    line["text"].as_str().expect("a text").to_owned()
}

/// The id of a line that has one.
#[track_caller]
pub fn id_of(line: &Value) -> String {
    let id = line["id"].as_str().expect("an id");
    check_id(id);
    id.to_owned()
}

/// A line of the server. Its first field says what it is, and its times and ids have their shape.
#[track_caller]
fn parse(line: &str) -> Value {
    let line: Value = serde_json::from_str(line).expect("every line is JSON");
    let fields = line.as_object().expect("every line is an object");
    if let Some(at) = fields.get("at") {
        stamp::check(at.as_str().expect("a time"), 24);
    }
    for id in ["id", "last"] {
        if let Some(id) = fields.get(id) {
            check_id(id.as_str().expect("an id is a string"));
        }
    }
    line
}

/// An id as text: `1790000000123-0`.
#[track_caller]
fn check_id(id: &str) {
    let (milliseconds, sequence) = id.split_once('-').expect("two numbers");
    for number in [milliseconds, sequence] {
        number.parse::<u64>().expect("a number");
    }
}

/// A line must be the wanted one, field by field. What differs from run to run need not be wanted:
/// times, ids, tokens, and the words of refusals, which are for people.
#[track_caller]
fn assert_same(line: &Value, wanted: &Value) {
    let mut left = line.as_object().expect("an object").clone();
    let varying: &[&str] = match left["is"].as_str() {
        Some("refused") => &["text"],
        Some("welcome") => &["resume"],
        Some("entered") => &["last"],
        _ => &["id", "at"],
    };
    for field in varying {
        if wanted.get(field).is_none() {
            let there = left.remove(*field);
            // Nobody may leave out what a line has to have.
            let is_needed = match *field {
                "id" => ["said", "private"].contains(&left["is"].as_str().unwrap_or_default()),
                "at" => !ANSWERS.contains(&left["is"].as_str().unwrap_or_default()),
                _ => true,
            };
            assert_eq!(
                there.is_some(),
                is_needed || *field == "id" && there.is_some(),
                "{line}"
            );
        }
    }
    assert_eq!(Value::Object(left), *wanted, "all of it: {line}");
}

/// What is no news has no time.
const ANSWERS: [&str; 7] = ["hello", "caught-up", "done", "who", "rooms", "page", "pong"];
