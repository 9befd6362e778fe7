//! `--data`: what was said is there again after a kill and after a stop, is paged and searched beyond
//! what is in memory, and without the flag there is none of that. The store by itself is tried in
//! `engine/archive`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::common::http;
use crate::common::{Daemon, PATIENCE, Program, chatd_command, id_of, run_to_end, text_of};

/// A folder for what is kept, and one for its journal; gone with the test.
struct Folders {
    root: PathBuf,
}

impl Folders {
    fn new(name: &str) -> Folders {
        let name = format!("chatd-archive-{name}-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("data")).unwrap();
        Folders { root }
    }

    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// A server that keeps its history here; the journal lies beside it, as without a tmpfs.
    fn start(&self, flags: &[&str]) -> Daemon {
        let data = self.data();
        let mut all = vec!["--data", data.to_str().unwrap(), "--tls", "off"];
        all.extend(["--listen", "127.0.0.1:0"].iter().chain(flags));
        let mut command = chatd_command(&all);
        command
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("RUNTIME_DIRECTORY");
        Daemon::spawn(command, 1)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn kill(mut chatd: Daemon) {
    chatd.signal(Signal::KILL);
    chatd.expect_exit(PATIENCE);
}

fn stop(mut chatd: Daemon) {
    chatd.signal(Signal::TERM);
    assert_eq!(chatd.expect_exit(PATIENCE).code(), Some(0));
}

/// A program in these rooms, which has read all it was told on the way: the lines of its past.
fn come(chatd: &Daemon, entry: Value) -> (Program, Vec<Value>) {
    let mut program = chatd.program();
    program.ask(entry);
    let lines = program.until_pong();
    (program, lines)
}

fn texts(lines: &[Value]) -> Vec<String> {
    let said = lines.iter().filter(|line| line["is"] == "said");
    said.map(text_of).collect()
}

/// Says so many numbers, and gives their ids.
fn say_numbers(program: &mut Program, range: std::ops::Range<usize>) -> Vec<String> {
    for number in range {
        program.say_in("lobby", &format!("number {number}"));
    }
    let heard = program.until_pong();
    let said = heard.iter().filter(|line| line["is"] == "said");
    said.map(id_of).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("number {number}")).collect()
}

/// Asks for a page: its texts, and whether there is more.
#[track_caller]
fn page(program: &mut Program, mut asked: Value) -> (Vec<String>, bool) {
    let what = if asked.get("text").is_some() {
        "search"
    } else {
        "history"
    };
    asked["do"] = what.into();
    asked["room"] = "lobby".into();
    program.ask(asked);
    let page = program.next();
    assert_eq!(page["is"], "page", "{page}");
    let messages = page["messages"].as_array().expect("messages");
    (messages.iter().map(text_of).collect(), page["more"] == true)
}

#[test]
fn what_anybody_was_shown_is_there_after_a_kill_and_after_a_stop() {
    let folders = Folders::new("kill");
    let mut shown = Vec::new();
    for round in 0..4 {
        let chatd = folders.start(&["--rate", "0"]);
        let (mut ann, past) = come(&chatd, json!({"do": "enter", "name": "ann"}));
        let from = shown.len().saturating_sub(20);
        assert_eq!(texts(&past), numbers(from..shown.len()), "round {round}");
        let first = shown.len();
        shown.extend(say_numbers(&mut ann, first..first + 60));
        assert!(shown.is_sorted_by_key(|id| order_of(id)), "{shown:?}");
        if round % 2 == 0 {
            kill(chatd)
        } else {
            stop(chatd)
        }
    }
    let chatd = folders.start(&["--rate", "0"]);
    let (mut ben, _) = come(&chatd, json!({"do": "enter", "name": "ben"}));
    let all = page(&mut ben, json!({"limit": 1000}));
    assert_eq!(all, (numbers(0..240), false));
}

/// Ids are not to be read; this test does, to see that none comes twice.
fn order_of(id: &str) -> (u64, u64) {
    let (millis, sequence) = id.split_once('-').unwrap();
    (millis.parse().unwrap(), sequence.parse().unwrap())
}

#[test]
fn pages_and_searches_go_beyond_memory() {
    let folders = Folders::new("pages");
    let chatd = folders.start(&["--rate", "0", "--history", "10"]);
    let (mut ann, greeting) = come(&chatd, json!({"do": "enter", "name": "ann"}));
    assert_eq!(
        (&greeting[0]["history"], &greeting[0]["search"]),
        (&json!(true), &json!(true))
    );
    let ids = say_numbers(&mut ann, 0..500);
    let mut ask = |asked| page(&mut ann, asked);
    assert_eq!(ask(json!({"limit": 5})), (numbers(495..500), true));
    assert_eq!(ask(json!({"limit": 30})), (numbers(470..500), true));
    assert_eq!(
        ask(json!({"limit": 30, "before": ids[200]})),
        (numbers(170..200), true)
    );
    assert_eq!(
        ask(json!({"limit": 30, "before": ids[7]})),
        (numbers(0..7), false)
    );
    assert_eq!(
        ask(json!({"limit": 30, "after": ids[7]})),
        (numbers(8..38), true)
    );
    assert_eq!(
        ask(json!({"limit": 30, "after": ids[495]})),
        (numbers(496..500), false)
    );
    assert_eq!(
        ask(json!({"limit": 2, "after": "0-0"})),
        (numbers(0..2), true)
    );
    assert_eq!(
        ask(json!({"text": "77 NUMBER"})),
        (
            [77, 177, 277, 377, 477]
                .map(|n| format!("number {n}"))
                .to_vec(),
            false
        )
    );
    let nines = ask(json!({"text": "99"})).0;
    assert_eq!(
        nines,
        [
            "number 99",
            "number 199",
            "number 299",
            "number 399",
            "number 499"
        ]
    );
    assert_eq!(ask(json!({"text": "99", "limit": 2})).0, nines[3..]);
    assert_eq!(ask(json!({"text": "99", "before": ids[399]})).0, nines[..3]);
    assert_eq!(ask(json!({"text": "no such words"})), (vec![], false));
    // What is asked behind that waits for the answer.
    ann.ask(json!({"do": "history", "room": "lobby", "limit": 1, "before": ids[2], "ref": "slow"}));
    let answers = ann.until_pong();
    assert_eq!((answers.len(), &answers[0]["ref"]), (1, &json!("slow")));
    let mut person = chatd.join("ben");
    person.say("/search number 123");
    let found = person.lines_until_pong();
    assert!(
        found[found.len() - 2].ends_with("<ann> number 123"),
        "{found:?}"
    );
    person.say("/history 12");
    assert_eq!(person.lines_until_pong().len(), 13, "and the end of it");
}

#[test]
fn who_comes_back_after_a_restart_can_close_its_gap() {
    let folders = Folders::new("gap");
    let chatd = folders.start(&["--rate", "0", "--history", "10"]);
    let (mut ann, _) = come(&chatd, json!({"do": "enter", "name": "ann"}));
    let ids = say_numbers(&mut ann, 0..100);
    kill(chatd);
    let chatd = folders.start(&["--rate", "0", "--history", "10"]);
    let since = |id: &str| json!({"do": "enter", "name": "ann", "since": {"lobby": id}});
    let (ann, lines) = come(&chatd, since(&ids[95]));
    assert_eq!(texts(&lines), numbers(96..100));
    assert_eq!(lines.last().unwrap()["missed"], 0, "{lines:?}");
    drop(ann);
    chatd.expect_log(&["end \"ann\""]);
    let (mut ann, lines) = come(&chatd, since(&ids[30]));
    assert_eq!(texts(&lines), numbers(90..100));
    // Counted from the first moment on.
    assert_eq!(lines.last().unwrap()["missed"], 59, "{lines:?}");
    let missed = page(&mut ann, json!({"after": ids[30], "limit": 59}));
    assert_eq!(missed, (numbers(31..90), true));
}

#[test]
fn topics_and_rooms_that_nobody_is_in_are_remembered() {
    let folders = Folders::new("rooms");
    let chatd = folders.start(&[]);
    let (mut ann, _) = come(
        &chatd,
        json!({"do": "enter", "name": "ann", "rooms": ["ops"]}),
    );
    ann.ask(json!({"do": "topic", "room": "ops", "text": "tea at four"}));
    ann.say_in("ops", "hello");
    ann.ask(json!({"do": "part", "room": "ops"}));
    ann.until_pong();
    for after in ["leaving", "a kill"] {
        let listed = chatd_rooms(&mut ann, after);
        assert_eq!(listed, json!([]), "nobody is in it");
    }
    let (mut ben, lines) = come(
        &chatd,
        json!({"do": "enter", "name": "ben", "rooms": ["OPS"]}),
    );
    assert_eq!(
        (&lines[2]["topic"], texts(&lines)),
        (&json!("tea at four"), vec!["hello".into()])
    );
    ben.until_pong();
    kill(chatd);
    let chatd = folders.start(&[]);
    let (_, lines) = come(
        &chatd,
        json!({"do": "enter", "name": "cyd", "rooms": ["ops"]}),
    );
    assert_eq!(
        (&lines[2]["topic"], texts(&lines)),
        (&json!("tea at four"), vec!["hello".into()])
    );
}

fn chatd_rooms(program: &mut Program, reference: &str) -> Value {
    program.ask(json!({"do": "rooms", "ref": reference}));
    program.next()["rooms"].clone()
}

#[test]
fn private_messages_joins_and_announcements_are_not_kept() {
    let folders = Folders::new("private");
    let chatd = folders.start(&[]);
    let (mut ann, _) = come(&chatd, json!({"do": "enter", "name": "ann"}));
    let (_ben, _) = come(&chatd, json!({"do": "enter", "name": "ben"}));
    ann.ask(json!({"do": "msg", "to": "ben", "text": "between-us-only"}));
    ann.say_in("lobby", "for-everybody");
    ann.until_pong();
    stop(chatd);
    let has = |words: &str| {
        files_in(&folders.root)
            .iter()
            .any(|file| contains(file, words))
    };
    assert!(has("for-everybody"));
    assert!(!has("between-us-only"));
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_in(folder)));
    files
}

fn contains(file: &Path, words: &str) -> bool {
    let bytes = fs::read(file).unwrap_or_default();
    bytes
        .windows(words.len())
        .any(|part| part == words.as_bytes())
}

#[test]
fn one_folder_has_one_server_and_a_later_version_is_left_alone() {
    let folders = Folders::new("lock");
    let chatd = folders.start(&[]);
    let data = folders.data();
    let flags = [
        "--data",
        data.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--tls",
        "off",
    ];
    let second = run_to_end(chatd_command(&flags));
    assert_eq!(second.code, Some(69), "{}", second.errors);
    assert_eq!(
        second
            .errors
            .lines()
            .filter(|line| line.starts_with("chatd:"))
            .count(),
        1
    );
    stop(chatd);
    let database = data.join("history.db");
    // `user_version` of a database file stands at offset 60.
    let mut bytes = fs::read(&database).unwrap();
    bytes[60..64].copy_from_slice(&9999_u32.to_be_bytes());
    fs::write(&database, &bytes).unwrap();
    let newer = run_to_end(chatd_command(&flags));
    assert_eq!(newer.code, Some(78), "{}", newer.errors);
    assert_eq!(fs::read(&database).unwrap(), bytes);
}

#[test]
fn without_a_folder_there_is_one_thread_and_nothing_to_search() {
    let chatd = Daemon::start(&[]);
    let threads = fs::read_dir(format!("/proc/{}/task", chatd.id())).unwrap();
    assert_eq!(threads.count(), 1);
    let (mut ann, greeting) = come(&chatd, json!({"do": "enter", "name": "ann"}));
    assert_eq!(greeting[0]["search"], false);
    ann.ask(json!({"do": "search", "room": "lobby", "text": "x"}));
    ann.expect_refused("no-history");
}

/// What `GET /rooms/…` tells: the texts, and what is missed.
#[track_caller]
fn read(chatd: &Daemon, target: &str) -> (Vec<String>, Value) {
    let answer = chatd.get(&format!("/rooms/{target}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut lines = answer.lines();
    let last = lines.pop().unwrap();
    assert_eq!(
        (&last["is"], &last["room"]),
        (&json!("caught-up"), &json!("lobby"))
    );
    assert!(
        lines
            .iter()
            .all(|line| line["room"] == "lobby" && line["past"] == true)
    );
    (texts(&lines), last["missed"].clone())
}

#[test]
fn the_past_of_a_room_is_read_over_http_beyond_memory() {
    let folders = Folders::new("web");
    let chatd = folders.start(&["--rate", "0", "--history", "10"]);
    let (mut ann, _) = come(&chatd, json!({"do": "enter", "name": "ann"}));
    let ids = say_numbers(&mut ann, 0..300);
    for round in 0..2 {
        let read = |query: String| read(&chatd, &format!("LOBBY{query}"));
        let since = |number: usize, more: &str| read(format!("?since={}{more}", ids[number]));
        assert_eq!(
            read(String::new()),
            (numbers(250..300), json!(0)),
            "{round}"
        );
        assert_eq!(read("?limit=7".into()).0, numbers(293..300));
        assert_eq!(read("?limit=0".into()).0, numbers(0..0));
        assert_eq!(read("?limit=1000".into()).0, numbers(0..300));
        assert_eq!(since(9, ""), (numbers(10..60), json!(0)));
        assert_eq!(since(9, "&limit=3"), (numbers(10..13), json!(0)));
        assert_eq!(since(9, "&limit=0").0, numbers(0..0));
        assert_eq!(since(270, ""), (numbers(271..300), json!(0)));
        assert_eq!(since(299, ""), (numbers(0..0), json!(0)));
        assert_eq!(
            read("?since=1-0&limit=2".into()),
            (numbers(0..2), Value::Null)
        );
        let asked = http::get("/rooms/lobby?limit=99").replacen("GET", "HEAD", 1);
        let head = chatd.ask(&asked);
        let length = chatd.get("/rooms/lobby?limit=99").body.len().to_string();
        assert_eq!(
            (head.status, head.field("content-length")),
            (200, Some(&*length))
        );
        assert!(head.body.is_empty());
        assert_eq!(chatd.get("/rooms/ops").status, 404);
        if round == 0 {
            ann.ask(json!({"do": "quit"}));
            ann.until_closed();
            // And of a room that nobody is in after a restart.
        }
    }
    kill(chatd);
    let chatd = folders.start(&[]);
    assert_eq!(read(&chatd, "lobby?limit=60").0, numbers(240..300));
}

#[test]
fn a_room_that_only_the_disk_knows_is_read_over_http() {
    let folders = Folders::new("web-room");
    let chatd = folders.start(&[]);
    let (mut ann, _) = come(
        &chatd,
        json!({"do": "enter", "name": "ann", "rooms": ["ops"]}),
    );
    ann.say_in("ops", "hello");
    ann.until_pong();
    kill(chatd);
    let chatd = folders.start(&["--history", "0"]);
    let answer = chatd.get("/rooms/OPS");
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = answer.lines();
    assert_eq!(
        (&lines[0]["text"], &lines[0]["room"]),
        (&json!("hello"), &json!("ops"))
    );
}

/// Retention, or another database in its place, may leave a room to memory alone.
#[test]
fn a_room_that_the_disk_does_not_know_any_more_is_told_from_memory() {
    let folders = Folders::new("unknown-room");
    let mut chatd = folders.start(&["--rate", "0", "--history", "3", "--console"]);
    let (mut ann, _) = come(&chatd, json!({"do": "enter", "name": "ann"}));
    say_numbers(&mut ann, 0..9);
    let asked = json!({"limit": 50});
    assert_eq!(page(&mut ann, asked.clone()), (numbers(0..9), false));
    let sqlite = rusqlite::Connection::open(folders.data().join("history.db")).unwrap();
    sqlite.busy_timeout(PATIENCE).unwrap();
    let delete = "BEGIN IMMEDIATE; DELETE FROM message; DELETE FROM room; COMMIT";
    sqlite.execute_batch(delete).unwrap();
    chatd.type_line("/history lobby 50");
    chatd.expect_output(&["= ", "<ann> number 6"]);
    chatd.expect_output(&["= ", "<ann> number 8"]);
    assert_eq!(page(&mut ann, asked), (numbers(6..9), false));
    assert_eq!(read(&chatd, "lobby?limit=50").0, numbers(6..9));
}

#[test]
fn many_who_ask_at_once_are_answered_or_told_that_it_is_busy() {
    let folders = Folders::new("busy");
    let chatd = folders.start(&["--rate", "0", "--history", "5"]);
    let (mut ann, _) = come(&chatd, json!({"do": "enter", "name": "ann"}));
    say_numbers(&mut ann, 0..2000);
    let name = |number| format!("asker{number}");
    let mut askers: Vec<Program> = (0..150)
        .map(|number| come(&chatd, json!({"do": "enter", "name": name(number)})).0)
        .collect();
    for asker in &mut askers {
        for _ in 0..4 {
            asker.ask(json!({"do": "search", "room": "lobby", "text": "number 7", "limit": 500}));
        }
    }
    let began = Instant::now();
    for asker in &mut askers {
        let answers = asker.until_pong();
        let answers: Vec<&Value> = answers
            .iter()
            .filter(|line| line["is"] == "page" || line["code"] == "busy")
            .collect();
        assert_eq!(answers.len(), 4, "{answers:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(60));
    ann.say_in("lobby", "still here");
    ann.until_pong();
}
