//! The only system calls: sockets, signals, the log, the service manager.
//! What is said over a socket is decided in `hub`; `main` owns what is made here.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "this is the edge: what touches the system is here"
)]

mod accept;
mod conn;
mod console;
mod culprits;
pub mod entrance;
mod error_stream;
pub mod file_limit;
mod heap;
mod histogram;
mod keeping;
mod kernel_queue;
mod last_lines;
mod life;
pub mod listener;
pub mod log;
mod measures;
mod metrics;
mod moderating;
mod operator_seat;
pub mod operator_socket;
mod orders;
mod outside;
mod past_lines;
mod peers;
mod printer;
mod proxied;
mod readiness;
mod recalling;
pub mod reloads;
mod remembering;
mod report;
mod reread;
pub mod resolve;
mod seats;
pub mod server;
mod shut_out;
pub mod signals;
mod site;
mod standard_stream;
pub mod store;
mod stream;
mod supervisor;
pub mod systemd;
pub mod tls;
mod tokens;
pub mod turn_away;
mod typed_lines;
mod watch;
