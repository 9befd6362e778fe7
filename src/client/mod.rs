//! The client: one conversation with a server, for a person or a program. It knows the server
//! by the line protocol alone, so it imports `wire` and nothing else of the crate.
//!
//! Read [`run`] first: it is the one place where threads meet. [`session`] is the conversation
//! itself, without threads or sockets; [`link`] is the socket, [`keyboard`] where the user's lines
//! come from, [`screen`] where lines are shown. For a person at a terminal the [`seat`] is both.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "the client is a program of its own, at the edge"
)]

pub mod backoff;
pub mod end;
pub mod flags;
pub mod keyboard;
pub mod ledger;
pub mod link;
pub mod run;
pub mod screen;
pub mod seat;
pub mod session;
pub mod shown;
pub mod style;
