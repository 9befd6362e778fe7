//! What the fuzz targets share: bytes as a script, a server line as a client sees it, the rules of
//! chat with people who talk, and the machine on which the whole turn runs. The targets themselves
//! are in `fuzz_targets/`, each with the properties that it holds chatd to. Nothing here is part of
//! chatd.

pub mod ending;
pub mod heard;
pub mod json_line;
pub mod log;
pub mod machine;
pub mod net;
pub mod script;
pub mod server_line;
pub mod socket;
pub mod talk;
pub mod text_line;
