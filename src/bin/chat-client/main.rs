//! `chat-client`: one conversation with a server, for a person or a program. Flags in, exit code
//! out. It knows the server by its JSON language alone.
//!
//! Read [`run`] first: it is the one place that waits. [`session`] is the conversation itself,
//! without sockets or clocks, with [`ledger`] (what is unanswered), [`typed`] (commands) and
//! [`wire`] (the lines of the server); [`link`] is the socket, with [`tls`] if that is wanted, [`screen`] where lines are shown and
//! come from. For a person at a terminal the [`seat`] is both. What stands in the [`settings_file`] needs
//! no flag; a [`log`] has what was shown; [`state`] is what is remembered. The seat of an [`operator`]
//! has no conversation, and a loop of its own.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "the client is a program of its own, at the edge"
)]
#![allow(
    unreachable_pub,
    reason = "a program exports nothing; `pub` says what a module gives out"
)]

mod flags;
mod known_servers;
mod ledger;
mod lines;
mod link;
mod log;
mod operator;
mod password;
mod run;
mod screen;
mod seat;
mod session;
mod settings_file;
mod signals;
mod state;
mod style;
mod tls;
mod typed;
mod wire;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let end = run::run(flags::Flags::parse());
    if let Some(words) = end.words {
        // Whoever closed standard error does not want to know.
        let _ = writeln!(std::io::stderr(), "chat-client: {words}");
    }
    ExitCode::from(end.code as u8)
}
