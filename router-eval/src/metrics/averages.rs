//! Micro and macro averages of quality.
//!
//! - micro: the mean over all prompts, so that a large benchmark counts for more
//! - macro: the mean over benchmarks of each one's mean, so that every benchmark counts alike
//!
//! They part where a router pays off on one benchmark alone; a claim should hold in both. Source: Manning, Raghavan and
//! Schütze, Introduction to Information Retrieval, 2008, section 13.6.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Averages of quality, in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Averages {
    /// The mean over all scored prompts of all data sets.
    pub micro: f64,
    /// The mean over benchmarks of each one's mean; prompts of no named benchmark are one benchmark a data set.
    pub macro_benchmark: f64,
    /// Benchmarks that count.
    pub benchmarks: usize,
}

/// The averages of scores, each with the number of its benchmark; `None` without a score. O(n log b).
///
/// ```
/// use router_eval::metrics::averages::averages;
/// // Three prompts of benchmark 0, one of benchmark 1.
/// let found = averages([(0, 1.0), (0, 1.0), (0, 1.0), (1, 0.0)]).unwrap();
/// assert_eq!((found.micro, found.macro_benchmark, found.benchmarks), (0.75, 0.5, 2));
/// ```
pub fn averages(scores: impl IntoIterator<Item = (usize, f64)>) -> Option<Averages> {
    let mut sums: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
    for (benchmark, score) in scores {
        let (sum, count) = sums.entry(benchmark).or_default();
        *sum += score;
        *count += 1;
    }
    let (sum, count) = sums.values().fold((0.0, 0), |(sum, count), (s, c)| (sum + s, count + c));
    let benchmarks = sums.len();
    (count > 0).then(|| Averages {
        micro: sum / count as f64,
        macro_benchmark: sums.values().map(|(sum, count)| sum / *count as f64).sum::<f64>() / benchmarks as f64,
        benchmarks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_average() {
        assert_eq!(averages([]), None);
    }
}
