//! What is owed: blocks that everybody shares, and the queue of each connection. Pure; knows
//! nothing of what the bytes say.

pub mod block;
pub mod outbox;
