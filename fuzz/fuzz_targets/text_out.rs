//! Server → person: whatever people call themselves and say, everything that happens and every
//! reply becomes as many lines as `encode` says; the first byte of each is right for its kind; and
//! what was put in is found in it again. What is told comes from the real rules of chat, driven by
//! the script, and from the constructors, with any clean text in every place that takes one.
#![no_main]

use chatd::chat::{Answer, Fact, Manner, What};
use chatd::dialect::text::{COMMANDS, encode, encode_reply};
use chatd::dialect::{Encoding, Reply as ToldAlone};
use chatd_fuzz::server_line;
use chatd_fuzz::talk::{Hear, Told, talk};
use chatd_fuzz::text_line::{News, Reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    talk(bytes, &mut Reader, |bytes| {
        server_line::check_cleaning(&String::from_utf8_lossy(bytes));
    });
});

struct Reader;

impl Hear for Reader {
    /// Encodes as the hub does and looks at it as a client does.
    fn hear(&mut self, told: &Told<'_>) {
        const BEFORE: &[u8] = b"<ann> before\n";
        let mut out = BEFORE.to_vec();
        let count = match told {
            Told::Fact(fact) => encode(fact, &mut out),
            Told::Reply(reply) => encode_reply(reply, &mut out),
        };
        let encoded = out.strip_prefix(BEFORE).expect("encode only appends");
        let lines: Vec<Reply<'_>> = encoded
            .split_inclusive(|&byte| byte == b'\n')
            .map(|line| server_line::check(line.strip_suffix(b"\n").expect("lines are whole")))
            .collect();
        assert_eq!(lines.len(), count as usize, "{told:?}");
        match told {
            Told::Fact(fact) => check_fact(&lines, fact),
            Told::Reply(reply) => check_reply(&lines, reply),
        }
    }
}

fn check_fact(lines: &[Reply<'_>], fact: &Fact<'_>) {
    let action = |text: &str| format!("/me {text}");
    match (fact.what, lines) {
        (What::Said { from, text, manner }, [line]) => {
            let text = match manner {
                Manner::Action => action(text),
                Manner::Plain | Manner::Posted => text.to_owned(),
            };
            assert_eq!(*line, Reply::Message { from, text: &text });
        }
        (What::Private { from, text }, [line]) => assert_eq!(*line, Reply::Private { from, text }),
        (What::Entered { who, topic, .. }, [welcome, rest @ ..]) => {
            let room = fact.room.expect("it is somewhere").name;
            let name = who;
            assert_eq!(news(welcome), Some(News::Welcome { room, name }));
            assert_eq!(rest.len(), usize::from(!topic.is_empty()));
            assert!(rest.iter().all(|line| news(line) == Some(News::Topic)));
        }
        (What::Announcement { .. }, [line]) => assert_eq!(news(line), Some(News::Announcement)),
        (What::Parted { .. } | What::Closed | What::Forgotten { .. }, []) => {}
        (
            What::Joined { .. }
            | What::Left { .. }
            | What::Churn { .. }
            | What::Renamed { .. }
            | What::Topic { .. },
            [line],
        ) => assert_eq!(news(line), Some(News::Room)),
        _ => panic!("{fact:?} became {lines:?}"),
    }
}

fn check_reply(lines: &[Reply<'_>], reply: &ToldAlone<'_>) {
    assert!(Encoding::Text.has_words_for(reply) || lines.is_empty());
    match (reply, lines) {
        (ToldAlone::Hello(_) | ToldAlone::Welcome { .. }, []) => {}
        (ToldAlone::Answer(answer), _) => check_answer(lines, answer),
        (ToldAlone::Past { messages, .. }, []) => assert_eq!(messages.len(), 0),
        (ToldAlone::Past { messages, .. }, [first, said @ .., last]) => {
            assert_eq!(news(first), Some(News::HistoryBegins(messages.len())));
            assert_eq!(news(last), Some(News::HistoryEnds));
            assert_eq!(said.len(), messages.len());
            for (line, message) in said.iter().zip(messages.clone()) {
                assert!(matches!(line, Reply::Message { from, text }
                    if *from == message.from && text.ends_with(message.text)));
            }
        }
        (ToldAlone::Page { messages, .. }, _) => check_answers(lines, messages.len() + 1),
        (ToldAlone::Help, _) => check_answers(lines, COMMANDS.len()),
        (ToldAlone::Prompt, [line]) => assert_eq!(news(line), Some(News::Prompt)),
        (ToldAlone::Pong(token), [line]) => {
            let expected = token.map_or("pong".to_owned(), |token| format!("pong {token}"));
            assert_eq!(*line, Reply::Answer(&expected));
        }
        (ToldAlone::Refused(refusal) | ToldAlone::Ended(refusal), [line]) => {
            let Reply::Refusal { code, words } = *line else {
                panic!("{refusal:?} became {line:?}");
            };
            assert_eq!(code, refusal.code());
            assert!(!words.is_empty());
        }
        _ => panic!("{reply:?} became {lines:?}"),
    }
}

fn check_answer(lines: &[Reply<'_>], answer: &Answer<'_>) {
    let count = match answer {
        Answer::Done(_) => 0,
        Answer::Rooms { rooms, more } => rooms.len() + usize::from(*more > 0) + 1,
        _ => 1,
    };
    check_answers(lines, count);
}

fn check_answers(lines: &[Reply<'_>], count: usize) {
    assert_eq!(lines.len(), count);
    assert!(lines.iter().all(|line| matches!(line, Reply::Answer(_))));
}

fn news<'a>(reply: &Reply<'a>) -> Option<News<'a>> {
    match *reply {
        Reply::News(text) => Some(News::of(text)),
        _ => None,
    }
}
