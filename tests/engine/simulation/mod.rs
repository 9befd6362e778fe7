//! The parts of the simulation. The crowd and its network: `plan`, `bursts`, `crowd`, `sending`, `socket`, `sealed`, `network`. The
//! turn, driven as the server drives it, and what was heard of it: `driver`, `heard`, `observe`. The
//! shadow, written from the protocol alone: what a client sends (`input`, `sniff`, `asked`, and over
//! the web door `web`; what browsers choose to send is in `browser`), how what it is told lies in its
//! stream (`wire`), who is
//! where (`peer`, `room`, `world`), what comes of a line (`judge`, `deeds`, `coming`, `takeover`),
//! how it looks (`words`, `past`), whether the facts are those (`facts`) and everybody was told them
//! (`stream`), how fast rooms go (`pacing`), what the operator does (`operator`), what is posted and read over HTTP (`http_rooms`), and the walk through a turn in the order of its facts
//! (`walk`, `reads`, `ends`). Then
//! `checks`, the story (`trace`), and the test that runs many of them (`seeds`).

mod asked;
mod browser;
mod bursts;
mod checks;
mod coming;
mod crowd;
mod deeds;
mod driver;
mod ends;
mod facts;
mod heard;
mod http_rooms;
mod input;
mod judge;
mod network;
mod observe;
mod operator;
mod pacing;
mod past;
mod peer;
mod plan;
mod reads;
mod room;
mod sealed;
mod seeds;
mod sending;
mod sniff;
mod socket;
mod stream;
mod takeover;
mod trace;
mod walk;
mod web;
mod wire;
mod words;
mod world;
