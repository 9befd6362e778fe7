//! chatd, a group-chat server on one event loop: everything of the server but its `main`.
//!
//! The way of a message, from socket to socket:
//!
//! ```text
//!            bytes            lines               Request              Fact, To
//!  socket ─► turn ─► hub::intake ─► hub::requests ────────► chat::Directory ─────┐
//!            Io::fill              text::read, json::Line     the rules          │
//!                                                                                ▼
//!  socket ◄─ turn ◄─ fanout::outbox ◄─ fanout::block ◄─ dialect::encode ◄─ hub::listeners
//!            Io::flush  slices of      all a room said   once for each      histories, board,
//!                       shared blocks  in this turn      encoding present   records, delivery
//! ```
//!
//! Layers are folders, and imports point one way:
//! `chat ← dialect ← fanout ← session ← hub ← turn ← net ← main`; [`archive`], what is kept of what was said, and
//! [`moderation`], whom the operator has shut out, stand beside `chat` and behind it. [`config`], [`time`], [`bucket`],
//! [`size_class`], [`password`] and [`clean`] are plain values. Below `net` nothing knows a clock, a socket, a file or the log: clippy
//! (`clippy.toml`) and `tests/engine/imports.rs` fail if it does; and no file there leads back to itself
//! (`tests/engine/circles.rs`).
//!
//! A reading order: [`chat`] (`command`, `fact`, `directory`), [`dialect`] (`mod`, `text`),
//! [`fanout`] (`block`, `outbox`), [`session`], [`hub`] (`mod`, `intake`, `requests`, `core`,
//! `listeners`, `delivery`, `sessions`, `pressure`, `ending`), [`turn`], [`net`] (`server`, `conn`). `docs/hacking.md` says more:
//! recipes, tests, words. The other program, `chat-client`, is a crate root of its own
//! (`src/bin/chat-client`), and uses `dialect` and `clean` alone.

pub mod archive;
pub mod bucket;
pub mod chat;
pub mod clean;
pub mod config;
pub mod dialect;
pub mod fanout;
pub mod hub;
pub mod moderation;
pub mod net;
pub mod password;
pub mod session;
pub mod size_class;
pub mod time;
pub mod turn;
