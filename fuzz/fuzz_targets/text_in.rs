//! Client → server: cleaning leaves nothing that could end a line or drive a terminal, whatever
//! the bytes; parsing takes any clean line; what starts like a command is never said aloud.
#![no_main]

use chatd::chat::{Command, Refusal};
use chatd::dialect::text::{clean, foreign_protocol, parse};
use chatd_fuzz::server_line::is_control;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    foreign_protocol(bytes);
    let mut scratch = String::from("of the line before");
    let text = clean(bytes, &mut scratch).to_owned();
    check_clean(bytes, &text);
    for line in [&text, text.trim_start(), &format!("/{text}")] {
        check_parsed(line);
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
    let replaced = |c| match is_control(c) {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    };
    let lossy: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(replaced)
        .collect();
    assert_eq!(text, lossy);
}

fn check_parsed(line: &str) {
    let parsed = parse(line);
    let Some(command) = line.strip_prefix('/') else {
        return assert_eq!(parsed, Ok(Command::Say(line)), "{line:?}");
    };
    if command.starts_with('/') {
        return assert_eq!(parsed, Ok(Command::Say(command)), "{line:?}");
    }
    match parsed {
        Ok(Command::Say(_)) => panic!("{line:?} is said aloud"),
        Ok(Command::Msg { to, text }) => {
            assert_word(to);
            assert_argument(text);
        }
        Ok(Command::Join(word) | Command::Nick(word) | Command::Who(Some(word))) => {
            assert_word(word);
        }
        Ok(Command::Ping(Some(words)) | Command::Quit(Some(words))) => assert_argument(words),
        Ok(
            Command::Help
            | Command::Who(None)
            | Command::Rooms
            | Command::Echo(_)
            | Command::Ping(None)
            | Command::Quit(None),
        ) => {}
        Err(Refusal::UnknownCommand(word)) => assert!(!word.contains([' ', '\t'])),
        Err(Refusal::BadUsage(usage)) => {
            let word = usage.split(' ').next().unwrap_or_default();
            assert!(
                line.trim_start_matches(['/', ' ', '\t'])
                    .starts_with(&word[1..])
            );
        }
        Err(other) => panic!("{line:?} is refused as {other:?}"),
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
