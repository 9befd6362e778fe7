//! `Password`: what everybody must know who comes in, and how what somebody gives is held against it.
//! Not where it comes from (`net`), nor how often it may be tried (`hub`). Plain values, none of which
//! shows what is in it.

use std::fmt;

use subtle::ConstantTimeEq;

/// The longest password, in bytes: it fits into a line under any `--line-max`.
pub const PASSWORD_BYTES_MAX: usize = 128;

/// See the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// Zeros behind its end.
    padded: [u8; PASSWORD_BYTES_MAX],
    bytes: usize,
}

/// Why something is no password, in words for whoever chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPassword {
    /// Nothing, or blanks alone.
    Empty,
    /// Too many bytes.
    TooLong,
}

impl Password {
    /// This text as the password.
    ///
    /// # Errors
    /// [`BadPassword`] says why it is none.
    pub fn new(text: &str) -> Result<Password, BadPassword> {
        if text.trim().is_empty() {
            return Err(BadPassword::Empty);
        }
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(BadPassword::TooLong);
        }
        Ok(Password {
            padded: padded(text),
            bytes: text.len(),
        })
    }

    /// Whether this is it, in a time that tells neither how much of it is right nor how long it
    /// should be.
    pub fn is(&self, given: GivenPassword<'_>) -> bool {
        let is_alike = self.padded.ct_eq(&padded(given.0));
        (is_alike & self.bytes.ct_eq(&given.0.len())).into()
    }
}

/// The first bytes of a text, and zeros.
fn padded(text: &str) -> [u8; PASSWORD_BYTES_MAX] {
    let mut padded = [0; PASSWORD_BYTES_MAX];
    for (place, byte) in padded.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    padded
}

impl fmt::Debug for Password {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Password")
    }
}

impl fmt::Display for BadPassword {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadPassword::Empty => to.write_str("its first line is empty: write the password there"),
            BadPassword::TooLong => write!(
                to,
                "its first line is too long: a password has at most {PASSWORD_BYTES_MAX} bytes"
            ),
        }
    }
}

/// What somebody gives as the password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GivenPassword<'a>(&'a str);

impl<'a> GivenPassword<'a> {
    /// What was given, if it is anything: an empty one is none.
    pub fn of(text: &'a str) -> Option<GivenPassword<'a>> {
        (!text.is_empty()).then_some(GivenPassword(text))
    }
}

impl fmt::Debug for GivenPassword<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("GivenPassword")
    }
}

/// The same, kept until it is held against the password.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptPassword(Box<str>);

impl KeptPassword {
    /// What was given, if it is anything.
    pub fn of(text: &str) -> Option<KeptPassword> {
        (!text.is_empty()).then(|| KeptPassword(text.into()))
    }

    /// To be held against the password.
    pub fn given(&self) -> GivenPassword<'_> {
        GivenPassword(&self.0)
    }
}

impl fmt::Debug for KeptPassword {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("KeptPassword")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(password: &str, given: &str) -> bool {
        let password = Password::new(password).unwrap();
        GivenPassword::of(given).is_some_and(|given| password.is(given))
    }

    #[test]
    fn only_the_same_bytes_are_it() {
        let long = "x".repeat(PASSWORD_BYTES_MAX);
        for password in ["open sesame", "ä", " a", &long] {
            assert!(is(password, password), "{password}");
            for wrong in [
                "",
                "open",
                "open sesame ",
                "Open sesame",
                "a\u{308}",
                "a",
                "x",
                &format!("{password}\0"),
                &format!("{password}x"),
                &long[1..],
                &"x".repeat(4096),
            ] {
                assert!(!is(password, wrong), "{password} {wrong}");
            }
        }
    }

    #[test]
    fn what_is_no_password() {
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        for (text, bad) in [
            ("", BadPassword::Empty),
            (" \t", BadPassword::Empty),
            (&long, BadPassword::TooLong),
        ] {
            assert_eq!(Password::new(text), Err(bad));
        }
    }

    #[test]
    fn nothing_shows_it() {
        let shown = format!(
            "{:?} {:?} {:?}",
            Password::new("sesame").unwrap(),
            GivenPassword::of("sesame"),
            KeptPassword::of("sesame"),
        );
        assert!(!shown.contains("sesame"), "{shown}");
    }
}
