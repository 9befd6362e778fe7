//! The parts of the simulation: the crowd and its network (`plan`, `crowd`, `socket`), the hub as net
//! drives it (`driver`), the shadow (`rules`, `peer`, `room`, `told`, `world`), the comparison of the
//! two (`observe`, `explain`, `order`, `view`, `checks`), the story (`trace`), and the test that runs
//! many of them (`seeds`).

mod checks;
mod crowd;
mod driver;
mod explain;
mod observe;
mod order;
mod peer;
mod plan;
mod room;
mod rules;
mod seeds;
mod socket;
mod told;
mod trace;
mod view;
mod world;
