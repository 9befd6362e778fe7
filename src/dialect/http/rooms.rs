//! `/rooms/ROOM`: saying something in a room without entering it, and reading what was said. What is
//! asked, not whether it may be had: names, password and rates are for the hub. Pure.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use super::asked::{Asked, History, HttpRequest, Post};
use super::body::BODY_BYTES_MAX;
use super::fields::Fields;
use super::response::{Response, Status};

/// Reads a request for what stands behind `/rooms/`.
///
/// # Errors
/// No path of a room: 404. Another method: 405. Something is missing or wrong: 400, 411, 413 or 417.
pub(super) fn room<'a>(
    segment: &'a str,
    asked: &Asked<'_, 'a>,
) -> Result<HttpRequest<'a>, Response> {
    if segment.is_empty() || segment.contains('/') {
        return Err(Response::refused(Status::NotFound));
    }
    match asked.method {
        "POST" => post(room_name(segment)?, asked).map(HttpRequest::Post),
        "GET" | "HEAD" => history(room_name(segment)?, asked).map(HttpRequest::History),
        _ => Err(Response::allows("GET, HEAD, POST")),
    }
}

fn post<'a>(room: Cow<'a, str>, asked: &Asked<'_, 'a>) -> Result<Post<'a>, Response> {
    let Some(name) = parameter(asked.query, "name")? else {
        let usage = "say who says it: POST /rooms/ROOM?name=NAME";
        return Err(Response::text(Status::BadRequest, usage));
    };
    let Some(body_bytes) = asked.fields.body_bytes()? else {
        return Err(Response::refused(Status::LengthRequired));
    };
    if body_bytes > BODY_BYTES_MAX {
        let words = format!("a body has at most {BODY_BYTES_MAX} bytes");
        return Err(Response::text(Status::ContentTooLarge, &words));
    }
    Ok(Post {
        room,
        name,
        password: password(asked.fields)?,
        body_bytes,
        awaits_continue: awaits_continue(asked)?,
    })
}

fn history<'a>(room: Cow<'a, str>, asked: &Asked<'_, 'a>) -> Result<History<'a>, Response> {
    asked.fields.expect_no_body()?;
    Ok(History {
        room,
        since: number(asked.query, "since")?,
        limit: number(asked.query, "limit")?,
        password: password(asked.fields)?,
        is_head_only: asked.method == "HEAD",
    })
}

/// What a segment of a path calls. Nothing is replaced in it: what is no name is refused as one.
fn room_name(segment: &str) -> Result<Cow<'_, str>, Response> {
    let decoded = percent_decode_str(segment).decode_utf8();
    let name = decoded.map_err(|_| bad_parameter("the room"))?;
    Ok(match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.strip_prefix('#').unwrap_or(name)),
        Cow::Owned(name) => Cow::Owned(name.strip_prefix('#').map(String::from).unwrap_or(name)),
    })
}

/// The value of a parameter that may stand there once. Others are ignored.
fn parameter<'a>(query: &'a str, wanted: &str) -> Result<Option<Cow<'a, str>>, Response> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
    match (values.next(), values.next()) {
        (first, None) => Ok(first.map(|(_, value)| value)),
        (_, Some(_)) => Err(bad_parameter(wanted)),
    }
}

fn number<T: std::str::FromStr>(query: &str, wanted: &str) -> Result<Option<T>, Response> {
    let value = parameter(query, wanted)?;
    let number = value.map(|text| text.parse().map_err(|_| bad_parameter(wanted)));
    number.transpose()
}

fn bad_parameter(name: &str) -> Response {
    Response::text(
        Status::BadRequest,
        &format!("{name} is not as it should be"),
    )
}

/// The password of a Basic authorization (RFC 7617); its user is ignored. What is not one counts as
/// none: then it is asked for.
fn password(fields: Fields<'_, '_>) -> Result<Option<String>, Response> {
    let value = fields.one("Authorization")?;
    let credentials = value.and_then(|value| {
        let (scheme, encoded) = value.split_once(' ')?;
        let is_basic = scheme.eq_ignore_ascii_case("Basic");
        let decoded = is_basic.then(|| STANDARD.decode(encoded.trim()).ok());
        String::from_utf8(decoded??).ok()
    });
    let password = credentials.and_then(|text| Some(text.split_once(':')?.1.to_owned()));
    Ok(password)
}

/// Whether the body waits for a word of ours (RFC 9110, 10.1.1). HTTP/1.0 does not.
fn awaits_continue(asked: &Asked<'_, '_>) -> Result<bool, Response> {
    match asked.fields.one("Expect")? {
        None => Ok(false),
        Some(expected) if expected.eq_ignore_ascii_case("100-continue") => {
            Ok(asked.minor_version > 0)
        }
        Some(_) => Err(Response::refused(Status::ExpectationFailed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::http::request;
    use crate::dialect::http::testing::{LOCAL, code_of, head, site};

    const ELEVEN: &str = "Content-Length: 11";

    /// A post without a password, or with `open: ä`.
    fn post(room: &'static str, name: &'static str, has_password: bool) -> Post<'static> {
        Post {
            room: room.into(),
            name: name.into(),
            password: has_password.then(|| "open: ä".into()),
            body_bytes: 11,
            awaits_continue: false,
        }
    }

    #[test]
    fn a_post_is_read() {
        // `printf 'cron:open: ä' | base64`
        let basic = "Authorization: basic Y3JvbjpvcGVuOiDDpA==";
        for (line, more, expected) in [
            (
                "lobby?name=cron HTTP/1.1",
                "X: y",
                post("lobby", "cron", false),
            ),
            (
                "%23%C3%bcber?x&name=J%c3%b6+n%26&since=no HTTP/1.1",
                basic,
                post("über", "Jö n&", true),
            ),
            ("#a%2Fb?name= HTTP/1.0", basic, post("a/b", "", true)),
            (
                "lobby?name=a HTTP/1.1",
                "Authorization: Bearer Y3JvbjpvcGVu",
                post("lobby", "a", false),
            ),
            (
                "lobby?name=a HTTP/1.1",
                "Authorization: Basic",
                post("lobby", "a", false),
            ),
            (
                "lobby?name=a HTTP/1.1",
                "Authorization: Basic !",
                post("lobby", "a", false),
            ),
            (
                "lobby?name=a HTTP/1.1",
                "Authorization: Basic Y3Jvbg==",
                post("lobby", "a", false),
            ),
            (
                "lobby?name=a HTTP/1.1",
                "Authorization: Basic /zp4",
                post("lobby", "a", false),
            ),
        ] {
            let head = head(&[&format!("POST /rooms/{line}"), LOCAL, ELEVEN, more]);
            assert_eq!(
                request(&head, &site()),
                HttpRequest::Post(expected),
                "{line} {more}"
            );
        }
    }

    #[test]
    fn a_body_may_wait_for_a_word_of_ours() {
        let expects = "Expect: 100-Continue";
        for (version, awaits_continue) in [("1.1", true), ("1.0", false)] {
            let line = format!("POST /rooms/lobby?name=ann HTTP/{version}");
            let head = head(&[&line, LOCAL, ELEVEN, expects]);
            let expected = Post {
                awaits_continue,
                ..post("lobby", "ann", false)
            };
            assert_eq!(request(&head, &site()), HttpRequest::Post(expected));
        }
    }

    #[test]
    fn a_post_is_refused() {
        for (line, more, expected) in [
            ("POST /rooms/lobby HTTP/1.1", &[ELEVEN][..], 400),
            ("POST /rooms/lobby?Name=a HTTP/1.1", &[ELEVEN], 400),
            ("POST /rooms/lobby?name=a&name=b HTTP/1.1", &[ELEVEN], 400),
            ("POST /rooms/%FF?name=a HTTP/1.1", &[ELEVEN], 400),
            ("POST /rooms/lobby?name=a HTTP/1.1", &[], 411),
            (
                "POST /rooms/lobby?name=a HTTP/1.1",
                &["Transfer-Encoding: chunked"],
                400,
            ),
            (
                "POST /rooms/lobby?name=a HTTP/1.1",
                &["Transfer-Encoding: chunked", ELEVEN],
                400,
            ),
            ("POST /rooms/lobby?name=a HTTP/1.1", &[ELEVEN, ELEVEN], 400),
            (
                "POST /rooms/lobby?name=a HTTP/1.1",
                &["Content-Length: -1"],
                400,
            ),
            (
                "POST /rooms/lobby?name=a HTTP/1.1",
                &["Content-Length: 65536"],
                201,
            ),
            (
                "POST /rooms/lobby?name=a HTTP/1.1",
                &["Content-Length: 65537"],
                413,
            ),
            (
                "POST /rooms/lobby?name=a HTTP/1.1",
                &["Content-Length: 99999999999999999999"],
                413,
            ),
            (
                "POST /rooms/lobby?name=a HTTP/1.1",
                &[ELEVEN, "Expect: more"],
                417,
            ),
        ] {
            assert_eq!(code_of(line, more), expected, "{line} {more:?}");
        }
    }

    #[test]
    fn history_is_read() {
        let history = |room: &'static str, since: Option<&str>, limit, is_head_only| {
            HttpRequest::History(History {
                room: room.into(),
                since: since.map(|id| id.parse().unwrap()),
                limit,
                password: None,
                is_head_only,
            })
        };
        for (line, expected) in [
            (
                "GET /rooms/lobby HTTP/1.1",
                history("lobby", None, None, false),
            ),
            (
                "HEAD /rooms/%6Fps? HTTP/1.1",
                history("ops", None, None, true),
            ),
            (
                "GET /rooms/ops?limit=7&since=1790000000123-7&name=x HTTP/1.1",
                history("ops", Some("1790000000123-7"), Some(7), false),
            ),
        ] {
            assert_eq!(request(&head(&[line, LOCAL]), &site()), expected, "{line}");
        }
        for query in [
            "limit=",
            "limit=-1",
            "limit=a",
            "since=",
            "since=1",
            "limit=1&limit=1",
        ] {
            let line = format!("GET /rooms/lobby?{query} HTTP/1.1");
            assert_eq!(code_of(&line, &[]), 400, "{query}");
        }
        assert_eq!(
            code_of("GET /rooms/lobby HTTP/1.1", &["Content-Length: 1"]),
            400
        );
    }
}
