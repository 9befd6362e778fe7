//! D48: the link is lost, the server is killed, the laptop sleeps; nothing is missed, nothing is twice.

use serde_json::json;

use super::common::operator_seat::SocketFolder;
use super::common::{Daemon, Program, chatd_command};
use super::link::Link;
use super::page::{IS_LOST, IS_UP, NOTHING_UNSENT, Page};
use super::reading::makes_busy;
use super::talking::expect_said;

/// Ben, and ann in a page behind a link that can be cut; `None` where there is no browser.
fn ben_and_a_page(chatd: &Daemon) -> Option<(Link, Program, Page)> {
    let link = Link::to(chatd.address());
    let ben = chatd.enter("ben", &["lobby"]);
    let page = Page::enter(link.address(), "ann")?;
    Some((link, ben, page))
}

#[test]
fn what_was_said_meanwhile_is_there_once_and_what_was_typed_is_said() {
    let chatd = Daemon::start(&["--history", "500", "--rate", "0"]);
    let Some((link, mut ben, mut page)) = ben_and_a_page(&chatd) else {
        return;
    };
    ben.say_in("lobby", "before");
    page.expect("before");
    link.cut();
    page.wait(IS_LOST);
    page.say("typed while away");
    page.wait("document.querySelector('#unsent').textContent.includes('typed while away')");
    page.wait("document.querySelector('#notice').textContent.includes('What you write is kept')");
    let missed: Vec<String> = (0..300).map(|number| format!("missed {number}")).collect();
    for text in &missed {
        ben.say_in("lobby", text);
    }
    link.mend();
    page.wait(IS_UP);
    expect_said(&mut ben, "typed while away");
    page.wait(NOTHING_UNSENT);
    page.wait("document.querySelectorAll('#lines .said').length === 302");
    let mut wanted = vec!["before".to_owned()];
    wanted.extend(missed);
    wanted.push("typed while away".to_owned());
    assert_eq!(page.texts(), wanted);
    page.expect_no_complaints();
}

#[test]
fn a_gap_is_filled_though_the_server_is_busy_at_first() {
    let folder = SocketFolder::new();
    let data = folder.path().to_str().unwrap();
    let mut command = chatd_command(&["--data", data, "--history", "20", "--rate", "0"]);
    command.args(["--tls", "off", "--listen", "127.0.0.1:0"]);
    // The journal is to lie there too.
    command
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("RUNTIME_DIRECTORY");
    let chatd = Daemon::spawn(command, 1);
    let Some((link, mut ben, mut page)) = ben_and_a_page(&chatd) else {
        return;
    };
    ben.say_in("lobby", "before");
    page.expect("before");
    page.wait("document.querySelector('#top').textContent.startsWith('As far back')");
    makes_busy(&mut page, 1);
    link.cut();
    page.wait(IS_LOST);
    let missed: Vec<String> = (0..60).map(|number| format!("missed {number}")).collect();
    for text in &missed {
        ben.say_in("lobby", text);
    }
    ben.until_pong();
    link.mend();
    page.wait(IS_UP);
    page.wait("askedAt.length > 1 && !document.querySelector('.gap')");
    let wanted: Vec<String> = std::iter::once("before".to_owned()).chain(missed).collect();
    assert_eq!(page.texts(), wanted);
    page.expect_no_complaints();
}

#[test]
fn cuts_in_the_middle_of_talking_double_nothing() {
    let chatd = Daemon::start(&["--history", "500", "--rate", "0"]);
    let Some((link, mut ben, mut page)) = ben_and_a_page(&chatd) else {
        return;
    };
    let mut typed = Vec::new();
    for round in 0..8 {
        for text in [
            format!("{round} a"),
            "the same".to_owned(),
            format!("{round} b"),
        ] {
            page.say(&text);
            typed.push(text);
        }
        link.cut();
        typed.push(format!("{round} away"));
        page.say(&format!("{round} away"));
        link.mend();
        page.wait(IS_UP);
    }
    page.wait(NOTHING_UNSENT);
    page.say("the end");
    let mut heard = Vec::new();
    loop {
        let line = ben.next();
        match line["text"].as_str().filter(|_| line["is"] == "said") {
            Some("the end") => break,
            Some(text) => heard.push(text.to_owned()),
            None => {}
        }
    }
    assert_eq!(heard, typed);
    page.expect("the end");
    typed.push("the end".to_owned());
    assert_eq!(page.texts(), typed);
}

#[test]
fn a_killed_server_is_seen_and_come_back_to() {
    let mut chatd = Daemon::start(&[]);
    let address = chatd.address();
    let Some(mut page) = Page::enter(address, "ann") else {
        return;
    };
    page.say("before");
    page.expect("before");
    page.wait(NOTHING_UNSENT);
    chatd.signal(super::common::Signal::KILL);
    chatd.expect_exit(super::common::PATIENCE);
    page.wait(IS_LOST);
    page.say("through the restart");
    page.type_text("half");
    let chatd = Daemon::start(&["--listen", &address.to_string()]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    page.wait(IS_UP);
    expect_said(&mut ben, "through the restart");
    page.wait(NOTHING_UNSENT);
    ben.expect_silence_but_news();
    assert_eq!(page.texts(), ["before", "through the restart"]);
    assert_eq!(page.field(), "half");
    // This server has no disk, so nobody knows what was said in between.
    page.wait("document.querySelector('.gap')");
    page.expect_no_complaints();
}

#[test]
fn a_network_that_goes_away_is_seen() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    page.call("Network.enable", json!({}));
    let mut network =
        json!({"offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
    page.call("Network.emulateNetworkConditions", network.clone());
    page.wait(IS_LOST);
    page.say("typed while offline");
    network["offline"] = json!(false);
    page.call("Network.emulateNetworkConditions", network);
    page.wait(IS_UP);
    expect_said(&mut ben, "typed while offline");
    page.wait(NOTHING_UNSENT);
    ben.expect_silence_but_news();
}

#[test]
fn who_came_in_elsewhere_does_not_fight_for_the_name() {
    let chatd = Daemon::start(&[]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    let token = page.string("JSON.parse(sessionStorage.chatd).token");
    let mut other = chatd.program();
    other.ask(json!({"do": "enter", "name": "ann", "resume": token}));
    page.wait("document.querySelector('#notice').textContent.includes('elsewhere')");
    other.until_pong();
    page.wait("document.querySelector('#link').dataset.state === 'ended'");
    page.click("#notice button");
    page.wait("!document.querySelector('#door').hidden || document.querySelector('#link').dataset.state === 'up'");
}

#[test]
fn the_last_word_of_a_stopping_server_is_shown() {
    let chatd = Daemon::start(&[]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    chatd.signal(super::common::Signal::TERM);
    page.wait(IS_LOST);
    page.expect("The server says: ");
}
