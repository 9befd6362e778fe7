//! D49: a server with a password. The page asks for it by a form of its own, and keeps it for its tab.

use std::fs;

use super::common::Daemon;
use super::page::{IS_UP, Page};

const IS_ASKED: &str =
    "!document.querySelector('#secret').hidden && document.activeElement.id === 'password'";

#[test]
fn the_page_asks_for_it_and_comes_back_with_it() {
    let folder = std::env::temp_dir().join(format!("chatd-page-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (password, motd) = (folder.join("password"), folder.join("motd"));
    fs::write(&password, "open sesame\n").unwrap();
    fs::write(&motd, "be kind\n<b>please</b>\n").unwrap();
    let flags = [
        "--password-file",
        password.to_str().unwrap(),
        "--motd-file",
        motd.to_str().unwrap(),
    ];
    let chatd = Daemon::start(&flags);
    fs::remove_dir_all(&folder).unwrap();
    let Some(mut page) = Page::open(chatd.address()) else {
        return;
    };
    assert!(
        page.is("document.querySelector('#secret').hidden"),
        "it is not known yet"
    );
    page.give_name("ann");
    page.wait(IS_ASKED);
    page.wait("document.querySelector('#fault').textContent === 'this server has a password'");
    page.say("wrong");
    page.wait("document.querySelector('#fault').textContent.includes('not the password')");
    page.eval("document.querySelector('#password').select()");
    page.say("open sesame");
    page.wait(IS_UP);
    page.expect("be kind\n<b>please</b>");
    page.say("hello");
    page.expect("hello");
    page.go(&format!("http://{}/", chatd.address()));
    page.wait(IS_UP);
    page.expect("hello");
    assert!(
        page.is("!localStorage.chatd.includes('sesame')"),
        "no longer than its tab"
    );
    assert!(page.is("!location.href.includes('sesame')"));
    page.expect_no_complaints();
}
