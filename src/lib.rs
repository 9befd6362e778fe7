//! chatd, a group-chat server on one event loop.
//!
//! Read it as the way of a message, from socket to socket:
//!
//! ```text
//!             bytes          lines            Command           Event, Audience
//!  socket ─► net::conn ─► dialect::line ─► dialect::text::parse ─► chat::Directory ─┐
//!            (fill)                                          the rules        │
//!                                                                             ▼
//!  socket ◄─ net::conn ◄─ fanout::outbox ◄── fanout::block ◄── dialect::text::encode
//!            (flush)      slices of        all a room        in hub::delivery
//!                         shared blocks    said in a turn
//! ```
//!
//! Layers are folders, and imports point one way: `chat ← dialect ← fanout ← hub ← net ← main`. `config` and
//! `time` are plain values that every layer above `chat` may use, [`clean`] keeps terminals safe.
//! Below `net` nothing knows a clock, a socket, a file or the log: clippy (`clippy.toml`) and
//! `tests/engine/imports.rs` fail if it does.
//!
//! A reading order: [`chat`] (`vocabulary`, `room`, `directory`), [`dialect`] (`line`, `text`), [`fanout`] (
//! `block`, `outbox`), [`hub`] (`session`, `mod`, `input`, `delivery`, `turn`, `ending`), [`net`]
//! (`server`, `conn`).
//! The other program, `chat-client`, is [`client`]: it knows the server by `dialect` alone.

pub mod chat;
pub mod clean;
pub mod client;
pub mod config;
pub mod dialect;
pub mod fanout;
pub mod hub;
pub mod net;
pub mod time;
