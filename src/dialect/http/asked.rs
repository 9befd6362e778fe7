//! What a head says, taken apart, and what a request comes to. Only the words for it: who reads one
//! is `request`, and for its part of the paths `rooms` or `upgrade`. Values that borrow the head.

use std::borrow::Cow;

use super::fields::Fields;
use super::response::Response;
use crate::chat::MessageId;

/// What is to be done about a request.
#[derive(Debug, PartialEq, Eq)]
pub enum HttpRequest<'a> {
    /// Nothing but to answer this: a file of the page, or a refusal. Should a body come, it is not
    /// read as anything.
    Answer(Response),
    /// The connection becomes a WebSocket. What is behind the head are frames.
    WebSocket {
        /// What the key that is answered is made of.
        key: &'a str,
    },
    /// Something is to be said in a room.
    Post(Post<'a>),
    /// What was said in a room is to be read.
    History(History<'a>),
}

/// A head, taken apart.
#[derive(Debug)]
pub(super) struct Asked<'h, 'a> {
    pub(super) method: &'a str,
    /// What of the target is before a `?`.
    pub(super) path: &'a str,
    /// What is behind it.
    pub(super) query: &'a str,
    /// HTTP/1.x.
    pub(super) minor_version: u8,
    pub(super) fields: Fields<'h, 'a>,
}

/// The body's lines are to be said.
#[derive(Debug, PartialEq, Eq)]
pub struct Post<'a> {
    /// Where; as it was given, but for a `#` before it.
    pub room: Cow<'a, str>,
    /// By whom; as it was given.
    pub name: Cow<'a, str>,
    /// The password, if one was given.
    pub password: Option<String>,
    /// So many bytes behind the head are the body; at most [`super::BODY_BYTES_MAX`].
    pub body_bytes: usize,
    /// The body comes only when [`super::CONTINUE`] was written, unless bytes of it are there already.
    pub awaits_continue: bool,
}

/// What was said is to be read.
#[derive(Debug, PartialEq, Eq)]
pub struct History<'a> {
    /// Where; as it was given, but for a `#` before it.
    pub room: Cow<'a, str>,
    /// What follows this one, oldest first; without it the newest.
    pub since: Option<MessageId>,
    /// As many as this; not bounded here.
    pub limit: Option<usize>,
    /// The password, if one was given.
    pub password: Option<String>,
    /// Asked with HEAD: see [`Response::head_only`].
    pub is_head_only: bool,
}
