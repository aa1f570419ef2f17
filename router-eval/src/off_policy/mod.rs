//! What recorded traffic says of policies that it did not follow: would one model for all have been better, or cheaper?
//!
//! A record holds one model's outcome. Where models were drawn at random with known probabilities (exploration), the outcomes under another
//! policy are estimated from the calls on which that policy agrees with the draw, each weighed by the inverse of its propensity (Horvitz and
//! Thompson, 1952), self-normalized (Swaminathan and Joachims, The Self-Normalized Estimator for Counterfactual Learning, 2015). Where nothing
//! was drawn, quality cannot be estimated: the prompts that a router sends to a model are not those it sends elsewhere. Cost can be in either
//! case, on the assumption that the other model would have read and written as many tokens: the billed tokens at its price.
//!
//! Intervals are percentile bootstrap intervals over calls ([`crate`] has the same for evaluations). Beyond [`GROUPS`] calls, calls are dealt
//! into that many groups, which are resampled.

mod estimate;
mod report;
#[cfg(test)]
mod tests;

use router_core::ModelIndex;

pub use report::{Estimate, OfModel, OfRouter, Quality, Report, Saving};

/// Most groups that are resampled.
pub const GROUPS: usize = 4096;

/// A recorded call.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Call {
    /// The models that could take it.
    pub eligible: Vec<ModelIndex>,
    /// The model that the router itself chose.
    pub chosen: ModelIndex,
    /// The model that was asked first; another one than `chosen` where exploration drew it.
    pub asked: ModelIndex,
    /// The probability with which `asked` was to be asked; 1 where nothing was drawn.
    pub propensity: f64,
    /// The model that answered; another one than `asked` where that failed.
    pub answered_by: Option<ModelIndex>,
    /// How good the answer was, in [0, 1].
    pub quality: Option<f64>,
    /// What the call cost in US dollars.
    pub cost_usd: Option<f64>,
    /// Billed input and output tokens.
    pub tokens: Option<(f64, f64)>,
    /// The router that decided, by its place among those that the report is given.
    pub router: Option<usize>,
    /// Another router that decided beside, and the model that it would have asked.
    pub shadow: Option<(usize, ModelIndex)>,
}

/// How to report.
#[derive(Debug, Clone, PartialEq)]
pub struct OffPolicyOptions {
    /// Bootstrap resamples.
    pub resamples: usize,
    /// The coverage of intervals.
    pub confidence: f64,
    /// The seed of the resamples.
    pub seed: u64,
    /// The model that is taken for the best one, where records do not tell.
    pub best: Option<ModelIndex>,
}

impl Default for OffPolicyOptions {
    fn default() -> Self {
        Self { resamples: 10_000, confidence: 0.95, seed: 0, best: None }
    }
}
