//! What stays of what was said, as plain values: the records, how they lie in a journal, what is
//! asked of the past and answered, how far the disk may fall behind. No clock, no file, no thread;
//! `net/store` has those. Of the chat it knows names, ids and facts.

mod codec;
mod gaps;
mod levels;
mod page;
mod query;
mod record;
mod recorder;
mod recovery;
mod retention;
mod search;
mod sum;

pub use codec::{RECORD_BYTES_MAX, Records, encode};
pub use gaps::Gaps;
pub use levels::{Backlog, Lag, Level, Levels};
pub use page::{Page, PageBuilder};
pub use query::{Ask, MESSAGES_MAX, Query, Reply};
pub use record::{Forget, Record, Target, folded};
pub use recorder::Recorder;
pub use recovery::{Recovery, without};
pub use retention::{clocks_are_apart, cutoff_for_age, cutoff_for_bytes};
pub use search::Words;
pub use sum::{ReservedId, kind_of, manner_of, message_sum, room_sum, sanction_sum};
