//! D47: what others write runs nothing and hides nothing. (That it does not stop the page: `flood`.)

use serde_json::json;

use super::common::Daemon;
use super::page::Page;

#[test]
fn markup_and_links_of_others_are_text() {
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    let markup = "<img src=x onerror=window.ran=1><script>window.ran=1</script>";
    ben.say_in("lobby", markup);
    ben.ask(json!({"do": "topic", "room": "lobby", "text": markup}));
    for text in [
        "javascript:window.ran=1",
        "data:text/html,<script>window.ran=1</script>",
        "see https://example.org/a_(b)?c=d#e, (https://example.org/plain). http://",
        "https://example.org@evil.example/ and HTTPS://EXAMPLE.ORG/x\">y",
        "turned \u{202e}round and hid\u{200b}den \u{feff}",
    ] {
        ben.say_in("lobby", text);
    }
    let mut cyd = chatd.enter("cyd", &["lobby"]);
    cyd.ask(json!({"do": "quit", "reason": markup}));
    page.expect("cyd left");
    let links = page.eval("[...document.querySelectorAll('#log a')].map((a) => [a.textContent, a.getAttribute('href'), a.rel, a.target])");
    let rel = "noopener noreferrer nofollow";
    assert_eq!(
        links,
        json!([
            [
                "https://example.org/a_(b)?c=d#e",
                "https://example.org/a_(b)?c=d#e",
                rel,
                "_blank"
            ],
            [
                "https://example.org/plain",
                "https://example.org/plain",
                rel,
                "_blank"
            ],
            [
                "HTTPS://EXAMPLE.ORG/x",
                "https://example.org/x",
                rel,
                "_blank"
            ],
        ])
    );
    assert!(page.texts().contains(&markup.to_owned()));
    assert!(
        page.texts()
            .contains(&"turned U+202eround and hidU+200bden U+feff".to_owned())
    );
    assert!(page.is("!window.ran && !document.querySelector('img, script:not([src]), iframe')"));
    assert_eq!(
        page.string("document.querySelector('#topic').textContent"),
        markup
    );
    page.expect_no_complaints();
}

#[test]
fn nothing_can_be_made_of_a_string() {
    let chatd = Daemon::start(&[]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    let tried = "(() => { try { document.createElement('p').innerHTML = '<b>x</b>'; return 'made'; } catch (error) { return error.name; } })()";
    assert_eq!(page.string(tried), "TypeError");
    page.take_complaints();
}
