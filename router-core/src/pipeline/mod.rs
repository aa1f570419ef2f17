//! The pipeline: components composed, fitted, and asked.
//!
//! ```text
//! RouterBuilder / RouterConfig -> UnfittedRouter::fit -> Router
//! ```
//!
//! A router that is not fitted cannot route, by type. Cross-fitting (folds) happens here, once, so that no part scores rows
//! that it was fitted on.

mod builder;
mod conversation;
mod crossfit;
mod drift;
mod explain;
mod fit;
mod inference;
mod newcomer;
mod router;

pub use builder::RouterBuilder;
pub use crossfit::{aggregate_held_out, cross_fit_folds};
pub use explain::{Explanation, ModelExplanation, TaskExplanation};
pub use fit::{UnfittedRouter, embed_in_batches};
pub(crate) use inference::estimate_parts;
pub use inference::{BATCH, Prediction, RouteBuffers};
pub use newcomer::{Newcomer, Placement};
pub use router::Router;
