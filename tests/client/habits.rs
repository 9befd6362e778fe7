//! What makes a person stay: being called, not being bothered, lines found again. The server is scripted
//! by each test.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use pty_process::blocking::Command;
use serde_json::json;

use crate::client_support::{FakeServer, Peer};
use crate::terminal_support::{Model, Sitting, seat};

/// A folder that goes with the test, and its name.
struct Home(PathBuf);

impl Home {
    fn new(test: &str) -> Self {
        let name = format!("chat-client-habits-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Home(path)
    }

    fn command(&self, server: &FakeServer, arguments: &[&str]) -> Command {
        seat(server.address(), arguments).env("HOME", &self.0)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn seated(arguments: &[&str]) -> (Sitting, Peer, FakeServer) {
    let server = FakeServer::new();
    let sitting = Sitting::start(seat(server.address(), arguments));
    let peer = greets(&server, &sitting);
    (sitting, peer, server)
}

fn greets(server: &FakeServer, sitting: &Sitting) -> Peer {
    let peer = server.accept_and_greet("ann");
    sitting.sees("the prompt", |model| {
        model.cursor_row().0.starts_with("lobby ")
    });
    peer
}

fn is_shown(model: &Model, text: &str) -> bool {
    model.rows().iter().any(|row| row.contains(text))
}

// Being called

#[test]
fn a_call_rings_and_is_counted_in_the_title() {
    let (sitting, mut peer, _server) = seated(&[]);
    peer.says("<ben> nothing of interest\n");
    sitting.sees_text("of interest");
    assert_eq!(sitting.model().bells(), 0);
    assert_eq!(sitting.model().title(), "lobby - chat");
    peer.says("<ben> ann: look\n");
    sitting.sees("one call", |model| model.title() == "(1) lobby - chat");
    peer.says("-ben- psst\n");
    sitting.sees("two calls", |model| model.title() == "(2) lobby - chat");
    let bells = sitting.model().bells();
    assert_eq!(bells, 2, "{}", sitting.screen());
    sitting.types("y");
    sitting.sees("the title as before", |model| {
        model.title() == "lobby - chat"
    });
    let past = json!({
        "is": "page", "room": "lobby", "more": false,
        "messages": [{"id": "1", "at": "2026-11-21T10:00:00Z", "from": "ben", "text": "ann?"}],
    });
    sitting.types("\u{15}/history 1\r");
    peer.hears("/history 1");
    peer.answers(past);
    sitting.sees_text("= <ben> ann?");
    assert_eq!(sitting.model().bells(), 2, "the past calls nobody");
    sitting.types("/history 1\r");
    peer.hears("/history 1");
    peer.answers(json!({"is": "page", "room": "lobby", "more": false, "messages": []}));
    sitting.sees_text("= end: nothing was found");
}

#[test]
fn who_wants_no_bell_hears_none() {
    let (sitting, mut peer, _server) = seated(&["--no-bell"]);
    peer.says("<ben> ann: look\n");
    sitting.sees("one call", |model| model.title() == "(1) lobby - chat");
    assert_eq!(sitting.model().bells(), 0);
}

#[test]
fn an_answer_goes_to_whom_one_spoke_with_last() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("/r hello\r");
    sitting.sees_text("! nobody nobody has said anything to you alone");
    peer.says("-ben- psst\n");
    sitting.sees_text("-ben- psst");
    sitting.types("/R what is it\r");
    peer.hears("/msg ben what is it");
    peer.does_it();
    sitting.types("/msg cyd and you\r");
    peer.hears("/msg cyd and you");
    peer.does_it();
    sitting.sees_text("= sent to cyd");
    sitting.types("/r well\r");
    peer.hears("/msg cyd well");
}

#[test]
fn an_answer_goes_to_whom_it_was_meant_for_though_another_one_comes_between() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("/r hello");
    sitting.sees_draft("/r hello");
    peer.says("-ben- psst\n");
    sitting.sees_text("-ben- psst");
    // Nobody was there to be meant: it is seen first who is now.
    sitting.types("\r");
    sitting.sees_draft("/msg ben hello");
    peer.hears_nothing_for(Duration::from_millis(50));
    sitting.types("\u{15}/r ");
    sitting.sees_draft("/msg ben");
    peer.says("-eve- psst\n");
    sitting.sees_text("-eve- psst");
    sitting.types("a secret\r");
    peer.hears("/msg ben a secret");
    peer.does_it();
    sitting.sees_text("= sent to ben");
    // Taken back, it stays so; whoever has another name is still the same.
    sitting.types("/R \u{1f}");
    sitting.sees_draft("/R");
    peer.says("* ben is now bob\n");
    sitting.sees_text("* ben is now bob");
    sitting.types(" you\r");
    peer.hears("/msg bob you");
}

// Not being bothered

#[test]
fn who_is_ignored_is_not_read_now_and_later() {
    let (home, server) = (Home::new("ignore"), FakeServer::new());
    let mut sitting = Sitting::start(home.command(&server, &[]));
    let mut peer = greets(&server, &sitting);
    sitting.types("/ignore Eve\r");
    sitting.sees_text("= nothing of Eve is shown");
    let tells = |peer: &mut Peer| {
        peer.says("<eve> look at me\n-eve- ann!\n* eve joined (2 here)\n<ben> eve, go\n");
    };
    tells(&mut peer);
    sitting.sees_text("<ben> eve, go");
    sitting.types("\u{4}");
    peer.sees_off();
    sitting.waits();
    assert!(
        !sitting.shows("look at me") && !sitting.shows("-eve-"),
        "{}",
        sitting.screen()
    );
    assert_eq!(sitting.model().bells(), 0);
    let sitting = Sitting::start(home.command(&server, &[]));
    let mut peer = greets(&server, &sitting);
    tells(&mut peer);
    sitting.sees_text("<ben> eve, go");
    sitting.types("/ignore\r");
    sitting.sees_text("= ignored: eve");
    assert!(!sitting.shows("look at me"), "{}", sitting.screen());
    sitting.types("/unignore EVE\r");
    sitting.sees_text("= EVE is not ignored");
    tells(&mut peer);
    sitting.sees_text("<eve> look at me");
}

#[test]
fn who_comes_and_goes_is_gathered() {
    let (sitting, mut peer, _server) = seated(&[]);
    let crowd: String = (0..12)
        .map(|number| format!("* x{number} joined ({} here)\n", number + 2))
        .collect();
    peer.says(&crowd);
    peer.says("* x3 left (12 here)\n");
    sitting.sees_text("* … 12 joined, 1 left (12 here)");
    assert!(!sitting.shows("x5 joined"), "{}", sitting.screen());
    peer.says("<ben> who are they?\n* ben left (11 here)\n");
    sitting.sees_text("* ben left (11 here)");
}

#[test]
fn who_speaks_is_said_to_have_come_before_that() {
    let (sitting, mut peer, _server) = seated(&[]);
    for (name, line) in [("cyd", "<cyd> hello"), ("dan", "-dan- psst")] {
        let joined = format!("* {name} joined (2 here)");
        peer.says(&format!("{joined}\n{line}\n"));
        sitting.sees_text(line);
        let rows = sitting.model().rows();
        let at = |text: &str| rows.iter().position(|row| row.contains(text));
        let (came, spoke) = (at(&joined), at(line));
        assert!(came.is_some() && came < spoke, "{}", sitting.screen());
    }
}

#[test]
fn quiet_hides_who_comes_and_goes() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("/quiet on\r");
    sitting.sees_text("= who comes and goes is not shown");
    peer.says("* cyd joined (2 here)\n<cyd> hello\n* cyd left (1 here)\n<ben> hi\n");
    sitting.sees_text("<ben> hi");
    assert!(
        !sitting.shows("cyd joined") && !sitting.shows("cyd left"),
        "{}",
        sitting.screen()
    );
    sitting.types("/quiet off\r");
    sitting.sees_text("= who comes and goes is shown");
    peer.says("* dan joined (2 here)\n<dan> hello\n");
    sitting.sees_text("* dan joined (2 here)");
}

// Words and keys

#[test]
fn other_words_for_commands_and_any_case() {
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("/TOPIC\r");
    sitting.sees_text("= no topic");
    sitting.types("/NAMES\r/List\r/names den\r/quiet maybe\r/clear\r");
    peer.hears("/who lobby");
    peer.answers(json!({"is": "who", "room": "lobby", "here": 1, "names": ["ann"], "more": 0}));
    peer.hears("/rooms");
    let rooms = json!([{"room": "lobby", "here": 1}, {"room": "workshop", "here": 3}]);
    peer.answers(json!({"is": "rooms", "rooms": rooms, "more": 0}));
    peer.hears("/who den");
    peer.answers(json!({"is": "who", "room": "den", "here": 0, "names": [], "more": 0}));
    sitting.sees("an empty screen", |model| {
        !is_shown(model, "welcome to lobby")
    });
    sitting.sees_text("= workshop 3");
    sitting.types("/jo\two\t\r");
    peer.hears("/join workshop");
}

#[test]
fn lines_are_searched_and_changes_taken_back() {
    let (sitting, mut peer, _server) = seated(&[]);
    for text in ["the first line", "another one"] {
        sitting.types(&format!("{text}\r"));
        peer.returns("ann", text);
    }
    sitting.types("\u{12}first");
    sitting.sees("what is found", |model| {
        model
            .cursor_row()
            .0
            .starts_with("find first> the first line")
    });
    sitting.types("\r");
    peer.returns("ann", "the first line");
    sitting.types("\u{12}nowhere\r");
    peer.hears_nothing_for(Duration::from_millis(100));
    sitting.types("one two\u{17}\u{1f}\r");
    peer.hears("one two");
}

#[test]
fn what_was_said_before_may_be_left_out() {
    let server = FakeServer::new();
    let sitting = Sitting::start(seat(server.address(), &["--no-history"]));
    let mut peer = server.accept();
    peer.hears("enter ann");
    peer.says_hello();
    peer.says("{\"is\":\"welcome\",\"name\":\"ann\"}");
    peer.enters("lobby", &["ann"]);
    peer.says_line(&json!({
        "is": "said", "room": "lobby", "id": "1-0", "from": "ben", "text": "old", "past": true,
    }));
    peer.catches_up("lobby", 0);
    peer.says("<ben> new\n");
    sitting.sees_text("<ben> new");
    assert!(
        !sitting.shows("<ben> old") && !sitting.shows("before"),
        "{}",
        sitting.screen()
    );
}
