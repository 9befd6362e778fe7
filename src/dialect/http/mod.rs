//! HTTP/1: one request, one answer, and the connection ends, unless it becomes a WebSocket. What is
//! asked for and what an answer looks like; not what is done about it (that is `hub`), not the frames
//! of a WebSocket (`dialect::websocket`). Pure: a session owns its [`Head`], the server its [`Site`].
//!
//! | | |
//! |---|---|
//! | [`Head`] | pieces of bytes → a whole head |
//! | [`request`] | a head → [`HttpRequest`]: an answer at once, or something that the hub must do |
//! | [`Site`] | whom the server takes for itself: which names of it are trusted; and its [`Page`] |
//! | [`body_lines`] | the body of a post → what is to be said |
//! | [`probe`] | a head → what is asked of the port for monitoring |
//! | [`Response`] | an answer, with all that every answer says |
//!
//! No keep-alive, so no request can be smuggled behind another; no chunks, no ranges, no compression.

mod asked;
mod body;
mod fields;
mod head;
mod origin;
mod page;
mod probe;
mod request;
mod response;
mod rooms;
mod upgrade;

#[cfg(test)]
mod testing;

pub use asked::{History, HttpRequest, Post};
pub use body::{BODY_BYTES_MAX, BODY_LINES_MAX, BodyFault, body_lines};
pub use head::{Collected, HEAD_BYTES_MAX, Head};
pub use origin::Site;
pub use page::{File, Page};
pub use probe::{Probed, probe};
pub use request::{HEADERS_MAX, TARGET_BYTES_MAX, request};
pub use response::{CONTINUE, Response, Status};
pub use upgrade::{is_upgraded, write_upgraded};
