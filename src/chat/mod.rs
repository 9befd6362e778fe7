//! The rules of chat: names, rooms, who hears what. No bytes, no sockets, no clock;
//! imports nothing of the crate.

pub mod name;
