//! Bytes ↔ words: everything that knows how chat looks on the wire. Pure: no socket, no clock.
//! Imports `chat` alone.

pub mod block;
pub mod line;
pub mod outbox;
pub mod reply;
pub mod text;
