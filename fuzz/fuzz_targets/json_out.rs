//! Server → program: whatever people call themselves and say, everything that happens and every
//! reply becomes as many lines as `encode` says, each one JSON object of the shape that `json.md`
//! gives for it; and what was put in is found in it again. What is told comes from where that of
//! `text_out` comes from.
#![no_main]

use chatd::chat::{Answer, Fact, Manner, Message, What};
use chatd::dialect::json::{encode, encode_reply};
use chatd::dialect::{Encoding, Hello, Reply};
use chatd_fuzz::json_line::JsonLine;
use chatd_fuzz::talk::{Hear, Told, talk};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader {
        reference: String::from_utf8_lossy(&bytes[..bytes.len().min(16)])
            .chars()
            .filter(|&c| !chatd_fuzz::server_line::is_control(c))
            .collect(),
    };
    reader.hear(&Told::Reply(&Reply::Hello(&Hello {
        line_bytes_max: bytes.len(),
        history: bytes.len().is_multiple_of(2),
        search: bytes.len().is_multiple_of(4),
        password: false,
    })));
    talk(bytes, &mut reader, |_| ());
});

struct Reader {
    reference: String,
}

impl Hear for Reader {
    /// Encodes as the hub does and reads it as a program does.
    fn hear(&mut self, told: &Told<'_>) {
        const BEFORE: &[u8] = b"{\"is\":\"pong\"}\n";
        let mut out = BEFORE.to_vec();
        let count = match told {
            Told::Fact(fact) => encode(fact, &mut out),
            Told::Reply(reply) => encode_reply(reply, Some(&self.reference), &mut out),
        };
        let encoded = out.strip_prefix(BEFORE).expect("encode only appends");
        let lines: Vec<JsonLine> = encoded
            .split_inclusive(|&byte| byte == b'\n')
            .map(|line| JsonLine::check(line.strip_suffix(b"\n").expect("lines are whole")))
            .collect();
        assert_eq!(lines.len(), count as usize, "{told:?}");
        match told {
            Told::Fact(fact) => check_fact(&lines, fact),
            Told::Reply(reply) => check_reply(&lines, reply, &self.reference),
        }
    }
}

fn check_fact(lines: &[JsonLine], fact: &Fact<'_>) {
    let expected = match fact.what {
        What::Parted { .. } | What::Closed => return assert!(lines.is_empty()),
        // In no room nobody else sees it, and whoever did it is answered.
        What::Renamed { .. } if fact.room.is_none() => return assert!(lines.is_empty()),
        What::Said { from, text, manner } => json!({"is": "said", "from": from, "text": text,
            "action": manner == Manner::Action, "posted": manner == Manner::Posted, "past": false,
            "id": fact.id.to_string()}),
        What::Joined { who, here } => json!({"is": "joined", "name": who, "here": here}),
        What::Left {
            who, here, reason, ..
        } => json!({"is": "left", "name": who, "here": here, "reason": reason}),
        What::Churn { joined, left, here } => {
            json!({"is": "churn", "joined": joined, "left": left, "here": here})
        }
        What::Renamed { from, to } => json!({"is": "renamed", "from": from, "to": to}),
        What::Topic { text, by } => json!({"is": "topic", "text": text, "by": by}),
        What::Forgotten { ids } => json!({"is": "forgotten",
            "ids": ids.iter().map(ToString::to_string).collect::<Vec<_>>()}),
        What::Private { from, text } => json!({"is": "private", "from": from, "text": text}),
        What::Announcement { text } => json!({"is": "announcement", "text": text}),
        What::Entered {
            here,
            names,
            topic,
            last,
            ..
        } => json!({"is": "entered", "here": here, "names": names, "topic": topic,
            "more": here - names.len(), "last": last.to_string()}),
    };
    let [line] = lines else {
        panic!("{fact:?} became {lines:?}");
    };
    assert_eq!(line.text("room"), fact.room.map(|room| room.name));
    check_fields(line, &expected);
}

fn check_reply(lines: &[JsonLine], reply: &Reply<'_>, reference: &str) {
    assert!(Encoding::Json.has_words_for(reply) || lines.is_empty());
    let expected = match reply {
        Reply::Help | Reply::Prompt | Reply::PasswordPrompt | Reply::Motd(_) => return assert!(lines.is_empty()),
        Reply::Past { room, messages, .. } => {
            let (last, said) = lines.split_last().expect("the past has an end");
            check_fields(last, &json!({"is": "caught-up", "room": room}));
            assert_eq!(said.len(), messages.len());
            for (line, message) in said.iter().zip(messages.clone()) {
                check_fields(line, &json!({"is": "said", "room": room, "past": true}));
                check_fields(line, &message_fields(&message));
            }
            return;
        }
        Reply::Hello(hello) => {
            json!({"is": "hello", "line_max": hello.line_bytes_max, "history": hello.history})
        }
        Reply::Welcome { name, resume, .. } => {
            json!({"is": "welcome", "name": name, "resume": resume, "ref": reference})
        }
        Reply::Answer(answer) => answer_fields(answer, reference),
        Reply::Page {
            room,
            messages,
            more,
        } => json!({"is": "page", "room": room, "more": more, "ref": reference,
            "messages": messages.clone().map(|message| page_row(&message)).collect::<Vec<_>>()}),
        Reply::Pong(_) => json!({"is": "pong", "ref": reference}),
        Reply::Refused(refusal) | Reply::Ended(refusal) => {
            let ends = matches!(reply, Reply::Ended(_));
            json!({"is": "refused", "code": refusal.code(), "text": refusal.to_string(),
                "ref": reference, "ends": ends})
        }
    };
    let [line] = lines else {
        panic!("{reply:?} became {lines:?}");
    };
    check_fields(line, &expected);
}

fn answer_fields(answer: &Answer<'_>, reference: &str) -> Value {
    let mut fields = match answer {
        Answer::Done(id) => json!({"is": "done", "id": id.map(|id| id.to_string())}),
        Answer::Sent(id, _) => json!({"is": "done", "id": id.to_string()}),
        Answer::Echo(_) | Answer::SameName(_) => json!({"is": "done", "id": null}),
        Answer::Who { room, here, names } => json!({"is": "who", "room": room, "here": here,
            "names": names, "more": here - names.len()}),
        Answer::Rooms { rooms, more } => {
            let rooms: Vec<Value> = rooms
                .iter()
                .map(|row| json!({"room": row.room, "here": row.here, "topic": row.topic}))
                .collect();
            json!({"is": "rooms", "rooms": rooms, "more": more})
        }
        Answer::Topic { room, topic } => json!({"is": "topic", "room": room, "text": topic}),
    };
    fields["ref"] = json!(reference);
    fields
}

fn message_fields(message: &Message<'_>) -> Value {
    json!({"id": message.id.to_string(), "from": message.from, "text": message.text,
        "action": message.manner == Manner::Action, "posted": message.manner == Manner::Posted})
}

/// As in a page: without what is not so.
fn page_row(message: &Message<'_>) -> Value {
    let mut row = message_fields(message);
    let fields = row.as_object_mut().expect("it is one");
    fields.retain(|_, value| *value != json!(false));
    row
}

/// A line holds these fields; what is null or false may be missing. Times are looked at elsewhere.
fn check_fields(line: &JsonLine, expected: &Value) {
    for (name, value) in expected.as_object().expect("it is one") {
        match line.field(name) {
            None => assert!(
                value.is_null() || *value == json!(false),
                "{name} is missing"
            ),
            Some(Value::Array(given)) => {
                let given: Vec<Value> = given.iter().cloned().map(without_time).collect();
                assert_eq!(json!(given), *value, "{name}");
            }
            Some(given) => assert_eq!(given, value, "{name}"),
        }
    }
}

fn without_time(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.remove("at");
    }
    value
}
