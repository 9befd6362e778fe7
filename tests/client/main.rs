//! `chat-client`, and what sits at a terminal: the programs as processes, against scripted servers
//! and the real one. One binary, so that the support is compiled once and tests of all files run
//! side by side. A test may change no state of this process.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "tests live outside"
)]
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod client_support;
#[path = "../common/mod.rs"]
mod common;
mod terminal_support;
mod tls_support;

mod bounds;
mod coming_back;
mod habits;
mod operator_seat;
mod password;
mod rooms;
mod scripted;
mod settings;
mod terminal_link;
mod terminal_operator;
mod terminal_seat;
mod terminal_ways_out;
mod tls;
mod with_daemon;
