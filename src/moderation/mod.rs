//! Whom the operator has shut out or silenced: bans and mutes as plain values, and how the one is found
//! that concerns a name or an address, in a time that does not grow with their number. Not what comes
//! of it (that is the hub's), nor how it outlives the process (`net/store`). No clock: whoever asks says
//! what time it is. Of the chat it knows names alone.

mod guard;
mod nets;
mod sanction;
mod sanctions;

pub use guard::{Guard, Guarded, net_of, read_net};
pub use sanction::{Change, End, Kind, Sanction, Target, Whom};
pub use sanctions::{Full, Sanctions};
