//! Policies: estimates to decisions.

pub mod utility;
