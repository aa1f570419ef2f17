//! Aggregators: several estimates to one.

mod parts;
pub mod precision_weighted;
pub mod stacking;
pub mod weighted;
