//! Aggregators: several estimates to one.

pub mod calibrated;
mod parts;
pub mod precision_weighted;
pub mod stacking;
pub mod weighted;
