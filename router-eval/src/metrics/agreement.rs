//! How often two routers decide alike.
//!
//! The share of equal decisions, and Cohen's kappa, `(share - by chance) / (1 - by chance)`, which takes off what two routers
//! agree in because both like the same models (Cohen, Educational and Psychological Measurement 20, 1960). O(decisions).

use std::collections::BTreeMap;

use router_core::ModelIndex;
use serde::{Deserialize, Serialize};

/// Agreement of two routers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// The label of the one.
    pub a: String,
    /// The label of the other.
    pub b: String,
    /// The share of equal decisions.
    pub share: f64,
    /// Cohen's kappa; `None` where chance alone gives full agreement.
    pub kappa: Option<f64>,
    /// Decisions that both made.
    pub decisions: usize,
}

/// The share of equal decisions and Cohen's kappa; `None` without a decision.
///
/// ```
/// use router_eval::metrics::agreement::agreement;
/// // Equal in 3 of 4. a takes model 0 in 1/2, b in 3/4: by chance 1/2 * 3/4 + 1/2 * 1/4 = 1/2.
/// let (share, kappa) = agreement(&[(0, 0), (0, 0), (1, 1), (1, 0)]).unwrap();
/// assert_eq!((share, kappa), (0.75, Some(0.5)));
/// ```
pub fn agreement(decisions: &[(ModelIndex, ModelIndex)]) -> Option<(f64, Option<f64>)> {
    let n = decisions.len() as f64;
    if decisions.is_empty() {
        return None;
    }
    let mut counts: BTreeMap<ModelIndex, (f64, f64)> = BTreeMap::new();
    let mut equal = 0.0;
    for &(a, b) in decisions {
        counts.entry(a).or_default().0 += 1.0;
        counts.entry(b).or_default().1 += 1.0;
        equal += f64::from(u8::from(a == b));
    }
    let share = equal / n;
    let chance: f64 = counts.values().map(|(a, b)| a / n * b / n).sum();
    Some((share, (chance < 1.0 - 1e-12).then(|| (share - chance) / (1.0 - chance))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_routers_have_a_kappa_of_zero() {
        let (share, kappa) = agreement(&[(0, 0), (0, 1), (1, 0), (1, 1)]).unwrap();
        assert_eq!((share, kappa), (0.5, Some(0.0)));
    }

    #[test]
    fn two_constant_routers_agree_by_chance() {
        assert_eq!(agreement(&[(2, 2), (2, 2)]), Some((1.0, None)));
        assert_eq!(agreement(&[]), None);
    }
}
