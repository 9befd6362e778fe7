//! [`Fields`]: the fields of a head by their names, and what its body is said to be. Not what any of
//! it leads to. Borrowed from the head; lives while a request is read.

use httparse::Header;

use super::response::{Response, Status};

/// See the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'h, 'a> {
    fields: &'h [Header<'a>],
}

impl<'h, 'a> Fields<'h, 'a> {
    pub(super) fn new(fields: &'h [Header<'a>]) -> Fields<'h, 'a> {
        Fields { fields }
    }

    /// The values of all fields with this name.
    pub(super) fn all(self, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'h, 'a> {
        let named = move |field: &&Header<'a>| field.name.eq_ignore_ascii_case(name);
        self.fields.iter().filter(named).map(|field| field.value)
    }

    /// The value of a field that may stand there once.
    ///
    /// # Errors
    /// It stands there twice, or is no text: 400.
    pub(super) fn one(self, name: &'static str) -> Result<Option<&'a str>, Response> {
        let mut values = self.all(name);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        match str::from_utf8(value) {
            Ok(text) if values.next().is_none() => Ok(Some(text)),
            _ => Err(Response::text(
                Status::BadRequest,
                &format!("{name} stands there twice, or is no text"),
            )),
        }
    }

    /// The elements of a list, of all fields with this name (RFC 9110, 5.6.1).
    pub(super) fn elements(
        self,
        name: &'static str,
    ) -> impl Iterator<Item = &'a str> + use<'h, 'a> {
        self.all(name)
            .flat_map(|value| str::from_utf8(value).unwrap_or_default().split(','))
            .map(|element| element.trim_matches([' ', '\t']))
            .filter(|element| !element.is_empty())
    }

    /// Whether this is an element of the list, in any case.
    pub(super) fn has_element(self, name: &'static str, wanted: &str) -> bool {
        self.elements(name)
            .any(|element| element.eq_ignore_ascii_case(wanted))
    }

    /// How long the body is said to be, in bytes; `None` if nothing is said of it.
    ///
    /// # Errors
    /// It comes in chunks or in another coding, or its length is no number or stands there twice
    /// (RFC 9112, 6.3 would take two that are equal): 400.
    pub(super) fn body_bytes(self) -> Result<Option<usize>, Response> {
        let bad = |words| Err(Response::text(Status::BadRequest, words));
        if self.all("Transfer-Encoding").next().is_some() {
            return bad("a body is sent whole here, with Content-Length");
        }
        let Some(digits) = self.one("Content-Length")? else {
            return Ok(None);
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return bad("Content-Length is no number");
        }
        // Digits alone fail to be a number only by being too many.
        Ok(Some(digits.parse().unwrap_or(usize::MAX)))
    }

    /// # Errors
    /// There is a body: 400.
    pub(super) fn expect_no_body(self) -> Result<(), Response> {
        match self.body_bytes()? {
            None | Some(0) => Ok(()),
            Some(_) => Err(Response::text(
                Status::BadRequest,
                "this request has no body",
            )),
        }
    }
}
