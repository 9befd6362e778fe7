//! What a line of a client asks for, in both languages, as the protocol says it. For the lines that
//! the simulated clients write; the languages have tests of their own.

use chatd::chat::MessageId;
use serde_json::Value;

use super::sniff::{clean, key};

/// What a line asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Nothing,
    /// No, and one of these is said.
    Refused(Vec<&'static str>),
    Enter(Entry),
    Say {
        room: Option<String>,
        text: String,
        action: bool,
    },
    Post {
        room: String,
        name: String,
        text: String,
    },
    Join {
        room: String,
        since: Option<MessageId>,
    },
    Move(String),
    Part(String),
    Nick(String),
    Msg {
        to: String,
        text: String,
    },
    ShowTopic,
    SetTopic {
        room: Option<String>,
        text: String,
    },
    Who(Option<String>),
    Rooms,
    History(Page),
    Echo(bool),
    Ping(Option<String>),
    Help,
    Prompt,
    Quit(Option<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) rooms: Vec<(String, Option<MessageId>)>,
    /// The newest message that is known of each room, be it named or not.
    pub(crate) known: Vec<(String, MessageId)>,
    pub(crate) resume: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    pub(crate) room: Option<String>,
    pub(crate) before: Option<MessageId>,
    pub(crate) after: Option<MessageId>,
    pub(crate) limit: usize,
}

impl Asked {
    fn refused(code: &'static str) -> Asked {
        Asked::Refused(vec![code])
    }

    /// How many bytes it costs of what one may say.
    pub(crate) fn said_bytes(&self) -> usize {
        match self {
            Asked::Say { text, .. }
            | Asked::Post { text, .. }
            | Asked::Msg { text, .. }
            | Asked::SetTopic { text, .. } => text.len(),
            _ => 0,
        }
    }
}

/// What a line of plain text asks for.
pub(crate) fn text(line: &[u8], is_named: bool) -> Asked {
    let line = clean(line);
    let asked = member_text(&line);
    if is_named {
        return match asked {
            Asked::Prompt => Asked::Nothing,
            asked => asked,
        };
    }
    match asked {
        Asked::Help | Asked::Prompt | Asked::Quit(_) => asked,
        _ => Asked::Enter(Entry {
            name: line.trim().to_owned(),
            rooms: vec![("lobby".to_owned(), None)],
            known: Vec::new(),
            resume: None,
        }),
    }
}

fn member_text(line: &str) -> Asked {
    let say = |text: &str| Asked::Say {
        room: None,
        text: text.to_owned(),
        action: false,
    };
    if line.chars().all(is_blank) {
        return Asked::Prompt;
    }
    let Some(command) = line.strip_prefix('/') else {
        return say(line);
    };
    if command.starts_with('/') {
        return say(command);
    }
    if command.is_empty() || command.starts_with(is_blank) {
        return say(line);
    }
    let (word, rest) = first_word(command);
    let some = (!rest.is_empty()).then(|| rest.to_owned());
    let single = some.clone().filter(|rest| !rest.contains(is_blank));
    let room = |name: String| without_hash(&name);
    let bad = Asked::refused("bad-usage");
    match (&*word.to_ascii_lowercase(), some, single) {
        ("help", ..) => Asked::Help,
        ("rooms", ..) => Asked::Rooms,
        ("ping", token, _) => Asked::Ping(token),
        ("quit", why, _) => Asked::Quit(why),
        ("who", None, _) => Asked::Who(None),
        ("who", _, Some(name)) => Asked::Who(Some(room(name))),
        ("join", _, Some(name)) => Asked::Move(room(name)),
        ("nick", _, Some(name)) => Asked::Nick(name),
        ("echo", Some(how), _) if how == "on" || how == "off" => Asked::Echo(how == "on"),
        ("say", Some(text), _) => say(&text),
        ("me", Some(text), _) => Asked::Say {
            room: None,
            text,
            action: true,
        },
        ("topic", None, _) => Asked::ShowTopic,
        ("topic", Some(text), _) => Asked::SetTopic { room: None, text },
        ("search", Some(_), _) => Asked::refused("no-history"),
        ("history", None, _) => Asked::History(newest(20)),
        ("history", Some(limit), _) => match limit.parse() {
            Ok(limit) if limit > 0 => Asked::History(newest(limit)),
            _ => bad,
        },
        ("msg", Some(rest), _) => match first_word(&rest) {
            (_, "") => bad,
            (to, text) => Asked::Msg {
                to: to.to_owned(),
                text: text.to_owned(),
            },
        },
        ("who" | "join" | "nick" | "echo" | "say" | "me" | "search" | "msg", ..) => bad,
        _ => Asked::refused("unknown-command"),
    }
}

fn newest(limit: usize) -> Page {
    Page {
        room: None,
        before: None,
        after: None,
        limit,
    }
}

/// What a line of JSON asks for, and its `ref`.
pub(crate) fn json(line: &[u8], text_bytes_max: usize) -> (Asked, Option<String>) {
    if line.iter().all(u8::is_ascii_whitespace) {
        return (Asked::Nothing, None);
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(line) else {
        return (Asked::refused("bad-json"), None);
    };
    let fields = Value::Object(fields);
    let given = fields["ref"].as_str();
    let reference = given.filter(|given| given.len() <= 64).map(str::to_owned);
    let is_known = given.is_none() == reference.is_none();
    let asked = match program(&fields, text_bytes_max) {
        Some(asked) if is_known || asked == Asked::refused("unknown-command") => asked,
        _ => Asked::refused("bad-usage"),
    };
    (asked, reference)
}

fn program(fields: &Value, text_bytes_max: usize) -> Option<Asked> {
    let word = |name: &str| Some(clean(fields[name].as_str()?.as_bytes()));
    let room = || word("room").map(|name| without_hash(&name));
    let id = |value: &Value| value.as_str().and_then(|id| id.parse::<MessageId>().ok());
    let text = || word("text").filter(|text| !text.chars().all(is_blank));
    let verb = word("do")?;
    let asked = match &*verb {
        "say" => Asked::Say {
            room: Some(room()?),
            text: text()?,
            action: fields["action"].as_bool().unwrap_or(false),
        },
        "post" => Asked::Post {
            room: room()?,
            name: word("name")?,
            text: text()?,
        },
        "msg" => Asked::Msg {
            to: word("to")?,
            text: text()?,
        },
        "enter" => Asked::Enter(entry(fields)?),
        "join" => Asked::Join {
            room: room()?,
            since: id(&fields["since"]),
        },
        "part" => Asked::Part(room()?),
        "nick" => Asked::Nick(word("name")?),
        "topic" => Asked::SetTopic {
            room: Some(room()?),
            text: word("text").map(|text| match text.chars().all(is_blank) {
                true => String::new(),
                false => text,
            })?,
        },
        "who" => Asked::Who(Some(room()?)),
        "rooms" => Asked::Rooms,
        "history" => Asked::History(Page {
            room: Some(room()?),
            before: id(&fields["before"]),
            after: id(&fields["after"]),
            limit: fields["limit"].as_u64().unwrap_or(50) as usize,
        }),
        "ping" => Asked::Ping(None),
        "quit" => Asked::Quit(word("reason").filter(|why| !why.chars().all(is_blank))),
        _ => return Some(Asked::refused("unknown-command")),
    };
    let is_long = |name: &str| {
        let text = fields[name].as_str();
        text.is_some_and(|text| text.len() > text_bytes_max)
    };
    Some(if is_long("text") || is_long("reason") {
        Asked::refused("line-too-long")
    } else {
        asked
    })
}

fn entry(fields: &Value) -> Option<Entry> {
    let rooms = match &fields["rooms"] {
        Value::Array(rooms) => rooms
            .iter()
            .map(|room| room.as_str())
            .collect::<Option<_>>()?,
        _ => vec!["lobby"],
    };
    let known: Vec<(String, MessageId)> = match &fields["since"] {
        Value::Object(known) => {
            let known = known.iter();
            let known = known
                .filter_map(|(room, id)| Some((without_hash(room), id.as_str()?.parse().ok()?)));
            known.collect()
        }
        _ => Vec::new(),
    };
    // A room may be spelled in two ways.
    let since = |room: &str| {
        let mut known = known.iter().rev();
        let found = known.find(|(other, _)| key(other) == key(&without_hash(room)));
        found.map(|&(_, id)| id)
    };
    Some(Entry {
        name: fields["name"].as_str()?.to_owned(),
        rooms: rooms
            .into_iter()
            .map(|room| (without_hash(room), since(room)))
            .collect(),
        known: known.clone(),
        resume: fields["resume"].as_str().map(str::to_owned),
    })
}

fn without_hash(room: &str) -> String {
    room.strip_prefix('#').unwrap_or(room).to_owned()
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_matches(is_blank);
    let end = text.find(is_blank).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start_matches(is_blank))
}
