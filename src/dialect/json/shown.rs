//! What stands in a line as the text that it is shown as: times, ids. Not which lines there are (that
//! is `write`'s).

use std::fmt::Display;

use serde::{Serialize, Serializer};

use crate::chat::MessageId;

/// A string that is written as it is shown.
pub(super) struct Shown<T>(pub(super) T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Ids of messages, as they are shown.
pub(super) fn ids<S: Serializer>(ids: &&[MessageId], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids.iter().map(Shown))
}
