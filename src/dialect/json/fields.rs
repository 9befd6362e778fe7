//! `Fields`: the fields of a program's line, each by itself, of the right type and clean. Which of
//! them belong together is `read`'s. Owned by one [`super::Line`].
//!
//! Strings are taken as bytes and made text here: serde_json would refuse the whole line for
//! invalid UTF-8, half a surrogate pair or a raw control character, where this server puts U+FFFD.
//! What needs no change stays where it lies in the line, so that a plain one is read without an
//! allocation.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::chat::MessageId;
use crate::dialect::cleaning::clean_string;

/// What stands in a line. It has every field of the language's table, whoever needs it.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    /// `do`
    pub(super) verb: Option<Text<'a>>,
    /// `ref`, as it was given, however long.
    pub(super) reference: Option<Cow<'a, str>>,
    pub(super) room: Option<Text<'a>>,
    pub(super) rooms: Option<Vec<Text<'a>>>,
    pub(super) name: Option<Text<'a>>,
    pub(super) to: Option<Text<'a>>,
    pub(super) text: Option<Text<'a>>,
    pub(super) reason: Option<Text<'a>>,
    pub(super) action: Option<bool>,
    pub(super) password: Option<Text<'a>>,
    pub(super) resume: Option<Text<'a>>,
    pub(super) since: Option<Since<'a>>,
    pub(super) before: Option<Id>,
    pub(super) after: Option<Id>,
    pub(super) limit: Option<usize>,
}

/// A clean text.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) clean: Cow<'a, str>,
    /// How long it was before it was cleaned.
    pub(super) given_bytes: usize,
}

/// The newest messages that the program knows of.
#[derive(Debug)]
pub(super) enum Since<'a> {
    /// In the room that the line is about.
    Here(MessageId),
    /// In each of these rooms.
    Rooms(Vec<(Text<'a>, Option<Id>)>),
}

/// An id of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id(pub(super) MessageId);

impl<'a> Fields<'a> {
    /// The fields of a line.
    ///
    /// # Errors
    /// It is no JSON object, or a field has the wrong type; [`Fields::read_tolerantly`] tells these
    /// two apart.
    pub(super) fn read(line: &'a [u8]) -> serde_json::Result<Fields<'a>> {
        let mut json = serde_json::Deserializer::from_slice(line);
        let fields = json.deserialize_map(FieldsVisitor)?;
        json.end()?;
        Ok(fields)
    }

    /// What is needed to refuse a line that [`Fields::read`] does not take: `do` and `ref`, where
    /// they are strings. `None` if it is no JSON object.
    pub(super) fn read_tolerantly(line: &[u8]) -> Option<Fields<'static>> {
        let line = String::from_utf8_lossy(line);
        let mut json = serde_json::Deserializer::from_str(&line);
        let Essentials { verb, reference } = json.deserialize_map(EssentialsVisitor).ok()?;
        json.end().ok()?;
        let string = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
        let verb = verb.and_then(string).map(String::into_bytes);
        Some(Fields {
            verb: verb.map(|verb| Text::new(Cow::Owned(verb))),
            reference: reference.and_then(string).map(Cow::Owned),
            ..Fields::default()
        })
    }
}

/// `do` and `ref`, whatever they are.
#[derive(Default)]
struct Essentials<'a> {
    verb: Option<&'a RawValue>,
    reference: Option<&'a RawValue>,
}

struct EssentialsVisitor;

impl<'de> Visitor<'de> for EssentialsVisitor {
    type Value = Essentials<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Essentials<'de>, A::Error> {
        let mut essentials = Essentials::default();
        // Of a field that stands twice the last counts, as in [`FieldsVisitor`].
        while let Some(Given(key)) = map.next_key()? {
            match &*key {
                b"do" => essentials.verb = Some(map.next_value()?),
                b"ref" => essentials.reference = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(essentials)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Given(key)) = map.next_key()? {
            match &*key {
                b"do" => fields.verb = map.next_value()?,
                b"ref" => {
                    let given: Option<Given<'_>> = map.next_value()?;
                    fields.reference = given.map(Given::into_text);
                }
                b"room" => fields.room = map.next_value()?,
                b"rooms" => fields.rooms = map.next_value()?,
                b"name" => fields.name = map.next_value()?,
                b"to" => fields.to = map.next_value()?,
                b"text" => fields.text = map.next_value()?,
                b"reason" => fields.reason = map.next_value()?,
                b"action" => fields.action = map.next_value()?,
                b"password" => fields.password = map.next_value()?,
                b"resume" => fields.resume = map.next_value()?,
                b"since" => fields.since = map.next_value()?,
                b"before" => fields.before = map.next_value()?,
                b"after" => fields.after = map.next_value()?,
                b"limit" => fields.limit = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

/// A string as it was given, without its escapes: not always valid UTF-8.
struct Given<'a>(Cow<'a, [u8]>);

impl<'a> Given<'a> {
    /// As text that is not cleaned.
    fn into_text(self) -> Cow<'a, str> {
        match self.0 {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
        }
    }
}

impl<'de> Deserialize<'de> for Given<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GivenVisitor;

        impl<'de> Visitor<'de> for GivenVisitor {
            type Value = Given<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Given(Cow::Borrowed(bytes)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Given(Cow::Owned(bytes.to_vec())))
            }
        }

        deserializer.deserialize_bytes(GivenVisitor)
    }
}

impl<'a> Text<'a> {
    fn new(given: Cow<'a, [u8]>) -> Text<'a> {
        Text {
            given_bytes: given.len(),
            clean: clean_string(given),
        }
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Given::deserialize(deserializer).map(|Given(bytes)| Text::new(bytes))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_id(&Text::deserialize(deserializer)?.clean)
    }
}

fn parse_id<E: Error>(text: &str) -> Result<Id, E> {
    text.parse()
        .map(Id)
        .map_err(|_| E::custom("not an id of a message"))
}

impl<'de> Deserialize<'de> for Since<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SinceVisitor;

        impl<'de> Visitor<'de> for SinceVisitor {
            type Value = Since<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id, or rooms with an id each")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                parse_id(text).map(|Id(id)| Since::Here(id))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut rooms = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    rooms.push(entry);
                }
                Ok(Since::Rooms(rooms))
            }
        }

        deserializer.deserialize_any(SinceVisitor)
    }
}
