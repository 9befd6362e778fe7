//! A server with a password, over HTTP: Basic authorization for what concerns a room, and the page for
//! everybody.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::password::{expect_nothing_in_log, start_with};
use crate::common::http::{answer_of, ask_over, get, post};

const PASSWORD: &str = "open sesame";

/// A request with this password.
fn with(request: &str, user: &str, password: &str) -> String {
    let given = STANDARD.encode(format!("{user}:{password}"));
    let field = format!("\r\nHost: localhost\r\nAuthorization: Basic {given}\r\n");
    request.replacen("\r\nHost: localhost\r\n", &field, 1)
}

#[test]
fn rooms_want_it_and_the_page_does_not() {
    let (_files, chatd) = start_with("password-web", &[]);
    for path in ["/", "/app.js", "/style.css"] {
        assert_eq!(chatd.get(path).status, 200, "{path}");
    }
    assert_eq!(chatd.get("/nothing").status, 404);
    let requests = [
        (get("/rooms/lobby"), 200),
        (get("/rooms/none"), 404),
        (get("/rooms/lobby").replace("GET", "HEAD"), 200),
        (post("lobby?name=cron", "backup done"), 201),
        (post("lobby?name=admin", "backup done"), 400),
        (post("lobby?name=cron", ""), 400),
    ];
    for (request, status) in &requests {
        let bearer = with(request, "x", PASSWORD).replace("Basic", "Bearer");
        for refused in [request, &with(request, "cron", ""), &bearer] {
            let answer = chatd.ask(refused);
            assert_eq!(answer.status, 401, "{refused}: {answer:?}");
            let basic = answer.field("www-authenticate").unwrap();
            assert!(basic.starts_with("Basic realm="), "{basic}");
        }
        // Whoever it says that it is.
        for user in ["", "cron", "ä"] {
            let answer = chatd.ask(&with(request, user, PASSWORD));
            assert_eq!(answer.status, *status, "{request}: {answer:?}");
        }
    }
    let lines = chatd.ask(&with(&get("/rooms/lobby"), "", PASSWORD)).lines();
    let said = lines.iter().filter(|line| line["text"] == "backup done");
    assert_eq!(said.count(), 3, "{lines:?}");
    expect_nothing_in_log(&chatd, &[]);
}

#[test]
fn a_wrong_one_is_counted_and_the_eleventh_is_not_read() {
    let (_files, chatd) = start_with("password-web-wrong", &[]);
    // Not given is not wrong.
    for _ in 0..20 {
        assert_eq!(chatd.get("/rooms/lobby").status, 401);
    }
    for number in 0..10 {
        let request = match number % 2 {
            0 => get("/rooms/lobby"),
            _ => post("lobby?name=cron", "done"),
        };
        let answer = chatd.ask(&with(&request, "cron", &format!("guess {number}")));
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    for request in [get("/rooms/lobby"), post("lobby?name=cron", "done")] {
        let answer = chatd.ask(&with(&request, "cron", PASSWORD));
        assert_eq!(answer.status, 429, "{answer:?}");
        let later: u64 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&later), "{answer:?}");
    }
    assert_eq!(chatd.get("/").status, 200);
    // It is one count for all languages.
    let mut ann = chatd.program();
    ann.ask(json!({"do": "enter", "name": "ann", "password": PASSWORD}));
    ann.next();
    ann.expect_refused("wrong-password");
    expect_nothing_in_log(&chatd, &["guess"]);
}

#[test]
fn a_request_that_comes_in_pieces_or_ends_at_once_is_answered() {
    let (_files, chatd) = start_with("password-web-pieces", &[]);
    for request in [get("/rooms/lobby"), post("lobby?name=cron", "done")] {
        let request = with(&request, "cron", PASSWORD);
        let mut client = chatd.connect();
        for byte in request.as_bytes() {
            client.send(&[*byte]);
        }
        assert!(answer_of(&mut client, &request).status < 300);
        let mut client = chatd.connect();
        client.send(request.as_bytes());
        client.half_close();
        assert!(answer_of(&mut client, &request).status < 300);
    }
    // Without it no body is waited for, or asked for.
    let mut client = chatd.connect();
    let request = post("lobby?name=cron", "done");
    let head = request.strip_suffix("done").unwrap();
    client.send(
        head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n")
            .as_bytes(),
    );
    assert_eq!(answer_of(&mut client, "POST").status, 401);
    assert_eq!(ask_over(chatd.connect(), head).status, 401);
}
