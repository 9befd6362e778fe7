//! The whole of a conversation of one person and three programs, every line that each of them reads:
//! a person on plain text, `chat-client` in a pipe, a bot on JSON lines, and a poster that never
//! comes in. The single rules stand in the other files; this one shows that they fit together, and
//! is the quickest way to see what both languages look like.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::common::{Client, Daemon, PATIENCE, hide_stamp, stamp};

/// Who says what, and what all then read. Until they have, nobody goes on.
struct Step {
    who: Who,
    says: &'static str,
    /// What the person, the pipe, the bot and the poster read.
    read: [&'static [&'static str]; 4],
}

#[derive(Clone, Copy, PartialEq)]
enum Who {
    Person,
    Pipe,
    Bot,
    Poster,
    Operator,
}
use Who::{Bot, Operator, Person, Pipe, Poster};

#[rustfmt::skip]
const CONVERSATION: &[Step] = &[
    Step { who: Person, says: "", read: [
        &["* chatd: type your name and press Enter"],
        &[],
        &[],
        &[],
    ]},
    Step { who: Person, says: "ann", read: [
        &["* welcome to lobby, ann (1 here: ann)"],
        &[],
        &[],
        &[],
    ]},
    Step { who: Bot, says: r#"{"do":"enter","name":"bot","rooms":["lobby","ops"],"ref":"in"}"#, read: [
        &["* bot joined (2 here)"],
        &[],
        &[r#"{"is":"hello","server":"chatd","version":"VERSION","json":1,"line_max":4096,"history":true,"search":false,"password":false}"#,
          r#"{"is":"welcome","name":"bot","resume":"TOKEN","ref":"in"}"#,
          r#"{"is":"entered","room":"lobby","topic":"","here":2,"names":["ann","bot"],"more":0,"last":"0-0"}"#,
          r#"{"is":"caught-up","room":"lobby","missed":0}"#,
          r#"{"is":"entered","room":"ops","topic":"","here":1,"names":["bot"],"more":0,"last":"0-0"}"#,
          r#"{"is":"caught-up","room":"ops","missed":0}"#],
        &[],
    ]},
    Step { who: Pipe, says: "is anybody there?", read: [
        &["* pipe joined (3 here)", "<pipe> is anybody there?"],
        &["* welcome to lobby, pipe (3 here: ann, bot, pipe)"],
        &[r#"{"is":"joined","room":"lobby","at":"TIME","name":"pipe","here":3}"#,
          r#"{"is":"said","room":"lobby","id":"ID","at":"TIME","from":"pipe","text":"is anybody there?"}"#],
        &[],
    ]},
    Step { who: Person, says: "hello \"there\"", read: [
        &[],
        &["<ann> hello \"there\""],
        &[r#"{"is":"said","room":"lobby","id":"ID","at":"TIME","from":"ann","text":"hello \"there\""}"#],
        &[],
    ]},
    Step { who: Bot, says: r#"{"do":"say","room":"lobby","text":"I am\na bot","ref":"1"}"#, read: [
        &["<bot> I am a bot"],
        &["<bot> I am a bot"],
        &[r#"{"is":"said","room":"lobby","id":"ID","at":"TIME","from":"bot","text":"I am a bot"}"#,
          r#"{"is":"done","id":"ID","ref":"1"}"#],
        &[],
    ]},
    // Whoever writes to the pipe does not steer it.
    Step { who: Pipe, says: "/quit", read: [
        &["<pipe> /quit"],
        &[],
        &[r#"{"is":"said","room":"lobby","id":"ID","at":"TIME","from":"pipe","text":"/quit"}"#],
        &[],
    ]},
    Step { who: Poster, says: r#"{"do":"post","room":"lobby","name":"cron","text":"backup done","ref":"b"}"#, read: [
        &["<cron> backup done"],
        &["<cron> backup done"],
        &[r#"{"is":"said","room":"lobby","id":"ID","at":"TIME","from":"cron","text":"backup done","posted":true}"#],
        &[r#"{"is":"hello","server":"chatd","version":"VERSION","json":1,"line_max":4096,"history":true,"search":false,"password":false}"#,
          r#"{"is":"done","id":"ID","ref":"b"}"#],
    ]},
    Step { who: Person, says: "/me waves", read: [
        &[],
        &["<ann> /me waves"],
        &[r#"{"is":"said","room":"lobby","id":"ID","at":"TIME","from":"ann","text":"waves","action":true}"#],
        &[],
    ]},
    Step { who: Bot, says: r#"{"do":"topic","room":"ops","text":"deploy at noon"}"#, read: [
        &[],
        &[],
        &[r#"{"is":"topic","room":"ops","at":"TIME","text":"deploy at noon","by":"bot"}"#,
          r#"{"is":"done"}"#],
        &[],
    ]},
    Step { who: Person, says: "/rooms", read: [
        &["= lobby 3", "= ops 1", "= end"],
        &[],
        &[],
        &[],
    ]},
    Step { who: Person, says: "/join #ops", read: [
        &["* welcome to ops, ann (2 here: ann, bot)", "* topic: \"deploy at noon\""],
        &["* ann left (2 here)"],
        &[r#"{"is":"left","room":"lobby","at":"TIME","name":"ann","here":2,"cause":"quit"}"#,
          r#"{"is":"joined","room":"ops","at":"TIME","name":"ann","here":2}"#],
        &[],
    ]},
    Step { who: Bot, says: r#"{"do":"say","room":"ops","text":"welcome","ref":"2"}"#, read: [
        &["<bot> welcome"],
        &[],
        &[r#"{"is":"said","room":"ops","id":"ID","at":"TIME","from":"bot","text":"welcome"}"#,
          r#"{"is":"done","id":"ID","ref":"2"}"#],
        &[],
    ]},
    Step { who: Bot, says: r#"{"do":"say","room":"lobby","text":"is gone","action":true}"#, read: [
        &[],
        &["<bot> /me is gone"],
        &[r#"{"is":"said","room":"lobby","id":"ID","at":"TIME","from":"bot","text":"is gone","action":true}"#,
          r#"{"is":"done","id":"ID"}"#],
        &[],
    ]},
    Step { who: Person, says: "/msg pipe psst", read: [
        &["= sent to pipe"],
        &["-ann- psst"],
        &[],
        &[],
    ]},
    Step { who: Bot, says: r#"{"do":"msg","to":"ANN","text":"between us","ref":"3"}"#, read: [
        &["-bot- between us"],
        &[],
        &[r#"{"is":"done","id":"ID","ref":"3"}"#],
        &[],
    ]},
    Step { who: Person, says: "/nick anna", read: [
        &["* ann is now anna"],
        &[],
        &[r#"{"is":"renamed","room":"ops","at":"TIME","from":"ann","to":"anna"}"#],
        &[],
    ]},
    Step { who: Poster, says: r#"{"do":"post","room":"ops","name":"Anna","text":"not me","ref":"c"}"#, read: [
        &[],
        &[],
        &[],
        &[r#"{"is":"refused","code":"name-in-use","text":"Anna is taken, choose another","ref":"c"}"#],
    ]},
    Step { who: Poster, says: "backup done", read: [
        &[],
        &[],
        &[],
        &[r#"{"is":"refused","code":"bad-json","text":"that line is no JSON object"}"#],
    ]},
    Step { who: Bot, says: r#"{"do":"history","room":"lobby","limit":2,"ref":"4"}"#, read: [
        &[],
        &[],
        &[r#"{"is":"page","room":"lobby","messages":[{"id":"ID","at":"TIME","from":"ann","text":"waves","action":true},{"id":"ID","at":"TIME","from":"bot","text":"is gone","action":true}],"more":true,"ref":"4"}"#],
        &[],
    ]},
    Step { who: Person, says: "/history", read: [
        &["= SECOND <bot> welcome", "= end"],
        &[],
        &[],
        &[],
    ]},
    Step { who: Bot, says: r#"{"do":"who","room":"ops"}"#, read: [
        &[],
        &[],
        &[r#"{"is":"who","room":"ops","here":2,"names":["anna","bot"],"more":0}"#],
        &[],
    ]},
    Step { who: Operator, says: "lights out in a minute", read: [
        &["* operator: lights out in a minute"],
        &["* operator: lights out in a minute"],
        &[r#"{"is":"announcement","at":"TIME","text":"lights out in a minute"}"#],
        &[],
    ]},
    Step { who: Operator, says: "/kick anna go to bed", read: [
        &["! kicked the operator ended your connection: go to bed"],
        &[],
        &[r#"{"is":"left","room":"ops","at":"TIME","name":"anna","here":1,"cause":"kicked","reason":"go to bed"}"#],
        &[],
    ]},
    // The end of what is piped in: it leaves when its own lines have come back.
    Step { who: Pipe, says: END, read: [
        &[],
        &[],
        &[r#"{"is":"left","room":"lobby","at":"TIME","name":"pipe","here":1,"cause":"quit"}"#],
        &[],
    ]},
    Step { who: Bot, says: r#"{"do":"quit","reason":"so am I"}"#, read: [
        &[],
        &[],
        &[],
        &[],
    ]},
];

/// Instead of a line: the end of all lines.
const END: &str = "(end)";

#[test]
fn one_person_and_three_programs() {
    let mut chatd = Daemon::start(&["--console"]);
    let (mut person, mut bot, mut poster) = (chatd.connect(), chatd.program(), chatd.program());
    let mut pipe = Piped::new(&chatd);
    let mut wanted = [const { String::new() }; 4];
    for step in CONVERSATION {
        match step.who {
            Person => person.say(step.says),
            Bot => bot.say(step.says),
            Poster => poster.say(step.says),
            Operator => chatd.type_line(step.says),
            Pipe if step.says == END => pipe.end(),
            Pipe => pipe.say(step.says),
        }
        for (wanted, lines) in wanted.iter_mut().zip(step.read) {
            lines
                .iter()
                .for_each(|line| *wanted += &format!("{line}\n"));
        }
        person.expect_lines(step.read[0]);
        pipe.expect_lines(step.read[1]);
        for (program, lines) in [(&mut bot, step.read[2]), (&mut poster, step.read[3])] {
            for line in lines {
                assert_eq!(masked(&program.next_line()), *line);
            }
        }
    }
    poster.half_close();
    person.expect_closed();
    bot.expect_closed();
    poster.expect_closed();
    // Nothing else was told to anybody, to the byte.
    assert_eq!(all_of(&person, hide_stamp), wanted[0]);
    assert_eq!(pipe.expect_left(), wanted[1]);
    assert_eq!(all_of(&bot, masked), wanted[2]);
    assert_eq!(all_of(&poster, masked), wanted[3]);
}

fn all_of(client: &Client, mask: impl Fn(&str) -> String) -> String {
    let received = String::from_utf8_lossy(client.received());
    received.lines().map(|line| mask(line) + "\n").collect()
}

/// A line of JSON without what differs from run to run.
fn masked(line: &str) -> String {
    let mut masked = String::new();
    let mut rest = line;
    let varying = [
        ("\"id\":\"", "ID"),
        ("\"at\":\"", "TIME"),
        ("\"resume\":\"", "TOKEN"),
        ("\"version\":\"", "VERSION"),
    ];
    while let Some((place, key, mask)) = varying
        .iter()
        .filter_map(|(key, mask)| Some((rest.find(key)?, key, mask)))
        .min()
    {
        let start = place + key.len();
        let length = rest[start..].find('"').expect("the end of a string");
        let value = &rest[start..start + length];
        match *mask {
            "TIME" => stamp::check(value, 24),
            "VERSION" => assert_eq!(value, env!("CARGO_PKG_VERSION")),
            _ => assert!(!value.is_empty(), "{line}"),
        }
        masked += &rest[..start];
        masked += mask;
        rest = &rest[start + length..];
    }
    masked + rest
}

/// `chat-client` between two pipes. It is started with its first line, so that it does not come in
/// before its turn.
struct Piped {
    arguments: [String; 2],
    running: Option<Running>,
}

struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    heard: String,
}

impl Piped {
    fn new(chatd: &Daemon) -> Piped {
        Piped {
            arguments: [chatd.address().to_string(), "pipe".into()],
            running: None,
        }
    }

    fn say(&mut self, line: &str) {
        let running = self
            .running
            .get_or_insert_with(|| Running::start(&self.arguments));
        let input = running.input.as_mut().expect("it is not at its end");
        writeln!(input, "{line}").expect("it reads");
    }

    fn end(&mut self) {
        self.running.as_mut().expect("it runs").input = None;
    }

    #[track_caller]
    fn expect_lines(&mut self, lines: &[&str]) {
        for wanted in lines {
            let running = self.running.as_mut().expect("it runs");
            let line = running.output.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("wanted `{wanted}`, but: {error}"));
            assert_eq!(line, *wanted);
            running.heard += &format!("{line}\n");
        }
    }

    /// It ends by itself, having said everything; gives all that it printed.
    #[track_caller]
    fn expect_left(&mut self) -> String {
        let mut running = self.running.take().expect("it runs");
        while let Ok(line) = running.output.recv_timeout(PATIENCE) {
            running.heard += &format!("{line}\n");
        }
        let status = running.child.wait().expect("its output is at its end");
        assert_eq!(status.code(), Some(0));
        std::mem::take(&mut running.heard)
    }
}

impl Running {
    fn start(arguments: &[String]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
        let command = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().expect("starting chat-client");
        let output = child.stdout.take().expect("standard output is piped");
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Running {
            input: child.stdin.take(),
            output: receiver,
            child,
            heard: String::new(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
