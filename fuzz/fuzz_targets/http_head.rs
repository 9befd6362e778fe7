//! The head of an HTTP request: any pieces give what the whole gives; every answer is a proper one,
//! whatever stands in the head; and nobody may speak, read or open a WebSocket from a page of another
//! site, or by a name that others can make lead here.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use chatd::dialect::http::{
    BODY_BYTES_MAX, Collected, HEAD_BYTES_MAX, Head, HttpRequest, Response, Site, request,
};
use chatd_fuzz::script::Script;
use libfuzzer_sys::fuzz_target;

const OWN: [&str; 4] = ["localhost", "box", "box.local", "chat.example"];

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let machine = Site::machine_names("box");
    Site::new(machine.into_iter().chain(["Chat.Example".into()]))
});

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let sizes: Vec<usize> = (0..script.below(16))
        .map(|_| 1 + script.below(256))
        .collect();
    let stream = script.rest();
    let whole = collect(stream, &[]);
    assert_eq!(collect(stream, &sizes), whole);
    match whole {
        None => assert!(stream.len() < HEAD_BYTES_MAX),
        Some(Err(response)) => check_answer(&response, stream),
        Some(Ok(end)) => check_request(&stream[..end]),
    }
});

/// What comes of a stream in pieces of these sizes, over and over: where the head ends, or why not.
fn collect(stream: &[u8], sizes: &[usize]) -> Option<Result<usize, Response>> {
    let mut head = Head::default();
    let mut sizes = sizes.iter().copied().cycle();
    let mut taken = 0;
    while taken < stream.len() {
        let size = sizes.next().unwrap_or(usize::MAX).min(stream.len() - taken);
        let piece = &stream[taken..taken + size];
        taken += size;
        match head.take(piece) {
            Collected::More => {}
            Collected::Whole { rest } => {
                let end = taken - rest;
                assert_eq!(head.bytes(), &stream[..end]);
                return Some(Ok(end));
            }
            Collected::Bad(response) => return Some(Err(response)),
        }
        assert!(head.bytes().len() < HEAD_BYTES_MAX);
    }
    None
}

fn check_request(head: &[u8]) {
    match request(head, &SITE) {
        HttpRequest::Answer(response) => return check_answer(&response, head),
        HttpRequest::WebSocket { key } => assert_eq!(key.len(), 24),
        HttpRequest::History(_) => {}
        HttpRequest::Post(post) => {
            assert!(post.body_bytes <= BODY_BYTES_MAX);
            let said = values(head, "content-length");
            assert_eq!(said.len(), 1);
            assert_eq!(said[0].parse(), Ok(post.body_bytes));
        }
    }
    check_sender(head);
}

/// Whoever may act names this server in a way that only it bears, and is no page of another site.
fn check_sender(head: &[u8]) {
    assert!(values(head, "transfer-encoding").is_empty());
    let [host] = &values(head, "host")[..] else {
        panic!("one Host, and no other");
    };
    let (name, port) = authority(host);
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    assert!(is_address || OWN.contains(&name.as_str()), "{name}");
    for origin in values(head, "origin") {
        let (scheme, rest) = origin.split_once("://").expect("it is no null");
        let default = if scheme == "https" { "443" } else { "80" };
        let (origin_name, origin_port) = authority(rest);
        // An address in version 6 may be spelt in several ways.
        assert!(origin_name == name || name.starts_with('['));
        let number = |port: &str| {
            port.parse()
                .unwrap_or_else(|_| default.parse::<u16>().expect("a number"))
        };
        assert_eq!(number(&origin_port), number(&port));
    }
    for site in values(head, "sec-fetch-site") {
        assert!(site == "same-origin" || site == "none");
    }
}

fn authority(text: &str) -> (String, String) {
    let text = text.to_ascii_lowercase();
    let end = text.rfind(']').map_or(0, |end| end + 1);
    match text[end..].split_once(':') {
        Some((rest, port)) => (format!("{}{rest}", &text[..end]), port.into()),
        None => (text, String::new()),
    }
}

/// The values of the lines of a good head that begin with this name.
fn values(head: &[u8], wanted: &str) -> Vec<String> {
    let head = String::from_utf8_lossy(head);
    let fields = head
        .split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'));
    fields
        .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.trim_matches([' ', '\t']).into())
        .collect()
}

/// An answer ends where it says, says that the connection ends, and has only lines of ours.
fn check_answer(response: &Response, head: &[u8]) {
    const NAMES: [&str; 15] = [
        "Connection",
        "Cache-Control",
        "ETag",
        "Allow",
        "Upgrade",
        "Sec-WebSocket-Version",
        "Content-Type",
        "Content-Length",
        "X-Content-Type-Options",
        "Referrer-Policy",
        "Cross-Origin-Opener-Policy",
        "Cross-Origin-Resource-Policy",
        "Content-Security-Policy",
        "Retry-After",
        "WWW-Authenticate",
    ];
    let mut out = Vec::new();
    response.write(&mut out);
    let out = String::from_utf8(out).expect("answers are text");
    let (answer, body) = out.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(answer.starts_with(&format!("HTTP/1.1 {} ", response.status().code())));
    let fields: Vec<(&str, &str)> = answer
        .split("\r\n")
        .skip(1)
        .map(|line| line.split_once(": ").expect("a field has a name"))
        .collect();
    assert!(
        fields
            .iter()
            .all(|(name, value)| { NAMES.contains(name) && !value.contains(char::is_control) })
    );
    let value = |wanted: &str| {
        fields
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|field| field.1)
    };
    assert!(value("Connection").is_some_and(|value| value.starts_with("close")));
    assert!(value("Content-Security-Policy").is_some());
    match value("Content-Length") {
        None => assert!(response.status().code() == 304 && body.is_empty()),
        Some(_) if head.starts_with(b"HEAD ") => assert!(body.is_empty()),
        Some(length) => assert_eq!(length.parse(), Ok(body.len())),
    }
}
