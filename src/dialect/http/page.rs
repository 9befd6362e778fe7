//! [`Page`]: the files of the web page, which are part of the program, and the tags by which a browser
//! knows that it has them already. Not who may have them: everybody. Owned by [`super::Site`].

use std::hash::{DefaultHasher, Hasher};

use super::fields::Fields;
use super::response::{Response, Status};

/// A file of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// `/`
    Index,
    /// `/app.js`
    Script,
    /// `/style.css`
    Style,
}

impl File {
    /// All of them.
    pub const ALL: [File; 3] = [File::Index, File::Script, File::Style];

    /// Where it is. No other spelling of it leads there.
    pub fn path(self) -> &'static str {
        match self {
            File::Index => "/",
            File::Script => "/app.js",
            File::Style => "/style.css",
        }
    }

    /// What is in it.
    pub fn bytes(self) -> &'static [u8] {
        match self {
            File::Index => include_bytes!("../../web/index.html"),
            File::Script => include_bytes!("../../web/app.js"),
            File::Style => include_bytes!("../../web/style.css"),
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            File::Index => "text/html; charset=utf-8",
            File::Script => "text/javascript; charset=utf-8",
            File::Style => "text/css; charset=utf-8",
        }
    }
}

/// The files with their tags. Made once: the hashes are computed then.
#[derive(Debug)]
pub struct Page {
    tags: [String; File::ALL.len()],
}

impl Default for Page {
    fn default() -> Page {
        Page {
            tags: File::ALL.map(|file| tag(file.bytes())),
        }
    }
}

impl Page {
    /// The file, or that the one who asks has it already.
    pub(super) fn answer(&self, file: File, fields: Fields<'_, '_>) -> Response {
        let tag = &self.tags[file as usize];
        // Compared weakly, as RFC 9110, 13.1.2 wants it. No tag of ours has a comma in it.
        let is_known = fields
            .elements("If-None-Match")
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag);
        let response = if is_known {
            Response::empty(Status::NotModified)
        } else {
            Response::file(file.content_type(), file.bytes())
        };
        response.revalidated_by(tag.clone())
    }
}

/// A strong tag. Another build may give another one to the same bytes, which costs one download.
fn tag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("\"{:016x}\"", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::http::testing::{LOCAL, SECURITY, answer, code, code_of, field, head};

    #[test]
    fn the_page_is_served() {
        for (path, file, kind) in [
            ("/", File::Index, "text/html"),
            ("/app.js", File::Script, "text/javascript"),
            ("/style.css", File::Style, "text/css"),
        ] {
            let whole = answer(&head(&[&format!("GET {path} HTTP/1.1"), LOCAL]));
            let tag = field(&whole, "ETag").unwrap();
            let length = file.bytes().len();
            let headers = format!(
                "HTTP/1.1 200 OK\nConnection: close\nCache-Control: no-cache\nETag: {tag}\n\
                 Content-Type: {kind}; charset=utf-8\nContent-Length: {length}\n{SECURITY}\n"
            );
            let body = str::from_utf8(file.bytes()).unwrap();
            assert_eq!(whole, format!("{headers}{body}"));
            assert_eq!(
                answer(&head(&[&format!("HEAD {path} HTTP/1.1"), LOCAL])),
                headers
            );

            // D46: what the browser has already.
            let unchanged = format!(
                "HTTP/1.1 304 Not Modified\nConnection: close\nCache-Control: no-cache\nETag: {tag}\n\
                 {SECURITY}\n"
            );
            let get = format!("GET {path}?v=2 HTTP/1.1");
            for known in [tag, "*", &format!("W/{tag}"), &format!("\"old\", {tag}")] {
                let known = format!("if-none-match: {known}");
                assert_eq!(answer(&head(&[&get, LOCAL, &known])), unchanged);
            }
            for known in ["\"old\"", "", "0"] {
                let known = format!("If-None-Match: {known}");
                assert_eq!(answer(&head(&[&get, LOCAL, &known])), whole);
            }
        }
    }

    #[test]
    fn the_page_is_for_everybody() {
        // Whoever came by a link, or by a name that is not known: only what can be done there asks more.
        for more in ["Sec-Fetch-Site: cross-site", "Origin: http://evil.example"] {
            assert_eq!(code_of("GET / HTTP/1.1", &[more]), 200);
        }
        assert_eq!(code(&head(&["GET / HTTP/1.1", "Host: evil.example"])), 200);
        assert_eq!(code(&head(&["GET / HTTP/1.0"])), 200);
        assert_eq!(code_of("GET / HTTP/1.1", &["Content-Length: 0"]), 200);
        assert_eq!(
            code_of("GET / HTTP/1.1", &["Upgrade: h2c", "Connection: Upgrade"]),
            200
        );
    }
}
