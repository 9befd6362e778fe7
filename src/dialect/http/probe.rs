//! [`probe`]: what is asked of the port for monitoring, which is another than the one people come to. Whoever
//! reaches it may ask, by whatever name: a scraper is given an address by its operator. Pure.

use super::asked::Asked;
use super::request::{host, read};
use super::response::{Response, Status};

/// What there is to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probed {
    /// `/metrics`
    Metrics,
    /// `/healthz`: whether the server is there for everybody.
    Health,
}

/// The answer to a head: `answer` makes it, unless the head is wrong or asks for what is not there.
pub fn probe(head: &[u8], answer: impl FnOnce(Probed) -> Response) -> Response {
    read(head, route)
        .map_or_else(|refused| refused, answer)
        .answering(head)
}

fn route(asked: &Asked<'_, '_>) -> Result<Probed, Response> {
    host(asked)?;
    let probed = match asked.path {
        "/metrics" => Probed::Metrics,
        "/healthz" => Probed::Health,
        _ => {
            let words = "there is /metrics and /healthz here, and nothing else";
            return Err(Response::text(Status::NotFound, words));
        }
    };
    if !["GET", "HEAD"].contains(&asked.method) {
        return Err(Response::allows("GET, HEAD"));
    }
    asked.fields.expect_no_body()?;
    Ok(probed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::http::testing::{LOCAL, field, head, shown};

    fn answered(lines: &[&str]) -> String {
        let made = |probed| Response::metrics(format!("{probed:?}\n"));
        shown(&probe(&head(lines), made))
    }

    #[test]
    fn what_is_there_is_told() {
        for (target, body) in [("/metrics", "Metrics"), ("/healthz?x=y", "Health")] {
            let got = answered(&[
                &format!("GET {target} HTTP/1.1"),
                "Host: scraped.example:9101",
            ]);
            assert!(got.starts_with("HTTP/1.1 200 OK\n"), "{got}");
            assert!(got.ends_with(&format!("\n\n{body}\n")), "{got}");
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            assert_eq!(field(&got, "Content-Type"), Some(kind));
        }
        assert!(answered(&["HEAD /metrics HTTP/1.0"]).ends_with("\n\n"));
    }

    #[test]
    fn nothing_else_is_told() {
        let code = |lines: &[&str]| answered(lines)[9..12].to_owned();
        for target in [
            "/",
            "/metrics/",
            "//metrics",
            "/%6detrics",
            "/rooms/lobby",
            "/ws",
            "*",
        ] {
            assert_eq!(
                code(&[&format!("GET {target} HTTP/1.1"), LOCAL]),
                "404",
                "{target}"
            );
        }
        for method in ["POST", "PUT", "get", "OPTIONS"] {
            let got = answered(&[&format!("{method} /metrics HTTP/1.1"), LOCAL]);
            assert_eq!(field(&got, "Allow"), Some("GET, HEAD"), "{got}");
        }
        let get = "GET /metrics HTTP/1.1";
        assert_eq!(code(&[get]), "400");
        assert_eq!(code(&[get, LOCAL, "Content-Length: 1"]), "400");
        assert_eq!(code(&["GET /metrics HTTP/2.0", LOCAL]), "505");
    }
}
