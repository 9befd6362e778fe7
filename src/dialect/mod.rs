//! Bytes ↔ words, one room for each language: what a line of a client asks for, and how what
//! happened looks to it. Pure: no socket, no clock, no session. Imports `chat` and plain values; a session
//! owns one [`Dialect`], everything else here is functions.

pub mod cleaning;
mod frames;
pub mod http;
pub mod json;
pub mod line;
pub mod operator;
pub mod proxy;
pub mod refusal;
mod reply;
pub mod sniff;
pub mod stamp;
pub mod text;
pub mod websocket;

use memchr::memchr;

use crate::chat::{Answer, Fact};

pub use refusal::Refusal;
pub use reply::{Hello, Reply};

/// The language of a connection. It is decided once, by the first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// The first bytes do not say yet.
    #[default]
    Undecided,
    /// Plain lines, for people and simple bots.
    Text,
    /// JSON lines, for programs. Their first line is not answered yet.
    JsonUngreeted(Framing),
    /// JSON lines, for programs.
    Json(Framing),
    /// A request over HTTP. It is answered as a whole and told nothing else.
    Http,
}

/// How the lines of a program lie in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each with an LF at its end.
    Lines,
    /// Each in a frame of a WebSocket.
    Frames,
}

impl Dialect {
    /// What connections speak, as programs are told of it: a word for each language.
    pub const LANGUAGES: [&str; 5] = ["undecided", "text", "json", "websocket", "http"];

    /// The place of its word in [`Dialect::LANGUAGES`].
    pub fn language_index(self) -> usize {
        match self {
            Dialect::Undecided => 0,
            Dialect::Text => 1,
            Dialect::JsonUngreeted(framing) | Dialect::Json(framing) => match framing {
                Framing::Lines => 2,
                Framing::Frames => 3,
            },
            Dialect::Http => 4,
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Undecided | Dialect::Text => "text",
            Dialect::JsonUngreeted(Framing::Lines) | Dialect::Json(Framing::Lines) => "JSON",
            Dialect::JsonUngreeted(Framing::Frames) | Dialect::Json(Framing::Frames) => "WebSocket",
            Dialect::Http => "HTTP",
        }
    }

    /// How what it is told is written.
    pub fn encoding(self) -> Encoding {
        match self {
            Dialect::Undecided | Dialect::Text | Dialect::Http => Encoding::Text,
            Dialect::JsonUngreeted(framing) | Dialect::Json(framing) => match framing {
                Framing::Lines => Encoding::Json,
                Framing::Frames => Encoding::JsonFrames,
            },
        }
    }

    /// The longest line, in bytes without its ending, where one of plain text has `line_bytes_max`.
    /// JSON needs room around a text, and up to six bytes for one of its characters.
    pub fn line_bytes_max(self, line_bytes_max: usize) -> usize {
        match self.encoding() {
            Encoding::Text => line_bytes_max,
            Encoding::Json | Encoding::JsonFrames => 8 * line_bytes_max,
        }
    }
}

/// How something is written. Sessions of one encoding share the bytes of what their rooms say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// [`text`]
    Text,
    /// [`json`]
    Json,
    /// [`json`], each line in a frame of a [`websocket`].
    JsonFrames,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Encoding; 3] = [Encoding::Text, Encoding::Json, Encoding::JsonFrames];

    /// As an index into a table with a place for each.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether anything is written for this reply. In plain text a thing done can be seen by what
    /// has happened; only programs want it said, and only they are greeted.
    pub fn has_words_for(self, reply: &Reply<'_>) -> bool {
        let is_silent = match self {
            Encoding::Text => match reply {
                Reply::Answer(answer) => matches!(answer, Answer::Done(_)),
                reply => matches!(reply, Reply::Hello(_) | Reply::Welcome { .. }),
            },
            Encoding::Json | Encoding::JsonFrames => {
                matches!(
                    reply,
                    Reply::Help | Reply::Prompt | Reply::PasswordPrompt | Reply::Motd(_)
                )
            }
        };
        !is_silent
    }

    /// The end of the line that was begun before `offset`; `offset` itself where none was. `bytes`
    /// are whole lines; or, alone, what a client must have read before it can read frames: that
    /// belongs together with them, also where nothing of it was written.
    pub fn end_of_line(self, bytes: &[u8], offset: usize) -> usize {
        match self {
            Encoding::JsonFrames if http::is_upgraded(bytes) => bytes.len(),
            Encoding::JsonFrames => websocket::frame_end(bytes, offset),
            Encoding::Text | Encoding::Json => {
                if offset == 0 || bytes[offset - 1] == b'\n' {
                    return offset;
                }
                memchr(b'\n', &bytes[offset..]).map_or(bytes.len(), |end| offset + end + 1)
            }
        }
    }
}

/// Appends a fact as whole lines, and says how many. None if this language has no words for it.
pub fn encode(encoding: Encoding, fact: &Fact<'_>, out: &mut Vec<u8>) -> u32 {
    match encoding {
        Encoding::Text => text::encode(fact, out),
        Encoding::Json => json::encode(fact, out),
        Encoding::JsonFrames => framed(out, |out| json::encode(fact, out)),
    }
}

/// Appends a reply as whole lines, and says how many. `reference` is what the request gave to have
/// its answer known by.
pub fn encode_reply(
    encoding: Encoding,
    reply: &Reply<'_>,
    reference: Option<&str>,
    out: &mut Vec<u8>,
) -> u32 {
    match encoding {
        Encoding::Text => text::encode_reply(reply, out),
        Encoding::Json => json::encode_reply(reply, reference, out),
        Encoding::JsonFrames => {
            let lines = framed(out, |out| json::encode_reply(reply, reference, out));
            if let Reply::Ended(refusal) = reply {
                websocket::write_close(Some(refusal.close_code()), out);
            }
            lines
        }
    }
}

/// Puts each of the lines that `write` appends and counts into a frame.
fn framed(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> u32) -> u32 {
    let from = out.len();
    let lines = write(out);
    frames::frame_lines(out, from);
    lines
}
