//! How long one decision takes, prompt by prompt.

use serde::{Deserialize, Serialize};

use crate::bootstrap::quantile;

/// Times of single decisions on this machine, as a service makes them: one prompt at a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// With the embedding at hand.
    pub decision: Percentiles,
    /// From the text: the embedding included.
    pub with_encoder: Percentiles,
}

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of the decisions are faster.
    pub p50_us: f64,
    /// One in a hundred is slower.
    pub p99_us: f64,
    /// Decisions that were timed.
    pub decisions: usize,
}

/// Seconds of single decisions.
#[derive(Debug, Clone, Default)]
pub(crate) struct LatencySamples {
    pub(crate) decision: Vec<f64>,
    pub(crate) with_encoder: Vec<f64>,
}

impl LatencySamples {
    pub(crate) fn extend(&mut self, other: Self) {
        self.decision.extend(other.decision);
        self.with_encoder.extend(other.with_encoder);
    }

    pub(crate) fn finish(&self) -> Option<Latency> {
        Some(Latency { decision: percentiles(&self.decision)?, with_encoder: percentiles(&self.with_encoder)? })
    }
}

fn percentiles(seconds: &[f64]) -> Option<Percentiles> {
    let mut sorted = seconds.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |p: f64| quantile(&sorted, p) * 1e6;
    (!sorted.is_empty()).then(|| Percentiles { p50_us: at(0.5), p99_us: at(0.99), decisions: sorted.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        // 1 to 101 milliseconds in reverse: the median is 51, the 99th percentile 100.
        let seconds: Vec<f64> = (1..=101).rev().map(|at| f64::from(at) / 1000.0).collect();
        let found = percentiles(&seconds).unwrap();
        assert!((found.p50_us - 51_000.0).abs() < 1e-6 && (found.p99_us - 100_000.0).abs() < 1e-6);
        assert_eq!(found.decisions, 101);
        assert_eq!(LatencySamples::default().finish(), None);
    }
}
