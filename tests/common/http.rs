//! [`Answer`]: what the server answers to an HTTP request, taken apart and held against what is
//! promised of every answer; and requests as bytes. No HTTP client: it sends what a test wants
//! sent. Owned by the test that asked.

use serde_json::Value;

use super::{Client, Daemon};

/// What stands in every answer but the one that makes a connection a WebSocket.
const ALWAYS: [(&str, &str); 4] = [
    ("connection", "close"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// An answer of the server, after which it closed.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its fields, names in small letters.
    fields: Vec<(String, String)>,
    /// What is behind the head.
    pub body: String,
}

impl Answer {
    /// Takes an answer apart. That its length is what it says is checked here, unless it is one
    /// without a body.
    #[track_caller]
    pub fn read(bytes: &[u8], head_only: bool) -> Answer {
        let text = str::from_utf8(bytes).expect("every answer here is text");
        let (head, body) = text.split_once("\r\n\r\n").expect("the end of a head");
        let mut lines = head.split("\r\n");
        let first = lines.next().expect("a first line");
        let status = first.strip_prefix("HTTP/1.1 ").expect("HTTP");
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(": ").expect("a field");
            (name.to_ascii_lowercase(), value.to_owned())
        });
        let answer = Answer {
            status: status[..3].parse().expect("a status"),
            fields: fields.collect(),
            body: body.to_owned(),
        };
        for (name, value) in ALWAYS {
            let field = answer.field(name);
            assert!(
                field.is_some_and(|field| field.starts_with(value)),
                "{name} in {head}"
            );
        }
        let said = answer.field("content-length").map(str::parse);
        if head_only || answer.status == 304 {
            assert_eq!(body, "", "{head}");
        } else {
            assert_eq!(said, Some(Ok(body.len())), "{head}");
        }
        answer
    }

    /// A field that stands there once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|field| field.0 == name);
        let first = values.next();
        assert_eq!(values.next(), None, "{name} stands there twice");
        first.map(|field| field.1.as_str())
    }

    /// The body, each of whose lines is an object.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let lines = self.body.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }
}

impl Daemon {
    /// Sends a request from a connection of its own and reads the answer to the end.
    #[track_caller]
    pub fn ask(&self, request: &str) -> Answer {
        ask_over(self.connect(), request)
    }

    /// Asks for this with GET.
    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        self.ask(&get(target))
    }

    /// Posts this to `ROOM?name=NAME`.
    #[track_caller]
    pub fn post(&self, target: &str, body: &str) -> Answer {
        self.ask(&post(target, body))
    }
}

/// Sends a request on this connection and reads the answer to the end.
#[track_caller]
pub fn ask_over(mut client: Client, request: &str) -> Answer {
    client.send(request.as_bytes());
    answer_of(&mut client, request)
}

/// Reads the answer to this request to the end.
#[track_caller]
pub fn answer_of(client: &mut Client, request: &str) -> Answer {
    Answer::read(&client.raw_until_closed(), request.starts_with("HEAD "))
}

/// A request without a body.
pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// A post to `ROOM?name=NAME`.
pub fn post(target: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /rooms/{target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
