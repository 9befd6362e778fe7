//! The parts of the simulation: the crowd and its network (`plan`, `crowd`, `socket`), the hub as net
//! drives it (`driver`), the shadow (`rules`, `peer`, `room`, `told`, `world`), the comparison of the
//! two (`observe`, `explain`, `order`, `view`, `checks`), and the story (`trace`).

mod checks;
mod crowd;
pub(crate) mod driver;
mod explain;
mod observe;
mod order;
mod peer;
mod plan;
mod room;
mod rules;
mod socket;
mod told;
pub(crate) mod trace;
mod view;
mod world;
