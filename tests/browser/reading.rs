//! Reading: what is new, where one was, how it sounds.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::common::{Daemon, Program};
use super::page::Page;

const IS_AT_END: &str = "((log) => log.scrollHeight - log.scrollTop - log.clientHeight < 5)(document.querySelector('#log'))";

fn say_all(program: &mut Program, prefix: &str, count: usize) {
    for number in 0..count {
        program.say_in("lobby", &format!("{prefix} {number}"));
    }
    program.until_pong();
}

#[test]
fn who_reads_what_is_older_stays_there() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    say_all(&mut ben, "line", 80);
    page.expect("line 79");
    // A flood is filled in from its newest up: what comes above moves what one reads, and its place.
    page.wait("document.querySelectorAll('.said').length === 80");
    page.wait(IS_AT_END);
    page.eval("document.querySelector('#log').scrollTop = 700");
    page.wait("!document.querySelector('#newer').hidden");
    say_all(&mut ben, "more", 3);
    page.wait("document.querySelector('#newer').textContent === '3 new ↓'");
    assert_eq!(page.eval("document.querySelector('#log').scrollTop"), 700);
    page.wait("document.title.startsWith('(3)')");
    page.click("#newer");
    page.wait(IS_AT_END);
    page.wait("document.querySelector('#newer').hidden && !document.title.includes('(')");
}

#[test]
fn the_past_is_there_dimmed_and_older_lines_come_when_they_are_wanted() {
    let chatd = Daemon::start(&["--rate", "0", "--history", "500"]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    say_all(&mut ben, "old", 450);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    page.expect("old 449");
    page.wait("document.querySelectorAll('.past').length >= 20");
    // Nobody is told of it.
    assert!(page.is("!document.title.includes('(')"));
    page.eval("new Promise((done) => { const log = document.querySelector('#log'); (function up() { log.scrollTop = 0; document.querySelectorAll('.said').length === 450 ? done() : setTimeout(up, 20); })(); })");
    let wanted: Vec<String> = (0..450).map(|number| format!("old {number}")).collect();
    assert_eq!(page.texts(), wanted);
    page.expect_no_complaints();
}

/// The next questions for a page of the past, so many, are answered in the place of the server: it is
/// busy. It counts them in `window.askedAt`.
pub fn makes_busy(page: &mut Page, questions: usize) {
    page.eval(&format!(
        "(() => {{ const send = WebSocket.prototype.send; let left = {questions}; window.askedAt = [];
        WebSocket.prototype.send = function (text) {{
            const {{ do: what, ref }} = JSON.parse(text);
            if (what === 'history') askedAt.push(performance.now());
            if (what !== 'history' || left-- <= 0) return send.call(this, text);
            const data = JSON.stringify({{ is: 'refused', code: 'busy', text: 'later', ref }});
            setTimeout(() => this.onmessage?.({{ data }}));
        }}; }})()"
    ));
}

#[test]
fn a_busy_server_is_asked_for_older_lines_again() {
    let chatd = Daemon::start(&["--rate", "0", "--history", "500"]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    say_all(&mut ben, "old", 150);
    let Some(mut page) = Page::open(chatd.address()) else {
        return;
    };
    makes_busy(&mut page, 2);
    page.give_name("ann");
    page.eval("new Promise((done) => { const log = document.querySelector('#log'); (function up() { log.scrollTop = 0; document.querySelectorAll('.said').length === 150 ? done() : setTimeout(up, 20); })(); })");
    page.wait("document.querySelector('#top').textContent.startsWith('As far back')");
    assert_eq!(page.eval("askedAt.length"), 3);
    assert!(
        page.is("askedAt[2] - askedAt[0] > 1000"),
        "it is not asked all the time"
    );
    page.expect_no_complaints();
}

#[test]
fn it_can_be_read_aloud() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.enter("ben", &["lobby", "music"]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    ben.say_in("lobby", "hello");
    page.expect("hello");
    let tree = page.call("Accessibility.getFullAXTree", json!({}));
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    for node in tree["nodes"].as_array().unwrap() {
        let value = |field: &str| node[field]["value"].as_str().unwrap_or_default().to_owned();
        if node["ignored"] != json!(true) {
            names.entry(value("role")).or_default().push(value("name"));
        }
    }
    let has = |role: &str, name: &str| {
        names
            .get(role)
            .is_some_and(|names| names.iter().any(|other| other == name))
    };
    for (role, name) in [
        ("log", "Conversation"),
        ("textbox", "Message"),
        ("textbox", "Join or open a room"),
        ("navigation", "Rooms"),
        ("complementary", "People here"),
        ("heading", "#lobby"),
        ("button", "Send"),
        ("button", "Leave lobby"),
        ("button", "#lobby, 2 here"),
    ] {
        let is_hidden = name == "Leave lobby";
        assert_eq!(has(role, name), !is_hidden, "{role} {name}: {names:#?}");
    }
    assert!(
        names.contains_key("main") && names.contains_key("status"),
        "{names:#?}"
    );
    let nameless = names["button"]
        .iter()
        .chain(&names["textbox"])
        .filter(|name| name.is_empty());
    assert_eq!(nameless.count(), 0, "{names:#?}");
    let live: Value = page.eval(
        "[document.querySelector('#log').ariaRelevant, document.querySelector('#status').role]",
    );
    assert_eq!(live, json!(["additions", "status"]));
}
