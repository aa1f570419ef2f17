//! Aggregators: several estimates to one.

pub mod weighted;
