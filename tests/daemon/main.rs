//! `chatd` from outside: real processes and real sockets, each test with a server of its own. One
//! binary, so that `common` is compiled once and tests of all files run side by side. A test may
//! change no state of this process but its limit of open files, which only ever rises.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "tests live outside"
)]
#![allow(clippy::unwrap_used, missing_docs)]
#![allow(clippy::too_many_lines, reason = "some are lists of cases")]

#[path = "../common/mod.rs"]
mod common;

mod archive;
mod bans;
mod board_disk;
mod console;
mod console_background;
mod doors_told_apart;
mod faults_accept;
mod faults_life;
mod faults_memory;
mod faults_read_write;
mod faults_stood_still;
mod faults_text;
mod files;
mod flags;
mod forgetting;
mod json_bounds;
mod json_entering;
mod json_history;
mod json_resume;
mod json_rooms;
mod json_talking;
mod last_word;
mod life;
mod limits_reached;
mod log;
mod metrics;
mod metrics_page;
mod mixed_doors;
mod mixed_room;
mod mixed_transcript;
mod motd;
mod mutes;
mod operator_log;
mod operator_socket;
mod operator_words;
mod password;
mod password_web;
mod protocol_big_rooms;
mod protocol_bytes;
mod protocol_commands;
mod protocol_crowd;
mod protocol_history;
mod protocol_joining;
mod protocol_leaving;
mod protocol_limits;
mod protocol_talking;
mod protocol_transcript;
mod proxied;
mod rooms_setting;
mod startup;
mod tls_certificates;
mod tls_faults;
mod tls_stalled;
mod tls_talking;
mod web_history;
mod web_pages;
mod web_posts;
mod websocket;
mod websocket_ends;
