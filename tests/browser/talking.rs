//! Saying and doing: the name, texts, commands, rooms, the keyboard.

use serde_json::json;

use super::common::Daemon;
use super::page::{IS_UP, NOTHING_UNSENT, Page};

#[test]
fn a_name_is_asked_for_once_and_refused_in_place() {
    let chatd = Daemon::start(&[]);
    let _ben = chatd.enter("ben", &["lobby"]);
    let Some(mut page) = Page::open(chatd.address()) else {
        return;
    };
    page.give_name("ben");
    page.wait("document.querySelector('#fault').textContent.includes('taken')");
    assert!(page.is("document.activeElement.id === 'name'"));
    page.give_name("ann");
    page.wait(IS_UP);
    assert!(page.is("document.activeElement.id === 'text'"));
    page.type_text("half typed");
    page.call("Page.reload", json!({}));
    // Not asked again, and what was typed is still there.
    page.wait(&format!(
        "{IS_UP} && document.querySelector('#text').value === 'half typed'"
    ));
    page.expect_no_complaints();
}

#[test]
fn what_is_typed_is_said_and_a_refusal_keeps_it() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    for (typed, said) in [
        ("hello", "hello"),
        ("//me", "/me"),
        ("/ is text", "/ is text"),
    ] {
        page.say(typed);
        expect_said(&mut ben, said);
    }
    page.expect("/ is text");
    page.wait(NOTHING_UNSENT);
    assert_eq!(page.texts(), ["hello", "/me", "/ is text"]);
    page.say("/nope secret");
    page.wait("document.querySelector('.fault')");
    assert_eq!(page.field(), "/nope secret");
    page.eval("document.querySelector('#text').value = ''");
    page.say("/msg nobody hello");
    page.expect("nobody");
    page.say("/me waves");
    assert_eq!(expect_said(&mut ben, "waves")["action"], true);
    page.say("/msg ben psst");
    page.expect("To ben alone: psst");
    page.say("/topic cake");
    page.wait("document.querySelector('#topic').textContent === 'cake'");
    page.say("/nick anna");
    page.wait("document.querySelector('#self').textContent === 'anna'");
    page.say(&"x".repeat(5000));
    page.expect("Too long by 904 bytes");
    assert_eq!(page.field().len(), 5000);
    page.expect_no_complaints();
}

#[test]
fn many_lines_are_asked_about_and_then_all_said_in_order() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    let lines: Vec<String> = (0..40).map(|number| format!("line {number}")).collect();
    page.say(&lines.join("\n"));
    page.wait("document.querySelector('#notice').textContent.includes('Send 40 lines')");
    ben.expect_silence_but_news();
    // The answer has the focus.
    page.press("Enter");
    for line in &lines {
        expect_said(&mut ben, line);
    }
    page.expect("line 39");
    page.wait(NOTHING_UNSENT);
    assert_eq!(page.texts(), lines);
}

#[test]
fn several_rooms_with_counts_and_marks() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.enter("ben", &["lobby", "music"]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    page.wait("[...document.querySelectorAll('#roster .other')].some((li) => li.textContent.includes('#music'))");
    page.say("/join ops");
    page.wait("document.querySelector('#room').textContent === '#ops'");
    ben.say_in("lobby", "just so");
    ben.say_in("lobby", "ann: are you there?");
    page.wait("document.querySelector('#roster .unread.isNamed')?.textContent === '2'");
    page.wait("document.title.startsWith('(@2)')");
    page.click("#roster button");
    page.wait("document.querySelector('#room').textContent === '#lobby'");
    // A line at the first unread one, and nothing is unread any more.
    page.wait("document.querySelector('.new')?.textContent.includes('just so')");
    page.wait("!document.title.includes('(')");
    page.say("/join ops");
    page.wait("document.querySelector('#room').textContent === '#ops'");
    page.say("/part");
    page.wait("document.querySelector('#room').textContent === '#lobby' && document.querySelectorAll('#roster li:not(.other)').length === 1");
    page.wait("[...document.querySelectorAll('#people li')].map((li) => li.textContent).join() === 'ann,ben'");
    page.expect_no_complaints();
}

#[test]
fn everything_is_done_with_the_keyboard() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    let Some(mut page) = Page::open(chatd.address()) else {
        return;
    };
    page.tab_to("#name");
    page.say("ann");
    page.wait(IS_UP);
    // Tab completes names and commands, and moves on where there is nothing to complete.
    page.type_text("be");
    page.press("Tab");
    assert_eq!(page.field(), "ben: ");
    page.say("look");
    expect_said(&mut ben, "ben: look");
    page.type_text("/to");
    page.press("Tab");
    assert_eq!(page.field(), "/topic ");
    page.say("tea");
    page.wait("document.querySelector('#topic').textContent === 'tea'");
    // Up and down, with the draft kept.
    page.type_text("a draft");
    page.press("ArrowUp");
    page.press("ArrowUp");
    assert_eq!(page.field(), "ben: look");
    page.press("ArrowDown");
    page.press("ArrowDown");
    assert_eq!(page.field(), "a draft");
    page.eval("document.querySelector('#text').value = ''");
    page.tab_to("#wanted");
    page.say("ops");
    page.wait("document.querySelector('#room').textContent === '#ops' && document.activeElement.id === 'text'");
    page.tab_to("#people button");
    page.press("Enter");
    assert_eq!(page.field(), "/msg ann ");
    page.eval("document.querySelector('#text').value = ''");
    page.tab_to("#roster button");
    page.press("Enter");
    page.wait("document.querySelector('#room').textContent === '#lobby'");
    // On a phone the outer two are opened and closed again.
    page.size(390, 844);
    page.tab_to("#menu");
    page.press("Enter");
    page.wait("document.querySelector('#rooms').checkVisibility()");
    page.press("Escape");
    page.wait("!document.querySelector('#rooms').checkVisibility() && document.activeElement.id === 'menu'");
    page.expect_no_complaints();
}

/// Reads until this was said; gives all of it.
#[track_caller]
pub fn expect_said(program: &mut super::common::Program, text: &str) -> serde_json::Value {
    loop {
        let line = program.next();
        if line["is"] == "said" && line["text"] == text {
            return line;
        }
    }
}
