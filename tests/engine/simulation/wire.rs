//! What the server writes to a connection, taken apart: lines, frames of a WebSocket, answers over
//! HTTP. Each is a unit that a client reads as a whole or not at all, so each must come whole, also
//! to somebody who is cut. It shares no code with the dialects. A socket has one `Wire`.

/// What the next byte to a connection belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Lines, and nothing else.
    Lines,
    /// Lines, or an answer over HTTP.
    Open,
    Frames,
    /// Nothing more may come.
    Over,
}

/// Something that is read as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) bytes: Vec<u8>,
    pub(crate) told: Told,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A line of the protocol, a close or an answer: what must come in its place among the others.
    Line(String),
    Pong(Vec<u8>),
    Ping,
}

/// What a close and an answer look like among the lines.
pub(crate) const CLOSE: &str = "\0close ";
pub(crate) const ANSWER: &str = "HTTP/1.1 ";

/// Whether that is no line of the protocol.
pub(crate) fn is_close(told: &str) -> bool {
    told.starts_with(CLOSE)
}

impl Wire {
    /// Takes whole units apart.
    pub(crate) fn units(&mut self, mut bytes: &[u8]) -> Result<Vec<Unit>, String> {
        let mut units = Vec::new();
        while !bytes.is_empty() {
            let all = bytes;
            let told = match *self {
                Wire::Over => Err(format!("{:?} comes behind the end", show(bytes))),
                Wire::Frames => self.frame(&mut bytes),
                Wire::Open if bytes.starts_with(ANSWER.as_bytes()) => self.answer(&mut bytes),
                Wire::Lines | Wire::Open => line(&mut bytes).map(Told::Line),
            }?;
            let bytes = all[..all.len() - bytes.len()].to_vec();
            units.push(Unit { bytes, told });
        }
        Ok(units)
    }

    /// A frame of a server: whole messages only, without a mask, in the shortest form (RFC 6455, 5).
    fn frame(&mut self, bytes: &mut &[u8]) -> Result<Told, String> {
        let all = *bytes;
        let not_whole = || format!("not a whole frame: {:?}", show(all));
        let first = take(bytes, 1).ok_or_else(not_whole)?[0];
        let short = take(bytes, 1).ok_or_else(not_whole)?[0];
        let (length, least) = match short {
            0..=125 => (usize::from(short), 0),
            126 => (number(take(bytes, 2).ok_or_else(not_whole)?), 126),
            127 => (number(take(bytes, 8).ok_or_else(not_whole)?), 1 << 16),
            _ => return Err(format!("it is masked: {:?}", show(all))),
        };
        let payload = take(bytes, length).ok_or_else(not_whole)?;
        if length < least {
            return Err(format!("a shorter head would do: {:?}", show(all)));
        }
        match first {
            0x81 => {
                let text = std::str::from_utf8(payload).map_err(|_| "not UTF-8".to_owned())?;
                if text.contains('\n') {
                    return Err(format!("more than a line in a frame: {text:?}"));
                }
                Ok(Told::Line(text.to_owned()))
            }
            0x88 => {
                *self = Wire::Over;
                Ok(Told::Line(match payload {
                    [] => format!("{CLOSE}none"),
                    code => format!("{CLOSE}{}", number(code)),
                }))
            }
            0x89 => Ok(Told::Ping),
            0x8a => Ok(Told::Pong(payload.to_vec())),
            _ => Err(format!("no frame of a server: {:?}", show(all))),
        }
    }

    /// A head, and as much behind it as it says.
    fn answer(&mut self, bytes: &mut &[u8]) -> Result<Told, String> {
        let all = *bytes;
        let text = String::from_utf8_lossy(all);
        let head = text.split_inclusive("\r\n\r\n").next().unwrap_or_default();
        if !head.ends_with("\r\n\r\n") {
            return Err(format!("not a whole head: {text:?}"));
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let status = head[ANSWER.len()..].split(' ').next();
        let length = match (status, length) {
            (Some("101"), None) => {
                *self = Wire::Frames;
                0
            }
            (Some("100"), None) => 0,
            (_, Some(length)) => {
                *self = Wire::Over;
                length.parse().map_err(|_| format!("how long: {head:?}"))?
            }
            (_, None) => return Err(format!("it does not say how long it is: {head:?}")),
        };
        let answer = take(bytes, head.len() + length);
        let answer = answer.ok_or_else(|| format!("not a whole answer: {text:?}"))?;
        Ok(Told::Line(String::from_utf8_lossy(answer).into_owned()))
    }
}

fn line(bytes: &mut &[u8]) -> Result<String, String> {
    let end = bytes.iter().position(|&byte| byte == b'\n');
    let end = end.ok_or_else(|| format!("not whole lines: {:?}", show(bytes)))?;
    let line = take(bytes, end + 1).map_or(&[][..], |line| &line[..end]);
    let line = std::str::from_utf8(line).map_err(|_| format!("not UTF-8: {:?}", show(line)))?;
    Ok(line.to_owned())
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn number(bytes: &[u8]) -> usize {
    let digits = bytes.iter();
    digits.fold(0, |number, &byte| number << 8 | usize::from(byte))
}

/// Bytes, for a person.
pub(crate) fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
