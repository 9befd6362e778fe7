//! `Name`.
