//! Bytes ↔ words: everything that knows how chat looks on the wire. Pure: no socket, no clock.
//! Imports `chat` alone.

pub mod line;
pub mod reply;
pub mod text;
