//! One line of the server in plain text → what it is, by its first byte; and what of the news a
//! reader has to understand. Said once more, apart from `dialect::text`, which writes these lines.
//! Pure; everything borrows from the line.

/// What a line is. One that is none of these does not come from a chat server.
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
    /// What a line, given without its ending, is.
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

/// News, by what a reader does with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'a> {
    /// `chatd: type your name and press Enter`
    Prompt,
    /// `welcome to lobby, ann (3 here: ann, ben, cyd)`: the reader is in a room, by this name.
    Welcome {
        /// The room.
        room: &'a str,
        /// The reader's own name, as the server shows it to everybody.
        name: &'a str,
    },
    /// `topic: "plans"`: behind a welcome.
    Topic,
    /// `last 12 messages, from 2026-11-20 22:14 UTC:`: what follows was said before.
    HistoryBegins(usize),
    /// `end of history`
    HistoryEnds,
    /// `operator: soon`
    Announcement,
    /// Something happened in the room.
    Room,
}

impl<'a> News<'a> {
    /// What the text of a [`Reply::News`] means. No text of a user can be taken for anything but
    /// what it stands in: names and rooms hold no space and no colon, and words of users stand
    /// behind one of these.
    pub fn of(text: &'a str) -> Self {
        let fixed = [
            ("chatd: ", News::Prompt),
            ("topic: ", News::Topic),
            ("operator: ", News::Announcement),
        ];
        let fixed = fixed.into_iter().find(|(start, _)| text.starts_with(start));
        welcome(text)
            .or_else(|| history(text))
            .or(fixed.map(|(_, news)| news))
            .unwrap_or(News::Room)
    }
}

fn welcome(text: &str) -> Option<News<'_>> {
    let (room, rest) = text.strip_prefix("welcome to ")?.split_once(", ")?;
    let (name, _) = rest.split_once(" (")?;
    (is_word(room) && is_word(name)).then_some(News::Welcome { room, name })
}

fn history(text: &str) -> Option<News<'_>> {
    if text == "end of history" {
        return Some(News::HistoryEnds);
    }
    let (count, time) = text.strip_prefix("last ")?.split_once(", from ")?;
    let count = match count {
        "message" => 1,
        count => count.strip_suffix(" messages")?.parse().ok()?,
    };
    let shape = "dddd-dd-dd dd:dd UTC:".chars();
    let is_time = time
        .chars()
        .map(|c| if c.is_ascii_digit() { 'd' } else { c });
    shape.eq(is_time).then_some(News::HistoryBegins(count))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}
