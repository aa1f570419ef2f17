//! What becomes of an artifact that is damaged, exchanged, replaced while it is read, or written by a process that is killed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod damage;
mod kill;
mod nested;
mod replaced;
mod world;
