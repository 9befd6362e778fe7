//! What the tests of this folder share: heads by their lines, answers as text.

use super::*;

pub(super) const LOCAL: &str = "Host: localhost:5001";

pub(super) fn site() -> Site {
    let own = ["Chat.Example.org", "*.wild.example"].map(String::from);
    let machine = Site::machine_names("box.lan");
    Site::new(own.into_iter().chain(machine))
}

/// A head of these lines.
pub(super) fn head(lines: &[&str]) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{lines}\r\n").into_bytes()
}

/// What is answered at once, as text.
pub(super) fn answer(head: &[u8]) -> String {
    match request(head, &site()) {
        HttpRequest::Answer(response) => shown(&response),
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(head)),
    }
}

pub(super) fn shown(response: &Response) -> String {
    let mut out = Vec::new();
    response.write(&mut out);
    String::from_utf8(out).unwrap().replace("\r\n", "\n")
}

pub(super) fn code(head: &[u8]) -> u16 {
    match request(head, &site()) {
        HttpRequest::Answer(response) => response.status().code(),
        HttpRequest::WebSocket { .. } => 101,
        HttpRequest::Post(_) => 201,
        HttpRequest::History(_) => 200,
    }
}

/// The status of a request whose Host is trusted, with these further lines.
pub(super) fn code_of(line: &str, more: &[&str]) -> u16 {
    code(&head(&[&[line, LOCAL], more].concat()))
}

pub(super) fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\n\n").next().unwrap();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(other, _)| *other == name)
        .map(|(_, value)| value)
}

pub(super) const SECURITY: &str = "\
X-Content-Type-Options: nosniff
Referrer-Policy: no-referrer
Cross-Origin-Opener-Policy: same-origin
Cross-Origin-Resource-Policy: same-origin
Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'
";

/// The lines of a head that ask for a WebSocket.
pub(super) const UPGRADE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
