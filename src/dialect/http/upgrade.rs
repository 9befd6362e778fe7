//! What makes a request one for a WebSocket (RFC 6455, 4.2), and the answer with which the connection
//! becomes one. Not the frames, nor the key that is answered (`dialect::websocket`). Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::asked::{Asked, HttpRequest};
use super::fields::Fields;
use super::response::{Response, Status};

const KEY_BYTES: usize = 16;

/// Reads a request for `/ws`.
///
/// # Errors
/// It does not ask for a WebSocket of version 13: 426. It does it wrongly, or wants a subprotocol: 400,
/// since a browser takes no answer that chooses none of those it wants.
pub(super) fn websocket<'a>(asked: &Asked<'_, 'a>) -> Result<HttpRequest<'a>, Response> {
    if asked.method != "GET" {
        return Err(Response::allows("GET"));
    }
    let fields = asked.fields;
    fields.expect_no_body()?;
    // HTTP/1.0 knows no upgrade, whatever it says (RFC 9110, 7.8).
    let is_upgrade = asked.minor_version > 0
        && fields.has_element("Connection", "upgrade")
        && fields.has_element("Upgrade", "websocket");
    if !is_upgrade || fields.one("Sec-WebSocket-Version")? != Some("13") {
        return Err(Response::wants_websocket());
    }
    let bad = |words| Err(Response::text(Status::BadRequest, words));
    let Some(key) = key(fields)? else {
        return bad("Sec-WebSocket-Key is not 16 bytes in base64");
    };
    if fields.elements("Sec-WebSocket-Protocol").next().is_some() {
        return bad("no subprotocol is known here: ask for none, JSON lines are spoken");
    }
    Ok(HttpRequest::WebSocket { key })
}

fn key<'a>(fields: Fields<'_, 'a>) -> Result<Option<&'a str>, Response> {
    let key = fields.one("Sec-WebSocket-Key")?;
    Ok(key.filter(|key| {
        STANDARD
            .decode(key)
            .is_ok_and(|bytes| bytes.len() == KEY_BYTES)
    }))
}

/// The beginning of the answer after which frames are spoken.
const UPGRADED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                        Connection: Upgrade\r\nSec-WebSocket-Accept: ";

/// Appends the answer after which frames are spoken. `accept` proves that the key was read (RFC 6455,
/// 4.2.2).
pub fn write_upgraded(accept: &str, out: &mut Vec<u8>) {
    for part in [UPGRADED, accept, "\r\n\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Whether that is what these bytes begin with. No frame does: its first bit is set.
pub fn is_upgraded(bytes: &[u8]) -> bool {
    bytes.starts_with(UPGRADED.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::http::request;
    use crate::dialect::http::testing::{LOCAL, UPGRADE, answer, code, code_of, field, head, site};

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    /// The lines of a good upgrade, with one of them replaced: by nothing if it is empty.
    fn upgrade(index: usize, line: &'static str) -> Vec<&'static str> {
        let mut lines = UPGRADE.to_vec();
        lines[index] = line;
        lines.retain(|line| !line.is_empty());
        lines
    }

    #[test]
    fn a_websocket_is_opened() {
        let good: [Vec<&str>; 7] = [
            UPGRADE.to_vec(),
            upgrade(0, "connection: keep-alive, Upgrade"),
            upgrade(0, "Connection: keep-alive\r\nConnection: uPGRADE"),
            upgrade(1, "UPGRADE: WebSocket"),
            upgrade(1, "Upgrade: h2c, websocket"),
            upgrade(3, "sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ==  "),
            [
                &UPGRADE[..],
                &[
                    "Sec-WebSocket-Extensions: permessage-deflate",
                    "Origin: http://localhost:5001",
                ],
            ]
            .concat(),
        ];
        for more in good {
            let head = head(&[&["GET /ws?x HTTP/1.1", LOCAL], &more[..]].concat());
            assert_eq!(
                request(&head, &site()),
                HttpRequest::WebSocket { key: KEY },
                "{more:?}"
            );
        }
        let mut out = Vec::new();
        write_upgraded("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
    }

    #[test]
    fn a_websocket_is_refused() {
        // D66
        let long = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSBpcyBsb25n";
        for (more, expected) in [
            (vec![], 426),
            (upgrade(0, ""), 426),
            (upgrade(0, "Connection: keep-alive"), 426),
            (upgrade(0, "Connection: not-upgrade"), 426),
            (upgrade(1, ""), 426),
            (upgrade(1, "Upgrade: h2c"), 426),
            (upgrade(2, ""), 426),
            (upgrade(2, "Sec-WebSocket-Version: 8"), 426),
            (upgrade(3, ""), 400),
            (upgrade(3, "Sec-WebSocket-Key:"), 400),
            (upgrade(3, "Sec-WebSocket-Key: c2hvcnQ="), 400),
            (upgrade(3, long), 400),
            (upgrade(3, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), 400),
            ([&UPGRADE[..], &[UPGRADE[3]]].concat(), 400),
            ([&UPGRADE[..], &["Content-Length: 5"]].concat(), 400),
            (
                [&UPGRADE[..], &["Sec-WebSocket-Protocol: chat"]].concat(),
                400,
            ),
            (
                [&UPGRADE[..], &["Sec-WebSocket-Protocol: a, b"]].concat(),
                400,
            ),
        ] {
            assert_eq!(code_of("GET /ws HTTP/1.1", &more), expected, "{more:?}");
        }
        assert_eq!(code_of("GET /ws HTTP/1.0", &UPGRADE), 426);
        let old = answer(&head(&["GET /ws HTTP/1.1", LOCAL]));
        assert_eq!(field(&old, "Upgrade"), Some("websocket"));
        assert_eq!(field(&old, "Sec-WebSocket-Version"), Some("13"));
        assert_eq!(field(&old, "Connection"), Some("close, upgrade"));
        assert_eq!(
            code(&head(&[&["GET /ws HTTP/1.1"], &UPGRADE[..]].concat())),
            400
        );
    }
}
