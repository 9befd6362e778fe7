//! The rules of chat: names, rooms, who hears what. No bytes, no sockets, no clock;
//! imports nothing of the crate. A [`Directory`] is owned by the hub.

mod claims;
mod directory;
pub mod name;
mod presence;
mod room;
mod rooms;
mod vocabulary;

pub use directory::{Directory, Rules};
pub use name::{BadName, Name};
pub use room::{History, Names, RoomList};
pub use vocabulary::{Audience, CloseReason, Command, Event, MemberId, Refusal, RoomId};
