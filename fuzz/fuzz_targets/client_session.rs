//! The client's conversation with a server that says anything, while the user speaks, links come
//! and go and time passes. What is shown drives no terminal; what is sent is whole lines, only
//! while there is a link, and nothing that the server put there but its names; deadlines pass.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use chatd::clean::Clean;
use chatd::client::session::{Effect, LinkEnd, Manner, Session, Settings, WhenLost};
use chatd::client::shown::Shown;
use chatd_fuzz::script::Script;
use chatd_fuzz::server_line::is_dangerous;
use libfuzzer_sys::fuzz_target;

/// The clock of all sessions, so that one input always has one course.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What servers say without the fuzzer having to find it.
const SAID: [&str; 20] = [
    "* welcome to lobby, ann (1 here: ann)\n",
    "* welcome to den, ann (1 here: ann)\n",
    "= echo on\n",
    "* chatd: type your name and press Enter\n",
    "* last 2 messages:\n",
    "* end of history\n",
    "<ann> one\n",
    "<ben> one\n",
    "-ben- one\n",
    "* ann is now anna\n",
    "* ben joined (2 here)\n",
    "= pong chat-client-end\n",
    "= pong\n",
    "! name-in-use ann is taken, choose another\n",
    "! unknown-command there is no /x\n",
    "! line-too-long that line is too long\n",
    "! too-slow you did not read\n",
    "! kicked the operator ended your connection\n",
    "! slow-down you are faster\n",
    "\x1b[2J\u{202e}\n",
];

const TYPED: [&str; 8] = [
    "one",
    "/who",
    "//one",
    "/echo on",
    "/nick anna",
    "/join den",
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
}

impl User {
    fn new(script: &mut Script<'_>) -> User {
        let manners = [Manner::Terminal, Manner::Seat, Manner::Pipe, Manner::Poster];
        let settings = Settings {
            server: "host:5001".to_owned(),
            name: "ann".to_owned(),
            room: script.choice(&[None, Some("den")]).map(str::to_owned),
            manner: script.choice(&manners),
            when_lost: script.choice(&[WhenLost::ComeBack, WhenLost::GiveUp]),
        };
        let mut session = Session::new(settings, fastrand::Rng::with_seed(1));
        session.start();
        User {
            session,
            now: *START,
            link: Link::None,
        }
    }

    fn operate(&mut self, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0..=2 if self.link == Link::Up => {
                let said = script.choice(&SAID);
                self.session.receive(said.as_bytes(), self.now);
            }
            3 if self.link == Link::Up => {
                let length = script.below(60);
                self.session.receive(script.bytes(length), self.now);
            }
            0..=3 => self.connect(script.below(4) > 0),
            4 if self.session.wants_line() => self.session.say(script.choice(&TYPED), self.now),
            5 if self.session.wants_line() => {
                self.session.say_text(script.choice(&TYPED), self.now);
            }
            4 | 5 => self.pass_time(script),
            6 => self.pass_time(script),
            _ => match script.below(16) {
                0 => self.session.end_of_input(self.now),
                1 => self.session.interrupt(self.now),
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
            self.disconnect(LinkEnd::Unreachable(Clean::of("nobody there")));
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
                Effect::Send(bytes) => {
                    assert_eq!(self.link, Link::Up, "sent to nobody");
                    check_sent(&bytes);
                }
                Effect::Show(shown) => check_shown(&shown),
            }
        }
        if let Some(words) = self.session.end().and_then(|end| end.words()) {
            assert_safe(words);
        }
    }
}

/// Whole lines: what was typed, what the client says by itself, or a name that the server gave.
fn check_sent(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("the client speaks UTF-8");
    let lines = text.strip_suffix('\n').expect("lines are whole");
    let own = [
        "/quit",
        "/echo on",
        "/ping chat-client-end",
        "///who",
        "//one",
    ];
    for line in lines.split('\n') {
        let room = line.strip_prefix("/join ").unwrap_or(line);
        let is_a_name = !room.is_empty() && !room.contains(char::is_whitespace);
        let text = line.strip_prefix('/').unwrap_or(line);
        let was_typed = TYPED.contains(&line) || TYPED.contains(&text);
        assert!(
            is_a_name || was_typed || own.contains(&line),
            "{line:?} is sent"
        );
    }
}

fn check_shown(shown: &Shown) {
    match shown {
        Shown::Message { from, text } | Shown::Private { from, text } => {
            assert_safe(from);
            assert_safe(text);
        }
        Shown::Refusal { code, words } => {
            assert_safe(code);
            assert_safe(words);
        }
        Shown::News(words) | Shown::Answer(words) | Shown::Asked(words) => assert_safe(words),
        Shown::Status(words) => assert_safe(words),
        Shown::Delivered { .. } => {}
    }
}

fn assert_safe(words: &Clean) {
    assert!(!words.as_str().contains(is_dangerous), "{words:?}");
}
