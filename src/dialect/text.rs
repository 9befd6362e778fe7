//! The line protocol, version 1: a line of a client → [`Command`], an [`Event`] → lines for a
//! client. Not what any of it means (that is `chat`), and not where lines begin and end
//! (`dialect::line`). Pure functions; nobody owns anything here.
//!
//! The first byte of a server line says what it is: `<` a message, `*` news, `-` private,
//! `=` an answer, `!` a refusal. No text of a user stands at the start of a line.

use crate::chat::{Command, Event, History, Names, Refusal, RoomList};

/// The commands as `/help` tells them: how each is written, and what it does.
pub const COMMANDS: [(&str, &str); 9] = [
    ("/help", "shows this"),
    ("/who [ROOM]", "who is here, or in that room"),
    ("/rooms", "the rooms and how many are in each"),
    ("/join ROOM", "leaves this room and enters that one"),
    ("/nick NAME", "changes your name"),
    (
        "/msg NAME TEXT",
        "says something to NAME alone, wherever it is",
    ),
    ("/echo on|off", "your own lines back, or not"),
    (
        "/ping [TOKEN]",
        "is answered after everything that came before it",
    ),
    ("/quit [REASON]", "leaves"),
];

/// Another protocol that was spoken to the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignProtocol {
    /// A browser, or a tool that thinks this is one's server.
    Http,
    /// A TLS handshake.
    Tls,
    /// An SSH client.
    Ssh,
}

/// Makes clean text of what a client sent: invalid UTF-8 and control characters become U+FFFD.
/// Plain ASCII, which is nearly everything, is passed through as it lies; else `scratch` holds
/// the result.
pub fn clean<'a>(line: &'a [u8], scratch: &'a mut String) -> &'a str {
    if let Ok(text) = std::str::from_utf8(line)
        && (is_plain_ascii(line) || !text.chars().any(is_control))
    {
        return text;
    }
    scratch.clear();
    for chunk in line.utf8_chunks() {
        scratch.extend(chunk.valid().chars().map(|c| {
            if is_control(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        }));
        if !chunk.invalid().is_empty() {
            scratch.push(char::REPLACEMENT_CHARACTER);
        }
    }
    scratch
}

fn is_plain_ascii(line: &[u8]) -> bool {
    // Without an early end, so that the compiler can look at many bytes at once.
    line.iter().fold(true, |plain, &byte| {
        plain & ((byte.wrapping_sub(0x20) < 0x5f) | (byte == b'\t'))
    })
}

/// What could end a line or drive a terminal: C0 except TAB, DEL, C1, and the two Unicode separators.
fn is_control(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}')
}

/// What a clean, non-empty line asks for.
///
/// # Errors
/// An unknown command, or one whose words do not fit. It is never a message then: people leak
/// passwords so.
pub fn parse(line: &str) -> Result<Command<'_>, Refusal<'_>> {
    let Some(command) = line.strip_prefix('/') else {
        return Ok(Command::Say(line));
    };
    if command.starts_with('/') {
        return Ok(Command::Say(command));
    }
    let (word, rest) = split_word(command);
    if word.len() < command.len() && command.starts_with(is_blank) {
        return Err(Refusal::UnknownCommand(""));
    }
    let argument = Some(rest).filter(|rest| !rest.is_empty());
    let usage = |usage| Refusal::BadUsage(usage);
    let one = |text| one_word(argument).ok_or(usage(text));
    match word {
        "help" => Ok(Command::Help),
        "who" if argument.is_none() => Ok(Command::Who(None)),
        "who" => one("/who [ROOM]").map(|room| Command::Who(Some(room))),
        "rooms" => Ok(Command::Rooms),
        "join" => one("/join ROOM").map(Command::Join),
        "nick" => one("/nick NAME").map(Command::Nick),
        "msg" => match split_word(rest) {
            ("", _) | (_, "") => Err(usage("/msg NAME TEXT")),
            (to, text) => Ok(Command::Msg { to, text }),
        },
        "echo" => match rest {
            "on" => Ok(Command::Echo(true)),
            "off" => Ok(Command::Echo(false)),
            _ => Err(usage("/echo on|off")),
        },
        "ping" => Ok(Command::Ping(argument)),
        "quit" => Ok(Command::Quit(argument)),
        _ => Err(Refusal::UnknownCommand(word)),
    }
}

/// The word at the start, and the rest without the blanks around it.
fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_matches(is_blank);
    match text.split_once(is_blank) {
        Some((word, rest)) => (word, rest.trim_start_matches(is_blank)),
        None => (text, ""),
    }
}

fn one_word(argument: Option<&str>) -> Option<&str> {
    argument.filter(|argument| !argument.contains(is_blank))
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// Whether the first bytes, or the first line, of a connection belong to another protocol. None of
/// this is a name.
pub fn foreign_protocol(first: &[u8]) -> Option<ForeignProtocol> {
    const HTTP_METHODS: [&[u8]; 10] = [
        b"GET ",
        b"POST ",
        b"HEAD ",
        b"PUT ",
        b"PATCH ",
        b"OPTIONS ",
        b"DELETE ",
        b"CONNECT ",
        b"TRACE ",
        b"PRI * HTTP",
    ];
    if first.starts_with(&[0x16, 0x03]) {
        Some(ForeignProtocol::Tls)
    } else if first.starts_with(b"SSH-2.") || first.starts_with(b"SSH-1.") {
        Some(ForeignProtocol::Ssh)
    } else if HTTP_METHODS.iter().any(|method| first.starts_with(method)) {
        Some(ForeignProtocol::Http)
    } else {
        None
    }
}

/// Appends what stands before the last line to somebody who spoke `protocol`, so that their
/// program can show it.
pub fn encode_foreign_head(protocol: ForeignProtocol, out: &mut Vec<u8>) {
    if protocol == ForeignProtocol::Http {
        out.extend_from_slice(
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n",
        );
    }
}

/// Appends an event as whole lines, and says how many.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) -> u32 {
    match *event {
        Event::Message { from, text } => line(out, &["<", from.as_str(), "> ", text]),
        Event::Joined { who, here } => line(
            out,
            &["* ", who.as_str(), " joined (", &here.to_string(), " here)"],
        ),
        Event::Left { who, here, why } => {
            let (colon, why) = why.map_or(("", ""), |why| (": ", why));
            line(
                out,
                &[
                    "* ",
                    who.as_str(),
                    " left (",
                    &here.to_string(),
                    " here)",
                    colon,
                    why,
                ],
            )
        }
        Event::Churn { joined, left, here } => line(
            out,
            &[&format!("* {joined} joined, {left} left ({here} here)")],
        ),
        Event::Renamed { from, to } => line(out, &["* ", from.as_str(), " is now ", to.as_str()]),
        Event::Private { from, text } => line(out, &["-", from.as_str(), "- ", text]),
        Event::Operator { text } => line(out, &["* operator: ", text]),
        Event::Welcome { room, who, names } => {
            out.extend_from_slice(
                format!("* welcome to {}, {} (", room.as_str(), who.as_str()).as_bytes(),
            );
            encode_names(names, out);
            line(out, &[")"])
        }
        Event::History(history) => encode_history(history, out),
        Event::Prompt => line(out, &["* chatd: type your name and press Enter"]),
        Event::Help => COMMANDS
            .iter()
            .map(|(usage, does)| line(out, &[&format!("= {usage:<15} {does}")]))
            .sum(),
        Event::Who(names) => {
            out.extend_from_slice(b"= ");
            encode_names(names, out);
            line(out, &[])
        }
        Event::Rooms(rooms) => encode_rooms(rooms, out),
        Event::Sent { to } => line(out, &["= sent to ", to.as_str()]),
        Event::Echo(on) => line(out, &["= echo ", if on { "on" } else { "off" }]),
        Event::Pong(None) => line(out, &["= pong"]),
        Event::Pong(Some(token)) => line(out, &["= pong ", token]),
        Event::SameName(name) => line(out, &["= you are ", name.as_str(), " already"]),
        Event::Refused(refusal) => encode_refusal(&refusal, out),
    }
}

fn line(out: &mut Vec<u8>, parts: &[&str]) -> u32 {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'\n');
    1
}

fn encode_names(names: Names<'_>, out: &mut Vec<u8>) {
    let colon = if names.here() > 0 { ": " } else { "" };
    out.extend_from_slice(format!("{} here{colon}", names.here()).as_bytes());
    for (index, name) in names.shown().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(name.as_str().as_bytes());
    }
    if names.more() > 0 {
        out.extend_from_slice(format!(", … and {} more", names.more()).as_bytes());
    }
}

fn encode_history(history: &History, out: &mut Vec<u8>) -> u32 {
    let (shown, messages) = history.replay();
    let first = line(out, &[&format!("* last {shown} messages:")]);
    let messages: u32 = messages
        .map(|(from, text)| line(out, &["<", from, "> ", text]))
        .sum();
    first + messages + line(out, &["* end of history"])
}

fn encode_rooms(rooms: RoomList<'_>, out: &mut Vec<u8>) -> u32 {
    let (shown, more) = rooms.shown();
    let mut lines: u32 = shown
        .iter()
        .map(|(name, here)| line(out, &["= ", name.as_str(), " ", &here.to_string()]))
        .sum();
    if more > 0 {
        lines += line(out, &[&format!("= … and {more} more")]);
    }
    lines + line(out, &["= end"])
}

/// At most this much of what somebody asked for is quoted back.
const QUOTED_CHARS_MAX: usize = 40;

fn quoted(text: &str) -> &str {
    text.char_indices()
        .nth(QUOTED_CHARS_MAX)
        .map_or(text, |(end, _)| &text[..end])
}

fn encode_refusal(refusal: &Refusal<'_>, out: &mut Vec<u8>) -> u32 {
    let words = match *refusal {
        Refusal::BadName(bad) => bad.to_string(),
        Refusal::NameInUse(name) => format!("{} is taken, choose another", quoted(name)),
        Refusal::NameTimeout => "you gave no name in time; connect again".into(),
        Refusal::LineTooLong => "that line is too long, nothing of it was sent".into(),
        Refusal::UnknownCommand(word) => {
            format!("there is no /{}; /help shows the commands, //text sends /text", quoted(word))
        }
        Refusal::BadUsage(usage) => format!("write it so: {usage}"),
        Refusal::NoSuchName(name) => format!("nobody here is called {}", quoted(name)),
        Refusal::NoSuchRoom(room) => format!("there is no room {}; /rooms shows them", quoted(room)),
        Refusal::AlreadyHere(room) => format!("you are in {} already", quoted(room)),
        Refusal::SlowDown => "you are faster than this server allows; your lines wait, none is lost".into(),
        Refusal::ServerFull => "there is no place left; try again later".into(),
        Refusal::TooManyFromAddress => "too many connections from your address; close one first".into(),
        Refusal::TooSlow => "you did not read what was waiting for you; connect again".into(),
        Refusal::Kicked(why) => format!("the operator ended your connection{}", because(why)),
        Refusal::ShuttingDown => "the server stops now".into(),
        Refusal::WrongProtocol => {
            "this is chatd, which speaks plain lines of text: use chat-client, or nc, and send your name first".into()
        }
    };
    line(out, &["! ", refusal.code(), " ", &words])
}

fn because(why: Option<&str>) -> String {
    why.map_or(String::new(), |why| format!(": {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(line: &[u8]) -> String {
        clean(line, &mut String::new()).to_owned()
    }

    #[test]
    fn text_is_cleaned() {
        assert_eq!(cleaned(b"plain ~ text\twith tab"), "plain ~ text\twith tab");
        assert_eq!(cleaned("größer 漢字 🙂".as_bytes()), "größer 漢字 🙂");
        assert_eq!(
            cleaned(b"\x1b[31mred\x07\x7f\x00"),
            "\u{fffd}[31mred\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(cleaned(b"a\rb"), "a\u{fffd}b");
        assert_eq!(
            cleaned("a\u{85}b\u{2028}c\u{2029}d\u{9b}e".as_bytes()),
            "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e"
        );
        assert_eq!(
            cleaned(b"\xff\xfeok\xc0\xaf\xe2\x82"),
            "\u{fffd}\u{fffd}ok\u{fffd}\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn lines_are_understood() {
        let cases = [
            ("hello /who", Ok(Command::Say("hello /who"))),
            ("//who", Ok(Command::Say("/who"))),
            ("//", Ok(Command::Say("/"))),
            (" /who", Ok(Command::Say(" /who"))),
            ("/help", Ok(Command::Help)),
            ("/who", Ok(Command::Who(None))),
            ("/who  den ", Ok(Command::Who(Some("den")))),
            ("/who a b", Err(Refusal::BadUsage("/who [ROOM]"))),
            ("/rooms", Ok(Command::Rooms)),
            ("/join den", Ok(Command::Join("den"))),
            ("/join", Err(Refusal::BadUsage("/join ROOM"))),
            ("/nick anna", Ok(Command::Nick("anna"))),
            ("/nick", Err(Refusal::BadUsage("/nick NAME"))),
            (
                "/msg ben  are you coming? ",
                Ok(Command::Msg {
                    to: "ben",
                    text: "are you coming?",
                }),
            ),
            ("/msg ben", Err(Refusal::BadUsage("/msg NAME TEXT"))),
            ("/msg", Err(Refusal::BadUsage("/msg NAME TEXT"))),
            ("/echo on", Ok(Command::Echo(true))),
            ("/echo off", Ok(Command::Echo(false))),
            ("/echo maybe", Err(Refusal::BadUsage("/echo on|off"))),
            ("/ping", Ok(Command::Ping(None))),
            ("/ping a b", Ok(Command::Ping(Some("a b")))),
            ("/quit", Ok(Command::Quit(None))),
            ("/quit so long", Ok(Command::Quit(Some("so long")))),
            ("/whoami", Err(Refusal::UnknownCommand("whoami"))),
            ("/", Err(Refusal::UnknownCommand(""))),
            ("/ who", Err(Refusal::UnknownCommand(""))),
            ("/WHO", Err(Refusal::UnknownCommand("WHO"))),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line), expected, "{line:?}");
        }
    }

    #[test]
    fn other_protocols_are_known_by_their_first_bytes() {
        assert_eq!(
            foreign_protocol(b"GET / HTTP/1.1\r\n"),
            Some(ForeignProtocol::Http)
        );
        assert_eq!(
            foreign_protocol(b"TRACE / HTTP/1.1\r\n"),
            Some(ForeignProtocol::Http)
        );
        assert_eq!(
            foreign_protocol(b"\x16\x03\x01\x02\x00"),
            Some(ForeignProtocol::Tls)
        );
        assert_eq!(
            foreign_protocol(b"SSH-2.0-OpenSSH_9.2\r\n"),
            Some(ForeignProtocol::Ssh)
        );
        assert_eq!(foreign_protocol(b"GETTY\n"), None);
    }
}
