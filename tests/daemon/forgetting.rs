//! What the operator takes back is gone: from memory and disk, for who reads pages, searches, comes
//! back, and after a kill; programs are told.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::{Daemon, PATIENCE, Program, Signal, chatd_command, id_of, text_of};

fn folder(name: &str) -> PathBuf {
    let name = format!("chatd-forgetting-{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn start(data: &Path) -> Daemon {
    let flags = [
        "--data",
        data.to_str().unwrap(),
        "--tls",
        "off",
        "--console",
    ];
    let mut command = chatd_command(&[&flags[..], &["--listen", "127.0.0.1:0"]].concat());
    command
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("RUNTIME_DIRECTORY");
    Daemon::spawn(command, 1)
}

fn page(program: &mut Program) -> Vec<String> {
    program.ask(json!({"do": "history", "room": "lobby", "limit": 1000}));
    let lines = program.until_pong();
    let page = lines.iter().find(|line| line["is"] == "page");
    let page = page.unwrap_or_else(|| panic!("no page: {lines:?}"));
    let messages = page["messages"].as_array().expect("messages");
    messages.iter().map(text_of).collect()
}

fn is_on_disk(data: &Path, words: &str) -> bool {
    let files = fs::read_dir(data).unwrap().map(|file| file.unwrap().path());
    files
        .map(|file| fs::read(file).unwrap_or_default())
        .any(|bytes| {
            bytes
                .windows(words.len())
                .any(|part| part == words.as_bytes())
        })
}

#[test]
fn what_is_taken_back_is_gone_everywhere_and_stays_so() {
    let data = folder("disk");
    let mut chatd = start(&data);
    let mut ann = chatd.enter("ann", &["lobby"]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    ben.say_in("lobby", "ben was here");
    for number in 0..30 {
        ann.say_in("lobby", &format!("regretted {number}"));
    }
    let heard = ann.until_pong();
    let said: Vec<&Value> = heard.iter().filter(|line| line["is"] == "said").collect();
    let first = id_of(said[1]);
    chatd.type_line("/history lobby 2");
    chatd.expect_output(&["= ", "<ann> regretted 28"]);
    chatd.type_line(&format!("/forget {first}"));
    chatd.expect_output(&["= 1 message was forgotten"]);
    let told = ann.until_pong();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["is"], &told[0]["ids"]),
        (&json!("forgotten"), &json!([first]))
    );
    chatd.type_line("/forget ANN");
    chatd.expect_output(&["= 29 messages were forgotten"]);
    assert_eq!(page(&mut ann), ["ben was here"]);
    ben.until_pong();
    ann.say_in("lobby", "behind that");
    ann.until_pong();
    assert!(!is_on_disk(&data, "regretted"));
    chatd.signal(Signal::KILL);
    chatd.expect_exit(PATIENCE);
    let chatd = start(&data);
    let mut cyd = chatd.program();
    cyd.ask(json!({"do": "enter", "name": "cyd", "since": {"lobby": "0-0"}}));
    let lines = cyd.until_pong();
    let said = lines.iter().filter(|line| line["is"] == "said");
    assert_eq!(
        said.map(text_of).collect::<Vec<_>>(),
        ["ben was here", "behind that"]
    );
    assert_eq!(page(&mut cyd), ["ben was here", "behind that"]);
    assert!(!is_on_disk(&data, "regretted"));
    fs::remove_dir_all(data).unwrap();
}

#[test]
fn without_a_disk_memory_forgets() {
    let mut chatd = Daemon::start(&["--console"]);
    let mut ann = chatd.enter("ann", &["lobby"]);
    ann.say_in("lobby", "one");
    ann.until_pong();
    chatd.type_line("/forget nobody");
    chatd.expect_output(&["! no-such-name"]);
    chatd.type_line("/forget");
    chatd.expect_output(&["! bad-usage"]);
    chatd.type_line("/history nowhere");
    chatd.expect_output(&["! no-such-room"]);
    chatd.type_line("/forget ann");
    chatd.expect_output(&["= 1 message was forgotten"]);
    assert_eq!(page_after_news(&mut ann), Vec::<String>::new());
}

fn page_after_news(program: &mut Program) -> Vec<String> {
    let news = program.until_pong();
    assert_eq!(news[0]["is"], "forgotten", "{news:?}");
    page(program)
}
