//! Server → client: whatever people call themselves and say, each event becomes as many lines as
//! `encode` says; the first byte of each is right for its kind; and the client's parser finds in
//! it what was put in. The events come from the real rules of chat, driven by the script, and
//! from the constructors, with any clean text in every place that takes one.
#![no_main]

use chatd::chat::{Audience, Directory, Event, History, MemberId, Name, Refusal, RoomId, Rules};
use chatd::dialect::reply::{News, Reply};
use chatd::dialect::text::{COMMANDS, clean, encode, parse};
use chatd_fuzz::script::Script;
use chatd_fuzz::server_line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let mut directory = Directory::new(rules(&mut script));
    for line in script.rest().split(|&byte| byte == b'\n') {
        let mut line = Script::new(line);
        let choices = line.byte();
        let member = MemberId(u32::from(choices % 8));
        let bytes = line.rest();
        server_line::check_cleaning(&String::from_utf8_lossy(bytes));
        let mut scratch = String::new();
        let text = clean(bytes, &mut scratch);
        if text.is_empty() {
            directory.leave(member, None, &mut check);
            continue;
        }
        check_made(choices / 8, directory.name_of(member), text);
        speak(&mut directory, member, text);
    }
});

fn rules(script: &mut Script<'_>) -> Rules {
    Rules {
        history_lines_max: script.below(5),
        replay_messages_max: 20,
        history_bytes_max: script.choice(&[0, 20, 1000]),
        history_total_bytes_max: script.choice(&[30, 100, 10_000]),
        announce_members_max: script.below(5),
        welcome_names_max: script.below(4),
        who_names_max: script.below(4),
        rooms_listed_max: script.below(4),
    }
}

/// Does with a line what the hub does.
fn speak(directory: &mut Directory, member: MemberId, text: &str) {
    if directory.name_of(member).is_none() {
        directory.enter(member, text.trim(), &mut check);
    } else {
        match parse(text) {
            Ok(command) => directory.apply(member, command, &mut check),
            Err(refusal) => check(Audience::One(member), Event::Refused(refusal)),
        }
    }
    while let Some(room) = directory.take_churning() {
        directory.tell_churn(room, &mut check);
    }
    directory.tell_churn(RoomId(0), &mut check);
}

/// One of the events that the rules of chat do not make of this text, but of others.
fn check_made(choice: u8, from: Option<&Name>, text: &str) {
    let made = match (choice, from) {
        (0, _) => Event::Refused(Refusal::NameInUse(text)),
        (1, _) => Event::Refused(Refusal::UnknownCommand(text)),
        (2, _) => Event::Refused(Refusal::NoSuchName(text)),
        (3, _) => Event::Refused(Refusal::NoSuchRoom(text)),
        (4, _) => Event::Refused(Refusal::AlreadyHere(text)),
        (5, _) => Event::Refused(Refusal::Kicked(Some(text))),
        (6, _) => Event::Pong(Some(text)),
        (7, Some(from)) => Event::Message { from, text },
        (8, Some(from)) => Event::Private { from, text },
        (9, Some(who)) => Event::Left {
            who,
            here: 3,
            why: Some(text),
        },
        _ => Event::Operator { text },
    };
    check(Audience::One(MemberId(0)), made);
}

/// Encodes an event as the hub does and looks at it as a client does.
fn check(_: Audience<'_>, event: Event<'_>) {
    const BEFORE: &[u8] = b"<ann> before\n";
    let mut out = BEFORE.to_vec();
    let count = encode(&event, &mut out);
    let encoded = out.strip_prefix(BEFORE).expect("encode only appends");
    let encoded = encoded.strip_suffix(b"\n").expect("lines are whole");
    let lines: Vec<Reply<'_>> = encoded
        .split(|&byte| byte == b'\n')
        .map(server_line::check)
        .collect();
    assert_eq!(lines.len(), count as usize, "{event:?}");
    match event {
        Event::Help => check_answers(&lines, COMMANDS.len()),
        Event::Rooms(rooms) => {
            let (shown, more) = rooms.shown();
            check_answers(&lines, shown.len() + usize::from(more > 0) + 1);
        }
        Event::History(history) => check_history(&lines, history),
        _ => {
            assert_eq!(lines.len(), 1, "{event:?}");
            check_single(&lines[0], &event);
        }
    }
}

fn check_answers(lines: &[Reply<'_>], count: usize) {
    assert_eq!(lines.len(), count);
    assert!(lines.iter().all(|line| matches!(line, Reply::Answer(_))));
}

fn check_history(lines: &[Reply<'_>], history: &History) {
    let [first, messages @ .., last] = lines else {
        panic!("a history has a first and a last line");
    };
    assert_eq!(news(first), Some(News::HistoryBegins));
    assert_eq!(news(last), Some(News::HistoryEnds));
    let expected = history
        .iter()
        .map(|(from, text)| Reply::Message { from, text });
    assert!(messages.iter().copied().eq(expected), "{history:?}");
    assert_eq!(messages.len(), history.len());
}

fn news<'a>(reply: &Reply<'a>) -> Option<News<'a>> {
    match *reply {
        Reply::News(text) => Some(News::of(text)),
        _ => None,
    }
}

/// What the client makes of the one line of an event is what the event said.
fn check_single(line: &Reply<'_>, event: &Event<'_>) {
    match *event {
        Event::Message { from, text } => {
            let from = from.as_str();
            assert_eq!(*line, Reply::Message { from, text });
        }
        Event::Private { from, text } => {
            let from = from.as_str();
            assert_eq!(*line, Reply::Private { from, text });
        }
        Event::Welcome { room, who, .. } => {
            let (room, name) = (room.as_str(), who.as_str());
            assert_eq!(news(line), Some(News::Welcome { room, name }));
        }
        Event::Renamed { from, to } => {
            let (from, to) = (from.as_str(), to.as_str());
            assert_eq!(news(line), Some(News::Renamed { from, to }));
        }
        Event::Joined { .. }
        | Event::Left { .. }
        | Event::Churn { .. }
        | Event::Operator { .. }
        | Event::Prompt => assert_eq!(news(line), Some(News::Other), "{event:?}"),
        Event::Refused(refusal) => {
            let Reply::Refusal { code, words } = *line else {
                panic!("{event:?} became {line:?}");
            };
            assert_eq!(code, refusal.code());
            assert!(!words.is_empty());
        }
        Event::Pong(token) => {
            let expected = token.map_or("pong".to_owned(), |token| format!("pong {token}"));
            assert_eq!(*line, Reply::Answer(&expected));
        }
        _ => assert!(matches!(line, Reply::Answer(_)), "{event:?}"),
    }
}
