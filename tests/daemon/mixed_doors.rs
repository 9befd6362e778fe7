//! One room with people on plain text, programs on TCP, pages on WebSockets and scripts that post:
//! all are told the same in the same order.

use serde_json::{Value, json};

use crate::common::http::{get, post};
use crate::common::websocket::{CLOSE, TEXT, frame, upgrade};
use crate::common::{Client, Daemon, Ended, Program, Seed, TlsClient};

/// Who said what, as all are told it.
type Said = (String, String);

fn said_in(line: &Value) -> Option<Said> {
    let field = |name: &str| line[name].as_str().expect("a string").to_owned();
    (line["is"] == "said").then(|| (field("from"), field("text")))
}

fn said_on(line: &str) -> Option<Said> {
    let (from, text) = line.strip_prefix('<')?.split_once("> ")?;
    Some((from.to_owned(), text.to_owned()))
}

#[test]
fn at_all_doors_the_same_is_heard_in_the_same_order() {
    const LINES: usize = 400;
    let seed = Seed::of_environment_or_new();
    let mut random = seed.generator();
    let chatd = Daemon::start(&["--rate", "0"]);
    // They listen only: a person is not told what it has said itself.
    let mut text = chatd.join("text");
    let mut program = chatd.enter("program", &["lobby"]);
    let mut page = chatd.enter_websocket("page", &["lobby"]);
    let mut talkers = [chatd.join("a"), chatd.join("b")];
    let mut programs: [Program; 2] = [
        chatd.enter("c", &["lobby"]),
        chatd.enter_websocket("d", &["lobby"]),
    ];
    let mut posters: Vec<Client> = Vec::new();
    let mut count = 0;
    for number in 0..LINES {
        let filler = "\u{e9}\"\\ <a> x".repeat(random.usize(0..40));
        let line = format!("{number} {filler}");
        match random.usize(0..5) {
            who @ 0..2 => talkers[who].say(&line),
            who @ 2..4 => programs[who - 2].say_in("lobby", &line),
            _ => {
                let lines = random.usize(1..4);
                let mut poster = chatd.connect();
                let body = (line + "\n").repeat(lines);
                poster.send(post("lobby?name=cron", &body).as_bytes());
                posters.push(poster);
                count += lines - 1;
            }
        }
        count += 1;
    }
    let mut heard: [Vec<Said>; 3] = Default::default();
    while heard[0].len() < count {
        heard[0].extend(said_on(&text.next_line()));
    }
    while heard[1].len() < count {
        heard[1].extend(said_in(&program.next()));
    }
    while heard[2].len() < count {
        heard[2].extend(said_in(&page.next()));
    }
    for (number, said) in heard[0].iter().enumerate() {
        assert_eq!(*said, heard[1][number], "number {number}");
        assert_eq!(*said, heard[2][number], "number {number}");
    }
    for name in ["a", "b", "c", "d", "cron"] {
        let numbers = heard[0].iter().filter(|(from, _)| from == name);
        let numbers = numbers.map(|(_, text)| text.split(' ').next().expect("a number"));
        let numbers: Vec<usize> = numbers
            .map(|word| word.parse().expect("a number"))
            .collect();
        // Scripts that post at the same time have no order among them.
        assert!(name == "cron" || numbers.is_sorted(), "{name}: {numbers:?}");
    }
    for poster in &mut posters {
        let answer = crate::common::http::answer_of(poster, "POST");
        assert_eq!(answer.status, 201);
    }
    let read = chatd.get("/rooms/lobby?limit=1000").lines();
    let read: Vec<Said> = read.iter().filter_map(said_in).collect();
    assert!(
        !read.is_empty() && heard[0].ends_with(&read),
        "the past is the same"
    );
    // And who is here, and who left.
    page.ask(json!({"do": "who", "room": "lobby"}));
    let who = page.until_pong();
    assert_eq!(who[0]["here"], 7, "{who:?}");
}

/// D67: the same doors behind TLS, with the first frames in the record of the head.
#[test]
fn the_web_door_is_there_within_tls() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let asks = |request: &str| {
        let mut client = TlsClient::connect(chatd.address());
        client.send(request.as_bytes());
        let (lines, end) = client.lines_until_end();
        assert_eq!(end, Ended::InOrder, "{lines:?}");
        lines[0].trim_end().to_owned()
    };
    assert_eq!(asks(&get("/")), "HTTP/1.1 200 OK");
    assert_eq!(asks(&get("/rooms/lobby")), "HTTP/1.1 200 OK");
    let posted = asks(&post("lobby?name=cron", "hello\n"));
    assert_eq!(posted, "HTTP/1.1 201 Created");
    ann.expect_line("<cron> hello");
    let lines = [
        json!({"do": "enter", "name": "page"}),
        json!({"do": "say", "room": "lobby", "text": "hi"}),
    ];
    let mut opening = upgrade("").into_bytes();
    for line in lines {
        opening.extend(frame(TEXT, line.to_string().as_bytes()));
    }
    let mut page = TlsClient::connect(chatd.address());
    page.send(&opening);
    page.expect_prefix("HTTP/1.1 101 ");
    ann.expect_line("* page joined (2 here)");
    ann.expect_line("<page> hi");
    for byte in frame(CLOSE, &1000_u16.to_be_bytes()) {
        page.send(&[byte]);
    }
    ann.expect_line("* page left (1 here)");
}
