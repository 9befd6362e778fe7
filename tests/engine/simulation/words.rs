//! How what happened and what is answered looks in both languages, as the protocol says it.
//! It shares no code with the dialects.

use std::cell::RefCell;

use chatd::chat::{Cause, Manner, MessageId};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::browser::UPGRADED;
use super::heard::Happened;
use super::past::{PageTold, Past};
use super::sniff::Language;
use super::wire;

/// What somebody must be told: one line, or several that belong together.
#[derive(Debug)]
pub(crate) enum Words {
    Text(String),
    Json(Json),
    /// A refusal with one of these codes, and any words for people.
    Refused(Refused),
    /// A line of the list of commands.
    Help,
    /// The last frame of a WebSocket, with this code.
    Close(Option<u16>),
    /// A request was answered with this status.
    Answer(u16),
    /// A post was answered: what was said got these ids.
    Posted(Vec<MessageId>),
    /// What was said in a room, as it is read over HTTP.
    Read(PageTold),
    /// The connection is a WebSocket now.
    Upgraded,
    Past(Past),
    Page(PageTold),
}

#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) language: Language,
    pub(crate) codes: Vec<&'static str>,
    pub(crate) reference: Option<String>,
    pub(crate) ends: bool,
}

/// A line that is this object, the same bytes for all.
#[derive(Debug)]
pub(crate) struct Json {
    value: Value,
    bytes: usize,
    seen: RefCell<String>,
}

impl Words {
    pub(crate) fn json(value: Value) -> Words {
        Words::Json(Json {
            bytes: value.to_string().len(),
            value,
            seen: RefCell::default(),
        })
    }

    /// The answer to a program, with its `ref`.
    pub(crate) fn answer(mut value: Value, reference: Option<&str>) -> Words {
        if let Some(reference) = reference {
            value["ref"] = reference.into();
        }
        Words::json(value)
    }

    /// How many of these lines are this, if they begin with it.
    pub(crate) fn fits(&self, lines: &[String]) -> Option<usize> {
        match self {
            Words::Past(past) => return past.fits(lines),
            Words::Page(page) => return page.fits(lines),
            _ => {}
        }
        let line = lines.first()?;
        let fits = match self {
            Words::Text(text) => text == line,
            Words::Json(json) => json.fits(line),
            Words::Refused(refused) => refused.fits(line),
            Words::Help => line.starts_with("= "),
            Words::Close(code) => {
                let code = code.map_or("none".into(), |code| code.to_string());
                line.strip_prefix(wire::CLOSE) == Some(&code)
            }
            Words::Answer(status) => {
                let rest = line.strip_prefix(wire::ANSWER);
                rest.is_some_and(|rest| rest.starts_with(&format!("{status} ")))
            }
            Words::Posted(ids) => {
                let done = |id: &MessageId| json!({ "is": "done", "id": id.to_string() });
                let wanted: Vec<Value> = ids.iter().map(done).collect();
                lines_of_answer(line, 201) == Some(wanted)
            }
            Words::Read(page) => {
                let told = lines_of_answer(line, 200);
                told.is_some_and(|told| page.fits_in_lines(&told))
            }
            Words::Upgraded => line == UPGRADED,
            Words::Past(_) | Words::Page(_) => false,
        };
        fits.then_some(1)
    }

    /// With its ending; where the words are free, more than they are.
    pub(crate) fn bytes_max(&self) -> usize {
        match self {
            Words::Text(text) => text.len() + 1,
            // In a frame, its head takes as much, up to 64 KiB.
            Words::Json(json) => json.bytes + 4,
            Words::Refused(_) | Words::Help | Words::Upgraded => 300,
            Words::Close(_) => 4,
            // The page.
            Words::Answer(200) => 60_000,
            Words::Answer(_) => 1500,
            Words::Posted(ids) => 1500 + 60 * ids.len(),
            Words::Read(page) => 1500 + page.bytes_max(),
            Words::Past(past) => past.bytes_max(),
            Words::Page(page) => page.bytes_max(),
        }
    }
}

/// The lines of an answer over HTTP with this status.
fn lines_of_answer(answer: &str, status: u16) -> Option<Vec<Value>> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let rest = head.strip_prefix(wire::ANSWER)?;
    let lines = body.lines().map(|line| serde_json::from_str(line).ok());
    rest.starts_with(&format!("{status} "))
        .then(|| lines.collect())?
}

impl Json {
    fn fits(&self, line: &str) -> bool {
        let mut seen = self.seen.borrow_mut();
        if !seen.is_empty() {
            return *seen == line;
        }
        let fits = serde_json::from_str::<Value>(line).is_ok_and(|value| value == self.value);
        if fits {
            seen.push_str(line);
        }
        fits
    }
}

impl Refused {
    fn fits(&self, line: &str) -> bool {
        match self.language {
            Language::Text => self.codes.iter().any(|code| {
                let rest = line
                    .strip_prefix("! ")
                    .and_then(|rest| rest.strip_prefix(code));
                rest.is_some_and(|rest| rest.starts_with(' '))
            }),
            Language::Json => {
                let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
                    return false;
                };
                let words = fields.remove("text");
                let code = fields.remove("code");
                let mut rest = json!({ "is": "refused" });
                if let Some(reference) = &self.reference {
                    rest["ref"] = reference.as_str().into();
                }
                if self.ends {
                    rest["ends"] = true.into();
                }
                let code = code.as_ref().and_then(Value::as_str);
                words.is_some_and(|words| words.is_string())
                    && code.is_some_and(|code| self.codes.contains(&code))
                    && Value::Object(fields) == rest
            }
        }
    }
}

/// A fact, to a member that speaks this; nothing if the language has no words for it.
pub(crate) fn of_fact(
    language: Language,
    room: Option<&str>,
    id: MessageId,
    what: &Happened,
) -> Vec<Words> {
    match language {
        Language::Text => text_of(room.unwrap_or_default(), what),
        Language::Json => json_of(room, id, what)
            .into_iter()
            .map(Words::json)
            .collect(),
    }
}

fn text_of(room: &str, what: &Happened) -> Vec<Words> {
    let line = match what {
        Happened::Said { from, text, manner } => said_text(from, text, *manner),
        Happened::Joined { who, here } => format!("* {who} joined ({here} here)"),
        Happened::Left {
            who,
            here,
            cause,
            reason,
        } => {
            let why = match (cause, reason) {
                (Cause::Quit, None) => String::new(),
                (Cause::Quit, Some(reason)) => format!(": \"{reason}\""),
                (Cause::Lost, _) => ": connection lost".into(),
                (Cause::TooSlow, _) => ": too slow".into(),
                (Cause::Closed, None) => ": the operator closed the room".into(),
                (Cause::Closed, Some(reason)) => {
                    format!(": the operator closed the room: {reason}")
                }
                (Cause::Kicked, None) => ": kicked by the operator".into(),
                (Cause::Kicked, Some(reason)) => format!(": kicked by the operator: {reason}"),
                (Cause::Banned, None) => ": banned by the operator".into(),
                (Cause::Banned, Some(reason)) => format!(": banned by the operator: {reason}"),
                (Cause::Stopped, _) => ": server shutting down".into(),
            };
            format!("* {who} left ({here} here){why}")
        }
        Happened::Churn { joined, left, here } => match (joined, left) {
            (joined, 0) => format!("* {joined} joined ({here} here)"),
            (0, left) => format!("* {left} left ({here} here)"),
            _ => format!("* {joined} joined, {left} left ({here} here)"),
        },
        Happened::Renamed { from, to } => format!("* {from} is now {to}"),
        Happened::Topic { text, by } if text.is_empty() => format!("* {by} cleared the topic"),
        Happened::Topic { text, by } => format!("* {by} set the topic: \"{text}\""),
        Happened::Private { from, text } => format!("-{from}- {text}"),
        Happened::Announcement { text } => format!("* operator: {text}"),
        Happened::Entered {
            who,
            here,
            names,
            topic,
            ..
        } => {
            let names = names_text(*here, names);
            let welcome = format!("* welcome to {room}, {who} ({names})");
            if topic.is_empty() {
                welcome
            } else {
                return vec![
                    Words::Text(welcome),
                    Words::Text(format!("* topic: \"{topic}\"")),
                ];
            }
        }
        Happened::Parted | Happened::Closed => return Vec::new(),
    };
    vec![Words::Text(line)]
}

/// `3 here: ann, ben, cyd`
pub(crate) fn names_text(here: usize, names: &[String]) -> String {
    let colon = if names.is_empty() { "" } else { ": " };
    let more = match here - names.len() {
        0 => String::new(),
        more => format!(", … and {more} more"),
    };
    format!("{here} here{colon}{}{more}", names.join(", "))
}

pub(crate) fn said_text(from: &str, text: &str, manner: Manner) -> String {
    match manner {
        Manner::Action => format!("<{from}> /me {text}"),
        Manner::Plain | Manner::Posted => format!("<{from}> {text}"),
    }
}

/// A message, as an element of a page.
pub(crate) fn said_json(id: MessageId, from: &str, text: &str, manner: Manner) -> Value {
    let mut said = json!({ "id": id.to_string(), "at": millis(id), "from": from, "text": text });
    match manner {
        Manner::Plain => {}
        Manner::Action => said["action"] = true.into(),
        Manner::Posted => said["posted"] = true.into(),
    }
    said
}

fn json_of(room: Option<&str>, id: MessageId, what: &Happened) -> Option<Value> {
    let mut line = match what {
        Happened::Said { from, text, manner } => {
            let mut said = said_json(id, from, text, *manner);
            said["is"] = "said".into();
            said
        }
        Happened::Joined { who, here } => json!({ "is": "joined", "name": who, "here": here }),
        Happened::Left {
            who,
            here,
            cause,
            reason,
        } => {
            let cause = match cause {
                Cause::Quit => "quit",
                Cause::Lost => "lost",
                Cause::TooSlow => "too-slow",
                Cause::Kicked | Cause::Closed => "kicked",
                Cause::Banned => "banned",
                Cause::Stopped => "stopped",
            };
            let mut left = json!({ "is": "left", "name": who, "here": here, "cause": cause });
            if let Some(reason) = reason {
                left["reason"] = reason.as_str().into();
            }
            left
        }
        Happened::Churn { joined, left, here } => {
            json!({ "is": "churn", "joined": joined, "left": left, "here": here })
        }
        Happened::Renamed { .. } if room.is_none() => return None,
        Happened::Renamed { from, to } => json!({ "is": "renamed", "from": from, "to": to }),
        Happened::Topic { text, by } => json!({ "is": "topic", "text": text, "by": by }),
        Happened::Private { from, text } => {
            json!({ "is": "private", "id": id.to_string(), "from": from, "text": text })
        }
        Happened::Announcement { text } => json!({ "is": "announcement", "text": text }),
        Happened::Entered {
            here,
            names,
            topic,
            last,
            ..
        } => {
            return Some(
                json!({ "is": "entered", "room": room, "topic": topic, "here": here,
                "names": names, "more": here - names.len(), "last": last.to_string() }),
            );
        }
        Happened::Parted | Happened::Closed => return None,
    };
    line["at"] = millis(id).into();
    if let Some(room) = room {
        line["room"] = room.into();
    }
    Some(line)
}

fn millis(id: MessageId) -> String {
    stamp(id, "%Y-%m-%dT%H:%M:%S.%3fZ")
}

/// The time of an id, in this form.
pub(crate) fn stamp(id: MessageId, form: &str) -> String {
    let millis = i64::try_from(id.at().as_millis()).unwrap();
    let at = Timestamp::from_millisecond(millis).unwrap();
    at.strftime(form).to_string()
}
