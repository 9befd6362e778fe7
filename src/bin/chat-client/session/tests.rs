//! The session against a server as `json.md` describes it, with links that are cut anywhere.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Code, Effect, LinkEnd, Manner, Phase, Session, Settings};
use crate::lines::Kind;

/// One room, as the server keeps it.
struct Server {
    /// Sender and text; the id is the place, from 1.
    log: Vec<(String, String)>,
    /// Ids up to this one are no longer in memory.
    forgotten: usize,
    /// The token of the member `ann`, while it is here.
    token: Option<String>,
    tokens: usize,
}

/// One connection to it.
#[derive(Default)]
struct Connection {
    unread: Vec<u8>,
    output: Vec<u8>,
    is_greeted: bool,
    is_entered: bool,
}

impl Server {
    fn said(&self, id: usize, is_past: bool) -> Value {
        let (from, text) = &self.log[id - 1];
        let id = id.to_string();
        json!({"is": "said", "room": "lobby", "id": id, "from": from, "text": text, "past": is_past})
    }

    fn say(&mut self, connection: &mut Connection, from: &str, text: &str) {
        self.log.push((from.to_owned(), text.to_owned()));
        if connection.is_entered {
            connection.tell(&self.said(self.log.len(), false));
        }
    }

    fn receive(&mut self, connection: &mut Connection, bytes: &[u8]) {
        connection.unread.extend_from_slice(bytes);
        while let Some(end) = connection.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = connection.unread.drain(..=end).collect();
            self.take(connection, &serde_json::from_slice(&line).unwrap());
        }
    }

    fn take(&mut self, connection: &mut Connection, line: &Value) {
        if !std::mem::replace(&mut connection.is_greeted, true) {
            connection.tell(&json!({"is": "hello", "server": "chatd", "json": 1}));
        }
        match line["do"].as_str().unwrap() {
            "enter" if self.token.is_some() && self.token.as_deref() != line["resume"].as_str() => {
                // Of a welcome that was lost on its way. Before long the server notices that.
                self.token = None;
                connection.tell(&json!({"is": "refused", "code": "name-in-use", "text": "taken"}));
            }
            "enter" => self.enter(connection, line["since"]["lobby"].as_str()),
            "say" => {
                self.say(connection, "ann", line["text"].as_str().unwrap());
                let id = self.log.len().to_string();
                connection.tell(&json!({"is": "done", "ref": line["ref"], "id": id}));
            }
            "quit" => self.token = None,
            other => panic!("{other} is not for this server"),
        }
    }

    fn enter(&mut self, connection: &mut Connection, since: Option<&str>) {
        self.tokens += 1;
        self.token = Some(self.tokens.to_string());
        connection.tell(&json!({"is": "welcome", "name": "ann", "resume": self.token}));
        let last = self.log.len().to_string();
        let last = if self.log.is_empty() { "0-0" } else { &last };
        connection.tell(&json!({"is": "entered", "room": "lobby", "here": 1, "last": last}));
        let seen = since.map_or(0, |since| since.parse().unwrap_or(0));
        for id in seen.max(self.forgotten)..self.log.len() {
            connection.tell(&self.said(id + 1, true));
        }
        let missed = self.forgotten.saturating_sub(seen);
        connection.tell(&json!({"is": "caught-up", "room": "lobby", "missed": missed}));
        connection.is_entered = true;
    }
}

impl Connection {
    fn tell(&mut self, line: &Value) {
        self.output
            .extend_from_slice(format!("{line}\n").as_bytes());
    }
}

/// Bytes that a link still carries, up and down, before it is cut.
type Lifetimes = [usize; 2];

const FOREVER: Lifetimes = [usize::MAX; 2];

/// A session, its server, and what lies between.
struct World {
    session: Session,
    server: Server,
    connection: Option<Connection>,
    lifetimes: Lifetimes,
    now: Instant,
    shown: Vec<(Kind, String)>,
}

impl World {
    fn new(manner: Manner) -> Self {
        let settings = Settings {
            server: "server:1".to_owned(),
            name: Some("ann".to_owned()),
            room: None,
            manner,
            comes_back: true,
        };
        let server = Server {
            log: Vec::new(),
            forgotten: 0,
            token: None,
            tokens: 0,
        };
        let mut session = Session::new(settings, fastrand::Rng::with_seed(1));
        session.start();
        let mut world = World {
            session,
            server,
            connection: None,
            lifetimes: FOREVER,
            now: Instant::now(),
            shown: Vec::new(),
        };
        world.settle();
        world
    }

    /// Does what the session asks for, and carries bytes, until nothing moves.
    fn settle(&mut self) {
        loop {
            while let Some(effect) = self.session.next_effect() {
                match effect {
                    Effect::Connect => {
                        self.connection = Some(Connection::default());
                        self.session.link_up(self.now);
                    }
                    Effect::HangUp => self.connection = None,
                    Effect::Trust(key) => panic!("nobody asks about {key}"),
                    Effect::Show(shown) => self.shown.push((shown.kind, shown.text)),
                    Effect::Send(bytes) => self.carry_up(&bytes),
                }
            }
            let output = self
                .connection
                .as_mut()
                .map(|one| std::mem::take(&mut one.output));
            let Some(output) = output.filter(|output| !output.is_empty()) else {
                return;
            };
            let count = output.len().min(self.lifetimes[1]);
            self.lifetimes[1] -= count;
            // In pieces: no line needs to come whole.
            for piece in output[..count].chunks(7) {
                self.session.receive(piece, self.now);
            }
            if self.lifetimes[1] == 0 {
                self.cut();
            }
        }
    }

    fn carry_up(&mut self, bytes: &[u8]) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let count = bytes.len().min(self.lifetimes[0]);
        self.lifetimes[0] -= count;
        self.server.receive(connection, &bytes[..count]);
        if self.lifetimes[0] == 0 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.connection = None;
        self.lifetimes = FOREVER;
        self.session.link_down(LinkEnd::Closed, self.now);
    }

    fn say(&mut self, text: &str) {
        self.session.say_line(text, self.now);
        self.settle();
    }

    fn ben_says(&mut self, text: &str) {
        let mut absent = Connection::default();
        let connection = self.connection.as_mut().unwrap_or(&mut absent);
        self.server.say(connection, "ben", text);
        self.settle();
    }

    /// Lets time pass until there is a link.
    fn come_back(&mut self) {
        while let Phase::Away { until } = self.session.phase {
            self.now = until;
            self.session.tick(self.now);
            self.settle();
        }
    }

    fn texts(&self) -> Vec<&str> {
        let is_said = |(kind, _): &&(Kind, String)| matches!(kind, Kind::Said | Kind::Own);
        self.shown
            .iter()
            .filter(is_said)
            .map(|(_, text)| text.as_str())
            .collect()
    }

    fn has_shown(&self, part: &str) -> bool {
        self.shown.iter().any(|(_, text)| text.contains(part))
    }
}

/// What ann says in [`talk`], the same text twice.
const SAID: [&str; 4] = ["one", "two", "two", "\"three\""];

/// A conversation on a link that is cut where `lifetimes` ends.
fn talk(lifetimes: Lifetimes) -> World {
    let mut world = World::new(Manner::Seat);
    world.lifetimes = lifetimes;
    world.ben_says("b1");
    world.say(SAID[0]);
    world.ben_says("b2");
    world.say(SAID[1]);
    world.say(SAID[2]);
    world.ben_says("two");
    world.come_back();
    world.ben_says("b3");
    world.say(SAID[3]);
    world.come_back();
    world
}

#[track_caller]
fn assert_record(world: &World, case: &str) {
    let log: Vec<&str> = world
        .server
        .log
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(
        world.texts(),
        log,
        "{case}: the record is not the room's\n{:#?}",
        world.shown
    );
    let own = world.server.log.iter().filter(|(from, _)| from == "ann");
    let own: Vec<&str> = own.map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        own, SAID,
        "{case}: not said once each, in order\n{:#?}",
        world.shown
    );
    assert_eq!(world.session.unheard().count(), 0, "{case}");
}

#[test]
fn a_link_cut_at_any_byte_loses_and_doubles_nothing() {
    assert_record(&talk(FOREVER), "uncut");
    for direction in 0..2 {
        for bytes in 1.. {
            let mut lifetimes = FOREVER;
            lifetimes[direction] = bytes;
            let world = talk(lifetimes);
            if !world.has_shown("closed the connection") {
                break;
            }
            assert_record(
                &world,
                &format!("cut at byte {bytes} in direction {direction}"),
            );
        }
    }
}

#[test]
fn links_cut_again_and_again_lose_and_double_nothing() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..2_000 {
        let mut world = World::new(Manner::Seat);
        for text in SAID {
            world.lifetimes = [random.usize(1..300), random.usize(1..900)];
            for _ in 0..random.usize(..3) {
                let text = ["b", text][random.usize(..2)];
                world.ben_says(text);
            }
            world.say(text);
            if random.bool() {
                world.come_back();
            }
        }
        world.lifetimes = FOREVER;
        world.come_back();
        assert_record(&world, &format!("seed {seed}"));
    }
}

#[test]
fn behind_a_gap_a_line_in_doubt_is_shown_and_not_sent_again() {
    let mut world = World::new(Manner::Seat);
    world.ben_says("b1");
    // The line gets through; neither its return nor its answer does.
    world.lifetimes[1] = 1;
    world.say("in doubt");
    world.say("waits");
    world.server.forgotten = world.server.log.len();
    world.come_back();
    assert!(world.has_shown("… 1 message missed"), "{:#?}", world.shown);
    assert!(
        world.has_shown("perhaps sent, not sent again: in doubt"),
        "{:#?}",
        world.shown
    );
    let log: Vec<&str> = world
        .server
        .log
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(log, ["b1", "in doubt", "waits"]);
}

#[test]
fn an_older_token_waits_for_its_ghost_to_go() {
    let mut world = World::new(Manner::Seat);
    world.lifetimes[0] = 1;
    world.say("hello");
    world.server.token = Some("newer".to_owned());
    world.come_back();
    assert!(
        world.has_shown("our name is still held by the lost link"),
        "{:#?}",
        world.shown
    );
    assert_eq!(world.texts(), ["hello"]);
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let mut world = World::new(Manner::Seat);
    world.say("answered");
    assert_eq!(world.session.next_deadline(), None);
    world.connection = Some(Connection::default());
    world.session.say_line("unanswered", world.now);
    let deadline = world.session.next_deadline().unwrap();
    assert_eq!(deadline, world.now + Duration::from_secs(30));
    world.session.tick(deadline);
    assert!(matches!(world.session.phase, Phase::Away { .. }));
}

#[test]
fn a_link_that_held_has_earned_a_quick_return() {
    let mut world = World::new(Manner::Seat);
    let wait = |world: &mut World, held: u64| {
        world.now += Duration::from_secs(held);
        world.cut();
        let Phase::Away { until } = world.session.phase else {
            panic!("{:#?}", world.shown);
        };
        let wait = until - world.now;
        world.come_back();
        wait
    };
    for _ in 0..5 {
        wait(&mut world, 1);
    }
    assert!(wait(&mut world, 1) > Duration::from_secs(10));
    assert!(wait(&mut world, 31) <= Duration::from_secs(1));
}

#[test]
fn a_pipe_ends_when_everything_is_answered() {
    let mut world = World::new(Manner::Pipe);
    world.lifetimes[0] = 30;
    for line in ["/quit", "exit", ""] {
        world.say(line);
    }
    world.session.end_of_input(world.now);
    world.settle();
    assert!(world.session.end().is_none());
    world.come_back();
    let log: Vec<&str> = world
        .server
        .log
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(log, ["/quit", "exit"]);
    assert_eq!(world.server.token, None, "it has not left");
    world.session.tick(world.now + Duration::from_secs(1));
    assert_eq!(world.session.end().map(|end| end.code), Some(Code::Left));
}

#[test]
fn what_is_left_unsaid_by_a_pipe_is_no_success() {
    let mut world = World::new(Manner::Pipe);
    world.cut();
    world.say("unsaid");
    world.session.interrupt(0, world.now);
    assert_eq!(world.session.end().map(|end| end.code), Some(Code::Lost));
}
