//! The parts of `chatd` that need no process and no server, by the library's public interface; and
//! what the load generator counts. Allocations have a binary of their own (`tests/allocations.rs`):
//! counting them takes another allocator, which nothing here should pay for.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "tests live outside"
)]
#![allow(clippy::unwrap_used, missing_docs)]
#![allow(clippy::too_many_lines, reason = "some are lists of cases")]

mod archive;
mod bans_by_hand;
mod bounded_by_hand;
mod circles;
mod coming_back;
mod ending_by_hand;
mod fair_by_hand;
mod fair_stage;
mod imports;
mod listeners_by_hand;
mod load_checks;
mod many_rooms_by_hand;
mod names;
mod password_by_hand;
mod reserved_names;
mod sealed_by_hand;
mod simulation;
mod takeover_by_hand;
mod turn_by_hand;
mod turn_stage;
mod web_by_hand;
mod web_stage;
mod websocket_by_hand;
