//! Drift: do the prompts that come in look like those that the router was trained on?
//!
//! A [`DriftReference`] is made in training and travels with the artifact (slot `drift`). It says how prompts that the router had
//! not seen fared then: how many got no task, how confident the classifier was, how near they lay to a task's
//! center. A [`DriftMonitor`] counts a stream of prompts in windows of constant memory and tests every window against it.
//!
//! ```text
//! Router::drift_reference() -> DriftReference
//! Router::observe(prompts)  -> Observation a prompt -> DriftMonitor::observe -> Window (a full one)
//! ```

mod monitor;
mod reference;

pub use monitor::{DistributionTest, DriftMonitor, NoTaskTest, Window};
pub(crate) use reference::{Centers, confidence};
pub use reference::{DriftReference, HeldOutDistribution, Observation};
