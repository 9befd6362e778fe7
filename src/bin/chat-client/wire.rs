//! A line of the server, and lines for it. What they mean is the session's. Everything in an event
//! comes from a peer that is not trusted: `lines` cleans what is shown of it.

pub use chatd::dialect::line::{LineBuffer, Piece};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A line of the server: the fields of all kinds of lines together (hence so many), each of which
/// may be missing. Kinds and fields that are not known are passed over: new ones may come.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Event {
    pub is: String,
    /// Of the request that is answered.
    pub r#ref: Option<String>,
    pub room: Option<String>,
    /// RFC 3339, UTC.
    pub at: Option<String>,
    /// Equal is equal; nothing else is known of an id.
    pub id: String,
    pub name: String,
    pub from: String,
    pub to: String,
    pub by: String,
    pub text: String,
    /// `/me`.
    pub action: bool,
    /// Said before we came.
    pub past: bool,
    pub code: String,
    /// Whether the connection ends with this refusal.
    pub ends: bool,
    pub cause: String,
    pub reason: Option<String>,
    pub resume: Option<String>,
    pub motd: Option<String>,
    pub topic: Option<String>,
    pub last: Option<String>,
    pub names: Vec<String>,
    pub here: u64,
    /// Of a greeting: bytes of a text, and whether there is a past on disk to ask for.
    pub line_max: usize,
    pub search: bool,
    /// Whether there is a password.
    pub password: bool,
    /// How many are left out; in a page only whether there are any.
    #[serde(deserialize_with = "count")]
    pub more: u64,
    pub joined: u64,
    pub left: u64,
    /// Messages between what was seen and what came; `None` if nobody knows.
    pub missed: Option<u64>,
    pub ids: Vec<String>,
    pub rooms: Vec<RoomEntry>,
    pub messages: Vec<PastMessage>,
}

/// Bytes of a name (of a person or a room), an id, or a token. Chats have far shorter ones, and
/// these are kept.
const NAME_BYTES_MAX: usize = 512;

impl Event {
    /// Whether all that is kept of it is as short as in any chat.
    pub fn is_bounded(&self) -> bool {
        let Event {
            room,
            id,
            name,
            from,
            to,
            resume,
            last,
            names,
            messages,
            ..
        } = self;
        let optional = [room, resume, last].into_iter().flatten();
        let kept = [id, name, from, to].into_iter().chain(optional);
        let paged = messages.iter().map(|message| &message.id);
        let mut kept = kept.chain(names).chain(paged);
        kept.all(|name| name.len() <= NAME_BYTES_MAX)
    }
}

/// A number, or whether it is above 0.
fn count<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Number(u64),
        Any(bool),
    }
    Ok(match Count::deserialize(from)? {
        Count::Number(number) => number,
        Count::Any(any) => u64::from(any),
    })
}

/// A room in the answer to `rooms`. Nothing but the topic may be missing: an entry cannot be cheap.
#[derive(Debug, Deserialize)]
pub struct RoomEntry {
    pub room: String,
    pub here: u64,
    pub topic: Option<String>,
}

/// A message in a page of the past.
#[derive(Debug, Deserialize)]
pub struct PastMessage {
    pub id: String,
    pub at: String,
    pub from: String,
    pub text: String,
    #[serde(default)]
    pub action: bool,
}

impl PastMessage {
    /// The same as a line of its room.
    pub fn said_in(self, room: &str) -> Event {
        Event {
            is: "said".to_owned(),
            room: Some(room.to_owned()),
            id: self.id,
            at: Some(self.at),
            from: self.from,
            text: self.text,
            action: self.action,
            past: true,
            ..Event::default()
        }
    }
}

/// A request as a line, with its LF. The answer carries the same `reference`.
pub fn line(request: &Value, reference: &str) -> Vec<u8> {
    let mut request = request.clone();
    request["ref"] = reference.into();
    format!("{request}\n").into_bytes()
}
