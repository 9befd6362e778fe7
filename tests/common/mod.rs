//! What every black-box test starts from: a real `chatd` ([`Daemon`]) and real connections to it
//! ([`Client`] in plain text, [`Program`] in JSON lines, [`TlsClient`] over TLS). It knows the outside of the server only: flags, log, signals, bytes. It holds no
//! expectation of a single test. Owned by `tests/daemon`, used by `tests/client` too.
//!
//! ```no_run
//! let chatd = Daemon::start(&["--history", "0"]);
//! let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
//! ann.say("hello");
//! ben.expect_line("<ann> hello");
//! ann.expect_silence_until_pong();
//! ```
//!
//! Nothing sleeps. Whatever is waited for has [`PATIENCE`], and a wait that fails panics with what
//! was wanted; then each client prints its transcript and the daemon its log.
//! To show that something did *not* come, use the barrier of the protocol
//! ([`Client::expect_silence_until_pong`]); to let time pass, wait for something the server does
//! after a known time ([`Daemon::pass_prompt_time`]).

// Each test binary uses its own part of these helpers.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod client;
mod daemon;
mod expecting;
pub mod http;
mod news;
pub mod operator_seat;
mod pair;
pub mod process;
mod program;
mod seed;
pub mod stamp;
mod tls_client;
mod tls_records;
mod view;
pub mod websocket;

use std::time::Duration;

pub use client::{Client, Heard};
pub use daemon::{Daemon, Finished, chatd_command, run_to_end, shell_command};
pub use news::{Counted, News};
pub use pair::{Pair, ROOM_TO_TALK, Talk};
pub use program::{Program, hello, id_of, text_of, token_of};
pub use rustix::process::Signal;
pub use seed::Seed;
pub use stamp::hide_stamp;
pub use tls_client::{Ended, TlsClient, TlsTerms};
pub use tls_records::TlsRecords;
pub use view::View;

/// How long anything may take before a test gives up on it. It is no statement on speed: it only
/// has to be longer than a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The same where other lines keep coming while a certain one is waited for.
pub const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// What the server says to a connection that is silent for 300 ms.
/// Flags that close every door at which something other than a person or a bot may stand: there,
/// who is silent is told what to do.
pub const ONLY_PEOPLE: &[&str] = &["--web", "off", "--tls", "off"];
pub const PROMPT: &str = "* chatd: type your name and press Enter";
