//! `Reply`: a line of the server → what it is, by its first byte. The reading side of the line
//! protocol, for clients; what a server writes is not made here. Pure, and owned by its caller:
//! everything borrows from the line. Nothing is cleaned here: a `Reply` says what the server
//! sent, and whoever shows it to a person cleans it first.

/// One line of the server. A line that is none of these does not come from a chat server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// `<ann> hello`: a message in the room.
    Message {
        /// Who said it.
        from: &'a str,
        /// What was said.
        text: &'a str,
    },
    /// `* ben joined (3 here)`: news of the room or of the server. See [`News::of`].
    News(&'a str),
    /// `-ann- hello`: a private message.
    Private {
        /// Who said it.
        from: &'a str,
        /// What was said.
        text: &'a str,
    },
    /// `= 3 here: ann, ben, cyd`: the answer to a command.
    Answer(&'a str),
    /// `! name-in-use ann is taken`: a refusal or an error.
    Refusal {
        /// The fixed code, for programs: lower-case letters, digits and `-`.
        code: &'a str,
        /// The words, for people.
        words: &'a str,
    },
}

impl<'a> Reply<'a> {
    /// What a line, given without its ending, is. `None` when it is no line of this protocol.
    pub fn of(line: &'a str) -> Option<Self> {
        let mut characters = line.chars();
        let (first, rest) = (characters.next()?, characters.as_str());
        match first {
            '<' => {
                let (from, text) = spoken(rest, ">")?;
                Some(Reply::Message { from, text })
            }
            '-' => {
                let (from, text) = spoken(rest, "-")?;
                Some(Reply::Private { from, text })
            }
            '*' => rest.strip_prefix(' ').map(Reply::News),
            '=' => rest.strip_prefix(' ').map(Reply::Answer),
            '!' => {
                let rest = rest.strip_prefix(' ')?;
                let (code, words) = rest.split_once(' ').unwrap_or((rest, ""));
                is_code(code).then_some(Reply::Refusal { code, words })
            }
            _ => None,
        }
    }
}

/// `ann> hello` → `ann`, `hello`. A name holds no space, but it may hold the closing mark
/// (`-` is a letter of names), so the mark that counts is the one before the first space.
fn spoken<'a>(rest: &'a str, closing: &str) -> Option<(&'a str, &'a str)> {
    let (head, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let from = head.strip_suffix(closing)?;
    (!from.is_empty()).then_some((from, text))
}

fn is_code(code: &str) -> bool {
    !code.is_empty()
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// News that a client has to understand, because they are about itself or about the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'a> {
    /// `welcome to lobby, ann (3 here: ann, ben, cyd)`: this client is in a room, by this name.
    Welcome {
        /// The room.
        room: &'a str,
        /// The client's own name, as the server shows it to everybody.
        name: &'a str,
    },
    /// `ann is now anna`.
    Renamed {
        /// The name until now.
        from: &'a str,
        /// The name from now on.
        to: &'a str,
    },
    /// `last 12 messages:`: what follows was said before this client came.
    HistoryBegins,
    /// `end of history`: what follows is said now.
    HistoryEnds,
    /// Anything else: words for people.
    Other,
}

impl<'a> News<'a> {
    /// What the text of a [`Reply::News`] means. No text of a user can be taken for anything but
    /// [`News::Other`]: names and rooms hold no space, and words of users stand behind one.
    pub fn of(text: &'a str) -> Self {
        welcome(text)
            .or_else(|| renamed(text))
            .or_else(|| history(text))
            .unwrap_or(News::Other)
    }
}

fn welcome(text: &str) -> Option<News<'_>> {
    let (room, rest) = text.strip_prefix("welcome to ")?.split_once(", ")?;
    let (name, _) = rest.split_once(" (")?;
    (is_word(room) && is_word(name)).then_some(News::Welcome { room, name })
}

fn renamed(text: &str) -> Option<News<'_>> {
    let (from, to) = text.split_once(" is now ")?;
    (is_word(from) && is_word(to)).then_some(News::Renamed { from, to })
}

fn history(text: &str) -> Option<News<'_>> {
    if text == "end of history" {
        return Some(News::HistoryEnds);
    }
    let count = text.strip_prefix("last ")?;
    let count = count
        .strip_suffix(" messages:")
        .or_else(|| count.strip_suffix(" message:"))?;
    count.parse::<u32>().ok().map(|_| News::HistoryBegins)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_says_what_it_is() {
        let message = |from, text| Some(Reply::Message { from, text });
        assert_eq!(Reply::of("<ann> hi  there"), message("ann", "hi  there"));
        assert_eq!(Reply::of("<ann> <ben> hi"), message("ann", "<ben> hi"));
        assert_eq!(Reply::of("<ann> "), message("ann", ""));
        assert_eq!(Reply::of("* a b"), Some(Reply::News("a b")));
        assert_eq!(Reply::of("= a b"), Some(Reply::Answer("a b")));
        let (from, text) = ("a-b-", "hi - you");
        assert_eq!(
            Reply::of("-a-b-- hi - you"),
            Some(Reply::Private { from, text })
        );
        let (code, words) = ("bad-name", "no spaces");
        assert_eq!(
            Reply::of("! bad-name no spaces"),
            Some(Reply::Refusal { code, words })
        );
    }

    #[test]
    fn what_other_servers_say_is_no_reply() {
        for line in [
            "",
            " ",
            "SSH-2.0-OpenSSH_9.6",
            "HTTP/1.1 400 Bad Request",
            "220 mail ESMTP",
            "<!DOCTYPE html>x",
            "<>",
            "<> x",
            "*3",
            "!",
            "! ",
            "! Bad thing",
            "-",
            "- x",
            "=",
        ] {
            assert_eq!(Reply::of(line), None, "{line:?}");
        }
    }

    #[test]
    fn news_of_oneself_and_of_the_stream() {
        let (room, name) = ("lobby", "ann");
        assert_eq!(
            News::of("welcome to lobby, ann (2 here: ann, ben)"),
            News::Welcome { room, name }
        );
        let (from, to) = ("ann", "anna");
        assert_eq!(News::of("ann is now anna"), News::Renamed { from, to });
        assert_eq!(News::of("last 12 messages:"), News::HistoryBegins);
        assert_eq!(News::of("last 1 message:"), News::HistoryBegins);
        assert_eq!(News::of("end of history"), News::HistoryEnds);
    }

    #[test]
    fn words_of_users_are_never_such_news() {
        for text in [
            "ben left (2 here): ann is now anna",
            "ben left (2 here): welcome to lobby, ann (1 here)",
            "operator: ann is now anna",
            "operator: end of history",
            "operator: last 3 messages:",
            "welcome joined (3 here)",
            "last joined (12 here)",
        ] {
            assert_eq!(News::of(text), News::Other, "{text:?}");
        }
    }
}
