//! `Rules`: the numbers that the rules of chat depend on. Plain values, given by whoever makes a
//! directory.

use std::time::Duration;

use crate::bucket::Rate;

/// The numbers that the rules of chat depend on.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Members of a room up to which joins and leaves are announced individually.
    pub announce_members_max: usize,
    /// How many of them a room hears of individually; beyond, they are gathered.
    pub announce_rate: Option<Rate>,
    /// How long joins and leaves are gathered before they are told.
    pub churn_interval: Duration,
    /// How many members are told of that in one turn before other rooms wait for the next.
    pub churn_hearers_per_turn_max: usize,
    /// Rooms, the lobby included.
    pub rooms_max: usize,
    /// Rooms beside those that nobody is in and that are remembered; 0 where no history is kept.
    pub resting_rooms_max: usize,
    /// Rooms that one member is in.
    pub rooms_per_member_max: usize,
    /// Bytes of a topic.
    pub topic_bytes_max: usize,
    /// Names in the answer to who is here.
    pub who_names_max: usize,
    /// Rooms in the list of rooms.
    pub rooms_listed_max: usize,
}
