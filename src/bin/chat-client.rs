//! `chat-client`: flags in, exit code out. The client itself is `chatd::client`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "the client is a program of its own, at the edge"
)]

use std::io::Write;
use std::process::ExitCode;

use chatd::client::flags::Flags;
use chatd::client::run::run;
use clap::Parser;

fn main() -> ExitCode {
    let end = run(Flags::parse());
    if let Some(words) = end.words() {
        // Whoever closed standard error does not want to know.
        let _ = writeln!(std::io::stderr(), "chat-client: {words}");
    }
    ExitCode::from(end.code())
}
