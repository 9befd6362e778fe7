//! Client → server in plain text: cleaning leaves nothing that could end a line or drive a
//! terminal, whatever the bytes; reading takes any clean line; what starts like a command is never
//! said aloud. The same for what the operator types.
#![no_main]

use chatd::chat::{Act, Command, Request, SearchFor};
use chatd::dialect::cleaning::clean;
use chatd::dialect::operator::{self, Order};
use chatd::dialect::text::read;
use chatd::dialect::{Refusal, text};
use chatd_fuzz::server_line::is_control;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut scratch = String::from("of the line before");
    let text = clean(bytes, &mut scratch).to_owned();
    check_clean(bytes, &text);
    for line in [&text, text.trim_start(), &format!("/{text}")] {
        check_read(line);
        check_order(line);
    }
});

fn check_clean(bytes: &[u8], text: &str) {
    assert!(!text.contains(is_control), "{text:?}");
    assert!(
        text.len() <= 3 * bytes.len(),
        "one byte becomes at most three"
    );
    let again = clean(text.as_bytes(), &mut String::new()).to_owned();
    assert_eq!(again, text, "clean text stays");
    let replaced = |c| {
        if is_control(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    let lossy: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(replaced)
        .collect();
    assert_eq!(text, lossy);
}

/// What is to be said if a line says it, by a rule of its own: no command begins with a blank.
fn said(line: &str) -> Option<&str> {
    match line.strip_prefix('/') {
        None => Some(line),
        Some(rest) if rest.starts_with('/') => Some(rest),
        Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t']) => Some(line),
        Some(_) => None,
    }
}

fn is_blank(text: &str) -> bool {
    text.trim_matches([' ', '\t']).is_empty()
}

fn check_read(line: &str) {
    let parsed = read(line);
    if is_blank(line) {
        return assert!(
            matches!(parsed, Ok(request) if request.command == Command::Prompt),
            "{line:?}"
        );
    }
    if let Some(text) = said(line) {
        let (room, action) = (None, false);
        let command = Command::Act(Act::Say { text, action });
        return assert_eq!(parsed, Ok(Request { room, command }), "{line:?}");
    }
    match parsed {
        Ok(request) => check_request(line, &request),
        Err(Refusal::UnknownCommand(word)) => assert!(!word.contains([' ', '\t'])),
        Err(Refusal::BadUsage(usage)) => {
            let word = usage.split(' ').next().unwrap_or_default();
            let line = line.to_ascii_lowercase();
            assert!(line.starts_with(word), "{line:?}: {usage:?}");
        }
        Err(other) => panic!("{line:?} is refused as {other:?}"),
    }
}

fn check_request(line: &str, request: &Request<'_>) {
    if let Some(room) = request.room {
        // A mark of rooms alone is dropped, and is a bad name then.
        assert!(!room.contains([' ', '\t']), "{room:?}");
    }
    match request.command {
        Command::Act(Act::Say { text, action }) => {
            let word = text::split_word(&line[1..]).0.to_ascii_lowercase();
            assert_eq!(word, if action { "me" } else { "say" }, "{line:?} is said");
            assert_argument(text);
        }
        Command::Act(Act::Msg { to, text }) => {
            assert_word(to);
            assert_argument(text);
        }
        Command::Act(Act::Nick(word)) => assert_word(word),
        Command::Act(Act::Move) => assert!(request.room.is_some()),
        Command::Act(Act::SetTopic(words))
        | Command::Search(SearchFor { words, .. })
        | Command::Ping(Some(words))
        | Command::Quit(Some(words)) => assert_argument(words),
        Command::History(page) => assert!(page.limit > 0),
        Command::Help
        | Command::Act(Act::Who)
        | Command::Act(Act::Rooms)
        | Command::Act(Act::ShowTopic)
        | Command::Act(Act::Echo(_))
        | Command::Ping(None)
        | Command::Quit(None) => {}
        other => panic!("{line:?} is read as {other:?}"),
    }
}

fn check_order(line: &str) {
    let order = operator::read(line);
    if is_blank(line) {
        return assert_eq!(order, Ok(Order::Nothing), "{line:?}");
    }
    if let Some(text) = said(line) {
        return assert_eq!(order, Ok(Order::Announce(text)), "{line:?}");
    }
    match order {
        Ok(Order::Announce(_) | Order::Nothing) => panic!("{line:?} is announced"),
        Ok(Order::Kick { name, reason }) => {
            assert_word(name);
            reason.into_iter().for_each(assert_argument);
        }
        Ok(Order::Who(Some(room))) => assert!(!room.contains([' ', '\t']), "{room:?}"),
        Ok(_) | Err(_) => {}
    }
}

/// One word: something, and no blanks in it.
fn assert_word(word: &str) {
    assert!(!word.is_empty() && !word.contains([' ', '\t']), "{word:?}");
}

/// Something, without the blanks around it.
fn assert_argument(words: &str) {
    assert!(!words.is_empty());
    assert_eq!(words.trim_matches([' ', '\t']), words);
}
