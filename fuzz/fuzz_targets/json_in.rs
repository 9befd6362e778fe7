//! Program → server in JSON: any bytes are taken apart; what is understood holds no control
//! character and stays within its bounds; what is no JSON object is refused as that, and what is one
//! is not; and what is understood is what stands in the line, read by somebody else.
#![no_main]

use chatd::chat::{Act, Command, Request, SearchFor};
use chatd::dialect::Refusal;
use chatd::dialect::json::Line;
use chatd_fuzz::script::Script;
use chatd_fuzz::server_line::is_control;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let line_bytes_max = script.choice(&[4096, 10, 3]);
    let bytes = script.rest();
    let line = Line::read(bytes);
    let reference = line.reference();
    assert!(reference.is_none_or(|reference| reference.len() <= 64));
    let request = line.request(line_bytes_max);
    match &request {
        Ok(request) => check_request(request, line_bytes_max),
        Err(Refusal::UnknownCommand(verb)) => assert!(!verb.contains(is_control), "{verb:?}"),
        Err(Refusal::BadUsage(_) | Refusal::BadJson | Refusal::LineTooLong) => {}
        Err(other) => panic!("refused as {other:?}"),
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(fields)) => check_against(&fields, reference, request.as_ref()),
        Ok(_) => assert_eq!(request.err(), Some(Refusal::BadJson)),
        // This server takes some bytes within strings that are not JSON.
        Err(_) if has_odd_strings(bytes) => {}
        Err(error) => assert_eq!(request.err(), Some(Refusal::BadJson), "{error}"),
    }
});

/// Invalid UTF-8, control characters, halves of surrogate pairs, and numbers beyond all bounds.
fn has_odd_strings(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER)
        || text.contains("\\u")
        || text.contains(['e', 'E']) && text.contains(|c: char| c.is_ascii_digit())
        || text.len() > 308
}

fn check_request(request: &Request<'_>, line_bytes_max: usize) {
    let mut rooms = Vec::new();
    // A text may have grown by cleaning; a name is looked at by the rules.
    let (texts, names) = match request.command {
        Command::Act(Act::Say { text, .. })
        | Command::Act(Act::SetTopic(text))
        | Command::Search(SearchFor { words: text, .. }) => ([Some(text), None], [None, None]),
        Command::Post { name, text, .. } => ([Some(text), None], [Some(name), None]),
        Command::Act(Act::Msg { to, text }) => ([Some(text), None], [Some(to), None]),
        Command::Quit(reason) => ([reason, None], [None, None]),
        Command::Act(Act::Nick(name)) => ([None, None], [Some(name), None]),
        Command::Enter(entry) => {
            rooms.extend(entry.rooms.iter().map(|(room, _)| &**room));
            ([None, None], [Some(entry.name), entry.resume])
        }
        Command::History(page) => {
            assert!(page.limit > 0);
            ([None, None], [None, None])
        }
        Command::Act(Act::Join { .. })
        | Command::Act(Act::Part)
        | Command::Act(Act::Who)
        | Command::Act(Act::Rooms)
        | Command::Ping(None) => ([None, None], [None, None]),
        other => panic!("no program asks for {other:?}"),
    };
    for text in texts.into_iter().flatten() {
        assert!(text.len() <= 3 * line_bytes_max, "{text:?}");
        assert!(!text.contains(is_control), "{text:?}");
    }
    let names = names.into_iter().flatten().chain(request.room).chain(rooms);
    for name in names {
        assert!(!name.contains(is_control), "{name:?}");
    }
}

/// What somebody else finds in the same line.
fn check_against(
    fields: &Map<String, Value>,
    reference: Option<&str>,
    request: Result<&Request<'_>, &Refusal<'_>>,
) {
    assert_ne!(request, Err(&Refusal::BadJson), "{fields:?}");
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    if let Some(reference) = reference {
        assert_eq!(text("ref"), Some(reference));
    }
    let Ok(request) = request else { return };
    let cleaned = |name: &str| text(name).map(cleaned);
    let room = cleaned("room");
    let room = room
        .as_deref()
        .map(|room| room.strip_prefix('#').unwrap_or(room));
    assert!(request.room.is_none() || request.room == room);
    match request.command {
        Command::Act(Act::Say { text, action }) => {
            assert_eq!(Some(text), cleaned("text").as_deref());
            assert_eq!(fields.get("action") == Some(&Value::Bool(true)), action);
        }
        Command::Act(Act::Msg { text, .. }) | Command::Post { text, .. } => {
            assert_eq!(Some(text), cleaned("text").as_deref());
        }
        Command::Act(Act::Nick(name)) => assert_eq!(Some(name), cleaned("name").as_deref()),
        Command::Enter(entry) => {
            assert_eq!(Some(entry.name), cleaned("name").as_deref());
            let rooms = fields.get("rooms").and_then(Value::as_array);
            assert_eq!(entry.rooms.len(), rooms.map_or(1, Vec::len));
        }
        _ => {}
    }
}

/// One line, and nothing that drives a terminal.
fn cleaned(text: &str) -> String {
    let replaced = |c| match c {
        '\n' => ' ',
        c if is_control(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(replaced).collect()
}
