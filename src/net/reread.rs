//! `Reread`: what came of reading a file again that the server goes by. A plain value, for the log and for the
//! operator who asked.

/// In one line: what holds now, or why the old one stays.
pub(super) type Reread = Result<String, String>;
