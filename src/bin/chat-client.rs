//! chat-client.
fn main() {}
