//! Policies: estimates to decisions.

pub mod budget;
pub mod cascade;
pub mod cheapest_above;
mod choice;
pub mod complementary_set;
mod conformal;
pub mod cost_quality_bayes;
mod evidence;
pub mod guarded;
pub mod hybrid;
mod joint;
pub mod latency_aware;
pub mod utility;
