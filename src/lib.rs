//! chatd, a group-chat server on one event loop.

pub mod chat;
pub mod config;
pub mod wire;
