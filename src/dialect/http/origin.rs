//! [`Site`]: whom a browser may act for here. A browser lets any page send requests to any server; what
//! it adds to them says which page it was. Not who a person is: whoever reaches the port without a
//! browser can say what he likes. Owned by the hub.
//!
//! That `Origin` equals `Host` is not enough: a page of `evil.example` whose name is made to lead to this
//! server's address (DNS rebinding) sends its own name in both, and with a GET no `Origin` at all. So
//! `Host` must be a name that only this server bears.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::fields::Fields;
use super::page::Page;
use super::response::{Response, Status};

/// The names under which this server is trusted to be itself, beside addresses and `localhost`; and
/// what it shows.
#[derive(Debug)]
pub struct Site {
    /// In small letters. `*.example.org` stands for one more label.
    names: Vec<String>,
    page: Page,
}

impl Site {
    /// A site with these names: those of the certificate (as they stand there), and what the operator
    /// gave. See [`Site::machine_names`] for the third source.
    pub fn new(names: impl IntoIterator<Item = String>) -> Site {
        Site {
            names: names
                .into_iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            page: Page::default(),
        }
    }

    /// What a machine of this name is called: so; without its domain; and so by multicast DNS.
    pub fn machine_names(host_name: &str) -> Vec<String> {
        let label = host_name.split('.').next().unwrap_or_default();
        if label.is_empty() {
            return Vec::new();
        }
        vec![host_name.into(), label.into(), format!("{label}.local")]
    }

    /// What it shows.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// # Errors
    /// 403: `host` is no name of this server, or the page from which a browser sends this is not ours.
    pub(super) fn admit(
        &self,
        host: Option<Authority<'_>>,
        fields: Fields<'_, '_>,
    ) -> Result<(), Response> {
        let Some(host) = host else {
            return Err(Response::text(Status::Forbidden, "say Host: here"));
        };
        // Nobody can make an address lead elsewhere.
        if let HostName::Registered(name) = host.name
            && !self.bears(name)
        {
            return Err(unknown_name(name));
        }
        let origin = fields.one("Origin")?;
        let site = fields.one("Sec-Fetch-Site")?;
        let is_ours = origin.is_none_or(|origin| is_of(origin, host))
            && site.is_none_or(|site| ["same-origin", "none"].contains(&site));
        if is_ours {
            Ok(())
        } else {
            let words = "a page of another site may not do this";
            Err(Response::text(Status::Forbidden, words))
        }
    }

    fn bears(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let is_it = |own: &String| match own.strip_prefix("*.") {
            Some(domain) => name.split_once('.').is_some_and(|(_, rest)| rest == domain),
            None => name == *own,
        };
        name == "localhost" || self.names.iter().any(is_it)
    }
}

fn unknown_name(name: &str) -> Response {
    let words = format!(
        "this server does not know that it is {name}: if it is, start it with --web-name {name}"
    );
    Response::text(Status::Forbidden, &words)
}

/// Whether an `Origin` is the one of pages that `host` itself serves. `null` is not.
fn is_of(origin: &str, host: Authority<'_>) -> bool {
    let (authority, default_port) = match origin.split_once("://") {
        Some(("http", authority)) => (authority, 80),
        Some(("https", authority)) => (authority, 443),
        _ => return false,
    };
    Authority::read(authority).is_some_and(|origin| {
        origin.name.is_same(host.name)
            && origin.port.unwrap_or(default_port) == host.port.unwrap_or(default_port)
    })
}

/// `host[:port]` (RFC 3986, 3.2), as it stands in `Host` and `Origin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    name: HostName<'a>,
    port: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HostName<'a> {
    Address(IpAddr),
    /// Letters, digits, `-`, `_` and `.` alone.
    Registered(&'a str),
}

impl<'a> Authority<'a> {
    /// `None` if it is none.
    pub(super) fn read(text: &'a str) -> Option<Authority<'a>> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                let address: Ipv6Addr = address.parse().ok()?;
                (HostName::Address(address.into()), port)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                (HostName::read(&text[..end])?, &text[end..])
            }
        };
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits,
            None if port.is_empty() => "",
            _ => return None,
        };
        let port = match port {
            "" => None,
            digits => Some(digits.parse().ok()?),
        };
        Some(Authority { name, port })
    }
}

impl<'a> HostName<'a> {
    fn read(text: &'a str) -> Option<HostName<'a>> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.is_empty() || !text.bytes().all(is_plain) {
            return None;
        }
        let address = text.parse::<Ipv4Addr>();
        Some(address.map_or(HostName::Registered(text), |address| {
            HostName::Address(address.into())
        }))
    }

    fn is_same(self, other: HostName<'_>) -> bool {
        match (self, other) {
            (HostName::Registered(one), HostName::Registered(other)) => {
                one.eq_ignore_ascii_case(other)
            }
            (one, other) => one == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::http::testing::{UPGRADE, answer, code, code_of, head};

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table of who may act")]
    fn only_pages_of_this_server_may_act() {
        // D65. Host; what else; whether both /ws and /rooms/… are open then.
        for (host, more, is_open) in [
            ("localhost:5001", "", true),
            ("LOCALHOST", "", true),
            ("192.0.2.1:5001", "", true),
            ("[::1]:5001", "", true),
            ("box", "", true),
            ("box.local:5001", "", true),
            ("box.lan", "", true),
            ("chat.example.org:5001", "", true),
            ("a.wild.example", "", true),
            ("wild.example", "", false),
            ("a.b.wild.example", "", false),
            ("notlocalhost", "", false),
            ("localhost.evil.example", "", false),
            ("evil.example:5001", "", false),
            ("127.1", "", false),
            // DNS rebinding.
            (
                "evil.example:5001",
                "Origin: http://evil.example:5001",
                false,
            ),
            ("evil.example:5001", "Sec-Fetch-Site: same-origin", false),
            ("localhost:5001", "Origin: http://localhost:5001", true),
            ("localhost:5001", "Origin: https://LocalHost:5001", true),
            ("localhost:5001", "Origin: http://localhost:5002", false),
            ("localhost:5001", "Origin: http://localhost", false),
            ("localhost:5001", "Origin: http://127.0.0.1:5001", false),
            ("localhost:5001", "Origin: http://evil.example:5001", false),
            (
                "localhost:5001",
                "Origin: http://localhost:5001.evil.example",
                false,
            ),
            ("localhost:5001", "Origin: null", false),
            ("localhost:5001", "Origin:", false),
            ("localhost:5001", "Origin: localhost:5001", false),
            ("localhost:5001", "Origin: ftp://localhost:5001", false),
            (
                "localhost:5001",
                "Origin: chrome-extension://localhost:5001",
                false,
            ),
            ("localhost", "Origin: http://localhost", true),
            ("localhost", "Origin: https://localhost:443", true),
            ("localhost:80", "Origin: http://localhost", true),
            ("localhost:80", "Origin: https://localhost", false),
            ("[::1]:5001", "Origin: http://[::1]:5001", true),
            ("[0:0::1]:5001", "Origin: http://[::1]:5001", true),
            ("chat.example.org", "Origin: https://chat.example.org", true),
            ("localhost:5001", "Sec-Fetch-Site: same-origin", true),
            ("localhost:5001", "Sec-Fetch-Site: none", true),
            ("localhost:5001", "Sec-Fetch-Site: same-site", false),
            ("localhost:5001", "Sec-Fetch-Site: cross-site", false),
            (
                "localhost:5001",
                "Origin: http://localhost:5001\r\nSec-Fetch-Site: cross-site",
                false,
            ),
        ] {
            let host = format!("Host: {host}");
            let more: Vec<&str> = [more].into_iter().filter(|more| !more.is_empty()).collect();
            let opening = [&["GET /ws HTTP/1.1", &host], &more[..], &UPGRADE].concat();
            assert_eq!(
                code(&head(&opening)),
                if is_open { 101 } else { 403 },
                "{opening:?}"
            );
            let post = "POST /rooms/lobby?name=ann HTTP/1.1";
            let posting = [&[post, &host, "Content-Length: 2"], &more[..]].concat();
            assert_eq!(
                code(&head(&posting)),
                if is_open { 201 } else { 403 },
                "{posting:?}"
            );
            let reading = [&["GET /rooms/lobby HTTP/1.1", &host], &more[..]].concat();
            assert_eq!(
                code(&head(&reading)),
                if is_open { 200 } else { 403 },
                "{reading:?}"
            );
        }
        let twice = "Origin: http://localhost:5001\r\nOrigin: http://localhost:5001";
        assert_eq!(code_of("GET /rooms/lobby HTTP/1.1", &[twice]), 400);
        assert_eq!(code(&head(&["GET /rooms/lobby HTTP/1.0"])), 403);
        let got = answer(&head(&[
            "GET /rooms/lobby HTTP/1.1",
            "Host: my.example:5001",
        ]));
        assert!(
            got.ends_with("start it with --web-name my.example\n"),
            "{got}"
        );
        assert!(Site::machine_names("").is_empty());
    }
}
