//! What the fuzz targets share: bytes as a script, a server line as a client sees it, and the
//! machine on which the whole hub runs. The targets themselves are in `fuzz_targets/`, each with
//! the properties that it holds chatd to. Nothing here is part of chatd.

pub mod ending;
pub mod heard;
pub mod machine;
pub mod script;
pub mod server_line;
pub mod socket;
