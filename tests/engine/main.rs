//! The parts of `chatd` that need no process and no server, by the library's public interface; and
//! what the load generator counts. Allocations have a binary of their own (`tests/allocations.rs`):
//! counting them takes another allocator, which nothing here should pay for.
#![allow(clippy::unwrap_used, missing_docs)]

mod hub_by_hand;
mod load_checks;
mod names;
mod simulation;
