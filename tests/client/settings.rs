//! What a user does not want to say each time, and what is kept: the settings file, named servers, the
//! log, lines over sittings; and JSON for programs. The server is scripted by each test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::client_support::{Client, FakeServer, command};
use crate::terminal_support::{Sitting, client};

/// A folder for settings that goes with the test.
struct Home(PathBuf);

impl Home {
    fn new(test: &str, settings: &str) -> Self {
        let name = format!("chat-client-settings-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join(".config/chat-client")).unwrap();
        fs::write(path.join(".config/chat-client/config.toml"), settings).unwrap();
        Home(path)
    }

    fn start(&self, arguments: &[&str]) -> Client {
        Client::spawn(
            command(arguments)
                .env("HOME", &self.0)
                .stdin(Stdio::piped()),
        )
    }

    fn sits(&self, arguments: &[&str]) -> Sitting {
        Sitting::start(client().args(arguments).env("HOME", &self.0))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_server_may_have_a_name_and_settings() {
    let server = FakeServer::new();
    let address = server.address();
    let settings = format!(
        "name = 'ann'\n[servers.work]\nserver = '{address}'\nrooms = ['dev', 'ops']\nname = 'smith'\n"
    );
    let home = Home::new("named", &settings);
    for (arguments, wanted) in [
        (&["work"][..], "enter smith in dev,ops"),
        (&["work", "zoe", "--room", "den"], "enter zoe in den"),
        (&[&address.to_string()], "enter ann"),
    ] {
        let mut client = home.start(arguments);
        let mut peer = server.accept();
        peer.hears(wanted);
        drop(peer);
        client.ends_input();
        client.wait();
    }
}

#[test]
fn settings_that_cannot_be_read_are_said_and_nothing_is_done() {
    let home = Home::new("wrong", "name = 'ann'\nbel = false\n");
    let mut client = home.start(&[]);
    client.ends_input();
    let ended = client.wait();
    ended.assert_one_line(2, "config.toml, line 2: unknown field `bel`");
}

#[test]
fn what_is_shown_is_logged_with_dates() {
    let server = FakeServer::new();
    let home = Home::new("log", "");
    let log = home.0.join("chat.log");
    let path = log.to_str().unwrap();
    for text in ["one", "two"] {
        let mut client = home.start(&[&server.address().to_string(), "ann", "--log", path]);
        let mut peer = server.accept_and_greet("ann");
        peer.says_line(&json!({
            "is": "said", "room": "lobby", "id": text, "at": "2026-11-21T12:00:00.123Z",
            "from": "ben", "text": text,
        }));
        client.shows(text);
        client.ends_input();
        peer.sees_off();
        client.wait().assert_left();
    }
    let logged = fs::read_to_string(&log).unwrap();
    let said: Vec<&str> = logged
        .lines()
        .filter(|line| line.contains("<ben>"))
        .collect();
    assert!(
        said[0].starts_with("2026-11-2") && said[0].ends_with(":00:00 <ben> one"),
        "{logged}"
    );
    assert!(said[1].ends_with(":00:00 <ben> two"), "{logged}");
    assert!(logged.contains("* welcome to lobby, ann"), "{logged}");
    let mode = fs::metadata(&log).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = home.start(&["--log", "/nowhere/at/all"]);
    client.ends_input();
    client
        .wait()
        .assert_one_line(2, "cannot log to /nowhere/at/all");
}

#[test]
fn what_is_typed_is_kept_over_sittings_only_when_that_is_wanted() {
    let server = FakeServer::new();
    let address = server.address().to_string();
    for (settings, draft) in [("", ""), ("history = true", "typed before")] {
        let home = Home::new("history", settings);
        for is_second in [false, true] {
            let mut sitting = home.sits(&[&address, "ann"]);
            let mut peer = server.accept_and_greet("ann");
            if is_second {
                sitting.types("\u{1b}[A");
                sitting.sees_draft(draft);
                sitting.types("\u{15}");
            } else {
                sitting.types("typed before\r");
                peer.returns("ann", "typed before");
            }
            sitting.sees_draft("");
            sitting.types("\u{4}");
            peer.sees_off();
            sitting.waits();
        }
        let kept = home.0.join(".local/state/chat-client/history");
        assert_eq!(kept.exists(), !settings.is_empty());
    }
}

/// Lines of JSON that were printed.
fn printed(output: &str) -> Vec<Value> {
    output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_program_reads_and_says_json() {
    let server = FakeServer::new();
    let address = server.address().to_string();
    let home = Home::new("json", "");
    let mut client = home.start(&[&address, "bot", "--json", "--no-history"]);
    client.types("{\"do\":\"say\",\"room\":\"lobby\",\"text\":\"/quit\",\"ref\":\"mine\"}\n");
    client.types(
        "no json\n{\"do\":\"who\",\"room\":\"lobby\"}\n{\"do\":\"dance\",\"ref\":\"x\\\"y\"}\n",
    );
    let mut peer = server.accept();
    peer.hears("enter bot");
    peer.says_hello();
    peer.says("{\"is\":\"welcome\",\"name\":\"bot\",\"motd\":\"hi\"}");
    peer.enters("lobby", &["bot"]);
    let past = json!({"is": "said", "room": "lobby", "id": "1-0", "from": "ben", "text": "old", "past": true});
    peer.says_line(&past);
    peer.catches_up("lobby", 0);
    peer.hears("//quit");
    peer.says("<bot> /quit\n{\"is\":\"of another version\",\"new\":[1]}");
    peer.does_it();
    peer.hears("/who lobby");
    peer.answers(json!({"is": "who", "room": "lobby", "here": 1, "names": ["bot"], "more": 0}));
    peer.hears("/dance");
    peer.refuses("unknown-command", "there is no dance");
    client.ends_input();
    peer.sees_off();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(77), "{ended:?}");
    let lines = printed(&ended.output);
    let kinds: Vec<&str> = lines
        .iter()
        .map(|line| line["is"].as_str().unwrap())
        .collect();
    let wanted = [
        "hello",
        "welcome",
        "entered",
        "caught-up",
        "said",
        "of another version",
        "done",
        "who",
        "refused",
    ];
    assert_eq!(kinds, wanted, "{ended:?}");
    assert_eq!(
        (&lines[5]["new"], &lines[6]["ref"]),
        (&json!([1]), &json!("mine"))
    );
    assert_eq!(
        (&lines[7]["ref"], &lines[8]["ref"]),
        (&json!("3"), &json!("x\"y"))
    );
    let refused = [
        "line 2 is refused: it is no JSON object",
        "line 4 is refused: there is no dance",
    ];
    for refused in refused {
        assert!(ended.errors.contains(refused), "{ended:?}");
    }
}

#[test]
fn a_program_that_speaks_json_comes_back_and_misses_and_doubles_nothing() {
    let server = FakeServer::new();
    let address = server.address().to_string();
    let mut client = Client::start(&[&address, "bot", "--json", "--no-history"]);
    let mut peer = server.accept_and_greet("bot");
    peer.says("<ben> seen\n");
    client.shows("seen");
    client.types("{\"do\":\"say\",\"room\":\"Lobby\",\"text\":\"in doubt\"}\n");
    peer.hears("in doubt");
    drop(peer);
    let mut peer = server.accept();
    peer.hears("enter bot in lobby again");
    peer.says_hello();
    peer.says("{\"is\":\"welcome\",\"name\":\"bot\"}");
    peer.enters("lobby", &["bot"]);
    for (id, from, text) in [("a-8", "ben", "missed"), ("a-9", "bot", "in doubt")] {
        peer.says_line(&json!({
            "is": "said", "room": "lobby", "id": id, "from": from, "text": text, "past": true,
        }));
    }
    peer.catches_up("lobby", 0);
    client.ends_input();
    peer.sees_off();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let said: Vec<Value> = printed(&ended.output)
        .into_iter()
        .filter(|line| line["is"] == "said")
        .map(|line| line["text"].clone())
        .collect();
    assert_eq!(said, ["seen", "missed", "in doubt"], "{ended:?}");
}
