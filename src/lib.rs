//! chatd, a group-chat server on one event loop.

pub mod chat;
pub mod client;
pub mod config;
pub mod wire;
