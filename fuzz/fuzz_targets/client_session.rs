//! The client's conversation with a server that says anything, while the user speaks, links come
//! and go and time passes. What is shown drives no terminal; what is sent is whole lines that a
//! server understands, only while there is a link, and nothing is said that was not typed; deadlines
//! pass. The client is a program: its modules are taken here as they are.
#![no_main]
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "the client's modules are those of a program"
)]

#[path = "../../src/bin/chat-client/flags.rs"]
mod flags;
#[path = "../../src/bin/chat-client/ledger.rs"]
mod ledger;
#[path = "../../src/bin/chat-client/lines.rs"]
mod lines;
#[path = "../../src/bin/chat-client/password.rs"]
mod password;
#[path = "../../src/bin/chat-client/session/mod.rs"]
mod session;
#[path = "../../src/bin/chat-client/style.rs"]
mod style;
#[path = "../../src/bin/chat-client/typed.rs"]
mod typed;
#[path = "../../src/bin/chat-client/wire.rs"]
mod wire;

/// What is left of the client's TLS where there is no link: the keys that its flags name.
mod tls {
    pub fn parse_key(key: &str) -> Result<String, String> {
        Ok(key.to_owned())
    }
}

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use chatd::chat::{Act, Command};
use chatd::dialect::Refusal;
use chatd::dialect::json::Line;
use chatd_fuzz::script::Script;
use chatd_fuzz::server_line::is_dangerous;
use libfuzzer_sys::fuzz_target;
use lines::Lines;
use password::Password;
use session::{Effect, LinkEnd, Manner, Session, Settings};
use style::Colors;

/// The clock of all sessions, so that one input always has one course.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What servers say without the fuzzer having to find it.
const SAID: [&str; 25] = [
    r#"{"is":"hello","server":"chatd","json":1}"#,
    r#"{"is":"welcome","name":"ann","resume":"token","motd":"be\nnice"}"#,
    r#"{"is":"entered","room":"lobby","here":1,"names":["ann"],"more":0,"last":"1-0"}"#,
    r#"{"is":"entered","room":"den","topic":"tea","here":1,"names":["ann"],"more":9,"last":"0-0"}"#,
    r#"{"is":"said","room":"lobby","id":"1-0","from":"ann","text":"one","past":true}"#,
    r#"{"is":"said","room":"den","id":"2-0","from":"ben","text":"ann: one","action":true}"#,
    r#"{"is":"said","room":"lobby","id":"3-0","from":"ann","text":"/one"}"#,
    r#"{"is":"caught-up","room":"lobby","missed":0}"#,
    r#"{"is":"caught-up","room":"den","missed":null}"#,
    r#"{"is":"done","ref":"1","id":"1-0"}"#,
    r#"{"is":"done","ref":"2"}"#,
    r#"{"is":"who","here":1,"names":["ann"],"more":0,"ref":"1"}"#,
    r#"{"is":"rooms","rooms":[{"room":"lobby","here":1}],"more":3,"ref":"2"}"#,
    r#"{"is":"page","messages":[{"at":"x","from":"ben","text":"one"}],"ref":"3"}"#,
    r#"{"is":"pong","ref":"1"}"#,
    r#"{"is":"renamed","room":"lobby","from":"ann","to":"anna"}"#,
    r#"{"is":"left","room":"lobby","name":"ben","here":1,"cause":"kicked","reason":"x"}"#,
    r#"{"is":"left","room":"den","name":"ann","here":1,"cause":"kicked"}"#,
    r#"{"is":"refused","code":"name-in-use","text":"ann is taken"}"#,
    r#"{"is":"refused","code":"bad-name","text":"no","ref":"1"}"#,
    r#"{"is":"refused","code":"too-slow","text":"you did not read","ends":true}"#,
    r#"{"is":"refused","code":"kicked","text":"be nice","ends":true}"#,
    r#"{"is":"refused","code":"slow-down","text":"wait"}"#,
    "! server-full come later",
    "\x1b[2J\u{202e}",
];

const TYPED: [&str; 21] = [
    "one",
    "/ one",
    "/me waves",
    "/msg ben psst",
    "/topic plans",
    "/who",
    "//one",
    "/nick anna",
    "/join den",
    "/rooms",
    "/history",
    "/part",
    "/room den",
    "/ignore ben",
    "/r psst",
    "/quiet on",
    "/names",
    "/clear",
    "/search one",
    "/quit so long",
    "exit",
];

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let mut user = User::new(&mut script);
    user.take_effects();
    while !script.is_over() {
        user.operate(&mut script);
        user.take_effects();
    }
});

/// What there is between the session and its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    None,
    Asked,
    Up,
}

struct User {
    session: Session,
    now: Instant,
    link: Link,
    lines: Lines,
}

impl User {
    fn new(script: &mut Script<'_>) -> User {
        let manners = [
            Manner::Terminal,
            Manner::Seat,
            Manner::Pipe,
            Manner::Commands,
            Manner::Poster,
        ];
        let manner = script.choice(&manners);
        let is_asked = manner.is_person() && script.below(2) == 0;
        let settings = Settings {
            server: "host:5001".to_owned(),
            password: Password::of(script.choice(&["", "secret"])),
            name: (!is_asked).then(|| "ann".to_owned()),
            rooms: script
                .choice(&[&[][..], &["den"], &["den", "lobby"]])
                .iter()
                .map(|&room| room.to_owned())
                .collect(),
            manner,
            comes_back: script.choice(&[true, false]),
            is_without_history: script.choice(&[true, false]),
            ignored: Vec::new(),
            is_quiet: script.choice(&[false, true]),
        };
        let mut session = Session::new(settings, fastrand::Rng::with_seed(1));
        session.start();
        User {
            session,
            now: *START,
            link: Link::None,
            lines: Lines::new(Colors::Unused, None),
        }
    }

    fn operate(&mut self, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0..=2 if self.link == Link::Up => {
                let said = format!("{}\n", script.choice(&SAID));
                self.session.receive(said.as_bytes(), self.now);
            }
            3 if self.link == Link::Up => {
                let length = script.below(60);
                self.session.receive(script.bytes(length), self.now);
            }
            0..=3 => self.connect(script.below(4) > 0),
            4 if self.session.wants_line() => {
                self.session.say_line(script.choice(&TYPED), self.now);
            }
            5 if self.session.wants_line() => {
                self.session.say_text(script.choice(&TYPED), self.now);
            }
            4..=6 => self.pass_time(script),
            _ => match script.below(16) {
                0 => self.session.end_of_input(self.now),
                1 => self.session.interrupt(0, self.now),
                2 => self.session.say_endless_line(),
                _ => self.disconnect(LinkEnd::Closed),
            },
        }
    }

    fn connect(&mut self, comes_about: bool) {
        if self.link != Link::Asked {
            return;
        }
        if comes_about {
            self.link = Link::Up;
            self.session.link_up(self.now);
        } else {
            self.disconnect(LinkEnd::Unreachable("nobody there".to_owned()));
        }
    }

    fn disconnect(&mut self, how: LinkEnd) {
        if self.link != Link::None {
            self.link = Link::None;
            self.session.link_down(how, self.now);
        }
    }

    /// Up to the next deadline, which then is over; or a moment.
    fn pass_time(&mut self, script: &mut Script<'_>) {
        let deadline = self.session.next_deadline();
        match deadline.filter(|_| script.below(2) == 0) {
            None => {
                self.now += Duration::from_millis(script.byte().into());
                self.session.tick(self.now);
            }
            Some(deadline) => {
                self.now = self.now.max(deadline);
                self.session.tick(self.now);
                let next = self.session.next_deadline();
                assert!(next.is_none_or(|next| next > self.now), "it spins");
            }
        }
    }

    fn take_effects(&mut self) {
        while let Some(effect) = self.session.next_effect() {
            match effect {
                Effect::Connect => {
                    assert_eq!(self.link, Link::None, "a second link");
                    self.link = Link::Asked;
                }
                Effect::HangUp => self.link = Link::None,
                Effect::Trust(key) => unreachable!("no stranger answers here: {key}"),
                Effect::Send(bytes) => {
                    assert_eq!(self.link, Link::Up, "sent to nobody");
                    check_sent(&bytes);
                }
                Effect::Show(shown) => {
                    let mut line = String::new();
                    self.lines.write(&shown, &mut line);
                    let line = line.strip_suffix('\n').expect("lines are whole");
                    assert!(!line.contains(is_dangerous), "{line:?}");
                }
                Effect::Line(line) => unreachable!("nobody here reads JSON: {line}"),
                Effect::KeepIgnored(_) | Effect::Call | Effect::ClearScreen => {}
            }
        }
        if let Some(words) = self.session.end().and_then(|end| end.words.as_ref()) {
            assert!(!words.as_str().contains(is_dangerous), "{words:?}");
        }
    }
}

/// One whole line that a server understands; and what it says was typed.
fn check_sent(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("the client speaks UTF-8");
    let line = text.strip_suffix('\n').expect("lines are whole");
    assert!(!line.contains('\n'), "{line:?}");
    let read = Line::read(line.as_bytes());
    assert!(read.reference().is_some(), "its answer could not be known");
    let said = match read.request(4096).map(|request| request.command) {
        Ok(
            Command::Act(Act::Say { text, .. })
            | Command::Post { text, .. }
            | Command::Act(Act::Msg { text, .. }),
        ) => text,
        Ok(Command::Act(Act::SetTopic(text)) | Command::Quit(Some(text))) => text,
        // A server may have called a room or a message whatever it likes.
        Ok(_) | Err(Refusal::BadUsage(_)) => return,
        Err(refusal) => panic!("{line:?} is sent: {refusal}"),
    };
    let is_typed = TYPED.iter().any(|typed| typed.ends_with(said));
    assert!(is_typed && !said.is_empty(), "{said:?} is sent");
}
