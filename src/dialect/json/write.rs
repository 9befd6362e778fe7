//! What a program is told: a fact or a reply → whole lines. The shapes of the lines stand here as
//! types, which serde writes; no allocation but for `out` itself. Pure functions.

use std::ops::Not;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::chat::{Answer, Cause, Fact, Manner, Message, MessageId, Messages, RoomRow, What};
use crate::dialect::cleaning::is_control;
use crate::dialect::stamp::Rfc3339Millis;
use crate::dialect::{Hello, Refusal, Reply};

use super::shown::{self, Shown};

/// At most so many names are told to who comes into a room, and to who asks; and so many rooms.
const ENTERED_NAMES_MAX: usize = 100;
const WHO_NAMES_MAX: usize = 1000;
const ROOMS_MAX: usize = 100;

/// Something that happened, as it is told to everybody whom it concerns.
#[derive(Serialize)]
struct News<'a> {
    /// Not for what stands in a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    is: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    /// Of what is said alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Shown<MessageId>>,
    at: Shown<Rfc3339Millis>,
    #[serde(flatten)]
    details: Details<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details<'a> {
    Said {
        from: &'a str,
        text: &'a str,
        #[serde(skip_serializing_if = "Not::not")]
        action: bool,
        #[serde(skip_serializing_if = "Not::not")]
        posted: bool,
        #[serde(skip_serializing_if = "Not::not")]
        past: bool,
    },
    Joined {
        name: &'a str,
        here: usize,
    },
    Left {
        name: &'a str,
        here: usize,
        cause: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    Churn {
        joined: usize,
        left: usize,
        here: usize,
    },
    Renamed {
        from: &'a str,
        to: &'a str,
    },
    Topic {
        text: &'a str,
        by: &'a str,
    },
    Forgotten {
        #[serde(serialize_with = "shown::ids")]
        ids: &'a [MessageId],
    },
    Private {
        from: &'a str,
        text: &'a str,
    },
    Announcement {
        text: &'a str,
    },
}

/// What one program is told alone.
#[derive(Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Told<'a> {
    Hello {
        server: &'static str,
        version: &'static str,
        /// The version of this language.
        json: u32,
        line_max: usize,
        history: bool,
        search: bool,
        password: bool,
    },
    Welcome {
        name: &'a str,
        resume: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        motd: Option<&'a str>,
    },
    Entered {
        room: &'a str,
        topic: &'a str,
        #[serde(flatten)]
        roster: Roster<'a>,
        last: Shown<MessageId>,
    },
    CaughtUp {
        room: &'a str,
        missed: Option<usize>,
    },
    Done {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Shown<MessageId>>,
    },
    Who {
        room: &'a str,
        #[serde(flatten)]
        roster: Roster<'a>,
    },
    Rooms {
        rooms: Rows<'a>,
        more: usize,
    },
    Topic {
        room: &'a str,
        text: &'a str,
    },
    Page {
        room: &'a str,
        messages: PageMessages<'a>,
        more: bool,
    },
    Pong,
    Refused {
        code: &'static str,
        text: Shown<Refusal<'a>>,
        #[serde(skip_serializing_if = "Not::not")]
        ends: bool,
    },
}

#[derive(Serialize)]
struct Answered<'a> {
    #[serde(flatten)]
    told: Told<'a>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<Reference<'a>>,
}

#[derive(Serialize)]
struct Roster<'a> {
    here: usize,
    names: &'a [&'a str],
    more: usize,
}

impl<'a> Roster<'a> {
    fn new(here: usize, names: &'a [&'a str], names_max: usize) -> Roster<'a> {
        let names = &names[..names.len().min(names_max)];
        Roster {
            here,
            names,
            more: here.saturating_sub(names.len()),
        }
    }
}

/// What a program gave, which is to come back as it was: the one string that is not clean. So that
/// no line holds what could end it for somebody, or drive a terminal, that is escaped.
struct Reference<'a>(&'a str);

impl Serialize for Reference<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.0.contains(is_control) {
            return serializer.serialize_str(self.0);
        }
        let mut escaped = serde_json::to_string(self.0).map_err(S::Error::custom)?;
        for control in self.0.chars().filter(|&c| is_control(c)) {
            let code = format!("\\u{:04x}", u32::from(control));
            escaped = escaped.replace(control, &code);
        }
        let raw = RawValue::from_string(escaped).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

struct Rows<'a>(&'a [RoomRow<'a>]);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row<'a> {
            room: &'a str,
            here: usize,
            topic: &'a str,
        }

        serializer.collect_seq(self.0.iter().map(|row| Row {
            room: row.room,
            here: row.here,
            topic: row.topic,
        }))
    }
}

struct PageMessages<'a>(Messages<'a>);

impl Serialize for PageMessages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone().map(|message| News {
            is: None,
            ..News::past(None, &message, false)
        }))
    }
}

/// Appends a fact as whole lines, and says how many: none for what no program is told.
pub fn encode(fact: &Fact<'_>, out: &mut Vec<u8>) -> u32 {
    if let What::Entered {
        who: _,
        here,
        names,
        topic,
        last,
    } = fact.what
    {
        let told = Told::Entered {
            room: fact.room.map_or("", |room| room.name),
            topic,
            roster: Roster::new(here, names, ENTERED_NAMES_MAX),
            last: Shown(last),
        };
        return line(&told, out);
    }
    News::of(fact).map_or(0, |news| line(&news, out))
}

impl<'a> News<'a> {
    fn of(fact: &Fact<'a>) -> Option<News<'a>> {
        let (is, has_id, details) = match fact.what {
            What::Said { from, text, manner } => ("said", true, said(from, text, manner, false)),
            What::Joined { who, here } => ("joined", false, Details::Joined { name: who, here }),
            What::Left {
                who,
                here,
                cause,
                reason,
            } => {
                let left = Details::Left {
                    name: who,
                    here,
                    cause: cause_word(cause),
                    reason,
                };
                ("left", false, left)
            }
            What::Churn { joined, left, here } => {
                ("churn", false, Details::Churn { joined, left, here })
            }
            What::Renamed { .. } if fact.room.is_none() => return None,
            What::Renamed { from, to } => ("renamed", false, Details::Renamed { from, to }),
            What::Topic { text, by } => ("topic", false, Details::Topic { text, by }),
            What::Forgotten { ids } => ("forgotten", false, Details::Forgotten { ids }),
            What::Private { from, text } => ("private", true, Details::Private { from, text }),
            What::Announcement { text } => ("announcement", false, Details::Announcement { text }),
            What::Entered { .. } | What::Parted { .. } | What::Closed => return None,
        };
        Some(News {
            is: Some(is),
            room: fact.room.map(|room| room.name),
            id: has_id.then_some(Shown(fact.id)),
            at: Shown(Rfc3339Millis(fact.at())),
            details,
        })
    }

    fn past(room: Option<&'a str>, message: &Message<'a>, past: bool) -> News<'a> {
        News {
            is: Some("said"),
            room,
            id: Some(Shown(message.id)),
            at: Shown(Rfc3339Millis(message.id.at())),
            details: said(message.from, message.text, message.manner, past),
        }
    }
}

fn said<'a>(from: &'a str, text: &'a str, manner: Manner, past: bool) -> Details<'a> {
    Details::Said {
        from,
        text,
        action: manner == Manner::Action,
        posted: manner == Manner::Posted,
        past,
    }
}

fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Quit => "quit",
        Cause::Lost => "lost",
        Cause::TooSlow => "too-slow",
        Cause::Kicked | Cause::Closed => "kicked",
        Cause::Banned => "banned",
        Cause::Stopped => "stopped",
    }
}

/// Appends a reply as whole lines, and says how many: none for what only people are told.
/// `reference` goes into what answers a request; a greeting and the past are no answers.
pub fn encode_reply(reply: &Reply<'_>, reference: Option<&str>, out: &mut Vec<u8>) -> u32 {
    let told = match reply {
        Reply::Hello(hello) => return line(&greeting(hello), out),
        Reply::Past {
            room,
            messages,
            missed,
        } => return encode_past(room, messages.clone(), *missed, out),
        Reply::Help | Reply::Prompt | Reply::PasswordPrompt | Reply::Motd(_) => return 0,
        Reply::Welcome { name, resume, motd } => Told::Welcome {
            name,
            resume,
            motd: *motd,
        },
        Reply::Answer(answer) => told_answer(answer),
        Reply::Page {
            room,
            messages,
            more,
        } => Told::Page {
            room,
            messages: PageMessages(messages.clone()),
            more: *more,
        },
        // A program knows it by `ref`.
        Reply::Pong(_) => Told::Pong,
        Reply::Refused(refusal) => refused(*refusal, false),
        Reply::Ended(refusal) => refused(*refusal, true),
    };
    let reference = reference.map(Reference);
    line(&Answered { told, reference }, out)
}

fn greeting(hello: &Hello) -> Told<'static> {
    Told::Hello {
        server: "chatd",
        version: env!("CARGO_PKG_VERSION"),
        json: 1,
        line_max: hello.line_bytes_max,
        history: hello.history,
        search: hello.search,
        password: hello.password,
    }
}

fn encode_past(
    room: &str,
    messages: Messages<'_>,
    missed: Option<usize>,
    out: &mut Vec<u8>,
) -> u32 {
    let said: u32 = messages
        .map(|message| line(&News::past(Some(room), &message, true), out))
        .sum();
    said + line(&Told::CaughtUp { room, missed }, out)
}

fn told_answer<'a>(answer: &'a Answer<'a>) -> Told<'a> {
    match *answer {
        Answer::Done(id) => Told::Done { id: id.map(Shown) },
        Answer::Sent(id, _) => Told::Done {
            id: Some(Shown(id)),
        },
        Answer::Echo(_) | Answer::SameName(_) => Told::Done { id: None },
        Answer::Who {
            room,
            here,
            ref names,
        } => Told::Who {
            room,
            roster: Roster::new(here, names, WHO_NAMES_MAX),
        },
        Answer::Rooms { ref rooms, more } => {
            let shown = &rooms[..rooms.len().min(ROOMS_MAX)];
            Told::Rooms {
                rooms: Rows(shown),
                more: more + rooms.len() - shown.len(),
            }
        }
        Answer::Topic { room, topic } => Told::Topic { room, text: topic },
    }
}

fn refused(refusal: Refusal<'_>, ends: bool) -> Told<'_> {
    Told::Refused {
        code: refusal.code(),
        text: Shown(refusal),
        ends,
    }
}

fn line(shape: &impl Serialize, out: &mut Vec<u8>) -> u32 {
    serde_json::to_writer(&mut *out, shape)
        .expect("memory takes all, and no shape has a key that is no string");
    out.push(b'\n');
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{self, Histories, Listen, Parting, Place, RoomId, To};

    const LOBBY: Option<Place<'static>> = Some(Place {
        id: RoomId(0),
        name: "lobby",
    });

    fn id() -> MessageId {
        "1795212849123-7".parse().unwrap()
    }

    fn encoded(room: Option<Place<'_>>, what: What<'_>) -> String {
        let mut out = Vec::new();
        let fact = Fact {
            room,
            id: id(),
            what,
        };
        let lines = encode(&fact, &mut out);
        text_of(lines, out)
    }

    fn replied(reply: &Reply<'_>, reference: Option<&str>) -> String {
        let mut out = Vec::new();
        let lines = encode_reply(reply, reference, &mut out);
        text_of(lines, out)
    }

    fn text_of(lines: u32, out: Vec<u8>) -> String {
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches('\n').count(), lines as usize);
        assert!(text.is_empty() || text.ends_with('\n'));
        text
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table of what stands where")]
    fn news_are_told() {
        let at = r#""at":"2026-11-20T22:14:09.123Z""#;
        let said = |manner| What::Said {
            from: "ann",
            text: "hello",
            manner,
        };
        let left = |cause, reason| What::Left {
            who: "ann",
            here: 2,
            cause,
            reason,
        };
        let room = r#""room":"lobby""#;
        let message = format!(r#"{room},"id":"1795212849123-7",{at},"from":"ann","text":"hello""#);
        let gone = format!(r#"{{"is":"left",{room},{at},"name":"ann","here":2"#);
        let cases = [
            (
                LOBBY,
                said(Manner::Plain),
                format!(r#"{{"is":"said",{message}}}"#),
            ),
            (
                LOBBY,
                said(Manner::Action),
                format!(r#"{{"is":"said",{message},"action":true}}"#),
            ),
            (
                LOBBY,
                said(Manner::Posted),
                format!(r#"{{"is":"said",{message},"posted":true}}"#),
            ),
            (
                LOBBY,
                What::Joined {
                    who: "ann",
                    here: 3,
                },
                format!(r#"{{"is":"joined",{room},{at},"name":"ann","here":3}}"#),
            ),
            (
                LOBBY,
                left(Cause::Quit, Some("so long")),
                format!(r#"{gone},"cause":"quit","reason":"so long"}}"#),
            ),
            (
                LOBBY,
                left(Cause::Lost, None),
                format!(r#"{gone},"cause":"lost"}}"#),
            ),
            (
                LOBBY,
                left(Cause::TooSlow, None),
                format!(r#"{gone},"cause":"too-slow"}}"#),
            ),
            (
                LOBBY,
                left(Cause::Kicked, Some("noise")),
                format!(r#"{gone},"cause":"kicked","reason":"noise"}}"#),
            ),
            (
                LOBBY,
                left(Cause::Stopped, None),
                format!(r#"{gone},"cause":"stopped"}}"#),
            ),
            (
                LOBBY,
                What::Churn {
                    joined: 37,
                    left: 0,
                    here: 8412,
                },
                format!(r#"{{"is":"churn",{room},{at},"joined":37,"left":0,"here":8412}}"#),
            ),
            (
                LOBBY,
                What::Forgotten {
                    ids: &[MessageId::ZERO],
                },
                format!(r#"{{"is":"forgotten",{room},{at},"ids":["0-0"]}}"#),
            ),
            (
                LOBBY,
                What::Renamed {
                    from: "ann",
                    to: "anna",
                },
                format!(r#"{{"is":"renamed",{room},{at},"from":"ann","to":"anna"}}"#),
            ),
            (
                LOBBY,
                What::Topic {
                    text: "",
                    by: "ann",
                },
                format!(r#"{{"is":"topic",{room},{at},"text":"","by":"ann"}}"#),
            ),
            (
                None,
                What::Private {
                    from: "ann",
                    text: "psst",
                },
                format!(
                    r#"{{"is":"private","id":"1795212849123-7",{at},"from":"ann","text":"psst"}}"#
                ),
            ),
            (
                LOBBY,
                What::Announcement { text: "soon" },
                format!(r#"{{"is":"announcement",{room},{at},"text":"soon"}}"#),
            ),
            (
                None,
                What::Announcement { text: "soon" },
                format!(r#"{{"is":"announcement",{at},"text":"soon"}}"#),
            ),
        ];
        for (room, what, expected) in cases {
            assert_eq!(encoded(room, what), expected + "\n");
        }
        let parted = What::Parted {
            who: "ann",
            parting: Parting::Wished,
        };
        assert_eq!(encoded(LOBBY, parted), "");
        assert_eq!(encoded(LOBBY, What::Closed), "");
    }

    #[test]
    fn who_comes_in_is_told_where_it_is() {
        let names: Vec<String> = (0..150).map(|number| format!("n{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let entered = |here, names| What::Entered {
            who: "ann",
            here,
            names,
            topic: "plans",
            last: MessageId::ZERO,
        };
        assert_eq!(
            encoded(LOBBY, entered(3, &names[..2])),
            "{\"is\":\"entered\",\"room\":\"lobby\",\"topic\":\"plans\",\"here\":3,\"names\":[\"n0\",\"n1\"],\"more\":1,\"last\":\"0-0\"}\n"
        );
        let cut = encoded(LOBBY, entered(480, &names));
        assert!(cut.contains(r#""n99"],"more":380,"#), "{cut}");
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table of what stands where")]
    fn questions_are_answered() {
        let row = RoomRow {
            room: "lobby",
            here: 3,
            topic: "",
        };
        let rows = |count| Answer::Rooms {
            rooms: vec![row; count],
            more: 2,
        };
        let who = Answer::Who {
            room: "lobby",
            here: 3,
            names: vec!["ann", "ben"],
        };
        let topic = Answer::Topic {
            room: "lobby",
            topic: "plans",
        };
        let hello = Hello {
            line_bytes_max: 4096,
            history: true,
            search: false,
            password: false,
        };
        let shut = Hello {
            password: true,
            ..hello
        };
        let welcome = |motd| Reply::Welcome {
            name: "ann",
            resume: "TOKEN",
            motd,
        };
        let version = env!("CARGO_PKG_VERSION");
        let greeting = format!(
            r#"{{"is":"hello","server":"chatd","version":"{version}","json":1,"line_max":4096,"history":true,"search":false,"password":false}}"#
        );
        let locked = greeting.replace(r#""password":false"#, r#""password":true"#);
        let taken = Refusal::Rules(chat::Refusal::NameInUse("ann"));
        let cases = [
            // A greeting answers the connection, not the line.
            (Reply::Hello(&hello), greeting.as_str()),
            (Reply::Hello(&shut), locked.as_str()),
            (
                welcome(Some("be kind\n\"please\"")),
                r#"{"is":"welcome","name":"ann","resume":"TOKEN","motd":"be kind\n\"please\"","ref":"1"}"#,
            ),
            (
                welcome(None),
                r#"{"is":"welcome","name":"ann","resume":"TOKEN","ref":"1"}"#,
            ),
            (
                Reply::Answer(&Answer::Done(None)),
                r#"{"is":"done","ref":"1"}"#,
            ),
            (
                Reply::Answer(&Answer::Done(Some(id()))),
                r#"{"is":"done","id":"1795212849123-7","ref":"1"}"#,
            ),
            (
                Reply::Answer(&Answer::Sent(id(), "ben")),
                r#"{"is":"done","id":"1795212849123-7","ref":"1"}"#,
            ),
            (
                Reply::Answer(&who),
                r#"{"is":"who","room":"lobby","here":3,"names":["ann","ben"],"more":1,"ref":"1"}"#,
            ),
            (
                Reply::Answer(&rows(1)),
                r#"{"is":"rooms","rooms":[{"room":"lobby","here":3,"topic":""}],"more":2,"ref":"1"}"#,
            ),
            (
                Reply::Answer(&topic),
                r#"{"is":"topic","room":"lobby","text":"plans","ref":"1"}"#,
            ),
            (
                Reply::Answer(&Answer::Echo(true)),
                r#"{"is":"done","ref":"1"}"#,
            ),
            (
                Reply::Answer(&Answer::SameName("ann")),
                r#"{"is":"done","ref":"1"}"#,
            ),
            (Reply::Pong(None), r#"{"is":"pong","ref":"1"}"#),
            (
                Reply::Refused(taken),
                r#"{"is":"refused","code":"name-in-use","text":"ann is taken, choose another","ref":"1"}"#,
            ),
            (
                Reply::Ended(Refusal::ShuttingDown),
                r#"{"is":"refused","code":"shutting-down","text":"the server stops now","ends":true,"ref":"1"}"#,
            ),
        ];
        for (reply, expected) in cases {
            assert_eq!(replied(&reply, Some("1")).trim_end(), expected);
        }
        assert_eq!(replied(&Reply::Pong(None), None), "{\"is\":\"pong\"}\n");
        assert_eq!(replied(&Reply::Help, Some("1")), "");
        assert_eq!(replied(&Reply::Prompt, Some("1")), "");
        let many = replied(&Reply::Answer(&rows(130)), None);
        assert_eq!(many.matches("lobby").count(), ROOMS_MAX);
        assert!(many.ends_with("\"more\":32}\n"), "{many}");
    }

    #[test]
    fn the_past_is_told_line_by_line_or_as_a_page() {
        let mut histories = Histories::new(10, 1 << 16, 1 << 20);
        for (text, manner) in [("one", Manner::Plain), ("two", Manner::Action)] {
            let what = What::Said {
                from: "ann",
                text,
                manner,
            };
            let fact = Fact {
                room: LOBBY,
                id: id(),
                what,
            };
            histories.hear(To::Room(RoomId(0)), &fact);
        }
        let messages = histories.newest(RoomId(0), 10);
        let message = r#""id":"1795212849123-7","at":"2026-11-20T22:14:09.123Z","from":"ann""#;
        let past = Reply::Past {
            room: "lobby",
            messages: messages.clone(),
            missed: Some(4),
        };
        assert_eq!(
            replied(&past, Some("1")),
            format!(
                r#"{{"is":"said","room":"lobby",{message},"text":"one","past":true}}
{{"is":"said","room":"lobby",{message},"text":"two","action":true,"past":true}}
{{"is":"caught-up","room":"lobby","missed":4}}
"#
            )
        );
        let page = Reply::Page {
            room: "lobby",
            messages,
            more: true,
        };
        assert_eq!(
            replied(&page, Some("1")),
            format!(
                r#"{{"is":"page","room":"lobby","messages":[{{{message},"text":"one"}},{{{message},"text":"two","action":true}}],"more":true,"ref":"1"}}
"#
            )
        );
        let nothing = Reply::Page {
            room: "lobby",
            messages: Messages::default(),
            more: false,
        };
        assert!(replied(&nothing, None).contains(r#""messages":[],"#));
    }
}
