//! Policies: estimates to decisions.

pub mod budget;
pub mod cheapest_above;
mod choice;
pub mod guarded;
pub mod latency_aware;
pub mod utility;
