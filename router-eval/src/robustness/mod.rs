//! Robustness: whether a router decides the same for a prompt that means the same.
//!
//! Every prompt is changed in a way that leaves its task as it was ([`Perturbation`]), embedded and routed again. Reported are the share
//! of decisions that stay, and what the new decisions score by the outcomes of the prompt as it was: how a model answers the changed
//! prompt was not observed, and is taken to be the same. RouterArena (Lu et al., arXiv 2510.00202, section 4) reports the first.

mod perturb;

pub use perturb::Perturbation;

use serde::{Deserialize, Serialize};

use crate::summary::Difference;

/// What one perturbation does to one router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Robustness {
    /// The router.
    pub router: String,
    /// The perturbation.
    pub perturbation: Perturbation,
    /// The share of decisions for the same model.
    pub unchanged: f64,
    /// Mean quality of the decisions on changed prompts.
    pub quality: Option<f64>,
    /// Paired difference from the decisions on the prompts as they were.
    pub vs_unchanged: Option<Difference>,
    /// Decisions over all seeds.
    pub decisions: usize,
}
