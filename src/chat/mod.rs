//! The rules of chat: names, rooms, who hears what. Deterministic; no bytes, no session, no clock;
//! imports nothing of the crate but plain values (`time`, `bucket`). A [`Directory`] is owned by
//! the hub, and so is [`Histories`], which listens to it.

mod claims;
mod closing;
mod command;
mod directory;
mod fact;
mod fixed_rooms;
mod histories;
mod history;
mod id;
mod looks;
mod member;
mod members;
pub mod name;
mod presence;
mod reserved;
mod room;
mod rooms;
mod rules;
mod talking;

pub use command::{Act, Command, Entry, PageEnd, PageOf, Request, SearchFor};
pub use directory::Directory;
pub use fact::{Answer, Cause, Fact, Listen, Manner, Parting, Place, Refusal, RoomRow, To, What};
pub use fixed_rooms::{BadRooms, FixedRooms, LOBBY};
pub use histories::{Histories, Page, Tail};
pub use history::{FORGOTTEN_IDS_MAX, Message, Messages, Older};
pub use id::{MemberId, MessageId, NotAnId, RoomId};
pub use member::Hears;
pub use name::{BadName, Name};
pub use rules::Rules;
