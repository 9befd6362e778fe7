//! [`Line`]: what a program's line asks for, by the fields that stand in it. Not whether it may be
//! had: that is for the rules of chat. Owned by who handles the line, for that long.

use std::borrow::Cow;
use std::collections::HashMap;

use super::fields::{Fields, Id, Since, Text};
use crate::chat::{Act, Command, Entry, LOBBY, MessageId, PageEnd, PageOf, Request, SearchFor};
use crate::dialect::Refusal;
use crate::password::GivenPassword;

/// The longest `ref`, in bytes.
const REFERENCE_BYTES_MAX: usize = 64;
const REFERENCE_USAGE: &str = r#""ref":"any string of at most 64 bytes""#;

/// Messages in a page, unless the program asks for another number; and the most it gets.
const PAGE_MESSAGES_DEFAULT: usize = 50;

/// One line of a program, taken apart. What it says lives as long as this, or as the line itself.
#[derive(Debug)]
pub struct Line<'a> {
    fields: Fields<'a>,
    /// Those to enter.
    rooms: Vec<(Cow<'a, str>, Option<MessageId>)>,
    /// What is known of them, and of others.
    known: Vec<(String, MessageId)>,
    fault: Option<Fault>,
}

/// Why there is no sense in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    NoObject,
    /// A field that this language knows is not what it should be.
    WrongField,
}

impl<'a> Line<'a> {
    /// Takes a line apart. What is wrong with it is said by [`Line::request`].
    pub fn read(line: &'a [u8]) -> Line<'a> {
        let (mut fields, fault) = match Fields::read(line) {
            Ok(fields) => (fields, None),
            Err(_) => match Fields::read_tolerantly(line) {
                Some(fields) => (fields, Some(Fault::WrongField)),
                None => (Fields::default(), Some(Fault::NoObject)),
            },
        };
        let enters = fields
            .verb
            .as_ref()
            .is_some_and(|verb| verb.clean == "enter");
        let (mut rooms, mut known) = (Vec::new(), Vec::new());
        if enters {
            known = known_of_rooms(fields.since.as_ref());
            rooms = rooms_to_enter(fields.rooms.take(), &known);
        }
        Line {
            fields,
            rooms,
            known,
            fault,
        }
    }

    /// What the program wants to know the answer by.
    pub fn reference(&self) -> Option<&str> {
        let reference = self.fields.reference.as_deref();
        reference.filter(|reference| reference.len() <= REFERENCE_BYTES_MAX)
    }

    /// What the line asks for.
    ///
    /// # Errors
    /// [`Refusal::BadJson`]: it is no JSON object. [`Refusal::UnknownCommand`]: nobody knows what
    /// is to be done. [`Refusal::BadUsage`]: a field is missing or wrong. [`Refusal::LineTooLong`]:
    /// a text has more than `line_bytes_max` bytes, as it was given but without its escapes.
    pub fn request(&self, line_bytes_max: usize) -> Result<Request<'_>, Refusal<'_>> {
        if self.fault == Some(Fault::NoObject) {
            return Err(Refusal::BadJson);
        }
        // If nothing is to be done, this shows what a line looks like.
        let verb = text(&self.fields.verb).unwrap_or("say");
        let (usage, request) = self.understand(verb).ok_or(Refusal::UnknownCommand(verb))?;
        if self.fields.reference.is_some() && self.reference().is_none() {
            return Err(Refusal::BadUsage(REFERENCE_USAGE));
        }
        let has_sense = self.fault.is_none() && self.fields.verb.is_some();
        let request = request.filter(|_| has_sense);
        let request = request.ok_or(Refusal::BadUsage(usage))?;
        let texts = [&self.fields.text, &self.fields.reason];
        if texts
            .into_iter()
            .flatten()
            .any(|text| text.given_bytes > line_bytes_max)
        {
            return Err(Refusal::LineTooLong);
        }
        Ok(request)
    }

    /// How the line is written, and what it asks for if the fields are there. `None` for an unknown
    /// verb.
    fn understand(&self, verb: &str) -> Option<(&'static str, Option<Request<'_>>)> {
        Some(match verb {
            "say" => (
                r#"{"do":"say","room":"lobby","text":"hello"}"#,
                self.in_room(self.say()),
            ),
            "post" => (
                r#"{"do":"post","room":"lobby","name":"cron","text":"done"}"#,
                self.in_room(self.post()),
            ),
            "msg" => (
                r#"{"do":"msg","to":"ben","text":"hello"}"#,
                anywhere(self.msg()),
            ),
            "enter" => (
                r#"{"do":"enter","name":"ann","rooms":["lobby"],"since":{"lobby":"0-0"}}"#,
                anywhere(self.enter()),
            ),
            "join" => (
                r#"{"do":"join","room":"ops","since":"0-0"}"#,
                self.in_room(self.join()),
            ),
            "part" => (
                r#"{"do":"part","room":"ops"}"#,
                self.in_room(Some(Act::Part)),
            ),
            "nick" => (
                r#"{"do":"nick","name":"anna"}"#,
                anywhere(text(&self.fields.name).map(Act::Nick)),
            ),
            "topic" => (
                r#"{"do":"topic","room":"lobby","text":"plans"}"#,
                self.in_room(self.topic()),
            ),
            "who" => (
                r#"{"do":"who","room":"lobby"}"#,
                self.in_room(Some(Act::Who)),
            ),
            "rooms" => (r#"{"do":"rooms"}"#, anywhere(Some(Act::Rooms))),
            "history" => (
                r#"{"do":"history","room":"lobby","before":"9-0","limit":50}, or with after, or without both"#,
                self.in_room(self.page().map(Command::History)),
            ),
            "search" => (
                r#"{"do":"search","room":"lobby","text":"words","before":"9-0","limit":50}"#,
                self.in_room(self.search()),
            ),
            "ping" => (r#"{"do":"ping"}"#, anywhere(Some(Command::Ping(None)))),
            "quit" => (
                r#"{"do":"quit","reason":"so long"}"#,
                anywhere(Some(Command::Quit(self.reason()))),
            ),
            _ => return None,
        })
    }

    fn in_room<'s>(&'s self, command: Option<impl Into<Command<'s>>>) -> Option<Request<'s>> {
        Some(Request {
            room: Some(room_name(text(&self.fields.room)?)),
            command: command?.into(),
        })
    }

    fn say(&self) -> Option<Act<'_>> {
        Some(Act::Say {
            text: self.words()?,
            action: self.fields.action.unwrap_or(false),
        })
    }

    fn post(&self) -> Option<Command<'_>> {
        Some(Command::Post {
            name: text(&self.fields.name)?,
            text: self.words()?,
            password: self.password(),
        })
    }

    fn msg(&self) -> Option<Act<'_>> {
        Some(Act::Msg {
            to: text(&self.fields.to)?,
            text: self.words()?,
        })
    }

    fn enter(&self) -> Option<Command<'_>> {
        if matches!(self.fields.since, Some(Since::Here(_))) {
            return None;
        }
        Some(Command::Enter(Entry {
            name: text(&self.fields.name)?,
            rooms: &self.rooms,
            password: self.password(),
            resume: text(&self.fields.resume),
            known: &self.known,
        }))
    }

    fn join(&self) -> Option<Act<'_>> {
        match self.fields.since {
            None => Some(Act::Join { since: None }),
            Some(Since::Here(id)) => Some(Act::Join { since: Some(id) }),
            Some(Since::Rooms(_)) => None,
        }
    }

    /// One of blanks alone clears it too.
    fn topic(&self) -> Option<Act<'_>> {
        let topic = text(&self.fields.text)?;
        Some(Act::SetTopic(if is_blank(topic) { "" } else { topic }))
    }

    fn page(&self) -> Option<PageOf> {
        let end = match (self.fields.before, self.fields.after) {
            (None, None) => PageEnd::Newest,
            (Some(Id(id)), None) => PageEnd::Before(id),
            (None, Some(Id(id))) => PageEnd::After(id),
            (Some(_), Some(_)) => return None,
        };
        let limit = self.fields.limit.unwrap_or(PAGE_MESSAGES_DEFAULT);
        Some(PageOf { end, limit })
    }

    fn search(&self) -> Option<Command<'_>> {
        Some(Command::Search(SearchFor {
            words: self.words()?,
            before: self.fields.before.as_ref().map(|&Id(id)| id),
            limit: self.fields.limit.unwrap_or(PAGE_MESSAGES_DEFAULT),
        }))
    }

    /// The text, if there is something in it.
    fn words(&self) -> Option<&str> {
        text(&self.fields.text).filter(|text| !is_blank(text))
    }

    fn password(&self) -> Option<GivenPassword<'_>> {
        GivenPassword::of(text(&self.fields.password)?)
    }

    fn reason(&self) -> Option<&str> {
        text(&self.fields.reason).filter(|reason| !is_blank(reason))
    }
}

fn text<'t>(field: &'t Option<Text<'_>>) -> Option<&'t str> {
    field.as_ref().map(|text| &*text.clean)
}

fn anywhere<'a>(command: Option<impl Into<Command<'a>>>) -> Option<Request<'a>> {
    Some(Request {
        room: None,
        command: command?.into(),
    })
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c == ' ' || c == '\t')
}

/// People write `#lobby` for the room lobby.
fn room_name(given: &str) -> &str {
    given.strip_prefix('#').unwrap_or(given)
}

fn rooms_to_enter<'a>(
    rooms: Option<Vec<Text<'a>>>,
    known: &[(String, MessageId)],
) -> Vec<(Cow<'a, str>, Option<MessageId>)> {
    // A room may be called otherwise by its program than by the server, whose word `since` repeats.
    let key = |room: &str| room_name(room).to_lowercase();
    let since: HashMap<String, MessageId> =
        known.iter().map(|(room, id)| (key(room), *id)).collect();
    let rooms = match rooms {
        Some(rooms) => rooms
            .into_iter()
            .map(|room| without_hash(room.clean))
            .collect(),
        None => vec![Cow::Borrowed(LOBBY)],
    };
    rooms
        .into_iter()
        .map(|room| {
            let known = since.get(&key(&room)).copied();
            (room, known)
        })
        .collect()
}

fn known_of_rooms(since: Option<&Since<'_>>) -> Vec<(String, MessageId)> {
    match since {
        Some(Since::Rooms(known)) => known
            .iter()
            .filter_map(|(room, id)| Some((room_name(&room.clean).to_owned(), (*id)?.0)))
            .collect(),
        Some(Since::Here(_)) | None => Vec::new(),
    }
}

fn without_hash(room: Cow<'_, str>) -> Cow<'_, str> {
    match room {
        Cow::Borrowed(room) => Cow::Borrowed(room_name(room)),
        Cow::Owned(room) => Cow::Owned(room_name(&room).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> MessageId {
        text.parse().unwrap()
    }

    /// What a line comes to, with a bound of 20 bytes.
    fn check(line: &str, expected: Result<Request<'_>, Refusal<'_>>) {
        let line_read = Line::read(line.as_bytes());
        assert_eq!(line_read.request(20), expected, "{line}");
    }

    fn code(line: impl AsRef<[u8]>) -> &'static str {
        match Line::read(line.as_ref()).request(20) {
            Ok(_) => "ok",
            Err(refusal) => refusal.code(),
        }
    }

    fn lobby<'a>(command: impl Into<Command<'a>>) -> Result<Request<'a>, Refusal<'a>> {
        Ok(Request {
            room: Some("lobby"),
            command: command.into(),
        })
    }

    fn nowhere<'a>(command: impl Into<Command<'a>>) -> Result<Request<'a>, Refusal<'a>> {
        Ok(Request {
            room: None,
            command: command.into(),
        })
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table of what stands where")]
    fn every_verb_is_understood() {
        let plain = Act::Say {
            text: "hello",
            action: false,
        };
        let action = Act::Say {
            text: "/who waves",
            action: true,
        };
        let post = |password| Command::Post {
            name: "cron",
            text: "backup done",
            password: GivenPassword::of(password),
        };
        let msg = Act::Msg {
            to: "ben",
            text: "hello",
        };
        let since = Some(id("17-3"));
        let page = |end, limit| lobby(Command::History(PageOf { end, limit }));
        for (line, expected) in [
            (
                r##"{"do":"say","room":"#lobby","text":"hello","ref":"1"}"##,
                lobby(plain),
            ),
            (
                r#"{"do":"say","room":"lobby","text":"hello","action":false}"#,
                lobby(plain),
            ),
            (
                r#"{"do":"say","room":"lobby","text":"/who waves","action":true}"#,
                lobby(action),
            ),
            (
                r#"{"do":"post","room":"lobby","name":"cron","text":"backup done"}"#,
                lobby(post("")),
            ),
            (
                r#"{"do":"post","room":"lobby","name":"cron","text":"backup done","password":"s \u0000"}"#,
                lobby(post("s \u{fffd}")),
            ),
            (
                r#"{"do":"post","room":"lobby","name":"cron","text":"backup done","password":""}"#,
                lobby(post("")),
            ),
            (r#"{"do":"msg","to":"ben","text":"hello"}"#, nowhere(msg)),
            (
                r#"{"do":"join","room":"lobby"}"#,
                lobby(Act::Join { since: None }),
            ),
            (
                r#"{"do":"join","room":"lobby","since":null}"#,
                lobby(Act::Join { since: None }),
            ),
            (
                r#"{"do":"join","room":"lobby","since":"17-3"}"#,
                lobby(Act::Join { since }),
            ),
            (r#"{"do":"part","room":"lobby"}"#, lobby(Act::Part)),
            (r#"{"do":"nick","name":"anna"}"#, nowhere(Act::Nick("anna"))),
            (
                r#"{"do":"topic","room":"lobby","text":"plans"}"#,
                lobby(Act::SetTopic("plans")),
            ),
            (
                r#"{"do":"topic","room":"lobby","text":""}"#,
                lobby(Act::SetTopic("")),
            ),
            (
                r#"{"do":"topic","room":"lobby","text":" \n"}"#,
                lobby(Act::SetTopic("")),
            ),
            (r#"{"do":"who","room":"lobby"}"#, lobby(Act::Who)),
            (r#"{"do":"rooms"}"#, nowhere(Act::Rooms)),
            (r#"{"do":"ping","ref":"7"}"#, nowhere(Command::Ping(None))),
            (r#"{"do":"quit"}"#, nowhere(Command::Quit(None))),
            (
                r#"{"do":"quit","reason":" "}"#,
                nowhere(Command::Quit(None)),
            ),
            (
                r#"{"do":"quit","reason":"so long"}"#,
                nowhere(Command::Quit(Some("so long"))),
            ),
            (
                r#"{"do":"history","room":"lobby"}"#,
                page(PageEnd::Newest, 50),
            ),
            (
                r#"{"do":"history","room":"lobby","limit":0}"#,
                page(PageEnd::Newest, 0),
            ),
            (
                r#"{"do":"history","room":"lobby","limit":7}"#,
                page(PageEnd::Newest, 7),
            ),
            (
                r#"{"do":"history","room":"lobby","limit":1001}"#,
                page(PageEnd::Newest, 1001),
            ),
            (
                r#"{"do":"history","room":"lobby","before":"17-3"}"#,
                page(PageEnd::Before(id("17-3")), 50),
            ),
            (
                r#"{"do":"history","room":"lobby","after":"0-0"}"#,
                page(PageEnd::After(id("0-0")), 50),
            ),
            (
                r#"{"do":"search","room":"lobby","text":"two words"}"#,
                lobby(Command::Search(SearchFor {
                    words: "two words",
                    before: None,
                    limit: 50,
                })),
            ),
            (
                r#"{"do":"search","room":"lobby","text":"x","before":"17-3","limit":5}"#,
                lobby(Command::Search(SearchFor {
                    words: "x",
                    before: Some(id("17-3")),
                    limit: 5,
                })),
            ),
        ] {
            check(line, expected);
        }
    }

    #[test]
    fn who_enters_says_where_and_what_is_known() {
        type Rooms<'a> = &'a [(&'a str, Option<&'a str>)];
        let cases: [(&str, Rooms<'_>, Option<&str>); 6] = [
            (
                r#"{"do":"enter","name":"ann","passport":7}"#,
                &[("lobby", None)],
                None,
            ),
            (r#"{"do":"enter","name":"ann","rooms":[]}"#, &[], None),
            (
                r##"{"do":"enter","name":"ann","rooms":["#ops","gr\u00f6\u00dfer","den"],"since":{"#OPS":"1-2","den":null,"lobby":"3-4"}}"##,
                &[("ops", Some("1-2")), ("größer", None), ("den", None)],
                None,
            ),
            (
                r#"{"since":{"lobby":"5-6"},"name":"ann","do":"enter"}"#,
                &[("lobby", Some("5-6"))],
                None,
            ),
            (
                r##"{"do":"enter","name":"ann","rooms":["\u0023den"]}"##,
                &[("den", None)],
                None,
            ),
            (
                r#"{"do":"enter","name":"ann","resume":"TOKEN"}"#,
                &[("lobby", None)],
                Some("TOKEN"),
            ),
        ];
        for (line, rooms, resume) in cases {
            let rooms: Vec<_> = rooms
                .iter()
                .map(|(room, since)| (Cow::Borrowed(*room), since.map(id)))
                .collect();
            let read = Line::read(line.as_bytes());
            let entry = Entry {
                name: "ann",
                rooms: &rooms,
                password: None,
                resume,
                known: &read.known,
            };
            check(line, nowhere(Command::Enter(entry)));
        }
    }

    #[test]
    fn a_refused_line_says_how_it_is_written() {
        let say = Err(Refusal::BadUsage(
            r#"{"do":"say","room":"lobby","text":"hello"}"#,
        ));
        check(r#"{"do":"say","room":"lobby"}"#, say);
        check(r#"{}"#, say);
        check(
            r#"{"do":"shout","text":"hello"}"#,
            Err(Refusal::UnknownCommand("shout")),
        );
        check(
            r#"{"do":"sh\u001but"}"#,
            Err(Refusal::UnknownCommand("sh\u{fffd}ut")),
        );
        check(r#"["say"]"#, Err(Refusal::BadJson));
    }

    #[test]
    fn a_missing_or_wrong_field_is_bad_usage() {
        for fields in [
            r#""do":"say","text":"hello""#,
            r#""do":"say","room":null,"text":"hello""#,
            r#""do":"say","room":"lobby","text":"""#,
            r#""do":"say","room":"lobby","text":" \t\n""#,
            r#""do":"say","room":"lobby","text":7"#,
            r#""do":"say","room":["lobby"],"text":"hello""#,
            r#""do":"say","room":"lobby","text":"hello","action":"true""#,
            r#""do":"say","room":"lobby","text":"hello","ref":7"#,
            r#""do":"post","room":"lobby","text":"hello""#,
            r#""do":"post","room":"lobby","name":"cron","text":" ""#,
            r#""do":"msg","text":"hello""#,
            r#""do":"msg","to":"ben","text":" ""#,
            r#""do":"enter""#,
            r#""do":"enter","name":"ann","rooms":"lobby""#,
            r#""do":"enter","name":"ann","rooms":["lobby",7]"#,
            r#""do":"enter","name":"ann","since":"0-0""#,
            r#""do":"enter","name":"ann","since":{"lobby":"yesterday"}"#,
            r#""do":"join""#,
            r#""do":"join","room":"lobby","since":{"lobby":"0-0"}"#,
            r#""do":"join","room":"lobby","since":"yesterday""#,
            r#""do":"join","room":"lobby","since":7"#,
            r#""do":"part""#,
            r#""do":"nick""#,
            r#""do":"topic","room":"lobby""#,
            r#""do":"who""#,
            r#""do":"history""#,
            r#""do":"history","room":"lobby","before":"1-0","after":"0-0""#,
            r#""do":"history","room":"lobby","before":"1""#,
            r#""do":"history","room":"lobby","limit":-1"#,
            r#""do":"history","room":"lobby","limit":1.5"#,
            r#""do":"search","room":"lobby""#,
            r#""do":"ping","text":{"a":[1,{}]}"#,
            r#""do":7"#,
            r#""text":"hello""#,
            r#""ref":1,"ref":"2""#,
            r#""do":7,"do":"ping","\ud800":7"#,
        ] {
            assert_eq!(code(format!("{{{fields}}}")), "bad-usage", "{fields}");
        }
    }

    #[test]
    fn what_is_no_object_is_bad_json() {
        let mut lines: Vec<Vec<u8>> = [
            "",
            " ",
            "{",
            "}",
            "[]",
            "[{\"do\":\"ping\"}]",
            "\"do\"",
            "7",
            "null",
            "ping",
            "{\"do\":\"ping\"} x",
            "{\"do\":\"ping\"}{}",
            "{\"do\":\"ping\",}",
            "{do:1}",
            "{\"do\":\"say\",\"text\":7",
            "{\"do\":\"\\x\"}",
        ]
        .map(|line| line.as_bytes().to_vec())
        .into();
        lines.push(b"\xff".to_vec());
        for line in lines {
            assert_eq!(
                code(&line),
                "bad-json",
                "{}",
                String::from_utf8_lossy(&line)
            );
            assert_eq!(Line::read(&line).reference(), None);
        }
    }

    #[test]
    fn the_answer_to_a_refused_line_is_known_by_its_reference() {
        for (line, reference) in [
            (r#"{"do":"ping","ref":"1"}"#, Some("1")),
            (r#"{"do":"ping","ref":""}"#, Some("")),
            (r#"{"do":"ping","ref":"\u00e4\n"}"#, Some("ä\n")),
            (r#"{"do":"ping","ref":null}"#, None),
            (r#"{"do":"nothing","ref":"1"}"#, Some("1")),
            (r#"{"do":"say","text":7,"ref":"1"}"#, Some("1")),
            (r#"{"do":["say"],"ref":"\u00e4"}"#, Some("ä")),
            (r#"{"do":"say","ref":["1"]}"#, None),
            (r#"{"ref":1,"do":"say","ref":"2"}"#, Some("2")),
            (r#"{"do":"say","x":[[[{"ref":"2"}]]],"ref":"1"}"#, Some("1")),
        ] {
            assert_eq!(Line::read(line.as_bytes()).reference(), reference, "{line}");
        }
        let deep = format!(
            r#"{{"do":"say","text":7,"x":{}1{},"ref":"1"}}"#,
            "[".repeat(9000),
            "]".repeat(9000)
        );
        assert_eq!(Line::read(deep.as_bytes()).reference(), Some("1"));
        for (reference, taken) in [
            ("x".repeat(64), true),
            ("x".repeat(65), false),
            ("ä".repeat(33), false),
        ] {
            let line = format!(r#"{{"do":"ping","ref":"{reference}"}}"#);
            let line = Line::read(line.as_bytes());
            assert_eq!(line.reference(), taken.then_some(&*reference));
            assert_eq!(line.request(20).is_ok(), taken);
        }
    }

    #[test]
    fn unknown_fields_are_ignored_and_the_last_of_one_name_counts() {
        let line = r#" { "x" : [1, {"do":"quit"}], "do" : "quit" , "do":"ping", "y":"\ud800" } "#;
        check(line, nowhere(Command::Ping(None)));
        // Strictly no JSON: a raw TAB within a string.
        assert_eq!(code("{\"do\":\"ping\",\"text\":\"a\tb\"}"), "ok");
        assert_eq!(code(b"{\"\xff\":\"\xff\",\"do\":\"ping\"}"), "ok");
    }

    #[test]
    fn texts_are_clean_and_bounded_as_they_were_given() {
        let said = |line: &[u8]| match Line::read(line).request(20) {
            Ok(Request {
                command: Command::Act(Act::Say { text, .. }),
                ..
            }) => text.to_owned(),
            other => format!("{other:?}"),
        };
        let say = |text: &[u8]| {
            said(&[br#"{"do":"say","room":"lobby","text":""#, text, br#""}"#].concat())
        };
        assert_eq!(
            say(r"a\u001b[31m\u007f\u0085\u2028".as_bytes()),
            "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(
            say("a\u{7f}\u{9b}\u{2029}".as_bytes()),
            "a\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(say(br"two\nlines\there\r"), "two lines\there\u{fffd}");
        assert_eq!(say(b"\xff\xc3("), "\u{fffd}\u{fffd}(");
        assert_eq!(say(br"\ud83d\ude42 \u00fc"), "🙂 ü");
        assert!(say(br"half \ud83d").starts_with("half \u{fffd}"));
        assert_eq!(say(&[b'x'; 20]).len(), 20);
        assert_eq!(say(r"\u0000".repeat(20).as_bytes()), "\u{fffd}".repeat(20));

        let long = "x".repeat(21);
        for fields in [
            r#""do":"say","room":"lobby","text":"LONG""#,
            r#""do":"post","room":"lobby","name":"cron","text":"LONG""#,
            r#""do":"msg","to":"ben","text":"LONG""#,
            r#""do":"topic","room":"lobby","text":"LONG""#,
            r#""do":"search","room":"lobby","text":"LONG""#,
            r#""do":"quit","reason":"LONG""#,
        ] {
            let line = format!("{{{}}}", fields.replace("LONG", &long));
            assert_eq!(code(line), "line-too-long", "{fields}");
        }
    }
}
