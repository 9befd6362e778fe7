//! Unit tests of the session: scripts of both sides, and the effects they must have.

use std::time::{Duration, Instant};

use super::*;

/// A session with a clock of its own, and all it wanted done so far, one line each.
struct Script {
    session: Session,
    now: Instant,
}

impl Script {
    fn new(manner: Manner, when_lost: WhenLost, room: Option<&str>) -> Self {
        let settings = Settings {
            server: "host:5001".to_owned(),
            name: "ann".to_owned(),
            room: room.map(str::to_owned),
            manner,
            when_lost,
        };
        let mut session = Session::new(settings, fastrand::Rng::with_seed(1));
        session.start();
        let now = Instant::now();
        Script { session, now }
    }

    /// Up to the end of the greeting, with nothing left to do.
    fn talking(manner: Manner) -> Self {
        let mut script = Script::new(manner, WhenLost::ComeBack, None);
        script.links();
        script.hears("* welcome to lobby, ann (1 here: ann)\n= echo on\n");
        script.effects();
        script
    }

    fn hears(&mut self, text: &str) -> &mut Self {
        self.session.receive(text.as_bytes(), self.now);
        self
    }

    fn says(&mut self, line: &str) -> &mut Self {
        self.session.say(line, self.now);
        self
    }

    fn says_no_more(&mut self) {
        self.session.end_of_input(self.now);
    }

    fn links(&mut self) {
        self.session.link_up(self.now);
    }

    fn loses(&mut self) -> &mut Self {
        self.session.link_down(LinkEnd::Closed, self.now);
        self
    }

    /// Lets the time pass up to the next deadline, and a moment more.
    fn waits(&mut self) -> &mut Self {
        let deadline = self.session.next_deadline().expect("a deadline");
        self.now = deadline + Duration::from_millis(1);
        self.session.tick(self.now);
        self
    }

    fn effects(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(effect) = self.session.next_effect() {
            all.push(match effect {
                Effect::Connect => "connect".to_owned(),
                Effect::HangUp => "hang up".to_owned(),
                Effect::Send(bytes) => {
                    format!("> {}", String::from_utf8(bytes).unwrap().trim_end())
                }
                Effect::Show(shown) => show(shown),
            });
        }
        all
    }

    fn end(&self) -> Option<(u8, String)> {
        let end = self.session.end()?;
        Some((
            end.code(),
            end.words().map_or(String::new(), Clean::to_string),
        ))
    }
}

fn show(shown: Shown) -> String {
    match shown {
        Shown::Message { from, text } => format!("<{from}> {text}"),
        Shown::Private { from, text } => format!("-{from}- {text}"),
        Shown::News(text) => format!("* {text}"),
        Shown::Answer(text) => format!("= {text}"),
        Shown::Refusal { code, words } => format!("! {code} {words}"),
        Shown::Delivered { round_trip } => format!("delivered {}", round_trip.as_millis()),
        Shown::Status(words) => format!("-- {words}"),
        Shown::Asked(line) => format!("asked {line}"),
    }
}

#[test]
fn a_greeting_shows_the_room_and_nothing_of_the_machinery() {
    let mut script = Script::new(Manner::Pipe, WhenLost::GiveUp, None);
    script.links();
    assert_eq!(script.effects(), ["connect", "> ann\n/echo on"]);
    script.hears("* chatd: type your name and press Enter\n");
    script.hears("* welcome to lobby, ann (2 here: ann, ben)\n* last 1 messages:\n<ann> old\n");
    script.hears("* end of history\n= echo on\n<ben> hi\n");
    assert_eq!(
        script.effects(),
        [
            "* welcome to lobby, ann (2 here: ann, ben)",
            "* last 1 messages:",
            "<ann> old",
            "* end of history",
            "<ben> hi"
        ]
    );
}

#[test]
fn nothing_is_sent_before_the_greeting_is_over() {
    let mut script = Script::new(Manner::Terminal, WhenLost::GiveUp, None);
    script.says("early");
    script.links();
    script.hears("* welcome to lobby, ann (1 here: ann)\n");
    assert!(!script.effects().contains(&"> early".to_owned()));
    script.hears("= echo on\n");
    assert!(script.effects().contains(&"> early".to_owned()));
}

#[test]
fn the_way_to_the_wanted_room_is_not_shown() {
    let mut script = Script::new(Manner::Pipe, WhenLost::GiveUp, Some("garden"));
    script.links();
    assert_eq!(
        script.effects(),
        ["connect", "> ann\n/join garden\n/echo on"]
    );
    script.hears("* welcome to lobby, ann (2 here: ann, ben)\n<ben> in the lobby\n");
    script.hears("* welcome to garden, ann (1 here: ann)\n= echo on\n");
    assert_eq!(script.effects(), ["* welcome to garden, ann (1 here: ann)"]);
}

#[test]
fn to_want_the_room_one_is_in_is_no_fault() {
    let mut script = Script::new(Manner::Pipe, WhenLost::GiveUp, Some("Lobby"));
    script.links();
    script.hears("* welcome to lobby, ann (1 here: ann)\n! already-there you are\n= echo on\n");
    script.effects();
    script.says("hi");
    assert_eq!(script.effects(), ["> hi"]);
}

#[test]
fn own_lines_are_acknowledgements() {
    let mut script = Script::talking(Manner::Pipe);
    script.says("one").says("/who").says("//two");
    assert_eq!(script.effects(), ["> one", "> /who", "> //two"]);
    script.now += Duration::from_millis(7);
    script.hears("<ben> hi\n<ann> one\n= 2 here: ann, ben\n<ann> /two\n");
    assert_eq!(
        script.effects(),
        [
            "<ben> hi",
            "delivered 7",
            "= 2 here: ann, ben",
            "delivered 7"
        ]
    );
}

#[test]
fn own_lines_are_known_after_a_change_of_name() {
    let mut script = Script::talking(Manner::Pipe);
    script.says("/nick anna").says("hi");
    script.hears("* ann is now anna\n<anna> hi\n");
    assert!(script.effects().ends_with(&["delivered 0".to_owned()]));
    script.loses();
    script.waits().links();
    assert!(script.effects().contains(&"> anna\n/echo on".to_owned()));
}

#[test]
fn echo_is_the_clients_own() {
    let mut script = Script::talking(Manner::Pipe);
    script.says("/echo on").says("hi").hears("<ann> hi\n");
    let effects = script.effects();
    assert_eq!(effects[1..], ["> hi", "<ann> hi", "delivered 0"]);
    script.says("/echo off").says("ho").hears("<ann> ho\n");
    assert_eq!(script.effects()[1..], ["> ho", "delivered 0"]);
}

#[test]
fn empty_lines_are_not_sent() {
    let mut script = Script::talking(Manner::Pipe);
    script.says("").says("  ").says("\t");
    assert!(script.effects().is_empty());
}

#[test]
fn a_program_leaves_when_all_has_come_back() {
    let mut script = Script::talking(Manner::Pipe);
    script.says("one").says("two");
    script.says_no_more();
    assert_eq!(script.effects(), ["> one", "> two"]);
    script.hears("<ann> one\n! slow-down wait\n");
    assert_eq!(script.end(), None);
    script.hears("<ann> two\n");
    assert_eq!(script.effects()[2..], ["delivered 0", "> /quit"]);
    script.loses();
    assert_eq!(script.end(), Some((0, String::new())));
}

#[test]
fn a_program_waits_for_answers_to_commands() {
    let mut script = Script::talking(Manner::Pipe);
    script.says("/who").says_no_more();
    assert_eq!(script.effects(), ["> /who", "> /ping chat-client-end"]);
    script.hears("= 1 here: ann\n= pong chat-client-end\n");
    assert_eq!(script.effects(), ["= 1 here: ann", "> /quit"]);
}

#[test]
fn words_that_leave() {
    for line in ["exit", "end", "/quit", "/quit ", "end "] {
        let mut script = Script::talking(Manner::Terminal);
        script.says("last words").says(line);
        assert_eq!(script.effects(), ["> last words", "> /quit"], "{line:?}");
    }
    let mut script = Script::talking(Manner::Terminal);
    script.says("/ quit tea is ready");
    assert_eq!(script.effects(), ["> / quit tea is ready"]);
    script.waits();
    assert_eq!(script.end(), Some((0, String::new())));
    let mut script = Script::talking(Manner::Terminal);
    for line in ["the end", "/quitter", " /quit", "//quit", "/QUIT"] {
        script.says(line);
        assert_eq!(script.effects(), [format!("> {line}")]);
    }
    let mut script = Script::talking(Manner::Poster);
    script.says("exit");
    assert_eq!(script.effects(), ["> exit"]);
}

#[test]
fn a_server_that_does_not_close_after_quit_is_left_anyway() {
    let mut script = Script::talking(Manner::Terminal);
    script.session.interrupt(script.now);
    assert_eq!(script.effects(), ["> /quit"]);
    script.hears("<ben> still here\n").waits();
    assert_eq!(script.effects(), ["hang up"]);
    assert_eq!(script.end(), Some((0, String::new())));
}

#[test]
fn too_long_a_line_is_settled_by_its_refusal() {
    let mut script = Script::talking(Manner::Pipe);
    script.says("short").says(&"x".repeat(5000));
    script.says_no_more();
    script.effects();
    script.hears("<ann> short\n! line-too-long at most 4096 bytes\n");
    let effects = script.effects();
    let wanted = [
        "delivered 0",
        "! line-too-long at most 4096 bytes",
        "> /quit",
    ];
    assert_eq!(effects, wanted);
}

#[test]
fn a_refused_poster_has_failed() {
    let mut script = Script::talking(Manner::Poster);
    script.says("/msg ben hi").says("/msg cyd hi");
    script.says_no_more();
    script.hears("! no-such-name ben is not here\n! no-such-name nor is cyd\n");
    script.hears("= pong chat-client-end\n").loses();
    let words = "refused: ben is not here (no-such-name), and 1 more".to_owned();
    assert_eq!(script.end(), Some((77, words)));
}

#[test]
fn the_user_is_not_asked_for_more_than_can_be_settled() {
    let mut script = Script::talking(Manner::Pipe);
    let mut said = 0;
    while script.session.wants_line() {
        script.says("x");
        said += 1;
        assert!(said < 1000);
    }
    script.hears("<ann> x\n");
    assert!(script.session.wants_line());
}

#[test]
fn all_that_is_shown_is_clean() {
    let mut script = Script::talking(Manner::Terminal);
    let dirt = "\u{1b}[2J\u{202e}\r\u{9b}";
    for line in [
        format!("<b{dirt}n> hi{dirt}\n"),
        format!("-b{dirt}n- hi{dirt}\n"),
        format!("* news{dirt}\n= answer{dirt}\n"),
        format!("! code words{dirt}\n"),
        format!("! shutting-down bye{dirt}\n"),
    ] {
        script.hears(&line);
    }
    script.loses();
    let effects = script.effects();
    assert_eq!(effects.len(), 7, "{effects:?}");
    for effect in effects {
        assert!(
            !effect.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{effect:?}"
        );
    }
}

#[test]
fn any_split_of_what_the_server_says_has_the_same_effects() {
    let said = "* welcome to lobby, änn (1 here)\r\n* last 1 messages:\n<ben> ö\n* end of history\n= echo on\n<ben> ü\n";
    let effects = |parts: &[&[u8]]| {
        let mut script = Script::new(Manner::Pipe, WhenLost::GiveUp, None);
        script.links();
        for part in parts {
            script.session.receive(part, script.now);
        }
        script.effects()
    };
    let whole = effects(&[said.as_bytes()]);
    assert_eq!(whole.len(), 7);
    for middle in 0..said.len() {
        let (one, two) = said.as_bytes().split_at(middle);
        assert_eq!(effects(&[one, two]), whole, "split at {middle}");
    }
}

#[test]
fn a_history_that_does_not_end_is_not_kept() {
    let mut script = Script::talking(Manner::Pipe);
    script.hears("* last 3 messages:\n");
    for number in 0..10_000 {
        script.hears(&format!("<ann> text {number}\n")).effects();
    }
    let Hearing::History(own_texts) = &script.session.hearing else {
        panic!("the history ended");
    };
    assert!(own_texts.len() < 100, "{} texts are kept", own_texts.len());
    assert_eq!(own_texts.last().unwrap(), "text 9999");
}
