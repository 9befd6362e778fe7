//! The only system calls: sockets, signals, the log, the service manager.
//! What is said over a socket is decided in `hub`; `main` owns what is made here.

pub mod address;
pub mod file_limit;
pub mod listener;
pub mod log;
pub mod server;
pub mod systemd;
