//! One line of the server in JSON, as a program may rely on it: one object, each field once, and
//! for each `is` the fields of `json.md`, of their types and no others. Said once more, apart from
//! `dialect::json`, which writes these lines.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::{Map, Value};

use crate::server_line::is_control;

/// What stands in a line beside `is` and `ref`: `s` a string, `u` a number, `b` a boolean, `n` a
/// number or null, `t` a time, `i` an id, `S` strings, `I` ids, `R` rooms, `M` messages. What stands
/// behind `?` may be missing.
const SHAPES: [(&str, &str); 21] = [
    (
        "hello",
        "server:s version:s json:u line_max:u history:b search:b password:b",
    ),
    ("welcome", "name:s resume:s ? motd:s"),
    ("entered", "room:s topic:s here:u names:S more:u last:i"),
    ("caught-up", "room:s missed:n"),
    (
        "said",
        "room:s id:i at:t from:s text:s ? action:b posted:b past:b",
    ),
    ("done", "? id:i"),
    ("joined", "room:s at:t name:s here:u"),
    ("left", "room:s at:t name:s here:u cause:s ? reason:s"),
    ("churn", "room:s at:t joined:u left:u here:u"),
    ("renamed", "room:s at:t from:s to:s"),
    ("topic", "room:s text:s ? at:t by:s"),
    ("private", "at:t from:s text:s id:i"),
    ("announcement", "at:t text:s ? room:s"),
    ("forgotten", "ids:I ? room:s at:t"),
    ("who", "room:s here:u names:S more:u"),
    ("rooms", "rooms:R more:u"),
    ("page", "room:s messages:M more:b"),
    ("pong", ""),
    ("refused", "code:s text:s ? ends:b"),
    ("a room", "room:s here:u topic:s"),
    ("a message", "id:i at:t from:s text:s ? action:b posted:b"),
];

/// What is told in answer to a request; only that may have a `ref`.
const ANSWERS: [&str; 8] = [
    "welcome", "done", "who", "rooms", "page", "pong", "refused", "topic",
];

/// An object of which no field stands twice.
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique, D::Error> {
        struct UniqueVisitor;

        impl<'de> Visitor<'de> for UniqueVisitor {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut fields = Map::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if fields.insert(key, value).is_some() {
                        return Err(de::Error::custom("a field stands twice"));
                    }
                }
                Ok(Unique(fields))
            }
        }

        deserializer.deserialize_map(UniqueVisitor)
    }
}

/// A line of the server that is as it should be.
#[derive(Debug)]
pub struct JsonLine {
    fields: Map<String, Value>,
}

impl JsonLine {
    /// Checks a line, given without its LF, and says what is in it.
    ///
    /// # Panics
    /// When it is not a line that a server may send.
    pub fn check(line: &[u8]) -> JsonLine {
        let text = std::str::from_utf8(line).expect("the server speaks UTF-8");
        assert!(!text.contains(is_control), "a control character: {text:?}");
        let Unique(mut fields) =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
        let line = JsonLine {
            fields: fields.clone(),
        };
        let is = line.is().to_owned();
        fields.remove("is");
        if let Some(reference) = fields.remove("ref") {
            assert!(ANSWERS.contains(&&*is), "{text:?} answers nothing");
            let reference = reference.as_str().expect("a ref is a string");
            assert!(reference.len() <= 64, "{reference:?}");
        }
        check_shape(&is, fields);
        line
    }

    /// What it is.
    pub fn is(&self) -> &str {
        self.text("is").expect("a line says what it is")
    }

    /// A field, if it is there and a string.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// Whether a field is there and true.
    pub fn has(&self, field: &str) -> bool {
        self.fields.get(field) == Some(&Value::Bool(true))
    }

    /// A field, if it is there.
    pub fn field(&self, field: &str) -> Option<&Value> {
        self.fields.get(field)
    }
}

fn check_shape(is: &str, mut fields: Map<String, Value>) {
    let shape = SHAPES.iter().find(|(name, _)| *name == is);
    let (_, shape) = shape.unwrap_or_else(|| panic!("no program knows {is:?}"));
    let mut may_be_missing = false;
    for part in shape.split_whitespace() {
        let Some((name, kind)) = part.split_once(':') else {
            may_be_missing = true;
            continue;
        };
        match fields.remove(name) {
            Some(value) => assert!(is_of(kind, &value), "{is}: {name} is {value}"),
            None => assert!(may_be_missing, "{is} has no {name}"),
        }
    }
    assert!(fields.is_empty(), "{is} has {fields:?}");
}

fn is_of(kind: &str, value: &Value) -> bool {
    let all = |kind, is: fn(&str, &Value) -> bool| {
        let values = value.as_array();
        values.is_some_and(|values| values.iter().all(|value| is(kind, value)))
    };
    let object = |kind: &str, value: &Value| {
        let fields = value.as_object();
        check_shape(kind, fields.expect("it is an object").clone());
        true
    };
    match kind {
        // A control character may also come of an escape.
        "s" => value
            .as_str()
            .is_some_and(|text| !text.contains(is_control)),
        "u" => value.is_u64(),
        "b" => value.is_boolean(),
        "n" => value.is_u64() || value.is_null(),
        "t" => value.as_str().is_some_and(is_time),
        "i" => value.as_str().is_some_and(is_id),
        "S" => all("s", is_of),
        "I" => all("i", is_of),
        "R" => all("a room", object),
        "M" => all("a message", object),
        _ => false,
    }
}

/// RFC 3339 with milliseconds, UTC.
fn is_time(text: &str) -> bool {
    let shape = "dddd-dd-ddTdd:dd:dd.dddZ".chars();
    shape.eq(text
        .chars()
        .map(|c| if c.is_ascii_digit() { 'd' } else { c }))
}

fn is_id(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let halves = text.split_once('-');
    halves.is_some_and(|(millis, sequence)| is_number(millis) && is_number(sequence))
}
