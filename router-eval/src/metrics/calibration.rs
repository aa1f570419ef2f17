//! Calibration of the estimates: whether a quality of 0.8 is expected where 0.8 is met.
//!
//! - ECE: the expected calibration error, `sum over bins of share of pairs in it * |mean estimate - mean outcome|`, over ten bins
//!   of equal width (Naeini, Cooper and Hauskrecht, AAAI 2015; Guo et al., ICML 2017, equation 3)
//! - Brier: the mean squared difference of estimate and outcome (Brier 1950). An outcome between 0 and 1 counts as it is
//! - reliability: the mean estimate and the mean outcome of every bin that holds a pair
//!
//! Of every (prompt, model) pair with an outcome, pooled and a model; and of the chosen pairs alone, where a maximum over noisy
//! estimates expects too much (the winner's curse). Estimates outside [0, 1] count in the end bins. O(pairs).
#![allow(clippy::indexing_slicing, reason = "bins are numbered below their count")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bins of equal width.
pub const BINS: usize = 10;

/// How estimates agree with outcomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// All pairs.
    pub pooled: Reliability,
    /// The chosen pairs.
    pub chosen: Option<Reliability>,
    /// By model.
    pub models: BTreeMap<String, Reliability>,
}

/// Agreement over some pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Expected calibration error in [0, 1].
    pub ece: f64,
    /// Mean squared difference.
    pub brier: f64,
    /// Mean estimate less mean outcome: above 0 where too much is expected.
    pub bias: f64,
    /// (prompt, model) pairs, over all seeds.
    pub pairs: usize,
    /// The bins that hold a pair, by rising estimate.
    pub bins: Vec<Bin>,
}

/// One bin of the reliability curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Mean estimate.
    pub estimate: f64,
    /// Mean outcome.
    pub outcome: f64,
    /// Pairs.
    pub pairs: usize,
}

/// Sums for [`Reliability`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ReliabilitySums {
    squares: f64,
    bins: [(f64, f64, usize); BINS],
}

impl ReliabilitySums {
    /// Adds a pair.
    ///
    /// ```
    /// use router_eval::metrics::calibration::ReliabilitySums;
    /// let mut sums = ReliabilitySums::default();
    /// for (estimate, outcome) in [(0.9, 1.0), (0.9, 0.0), (0.1, 0.0), (0.1, 0.0)] {
    ///     sums.add(estimate, outcome);
    /// }
    /// let found = sums.finish().unwrap();
    /// // Half of the pairs are 0.9 against 0.5, half 0.1 against 0.
    /// assert!((found.ece - (0.5 * 0.4 + 0.5 * 0.1)).abs() < 1e-12);
    /// assert!((found.brier - (0.01 + 0.81 + 0.01 + 0.01) / 4.0).abs() < 1e-12);
    /// assert!((found.bias - 0.25).abs() < 1e-12);
    /// ```
    pub fn add(&mut self, estimate: f64, outcome: f64) {
        let bin = &mut self.bins[((estimate * BINS as f64).max(0.0) as usize).min(BINS - 1)];
        bin.0 += estimate;
        bin.1 += outcome;
        bin.2 += 1;
        self.squares += (estimate - outcome).powi(2);
    }

    /// The agreement; `None` without a pair.
    pub fn finish(&self) -> Option<Reliability> {
        let pairs: usize = self.bins.iter().map(|bin| bin.2).sum();
        let bin = |&(estimate, outcome, pairs): &(f64, f64, usize)| Bin {
            estimate: estimate / pairs as f64,
            outcome: outcome / pairs as f64,
            pairs,
        };
        let total = pairs as f64;
        let of_bins = |of: fn(&(f64, f64, usize)) -> f64| self.bins.iter().map(of).sum::<f64>() / total;
        (pairs > 0).then(|| Reliability {
            ece: of_bins(|(estimate, outcome, _)| (estimate - outcome).abs()),
            brier: self.squares / total,
            bias: of_bins(|(estimate, outcome, _)| estimate - outcome),
            pairs,
            bins: self.bins.iter().filter(|bin| bin.2 > 0).map(bin).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_ends_is_in_the_end_bins() {
        let mut sums = ReliabilitySums::default();
        sums.add(1.5, 1.0);
        sums.add(-0.5, 0.0);
        sums.add(1.0, 1.0);
        let found = sums.finish().unwrap();
        assert_eq!(found.bins.iter().map(|bin| bin.pairs).collect::<Vec<_>>(), [1, 2]);
        assert!((found.ece - (0.5 + 0.5) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn perfect_estimates_have_no_error() {
        let mut sums = ReliabilitySums::default();
        // 0.25 is met in one of four.
        for outcome in [1.0, 0.0, 0.0, 0.0] {
            sums.add(0.25, outcome);
        }
        let found = sums.finish().unwrap();
        assert_eq!((found.ece, found.bias), (0.0, 0.0));
        assert_eq!(found.brier, (0.5625 + 3.0 * 0.0625) / 4.0);
        assert_eq!(ReliabilitySums::default().finish(), None);
    }
}
