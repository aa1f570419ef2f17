//! What a difference can claim: p-values, correction for many routers, and the size that would be needed.

mod holm;
mod normal;
mod power;

use serde::{Deserialize, Serialize};

pub use holm::holm;
pub use normal::quantile as normal_quantile;
pub use power::{POWER, prompts_needed, smallest_detectable};

/// How far a paired difference goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Two-sided bootstrap p-value: `2 * min(share of resamples at or below 0, share at or above)`, each with one more added.
    pub p_value: f64,
    /// The same after Holm's correction over all routers of the evaluation, against this reference.
    pub p_holm: f64,
    /// Standard error of the difference: the standard deviation over resamples.
    pub standard_error: f64,
    /// The smallest true difference that as many prompts as these would show in four of five samples; 0 where the two never differ.
    pub smallest_detectable: f64,
    /// Prompts like these that would show a true difference of the observed size in four of five samples; `None` for no difference.
    pub prompts_needed: Option<usize>,
}

impl Claim {
    /// A claim before any correction, from the resampled differences of a set of `prompts`.
    pub(crate) fn new(delta: f64, p_value: f64, standard_error: f64, prompts: usize, confidence: f64) -> Self {
        Self {
            p_value,
            p_holm: p_value,
            standard_error,
            smallest_detectable: smallest_detectable(standard_error, confidence),
            prompts_needed: prompts_needed(delta, standard_error, prompts, confidence),
        }
    }
}

/// Corrects `claims` for each other.
pub(crate) fn correct(claims: &mut [&mut Claim]) {
    let corrected = holm(&claims.iter().map(|claim| claim.p_value).collect::<Vec<_>>());
    for (claim, p) in claims.iter_mut().zip(corrected) {
        claim.p_holm = p;
    }
}
