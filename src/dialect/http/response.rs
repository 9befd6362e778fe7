//! [`Response`]: an answer, and how it is written, with all that stands in every answer. Not which
//! answer is due. Made for one connection, which ends with it.

use std::borrow::Cow;

/// What says to a client that waits with its body that it shall send it (RFC 9110, 10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const TEXT: &str = "text/plain; charset=utf-8";
/// Prometheus' text format (prometheus.io, "Exposition formats").
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON_LINES: &str = "application/x-ndjson; charset=utf-8";

/// In every answer. The connection ends with it; nothing of it is taken for anything but what it is
/// called, or put into a page of somebody else; and the page runs, loads and reaches only what comes
/// from here.
const ALWAYS: &str = "\
    X-Content-Type-Options: nosniff\r\n\
    Referrer-Policy: no-referrer\r\n\
    Cross-Origin-Opener-Policy: same-origin\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'\r\n";

/// How it went (RFC 9110, 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 200
    Ok,
    /// 201: what was posted is said.
    Created,
    /// 304: it is as it was.
    NotModified,
    /// 400
    BadRequest,
    /// 401: see [`Response::wants_password`].
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 408: the rest of a request did not come in time.
    RequestTimeout,
    /// 409: the name is a member's.
    Conflict,
    /// 411
    LengthRequired,
    /// 413
    ContentTooLarge,
    /// 414
    UriTooLong,
    /// 417
    ExpectationFailed,
    /// 426: see [`Response::wants_websocket`] and [`Response::wants_tls`].
    UpgradeRequired,
    /// 429: see [`Response::retry_after`].
    TooManyRequests,
    /// 431
    HeadersTooLarge,
    /// 503: full, busy, or on its way out.
    Unavailable,
    /// 505
    VersionNotSupported,
}

impl Status {
    /// As a number.
    pub fn code(self) -> u16 {
        self.code_and_reason().0
    }

    fn code_and_reason(self) -> (u16, &'static str) {
        match self {
            Status::Ok => (200, "OK"),
            Status::Created => (201, "Created"),
            Status::NotModified => (304, "Not Modified"),
            Status::BadRequest => (400, "Bad Request"),
            Status::Unauthorized => (401, "Unauthorized"),
            Status::Forbidden => (403, "Forbidden"),
            Status::NotFound => (404, "Not Found"),
            Status::MethodNotAllowed => (405, "Method Not Allowed"),
            Status::RequestTimeout => (408, "Request Timeout"),
            Status::Conflict => (409, "Conflict"),
            Status::LengthRequired => (411, "Length Required"),
            Status::ContentTooLarge => (413, "Content Too Large"),
            Status::UriTooLong => (414, "URI Too Long"),
            Status::ExpectationFailed => (417, "Expectation Failed"),
            Status::UpgradeRequired => (426, "Upgrade Required"),
            Status::TooManyRequests => (429, "Too Many Requests"),
            Status::HeadersTooLarge => (431, "Request Header Fields Too Large"),
            Status::Unavailable => (503, "Service Unavailable"),
            Status::VersionNotSupported => (505, "HTTP Version Not Supported"),
        }
    }
}

/// See the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    status: Status,
    content_type: &'static str,
    /// Those that not every answer has.
    fields: Vec<(&'static str, Cow<'static, str>)>,
    body: Cow<'static, [u8]>,
    is_head_only: bool,
}

impl Response {
    /// One line for people.
    pub fn text(status: Status, line: &str) -> Response {
        Response::new(status, TEXT, Cow::Owned(format!("{line}\n").into_bytes()))
    }

    /// A refusal in the words of the standard.
    pub fn refused(status: Status) -> Response {
        Response::text(status, status.code_and_reason().1)
    }

    /// JSON lines, each with its LF.
    pub fn json_lines(status: Status, lines: Vec<u8>) -> Response {
        Response::new(status, JSON_LINES, Cow::Owned(lines))
    }

    /// Metrics, as Prometheus reads them.
    pub fn metrics(text: String) -> Response {
        Response::new(Status::Ok, METRICS, Cow::Owned(text.into_bytes()))
    }

    /// 401: nothing without the password.
    pub fn wants_password() -> Response {
        let basic = "Basic realm=\"chatd\", charset=\"UTF-8\"";
        Response::text(Status::Unauthorized, "this server has a password")
            .with("WWW-Authenticate", basic)
    }

    /// 426: here is a WebSocket and nothing else (RFC 9110, 15.5.22; RFC 6455, 4.2.2).
    pub fn wants_websocket() -> Response {
        Response::text(Status::UpgradeRequired, "this is a WebSocket, version 13")
            .with("Upgrade", "websocket")
            .with("Sec-WebSocket-Version", "13")
    }

    /// 426: nothing without TLS (RFC 2817, 4.2).
    pub fn wants_tls() -> Response {
        Response::text(Status::UpgradeRequired, "use https here")
            .with("Upgrade", "TLS/1.2, HTTP/1.1")
    }

    /// 405: these methods can be used here, and that one cannot.
    pub(super) fn allows(methods: &'static str) -> Response {
        Response::refused(Status::MethodNotAllowed).with("Allow", methods)
    }

    /// Nothing but the status.
    pub(super) fn empty(status: Status) -> Response {
        Response::new(status, TEXT, Cow::Borrowed(b""))
    }

    pub(super) fn file(content_type: &'static str, bytes: &'static [u8]) -> Response {
        Response::new(Status::Ok, content_type, Cow::Borrowed(bytes))
    }

    fn new(status: Status, content_type: &'static str, body: Cow<'static, [u8]>) -> Response {
        Response {
            status,
            content_type,
            fields: Vec::new(),
            body,
            is_head_only: false,
        }
    }

    /// Says when asking again makes sense.
    pub fn retry_after(self, seconds: u64) -> Response {
        self.with("Retry-After", seconds.to_string())
    }

    /// For a request with HEAD: says all that it would say, but without the body.
    pub fn head_only(mut self, is_head_only: bool) -> Response {
        self.is_head_only = is_head_only;
        self
    }

    /// The answer to who sent this head, or the beginning of it.
    pub(super) fn answering(self, head: &[u8]) -> Response {
        self.head_only(head.starts_with(b"HEAD "))
    }

    /// May be kept, but not used without asking.
    pub(super) fn revalidated_by(self, tag: String) -> Response {
        self.with("Cache-Control", "no-cache").with("ETag", tag)
    }

    fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        self.fields.push((name, value.into()));
        self
    }

    fn has(&self, wanted: &str) -> bool {
        self.fields.iter().any(|(name, _)| *name == wanted)
    }

    /// How it went.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Appends the whole answer. Whoever writes it shuts the connection behind it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head().as_bytes());
        if !self.is_head_only {
            out.extend_from_slice(&self.body);
        }
    }

    fn head(&self) -> String {
        let (code, reason) = self.status.code_and_reason();
        // Whoever sends Upgrade names it here too (RFC 9110, 7.8).
        let connection = if self.has("Upgrade") {
            "close, upgrade"
        } else {
            "close"
        };
        let mut head = format!("HTTP/1.1 {code} {reason}\r\nConnection: {connection}\r\n");
        for (name, value) in &self.fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if !self.has("Cache-Control") {
            head.push_str("Cache-Control: no-store\r\n");
        }
        // A 304 has no body, whatever it says of its length: so it says nothing.
        if self.status != Status::NotModified {
            if !self.body.is_empty() {
                head.extend(["Content-Type: ", self.content_type, "\r\n"]);
            }
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str(ALWAYS);
        head.push_str("\r\n");
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::http::testing::{SECURITY, field, shown};

    #[test]
    fn what_the_hub_answers() {
        let done = "{\"is\":\"done\",\"id\":\"1-0\"}\n";
        let lines = Response::json_lines(Status::Created, done.into());
        let expected = format!(
            "HTTP/1.1 201 Created\nConnection: close\nCache-Control: no-store\n\
             Content-Type: application/x-ndjson; charset=utf-8\nContent-Length: 25\n\
             {SECURITY}\n{done}"
        );
        assert_eq!(shown(&lines), expected);
        let password = shown(&Response::wants_password());
        assert!(password.starts_with("HTTP/1.1 401 Unauthorized\n"));
        let basic = "Basic realm=\"chatd\", charset=\"UTF-8\"";
        assert_eq!(field(&password, "WWW-Authenticate"), Some(basic));
        let later = shown(&Response::refused(Status::TooManyRequests).retry_after(7));
        assert_eq!(field(&later, "Retry-After"), Some("7"));
        let secure = shown(&Response::wants_tls());
        assert_eq!(field(&secure, "Upgrade"), Some("TLS/1.2, HTTP/1.1"));
        let bare = shown(&Response::text(Status::NotFound, "no").head_only(true));
        assert!(bare.ends_with("\n\n") && field(&bare, "Content-Length") == Some("3"));
    }
}
