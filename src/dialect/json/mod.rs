//! JSON lines, version 1: the language of programs. A line of a program → [`Line`] → a request; a
//! fact or a reply → lines for a program. Not what any of it means (that is `chat`), not where
//! lines begin and end (`dialect::line`). Pure functions and values that live for one line.
//!
//! One object a line. From a program `do` says what it asks for, and `ref` comes back in the
//! answer; from the server `is` says what a line is. Fields that nobody knows are ignored.

mod fields;
mod read;
mod shown;
mod write;

pub use read::Line;
pub use write::{encode, encode_reply};

/// What holds for any text and any bytes. The golden lines stand beside what reads and writes them.
#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use fastrand::Rng;
    use serde_json::{Value, json};

    use super::*;
    use crate::chat::{
        Act, Answer, Cause, Command, Fact, Manner, MessageId, Place, Request, RoomId, What,
    };
    use crate::dialect::cleaning::{clean, is_control};
    use crate::dialect::{Refusal, Reply};

    const ROUNDS: usize = 10_000;

    #[allow(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        reason = "a test says how it is replayed"
    )]
    fn random() -> Rng {
        let seed = std::env::var("TEST_JSON_SEED")
            .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
        println!("to replay: TEST_JSON_SEED={seed} cargo test --lib dialect::json");
        Rng::with_seed(seed)
    }

    /// Any characters, and often those that mean something to JSON, to lines or to terminals.
    fn any_text(random: &mut Rng) -> String {
        let special: Vec<char> =
            "\"\\/\n\r\t\0\u{1b}\u{7f}\u{85}\u{9b}\u{2028}\u{2029}{}[]:,#ü🙂 a"
                .chars()
                .collect();
        (0..random.usize(0..12))
            .map(|_| match random.u8(0..3) {
                0 => random.char(..),
                _ => special[random.usize(0..special.len())],
            })
            .collect()
    }

    /// The only line in `out`, read by somebody else.
    fn parsed(lines: u32, out: &[u8]) -> Value {
        assert_eq!(lines, 1);
        let (end, line) = out.split_last().unwrap();
        assert!(*end == b'\n' && !line.contains(&b'\n'));
        serde_json::from_slice(line).unwrap()
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table of what is told")]
    fn whatever_is_told_is_one_object_a_line_and_says_the_same() {
        let mut random = random();
        for _ in 0..ROUNDS {
            let texts: Vec<String> = (0..4).map(|_| any_text(&mut random)).collect();
            let [a, b, c, d] = [0, 1, 2, 3].map(|index| texts[index].as_str());
            let id: MessageId = format!("{}-{}", random.u64(..1 << 43), random.u64(..1 << 20))
                .parse()
                .unwrap();
            let here = random.usize(..);
            let names = [a, b];
            let (what, expected) = match random.u8(0..6) {
                0 => (
                    What::Said {
                        from: a,
                        text: b,
                        manner: Manner::Action,
                    },
                    json!({"is": "said", "id": id.to_string(), "from": a, "text": b, "action": true}),
                ),
                1 => (
                    What::Left {
                        who: a,
                        here,
                        cause: Cause::Lost,
                        reason: Some(b),
                    },
                    json!({"is": "left", "name": a, "here": here, "cause": "lost", "reason": b}),
                ),
                2 => (
                    What::Renamed { from: a, to: b },
                    json!({"is": "renamed", "from": a, "to": b}),
                ),
                3 => (
                    What::Topic { text: a, by: b },
                    json!({"is": "topic", "text": a, "by": b}),
                ),
                4 => (
                    What::Private { from: a, text: b },
                    json!({"is": "private", "id": id.to_string(), "from": a, "text": b}),
                ),
                _ => (
                    What::Entered {
                        who: a,
                        here,
                        names: &names,
                        topic: c,
                        last: id,
                    },
                    json!({"is": "entered", "topic": c, "here": here, "names": names,
                        "more": here.saturating_sub(2), "last": id.to_string()}),
                ),
            };
            let room = Some(Place {
                id: RoomId(0),
                name: d,
            });
            let mut out = Vec::new();
            let lines = encode(&Fact { room, id, what }, &mut out);
            let mut line = parsed(lines, &out);
            let line = line.as_object_mut().unwrap();
            assert_eq!(line.remove("room"), Some(json!(d)));
            assert_eq!(line.remove("at").is_some(), line["is"] != "entered");
            assert_eq!(Value::Object(line.clone()), expected);
        }
    }

    #[test]
    fn whatever_is_answered_is_one_object_a_line_and_says_the_same() {
        let mut random = random();
        for _ in 0..ROUNDS {
            let [a, b, c] = [(); 3].map(|()| any_text(&mut random));
            let answer = Answer::Who {
                room: &a,
                here: 2,
                names: vec![&b],
            };
            let (reply, mut expected) = match random.u8(0..3) {
                0 => (
                    Reply::Welcome {
                        name: &a,
                        resume: &b,
                        motd: None,
                    },
                    json!({"is": "welcome", "name": a, "resume": b}),
                ),
                1 => (
                    Reply::Answer(&answer),
                    json!({"is": "who", "room": a, "here": 2, "names": [b], "more": 1}),
                ),
                _ => (
                    Reply::Ended(Refusal::Kicked(Some(&a))),
                    json!({"is": "refused", "code": "kicked", "ends": true,
                        "text": format!("the operator ended your connection: {a}")}),
                ),
            };
            let mut out = Vec::new();
            let lines = encode_reply(&reply, Some(&c), &mut out);
            expected["ref"] = json!(c);
            assert_eq!(parsed(lines, &out), expected);
        }
    }

    #[test]
    fn what_is_said_arrives_as_it_does_in_plain_text() {
        let mut random = random();
        for _ in 0..ROUNDS {
            let text = any_text(&mut random);
            let line = json!({"do": "say", "room": text, "text": text, "ref": text}).to_string();
            let line = Line::read(line.as_bytes());
            assert_eq!(
                line.reference(),
                Some(&*text).filter(|text| text.len() <= 64)
            );
            let one_line = text.replace('\n', " ");
            let mut scratch = String::new();
            let expected = clean(one_line.as_bytes(), &mut scratch);
            match line.request(4096) {
                Ok(Request {
                    room: Some(room),
                    command:
                        Command::Act(Act::Say {
                            text,
                            action: false,
                        }),
                }) => {
                    assert_eq!(text, expected);
                    assert_eq!(room, expected.strip_prefix('#').unwrap_or(expected));
                }
                other => assert!(expected.trim().is_empty(), "{expected:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn no_bytes_make_a_control_character_or_a_panic() {
        let mut random = random();
        let lines = [
            r#"{"do":"enter","name":"ann","rooms":["lobby","ops"],"since":{"lobby":"1-2"},"resume":"T","ref":"1"}"#,
            r#"{"do":"post","room":"lobby","name":"cron","text":"\u0041\ud83d\ude42 done","ref":"1"}"#,
            r#"{"do":"msg","to":"ben","text":"a\n\t\"b\"","x":[1.5e3,{"y":null}]}"#,
            r#"{"do":"history","room":"lobby","before":"1-2","limit":50}"#,
            r#"{"do":"quit","reason":"so long"}"#,
        ];
        let pieces: [&[u8]; 12] = [
            b"\\u001b",
            b"\\u0085",
            b"\\ud800",
            b"\\",
            b"\"",
            b"\xff",
            b"\xc2\x9b",
            b"\xe2\x80\xa8",
            b"\x7f",
            b"[",
            b"}",
            b"0",
        ];
        let mut understood = 0;
        for _ in 0..ROUNDS {
            let mut line = lines[random.usize(0..lines.len())].as_bytes().to_vec();
            for _ in 0..random.usize(0..4) {
                let start = random.usize(0..=line.len());
                let end = random.usize(start..=line.len().min(start + 2));
                let piece = pieces[random.usize(0..pieces.len())];
                line.splice(start..end, piece.iter().copied());
            }
            let line = Line::read(&line);
            match line.request(4096) {
                Ok(request) => {
                    understood += 1;
                    let mut texts = texts_of(&request);
                    assert!(!texts.any(|text| text.contains(is_control)), "{request:?}");
                }
                Err(Refusal::UnknownCommand(verb)) => {
                    assert!(!verb.contains(is_control), "{verb:?}")
                }
                Err(_) => {}
            }
            assert!(
                line.reference()
                    .is_none_or(|reference| reference.len() <= 64)
            );
        }
        assert!(
            understood > ROUNDS / 10,
            "only {understood} lines made sense"
        );
    }

    fn texts_of<'a>(request: &Request<'a>) -> impl Iterator<Item = &'a str> {
        let mut rooms: &[_] = &[];
        let texts = match request.command {
            Command::Act(Act::Say { text, .. } | Act::SetTopic(text) | Act::Nick(text)) => {
                [Some(text), None]
            }
            Command::Search(search) => [Some(search.words), None],
            Command::Post { name, text, .. } => [Some(name), Some(text)],
            Command::Act(Act::Msg { to, text }) => [Some(to), Some(text)],
            Command::Quit(reason) => [reason, None],
            Command::Enter(entry) => {
                rooms = entry.rooms;
                [Some(entry.name), entry.resume]
            }
            _ => [None, None],
        };
        let rooms = rooms.iter().map(|(room, _)| &**room);
        texts.into_iter().flatten().chain(request.room).chain(rooms)
    }

    #[test]
    fn a_message_costs_no_allocation_on_either_way() {
        let line = r#"{"do":"say","room":"lobby","text":"größer","action":true,"ref":"12"}"#;
        let read = measure(|| {
            let line = Line::read(line.as_bytes());
            assert!(line.request(4096).is_ok() && line.reference() == Some("12"));
        });
        assert_eq!(read.count_total, 0);
        let id: MessageId = "1795212849123-7".parse().unwrap();
        let fact = Fact {
            room: Some(Place {
                id: RoomId(0),
                name: "lobby",
            }),
            id,
            what: What::Said {
                from: "ann",
                text: "\"größer\"",
                manner: Manner::Plain,
            },
        };
        let mut out = Vec::with_capacity(1024);
        let written = measure(|| {
            encode(&fact, &mut out);
            encode_reply(
                &Reply::Answer(&Answer::Done(Some(id))),
                Some("12"),
                &mut out,
            );
            encode_reply(&Reply::Refused(Refusal::LineTooLong), Some("12"), &mut out);
        });
        assert_eq!(written.count_total, 0);
    }
}
