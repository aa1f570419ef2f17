//! Policies: estimates to decisions.

pub mod budget;
pub mod cheapest_above;
mod choice;
mod conformal;
pub mod guarded;
pub mod latency_aware;
pub mod utility;
