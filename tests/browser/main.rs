//! The page in a real browser, against a real `chatd`: what a person with a browser sees and does. Not
//! what the server answers to requests (that is `tests/daemon`). Where there is no browser, each test
//! says so and passes; `CHATD_BROWSER` names a Chromium that is not found by itself, `CHATD_FIREFOX` a Firefox.
//!
//! One browser runs at a time: each is several processes, and what is looked for is behaviour.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "tests live outside"
)]
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;

mod away;
mod cold;
mod devtools;
mod firefox;
mod flood;
mod hostile;
mod link;
mod looks;
mod page;
mod password;
mod reading;
mod running;
mod sealed;
mod talking;
