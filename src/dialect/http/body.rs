//! [`body_lines`]: the body of a post as the lines that are to be said. Not whether they may be, and
//! not yet cleaned. Pure.

use super::response::{Response, Status};

/// The longest body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// As many lines may be said at once.
pub const BODY_LINES_MAX: usize = 100;

/// Why nothing of a body can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// It is not UTF-8.
    NotUtf8,
    /// There is nothing in it.
    Empty,
    /// It has more than [`BODY_LINES_MAX`] lines.
    TooManyLines,
}

impl From<BodyFault> for Response {
    fn from(fault: BodyFault) -> Response {
        match fault {
            BodyFault::NotUtf8 => Response::text(Status::BadRequest, "the body is not UTF-8"),
            BodyFault::Empty => Response::text(Status::BadRequest, "there is nothing in the body"),
            BodyFault::TooManyLines => Response::text(
                Status::ContentTooLarge,
                &format!("the body has more than {BODY_LINES_MAX} lines"),
            ),
        }
    }
}

/// The lines of a body, without their endings (LF, or CR LF) and without those that are blank. The
/// last one needs no ending.
///
/// # Errors
/// See [`BodyFault`].
pub fn body_lines(body: &[u8]) -> Result<Vec<&str>, BodyFault> {
    let text = str::from_utf8(body).map_err(|_| BodyFault::NotUtf8)?;
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.bytes().all(|byte| byte == b' ' || byte == b'\t') {
            continue;
        }
        if lines.len() == BODY_LINES_MAX {
            return Err(BodyFault::TooManyLines);
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return Err(BodyFault::Empty);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_say_something_are_said() {
        assert_eq!(body_lines(b"backup done"), Ok(vec!["backup done"]));
        let lines = body_lines("a\r\n\n \t\r\n b \n\rc\rd\n\n".as_bytes());
        assert_eq!(lines, Ok(vec!["a", " b ", "\rc\rd"]));
        assert_eq!(body_lines("/who är\n".as_bytes()), Ok(vec!["/who är"]));
    }

    #[test]
    fn all_or_nothing() {
        for empty in ["", "\n", "\r\n \n\t\n"] {
            assert_eq!(body_lines(empty.as_bytes()), Err(BodyFault::Empty));
        }
        assert_eq!(body_lines(b"good\nbad \xff\n"), Err(BodyFault::NotUtf8));
        let full = "x\n\n".repeat(BODY_LINES_MAX);
        assert_eq!(body_lines(full.as_bytes()).unwrap().len(), BODY_LINES_MAX);
        let over = format!("{full}x");
        assert_eq!(body_lines(over.as_bytes()), Err(BodyFault::TooManyLines));
        assert_eq!(Response::from(BodyFault::TooManyLines).status().code(), 413);
    }
}
