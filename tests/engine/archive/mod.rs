//! What is kept on disk, by the store's public interface, with real folders: that it is there again,
//! whatever happened, and that nothing else is ever shown.

mod damage;
mod disk;
mod forgetting;
mod journal;
mod keeping;
mod killed;
mod reading;
mod sanctions;
mod support;
