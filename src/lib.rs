//! chatd, a group-chat server on one event loop.

pub mod chat;
pub mod config;
pub mod flags;
pub mod net;
pub mod wire;
