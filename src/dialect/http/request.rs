//! [`request`]: what a head asks for, and the answer to whatever needs no more than that. Not the
//! rules of a room or of a WebSocket (`rooms`, `upgrade`), not who may ask (`origin`). Pure.

use httparse::{EMPTY_HEADER, Error, Request};

use super::asked::{Asked, HttpRequest};
use super::fields::Fields;
use super::origin::{Authority, Site};
use super::page::File;
use super::response::{Response, Status};
use super::{rooms, upgrade};

/// The longest target (path and query) of a request, in bytes.
pub const TARGET_BYTES_MAX: usize = 1024;
/// The most fields in a head.
pub const HEADERS_MAX: usize = 64;

/// What the head of a request asks of this site.
pub fn request<'a>(head: &'a [u8], site: &Site) -> HttpRequest<'a> {
    read(head, |asked| route(asked, site))
        .unwrap_or_else(|response| HttpRequest::Answer(response.answering(head)))
}

/// How long the target of a request is, in bytes, or the beginning of it.
pub(super) fn target_bytes(head: &[u8]) -> usize {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    line.split(|&byte| byte == b' ')
        .nth(1)
        .map_or(0, <[u8]>::len)
}

/// Reads a head, and lets `route` say what it asks for.
///
/// # Errors
/// It cannot be understood, or is refused: with this answer.
pub(super) fn read<'a, T>(
    head: &'a [u8],
    route: impl FnOnce(&Asked<'_, 'a>) -> Result<T, Response>,
) -> Result<T, Response> {
    if target_bytes(head) > TARGET_BYTES_MAX {
        return Err(Response::refused(Status::UriTooLong));
    }
    let mut fields = [EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = Request::new(&mut fields);
    let parsing = parsed.parse(head).map_err(|error| fault(error, head))?;
    let (Some(method), Some(target), Some(minor_version), true) = (
        parsed.method,
        parsed.path,
        parsed.version,
        parsing.is_complete(),
    ) else {
        return Err(Response::refused(Status::BadRequest));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let asked = Asked {
        method,
        path,
        query,
        minor_version,
        fields: Fields::new(parsed.headers),
    };
    route(&asked)
}

/// Paths are compared as they are: what is spelt in another way is something else.
fn route<'a>(asked: &Asked<'_, 'a>, site: &Site) -> Result<HttpRequest<'a>, Response> {
    let host = host(asked)?;
    if let Some(segment) = asked.path.strip_prefix("/rooms/") {
        site.admit(host, asked.fields)?;
        return rooms::room(segment, asked);
    }
    if asked.path == "/ws" {
        site.admit(host, asked.fields)?;
        return upgrade::websocket(asked);
    }
    // Browsers and robots ask for these unbidden.
    if ["/favicon.ico", "/robots.txt"].contains(&asked.path) {
        return Err(Response::empty(Status::NotFound));
    }
    let Some(file) = File::ALL.into_iter().find(|file| file.path() == asked.path) else {
        return Err(Response::text(Status::NotFound, "there is nothing here"));
    };
    if !["GET", "HEAD"].contains(&asked.method) {
        return Err(Response::allows("GET, HEAD"));
    }
    asked.fields.expect_no_body()?;
    Err(site.page().answer(file, asked.fields))
}

/// Whom the request takes this server for. HTTP/1.1 must say it, nobody may say it twice, or in a way
/// that cannot be understood (RFC 9112, 3.2).
pub(super) fn host<'a>(asked: &Asked<'_, 'a>) -> Result<Option<Authority<'a>>, Response> {
    let bad = || Response::text(Status::BadRequest, "Host is missing or wrong");
    match asked.fields.one("Host")? {
        Some(host) => Authority::read(host).map(Some).ok_or_else(bad),
        None if asked.minor_version == 0 => Ok(None),
        None => Err(bad()),
    }
}

fn fault(error: Error, head: &[u8]) -> Response {
    Response::refused(match error {
        Error::TooManyHeaders => Status::HeadersTooLarge,
        Error::Version if names_a_version(head) => Status::VersionNotSupported,
        _ => Status::BadRequest,
    })
}

/// Whether the first line ends with a version of HTTP, as in `PRI * HTTP/2.0`.
fn names_a_version(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let word = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    matches!(word, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::http::testing::{LOCAL, SECURITY, answer, code, code_of, field, head};

    #[test]
    fn what_is_not_there() {
        let nothing = format!(
            "HTTP/1.1 404 Not Found\nConnection: close\nCache-Control: no-store\n\
             Content-Type: text/plain; charset=utf-8\nContent-Length: 22\n{SECURITY}\n"
        );
        let body = "there is nothing here\n";
        for path in [
            "//",
            "/%2e",
            "/index.html",
            "/../x",
            "/%61pp.js",
            "/app.js/",
            "/APP.JS",
            "/ws/",
            "/rooms",
            "http://localhost:5001/",
            "*",
            "/./app.js",
        ] {
            let got = answer(&head(&[&format!("GET {path} HTTP/1.1"), LOCAL]));
            assert_eq!(got, format!("{nothing}{body}"), "{path}");
        }
        assert_eq!(answer(&head(&["HEAD /nothing HTTP/1.1", LOCAL])), nothing);
        for path in ["/favicon.ico", "/robots.txt?x"] {
            assert_eq!(
                answer(&head(&[&format!("GET {path} HTTP/1.1"), LOCAL])),
                format!(
                    "HTTP/1.1 404 Not Found\nConnection: close\nCache-Control: no-store\n\
                     Content-Length: 0\n{SECURITY}\n"
                )
            );
        }
        for path in ["/rooms/", "/rooms/a/b", "/rooms/../app.js"] {
            assert_eq!(code_of(&format!("GET {path} HTTP/1.1"), &[]), 404, "{path}");
        }
    }

    #[test]
    fn other_methods_are_told_which_there_are() {
        for (path, allowed) in [
            ("/", "GET, HEAD"),
            ("/style.css", "GET, HEAD"),
            ("/ws", "GET"),
            ("/rooms/lobby", "GET, HEAD, POST"),
        ] {
            for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get"] {
                let length = "Content-Length: 70000";
                let got = answer(&head(&[
                    &format!("{method} {path} HTTP/1.1"),
                    LOCAL,
                    length,
                ]));
                if method == "POST" && path == "/rooms/lobby" {
                    continue;
                }
                assert!(
                    got.starts_with("HTTP/1.1 405 Method Not Allowed\n"),
                    "{got}"
                );
                assert_eq!(field(&got, "Allow"), Some(allowed), "{method} {path}");
            }
        }
        assert_eq!(code_of("HEAD /ws HTTP/1.1", &[]), 405);
    }

    #[test]
    fn what_is_wrong_with_a_head() {
        // D41
        let many = |count| vec!["X: y"; count];
        assert_eq!(code_of("GET / HTTP/1.1", &many(HEADERS_MAX - 1)), 200);
        assert_eq!(code_of("GET / HTTP/1.1", &many(HEADERS_MAX)), 431);
        let target = |bytes: usize| format!("GET /?{} HTTP/1.1", "x".repeat(bytes - 2));
        assert_eq!(code_of(&target(TARGET_BYTES_MAX), &[]), 200);
        assert_eq!(code_of(&target(TARGET_BYTES_MAX + 1), &[]), 414);
        for (line, expected) in [
            ("PRI * HTTP/2.0", 505),
            ("GET / HTTP/2.0", 505),
            ("GET / HTTP/1.2", 505),
            ("GET / HTTP/1.0", 200),
            ("GET / HTTP/11", 400),
            ("GET / FTP/1.0", 400),
            ("GET /", 400),
            ("GET  / HTTP/1.1", 400),
            ("GET / HTTP/1.1 ", 400),
            ("G@T / HTTP/1.1", 400),
            ("G\0T / HTTP/1.1", 400),
            ("GET /\0 HTTP/1.1", 400),
        ] {
            assert_eq!(code_of(line, &[]), expected, "{line:?}");
        }
        for line in [
            "X: a\r\n folded",
            " X: a",
            "X: a\0b",
            "X: a\rb",
            "X : a",
            "X",
            ": a",
            LOCAL,
            "Content-Length: 5",
            "Content-Length: +5",
            "Content-Length: 0, 0",
            "Content-Length:",
            "Content-Length: 99999999999999999999999",
            "Content-Length: 0\r\nContent-Length: 0",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: identity",
        ] {
            assert_eq!(code_of("GET / HTTP/1.1", &[line]), 400, "{line:?}");
        }
    }

    #[test]
    fn a_host_is_one_and_can_be_understood() {
        for host in [
            "X: y",
            "Host:",
            "Host: :80",
            "Host: a b",
            "Host: a,b",
            "Host: a/b",
            "Host: u@a",
            "Host: a:b",
            "Host: a:65536",
            "Host: [::1",
            "Host: [::g]",
            "Host: [::1]80",
            "Host: ::1",
            "Host: a:1:2",
            "Host: bücher.example",
        ] {
            assert_eq!(code(&head(&["GET / HTTP/1.1", host])), 400, "{host}");
        }
    }

    #[test]
    fn half_a_head_is_none() {
        for bad in ["", "\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n"] {
            assert_eq!(code(bad.as_bytes()), 400);
        }
    }
}
