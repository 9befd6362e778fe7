//! Which language the first bytes of a connection belong to: a pure function, whatever pieces they
//! come in. No ambiguity is possible, since a name holds no blank and no control character.

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: they are the proper beginning of more than one thing.
    More,
    /// Plain text; also what is left when it is nothing else.
    Text,
    /// JSON lines.
    Json,
    /// A TLS handshake. Within TLS, or where TLS is off, that is a foreign protocol.
    Tls,
    /// An HTTP request, whatever it turns out to be: what follows is never chat.
    Http,
    /// A protocol that this server does not speak.
    Foreign(ForeignProtocol),
}

/// Another protocol that was spoken to the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignProtocol {
    /// A browser, or a tool that thinks this is one's server.
    Http,
    /// A TLS handshake.
    Tls,
    /// An SSH client.
    Ssh,
}

/// No verdict needs more than these.
pub const SNIFF_BYTES_MAX: usize = 16;

const BEGINNINGS: [(&[u8], Verdict); 13] = [
    (b"\x16\x03", Verdict::Tls),
    (b"SSH-1.", Verdict::Foreign(ForeignProtocol::Ssh)),
    (b"SSH-2.", Verdict::Foreign(ForeignProtocol::Ssh)),
    (b"GET ", Verdict::Http),
    (b"POST ", Verdict::Http),
    (b"HEAD ", Verdict::Http),
    (b"PUT ", Verdict::Http),
    (b"PATCH ", Verdict::Http),
    (b"OPTIONS ", Verdict::Http),
    (b"DELETE ", Verdict::Http),
    (b"CONNECT ", Verdict::Http),
    (b"TRACE ", Verdict::Http),
    (b"PRI ", Verdict::Http),
];

/// What the first bytes say; `ended` if no more will come. [`Verdict::More`] only for fewer than
/// [`SNIFF_BYTES_MAX`] bytes. A verdict stays the same whatever comes behind these bytes.
pub fn verdict(first: &[u8], ended: bool) -> Verdict {
    for (beginning, verdict) in BEGINNINGS {
        if first.starts_with(beginning) {
            return verdict;
        }
        if beginning.starts_with(first) && !ended {
            return Verdict::More;
        }
    }
    let head = &first[..first.len().min(SNIFF_BYTES_MAX)];
    match head.iter().find(|byte| !matches!(byte, b' ' | b'\t')) {
        Some(b'{') => Verdict::Json,
        None if head.len() < SNIFF_BYTES_MAX && !ended => Verdict::More,
        Some(_) | None => Verdict::Text,
    }
}

/// The same for first bytes that lie in several places.
pub fn verdict_on<'a>(first: impl Iterator<Item = &'a u8>, ended: bool) -> Verdict {
    let mut head = [0; SNIFF_BYTES_MAX];
    let places = head.iter_mut().zip(first);
    let length = places.map(|(place, &byte)| *place = byte).count();
    verdict(&head[..length], ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on a stream that comes byte by byte.
    fn bytewise(stream: &[u8]) -> Verdict {
        (0..=stream.len())
            .map(|length| verdict(&stream[..length], false))
            .find(|&verdict| verdict != Verdict::More)
            .unwrap_or_else(|| verdict(stream, true))
    }

    #[test]
    fn every_split_gives_the_verdict_of_the_whole() {
        let cases: [(&[u8], Verdict); 17] = [
            (b"GET / HTTP/1.1\r\n", Verdict::Http),
            (b"PRI * HTTP/2.0\r\n", Verdict::Http),
            (b"\x16\x03\x01\x02\x00", Verdict::Tls),
            (
                b"SSH-2.0-OpenSSH_9.2\r\n",
                Verdict::Foreign(ForeignProtocol::Ssh),
            ),
            (b"GET\n", Verdict::Text),
            (b"GET", Verdict::Text),
            (b"G", Verdict::Text),
            (b"", Verdict::Text),
            (b"\x16\n", Verdict::Text),
            (b"SSH-3.0\n", Verdict::Text),
            (b"POSTER \n", Verdict::Text),
            (b"get / http\n", Verdict::Text),
            (b"\n{\"do\":\"ping\"}\n", Verdict::Text),
            (b"{\"do\":\"ping\"}\n", Verdict::Json),
            (b" \t {", Verdict::Json),
            (b"                 {", Verdict::Text),
            (b"  ann\n", Verdict::Text),
        ];
        for (stream, expected) in cases {
            let shown = String::from_utf8_lossy(stream);
            assert_eq!(bytewise(stream), expected, "{shown:?} byte by byte");
            for length in 1..=stream.len() {
                let early = verdict(&stream[..length], false);
                assert!(
                    early == expected || early == Verdict::More,
                    "{shown:?}: {early:?} after {length} bytes"
                );
            }
            assert_eq!(verdict(stream, true), expected, "{shown:?} at once");
        }
    }

    #[test]
    fn a_verdict_is_there_in_time() {
        for first in 0..=u8::MAX {
            assert_ne!(verdict(&[first; SNIFF_BYTES_MAX], false), Verdict::More);
        }
    }
}
