//! [`Head`]: collects the head of a request, in whatever pieces it comes. It looks at each byte once,
//! so a head that comes byte by byte costs no more than another, and understands nothing of it but
//! where it ends. Owned by a session until the request is answered.

use memchr::memchr_iter;

use super::request::{TARGET_BYTES_MAX, target_bytes};
use super::response::{Response, Status};

/// The longest head, in bytes, with the empty line that ends it.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

const END: &[u8] = b"\r\n\r\n";

/// The head so far.
#[derive(Debug, Default)]
pub struct Head {
    bytes: Vec<u8>,
}

/// What a piece made of the head.
#[derive(Debug, PartialEq, Eq)]
pub enum Collected {
    /// The end has not come yet.
    More,
    /// It is whole: [`Head::bytes`]. The last `rest` bytes of this piece are behind it.
    Whole {
        /// So many bytes of the piece are not of the head.
        rest: usize,
    },
    /// It never will be: this is the answer.
    Bad(Response),
}

impl Head {
    /// Takes the next bytes. Not to be called again after anything but [`Collected::More`].
    ///
    /// A line that does not end with CR LF is bad at once (RFC 9112, 2.2 lets a server take a bare LF;
    /// one who waits for CR LF CR LF would wait for ever).
    pub fn take(&mut self, piece: &[u8]) -> Collected {
        let old = self.bytes.len();
        let taken = piece.len().min(HEAD_BYTES_MAX - old);
        self.bytes.extend_from_slice(&piece[..taken]);
        for offset in memchr_iter(b'\n', &piece[..taken]) {
            let read = &self.bytes[..=old + offset];
            if read.ends_with(END) {
                let rest = piece.len() - (offset + 1);
                self.bytes.truncate(old + offset + 1);
                return Collected::Whole { rest };
            }
            if !read.ends_with(b"\r\n") {
                return self.bad(Status::BadRequest);
            }
        }
        if self.bytes.len() < HEAD_BYTES_MAX {
            Collected::More
        } else if target_bytes(&self.bytes) > TARGET_BYTES_MAX {
            self.bad(Status::UriTooLong)
        } else {
            self.bad(Status::HeadersTooLarge)
        }
    }

    /// What was taken, without anything behind the head.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn bad(&self, status: Status) -> Collected {
        Collected::Bad(Response::refused(status).answering(&self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::dialect::http::testing::{LOCAL, code, head, shown};

    /// What became of a stream in these pieces: how many of its bytes are the head, or what was answered.
    fn collected(stream: &[u8], pieces: impl IntoIterator<Item = usize>) -> Result<usize, String> {
        let mut head = Head::default();
        let mut taken = 0;
        let mut pieces = pieces.into_iter();
        while taken < stream.len() {
            let piece = pieces
                .next()
                .unwrap_or(usize::MAX)
                .clamp(1, stream.len() - taken);
            let piece = &stream[taken..taken + piece];
            taken += piece.len();
            match head.take(piece) {
                Collected::More => {}
                Collected::Whole { rest } => {
                    let end = taken - rest;
                    assert_eq!(head.bytes(), &stream[..end]);
                    return Ok(end);
                }
                Collected::Bad(response) => return Err(shown(&response)),
            }
        }
        Err("more".into())
    }

    #[test]
    fn a_head_has_an_end() {
        let whole = head(&["GET / HTTP/1.1", LOCAL]);
        let followed = [&whole[..], b"GET /again HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(collected(&followed, []), Ok(whole.len()));
        let status = |stream: &str| {
            let told = collected(stream.as_bytes(), []).unwrap_err();
            told.lines().next().unwrap().to_owned()
        };
        let filler = "x".repeat(HEAD_BYTES_MAX);
        let exact = format!(
            "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
            &filler[..HEAD_BYTES_MAX - 23]
        );
        assert_eq!(collected(exact.as_bytes(), []), Ok(HEAD_BYTES_MAX));
        let over = exact.replacen("x", "xx", 1);
        assert_eq!(
            status(&over),
            "HTTP/1.1 431 Request Header Fields Too Large"
        );
        assert_eq!(
            status(&format!("GET {filler}")),
            "HTTP/1.1 414 URI Too Long"
        );
        assert_eq!(
            status(&format!("GET / {filler}")),
            "HTTP/1.1 431 Request Header Fields Too Large"
        );
        assert_eq!(
            status("GET / HTTP/1.1\r\nHost: a\n\n"),
            "HTTP/1.1 400 Bad Request"
        );
        assert_eq!(status("GET / HTTP/1.1\r\n\n"), "HTTP/1.1 400 Bad Request");
        assert_eq!(status("GET / HTTP/1.1\r\n"), "more");
        let headless = collected(format!("HEAD {filler}").as_bytes(), []).unwrap_err();
        assert!(headless.ends_with("\n\n"), "{headless}");
    }

    #[allow(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        reason = "a test says how it is replayed"
    )]
    fn random() -> Rng {
        let seed = std::env::var("TEST_HTTP_SEED")
            .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
        println!("to replay: TEST_HTTP_SEED={seed} cargo test --lib dialect::http");
        Rng::with_seed(seed)
    }

    #[test]
    fn every_split_gives_the_same_as_the_whole() {
        let mut random = random();
        let parts = [
            "GET / HTTP/1.1\r\n",
            "HEAD /ws HTTP/1.0\r\n",
            "Host: localhost\r\n",
            "\r\n",
            "\r",
            "\n",
            "X: y",
            "\r\n\r\n",
            " ",
            "POST /rooms/lobby?name=ann HTTP/1.1\r\n",
            "\0",
            "Content-Length: 3\r\n",
        ];
        for _ in 0..2_000 {
            let mut stream = String::from(parts[random.usize(0..2)]);
            for _ in 0..random.usize(0..10) {
                stream.push_str(parts[random.usize(0..parts.len())]);
            }
            if random.u8(0..20) == 0 {
                stream.push_str(&"z".repeat(random.usize(0..2 * HEAD_BYTES_MAX)));
            }
            for _ in 0..random.usize(0..4) {
                stream.push_str(parts[random.usize(0..parts.len())]);
            }
            let stream = stream.as_bytes();
            let whole = collected(stream, []);
            assert_eq!(collected(stream, std::iter::repeat(1)), whole);
            let most = random.usize(1..=stream.len());
            let pieces: Vec<usize> = (0..stream.len()).map(|_| random.usize(1..=most)).collect();
            assert_eq!(collected(stream, pieces), whole);
            if let Ok(end) = whole {
                // Any head has one answer, or asks for something.
                code(&stream[..end]);
            }
        }
    }
}
