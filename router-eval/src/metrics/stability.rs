//! Stability over seeds: how much of a router is chance.
//!
//! The share of equal decisions over all pairs of seeds, and the spread of the quality. In cross-validation a seed deals folds too,
//! so that the spread holds what other training prompts change.

use router_core::ModelIndex;
use serde::{Deserialize, Serialize};

/// Stability over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stability {
    /// The share of equal decisions, over all pairs of seeds and all prompts that both decided.
    pub equal_decisions: f64,
    /// The highest less the lowest quality of a seed.
    pub quality_range: f64,
    /// Seeds.
    pub seeds: usize,
}

/// The share of equal decisions over all pairs of seeds, a list of decisions each; `None` for fewer than two, or no decision.
///
/// ```
/// use router_eval::metrics::stability::equal_decisions;
/// // Seeds 0 and 1 agree in 2 of 2, 0 and 2 in 1 of 2, 1 and 2 in 1 of 2.
/// let seeds = [vec![Some(0), Some(1)], vec![Some(0), Some(1)], vec![Some(0), Some(2)]];
/// assert_eq!(equal_decisions(&seeds), Some(4.0 / 6.0));
/// ```
pub fn equal_decisions(seeds: &[Vec<Option<ModelIndex>>]) -> Option<f64> {
    let (mut equal, mut all) = (0usize, 0usize);
    for (at, one) in seeds.iter().enumerate() {
        for other in seeds.iter().skip(at + 1) {
            for (a, b) in one.iter().zip(other) {
                if let (Some(a), Some(b)) = (a, b) {
                    all += 1;
                    equal += usize::from(a == b);
                }
            }
        }
    }
    (all > 0).then(|| equal as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_says_nothing() {
        assert_eq!(equal_decisions(&[vec![Some(0)]]), None);
        assert_eq!(equal_decisions(&[vec![Some(0)], vec![None]]), None);
    }
}
