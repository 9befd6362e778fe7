//! The web door as the shadow sees it: what a client has sent in the head of a request, or in the
//! frames of a WebSocket (RFC 6455, 5). It shares no code with the dialects. Owned by the input of a
//! peer.

use chatd::chat::MessageId;

/// What the bytes of a client pass before they are lines.
#[derive(Debug, Clone, Default)]
pub(crate) enum Door {
    /// Nothing.
    #[default]
    None,
    /// A request that is not whole.
    Head(Vec<u8>),
    Frames(Box<Frames>),
    /// A post whose body is not whole, or that is not answered yet.
    Posting(Box<Posting>),
    /// A request for what was said that is not answered yet.
    Reading(Box<Reading>),
    /// A request that was answered.
    Request,
}

/// `POST /rooms/ROOM?name=NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posting {
    pub(crate) room: String,
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
    pub(crate) body_bytes: usize,
}

/// `GET /rooms/ROOM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) room: String,
    pub(crate) since: Option<MessageId>,
    /// How many messages the room had when it was asked.
    pub(crate) said_before: Option<usize>,
}

/// How a WebSocket is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its client has said so, with this code.
    Closed(Option<u16>),
    /// Its client has broken the rules; this says which.
    Failed(u16),
}

/// A request over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Upgrade,
    Post(Posting),
    Read(Reading),
    /// Something that is answered with this status, and changes nothing.
    Answered(u16),
}

impl Door {
    pub(crate) fn is_http(&self) -> bool {
        !matches!(self, Door::None | Door::Frames(_))
    }

    /// Whether a request is whole, and not answered yet.
    pub(crate) fn awaits_answer(&self) -> bool {
        match self {
            Door::Posting(posting) => posting.body.len() == posting.body_bytes,
            Door::Reading(_) => true,
            Door::None | Door::Head(_) | Door::Frames(_) | Door::Request => false,
        }
    }

    pub(crate) fn frames(&self) -> Option<&Frames> {
        match self {
            Door::Frames(frames) => Some(frames),
            _ => None,
        }
    }
}

/// Where a head that is whole ends.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    end.map(|at| at + 4)
}

/// What is asked for, by a head such as the simulated clients write.
pub(crate) fn request(head: &[u8]) -> Request {
    let head = String::from_utf8_lossy(head);
    let mut words = head.split(' ');
    let (method, target) = (words.next(), words.next());
    if let Some(asked) = target.and_then(|target| target.strip_prefix("/rooms/")) {
        let (room, query) = asked.split_once('?').unwrap_or((asked, ""));
        let value = |name: &str| query.strip_prefix(name)?.strip_prefix('=');
        let length = head.split("Content-Length: ").nth(1);
        let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
        return match (method, value("name"), length) {
            (Some("GET"), _, None) => Request::Read(Reading {
                room: room.to_owned(),
                since: value("since").map(|id| id.parse().expect("an id")),
                said_before: None,
            }),
            (Some("POST"), Some(name), Some(body_bytes)) => Request::Post(Posting {
                room: room.to_owned(),
                name: name.to_owned(),
                body: Vec::new(),
                body_bytes,
            }),
            (Some("POST"), Some(_), None) => Request::Answered(411),
            _ => Request::Answered(400),
        };
    }
    match (method, target) {
        (Some("GET"), Some("/ws")) if head.contains("Upgrade: websocket\r\n") => Request::Upgrade,
        (_, Some("/ws")) => Request::Answered(426),
        (Some("GET"), Some("/")) => Request::Answered(200),
        (_, Some("/")) => Request::Answered(405),
        _ => Request::Answered(404),
    }
}

/// Reads the frames of a client, in any pieces.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frames {
    head: Vec<u8>,
    /// What is left of the payload, once the head is there.
    left: Option<u64>,
    is_last: bool,
    mask: [u8; 4],
    taken: usize,
    opcode: u8,
    in_message: bool,
    control: Vec<u8>,
    pub(crate) ending: Option<Ending>,
    /// It was over when its connection broke, which counts for nothing.
    pub(crate) is_broken: bool,
    /// Pings that were not answered yet.
    pub(crate) pings: Vec<Vec<u8>>,
}

impl Frames {
    /// The lines in these bytes, with what else they are noted.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if self.ending.is_some() || self.is_broken {
                break;
            }
            if let Err(code) = self.take(byte, &mut lines) {
                self.ending = Some(Ending::Failed(code));
            }
        }
        lines
    }

    fn take(&mut self, byte: u8, lines: &mut Vec<u8>) -> Result<(), u16> {
        let Some(left) = self.left else {
            self.head.push(byte);
            return self.read_head(lines);
        };
        let byte = byte ^ self.mask[self.taken % 4];
        self.taken += 1;
        self.left = Some(left - 1);
        if self.opcode >= 8 {
            self.control.push(byte);
        } else if byte == 0xff {
            return Err(1007);
        } else {
            lines.push(byte);
        }
        self.end_if_whole(lines)
    }

    /// A rule is broken as soon as the byte is there that does.
    fn read_head(&mut self, lines: &mut Vec<u8>) -> Result<(), u16> {
        let first = self.head[0];
        let opcode = first & 0x0f;
        if first & 0x70 != 0 || ![0, 1, 2, 8, 9, 10].contains(&opcode) {
            return Err(1002);
        }
        let Some(&second) = self.head.get(1) else {
            return Ok(());
        };
        if second & 0x80 == 0 {
            return Err(1002);
        }
        let more = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.head.len() < 2 + more + 4 {
            return Ok(());
        }
        let length = match more {
            0 => u64::from(second & 0x7f),
            _ => {
                let digits = self.head[2..2 + more].iter();
                digits.fold(0, |number, &byte| number << 8 | u64::from(byte))
            }
        };
        self.mask.copy_from_slice(&self.head[2 + more..]);
        self.head.clear();
        match opcode {
            0 if !self.in_message => return Err(1002),
            1 | 2 if self.in_message => return Err(1002),
            2 => return Err(1003),
            _ => {}
        }
        self.in_message |= opcode == 1;
        self.opcode = opcode;
        self.is_last = first & 0x80 != 0;
        self.left = Some(length);
        self.taken = 0;
        self.end_if_whole(lines)
    }

    fn end_if_whole(&mut self, lines: &mut Vec<u8>) -> Result<(), u16> {
        if self.left != Some(0) {
            return Ok(());
        }
        self.left = None;
        let control = std::mem::take(&mut self.control);
        match self.opcode {
            8 => match control[..] {
                [] => self.ending = Some(Ending::Closed(None)),
                [_] => return Err(1002),
                [high, low, ..] => {
                    let code = u16::from_be_bytes([high, low]);
                    self.ending = Some(Ending::Closed(Some(code)));
                }
            },
            9 => self.pings.push(control),
            10 => {}
            _ if self.is_last => {
                self.in_message = false;
                lines.push(b'\n');
            }
            _ => {}
        }
        Ok(())
    }
}
