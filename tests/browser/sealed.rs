//! The page over TLS, with the certificate that the server made for itself.

use serde_json::json;

use super::common::Daemon;
use super::page::{IS_UP, NOTHING_UNSENT, Page};
use super::talking::expect_said;

#[test]
fn over_https_it_is_in_the_room_of_those_who_speak_text() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.join("ben");
    // As a person would who compared the key with the server's log and then accepted it.
    let line = chatd.expect_log(&["SHA256:"]);
    let (_, print) = line.split_once("SHA256:").expect("a fingerprint");
    let print: String = print.chars().take(43).collect();
    let trusted = format!("--ignore-certificate-errors-spki-list={print}=");
    let url = format!("https://{}/", chatd.address());
    let Some(mut page) = Page::open_with(&url, &[&trusted]) else {
        return;
    };
    page.give_name("ann");
    page.wait(IS_UP);
    ben.expect_line("* ann joined (2 here)");
    page.say("sealed");
    ben.expect_line("<ann> sealed");
    ben.say("read in passing");
    page.expect("read in passing");
    page.wait(NOTHING_UNSENT);
    assert_eq!(page.texts(), ["sealed", "read in passing"]);
    // Here the page may use what browsers keep for those whom nobody can overhear.
    assert!(page.is("isSecureContext && location.protocol === 'https:'"));
    page.expect_no_complaints();
    let mut cyd = chatd.enter("cyd", &["lobby"]);
    page.call("Page.reload", json!({}));
    page.wait(IS_UP);
    page.say("still here");
    expect_said(&mut cyd, "still here");
}
